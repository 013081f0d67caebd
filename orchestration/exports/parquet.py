"""Parquet files: DuckDB reads them itself.

Belongs here: their columns as the text a person sees, and a first full read that finds damaged pages and
text. Does not belong here: nested values beyond their text.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from .damage import PREFILTER, damage_in
from .errors import ExportFault, MalformedLine, malformed
from .spec import ReadSpec
from .tables import Finding, SourceTable, checked_header, filled_down, select_list, sql_text


def read_parquet(path: Path, name: str, spec: ReadSpec, connection: duckdb.DuckDBPyConnection) -> SourceTable:
    """The one table of a Parquet file. ``source_row`` is the record's number from 1, for there is no header
    row."""
    try:
        columns = _columns(path, connection)
        names = checked_header([column for column, _ in columns], 1)
        relation = _relation(path, [kind for _, kind in columns])
        everything = f"coalesce({select_list(len(names))})" if len(names) > 1 else "c0"
        relation = f"select * from ({relation}) where {everything} is not null"
        bad = _damaged(relation, len(names), connection)
        kept = len(bad) if spec.damaged_text == "keep" else 0
        if bad and not kept:
            rows = ", ".join(str(line.source_row) for line in bad)
            relation = f"select * from ({relation}) where source_row not in ({rows})"
        (count,) = connection.sql(f"select count(*) from ({relation})").fetchone() or (0,)
    except duckdb.Error as error:
        raise ExportFault(
            "unreadable_file",
            found=f"a Parquet file that DuckDB cannot read ({type(error).__name__})",
            expected="a complete, unencrypted file",
            remedy="It is cut short or damaged; ask for it again.",
        ) from None
    if not count and not bad:
        raise ExportFault(
            "no_rows",
            found="columns and no rows",
            expected="at least one row",
            remedy="Ask for the file again; a delivery with nothing new leaves the file out.",
        )
    return SourceTable(
        file=name,
        sheet=None,
        columns=names,
        relation=filled_down(relation, names, spec.fill_down),
        encoding=None,
        format="parquet",
        rows=count,
        malformed=[] if kept else bad,
        findings=(Finding("damaged_text", None, kept),) if kept else (),
    )


def _columns(path: Path, connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Top-level names as they are in the file (DuckDB renames those alike), with DuckDB's types."""
    file = sql_text(str(path))
    schema = connection.sql(f"select name, num_children from parquet_schema({file})").fetchall()
    names, at = [], 1
    while at < len(schema):
        names.append(schema[at][0])
        at = _after(schema, at)
    types = [row[1] for row in connection.sql(f"describe {_read(file)}").fetchall()][: len(names)]
    return list(zip(names, types))


def _after(schema: list[tuple[str, int | None]], at: int) -> int:
    """Index of the element that follows the one at ``at`` and all its children."""
    open_children = 1
    while open_children:
        open_children += (schema[at][1] or 0) - 1
        at += 1
    return at


def _read(file: str) -> str:
    return (
        f"select * from read_parquet({file}, file_row_number = true, binary_as_string = true, "
        "hive_partitioning = false)"
    )


def _relation(path: Path, types: list[str]) -> str:
    width = len(types)
    cells = ", ".join(f"{_text(f'p{i}', kind)} as c{i}" for i, kind in enumerate(types))
    aliases = ", ".join([*(f"p{i}" for i in range(width)), "file_row_number"])
    read = _read(sql_text(str(path)))
    return f"select file_row_number + 1 as source_row, {cells} from ({read}) as t({aliases})"


def _text(cell: str, kind: str) -> str:
    """SQL for the cell as text: ``cells.cell_text`` in DuckDB's words."""
    if kind in ("DOUBLE", "FLOAT"):
        return (
            f"case when isnan({cell}) then null when abs({cell}) < 1e15 and {cell} = trunc({cell}) "
            f"then {cell}::bigint::varchar else {cell}::varchar end"
        )
    if kind.startswith("TIMESTAMP") and "ZONE" not in kind:
        return f"case when {cell}::time = time '00:00:00' then {cell}::date::varchar else {cell}::varchar end"
    if kind == "BOOLEAN":
        return f"upper({cell}::varchar)"
    if kind == "VARCHAR":
        return f"nullif({cell}, '')"
    return f"nullif({cell}::varchar, '')"


def _damaged(relation: str, width: int, connection: duckdb.DuckDBPyConnection) -> list[MalformedLine]:
    """Rows with damaged text. Reads every page of every column once, which also finds damaged pages."""
    text = f"concat_ws(chr(9), {select_list(width)})"
    suspects = connection.sql(
        f"select source_row, {text} from ({relation}) where regexp_matches({text}, {sql_text(PREFILTER)})"
    ).fetchall()
    return [malformed(row, *rule, line) for row, line in suspects if (rule := damage_in(line)) is not None]
