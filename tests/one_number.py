"""Reads the numbers of each output of a study, so that a test finds one number in all of them.

Belongs here: a small function per output that gives {cell: numbers}. A cell is (table, row, column) as they
are printed; its numbers are those of its text, "31.33 ± 11.80" two. Does not belong here: any expectation.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import psycopg

Cell = tuple[str, str, str]
Numbers = dict[Cell, tuple[float, ...]]
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
PAIR, GROUPED = "{}: {}", "{} | {}"
SMALLEST_P = 0.001
TERM_LABELS = {"intercept": "Intercept", "group": "Group", "time": "Time", "group_by_time": "Group × time"}
GROUP_LABELS = ("Model", "Analysis", "Cause", "Stratum", "Section", "Part")
BESIDE = ("Footnotes", "Notes", "Data")  # columns of words


def numbers(text: str) -> tuple[float, ...]:
    """The numbers of a printed text, in their order; the sign of a negative one may be a true minus."""
    return tuple(float(found) for found in NUMBER.findall(text.replace("−", "-")))


def in_results(release: Path, study: str) -> Numbers:
    """Tables I to III and the tables of survival, as results hold them."""
    with duckdb.connect(str(release), read_only=True) as connection:
        return _of_results(lambda sql: connection.execute(sql, [study]).fetchall())


def in_postgresql(server: psycopg.Connection, study: str) -> Numbers:
    """The same in PostgreSQL, of a database into which the release was published."""
    return _of_results(lambda sql: server.execute(sql.replace("?", "%s"), [study]).fetchall())


def _of_results(ask: Callable[[str], list[tuple[Any, ...]]]) -> Numbers:
    found: Numbers = {}
    labels = dict(ask("select group_id, label from results.study_group where study_id = ?"))
    variables = {
        variable: label if not unit or unit in label else f"{label} ({unit})"
        for variable, label, unit in ask(
            "select variable, label, unit from results.study_variable where study_id = ?"
        )
    }
    for table, variable, group, display in ask(
        "select table_id, variable, group_id, display from results.baseline_summary"
        " where study_id = ? and status = 'ok'"
    ):
        found[f"table_{table.lower()}", variables[variable], labels[group]] = numbers(display or "")
    for table, variable, a, b, p_value, p_adjusted in ask(
        "select table_id, variable, group_a, group_b, p_value, p_adjusted from results.group_comparison"
        " where study_id = ? and group_a is not null"
    ):
        for column, value in (("p", p_value), ("adj. p", p_adjusted)):
            pair = PAIR.format(f"{labels[a]} vs {labels[b]}", column)
            if value is not None:
                found[f"table_{table.lower()}", variables[variable], pair] = (printed_p(value),)
    for title, term, statistic, p_value in ask(
        "select m.title, t.term, t.statistic, t.p_value from results.mixed_model_term as t"
        " join results.model as m using (study_id, model_id) where study_id = ?"
        " and t.test = 'wald_chi_square' and substring(model_id, 1, 10) = 'table_iii_'"
    ):
        row = GROUPED.format(title, TERM_LABELS[term])
        found["table_iii", row, "χ²"] = (float(f"{statistic:.3f}"),)
        found["table_iii", row, "p"] = (printed_p(p_value),)
    for endpoint, group, n, events in ask(
        "select endpoint, group_id, n, events from results.survival_median where study_id = ? and status = 'ok'"
    ):
        found[f"{endpoint}_survival", labels[group], "Patients"] = (float(n),)
        found[f"{endpoint}_survival", labels[group], "Events"] = (float(events),)
    return found


def printed_p(value: float) -> float:
    """A p value as a table prints it: with three decimals, and those below the last decimal as that one."""
    return SMALLEST_P if value < SMALLEST_P else float(f"{value + 1e-12:.3f}")


def in_report(folder: Path, study: str) -> Numbers:
    """The CSV files of the report."""
    found: Numbers = {}
    for path in sorted((folder / "tables").glob(f"{study}_*.csv")):
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
        found |= _cells(path.stem.removeprefix(f"{study}_"), rows[0], rows[1:])
    return found


def in_workbook(data: bytes, names: Sequence[str]) -> Numbers:
    """The sheets of an XLSX file, whose tables are called so, in their order. The columns of one header are
    one cell; second lines are in italics.
    """
    from openpyxl import load_workbook

    found: Numbers = {}
    for name, sheet in zip(names, load_workbook(io.BytesIO(data)).worksheets[1:], strict=False):
        merged = [(r.min_row, r.min_col, r.max_col) for r in sheet.merged_cells.ranges]
        spanners = _filled([c.value for c in sheet[3]], {low: high for row, low, high in merged if row == 3})
        ends = {low: high for row, low, high in merged if row == 4}
        starts = [c.column for c in sheet[4] if c.value is not None]
        labels = [str(sheet.cell(4, s).value) for s in starts]
        header = [PAIR.format(spanners[s - 1], x) if spanners[s - 1] else x for s, x in zip(starts, labels)]
        at_label = starts[int(_has_groups(header))] - 1
        rows = []
        for row in sheet.iter_rows(min_row=5):
            if row[at_label].value is not None:
                cells = [row[s - 1 : ends.get(s, s)] for s in starts]
                rows.append([" ".join(_told(c) for c in part if not c.font.italic) for part in cells])
            elif rows:
                break  # notes follow
        found |= _cells(name, header, rows)
    return found


def _told(cell: Any) -> str:
    is_p = isinstance(cell.value, int | float) and cell.number_format.startswith("[<0.001]")
    return str(printed_p(cell.value)) if is_p else "" if cell.value is None else str(cell.value)


def _filled(row: list[object], ends: Mapping[int, int]) -> list[str]:
    made = ["" if value is None else str(value) for value in row]
    for start, end in ends.items():
        made[start - 1 : end] = [made[start - 1]] * (end - start + 1)
    return made


def in_word(data: bytes, names: Sequence[str]) -> Numbers:
    """The tables of a DOCX file; ``names`` are theirs, in their order."""
    from docx import Document
    from docx.oxml.ns import qn

    found: Numbers = {}
    tables = Document(io.BytesIO(data)).element.body.iter(qn("w:tbl"))
    for name, element in zip(names, tables, strict=True):
        headers, rows = [], []
        for row in element.iter(qn("w:tr")):
            cells = [_of_word(cell) for cell in row.iter(qn("w:tc"))]
            spread = [text for text, span in cells for _ in range(span)]
            is_header = next(row.iter(qn("w:tblHeader")), None) is not None
            (headers if is_header else rows).append(spread)
        header = [
            PAIR.format(spanner, label) if label and spanner != label else spanner
            for spanner, label in zip(headers[0], headers[-1], strict=True)
        ]
        found |= _cells(name, header, list(_with_groups(rows)), grouped=False)
    return found


def _with_groups(rows: list[list[str]]) -> Iterator[list[str]]:
    """A heading is one cell over all columns; the rows below it are called after it."""
    group = ""
    for row in rows:
        if len(row) > 1 and len(set(row)) == 1:
            group = row[0]
        else:
            yield [GROUPED.format(group, row[0]) if group else row[0], *row[1:]]


def _of_word(cell: object) -> tuple[str, int]:
    """The text of a cell without raised marks and second lines, and how many columns it spans."""
    from docx.oxml.ns import qn

    span = next(cell.iter(qn("w:gridSpan")), None)  # type: ignore[attr-defined]
    text = ""
    for run in cell.iter(qn("w:r")):  # type: ignore[attr-defined]
        if next(run.iter(qn("w:br")), None) is not None:
            break
        if next(run.iter(qn("w:vertAlign")), None) is None:
            text += "".join(t.text or "" for t in run.iter(qn("w:t")))
    return text.replace("\u00a0", " ").replace("−", "-"), 1 if span is None else int(span.get(qn("w:val")))


def _has_groups(header: list[str]) -> bool:
    return header[0] in GROUP_LABELS or header[:2] == ["Printed in", "Cell"]


def _cells(table: str, header: list[str], rows: list[list[str]], grouped: bool | None = None) -> Numbers:
    """By the row's first column, after its group where the table has a column of groups."""
    grouped = _has_groups(header) if grouped is None else grouped
    found: Numbers = {}
    for row in rows:
        name = GROUPED.format(row[0], row[1]) if grouped and row[0] else row[grouped]
        name = name.removesuffix(", n (%)")
        for column, text in zip(header[1 + grouped :], row[1 + grouped :], strict=True):
            if column not in BESIDE and (read := numbers(re.sub(r" \[.*\]$", "", text))):
                found.setdefault((table, name, column), read)
    return found
