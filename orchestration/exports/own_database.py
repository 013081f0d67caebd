"""DuckDB inside the worker process, opened where a reader asks SQL: it costs 50 ms.

Does not belong here: what is asked.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import duckdb

from .limits import MIB, WORKER_DATABASE_BYTES, WORKER_THREADS


def own_database(workdir: Path) -> closing[duckdb.DuckDBPyConnection]:
    """An empty database in memory. What does not fit goes to ``workdir``; nothing comes from the network."""
    return closing(
        duckdb.connect(
            config={
                "threads": WORKER_THREADS,
                "memory_limit": f"{WORKER_DATABASE_BYTES // MIB} MiB",
                "temp_directory": str(workdir),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
    )
