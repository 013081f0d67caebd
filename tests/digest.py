"""A digest of what a release holds, table by table, to compare two states of this project.

    python -m tests.digest registry/release/current.duckdb
    python -m tests.digest BEFORE.duckdb AFTER.duckdb   # names the tables that differ; exit code 1 if any

The rows of a table count, in a stated order, with the names of its columns. What names the release itself
(its id, its versions, its digests of code) does not count. Both states must use the same pseudonym key
(`.keys/pseudonym.key`): patients are sorted by their keys, and the order of a sum shows in its last digit.
Does not belong here: which difference is meant.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import duckdb

SCHEMAS = ("release", "results", "quality")
NAMES_OF_THE_RELEASE = {"release_id", "versions", "load_id", "load_id_in_force", "scope", "mapping_digest"}


def digests(release: Path) -> dict[str, str]:
    """The digest of each table of a release, by ``schema.table``."""
    with duckdb.connect(str(release), read_only=True) as connection:
        tables = connection.execute(
            "select table_schema, table_name, list(column_name order by column_name) from information_schema.columns"
            " where list_contains(?, table_schema) group by all order by all",
            [list(SCHEMAS)],
        ).fetchall()
        return {
            f"{schema}.{table}": _digest(
                connection, schema, table, [c for c in columns if c not in NAMES_OF_THE_RELEASE]
            )
            for schema, table, columns in tables
        }


def _digest(connection: duckdb.DuckDBPyConnection, schema: str, table: str, columns: list[str]) -> str:
    quoted = ", ".join(f'"{c}"' for c in columns)
    rows = connection.execute(f"select {quoted} from {schema}.{table} order by all").fetchall()
    return hashlib.sha256(repr((columns, rows)).encode()).hexdigest()[:16]


def main(paths: list[str]) -> int:
    """Print one release's digests, or the tables in which two differ."""
    found = [digests(Path(p)) for p in paths]
    if len(found) == 1:
        for table, digest in found[0].items():
            print(f"{digest}  {table}")
        print(f"{hashlib.sha256(repr(found[0]).encode()).hexdigest()[:16]}  all {len(found[0])} tables")
        return 0
    before, after = found
    differing = sorted(t for t in before.keys() | after.keys() if before.get(t) != after.get(t))
    for table in differing:
        print(f"{before.get(table, 'absent'):16}  {after.get(table, 'absent'):16}  {table}")
    print(f"{len(before.keys() | after.keys()) - len(differing)} tables equal, {len(differing)} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
