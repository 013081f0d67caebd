"""What Great Expectations must be told before it can ask a DuckDB file; deleted when it knows by itself.

Two things stand between them:

- Great Expectations 1.24 runs a query in a `with engine.connect()` block and fetches from the result after
  the block, when duckdb-engine has closed it. For the dialects in `_PERSISTED_CONNECTION_DIALECTS` it keeps
  one connection open instead; DuckDB is not among them.
- duckdb-engine signs its connections with a user agent. DuckDB takes that for another configuration, and then
  no second handle of the process can open the file. `SharedConfiguration` opens it unsigned, as everyone else
  does.

`tests/unit/test_expectations_duckdb.py` tells when either is no longer so.

Belongs here: importing Great Expectations quietly and without what is never used of it, its one context per
process, handles that are closed afterwards. Does not belong here: suites and results.
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
    from great_expectations.data_context import AbstractDataContext
    from great_expectations.datasource.fluent import SQLDatasource

CHARTS = "altair"  # imported for one chart of one expectation: a tenth of the import time

_handles: list[duckdb.DuckDBPyConnection] = []
_one_run_at_a_time = threading.Lock()


class SharedConfiguration(Dialect):
    """duckdb-engine's dialect, opening the file with the configuration of a plain `duckdb.connect(path)`."""

    driver = "shared"
    supports_statement_cache = False

    def connect(self, database: str, **_: Any) -> Any:
        handle = duckdb.connect(database)
        _handles.append(handle)
        return ConnectionWrapper(handle)

    def do_begin(self, connection: Any) -> None:
        """No transaction: in one, a query that fails would fail those after it."""

    do_commit = do_rollback = do_begin


registry.register("duckdb.shared", __name__, SharedConfiguration.__name__)


class _ListedDialect(str):
    """A dialect's name that answers to `.value` like a member of GXSqlDialect, which cannot be extended."""

    value = property(str.__str__)


@cache
def context() -> AbstractDataContext:
    """The one ephemeral context of this process: no files, no telemetry, no progress bars."""
    gx = _import_great_expectations()
    keep_one_connection_for_duckdb()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    made = gx.get_context(mode="ephemeral")
    made.variables.progress_bars = ProgressBarsConfig(globally=False)
    made.enable_analytics(False)
    return made


def keep_one_connection_for_duckdb() -> None:
    """List DuckDB among the dialects whose connection Great Expectations keeps; once is enough."""
    from great_expectations.execution_engine import sqlalchemy_execution_engine as engine

    listed = engine._PERSISTED_CONNECTION_DIALECTS
    if "duckdb" not in listed:
        engine._PERSISTED_CONNECTION_DIALECTS = (*listed, _ListedDialect("duckdb"))


@contextmanager
def opened(database: Path, queries: dict[str, str]) -> Iterator[SQLDatasource]:
    """A datasource on ``database`` with one asset per query, each with the batch definition `all`.

    On leaving, every handle on the file is closed, so that this process can open it as it likes. Great
    Expectations is silent meanwhile: its messages can quote values.
    """
    home = context()
    with _one_run_at_a_time, _silence():
        # stated in one go: each later addition would write the whole configuration out again
        source = home.data_sources.add_sql(
            name="warehouse",
            connection_string=f"duckdb+shared:///{database}",
            create_temp_table=False,
            assets=[
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
    """Import it with the collector paused and its chart library put off, which takes a quarter off its
    time."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    paused = gc.isenabled()
    gc.disable()
    put_off = CHARTS not in sys.modules
    if put_off:
        sys.modules[CHARTS] = ImportedWhenUsed(CHARTS)
    try:
        return importlib.import_module("great_expectations")
    finally:
        if put_off and isinstance(sys.modules.get(CHARTS), ImportedWhenUsed):
            del sys.modules[CHARTS]
        if paused:
            gc.enable()


class ImportedWhenUsed(ModuleType):
    """Stands for a module until someone asks it for something."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if isinstance(sys.modules.get(self.__name__), ImportedWhenUsed):
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)
