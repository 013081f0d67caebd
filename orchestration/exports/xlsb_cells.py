"""What calamine does not tell of a cell of an XLSB workbook: errors, leading zeros, percentages.

Belongs here: a look at the records of a sheet (MS-XLSB). Does not belong here: other values.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from typing import IO
from xml.etree import ElementTree

from .number_formats import ERRORS, CellStyles, Shown
from .xls_cells import rk_number

ROW, RK, ERROR, REAL, FORMULA_NUMBER, FORMULA_ERROR = 0, 2, 3, 5, 9, 11
FORMAT, STYLE, STYLES, END_OF_STYLES, SHEET = 44, 47, 617, 618, 156


def shown_texts(path: str, sheet: str) -> Shown:
    """Texts by row and column of ``sheet``; nothing where the records do not fit, of which calamine speaks."""
    found: Shown = {}
    try:
        with zipfile.ZipFile(path) as archive:
            styles = _styles(archive)
            with archive.open(_sheet_part(archive, sheet)) as file:
                for row, column, text in _cells(file, styles):
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


def _styles(archive: zipfile.ZipFile) -> CellStyles:
    formats: dict[int, str] = {}
    styles: list[int] = []
    is_of_cells = False
    if "xl/styles.bin" not in archive.namelist():
        return CellStyles.of({}, [])
    with archive.open("xl/styles.bin") as file:
        for kind, data in _records(file):
            if kind in (STYLES, END_OF_STYLES):
                is_of_cells = kind == STYLES
            elif kind == FORMAT:
                formats[struct.unpack_from("<H", data)[0]] = _text(data, 2)[0]
            elif kind == STYLE and is_of_cells:
                styles.append(struct.unpack_from("<H", data, 2)[0])
    return CellStyles.of(formats, styles)


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


def _cells(file: IO[bytes], styles: CellStyles) -> Iterator[tuple[int, int, str]]:
    row = 0
    for kind, data in _records(file):
        if kind == ROW:
            row = struct.unpack_from("<I", data)[0]
        elif kind in (RK, REAL, FORMULA_NUMBER, ERROR, FORMULA_ERROR):
            column, style = struct.unpack_from("<II", data)
            if kind in (ERROR, FORMULA_ERROR):
                yield row, column, ERRORS.get(data[8], "#ERROR!")
                continue
            number = rk_number(struct.unpack_from("<I", data, 8)[0]) if kind == RK else struct.unpack_from("<d", data, 8)[0]
            if (text := styles.text(style & 0xFFFFFF, number)) is not None:
                yield row, column, text
