"""One sheet's rows as CSV, with header, merged cells and row numbers.

Belongs here: what every grid of cells shares, whichever format it comes from. Does not belong here: any
format.

Merged cells: in the header a name counts for every cell of its range; below it the value is filled down the
range's first column.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .cells import WHOLE, cell_text
from .errors import ExportFault
from .tables import joined_header

Merged = dict[tuple[int, int], tuple[int, int]]
Numbered = Iterable[tuple[int, list[Any]]]


def write_rows(numbered: Numbered, merged: Merged, options: dict[str, Any], target: Path) -> dict[str, Any]:
    """Header and rows of one sheet, ``numbered`` from 0 as they lie in it; the rows go to ``target``.

    ``merged`` gives the last cell of each merged range by its first. All rows are equally wide.
    """
    header, header_row, following = _header(iter(numbered), merged, options)
    filler = _Filler(merged, header_row - 1 + options["header_rows"])
    count, has_line_ends, used = 0, False, set()
    lost: dict[int, list[int]] = {}
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\r\n")
        for number, row in following:
            if not any(cell != "" for cell in row):
                continue
            cells = [cell_text(cell) for cell in row]
            for i, cell in enumerate(row):
                if type(cell) is float and abs(cell) >= WHOLE:
                    lost.setdefault(i, []).append(number + 1)
            if merged:
                filler.fill(number, cells)
            text = "".join(cells)
            has_line_ends = has_line_ends or "\n" in text or "\r" in text
            if len(used) < len(header):
                used.update(i for i, cell in enumerate(cells) if cell)
            writer.writerow([number + 1, *cells])
            count += 1
    return {
        "header": header,
        "header_row": header_row,
        "path": str(target),
        "rows": count,
        "has_line_ends": has_line_ends,
        "used": sorted(used),
        "digits_lost": {str(i): [len(at), at[0]] for i, at in lost.items()},
    }


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
    rows: Iterator[tuple[int, list[Any]]], merged: Merged, options: dict[str, Any]
) -> tuple[list[str], int, Iterator[tuple[int, list[Any]]]]:
    """Joined names, the header's first row (from 1), and the rows that follow it."""
    wanted, taken, first = options["header_rows"], [], 0
    for number, row in rows:
        if number < options["skip_rows"] or (not taken and not any(cell != "" for cell in row)):
            continue
        first = first or number + 1
        if wanted == 0:
            return [f"column_{i + 1}" for i in range(len(row))], first, _chained((number, row), rows)
        taken.append([cell_text(cell) for cell in row])
        if len(taken) == wanted:
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


def _spread_names(taken: list[list[str]], merged: Merged, first: int) -> None:
    """Give every cell of a merged range in the header its name."""
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


def transposed(numbered: Numbered, merged: Merged) -> tuple[Numbered, Merged]:
    """The sheet turned over its diagonal: a column is a row, and rows are numbered as columns were."""
    rows = [row for _, row in numbered]
    width = max(map(len, rows), default=0)
    turned = [[row[i] if i < len(row) else "" for row in rows] for i in range(width)]
    return enumerate(turned), {(c, r): (to_c, to_r) for (r, c), (to_r, to_c) in merged.items()}
