"""What a question that names an unknown schema, table or column is told: what is near, and how to list what
there is.

Belongs here: those sentences. Does not belong here: answering (`asking.py`). DuckDB's own suggestion takes a
table of another schema for near (for `release.nothing` a table of `results`).
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

NAME = re.compile(r'[\w"]+(\.[\w"]+)*')
DESCRIBE = ("describe", "desc")


def parts_described(query: str) -> tuple[str, ...]:
    """The names in `describe release.fct_visit.visit_key`, in small letters; none of another query."""
    words = query.strip().removesuffix(";").lower().split()
    if len(words) != 2 or words[0] not in DESCRIBE or not NAME.fullmatch(words[1]):
        return ()
    return tuple(words[1].replace('"', "").split("."))


def told(connection: duckdb.DuckDBPyConnection, query: str, error: Exception) -> str:
    """What to say of a question that DuckDB does not understand: its own message, if no name is unknown."""
    known = _known(connection)
    described = parts_described(query)
    named = [described] if described else _tables(connection, query)
    for parts in named:
        if sentence := _unknown(known, parts):
            return sentence
    tables = [".".join(p) for p in named if len(p) == 2 and p[1] in known.get(p[0], {})]
    if "column" in str(error) and tables:
        lists = " or ".join(f'"describe {table}"' for table in tables)
        return f"{error}\n{lists} lists the columns"
    return str(error)


def _known(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, list[str]]]:
    """The columns of each table of each schema that is not DuckDB's own."""
    known: dict[str, dict[str, list[str]]] = {}
    for schema, table, column in connection.execute(
        "select lower(schema_name), lower(table_name), lower(column_name) from duckdb_columns()"
        " where not internal and database_name = current_database() order by all"
    ).fetchall():
        known.setdefault(schema, {}).setdefault(table, []).append(column)
    return known


def _tables(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[str, ...]]:
    """The tables that the query names, as far as DuckDB can say."""
    try:
        names = connection.get_table_names(query, qualified=True)
    except Exception:  # whatever cannot be parsed has a message of DuckDB's own
        return []
    return [tuple(n.replace('"', "").lower().split(".")) for n in sorted(names) if NAME.fullmatch(n)]


def _unknown(known: dict[str, dict[str, list[str]]], parts: tuple[str, ...]) -> str | None:
    """What is unknown of `schema`, `table`, `schema.table` or `schema.table.column`; None if nothing is."""
    schema, table, column = [*parts, "", ""][:3]
    tables = {name: f"{s}.{name}" for s, found in known.items() for name in found}
    if len(parts) == 1:
        if schema in known or schema in tables:
            return None
        return (
            f'"{schema}" does not exist, neither as a schema nor as a table.'
            f"{_near(schema, {**{s: s for s in known}, **tables})} {_schemas(known)}"
        )
    if schema not in known:
        near = _near(schema, {s: f"{s}.{table}" for s in known})
        return f'schema "{schema}" does not exist.{near} {_schemas(known)}'
    if table not in known[schema]:
        near = _near(table, {t: f"{schema}.{t}" for t in known[schema]})
        return (
            f'table "{table}" does not exist in schema {schema}.{near} "describe {schema}" lists its tables'
        )
    if column and column not in known[schema][table]:
        near = _near(column, {c: c for c in known[schema][table]})
        lists = f'"describe {schema}.{table}" lists its columns'
        return f'column "{column}" does not exist in {schema}.{table}.{near} {lists}'
    return None


def _near(name: str, choices: dict[str, str]) -> str:
    found = difflib.get_close_matches(name, choices, 1, 0.6)
    return f' Did you mean "{choices[found[0]]}"?' if found else ""


def _schemas(known: dict[str, dict[str, list[str]]]) -> str:
    one = "release" if "release" in known else next(iter(known), "release")
    return f'The schemas are {", ".join(known)}; "describe {one}" lists the tables of one'
