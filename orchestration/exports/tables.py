"""What a reader returns: a table of text that still lies in a file, with the SQL that reads it.

Belongs here: ``SourceTable``, and making one from rows that this package wrote. Does not belong here:
knowledge of any format.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb

from .columns import checked_header
from .errors import MalformedLine
from .relations import filled_down, narrowed, without_rows
from .rows import Written, refuse_no_rows
from .spec import ReadSpec


@dataclass(frozen=True)
class Finding:
    """Something that a person should know about one column (or the whole table), but that rejects no row by
    itself.

    ``digits_lost``: numbers beyond 15 digits, or written as ``3.20102E+17``, which a spreadsheet has rounded;
    such a column cannot tell patients apart. ``damaged_text``: rows with damaged text, kept because the
    mapping says so. ``struck_out``: cells that are struck out, or hold struck text. In a sheet that is kept
    by hand, this means that they are no longer valid.
    """

    rule: str
    column: str | None
    count: int
    first_row: int | None = None


@dataclass(frozen=True)
class InOrder:
    """A table function that yields cells in the order of the file, from ``first_row`` on; ``holes`` are no
    rows."""

    read: str
    first_row: int
    holes: tuple[int, ...]


@dataclass(frozen=True)
class SourceTable:
    """One table of a delivery.

    ``relation`` is a DuckDB query that yields ``source_row BIGINT`` and ``c0 … cN VARCHAR`` in the order of
    ``columns``: the text that arrived, a blank cell as NULL. ``source_row`` is the row as a spreadsheet
    shows it, or the number of the record (from 1) where a format has no header row. ``rows`` counts what the
    relation yields; rows in = ``rows`` + ``len(malformed)``. Rows without any text are neither.

    The relation may read files in the ``workdir`` given to ``open_tables``, and needs DuckDB's
    ``preserve_insertion_order``, which is on unless somebody turned it off.
    """

    file: str
    sheet: str | None
    columns: tuple[str, ...]
    relation: str
    encoding: str | None
    format: str
    rows: int
    malformed: list[MalformedLine] = field(default_factory=list)
    findings: tuple[Finding, ...] = ()
    in_order: InOrder | None = None
    sheet_place: int | None = None  # of the sheet in its workbook, from 1
    date_cells: frozenset[str] = frozenset()  # columns in which a cell is a date, and no text

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "date_cells": sorted(self.date_cells)}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> SourceTable:
        in_order = found["in_order"]
        return cls(
            **{
                **found,
                "columns": tuple(found["columns"]),
                "malformed": [MalformedLine(**line) for line in found["malformed"]],
                "findings": tuple(Finding(**finding) for finding in found["findings"]),
                "in_order": in_order and InOrder(**{**in_order, "holes": tuple(in_order["holes"])}),
                "date_cells": frozenset(found["date_cells"]),
            }
        )

    @property
    def rows_in(self) -> int:
        return self.rows + len(self.malformed)

    def load(
        self, connection: duckdb.DuckDBPyConnection, name: str, columns: Iterable[str] | None = None
    ) -> None:
        """Read ``columns`` (default: all) once into the temporary view ``name``: ``source_row`` and the
        cells, each called c0 … cN by its place in ``self.columns``.

        This is faster than the relation if DuckDB reads the file itself: it then uses all processors, and a
        row's number is its place in the table that it fills.
        """
        wanted = set(self.columns if columns is None else columns)
        cells = ", ".join(f"c{i}" for i, column in enumerate(self.columns) if column in wanted) or "c0"
        held = f"{name}_cells"
        if self.in_order is None:
            connection.execute(
                f"create or replace temp table {held} as select source_row, {cells} from ({self.relation})"
            )
            view = f"select * from {held}"
        else:
            connection.execute(
                f"create or replace temp table {held} as select {cells} from {self.in_order.read}"
            )
            view = f"select rowid + {self.in_order.first_row} as source_row, {cells} from {held}"
            view = without_rows(view, self.in_order.holes)
        connection.execute(f"create or replace temp view {name} as {view}")

    @staticmethod
    def unload(connection: duckdb.DuckDBPyConnection, name: str) -> None:
        """Drop the view and the table that ``load`` made."""
        connection.execute(f"drop view if exists {name}")
        connection.execute(f"drop table if exists {name}_cells")


def written_table(
    written: Written,
    names: Sequence[str],
    header_row: int,
    *,
    file: str,
    sheet: str | None = None,
    encoding: str | None = None,
    format: str,
    spec: ReadSpec,
    used: set[int] | None = None,
    findings: Sequence[Finding] = (),
    padded: bool = False,
    sheet_place: int | None = None,
    date_cells: Iterable[int] = (),
) -> SourceTable:
    """The table that ``rows.RowWriter`` wrote under these names; ``used`` as for ``checked_header``."""
    columns = checked_header(names, header_row, used)
    refuse_no_rows(written.rows + len(written.malformed), header_row)
    relation = narrowed(written.relation(len(names), padded=padded), len(columns), len(names))
    return SourceTable(
        file=file,
        sheet=sheet,
        columns=columns,
        relation=filled_down(relation, columns, spec.fill_down),
        encoding=encoding,
        format=format,
        rows=written.rows,
        malformed=written.malformed,
        findings=(*findings, *kept_findings(written.damaged_kept)),
        sheet_place=sheet_place,
        date_cells=frozenset(columns[i] for i in date_cells if i < len(columns)),
    )


def kept_findings(damaged_kept: int) -> tuple[Finding, ...]:
    return (Finding("damaged_text", None, damaged_kept),) if damaged_kept else ()
