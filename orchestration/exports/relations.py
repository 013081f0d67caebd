"""SQL over files: the pieces that every reader shares.

Belongs here: text of queries for DuckDB. Does not belong here: running them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .dialect import Dialect
from .errors import ExportFault, did_you_mean, name_list
from .limits import LINE_BYTES

PLAIN = Dialect(",")
PLAIN_LINE_END = b"\r\n"


def sql_text(value: str) -> str:
    """A SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def file_literal(path: Path) -> str:
    """A file's path as DuckDB's functions take it, with pattern characters escaped."""
    return sql_text("".join(f"[{c}]" if c in "*?[" else c for c in str(path)))


def cells(count: int) -> str:
    """c0, c1 …"""
    return ", ".join(f"c{i}" for i in range(count))


def read_csv(
    path: Path,
    width: int,
    dialect: Dialect = PLAIN,
    line_end: bytes = PLAIN_LINE_END,
    *,
    skip: int = 0,
    numbered: bool = False,
    longest: int = 2 * LINE_BYTES,
    parallel: bool = False,
    padded: bool = False,
) -> str:
    """DuckDB's ``read_csv`` with nothing left to detect; parallel only where no cell holds a line end.

    The line end is stated, for DuckDB 1.5.5 would take the first it meets, in quotes or not; and strict mode
    is off, for with a stated ``\\r\\n`` it loses rows. What strict mode would find, the scan has found
    before.
    """
    names = (["source_row"] if numbered else []) + [f"c{i}" for i in range(width)]
    options = {
        "columns": "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in names) + "}",
        "auto_detect": "false",
        "header": "false",
        "skip": str(skip),
        "delim": sql_text(dialect.delimiter),
        "quote": sql_text(dialect.quote),
        "escape": sql_text(dialect.quote),
        "new_line": "'\\r\\n'" if line_end == b"\r\n" else "'\\n'",
        "compression": "'none'",
        "strict_mode": "false",
        "null_padding": "true" if padded else "false",
        "max_line_size": str(longest),
        "hive_partitioning": "false",
        "parallel": "true" if parallel else "false",
    }
    stated = ", ".join(f"{key} = {value}" for key, value in options.items())
    return f"read_csv({file_literal(path)}, {stated})"


def plain_relation(path: Path, width: int, *, longest: int, parallel: bool, padded: bool = False) -> str:
    """The relation over a CSV that ``rows.RowWriter`` wrote, ``source_row`` first."""
    read = read_csv(
        path, width, numbered=True, longest=max(longest, 2 * LINE_BYTES), parallel=parallel, padded=padded
    )
    return f"select source_row::bigint as source_row, {cells(width)} from {read}"


def narrowed(relation: str, columns: int, width: int) -> str:
    """The first ``columns`` of ``width``."""
    return relation if columns == width else f"select source_row, {cells(columns)} from ({relation})"


def without_rows(relation: str, rows: Sequence[int]) -> str:
    if not rows:
        return relation
    return f"select * from ({relation}) where source_row not in ({', '.join(map(str, rows))})"


def filled_down(relation: str, columns: Sequence[str], fill: Sequence[str]) -> str:
    """``relation`` with blank cells of the named columns filled from the row above."""
    if not fill:
        return relation
    for name in fill:
        if name not in columns:
            raise ExportFault(
                "missing_column",
                column=name,
                found=f'no column "{name}" to fill down',
                expected=f"one of {name_list(columns, kind='column')}",
                remedy="Correct `fill_down`." + did_you_mean(name, columns, "column"),
            )
    above = "over (order by source_row rows unbounded preceding)"
    filled = [
        f"last_value(c{i} ignore nulls) {above} as c{i}" if name in fill else f"c{i}"
        for i, name in enumerate(columns)
    ]
    return f"select source_row, {', '.join(filled)} from ({relation})"
