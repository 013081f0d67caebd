"""What calamine omits about a cell of an XLSB workbook: errors, what number formats show, raised and
struck text.

Belongs here: a look at the records of a sheet (MS-XLSB). Does not belong here: other values.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from typing import IO
from xml.etree import ElementTree

from .number_formats import ERRORS, CellStyles, Ranges, Shown, Struck
from .rich_text import Fonts, RichText, rich_text
from .xls_cells import rk_number

ROW, RK, ERROR, REAL, FORMULA_NUMBER, FORMULA_ERROR = 0, 2, 3, 5, 9, 11
BLANK, SHARED_TEXT, RICH_TEXT = 1, 7, 62
MERGED = 176
FONT, SHARED_STRING = 43, 19
STRUCK, RAISED = 0x0008, 1
FORMAT, STYLE, STYLES, END_OF_STYLES, SHEET = 44, 47, 617, 618, 156


def shown_texts(path: str, sheet: str, struck: Struck | None = None, merged: Ranges | None = None) -> Shown:
    """Texts by row and column of ``sheet``; nothing where the records do not fit, which calamine reports.

    The places of cells that are struck out, or have text in them that is, are added to ``struck``, the ranges
    of merged cells to ``merged``.
    """
    found: Shown = {}
    struck = set() if struck is None else struck
    merged = {} if merged is None else merged
    try:
        with zipfile.ZipFile(path) as archive:
            styles, fonts = _styles(archive)
            rich = _rich_strings(archive, fonts)
            with archive.open(_sheet_part(archive, sheet)) as file:
                for row, column, text in _cells(file, styles, fonts, rich, struck, merged):
                    found.setdefault(row, {})[column] = text
    except (zipfile.BadZipFile, ElementTree.ParseError, LookupError, EOFError, struct.error, ValueError):
        return {}
    return found


def _records(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    while first := file.read(1):
        kind = first[0] if first[0] < 0x80 else first[0] & 0x7F | file.read(1)[0] << 7
        size = shift = 0
        while True:
            byte = file.read(1)[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 or shift > 21:
                break
        yield kind, file.read(size)


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A text that follows its length, and where it ends."""
    end = at + 4 + 2 * struct.unpack_from("<I", data, at)[0]
    return data[at + 4 : end].decode("utf-16-le"), end


def _styles(archive: zipfile.ZipFile) -> tuple[CellStyles, Fonts]:
    formats: dict[int, str] = {}
    styles: list[int] = []
    fonts_of_styles: list[int] = []
    fonts: list[tuple[int, int]] = []  # flags, and whether raised
    is_of_cells = False
    if "xl/styles.bin" not in archive.namelist():
        return CellStyles.of({}, []), Fonts(frozenset(), frozenset())
    with archive.open("xl/styles.bin") as file:
        for kind, data in _records(file):
            if kind in (STYLES, END_OF_STYLES):
                is_of_cells = kind == STYLES
            elif kind == FORMAT:
                formats[struct.unpack_from("<H", data)[0]] = _text(data, 2)[0]
            elif kind == FONT:
                fonts.append((struct.unpack_from("<H", data, 2)[0], struct.unpack_from("<H", data, 6)[0]))
            elif kind == STYLE and is_of_cells:
                styles.append(struct.unpack_from("<H", data, 2)[0])
                fonts_of_styles.append(struct.unpack_from("<H", data, 4)[0] if len(data) >= 6 else 0)
    struck = frozenset(i for i, (flags, _) in enumerate(fonts) if flags & STRUCK)
    of_cells = frozenset(i for i, font in enumerate(fonts_of_styles) if font in struck)
    return CellStyles.of(formats, styles, of_cells), Fonts(
        struck, frozenset(i for i, (_, script) in enumerate(fonts) if script == RAISED)
    )


def _rich_strings(archive: zipfile.ZipFile, fonts: Fonts) -> dict[int, RichText]:
    """Of the shared strings by number, those of which a part is raised or struck."""
    if not (fonts.struck or fonts.raised) or "xl/sharedStrings.bin" not in archive.namelist():
        return {}
    with archive.open("xl/sharedStrings.bin") as file:
        strings = (data for kind, data in _records(file) if kind == SHARED_STRING)
        return {i: rich for i, data in enumerate(strings) if (rich := _rich(data, 0, fonts)) is not None}


def _rich(data: bytes, at: int, fonts: Fonts) -> RichText | None:
    """What a string with runs of formatting (MS-XLSB RichStr) shows; None where none is raised or struck."""
    if not data[at] & 1:
        return None
    text, end = _text(data, at + 1)
    count = struct.unpack_from("<I", data, end)[0]
    return rich_text(text, [struct.unpack_from("<HH", data, end + 4 + 4 * i) for i in range(count)], fonts)


def _sheet_part(archive: zipfile.ZipFile, sheet: str) -> str:
    links = ElementTree.fromstring(archive.read("xl/_rels/workbook.bin.rels"))
    targets = {link.get("Id"): link.get("Target", "") for link in links}
    with archive.open("xl/workbook.bin") as file:
        for kind, data in _records(file):
            if kind == SHEET:
                link, end = _text(data, 8)
                if _text(data, end)[0] == sheet:
                    target = targets[link]
                    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    raise KeyError("no such sheet")


def _cells(
    file: IO[bytes],
    styles: CellStyles,
    fonts: Fonts,
    strings: dict[int, RichText],
    struck: Struck,
    merged: Ranges,
) -> Iterator[tuple[int, int, str]]:
    row = 0
    for kind, data in _records(file):
        if kind == ROW:
            row = struct.unpack_from("<I", data)[0]
        elif kind == MERGED:
            first_row, last_row, first, last = struct.unpack_from("<IIII", data)
            merged[first_row, first] = (last_row, last)
        elif BLANK < kind <= FORMULA_ERROR or kind == RICH_TEXT:
            column, style = struct.unpack_from("<II", data)
            if (style & 0xFFFFFF) in styles.struck:
                struck.add((row, column))
            if kind in (ERROR, FORMULA_ERROR):
                yield row, column, ERRORS.get(data[8], "#ERROR!")
            elif kind in (SHARED_TEXT, RICH_TEXT):
                rich = (
                    strings.get(struct.unpack_from("<I", data, 8)[0])
                    if kind == SHARED_TEXT
                    else _rich(data, 8, fonts)
                )
                text, is_struck = rich or (None, False)
                if is_struck:
                    struck.add((row, column))
                if text is not None:
                    yield row, column, text
            elif kind in (RK, REAL, FORMULA_NUMBER):
                number = (
                    rk_number(struct.unpack_from("<I", data, 8)[0])
                    if kind == RK
                    else struct.unpack_from("<d", data, 8)[0]
                )
                if (shown := styles.text(style & 0xFFFFFF, number)) is not None:
                    yield row, column, shown
