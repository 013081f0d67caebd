"""Tables as one XLSX file, with numbers as numbers.

Belongs here: sheets, columns, formats. Does not belong here: what stands in a table (`analytics/printed/`),
how a printed text is taken apart (`number_parts.py`).

A printed cell of several numbers takes as many columns, and formats show them as they were printed: 31.33 and
"± 11.80". A p value is the number that results hold. A bound such as <0.10 is no number and stays a text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analytics.printed.printed_table import Cell, Column, PrintedTable, footnotes, marks_of
from orchestration.manuscript.number_parts import P_FORMAT, parts_of
from orchestration.manuscript.same_bytes import same_bytes

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

TITLE_ROW, HEADER_ROW = 1, 3  # of each sheet, counted from 1
MOST_LETTERS = 31  # of a sheet's name
CONTENTS = "Contents"
_NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\]")


@dataclass(frozen=True)
class _Place:
    """The sheet columns of one table column: its numbers, then its second lines where it has any."""

    column: Column
    first: int
    parts: int
    has_small: bool

    @property
    def last(self) -> int:
        return self.first + self.parts + self.has_small - 1


def to_workbook(tables: Sequence[PrintedTable], names: Sequence[str], about: Sequence[str]) -> bytes:
    """A sheet per table, called as ``names`` say; ``about`` stands on the first sheet and under each
    table.
    """
    from openpyxl import Workbook

    book = Workbook()
    contents = book.active
    assert contents is not None  # a new workbook has one sheet
    contents.title = CONTENTS
    for row, line in enumerate(about, 1):
        _text(contents, row, 1, line)
    for i, (table, name) in enumerate(zip(tables, sheet_names(names), strict=True)):
        sheet = book.create_sheet(name)
        _fill(sheet, table, about)
        link = _text(contents, len(about) + 2 + i, 1, table.title)
        link.hyperlink = f"#'{name}'!A1"
        link.style = "Hyperlink"
    contents.column_dimensions["A"].width = 100
    out = io.BytesIO()
    book.save(out)
    return same_bytes(out.getvalue())


def sheet_names(names: Sequence[str]) -> list[str]:
    """Names that a workbook takes, each once whatever its capitals."""
    made: list[str] = []
    for name in names:
        short = _NOT_IN_NAMES.sub("_", name)[:MOST_LETTERS]
        number = 2
        while short.lower() in {CONTENTS.lower(), *(m.lower() for m in made)}:
            ending = f"_{number}"
            short = name[: MOST_LETTERS - len(ending)] + ending
            number += 1
        made.append(short)
    return made


def _fill(sheet: Worksheet, table: PrintedTable, about: Sequence[str]) -> None:
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    grouped = any(row.group for row in table.rows)
    places = _places(table, 2 if grouped else 1)
    noted_in = places[-1].last + 1
    _text(sheet, TITLE_ROW, 1, table.title).font = Font(bold=True)
    if grouped:
        _text(sheet, HEADER_ROW + 1, 1, table.group_label).font = Font(bold=True)
    _headers(sheet, places)
    if table.marks:
        _text(sheet, HEADER_ROW + 1, noted_in, "Notes").font = Font(bold=True)
    at = HEADER_ROW + 2 + any(c.second for c in table.columns)
    sheet.freeze_panes = sheet.cell(at, places[0].last + 1)
    for row in table.rows:
        if grouped:
            _text(sheet, at, 1, row.group)
        for place in places:
            _put(sheet, at, place, row.cell(place.column.key), row.indent and place is places[0])
        marks = [m for c in table.shown_columns for m in marks_of(table, row.cell(c.key))]
        if marks:
            _text(sheet, at, noted_in, ", ".join(dict.fromkeys(marks)))
        at += 1
    _rule(sheet, at - 1, noted_in if table.marks else places[-1].last)
    for mark, text in [*footnotes(table), *(("", line) for line in about)]:
        at += 1
        _text(sheet, at, 1, f"{mark}  {text}" if mark else text)
    for place in places:
        for column in range(place.first, place.last + 1):
            is_label = place is places[0]
            sheet.column_dimensions[get_column_letter(column)].width = 34 if is_label else 12
    if grouped:
        sheet.column_dimensions["A"].width = 30


def _places(table: PrintedTable, first: int) -> list[_Place]:
    keys = {c.key for c in table.columns}
    places = []
    for column in table.columns:
        cells = [row.cell(column.key) for row in table.rows]
        parts = max((len(parts_of(c.text)) for c in cells if c.number is None), default=1) or 1
        has_small = f"{column.key}_n" not in keys and any(c.small for c in cells)
        places.append(_Place(column, first, parts, has_small))
        first = places[-1].last + 1
    return places


def _headers(sheet: Worksheet, places: Sequence[_Place]) -> None:
    """Spanners, labels and second lines, each over its columns."""
    from openpyxl.styles import Alignment, Font

    for place in places:
        _text(sheet, HEADER_ROW + 1, place.first, place.column.label).font = Font(bold=True)
        if place.column.second:
            _text(sheet, HEADER_ROW + 2, place.first, place.column.second)
        for row in (HEADER_ROW + 1, HEADER_ROW + 2):
            if place.last > place.first and (row == HEADER_ROW + 1 or place.column.second):
                sheet.merge_cells(start_row=row, end_row=row, start_column=place.first, end_column=place.last)
    for spanner in dict.fromkeys(p.column.spanner for p in places if p.column.spanner):
        mine = [p for p in places if p.column.spanner == spanner]
        cell = _text(sheet, HEADER_ROW, mine[0].first, spanner)
        cell.font, cell.alignment = Font(bold=True), Alignment(horizontal="center")
        if mine[-1].last > mine[0].first:
            sheet.merge_cells(
                start_row=HEADER_ROW,
                end_row=HEADER_ROW,
                start_column=mine[0].first,
                end_column=mine[-1].last,
            )
    _rule(sheet, HEADER_ROW - 1, places[-1].last)
    _rule(sheet, HEADER_ROW + 1 + any(p.column.second for p in places), places[-1].last)


def _put(sheet: Worksheet, row: int, place: _Place, cell: Cell, is_indented: bool) -> None:
    from openpyxl.styles import Alignment, Font

    if cell.number is not None:
        made = sheet.cell(row, place.first, cell.number)
        made.number_format = P_FORMAT
    else:
        for i, part in enumerate(parts_of(cell.text)):
            made = (
                _text(sheet, row, place.first + i, part.whole)
                if part.number is None
                else sheet.cell(row, place.first + i, part.number)
            )
            if part.number is not None:
                made.number_format = part.format
            if cell.alert:
                made.font = Font(color="9C3A00", bold=True)
            if is_indented:
                made.alignment = Alignment(indent=1)
    if place.has_small and cell.small:
        _text(sheet, row, place.last, cell.small).font = Font(italic=True)


def _rule(sheet: Worksheet, row: int, last: int) -> None:
    from openpyxl.styles import Border, Side

    for column in range(1, last + 1):
        sheet.cell(row, column).border = Border(bottom=Side(style="thin"))


def _text(sheet: Worksheet, row: int, column: int, text: str) -> Any:
    """A text that a spreadsheet takes for a text, whatever it begins with."""
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    cell = sheet.cell(row, column, ILLEGAL_CHARACTERS_RE.sub("", text))
    cell.data_type = "s"
    return cell
