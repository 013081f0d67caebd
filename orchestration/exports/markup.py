"""Tables in markup that hospital systems save under the name `.xls`: HTML, and Excel's XML of 2003.

Belongs here: their cells as a grid, the way a spreadsheet program shows them. Runs inside the worker process.
Does not belong here: headers, merged cells and text of typed cells (``workbook.py``, ``cells.py``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from .encodings import encoding_of, utf8_chunks
from .errors import ExportFault
from .limits import COLUMNS
from .number_formats import CellStyles, Struck, raised

SPREADSHEET = "{urn:schemas-microsoft-com:office:spreadsheet}"
ROWS = 1_048_576  # of a sheet
STRIKING = ("s", "strike", "del")
OWN_FORMAT = 1_000  # an id to which no workbook gives a meaning of its own


@dataclass
class Grid:
    """One table: rows of cells, blank ones ``""``, and first to last cell of every merged range."""

    name: str
    rows: list[list[Any]] = field(default_factory=list)
    merged: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    struck: Struck = field(default_factory=set)

    def put(
        self, row: int, column: int, value: Any, down: int = 0, across: int = 0, is_struck: bool = False
    ) -> None:
        if row >= ROWS or column + across >= COLUMNS:
            raise ExportFault(
                "too_many_columns" if row < ROWS else "too_large_to_read",
                row=row + 1,
                found="a cell beyond the edge of a sheet",
                expected=f"at most {ROWS:,} rows and {COLUMNS:,} columns",
                remedy="Ask for CSV or XLSX.",
            )
        while len(self.rows) <= row:
            self.rows.append([])
        cells = self.rows[row]
        cells.extend([""] * (column + 1 - len(cells)))
        cells[column] = value
        if is_struck:
            self.struck.add((row, column))
        if down or across:
            self.merged[row, column] = (row + down, column + across)

    def numbered(self) -> Iterator[tuple[int, list[Any]]]:
        width = max((len(row) for row in self.rows), default=0)
        for number, row in enumerate(self.rows):
            yield number, row + [""] * (width - len(row))


def grids(path: str, kind: str, encoding: str | None) -> list[Grid]:
    """Every table of the file that has cells."""
    found = _html(path, encoding) if kind == "html" else _spreadsheetml(path)
    return [grid for grid in found if grid.rows]


def _html(path: str, encoding: str | None) -> list[Grid]:
    parser = _Tables()
    for chunk in utf8_chunks(Path(path), encoding_of(Path(path), encoding)):
        parser.feed(chunk.decode("utf-8", "replace"))
    parser.close()
    return parser.grids


class _Tables(HTMLParser):
    """Collects the cells of every table. A table inside a cell is refused, because its cells would be taken
    for its parent's.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.grids: list[Grid] = []
        self.depth = 0
        self.row = -1
        self.taken: dict[int, int] = {}  # column to the last row that a cell above reaches down to
        self.cell: list[str] | None = None
        self.span = (0, 0)
        self.raised = self.struck = 0  # elements that are open
        self.is_struck = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.depth += 1
            if self.depth > 1:
                raise ExportFault(
                    "nested_table",
                    found="a table inside a table's cell",
                    expected="one plain table",
                    remedy="Open the file in a spreadsheet program and save it as XLSX.",
                )
            self.grids.append(Grid(f"Table {len(self.grids) + 1}"))
            self.row, self.taken = -1, {}
        elif self.depth and tag == "tr":
            self._end_cell()
            self.row += 1
        elif self.depth and tag in ("td", "th"):
            self._end_cell()
            self.row = max(self.row, 0)
            self.cell, self.raised, self.struck, self.is_struck = [], 0, 0, False
            spans = dict(attrs)
            self.span = (_span(spans.get("rowspan")), _span(spans.get("colspan")))
        elif tag == "br" and self.cell is not None:
            self.cell.append("\n")
        elif self.cell is not None:
            self.raised += tag == "sup"
            self.struck += tag in STRIKING

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr", "table"):
            self._end_cell()
        elif tag == "sup":
            self.raised = max(self.raised - 1, 0)
        elif tag in STRIKING:
            self.struck = max(self.struck - 1, 0)
        if tag == "table":
            self.depth = max(self.depth - 1, 0)

    def handle_data(self, data: str) -> None:
        if self.cell is not None:
            text = " ".join(data.split()) if data.strip() else " "
            is_partly_raised = self.raised and any(part.strip() for part in self.cell)
            self.cell.append(raised(text) if is_partly_raised else text)
            self.is_struck = self.is_struck or bool(self.struck and data.strip())

    def _end_cell(self) -> None:
        if self.cell is None:
            return
        text = "".join(self.cell).replace("\u00a0", " ").strip()
        column = 0
        while self.taken.get(column, -1) >= self.row:
            column += 1
        down, across = self.span
        self.grids[-1].put(self.row, column, text, down, across, self.is_struck)
        for i in range(column, column + across + 1):
            self.taken[i] = self.row + down
        self.cell = None


def _span(text: str | None) -> int:
    """Cells beyond the first that an HTML span covers, as browsers bound it."""
    return min(max(int(text), 1), 1000) - 1 if text and text.isdecimal() else 0


def _spreadsheetml(path: str) -> list[Grid]:
    found: list[Grid] = []
    row = column = -1
    codes: dict[str, str] = {}  # of number formats, by the name of a style
    styles: dict[str | None, CellStyles] = {}
    struck: set[str] = set()  # names of styles
    try:
        for event, element in ElementTree.iterparse(path, events=("start", "end")):
            tag = element.tag.removeprefix(SPREADSHEET)
            if event == "start" and tag == "Worksheet":
                found.append(Grid(element.get(f"{SPREADSHEET}Name", f"Table {len(found) + 1}")))
                row = -1
                styles = {
                    name: CellStyles.of({OWN_FORMAT: code}, [OWN_FORMAT]) for name, code in codes.items()
                }
            elif event == "end" and tag == "Style":
                font = element.find(f"{SPREADSHEET}Font")
                if font is not None and font.get(f"{SPREADSHEET}StrikeThrough") == "1":
                    struck.add(element.get(f"{SPREADSHEET}ID", ""))
                number_format = element.find(f"{SPREADSHEET}NumberFormat")
                code = "" if number_format is None else number_format.get(f"{SPREADSHEET}Format", "")
                codes[element.get(f"{SPREADSHEET}ID", "")] = "0.00%" if code == "Percent" else code
            elif event == "start" and tag == "Row":
                row, column = _position(element, row), -1
            elif event == "end" and tag == "Cell":
                column = _position(element, column)
                down, across = (int(element.get(f"{SPREADSHEET}Merge{way}", 0)) for way in ("Down", "Across"))
                value = _value(element)
                if type(value) is float and (style := styles.get(element.get(f"{SPREADSHEET}StyleID"))):
                    value = style.text(0, value) or value
                is_struck = element.get(f"{SPREADSHEET}StyleID") in struck or any(
                    _local(part.tag) in STRIKING and "".join(part.itertext()).strip()
                    for part in element.iter()
                )
                found[-1].put(row, column, value, down, across, is_struck and value != "")
                column += across
            elif event == "end" and tag == "Row":
                element.clear()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ExportFault(
            "unreadable_workbook",
            found=f"an XML workbook that does not parse ({type(error).__name__})",
            expected="a complete one",
            remedy="It is cut short or damaged; ask for it again.",
        ) from None
    return found


def _position(element: ElementTree.Element, before: int) -> int:
    index = element.get(f"{SPREADSHEET}Index")
    return int(index) - 1 if index else before + 1


def _value(cell: ElementTree.Element) -> Any:
    data = cell.find(f"{SPREADSHEET}Data")
    if data is None:
        if cell.get(f"{SPREADSHEET}Formula"):
            raise ExportFault(
                "formula_without_value",
                found="a formula that was never calculated",
                expected="a value in every cell",
                remedy="Open the workbook in a spreadsheet program, save it and send it again.",
            )
        return ""
    text = "".join(_raised_parts(data, False))
    kind = data.get(f"{SPREADSHEET}Type")
    if kind == "Number":
        return float(text)
    if kind == "DateTime":
        return dt.datetime.fromisoformat(text)
    if kind == "Boolean":
        return text.strip() == "1"
    return text


def _raised_parts(element: ElementTree.Element, is_raised: bool) -> Iterator[str]:
    """The texts in an element, those of `Sup` in raised characters."""
    yield (raised(element.text or "") if is_raised else element.text) or ""
    for child in element:
        yield from _raised_parts(child, is_raised or _local(child.tag) == "sup")
        yield (raised(child.tail or "") if is_raised else child.tail) or ""


def _local(tag: str) -> str:
    """The name of an element without its namespace, in small letters."""
    return tag.rpartition("}")[2].lower()
