"""The columns of a release as PostgreSQL has them: `columns.csv`, one row per column.

Belongs here: the type of each column, told once and never taken from data, and which columns make the key.
Does not belong here: writing (`postgresql.py`).

A release that has no value in a column, or no row in a table of results, has another type there in DuckDB, or
no such table. A program that prepared its query against one release would fail on the next. So PostgreSQL
always has every table and column of this list. After a change of models or results:

    python -m orchestration.outward.columns RELEASE.duckdb    adds what that release has and the list lacks

Check each type that it adds: the type of a column without any value means nothing. Then write the columns of
the key, which the models declare unique.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

LISTED = Path(__file__).with_name("columns.csv")
HEADER = ("schema", "table", "column", "type", "key")
SCHEMAS = ("release", "results", "quality")
TYPES = {
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "HUGEINT": "bigint",
    "DOUBLE": "double precision",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
}
UNLISTED = "text"  # whatever a release holds in a column that is not listed, text can hold it


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    key: int | None = None  # its place in the primary key


@dataclass(frozen=True)
class Table:
    schema: str
    name: str
    columns: tuple[Column, ...]

    @property
    def full_name(self) -> str:
        return f'{self.schema}."{self.name}"'

    @property
    def key(self) -> tuple[str, ...]:
        found = sorted((c for c in self.columns if c.key), key=lambda c: c.key or 0)
        return tuple(c.name for c in found)


@cache
def listed() -> tuple[Table, ...]:
    """Every table of the list, in its order."""
    with LISTED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    tables: dict[tuple[str, str], list[Column]] = {}
    for row in rows:
        column = Column(row["column"], row["type"], int(row["key"]) if row["key"] else None)
        tables.setdefault((row["schema"], row["table"]), []).append(column)
    return tuple(Table(schema, name, tuple(columns)) for (schema, name), columns in tables.items())


def held(connection: duckdb.DuckDBPyConnection, database: str) -> dict[tuple[str, str], dict[str, str]]:
    """The columns that a release holds, with DuckDB's types, by schema and table."""
    rows = connection.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns() where database_name = ?"
        " and schema_name in ('release', 'results', 'quality') order by schema_name, table_name, "
        "column_index",
        [database],
    ).fetchall()
    found: dict[tuple[str, str], dict[str, str]] = {}
    for schema, table, column, kind in rows:
        found.setdefault((schema, table), {})[column] = kind
    return found


def together(held_by_release: dict[tuple[str, str], dict[str, str]]) -> tuple[Table, ...]:
    """The listed tables, and as text what only this release has."""
    return _with_others(held_by_release, lambda _: UNLISTED)


def unlisted(held_by_release: dict[tuple[str, str], dict[str, str]]) -> list[str]:
    """What a release has and the list lacks: ``release.fct_visit.visit_date``."""
    known = {(t.schema, t.name, c.name) for t in listed() for c in t.columns}
    return [
        f"{schema}.{table}.{column}"
        for (schema, table), columns in held_by_release.items()
        for column in columns
        if (schema, table, column) not in known
    ]


def _with_others(
    held_by_release: dict[tuple[str, str], dict[str, str]], type_of: Callable[[str], str]
) -> tuple[Table, ...]:
    tables = {(t.schema, t.name): list(t.columns) for t in listed()}
    for place, columns in held_by_release.items():
        own = tables.setdefault(place, [])
        names = {c.name for c in own}
        own += [Column(name, type_of(kind)) for name, kind in columns.items() if name not in names]
    return tuple(Table(*place, tuple(columns)) for place, columns in sorted(tables.items()))


def _write(tables: Iterable[Table]) -> None:
    with LISTED.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(HEADER)
        for table in tables:
            out.writerows((table.schema, table.name, c.name, c.type, c.key or "") for c in table.columns)


def _main(release: str) -> None:
    with duckdb.connect(release, read_only=True) as connection:
        ((database,),) = connection.execute("select current_database()").fetchall()
        found = held(connection, database)
    added = unlisted(found)
    _write(_with_others(found, lambda kind: TYPES.get(kind, UNLISTED)))
    print("\n".join(added) or "nothing to add")


if __name__ == "__main__":
    _main(sys.argv[1])
