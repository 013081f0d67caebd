"""Writes rows plainly, for DuckDB to read: the row number, then the cells.

Belongs here: the one way in which this package writes a table, and the checks of every such row. Does not
belong here: where rows come from.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from .columns import is_blank
from .damage import damage_in
from .errors import ExportFault, MalformedLine, malformed
from .limits import COLUMNS, MALFORMED_LINES
from .relations import plain_relation


@dataclass(frozen=True)
class Written:
    """A table written by ``RowWriter``."""

    path: str
    rows: int
    malformed: list[MalformedLine]
    damaged_kept: int
    has_line_ends: bool  # inside cells
    longest: int  # bytes of a line, at most

    def relation(self, width: int, *, padded: bool = False) -> str:
        """The query that reads it, ``width`` cells wide; shorter lines are filled with blanks if
        ``padded``."""
        parallel = not (self.has_line_ends or padded)
        return plain_relation(Path(self.path), width, longest=self.longest, parallel=parallel, padded=padded)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Written:
        return cls(**{**found, "malformed": [MalformedLine(**line) for line in found["malformed"]]})


@dataclass
class RowWriter:
    """A context that writes rows to ``path``; a row with damaged text is rejected, or kept and counted."""

    path: Path
    keep_damaged: bool
    rows: int = 0
    malformed: list[MalformedLine] = field(default_factory=list)
    damaged_kept: int = 0
    has_line_ends: bool = False
    characters: int = 0  # of the longest row

    def __enter__(self) -> RowWriter:
        self.out = self.path.open("w", encoding="utf-8", errors="replace", newline="")
        self.line = csv.writer(self.out, lineterminator="\r\n").writerow
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.out.close()

    def write(self, row: int, cells: Iterable[str | None], text: str) -> None:
        """Write one row; ``text`` is the row as it arrived, or all its cells together. A row of blanks is not
        written.
        """
        cells = list(cells)
        if is_blank(cells):
            return
        self.characters = max(self.characters, len(text))
        damage = damage_in(text)
        if damage is not None and not self.keep_damaged:
            self.reject(row, *damage, text)
            return
        self.damaged_kept += damage is not None
        self.has_line_ends = self.has_line_ends or "\n" in text or "\r" in text
        self.line([row, *cells])
        self.rows += 1

    def reject(self, row: int, rule: str, reason: str, text: str) -> None:
        self.malformed.append(malformed(row, rule, reason, text))
        if len(self.malformed) > MALFORMED_LINES:
            raise too_many_malformed(row)

    def done(self) -> Written:
        longest = (
            8 * self.characters + 4 * COLUMNS
        )  # four bytes to a character, all of them quotes; delimiters
        return Written(
            str(self.path), self.rows, self.malformed, self.damaged_kept, self.has_line_ends, longest
        )


def too_many_malformed(row: int) -> ExportFault:
    return ExportFault(
        "mostly_malformed",
        row=row,
        found=f"more than {MALFORMED_LINES:,} lines that cannot be split",
        expected="a table",
        remedy="Check `delimiter`, `quote`, `skip_rows` and the file itself.",
    )


def refuse_no_rows(rows: int, row: int | None) -> None:
    if not rows:
        raise ExportFault(
            "no_rows",
            row=row,
            found="a header and no rows",
            expected="at least one row",
            remedy="Ask for the file again; where nothing new may have happened, write `may_be_empty: "
            "true` in the mapping, or `optional: true` if the file may be left out.",
        )
