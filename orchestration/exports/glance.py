"""A first look at a piece of a delimited file, by a few operations on bytes.

Belongs here: proving that every record of the piece is plain and good. Does not belong here: any other piece;
``survey.py`` then examines it closely.

All bytes of a piece except delimiters and line ends are deleted. What is left must be the same few bytes over
and over. Quoted fields without line ends are first replaced by a letter; if there are many of them, the close
look is faster.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .columns import BLANKS
from .damage import damage_at, reads_as_gbk
from .limits import LINE_BYTES

BLANK_BYTES = bytes({*BLANKS.encode()} - {*b"\r\n"})
FEW_QUOTES = 32  # bytes for each
SAMPLED_BYTES = 65_536  # of each piece searched for UTF-8 that was read as GBK


def plain_records(piece: bytes, delimiter: bytes, quote: bytes, width: int, line_end: bytes) -> int | None:
    """How many records the piece (whole lines) holds, None unless all are plain: ``width`` fields, some of
    them not blank, ended by ``line_end``, and without damage."""
    if quote and quote in piece:
        if piece.count(quote) * FEW_QUOTES > len(piece):
            return None
        text = _without_quotes(piece, delimiter, quote)
        if quote in text:
            return None
    else:
        text = piece
    records = piece.count(b"\n")
    if (b"\r" in piece) != (line_end == b"\r\n"):
        return None
    if line_end == b"\r\n" and not piece.count(b"\r\n") == piece.count(b"\r") == records:
        return None
    if text.translate(None, _others(delimiter)) != (delimiter * (width - 1) + b"\n") * records:
        return None
    if has_blank_line(piece, delimiter + quote) or has_long_line(piece) or is_damaged(piece):
        return None
    return records


def has_blank_line(piece: bytes, markup: bytes) -> bool:
    """Whether a line may hold only blanks, delimiters and quotes (``markup``); non-breaking and wide blanks
    count too.

    The bytes of blanks are deleted one by one, so a letter made of such bytes may be taken for a blank. The
    close look decides.
    """
    text = piece.translate(None, BLANK_BYTES + markup)
    return text.startswith((b"\n", b"\r\n")) or b"\n\n" in text or b"\n\r\n" in text


def is_damaged(piece: bytes) -> bool:
    return bool(damage_at(piece)) or may_be_gbk(piece)


def may_be_gbk(piece: bytes) -> bool:
    """Whether the piece's beginning holds UTF-8 that was read as GBK."""
    return not piece.isascii() and reads_as_gbk(piece[:SAMPLED_BYTES].decode("utf-8", "ignore"))


def has_long_line(piece: bytes) -> bool:
    """Whether a line exceeds the limit. Hops through the piece from line end to line end, each time as far as
    a line may be long.
    """
    at = 0
    while at < len(piece):
        end = piece.rfind(b"\n", at, at + LINE_BYTES + 1)
        if end < 0:
            return len(piece) - at > LINE_BYTES
        at = end + 1
    return False


def _without_quotes(piece: bytes, delimiter: bytes, quote: bytes) -> bytes:
    blank, filled = _quoted(delimiter, quote)
    return filled.sub(b"x", blank.sub(b"", b"\n" + piece))[1:]


@lru_cache
def _quoted(delimiter: bytes, quote: bytes) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Quoted fields that are blank, and those that are not and hold no line end."""
    d, q = re.escape(delimiter), re.escape(quote)
    inside = rb"[^" + q + rb"\r\n]*"
    # the quote comes first: a byte is searched for fast, and what stands before it is looked at after
    opening, after = q + rb"(?<=[\n" + d + rb"]" + q + rb")", rb"(?=[\r\n" + d + rb"])"
    return (
        re.compile(opening + q + after),
        re.compile(opening + inside + rb"(?:" + q + q + inside + rb")*" + q + after),
    )


@lru_cache
def _others(delimiter: bytes) -> bytes:
    return bytes(set(range(256)) - {*delimiter, *b"\n"})
