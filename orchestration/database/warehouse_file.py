"""The warehouse file: connections to it, and who else holds it.

Belongs here: opening it to write, to read or for a look, and waiting for other processes. Does not belong
here: the tables of schema raw (`raw_tables.py`), the registry's rules as rows (`rules.py`), what became of a
load (`raw/ledger.py`).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration.database.raw_tables import _create_raw, has_raw

LOCK_WAIT_SECONDS = 60.0
GLANCE_SECONDS = 1.0  # seconds that a mere look waits: a person or a tick can look again


class WarehouseUnusable(Exception):
    """The warehouse file cannot be opened or written."""


class WarehouseBusy(WarehouseUnusable):
    """Another process holds the warehouse file."""


@dataclass(frozen=True)
class Holder:
    """Another process that has the warehouse file open."""

    pid: int
    command: str
    writes: bool

    def sentence(self) -> str:
        return f"process {self.pid} ({self.command}) {'writes to' if self.writes else 'reads'} it"


def holders(path: Path) -> list[Holder]:
    """The other processes that hold the lock of the file, as far as the system tells (Linux: /proc/locks).

    The file is not opened: closing it would release the lock of a connection that this process has.
    """
    try:
        inode = path.stat().st_ino
        locks = Path("/proc/locks").read_text()
    except OSError:
        return []
    found = {}
    for line in locks.splitlines():
        fields = line.split()
        if len(fields) < 8 or "POSIX" not in fields or "->" in fields:
            continue
        at = fields.index("POSIX")
        access, pid, file = fields[at + 2], int(fields[at + 3]), fields[at + 4]
        if int(file.rsplit(":", 1)[1]) == inode and pid != os.getpid():
            found[pid] = Holder(pid, _command(pid), access == "WRITE")
    return list(found.values())


def _command(pid: int) -> str:
    """What a process was started as: the program and the names among its first arguments, without folders."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "unknown"
    return (
        " ".join(Path(word).name for word in words[:3] if re.fullmatch(r"[\w./-]{1,200}", word)) or "unknown"
    )


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


def read_warehouse(path: Path, wait_seconds: float = LOCK_WAIT_SECONDS) -> duckdb.DuckDBPyConnection:
    """The warehouse, open for reading only; waits as `warehouse` does."""
    return _connect(path, wait_seconds, read_only=True)


@contextmanager
def glance(path: Path, wait_seconds: float = LOCK_WAIT_SECONDS) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse for a look that changes nothing; other readers may have it open meanwhile.

    Without a file, or with one that holds nothing yet, an empty warehouse is read.
    """
    if not path.exists():
        with closing(duckdb.connect()) as connection:
            _create_raw(connection)
            yield connection
        return
    with closing(read_warehouse(path, wait_seconds)) as connection:
        is_current = has_raw(connection)
        if is_current:
            yield connection
    if not is_current:  # made by an older version, or by a run that was killed at its first step
        with warehouse(path, wait_seconds) as connection:
            yield connection


@contextmanager
def trying_out(
    path: Path, tables: Collection[str], wait_seconds: float = LOCK_WAIT_SECONDS
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Schema raw as the warehouse has it; ``tables`` of it can be written, in memory only.

    The warehouse is read, and stays as it is.
    """
    with closing(duckdb.connect()) as connection:
        _create_raw(connection)
        if path.exists():
            quoted = str(path).replace("'", "''")
            attach = f"attach '{quoted}' as warehouse (read_only)"
            _when_free(path, wait_seconds, lambda: connection.execute(attach))
            for (table,) in connection.execute(
                "select table_name from duckdb_tables() where database_name = 'warehouse' "
                "and schema_name = 'raw'"
            ).fetchall():
                if table in tables:
                    connection.execute(f"insert into raw.{table} by name from warehouse.raw.{table}")
                else:
                    connection.execute(f"drop table if exists raw.{table}")
                    connection.execute(f"create view raw.{table} as from warehouse.raw.{table}")
        yield connection


def _connect(path: Path, wait_seconds: float, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    return _when_free(path, wait_seconds, lambda: duckdb.connect(str(path), read_only=read_only))


def _when_free(
    path: Path, wait_seconds: float, opened: Callable[[], duckdb.DuckDBPyConnection]
) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return opened()
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise _unusable(path, error) from None
            if time.monotonic() > deadline:
                raise WarehouseBusy(told_busy(path, wait_seconds)) from None
            time.sleep(min(0.5, wait_seconds / 4 or 0.5))


def told_busy(path: Path, waited: float = 0.0) -> str:
    """A sentence that names who holds the warehouse, and says what to do about it."""
    found = holders(path)
    who = "; ".join(h.sentence() for h in found) or "another process uses it"
    after = f" after {waited:.0f} s" if waited >= 5 else ""
    remedy = (
        "wait until the run has ended"
        if not found or any(h.writes for h in found)
        else "close that connection"
    )
    return (
        f"{path.name}: the warehouse is in use{after}: {who}; {remedy}, then run again. Analysts read "
        "release/current.duckdb, which blocks nobody"
    )


def _unusable(path: Path, error: duckdb.Error) -> WarehouseUnusable:
    return WarehouseUnusable(
        f"{path}: the warehouse cannot be opened: {error}\n"
        "Let this user read and write its folder. If the file is damaged, restore it from its backup, or "
        "remove it: the next run makes it again from landing"
    )
