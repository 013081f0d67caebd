"""Parquet files: the worker's DuckDB reads them, and writes their texts as a Parquet file of ours.

Belongs here: their columns as the text a person sees, and a first full read that finds damaged pages and
text. Does not belong here: nested values beyond their text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb

from .columns import BLANKS, checked_header
from .damage import PREFILTER, damage_in
from .delimited import scratch
from .errors import ExportFault, MalformedLine, malformed
from .limits import MALFORMED_LINES
from .own_database import own_database
from .relations import cells, file_literal, filled_down, sql_text, without_rows
from .rows import refuse_no_rows, too_many_malformed
from .spec import ReadSpec
from .tables import SourceTable, kept_findings


def read_parquet(path: Path, name: str, spec: ReadSpec, workdir: Path) -> SourceTable:
    """The one table of a Parquet file. ``source_row`` is the record's number from 1, for there is no header
    row."""
    with own_database(workdir) as connection:
        return _read_parquet(path, name, spec, workdir, connection)


def _read_parquet(
    path: Path, name: str, spec: ReadSpec, workdir: Path, connection: duckdb.DuckDBPyConnection
) -> SourceTable:
    try:
        columns = _columns(path, connection)
        names = checked_header([column for column, _ in columns], 1)
        width = len(names)
        seen = " or ".join(f"trim(c{i}, {sql_text(BLANKS)}) <> ''" for i in range(width))
        relation = (
            f"select * from ({_relation(path, [kind for _, kind in columns], spec.decimal_mark)}) "
            f"where {seen}"
        )
        damaged = list(_damaged(relation, width, connection))
        if spec.damaged_text == "reject":
            relation = without_rows(relation, [line.source_row for line in damaged])
        copy = file_literal(scratch(workdir, ".parquet"))
        (rows,) = connection.execute(f"copy ({relation}) to {copy} (format parquet)").fetchall()[0]
        relation = f"select source_row, {cells(width)} from read_parquet({copy}, hive_partitioning = false)"
    except duckdb.Error as error:
        raise ExportFault(
            "unreadable_file",
            found=f"a Parquet file that DuckDB cannot read ({type(error).__name__})",
            expected="a complete, unencrypted file",
            remedy="It is cut short or damaged; ask for it again.",
        ) from None
    bad = damaged if spec.damaged_text == "reject" else []
    refuse_no_rows(rows + len(bad), None)
    return SourceTable(
        file=name,
        sheet=None,
        columns=names,
        relation=filled_down(relation, names, spec.fill_down),
        encoding=None,
        format="parquet",
        rows=rows,
        malformed=bad,
        findings=kept_findings(len(damaged) - len(bad)),
        date_cells=frozenset(
            name
            for name, (_, kind) in zip(names, columns, strict=True)
            if kind == "DATE" or kind.startswith("TIMESTAMP")
        ),
    )


def _columns(path: Path, connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Top-level names as they are in the file (DuckDB renames equal ones), with DuckDB's types."""
    file = file_literal(path)
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


def _relation(path: Path, types: list[str], decimal_mark: str) -> str:
    width = len(types)
    texts = ", ".join(f"{_text(f'p{i}', kind, decimal_mark)} as c{i}" for i, kind in enumerate(types))
    aliases = ", ".join([*(f"p{i}" for i in range(width)), "file_row_number"])
    read = _read(file_literal(path))
    return f"select file_row_number + 1 as source_row, {texts} from ({read}) as t({aliases})"


def _text(cell: str, kind: str, decimal_mark: str) -> str:
    """SQL for the cell as text: ``cells.cell_text`` in DuckDB's words."""
    if kind in ("DOUBLE", "FLOAT"):
        return (
            f"case when isnan({cell}) then null when abs({cell}) < 1e15 and {cell} = trunc({cell}) "
            f"then {cell}::bigint::varchar else replace({cell}::varchar, '.', '{decimal_mark}') end"
        )
    if kind.startswith("DECIMAL"):
        return f"replace({cell}::varchar, '.', '{decimal_mark}')"
    if kind.startswith("TIMESTAMP") and "ZONE" not in kind:
        return f"case when {cell}::time = time '00:00:00' then {cell}::date::varchar else {cell}::varchar end"
    if kind == "BOOLEAN":
        return f"upper({cell}::varchar)"
    if kind == "VARCHAR":
        return f"nullif({cell}, '')"
    return f"nullif({cell}::varchar, '')"


def _damaged(relation: str, width: int, connection: duckdb.DuckDBPyConnection) -> Iterator[MalformedLine]:
    """Rows with damaged text. It reads every page of every column once, which also finds damaged pages."""
    text = f"concat_ws(chr(9), {cells(width)})"
    suspects = connection.execute(
        f"select source_row, {text} from ({relation}) where regexp_matches({text}, {sql_text(PREFILTER)})"
    )
    found = 0
    while batch := suspects.fetchmany(1000):
        for row, line in batch:
            if (rule := damage_in(line)) is not None:
                yield malformed(row, *rule, line)
                found += 1
                if found > MALFORMED_LINES:
                    raise too_many_malformed(row)
