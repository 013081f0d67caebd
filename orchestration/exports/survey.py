"""The fast path through a delimited file: a few passes of numpy find every line that is no good record.

Belongs here: the structural scan of a UTF-8 file whose quoting is regular, and a copy in which its bad
records are replaced by empty ones. DuckDB can then read the rest at its own speed, and row numbers stay true.
Does not belong here: files with irregular quoting (``records.py``); the scan reports them and stops.

Quoting is regular when every quote either opens a field (after a delimiter, a line end or the start), closes
one (before a delimiter or a line end) or is one of a doubled pair inside. Then the number of quotes before a
byte, odd or even, tells whether the byte is inside quotes; a running exclusive or computes it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .columns import is_blank
from .damage import REASONS, damage_at, damage_in
from .errors import ExportFault, MalformedLine, malformed
from .glance import BLANK_BYTES, has_blank_line, may_be_gbk, plain_records
from .limits import CHUNK_BYTES, LINE_BYTES, MALFORMED_LINES
from .records import END_OF_FILE, wrong_count
from .rows import too_many_malformed

PATCHED_RECORDS = 5_000  # a file with more is rewritten instead
NEWLINE, RETURN = 10, 13
EXPONENT = b"E+1"


@dataclass(frozen=True)
class Hole:
    """A record that must not be read: blank, or malformed."""

    row: int
    start: int
    end: int
    is_blank: bool


@dataclass
class Survey:
    """What the scan of one file found. Rows are ``first_row`` and on; a record with line ends in its cells
    is one."""

    records: int = 0
    holes: list[Hole] = field(default_factory=list)
    malformed: list[MalformedLine] = field(default_factory=list)
    line_end: bytes = b""
    has_line_ends: bool = False  # inside quoted cells
    damaged_kept: int = 0
    has_exponents: bool = False  # what may be a long number that a spreadsheet has cut
    consumed: int = 0  # of the piece looked at last, in bytes

    @property
    def rows(self) -> int:
        return self.records - len(self.holes)


@dataclass(frozen=True)
class Shape:
    """What the scan must know of the file: bytes of delimiter and quote, fields of the header."""

    delimiter: int
    quote: int | None
    width: int


@dataclass(frozen=True)
class _Layout:
    """The whole records of one piece, as byte positions; ``ends`` stand before the line end."""

    starts: np.ndarray
    ends: np.ndarray
    nexts: np.ndarray
    counts: np.ndarray
    quotes: np.ndarray | None  # in each record


def survey(path: Path, shape: Shape, start: int, first_row: int, keep_damaged: bool = False) -> Survey | None:
    """Scan from byte ``start``; None if quoting or line ends are irregular, or if there is too
    much to patch.
    """
    found = Survey()
    delimiter, quote = bytes([shape.delimiter]), b"" if shape.quote is None else bytes([shape.quote])
    for piece, offset, at_end in _pieces(path, start, found):
        _refuse_nul(piece, first_row + found.records)
        found.has_exponents = found.has_exponents or EXPONENT in piece
        line_end = found.line_end or (b"\r\n" if piece[: piece.find(b"\n")].endswith(b"\r") else b"\n")
        plain = plain_records(piece, delimiter, quote, shape.width, line_end)
        if plain is not None:
            found.line_end = line_end
            found.records += plain
            found.consumed = len(piece)
            continue
        if len(found.holes) + _empty_lines(piece) > PATCHED_RECORDS:
            return None  # before a layout of millions of records is made
        layout = _layout(piece, shape, found)
        if layout is None or (len(layout.ends) == 0 and (at_end or len(piece) > LINE_BYTES)):
            return None
        if len(layout.ends) == 0:
            found.consumed = 0
            continue
        if int((layout.ends - layout.starts).max()) > LINE_BYTES:
            return None  # the careful path says where
        found.consumed = int(layout.nexts[-1])
        _note_bad(found, layout, piece[: found.consumed], offset, shape, first_row, keep_damaged)
        if len(found.malformed) > MALFORMED_LINES:
            raise too_many_malformed(first_row + found.records)
        if len(found.holes) > PATCHED_RECORDS or (at_end and found.consumed < len(piece)):
            return None
    if shape.width > 1:
        _drop_blank_tail(found, first_row)
    return found


def _pieces(path: Path, start: int, found: Survey) -> Iterator[tuple[bytes, int, bool]]:
    """Pieces of whole lines that each begin at a record, their offset, and whether the file ends with them.

    The consumer states in ``found.consumed`` how much of a piece was whole records; the next piece begins
    with the rest.
    """
    with path.open("rb") as file:
        file.seek(start)
        left, offset = b"", start
        while chunk := file.read(CHUNK_BYTES):
            piece = left + chunk
            whole = piece.rfind(b"\n") + 1
            if whole:
                yield piece[:whole], offset, False
                offset += found.consumed
                left = piece[found.consumed :]
            else:
                left = piece
                if len(left) > LINE_BYTES:
                    break
        if left:
            yield (left if left.endswith(b"\n") else left + (found.line_end or b"\n")), offset, True


def _refuse_nul(chunk: bytes, row: int) -> None:
    if (zero := chunk.find(b"\0")) >= 0:
        raise ExportFault(
            "nul_bytes",
            row=row + chunk.count(b"\n", 0, zero),
            found="NUL bytes",
            expected="text",
            remedy="The file is damaged or is no text file; ask for it again.",
        )


def _empty_lines(piece: bytes) -> int:
    """Records without a character, at least."""
    return max(piece.count(b"\n\n"), piece.count(b"\n\r\n"))


def _layout(piece: bytes, shape: Shape, found: Survey) -> _Layout | None:
    buffer = np.frombuffer(piece, dtype=np.uint8)
    is_newline = buffer == NEWLINE
    separates = is_newline | (buffer == shape.delimiter)
    inside = is_quote = None
    if shape.quote is not None and bytes([shape.quote]) in piece:
        is_quote = buffer == shape.quote
        inside = np.bitwise_xor.accumulate(is_quote)
        if not _is_regular(buffer, np.flatnonzero(is_quote), shape):
            return None
        if not found.has_line_ends:
            found.has_line_ends = bool((inside & (is_newline | (buffer == RETURN))).any())
        separates &= ~inside
    positions = np.flatnonzero(separates)
    at_newline = is_newline[positions]
    newlines = positions[at_newline]
    returns = _returns(piece, buffer, inside, newlines, found)
    if returns is None:
        return None
    nexts = newlines + 1
    starts = np.concatenate(([0], nexts[:-1])) if len(nexts) else nexts
    counts = np.diff(np.flatnonzero(at_newline), prepend=-1)
    quotes = None
    if is_quote is not None and len(nexts):
        before = np.concatenate(([0], np.cumsum(is_quote, dtype=np.int64)[nexts - 1]))
        quotes = np.diff(before)
    return _Layout(starts, newlines - returns, nexts, counts, quotes)


def _is_regular(buffer: np.ndarray, quotes: np.ndarray, shape: Shape) -> bool:
    opens, closes = quotes[0::2], quotes[1::2]
    before = buffer[opens[opens > 0] - 1]
    after = buffer[closes[closes < len(buffer) - 1] + 1]
    opened = (before == shape.delimiter) | (before == NEWLINE) | (before == shape.quote)
    closed = (after == shape.delimiter) | (after == NEWLINE) | (after == RETURN) | (after == shape.quote)
    return bool(opened.all() and closed.all())


def _returns(
    piece: bytes, buffer: np.ndarray, inside: np.ndarray | None, newlines: np.ndarray, found: Survey
) -> int | None:
    """Carriage returns before each line end: 0 or 1, the same throughout the file; None if they are mixed."""
    end = int(newlines[-1]) + 1 if len(newlines) else 0
    if b"\r" not in piece[:end]:
        before, alone = 0, 0
    else:
        is_return = buffer[:end] == RETURN
        if inside is not None:
            is_return &= ~inside[:end]
        before = int(np.count_nonzero(buffer[newlines[newlines > 0] - 1] == RETURN))
        alone = int(np.count_nonzero(is_return)) - before
    if not end:
        return 0
    if alone or before not in (0, len(newlines)):
        return None
    line_end = b"\r\n" if before else b"\n"
    if found.line_end not in (b"", line_end):
        return None
    found.line_end = line_end
    return len(line_end) - 1


def _note_bad(
    found: Survey, layout: _Layout, body: bytes, offset: int, shape: Shape, first_row: int, keep_damaged: bool
) -> None:
    """Add the holes of one piece to ``found``, and count its records."""
    buffer = np.frombuffer(body, dtype=np.uint8)
    lengths = layout.ends - layout.starts
    wrong = layout.counts != shape.width
    if wrong.any():  # one extra field that is empty loses nothing
        last = buffer[np.maximum(layout.ends - 1, 0)]
        wrong &= ~((layout.counts == shape.width + 1) & (lengths > 0) & (last == shape.delimiter))
    markup = shape.width - 1 + (layout.quotes if layout.quotes is not None else 0)
    suspect = wrong | (lengths == 0) | (lengths == markup)
    suspect[_blank_records(layout, body, shape)] = True
    damaged = _damaged_records(layout, body)
    if damaged:
        suspect[list(damaged)] = True
    row = first_row + found.records
    for i in np.flatnonzero(suspect).tolist():
        raw = body[layout.starts[i] : layout.ends[i]]
        verdict = _verdict(raw, int(layout.counts[i]), bool(wrong[i]), shape)
        if verdict is None and i in damaged:
            found.damaged_kept += keep_damaged
            verdict = None if keep_damaged else (damaged[i], REASONS[damaged[i]])
        if verdict is None:
            continue
        start, end = offset + int(layout.starts[i]), offset + int(layout.nexts[i])
        found.holes.append(Hole(row + i, start, end, verdict == ("", "")))
        if verdict != ("", ""):
            found.malformed.append(malformed(row + i, *verdict, raw.decode("utf-8", "replace")))
        if len(found.holes) > PATCHED_RECORDS:
            break
    found.records += len(layout.ends)


def _verdict(raw: bytes, count: int, is_wrong: bool, shape: Shape) -> tuple[str, str] | None:
    """Rule and reason of a malformed record, empty ones of a blank record, None of a good one."""
    if not raw or raw == END_OF_FILE.encode():
        return ("", "")
    if is_wrong:
        return wrong_count(count, shape.width)
    cells = raw.decode("utf-8", "replace").split(chr(shape.delimiter))
    quote = chr(shape.quote) if shape.quote is not None else ""
    if is_blank(
        cell[1:-1] if quote and len(cell) > 1 and cell[0] == cell[-1] == quote else cell for cell in cells
    ):
        return ("", "")
    return None


def _blank_records(layout: _Layout, body: bytes, shape: Shape) -> np.ndarray:
    """Numbers of the records that may hold nothing but blanks."""
    markup = bytes([shape.delimiter]) + (bytes([shape.quote]) if shape.quote is not None else b"")
    if layout.quotes is None and not has_blank_line(body, markup):
        return np.zeros(0, dtype=np.intp)
    blank = np.zeros(256, dtype=bool)
    blank[list(BLANK_BYTES + markup + b"\r\n")] = True  # a line end that is left stands in quotes
    letters = ~blank[np.frombuffer(body, dtype=np.uint8)]
    before = np.concatenate(([0], np.cumsum(letters)))
    return np.flatnonzero(before[layout.ends] == before[layout.starts])


def _damaged_records(layout: _Layout, body: bytes) -> dict[int, str]:
    """Record number and rule of damaged text in one piece."""
    found = {int(np.searchsorted(layout.nexts, at, side="right")): rule for at, rule in damage_at(body)}
    if may_be_gbk(body):
        for i, (start, end) in enumerate(zip(layout.starts.tolist(), layout.ends.tolist())):
            if (rule := damage_in(body[start:end].decode("utf-8", "replace"))) is not None:
                found.setdefault(i, rule[0])
    return found


def _drop_blank_tail(found: Survey, first_row: int) -> None:
    """Blank lines at the end need no patch: DuckDB skips them, and no row number follows."""
    while found.holes:
        hole = found.holes[-1]
        is_line = hole.end - hole.start <= len(found.line_end or b"\n")  # and not a row of delimiters
        if not (hole.is_blank and is_line and hole.row == first_row + found.records - 1):
            return
        found.holes.pop()
        found.records -= 1


def patched_copy(source: Path, start: int, holes: list[Hole], filler: bytes, target: Path) -> None:
    """``source`` from byte ``start``, each hole replaced by ``filler``."""
    with source.open("rb") as file, target.open("wb") as out:
        file.seek(start)
        for hole in holes:
            _copy(file, out, hole.start - file.tell())
            out.write(filler)
            file.seek(hole.end)
        shutil.copyfileobj(file, out, CHUNK_BYTES)


def _copy(file: BinaryIO, out: BinaryIO, count: int) -> None:
    while count > 0 and (block := file.read(min(count, CHUNK_BYTES))):
        out.write(block)
        count -= len(block)
