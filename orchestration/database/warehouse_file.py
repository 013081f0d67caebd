"""The warehouse file: its connection, its raw tables, its ledger of deliveries, and the registry's rules as
tables.

Belongs here: DDL of schema raw and the rules as rows. Does not belong here: reading exports (`loading.py`),
what became of a load (`raw/ledger.py`), anything that interprets (dbt).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb

from orchestration.database.raw_tables import _create_raw

LOCK_WAIT_SECONDS = 60.0


class WarehouseUnusable(Exception):
    """The warehouse file cannot be opened or written."""


class WarehouseBusy(WarehouseUnusable):
    """Another process writes to the warehouse file."""


@contextmanager
def warehouse(path: Path, wait_seconds: float = LOCK_WAIT_SECONDS) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, open for writing, with schema raw in place. Waits while another process
    holds the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(_connect(path, wait_seconds)) as connection:
        try:
            _create_raw(connection)
            yield connection
        except (duckdb.IOException, duckdb.TransactionException) as error:
            if path.name in str(error):  # this user may write the file, but not its folder
                raise _unusable(path, error) from None
            raise


def _connect(path: Path, wait_seconds: float) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return duckdb.connect(str(path))
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise _unusable(path, error) from None
            if time.monotonic() > deadline:
                raise WarehouseBusy(
                    f"{path.name}: another process has held the warehouse for over {wait_seconds:.0f} s; wait for it to"
                    " end (myositis status shows runs), or stop it, and run again"
                ) from None
            time.sleep(0.5)


def _unusable(path: Path, error: duckdb.Error) -> WarehouseUnusable:
    return WarehouseUnusable(
        f"{path}: the warehouse cannot be opened: {error}\nLet its folder be read and written. A damaged file is restored from its"
        " backup, or removed: the next run makes it again from landing"
    )
