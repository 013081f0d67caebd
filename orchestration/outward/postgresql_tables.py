"""The tables in the database: their shapes, their rows and their comments.

Belongs here: what brings one table to the release. Does not belong here: the transaction around all of them
(`postgresql.py`), the types of columns (`columns.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import duckdb

from orchestration.outward.columns import SCHEMAS, Column, Table
from orchestration.outward.postgresql_server import (
    FILE,
    LOCK_SECONDS,
    SERVER,
    Content,
    Server,
    as_list,
    as_names,
    as_text,
)

INCOMING = "myositis_incoming"
MARK = "published by myositis"  # begins the comment of each schema: what has another owner is left alone
INDEXED = (
    ("hospital_id", "patient_key"),
    ("patient_id",),
    ("visit_key",),
    ("concept_id",),
    ("event_id",),
    ("treatment_id",),
    ("study_id",),
)
COMMENTS = {
    ("publication", None): "Which release these tables hold, and since when. One row.",
    ("publication", "release_id"): "The release: every table here holds rows of this one alone.",
    ("publication", "registry_name"): "The registry that made it.",
    ("publication", "synthetic"): "Whether all patients are invented.",
    ("publication", "made_at"): "When the registry made the release.",
    ("publication", "published_at"): "When it was written here.",
    ("publication", "file_sha256"): "SHA-256 of the release's file.",
}


def _shapes(server: Server) -> dict[tuple[str, str], dict[str, str]]:
    """The columns of each table that is there, with PostgreSQL's types."""
    rows = server.query(
        "select n.nspname::text, c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod)"
        " from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n "
        "on n.oid = c.relnamespace"
        f" where n.nspname in ({as_list(SCHEMAS)}) and c.relkind = 'r' and a.attnum > 0 "
        "and not a.attisdropped"
    )
    found: dict[tuple[str, str], dict[str, str]] = {}
    for schema, table, column, kind in rows:
        found.setdefault((schema, table), {})[column] = kind.replace(" without time zone", "")
    return found


def widen(server: Server, tables: Iterable[Table]) -> None:
    """Give a table that is there the columns that a newer program has, and let go of those that are gone.

    Each table is a transaction of its own: whoever holds one lock and wants no other makes no deadlock.
    """
    there = _shapes(server)
    for table in tables:
        shape = there.get((table.schema, table.name))
        if shape is None:
            continue
        wanted = {c.name: c.type for c in table.columns}
        changes = [f'add column "{n}" {t}' for n, t in wanted.items() if n not in shape]
        changes += [f'drop column "{n}"' for n in shape if n not in wanted]
        changes += [
            f'alter column "{n}" type {t} using null' for n, t in wanted.items() if shape.get(n, t) != t
        ]
        if changes:
            with server.transaction():
                server.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
                server.execute(f"alter table {table.full_name} {', '.join(changes)}")


def make_missing(server: Server, tables: Iterable[Table], content: Content, readers: str) -> None:
    """Schemas, tables, keys, indexes, the role that may read them, and where rows come in; nobody sees that
    before it is dropped again.
    """
    if server.query(f"select 1 from pg_roles where rolname = {as_text(readers)}") == []:
        server.execute(f'create role "{readers}" nologin')
    kind = "SYNTHETIC DATA" if content.is_synthetic else "patients' data, not for publication"
    mark = as_text(f"{MARK}: {content.registry}; {kind}")
    schemas = dict(
        server.query(
            "select nspname::text, obj_description(oid, 'pg_namespace') = " + mark + " from pg_namespace"
        )
    )
    for schema in SCHEMAS:
        if schema not in schemas:
            server.execute(f"create schema {schema}")
        if not schemas.get(schema):
            server.execute(f"comment on schema {schema} is {mark}")
    server.execute(f'grant usage on schema {", ".join(SCHEMAS)} to "{readers}"')
    there = _shapes(server)
    for table in tables:
        if (table.schema, table.name) not in there:
            server.execute(_create(table))
    server.execute(
        f"create schema {INCOMING}; "
        + "; ".join(f'create unlogged table {INCOMING}."{_incoming(t)}" (like {t.full_name})' for t in tables)
    )
    may_not = server.query(
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n "
        f"on n.oid = c.relnamespace where n.nspname in ({as_list(SCHEMAS)}) and c.relkind = 'r' "
        f"and not has_table_privilege({as_text(readers)}, c.oid, 'select')"
    )
    if may_not:
        server.execute(f'grant select on {", ".join(name for (name,) in may_not)} to "{readers}"')


def _create(table: Table) -> str:
    columns = [f'"{c.name}" {c.type}' for c in table.columns]
    if table.key:
        columns.append(f"primary key ({as_names(table.key)})")
    names = {c.name for c in table.columns}
    indexes = [i for i in INDEXED if names.issuperset(i) and i != table.key[: len(i)]]
    return "; ".join(
        [
            f"create table {table.full_name} ({', '.join(columns)})",
            *(f"create index on {table.full_name} ({as_names(columns)})" for columns in indexes),
        ]
    )


def take_over(server: Server, table: Table) -> None:
    """Make a table hold the rows that came in. Where it has a key, a row that stays as it was is left alone:
    of two releases most rows are the same, and each that is written anew leaves a dead one behind.
    """
    incoming = f'{INCOMING}."{_incoming(table)}"'
    if not table.key:
        server.execute(
            f"delete from {table.full_name}; insert into {table.full_name} select * from {incoming}"
        )
        return
    same = " and ".join(f'i."{c}" = t."{c}"' for c in table.key)
    server.execute(
        f"delete from {table.full_name} as t where not exists"
        f" (select from {incoming} as i where {same} and i is not distinct from t);"
        f" insert into {table.full_name} select * from {incoming} as i"
        f" where not exists (select from {table.full_name} as t where {same})"
    )


def _incoming(table: Table) -> str:
    return f"{table.schema}_{table.name}"


def copy_rows(
    connection: duckdb.DuckDBPyConnection, table: Table, columns: dict[tuple[str, str], dict[str, str]]
) -> int:
    """Copy a table's rows beside it; what the release lacks stays empty. Returns their number."""
    kinds = columns.get((table.schema, table.name))
    if not kinds:
        return 0
    own = [c for c in table.columns if c.name in kinds]
    values = ", ".join(_value(c, kinds[c.name]) for c in own)
    (written,) = connection.execute(
        f'insert into {SERVER}.{INCOMING}."{_incoming(table)}" ({as_names(c.name for c in own)})'
        f" select {values} from {FILE}.{table.full_name}"
    ).fetchall()
    return int(written[0])


def _value(column: Column, kind: str) -> str:
    """A column in its listed type. A number that has a fraction where none is listed is an error, and is not
    rounded.
    """
    name = f'"{column.name}"'
    if column.type in ("bigint", "integer") and kind == "DOUBLE":
        fault = f"error('{column.name} is listed as a whole number and holds another')"
        return f"case when {name} <> trunc({name}) then {fault} else {name} end::{column.type}"
    return f"{name}::{column.type}"


def comments_of(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[Table]
) -> dict[tuple[str, str, str | None], str]:
    """What the release says of each table and column, by schema, table and column."""
    rows = connection.execute(
        "select schema_name, table_name, null, comment from duckdb_tables() where database_name = $1 "
        "and comment <> '' union all select schema_name, view_name, null, comment from duckdb_views() "
        "where database_name = $1 and comment <> '' union all select schema_name, table_name, column_name, "
        "comment from duckdb_columns() where database_name = $1 and comment <> ''",
        [FILE],
    ).fetchall()
    known = {(t.schema, t.name, c) for t in tables for c in (None, *(c.name for c in t.columns))}
    found = {(s, t, c): comment for s, t, c, comment in rows if (s, t, c) in known}
    return found | {("release", t, c): comment for (t, c), comment in COMMENTS.items()}


def describe(server: Server, comments: dict[tuple[str, str, str | None], str]) -> None:
    """Write the comments that differ from those that are there."""
    there = {
        (schema, table, column): comment
        for schema, table, column, comment in server.query(
            "select n.nspname::text, c.relname::text, a.attname::text, d.description from pg_description d"
            " join pg_class c on c.oid = d.objoid and d.classoid = 'pg_class'::regclass"
            " join pg_namespace n on n.oid = c.relnamespace"
            " left join pg_attribute a on a.attrelid = c.oid and a.attnum = d.objsubid and d.objsubid > 0"
            f" where n.nspname in ({as_list(SCHEMAS)})"
        )
    }
    said = []
    for (schema, table, column), comment in comments.items():
        if there.get((schema, table, column)) != comment:
            what = f'table {schema}."{table}"' if column is None else f'column {schema}."{table}"."{column}"'
            said.append(f"comment on {what} is {as_text(comment)}")
    server.execute("; ".join(said))


def drop_gone(server: Server, tables: Iterable[Table]) -> None:
    """Remove tables that no release has any more. One that a person's view reads stays until that is gone."""
    wanted = {(t.schema, t.name) for t in tables}
    for schema, name in sorted(_shapes(server).keys() - wanted):
        with suppress(duckdb.Error), server.transaction():
            server.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
            server.execute(f'drop table {schema}."{name}"')
