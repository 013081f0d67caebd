"""Where Dagster keeps runs and events: its own SQLite files, over connections that stay open.

Dagster opens and closes a database for every event. A build has a thousand events, so this took a fifth of a
run's time. Files, tables and statements remain Dagster's; only the life of a connection differs. The classes
below derive from classes that Dagster does not call public: `tests/unit/test_event_log.py` names what an
upgrade changed in them. Does not belong here: what an event says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

OPEN_AT_MOST = 8  # the UI reads many runs' databases


class EventLog(SqliteEventLogStorage):
    def __init__(self, base_dir: str) -> None:
        self._engines: dict[str, Engine] = {}
        self._tables: set[str] = set()
        super().__init__(base_dir)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if shard not in self._initialized_dbs:  # not opened yet, or wiped
                self._open(shard)
            self._engines[shard] = self._engines.pop(shard)  # the least recently used is closed first
            with self._engines[shard].begin() as connection:
                yield connection

    def has_table(self, table_name: str) -> bool:
        """Dagster asks this for every event. A table that exists stays, so the answer is kept."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def _open(self, shard: str) -> None:
        while len(self._engines) >= OPEN_AT_MOST:
            self._close(next(iter(self._engines)))
        self._close(shard)
        engine = create_engine(
            self.conn_string_for_shard(shard), connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
        )
        # In WAL mode a killed process loses no event by this setting. A power cut may lose the last events,
        # but never the file.
        event.listen(
            engine, "connect", lambda connection, _: connection.execute("pragma synchronous = normal")
        )
        self._engines[shard] = engine
        self._initdb(engine)
        self._initialized_dbs.add(shard)

    def _close(self, shard: str) -> None:
        self._initialized_dbs.discard(shard)
        if engine := self._engines.pop(shard, None):
            engine.dispose()

    def dispose(self) -> None:
        super().dispose()
        with self._db_lock:
            for shard in list(self._engines):
                self._close(shard)


class Storage(DagsterSqliteStorage):
    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = EventLog(self._event_log_storage._base_dir)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Storage:
        return cls(inst_data=inst_data, **config_value)
