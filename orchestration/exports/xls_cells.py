"""What calamine omits about a cell of an old binary workbook: errors, what number formats show, raised
and struck text.

Belongs here: a look at the records of a sheet (MS-XLS) in the container that holds them (MS-CFB).
Does not belong here: other values.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from .number_formats import ERRORS, CellStyles, Shown, Struck
from .rich_text import Fonts, RichText, rich_text

FREE = 0xFFFFFFFA  # sector numbers from here on are marks
BOF, EOF, BOUNDSHEET, FORMAT, XF = 0x0809, 0x000A, 0x0085, 0x041E, 0x00E0
NUMBER, RK, MULRK, FORMULA, BOOLERR = 0x0203, 0x027E, 0x00BD, 0x0006, 0x0205
FONT, SST, CONTINUE, LABEL, LABELSST = 0x0031, 0x00FC, 0x003C, 0x0204, 0x00FD
NO_FONT = 4  # the fonts are numbered without it, MS-XLS 2.5.129
STRUCK, RAISED = 0x0008, 1
BIFF8 = 0x0600


def shown_texts(path: str, sheet: str, struck: Struck | None = None) -> Shown:
    """Texts by row and column of ``sheet``; nothing where the records do not fit, which calamine reports.

    The places of cells that are struck out, or have text in them that is, are added to ``struck``.
    """
    struck = set() if struck is None else struck
    try:
        stream = workbook_stream(Path(path).read_bytes())
        start, styles, strings = _globals(stream, sheet)
        found: Shown = {}
        for row, column, text in _cells(stream, start, styles, strings, struck):
            found.setdefault(row, {})[column] = text
        return found
    except (struct.error, IndexError, ValueError):
        return {}


def workbook_stream(file: bytes) -> bytes:
    """The stream of records inside the container."""
    sector_size, mini_size = 1 << file[30], 1 << file[32]
    directory_start, cutoff, mini_start = (struct.unpack_from("<I", file, at)[0] for at in (48, 56, 60))
    table_start, n_tables = struct.unpack_from("<II", file, 68)

    def sector(number: int) -> bytes:
        return file[(number + 1) * sector_size : (number + 2) * sector_size]

    tables = list(struct.unpack_from("<109I", file, 76))
    for _ in range(n_tables):
        more = struct.unpack(f"<{sector_size // 4}I", sector(table_start))
        tables += more[:-1]
        table_start = more[-1]
    following = [n for t in tables if t < FREE for n in struct.unpack(f"<{sector_size // 4}I", sector(t))]

    def chain(start: int) -> bytes:
        return b"".join(sector(number) for number in _chained(start, following))

    directory = chain(directory_start)
    entries = [directory[i : i + 128] for i in range(0, len(directory), 128)]
    named = {e[: max(struct.unpack_from("<H", e, 64)[0] - 2, 0)].decode("utf-16-le"): e for e in entries}
    entry = named.get("Workbook") or named.get("Book")
    if entry is None:
        raise ValueError("no workbook")
    start, size = struct.unpack_from("<II", entry, 116)
    if size >= cutoff:
        return chain(start)[:size]
    small = chain(struct.unpack_from("<I", entries[0], 116)[0])
    links = chain(mini_start)
    mini = struct.unpack(f"<{len(links) // 4}I", links)
    return b"".join(small[n * mini_size : (n + 1) * mini_size] for n in _chained(start, mini))[:size]


def _chained(start: int, following: list[int] | tuple[int, ...]) -> Iterator[int]:
    for _ in range(len(following)):
        if start >= FREE:
            return
        yield start
        start = following[start]
    raise ValueError("a chain that never ends")


def _records(stream: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Kind, place and size of each record up to the end of the part that begins at ``at``."""
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        if kind == EOF:
            return
        yield kind, at + 4, size
        at += 4 + size


def _globals(stream: bytes, sheet: str) -> tuple[int, CellStyles, dict[int, RichText]]:
    """Where the sheet's records begin, the styles of cells, and the shared strings that are raised or struck
    in part.
    """
    start, is_new = None, True
    formats: dict[int, str] = {}
    styles: list[int] = []
    fonts_of_styles: list[int] = []
    fonts: list[tuple[int, int]] = []  # flags, and whether raised
    pieces: list[bytes] = []  # of the shared strings
    last = 0
    for kind, at, size in _records(stream, 0):
        if kind == BOF:
            is_new = struct.unpack_from("<H", stream, at)[0] == BIFF8
        elif kind == BOUNDSHEET and _text(stream, at + 7, stream[at + 6], is_new) == sheet:
            start = struct.unpack_from("<I", stream, at)[0]
        elif kind == FORMAT and is_new:
            code, length = struct.unpack_from("<HH", stream, at)
            formats[code] = _text(stream, at + 4, length, is_new)
        elif kind == FORMAT:
            formats[struct.unpack_from("<H", stream, at)[0]] = _text(stream, at + 3, stream[at + 2], is_new)
        elif kind == XF:
            styles.append(struct.unpack_from("<H", stream, at + 2)[0])
            fonts_of_styles.append(struct.unpack_from("<H", stream, at)[0])
        elif kind == FONT:
            fonts.append(
                (struct.unpack_from("<H", stream, at + 2)[0], struct.unpack_from("<H", stream, at + 8)[0])
            )
        elif kind == SST or (kind == CONTINUE and last in (SST, CONTINUE) and pieces):
            pieces.append(stream[at : at + size])
        last = kind
    if start is None:
        raise ValueError("no such sheet")
    numbered = [(i if i < NO_FONT else i + 1, font) for i, font in enumerate(fonts)]
    struck = frozenset(i for i, (flags, _) in numbered if flags & STRUCK)
    found = Fonts(struck, frozenset(i for i, (_, script) in numbered if script == RAISED))
    of_cells = frozenset(i for i, font in enumerate(fonts_of_styles) if font in struck)
    strings = dict(_rich_strings(pieces, found)) if is_new and (found.struck or found.raised) else {}
    return start, CellStyles.of(formats, styles, of_cells), strings


class _Continued:
    """Bytes that go on in records of their own; the characters of a string that is cut begin anew with their
    width.
    """

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces, self.piece, self.at = pieces, 0, 0

    @property
    def left(self) -> int:
        return len(self.pieces[self.piece]) - self.at

    def take(self, count: int) -> bytes:
        found = b""
        while count:
            if not self.left:
                self.piece, self.at = self.piece + 1, 0
            part = self.pieces[self.piece][self.at : self.at + count]
            found += part
            self.at += len(part)
            count -= len(part)
        return found

    def characters(self, count: int, is_wide: bool) -> str:
        text = ""
        while count:
            if not self.left:
                self.piece, self.at = self.piece + 1, 0
                is_wide = bool(self.take(1)[0] & 1)
            width = 2 if is_wide else 1
            part = self.take(width * min(count, self.left // width))
            text += part.decode("utf-16-le" if is_wide else "latin-1", "replace")
            count -= len(part) // width
        return text


def _rich_strings(pieces: list[bytes], fonts: Fonts) -> Iterator[tuple[int, RichText]]:
    """Numbers of the shared strings (MS-XLS SST) that are raised or struck in part, with what they show."""
    if not pieces:
        return
    strings = _Continued(pieces)
    _, count = struct.unpack("<II", strings.take(8))
    for number in range(count):
        length, flags = struct.unpack("<HB", strings.take(3))
        n_runs = struct.unpack("<H", strings.take(2))[0] if flags & 8 else 0
        extra = struct.unpack("<I", strings.take(4))[0] if flags & 4 else 0
        text = strings.characters(length, bool(flags & 1))
        runs = [struct.unpack("<HH", strings.take(4)) for _ in range(n_runs)]
        strings.take(extra)
        if (rich := rich_text(text, runs, fonts)) is not None:
            yield number, rich


def _text(stream: bytes, at: int, length: int, is_new: bool) -> str:
    if not is_new:
        return stream[at : at + length].decode("latin-1")
    if stream[at] & 1:
        return stream[at + 1 : at + 1 + 2 * length].decode("utf-16-le")
    return stream[at + 1 : at + 1 + length].decode("latin-1")


def _cells(
    stream: bytes, start: int, styles: CellStyles, strings: dict[int, RichText], struck: Struck
) -> Iterator[tuple[int, int, str]]:
    for kind, at, size in _records(stream, start):
        if kind in (NUMBER, RK, FORMULA, BOOLERR, LABEL, LABELSST):
            row, column, style = struct.unpack_from("<HHH", stream, at)
            if style in styles.struck:
                struck.add((row, column))
        if kind == LABELSST:
            text, is_struck = strings.get(struct.unpack_from("<I", stream, at + 6)[0], (None, False))
            if is_struck:
                struck.add((row, column))
            if text is not None:
                yield row, column, text
            continue
        if kind == MULRK:
            row, column = struct.unpack_from("<HH", stream, at)
            numbers = [struct.unpack_from("<HI", stream, at + 4 + 6 * i) for i in range((size - 6) // 6)]
            cells = [(column + i, style, rk_number(rk)) for i, (style, rk) in enumerate(numbers)]
            struck.update((row, column + i) for i, (style, _) in enumerate(numbers) if style in styles.struck)
        elif kind in (NUMBER, RK, FORMULA, BOOLERR):
            row, column, style = struct.unpack_from("<HHH", stream, at)
            value = stream[at + 6 : at + 14]
            if (kind == BOOLERR and value[1]) or (
                kind == FORMULA and value[6:] == b"\xff\xff" and value[0] == 2
            ):
                yield row, column, ERRORS.get(value[0 if kind == BOOLERR else 2], "#ERROR!")
            if kind == BOOLERR or (kind == FORMULA and value[6:] == b"\xff\xff"):
                continue
            number = (
                rk_number(struct.unpack_from("<I", value)[0]) if kind == RK else struct.unpack("<d", value)[0]
            )
            cells = [(column, style, number)]
        else:
            continue
        for column, style, number in cells if styles else ():
            if (text := styles.text(style, number)) is not None:
                yield row, column, text


def rk_number(rk: int) -> float:
    """A number in 30 bits, as both binary kinds of workbook write it."""
    if rk & 2:
        number = float((rk >> 2) - (1 << 30 if rk & 0x80000000 else 0))
    else:
        number = struct.unpack("<d", struct.pack("<Q", (rk & 0xFFFFFFFC) << 32))[0]
    return number / 100 if rk & 1 else number
