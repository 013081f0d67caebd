"""What Great Expectations needs before it can query a DuckDB file. To be deleted once it can do so by itself.

Two obstacles stand between them, and `SharedDialect` removes both:

- Great Expectations 1.24 runs a query in a `with engine.connect()` block and fetches the result after the
block. At the end of the block SQLAlchemy rolls back, and DuckDB drops the rows that were not fetched yet.
Without transactions there is nothing to roll back. (The alternative is to add DuckDB to Great Expectations'
private `_PERSISTED_CONNECTION_DIALECTS`. That needs a member that its enumeration does not have.)

- duckdb-engine signs its connections with a user agent. DuckDB takes that for another configuration, and then
no second handle of the process can open the file. Here the file is opened unsigned, as everywhere else.

`tests/unit/test_expectations_duckdb.py` tells when one of the obstacles is gone.

Belongs here: importing Great Expectations quietly and without its unused parts, its one context per process,
handles that are closed afterwards. Does not belong here: suites and results.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import duckdb
from duckdb_engine import ConnectionWrapper, Dialect
from sqlalchemy.dialects import registry

if TYPE_CHECKING:
    from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext
    from great_expectations.datasource.fluent.sql_datasource import SQLDatasource

PUT_OFF = (
    "altair",
    "scipy.stats",
)  # used by one chart and one expectation, these take a third of the import time

_handles: list[duckdb.DuckDBPyConnection] = []
_one_run_at_a_time = threading.Lock()


class SharedDialect(Dialect):
    """duckdb-engine's dialect, but it opens a file as a plain `duckdb.connect(path)` does, and has no
    transactions.
    """

    driver = "shared"
    supports_statement_cache = False

    def connect(self, database: str, **_: Any) -> Any:
        handle = duckdb.connect(database)
        _handles.append(handle)
        return ConnectionWrapper(handle)

    def do_begin(self, connection: Any) -> None:
        """Does nothing: each query stands alone, and one that fails does not make later ones fail."""

    def do_commit(self, dbapi_connection: Any) -> None:
        """As `do_begin`."""

    def do_rollback(self, connection: Any) -> None:
        """As `do_begin`."""


registry.register("duckdb.shared", __name__, SharedDialect.__name__)


@cache
def context() -> AbstractDataContext:
    """The one context of this process: in memory, no telemetry, no progress bars, no pages of results."""
    gx = _import_great_expectations()
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    settings = DataContextConfig(
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
        store_backend_defaults=InMemoryStoreBackendDefaults(),
    )
    return gx.get_context(mode="ephemeral", project_config=settings)


@contextmanager
def opened(database: Path, queries: dict[str, str]) -> Iterator[SQLDatasource]:
    """A datasource on ``database`` with one asset per query, each with the batch definition `all`.

    On leaving, every handle on the file is closed, so that this process can open it in any way. Meanwhile
    Great Expectations is silent, because its messages can quote values.
    """
    home = context()
    with _one_run_at_a_time, _silence():
        # all at once, because each later addition would write the whole configuration again
        source = home.data_sources.add_sql(
            name="warehouse",
            connection_string=f"duckdb+shared:///{database}",
            create_temp_table=False,
            assets=[  # type: ignore[call-arg]  # the stub of Great Expectations leaves this argument out
                {"name": name, "type": "query", "query": query, "batch_definitions": [{"name": "all"}]}
                for name, query in queries.items()
            ],
        )
        try:
            yield source
        finally:
            home.data_sources.delete("warehouse")
            source.get_execution_engine().close()
            # Great Expectations makes a second engine to try the connection, which nothing else can reach
            while _handles:
                _handles.pop().close()


@contextmanager
def _silence() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("great_expectations", "sqlalchemy")]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before):
            logger.setLevel(level)
            logger.propagate = propagate


def _import_great_expectations() -> ModuleType:
    """Import it with the garbage collector paused and its rarely used parts put off; this saves a third of
    the time.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    paused = gc.isenabled()
    gc.disable()
    put_off = [name for name in PUT_OFF if name not in sys.modules]
    for name in put_off:
        sys.modules[name] = ImportedWhenUsed(name)
    try:
        return importlib.import_module("great_expectations")
    finally:
        for name in put_off:
            if isinstance(sys.modules.get(name), ImportedWhenUsed):
                del sys.modules[name]
        if paused:
            gc.enable()


class ImportedWhenUsed(ModuleType):
    """Stands in for a module, and imports it when it is first used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if isinstance(sys.modules.get(self.__name__), ImportedWhenUsed):
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)
