"""What a reader takes from a manuscript: every count of its Word, Excel, LaTeX and text files.

Belongs here: reading the files as anybody outside could. Does not belong here: what the rows of a table say
(`printed.py`), what follows from it (`bounds.py`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docx import Document
from docx.oxml.ns import qn
from openpyxl import load_workbook

from tests.attack.printed import Said, rows_said

NAMES = {
    "Step": "_cohort_flow",
    "Group": "_survival",
    "Variable": "_table_",
}  # of tables, by their first header


@dataclass(frozen=True)
class _Table:
    """A table as it is read: its headers with their second lines, its rows, under the heading of each."""

    headers: list[str]
    seconds: list[str]
    rows: list[tuple[str, list[str]]]


def read_manuscript(folder: Path, groups: list[str]) -> list[Said]:
    said = []
    for place, tables in (
        ("manuscript.docx", _in_word(folder / "manuscript.docx")),
        ("tables.xlsx", _in_workbook(folder / "tables.xlsx")),
        ("tables/*.tex", _in_latex(folder / "tables")),
    ):
        for table in tables:
            said += _of_table(table, groups, place)
    words = " ".join(
        [
            (folder / "methods.txt").read_text(encoding="utf-8"),
            *(" ".join(row) for t in _in_word(folder / "strobe.docx") for _, row in t.rows),
        ]
    )
    return [*said, *_in_words(words, groups), *_shares(folder / "codebook.csv", groups, words)]


def _of_table(table: _Table, groups: list[str], place: str) -> Iterator[Said]:
    for header, second in zip(table.headers, table.seconds, strict=True):
        if header in groups and (match := re.fullmatch(r"n ([=<>]) (\d+)", second)):
            yield Said(("size", header), match[2] if match[1] == "=" else f"{match[1]}{match[2]}", place)
    name = NAMES.get(table.headers[0])
    if name is None:
        return
    rows = [dict(zip(table.headers, row)) | {"Analysis": group} for group, row in table.rows]
    for found in rows_said(name, rows, groups):
        yield Said(found.key, found.text, place)


def _in_word(path: Path) -> Iterator[_Table]:
    for element in Document(str(path)).element.body.iter(qn("w:tbl")):
        headers, seconds, rows, group = [], [], [], ""
        for row in element.iter(qn("w:tr")):
            cells = [_lines(cell) for cell in row.iter(qn("w:tc"))]
            spans = [cell.find(f".//{qn('w:gridSpan')}") for cell in row.iter(qn("w:tc"))]
            wide = [
                cell
                for cell, s in zip(cells, spans)
                for _ in range(1 if s is None else int(s.get(qn("w:val"))))
            ]
            if row.find(f".//{qn('w:tblHeader')}") is not None:
                above = headers or [""] * len(wide)
                headers = [lines[0] or before for lines, before in zip(wide, above, strict=True)]
                before_seconds = seconds or [""] * len(wide)
                seconds = [[*lines, ""][1] or b for lines, b in zip(wide, before_seconds, strict=True)]
            elif len(cells) == 1:
                group = cells[0][0]
            else:
                rows.append((group, [lines[0] for lines in wide]))
        yield _Table(headers, seconds, rows)


def _lines(cell: object) -> list[str]:
    lines = [""]
    for run in cell.iter(qn("w:r")):  # type: ignore[attr-defined]
        if run.find(qn("w:br")) is not None:
            lines.append("")
        lines[-1] += "".join(t.text or "" for t in run.iter(qn("w:t")))
    return [line.replace("\u00a0", " ") for line in lines]


def _in_workbook(path: Path) -> Iterator[_Table]:
    """The first number of each printed cell is the count."""
    for sheet in load_workbook(path).worksheets[1:]:
        starts = [c.column for c in sheet[4] if c.value is not None]
        headers = [str(sheet.cell(4, s).value) for s in starts]
        seconds = [str(sheet.cell(5, s).value or "") for s in starts]
        rows = []
        for row in sheet.iter_rows(min_row=5, values_only=True):
            cells = ["" if row[s - 1] is None else str(row[s - 1]) for s in starts]
            if cells[0]:
                rows.append((cells[0], cells))
            elif rows:
                break  # notes follow
        if headers[0] in ("Analysis", "Model"):
            headers, seconds, rows = headers[1:], seconds[1:], [(group, cells[1:]) for group, cells in rows]
        yield _Table(headers, seconds, rows)


def _in_latex(folder: Path) -> Iterator[_Table]:
    for path in sorted(folder.glob("*.tex")):
        source = path.read_text(encoding="utf-8")
        head, body = source.split(r"\endfirsthead")[0], source.split(r"\endfoot")[1]
        labels = next(line for line in reversed(head.splitlines()) if "&" in line).removesuffix(r" \\")
        both = [_plain(cell) for cell in labels.split("&")]
        rows, group = [], ""
        for line in body.split(r"\end{longtable}")[0].splitlines():
            cells = [_plain(cell)[0] for cell in re.split(r"(?<!\\)&", line.removesuffix(r" \\"))]
            if line.startswith(r"\multicolumn"):
                group = cells[0]
            elif len(cells) > 1:
                rows.append((group, cells))
        yield _Table([lines[0] for lines in both], [[*lines, ""][1] for lines in both], rows)


def _plain(cell: str) -> list[str]:
    """The lines of a cell without its commands."""
    text = re.sub(r"\\(?:begin|end)\{tabular\}(?:\[\w\])?(?:\{@\{\}l@\{\}\})?", "", cell)
    text = re.sub(r"\\multicolumn\{\d+\}\{[^}]*\}+l?\}?", "", text)
    lines = text.split(r"\\")
    signs = {r"$<$": "<", r"$>$": ">", r"$\geq$": "≥", r"\%": "%", r"$-$": "-"}
    found = []
    for line in lines:
        for command, sign in signs.items():
            line = line.replace(command, sign)
        line = re.sub(r"\\textsuperscript\{\w+\}", "", line)
        found.append(re.sub(r"\\[a-z]+|[{}]", "", line).strip())
    return found


def _in_words(text: str, groups: list[str]) -> Iterator[Said]:
    """Methods and checklist."""
    for group in groups:
        name = re.escape(group)
        for match in re.finditer(rf"{name} \(n (<?\d+)\)", text):
            yield Said(("size", group), match[1], "methods")
        for match in re.finditer(rf"in a group: (?:[^.]*, )?{name} (<?\d+)", text):
            yield Said(("size", group), match[1], "checklist, 13a")
        for match in re.finditer(rf"Relapse, counted: (?:[^.]*, )?{name} (<?\d+)", text):
            yield Said(("flow", "Relapse", "Counted", group), match[1], "checklist, 13a")
        for match in re.finditer(rf"Relapse, {name}: (<?\d+) of (<?\d+)", text):
            yield Said(("events", group), match[1], "checklist, 15")
            yield Said(("size", group), match[2], "checklist, 15")


def _shares(path: Path, groups: list[str], words: str) -> Iterator[Said]:
    """From the share missing and the printed size of a group follows the printed number known."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for group in groups:
        match = re.search(rf"{re.escape(group)} \(n (\d+)\)", words)
        for row in rows if match else ():
            share = row.get(f"Missing, %: {group}") or ""
            if match and re.fullmatch(r"[\d.]+", share):
                known = round(int(match[1]) * (1 - float(share) / 100))
                yield Said(("known", row["Label"], group), str(known), "codebook")
