"""A table as Word has it: merged headers, a header that every page repeats, three rules, footnotes.

Belongs here: the XML of one table. Does not belong here: the document around it (`word.py`), what stands in a
table (`analytics/printed/`).

The XML is written directly: python-docx builds a table cell by cell, and takes a minute for the tables of a
study.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from analytics.printed.printed_table import Cell, Column, PrintedTable, Row, marks_of, with_minus
from orchestration.manuscript.number_parts import parts_of

THICK, THIN = 12, 4  # rules, in eighths of a point
PER_LETTER, PADDING = 5.8, 150  # twips: for each half-point of a letter's size, and beside the letters
SHORT = 12  # letters of a text that is not broken: "not shown"
LONG = 400  # letters of a text that may go on over the page
MOST_LETTERS = 60  # of a text that asks for one line
HALF_POINTS, SMALLEST_HALF_POINTS = 16, 12
NO_BREAK = "\u00a0"
_ALLOWED = {"\t", "\n"}


@dataclass(frozen=True)
class _Rules:
    """The thickness of the rules above and below a cell; 0 for none."""

    top: int = 0
    bottom: int = 0


@dataclass(frozen=True)
class _Layout:
    """The widths of the columns in twips, and the size of the letters in half-points."""

    widths: list[int]
    size: int


def table_element(table: PrintedTable, twips: int) -> Any:
    """The ``w:tbl`` element, so many twips wide."""
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    columns = table.shown_columns
    layout = _layout(table, twips)
    lines = [*_headers(columns, layout), *_body(table, layout)]
    grid = "".join(f'<w:gridCol w:w="{w}"/>' for w in layout.widths)
    return parse_xml(
        f"<w:tbl {nsdecls('w')}><w:tblPr>"
        f'<w:tblW w:w="{sum(layout.widths)}" w:type="dxa"/><w:tblLayout w:type="fixed"/>'
        '<w:tblCellMar><w:left w:w="60" w:type="dxa"/><w:right w:w="60" w:type="dxa"/></w:tblCellMar>'
        f"</w:tblPr><w:tblGrid>{grid}</w:tblGrid>{''.join(lines)}</w:tbl>"
    )


def run(
    text: str, *, bold: bool = False, italic: bool = False, raised: bool = False, size: int = HALF_POINTS
) -> str:
    """A run of letters of one look."""
    look = "<w:b/>" * bold + "<w:i/>" * italic + f'<w:sz w:val="{size}"/><w:szCs w:val="{size}"/>'
    look += '<w:vertAlign w:val="superscript"/>' * raised
    plain = "".join(c for c in with_minus(text) if c >= " " or c in _ALLOWED)
    return f'<w:r><w:rPr>{look}</w:rPr><w:t xml:space="preserve">{escape(plain)}</w:t></w:r>'


def _layout(table: PrintedTable, twips: int) -> _Layout:
    """The largest letters with which no number and no word is broken; what is left goes to texts."""
    least = [_letters(table, c, whole=False) for c in table.shown_columns]
    whole = [_letters(table, c, whole=True) for c in table.shown_columns]
    size, needs = HALF_POINTS, [0.0]
    for size in range(HALF_POINTS, SMALLEST_HALF_POINTS - 1, -1):
        needs = [n * PER_LETTER * size + PADDING for n in least]
        if sum(needs) <= twips:
            break
    wishes = [max(0, n * PER_LETTER * size + PADDING - need) for n, need in zip(whole, needs, strict=True)]
    free = twips - sum(needs)
    if free >= sum(wishes):  # also where nothing is wished for
        spread = (free - sum(wishes)) / len(needs)
        return _Layout([int(n + w + spread) for n, w in zip(needs, wishes, strict=True)], size)
    share = free / sum(wishes) if free > 0 else 0
    scale = min(1.0, twips / sum(needs))
    return _Layout([int((n + w * share) * scale) for n, w in zip(needs, wishes, strict=True)], size)


def _letters(table: PrintedTable, column: Column, whole: bool) -> int:
    """The letters of the longest line of a column: of whole texts, or where texts break into words."""
    lines = [w for text in (column.label, column.second) for w in text.split()]
    for row in table.rows:
        cell = row.cell(column.key)
        marks = len(",".join(marks_of(table, cell)))
        texts = [cell.text] if whole or _stays_whole(cell) else cell.text.split()
        lines += [*(t + "a" * marks for t in texts), cell.small]
    return min(max(map(len, lines), default=1), MOST_LETTERS)


def _stays_whole(cell: Cell) -> bool:
    """Numbers that belong together, and a short text, stay on one line."""
    return cell.number is not None or len(parts_of(cell.text)) > 1 or len(cell.text) <= SHORT


def _headers(columns: Sequence[Column], layout: _Layout) -> list[str]:
    """One row, or two where columns share a spanner: other columns then reach over both."""
    widths, size = layout.widths, layout.size
    if not any(c.spanner for c in columns):
        cells = (
            _cell(_heading(c, size), w, c.align, rules=_Rules(THICK, THIN))
            for c, w in zip(columns, widths, strict=True)
        )
        return [_row("".join(cells), is_header=True)]
    above, below, i = [], [], 0
    while i < len(columns):
        column = columns[i]
        if not column.spanner:
            above.append(
                _cell(_heading(column, size), widths[i], column.align, rules=_Rules(THICK), merge="restart")
            )
            below.append(_cell("", widths[i], rules=_Rules(bottom=THIN), merge="continue"))
            i += 1
            continue
        end = i + 1
        while end < len(columns) and columns[end].spanner == column.spanner:
            end += 1
        text = run(column.spanner, bold=True, size=size)
        above.append(_cell(text, sum(widths[i:end]), "center", rules=_Rules(THICK, THIN), span=end - i))
        below += [
            _cell(_heading(columns[j], size), widths[j], columns[j].align, rules=_Rules(bottom=THIN))
            for j in range(i, end)
        ]
        i = end
    return [_row("".join(above), is_header=True), _row("".join(below), is_header=True)]


def _heading(column: Column, size: int) -> str:
    second = "<w:r><w:br/></w:r>" + run(column.second, size=size) if column.second else ""
    return run(column.label, bold=True, size=size) + second


def _body(table: PrintedTable, layout: _Layout) -> list[str]:
    rows, group = [], ""
    for i, row in enumerate(table.rows):
        if row.group != group:
            group = row.group
            heading = _cell(
                run(group, bold=True, size=layout.size),
                sum(layout.widths),
                span=len(layout.widths),
                keeps=True,
            )
            rows += [_row(heading)] if group else []
        rules = _Rules(bottom=THICK if i == len(table.rows) - 1 else 0)
        is_long = any(len(row.cell(c.key).text) > LONG for c in table.shown_columns)
        rows.append(_row("".join(_body_cells(table, row, layout, rules)), is_long=is_long))
    return rows


def _body_cells(table: PrintedTable, row: Row, layout: _Layout, rules: _Rules) -> list[str]:
    made = []
    for i, (column, width) in enumerate(zip(table.shown_columns, layout.widths, strict=True)):
        cell = row.cell(column.key)
        is_indented = i == 0 and (row.indent or bool(row.group))
        made.append(
            _cell(_content(table, cell, layout.size), width, column.align, rules=rules, indent=is_indented)
        )
    return made


def _content(table: PrintedTable, cell: Cell, size: int) -> str:
    text = cell.text.replace(" ", NO_BREAK) if _stays_whole(cell) else cell.text
    marks = ",".join(marks_of(table, cell))
    made = run(text, italic=cell.alert, size=size) + (run(marks, raised=True, size=size) if marks else "")
    small = cell.small.replace(" ", NO_BREAK)
    return made + (f"<w:r><w:br/></w:r>{run(small, size=size - 1)}" if small else "")


def _cell(
    runs: str,
    width: int,
    align: str = "left",
    *,
    rules: _Rules = _Rules(),
    span: int = 1,
    merge: str = "",
    indent: bool = False,
    keeps: bool = False,
) -> str:
    borders = "".join(
        f'<w:{side} w:val="single" w:sz="{size}" w:space="0" w:color="000000"/>'
        for side, size in (("top", rules.top), ("bottom", rules.bottom))
        if size
    )
    properties = (
        f'<w:tcW w:w="{width}" w:type="dxa"/>'
        + (f'<w:gridSpan w:val="{span}"/>' if span > 1 else "")
        + (f'<w:vMerge w:val="{merge}"/>' if merge else "")
        + (f"<w:tcBorders>{borders}</w:tcBorders>" if borders else "")
        + ('<w:vAlign w:val="bottom"/>' if merge or rules.top else "")
    )
    paragraph = (
        ("<w:keepNext/>" if keeps else "")
        + '<w:spacing w:before="20" w:after="20" w:line="240" w:lineRule="auto"/>'
        + ('<w:ind w:left="140"/>' if indent else '<w:ind w:left="0" w:firstLine="0"/>')
        + f'<w:jc w:val="{align}"/>'
    )
    return f"<w:tc><w:tcPr>{properties}</w:tcPr><w:p><w:pPr>{paragraph}</w:pPr>{runs}</w:p></w:tc>"


def _row(cells: str, is_header: bool = False, is_long: bool = False) -> str:
    """A row stays on one page, unless its text is long."""
    repeated, whole = "<w:tblHeader/>" if is_header else "", "" if is_long else "<w:cantSplit/>"
    return f"<w:tr><w:trPr>{whole}{repeated}</w:trPr>{cells}</w:tr>"
