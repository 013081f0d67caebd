"""A table as it is printed: columns, rows of text, footnotes; its HTML by great-tables and its CSV.

Belongs here: the shape of a printed table, footnote marks, escaping. Does not belong here: what stands in a
table (`tables.py`, `provenance_tables.py`) and how it looks (the report's stylesheet: great-tables' own CSS,
10 kB a table and partly unscoped, is left out).

Footnotes are set here and not by great-tables, whose footnotes are rows of the table: on a phone they scroll
out of sight with it.
"""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from analytics.study.noted_reads import Read, taken
from analytics.words.formatting import NOT_AVAILABLE

MINUS = "−"
_HYPHEN_AS_MINUS = re.compile(r"(?<![\w.)])-(?=[\d∞])")
_FORMULA_START = re.compile(r"^([=@\t\r]|[+-](?![\d.∞]))")
_SET_APART = re.compile(r"\d{1,3}(,\d{3})+")  # 2,310


@dataclass(frozen=True)
class Cell:
    """What stands in one place: ``text``, a muted second line, and the footnotes that its mark points to.

    ``number``: of a p value, the number that the text rounds, for files that hold numbers.
    """

    text: str = ""
    small: str = ""
    notes: tuple[str, ...] = ()
    alert: bool = False
    number: float | None = None


@dataclass(frozen=True)
class Column:
    """One column; ``second`` is a second line of its header, ``spanner`` a header that neighbours share."""

    key: str
    label: str
    second: str = ""
    spanner: str = ""
    align: Literal["left", "right", "center"] = "left"
    csv_only: bool = False
    wraps: bool = True

    @property
    def csv_name(self) -> str:
        return ": ".join(part for part in (self.spanner, self.label) if part)


@dataclass(frozen=True)
class Row:
    """One row: cells by column key; ``group`` is the heading above it, ``indent`` sets its label in."""

    cells: dict[str, Cell | str]
    group: str = ""
    indent: bool = False

    def cell(self, key: str) -> Cell:
        found = self.cells.get(key, "")
        return found if isinstance(found, Cell) else Cell(str(found))


@dataclass(frozen=True)
class PrintedTable:
    """A table ready to be printed. The first column names the rows; ``name`` is its anchor and file name."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    group_label: str = "Group"
    caption: str = ""
    marks: dict[str, str] = field(init=False, repr=False)
    read: frozenset[Read] = field(init=False, repr=False, compare=False)  # columns of results, if noted

    def __post_init__(self) -> None:
        object.__setattr__(self, "read", taken())
        texts = (note for row in self.rows for c in self.shown_columns for note in row.cell(c.key).notes)
        marks = {text: _letters(i) for i, text in enumerate(dict.fromkeys(texts))}
        object.__setattr__(self, "marks", marks)

    @property
    def shown_columns(self) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if not c.csv_only)

    @property
    def is_wide(self) -> bool:
        return len(self.shown_columns) > 7


def read_together(tables: list[PrintedTable]) -> list[PrintedTable]:
    """The tables, each with what any of them read: the rows of all were looked up before the first was
    made.
    """
    read = frozenset(one for table in tables for one in table.read)
    for table in tables:
        object.__setattr__(table, "read", read)
    return tables


def without_empty_columns(table: PrintedTable) -> PrintedTable:
    """The table without columns in which no row has a text."""
    import dataclasses

    filled = tuple(
        c for c in table.columns if any(row.cell(c.key).text not in ("", NOT_AVAILABLE) for row in table.rows)
    )
    return dataclasses.replace(table, columns=filled)


def to_csv(table: PrintedTable, data_note: str = "") -> str:
    """The table as CSV, one header line; spanners stand before names of columns, footnotes in a column.

    ``data_note`` ("synthetic data") stands in every row: a file is read apart from its report.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    grouped = any(row.group for row in table.rows)
    noted = bool(table.marks)
    writer.writerow(
        [
            *([table.group_label] if grouped else []),
            *(c.csv_name for c in table.columns),
            *(["Footnotes"] if noted else []),
            *(["Data"] if data_note else []),
        ]
    )
    for row in table.rows:
        cells = [row.cell(c.key) for c in table.columns]
        notes = dict.fromkeys(note for c in table.shown_columns for note in row.cell(c.key).notes)
        writer.writerow(
            [
                *([_csv_text(row.group)] if grouped else []),
                *(_csv_text(_joined(c)) for c in cells),
                *([_csv_text("; ".join(notes))] if noted else []),
                *([data_note] if data_note else []),
            ]
        )
    return out.getvalue()


def to_html(table: PrintedTable) -> str:
    """The ``<table>`` element, named by the element ``<name>-title``; its footnotes are ``notes_of``."""
    import pandas as pd
    from great_tables import GT
    from great_tables import html as raw

    columns = table.shown_columns
    grouped = any(row.group for row in table.rows)
    body = [
        {c.key: _cell_html(table, row, c) for c in columns} | {"_group": html.escape(row.group)}
        for row in table.rows
    ]
    frame = pd.DataFrame(body, columns=[*(c.key for c in columns), "_group"], dtype=object)
    if not grouped:
        frame = frame.drop(columns="_group")
    stub, others = columns[0], columns[1:]
    built = (
        GT(
            frame,
            rowname_col=stub.key,
            groupname_col="_group" if grouped else None,
            id=table.name,
            auto_align=False,
        )
        .fmt_passthrough(columns=list(frame.columns), escape=False)
        .tab_stubhead(raw(_header_html(stub)))
        .cols_label({c.key: raw(_header_html(c)) for c in others})
    )
    for align in ("left", "right", "center"):
        if keys := [c.key for c in others if c.align == align]:
            built = built.cols_align(align, columns=keys)
    for spanner in dict.fromkeys(c.spanner for c in others if c.spanner):
        keys = [c.key for c in others if c.spanner == spanner]
        built = built.tab_spanner(raw(typeset(spanner)), columns=keys, gather=False)
    return _bare_table(built.as_raw_html(), table)


def notes_of(table: PrintedTable) -> list[tuple[str, str]]:
    """Footnotes in the order of their marks, then the general notes, which have none: (mark, HTML text)."""
    return [(mark, typeset(text)) for mark, text in footnotes(table)]


def footnotes(table: PrintedTable) -> list[tuple[str, str]]:
    """The same as plain text."""
    marked = [(mark, text if text.endswith(".") else text + ".") for text, mark in table.marks.items()]
    return [*marked, *(("", text) for text in table.notes)]


def marks_of(table: PrintedTable, cell: Cell) -> list[str]:
    """The marks of a cell's footnotes, in their order."""
    return sorted(
        (table.marks[note] for note in cell.notes if note in table.marks), key=lambda m: (len(m), m)
    )


def typeset(text: str) -> str:
    """Escaped for HTML, with a true minus sign before numbers."""
    return with_minus(html.escape(text))


def with_minus(text: str) -> str:
    """With a true minus sign before numbers."""
    return _HYPHEN_AS_MINUS.sub(MINUS, text)


def several(texts: Iterable[object]) -> str:
    """Distinct non-empty texts, one after the other."""
    return "; ".join(
        dict.fromkeys(str(t).strip().rstrip(".") for t in texts if t is not None and str(t).strip())
    )


def _cell_html(table: PrintedTable, row: Row, column: Column) -> str:
    cell = row.cell(column.key)
    marks = "".join(
        f'<sup class="mark"><a href="#{table.name}-note-{mark}" aria-label="note {mark}">{mark}</a></sup>'
        for mark in marks_of(table, cell)
    )
    text = typeset(cell.text)
    if cell.alert:
        text = f'<span class="alert">{text}</span>'
    whole = text + marks
    if row.indent and column is table.shown_columns[0]:
        whole = f'<span class="indent">{whole}</span>'
    if not column.wraps:
        whole = f'<span class="whole">{whole}</span>'
    return whole + (f'<span class="small">{typeset(cell.small)}</span>' if cell.small else "")


def _header_html(column: Column) -> str:
    second = f'<span class="small">{typeset(column.second)}</span>' if column.second else ""
    return typeset(column.label) + second


def _bare_table(rendered: str, table: PrintedTable) -> str:
    """great-tables' ``<table>`` without its container and style sheet, named by the title outside it."""
    start, end = rendered.index("<table"), rendered.rindex("</table>") + len("</table>")
    element = re.sub(r' data-quarto-[a-z-]+="[a-z]+"', "", rendered[start:end])
    return element.replace("<table ", f'<table aria-labelledby="{table.name}-title" ', 1)


def _joined(cell: Cell) -> str:
    return f"{cell.text} [{cell.small}]" if cell.small else cell.text


def _csv_text(text: str) -> str:
    """Text of a source may begin like a formula: a spreadsheet must read it as text. A count must be read as
    a number.
    """
    if _SET_APART.fullmatch(text):
        return text.replace(",", "")
    return "'" + text if _FORMULA_START.match(text) else text


def _letters(i: int) -> str:
    """a … z, aa, ab, …"""
    letters = ""
    i += 1
    while i:
        i, rest = divmod(i - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters
