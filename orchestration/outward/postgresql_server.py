"""What a publication works on: the release's file, the attached server, and texts in PostgreSQL's SQL.

Does not belong here: what is written (`postgresql.py`, `postgresql_tables.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb

SERVER, FILE = "server", "release_file"
LOCK_SECONDS = (
    10  # how long it waits for a lock that only a change of a table's shape, or another person's, needs
)


class PublicationFailed(Exception):
    """The release was not published, and the last publication stands; the text says why, and what to do."""


@dataclass(frozen=True)
class Content:
    """The release that is to be published."""

    file: Path
    release_id: str
    registry: str
    is_synthetic: bool
    made_at: str
    sha256: str


class Server:
    """The attached database: SQL in PostgreSQL's own words."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def execute(self, sql: str) -> None:
        if sql:
            self._connection.execute(f"call postgres_execute('{SERVER}', {as_text(sql)})")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(f"from postgres_query('{SERVER}', {as_text(sql)})").fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.begin()
        try:
            yield
            self._connection.commit()
        except BaseException:
            with suppress(duckdb.Error):  # a commit that failed has ended the transaction, too
                self._connection.rollback()
            raise


def extension() -> Path:
    """The file of DuckDB's postgres extension, as its package carries it."""
    package = find_spec("duckdb_extension_postgres_scanner")
    folders = [Path(f) for f in (package.submodule_search_locations or ())] if package else []
    found = [f for p in folders for f in p.glob(f"extensions/v{duckdb.__version__}/*.duckdb_extension")]
    if not found:
        raise PublicationFailed(
            f"the package duckdb-extension-postgres-scanner has no file for DuckDB {duckdb.__version__}; "
            "install the versions of requirements.lock"
        )
    return found[0]


def opened(file: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    )
    try:
        connection.execute(f"load {as_text(str(extension()))}")
        connection.execute("set pg_null_byte_replacement = '\ufffd'")  # PostgreSQL's text holds no such byte
        connection.execute(f"attach {as_text(str(file))} as {FILE} (read_only)")
    except duckdb.Error as error:
        connection.close()
        raise PublicationFailed(damaged(file)) from error
    except BaseException:
        connection.close()
        raise
    return connection


def damaged(file: Path) -> str:
    return (
        f"{file.name} is damaged, or is not the file that its manifest describes; restore it from its "
        "backup, or remove it, and make it again with: myositis run"
    )


def as_text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def as_list(values: Iterable[str]) -> str:
    return ", ".join(as_text(v) for v in values)


def as_names(columns: Iterable[str]) -> str:
    return ", ".join(f'"{c}"' for c in columns)
