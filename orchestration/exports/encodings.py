"""Which encoding a text file is in, and its text as UTF-8.

Belongs here: detection by strict decoding and by how plausible the decoded text is, transcoding in pieces,
and the refusal of files that stay undecided. Does not belong here: damage inside text that decodes well
(``damage.py``).

Detection. A byte order mark decides. Else a file that is UTF-8 throughout is UTF-8, because text of n
characters in another encoding is valid UTF-8 by chance only about once in 2^n. Else NUL bytes in every second
place mean UTF-16. Else the candidates that decode (nearly) every byte are ranked by how much of the text
consists of characters that people write: frequent characters of the language, the first level of the national
standard (GB 2312 rows 16-55, Big5 A440-C67E, JIS X 0208 rows 16-47), a Latin letter with an accent between
letters, a unit's µ or °. The best candidate must be good in itself, and clearly better than the next one that
reads differently; else the file is refused.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from .errors import ExportFault
from .limits import CHUNK_BYTES
from .scripts import COMMON_BOTH, COMMON_SIMPLIFIED, COMMON_TRADITIONAL, LATIN_SYMBOLS, WRITTEN_SIGNS

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# a narrower name is read by the superset that real systems write under it
SUPERSETS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "cp936": "gb18030",
    "shift_jis": "cp932",
    "sjis": "cp932",
    "big5": "cp950",
    "iso8859-1": "cp1252",
    "latin_1": "cp1252",
    "latin1": "cp1252",
    "ascii": "utf-8",
}
CANDIDATES = ("gb18030", "cp950", "cp932", "cp1252")
SAMPLE_BYTES = 256 * 1024  # of lines that are not plain ASCII
UNDECODED_SHARE = 0.005  # of bytes beyond ASCII: text cut in the middle of a character, line by line
GOOD, CLEARLY = 0.30, 0.20
HAN = {  # characters common to the encoding's writers; its national standard, and that standard's first level
    "gb18030": (COMMON_BOTH | COMMON_SIMPLIFIED, "gb2312", 0xB0A1, 0xD7F9),
    "cp950": (COMMON_BOTH | COMMON_TRADITIONAL, "big5", 0xA440, 0xC67E),
    "cp932": (COMMON_BOTH, "shift_jis", 0x889F, 0x9872),
}
UNDECODABLE = "\ufdd0"  # a noncharacter that marks where bytes could not be decoded


@dataclass(frozen=True)
class Encoding:
    """``name`` as recorded; ``codec`` as Python calls it; ``skip`` bytes of byte order mark."""

    name: str
    codec: str
    skip: int
    is_utf8: bool


def encoding_of(path: Path, stated: str | None) -> Encoding:
    """The encoding stated for the file, checked against a byte order mark; or the one detected; or a
    fault."""
    with path.open("rb") as file:
        head = file.read(4)
    marked = next(((mark, name) for mark, name in BYTE_ORDER_MARKS if head.startswith(mark)), None)
    if stated is not None:
        encoding = _stated(stated, marked)
    elif marked:
        mark, name = marked
        encoding = Encoding(name, name.removesuffix("-sig"), len(mark), name == "utf-8-sig")
    else:
        return _detected(path)
    if encoding.is_utf8 and not _first_look(path)[0]:
        return replace(encoding, is_utf8=False)  # transcode it, so that its bad bytes are found in their rows
    return encoding


def _stated(stated: str, marked: tuple[bytes, str] | None) -> Encoding:
    try:
        codec = codecs.lookup(stated).name
    except LookupError:
        raise ExportFault(
            "unknown_encoding",
            found=f'encoding "{stated}"',
            expected="a name that Python knows, such as gb18030",
            remedy="Correct `encoding`, or leave it out to have it detected.",
        ) from None
    codec = SUPERSETS.get(codec, SUPERSETS.get(codec.replace("-", "_"), codec))
    family = codec.replace("_", "-").removesuffix("-sig").removesuffix("-le").removesuffix("-be")
    if marked:
        mark, name = marked
        plain = name.removesuffix("-sig")
        if family != plain.removesuffix("-le").removesuffix("-be"):
            raise ExportFault(
                "wrong_encoding",
                found=f"the byte order mark of {plain}",
                expected=f"{stated}, as `encoding` states",
                remedy="Correct `encoding`, or leave it out to have it detected.",
            )
        return Encoding(name, plain, len(mark), plain == "utf-8")
    if codec in ("utf-16", "utf-32"):
        codec += "-le"  # without a mark, as Windows writes it
    return Encoding(codec, codec, 0, codec.startswith("utf-8"))


def _detected(path: Path) -> Encoding:
    valid, sample, zeros = _first_look(path)
    if zeros is not None:
        codec = _utf16_without_mark(path)
        if codec is None:
            raise ExportFault(
                "nul_bytes",
                row=zeros,
                found="NUL bytes",
                expected="text",
                remedy="The file is damaged or is no text file; ask for it again.",
            )
        return Encoding(codec, codec, 0, False)
    if valid:
        return Encoding("utf-8", "utf-8", 0, True)
    if _is_damaged_utf8(sample):
        return Encoding("utf-8", "utf-8", 0, False)
    ranked = ranking(sample)
    best = ranked[0] if ranked else None
    if best is None or best[1] < GOOD or (len(ranked) > 1 and best[1] - ranked[1][1] < CLEARLY):
        tried = ", ".join(f"{name} ({score:.2f})" for name, score in ranked) or "none of them decodes it"
        raise ExportFault(
            "undecidable_encoding",
            found=f"text that is not UTF-8, and no other encoding is clearly right: {tried}",
            expected="one encoding that reads as text",
            remedy="State `encoding` for this file, or ask for UTF-8.",
        )
    return Encoding(best[0], best[0], 0, False)


def _first_look(path: Path) -> tuple[bool, bytes, int | None]:
    """Whether all is UTF-8; lines beyond ASCII; the row of the first NUL byte, if any."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    valid, sample, offset = True, bytearray(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            if b"\0" in chunk:
                return False, bytes(sample), _row_at(path, offset + chunk.index(b"\0"))
            offset += len(chunk)
            plain = chunk.isascii()
            if valid and not (plain and not decoder.getstate()[0]):
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    valid = False
            if not plain and len(sample) < SAMPLE_BYTES:
                sample += _lines_beyond_ascii(chunk, SAMPLE_BYTES - len(sample))
            if not valid and len(sample) >= SAMPLE_BYTES:
                break
    return valid and not decoder.getstate()[0], bytes(sample), None


def _row_at(path: Path, offset: int) -> int:
    rows = 1
    with path.open("rb") as file:
        while offset > 0 and (chunk := file.read(min(offset, CHUNK_BYTES))):
            rows += chunk.count(b"\n")
            offset -= len(chunk)
    return rows


def _lines_beyond_ascii(chunk: bytes, most: int) -> bytes:
    found = bytearray()
    for line in chunk.splitlines():
        if not line.isascii():
            found += line[:4096] + b"\n"
            if len(found) >= most:
                break
    return bytes(found)


def _utf16_without_mark(path: Path) -> str | None:
    """utf-16-le or utf-16-be where NUL bytes stand at one parity only, often enough, and lines end."""
    with path.open("rb") as file:
        head = file.read(64 * 1024)
    head = head[: len(head) // 2 * 2]
    share = 0.4 if head.isascii() else 0.1  # Latin text has one in nearly every character
    even, odd = head[0::2].count(0), head[1::2].count(0)
    for codec, many, few in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if many >= len(head) // 2 * share and few == 0:
            text = head.decode(codec, "ignore")
            if "\n" in text or "\r" in text:
                return codec
    return None


def _is_damaged_utf8(sample: bytes) -> bool:
    """Whether the bytes are UTF-8 except in a few places: at least 20 characters of several bytes, and 20 for
    each bad place.
    """
    text = sample.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    several = sum(1 for c in text if c > "\x7f") - bad
    return several >= 20 and several >= 20 * bad


def ranking(sample: bytes) -> list[tuple[str, float]]:
    """Candidates that decode the sample, each with its plausibility from -1 to 1, the best first.

    A candidate that reads exactly as a better one does is left out.
    """
    beyond = sum(1 for byte in sample if byte > 0x7F)
    scored, seen = [], set()
    for codec in CANDIDATES:
        text = sample.decode(codec, "replace")
        if text.count("\ufffd") > UNDECODED_SHARE * beyond or text in seen:
            continue
        seen.add(text)
        scored.append((codec, _plausibility(text, codec)))
    return sorted(scored, key=lambda pair: -pair[1])


def _plausibility(text: str, codec: str) -> float:
    """Mean worth of the characters beyond ASCII when read as ``codec``."""
    judge = _latin_worth if codec == "cp1252" else _east_asian_worth
    worths = [judge(text, i, codec) for i, c in enumerate(text) if c > "\x7f"]
    return sum(worths) / max(len(worths), 1)


def _latin_worth(text: str, i: int, codec: str) -> float:
    """The worth of one character: an accented letter belongs beside letters, a sign beside digits, units or
    blanks; runs are unlikely.
    """
    c = text[i]
    before, after = (text[i - 1] if i else " "), (text[i + 1] if i + 1 < len(text) else " ")
    if c in LATIN_SYMBOLS:
        return 0.9 if before <= "\x7f" and after <= "\x7f" else 0.2
    if c.isalpha():
        beside = [n for n in (before, after) if n.isascii() and n.isalpha()]
        foreign = [n for n in (before, after) if n > "\x7f"]
        if foreign:
            return (
                0.3 if all(n.isalpha() and n.islower() for n in foreign) and c.islower() and beside else -1.0
            )
        return 0.9 if beside and (c.islower() or not before.islower()) else -0.2
    if c in "“”‘’–—…«»":
        return 0.3
    return -1.0


def _east_asian_worth(text: str, i: int, codec: str) -> float:
    """Worth of one character: common, standard or rare for ``codec``."""
    c = text[i]
    if (
        "\uff61" <= c <= "\uff9f"
    ):  # half-width katakana: one byte, and what other encodings look like in Shift-JIS
        neighbours = text[i - 1 : i] + text[i + 1 : i + 2]
        return (
            0.4 if any("\uff61" <= n <= "\uff9f" for n in neighbours) and not _has_han(neighbours) else -0.6
        )
    if "\u4e00" <= c <= "\u9fff":
        return _han_worth(c, codec)
    if "\u3040" <= c <= "\u30ff":
        return 0.9 if codec == "cp932" else -0.5
    if c in WRITTEN_SIGNS or "\uff01" <= c <= "\uff5e":
        return 0.5
    return -1.0


def _has_han(text: str) -> bool:
    return any("\u4e00" <= c <= "\u9fff" for c in text)


def _han_worth(c: str, codec: str) -> float:
    """The worth of a Han character: common in such texts, of the standard's first or second
    level, or neither.
    """
    common, standard, first, last = HAN[codec]
    if c in common:
        return 1.0
    if codec == "gb18030" and c in COMMON_TRADITIONAL:
        return 0.6
    code = int.from_bytes(c.encode(standard, "ignore"), "big")
    return 0.35 if first <= code <= last else -0.3 if code else -0.8


def utf8_chunks(path: Path, encoding: Encoding) -> Iterator[bytes]:
    """The file's text as UTF-8, piece by piece; bytes that cannot be decoded become ``UNDECODABLE``."""
    decoder = codecs.getincrementaldecoder(encoding.codec)("export_undecodable")
    with path.open("rb") as file:
        file.seek(encoding.skip)
        while chunk := file.read(CHUNK_BYTES):
            yield decoder.decode(chunk).encode("utf-8", "replace")
        yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _mark_undecodable(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return UNDECODABLE, error.end
    raise error


codecs.register_error("export_undecodable", _mark_undecodable)
