"""One sheet's rows written out, with header, merged cells and row numbers.

Belongs here: what every grid of cells shares, whichever format it comes from. Does not belong here: any
format.

Merged cells: in the header a name counts for every cell of its range; below it the value is filled down the
range's first column.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .cells import WHOLE, cell_text
from .columns import is_blank, joined_header
from .errors import ExportFault
from .grid import GridSpec
from .number_formats import Ranges, Struck
from .rows import RowWriter, Written

Merged = Ranges
Numbered = Iterable[tuple[int, list[Any]]]  # rows as they lie in the sheet, from 0, all equally wide


@dataclass(frozen=True)
class SheetRows:
    """A sheet whose rows were written. ``used`` are the columns with any cell below the header."""

    name: str
    header: list[str]
    header_row: int
    written: Written
    used: list[int]
    digits_lost: list[tuple[int, int, int]]  # column, cells, first row
    struck_out: list[tuple[int, int, int]]  # the same of cells that are struck out
    date_cells: list[int]  # columns in which a cell is a date
    place: int | None = None  # in the workbook, from 1

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> SheetRows:
        return cls(**{**found, "written": Written.from_json(found["written"])})


def write_sheet(
    numbered: Numbered,
    merged: Merged,
    spec: GridSpec,
    target: Path,
    name: str = "",
    struck: Collection[tuple[int, int]] = frozenset(),
) -> SheetRows:
    """Header and rows of one sheet; the rows go to ``target``. ``struck`` are the cells that are struck
    out.
    """
    header, header_row, following = _header(iter(numbered), merged, spec)
    filler = _Filler(merged, header_row - 1 + spec.header_rows)
    used: set[int] = set()
    lost: dict[int, list[int]] = {}
    struck_rows: dict[int, list[int]] = {}
    rows_struck = {row for row, _ in struck}
    dated: set[int] = set()
    with RowWriter(target, spec.damaged_text == "keep") as writer:
        for number, row in following:
            if not any(cell != "" for cell in row):  # a sheet may hold a million such rows
                continue
            cells = [cell_text(cell, spec.decimal_mark) for cell in row]
            if is_blank(cells):
                continue
            for i, cell in enumerate(row):
                if type(cell) is float and abs(cell) >= WHOLE:
                    lost.setdefault(i, []).append(number + 1)
                elif isinstance(cell, dt.date):
                    dated.add(i)
            if number in rows_struck:
                for i, cell in enumerate(cells):
                    if cell and (number, i) in struck:
                        struck_rows.setdefault(i, []).append(number + 1)
            if merged:
                filler.fill(number, cells)
            if len(used) < len(header):
                used.update(i for i, cell in enumerate(cells) if cell)
            writer.write(number + 1, cells, "\t".join(cells))
    digits_lost, struck_out = (
        [(i, len(at), at[0]) for i, at in sorted(found.items())] for found in (lost, struck_rows)
    )
    return SheetRows(
        name, header, header_row, writer.done(), sorted(used), digits_lost, struck_out, sorted(dated)
    )


class _Filler:
    """Fills the cells that a merged range covers in its first column with its value."""

    def __init__(self, merged: Merged, first: int) -> None:
        self.last = {
            start: end[0] for start, end in merged.items() if start[0] >= first and end[0] > start[0]
        }
        self.columns = sorted({column for _, column in self.last})
        self.open: dict[int, tuple[int, str]] = {}  # column to last row and value

    def fill(self, number: int, cells: list[str]) -> None:
        for i in self.columns:
            if (number, i) in self.last:
                self.open[i] = (self.last[number, i], cells[i])
            elif i in self.open and number <= self.open[i][0] and not cells[i]:
                cells[i] = self.open[i][1]


def _header(
    rows: Iterator[tuple[int, list[Any]]], merged: Merged, spec: GridSpec
) -> tuple[list[str], int, Iterator[tuple[int, list[Any]]]]:
    """Joined names, the header's first row (from 1), and the rows that follow it."""
    taken: list[list[str]] = []
    first = 0
    for number, row in rows:
        if number < spec.skip_rows or (not taken and _has_no_text(row)):
            continue
        first = first or number + 1
        if spec.header_rows == 0:
            return [f"column_{i + 1}" for i in range(len(row))], first, _chained((number, row), rows)
        taken.append([cell_text(cell) for cell in row])
        if len(taken) == spec.header_rows:
            break
    if not taken:
        raise ExportFault(
            "no_header",
            found="no text below the rows to skip",
            expected="a header",
            remedy="Correct `skip_rows`.",
        )
    _spread_names(taken, merged, first - 1)
    return joined_header(taken), first, rows


def _has_no_text(row: list[Any]) -> bool:
    return not any(cell != "" for cell in row) or is_blank(map(cell_text, row))


def _spread_names(taken: list[list[str]], merged: Merged, first: int) -> None:
    """Give the name of a merged header cell to every cell of its range."""
    for (r, c), (to_r, to_c) in merged.items():
        if first <= r < first + len(taken) and c < len(taken[0]):
            for i in range(r, min(to_r + 1, first + len(taken))):
                for j in range(c, min(to_c + 1, len(taken[0]))):
                    taken[i - first][j] = taken[r - first][c]


def _chained(
    first: tuple[int, list[Any]], rest: Iterator[tuple[int, list[Any]]]
) -> Iterator[tuple[int, list[Any]]]:
    yield first
    yield from rest


def transposed(
    numbered: Numbered, merged: Merged, struck: Collection[tuple[int, int]] = frozenset()
) -> tuple[Numbered, Merged, Struck]:
    """The sheet transposed: each column becomes a row, numbered as the column was."""
    kept = [(number, row) for number, row in numbered if merged or not _has_no_text(row)]
    width = max((len(row) for _, row in kept), default=0)
    turned = [[row[i] if i < len(row) else "" for _, row in kept] for i in range(width)]
    places = {number: i for i, (number, _) in enumerate(kept)}
    return (
        enumerate(turned),
        {(c, r): (to_c, to_r) for (r, c), (to_r, to_c) in merged.items()},
        {(column, places[row]) for row, column in struck if row in places},
    )
