"""A scratch database in which a load is read and judged: a refused one never touches the warehouse file.

Two files in the place where the delivery is read: one takes the rows of the load (catalogue ``load``), the
other shows them as they would stand in the warehouse, by views over both (catalogue ``judged``). The
warehouse itself is attached for reading only. Belongs here: the files and the views. Does not belong here:
judging (`raw/ingestion.py`), copying an accepted load into the warehouse (`raw/ledger.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration.database.raw_tables import RAW_FIELDS, _create_raw

LOAD = "load"
BESIDE_OTHERS = (*RAW_FIELDS, "load_subject")  # a load is compared with the rows of others
OF_THE_LOAD = (
    "delivery_file",
    "source_table",
    "source_finding",
    "rejected_line",
    "patient_link",
    "date_cells",
    "exchanged_dates",
    "delivery_change",
    "delivery_comparison",
)
OF_THE_WAREHOUSE = ("delivery", "current_load")


@dataclass(frozen=True)
class Scratch:
    """The files of one scratch database, and the warehouse that it stands beside."""

    place: Path
    warehouse: Path
    load_id: str

    @property
    def rows(self) -> Path:
        return self.place / "load.duckdb"

    @property
    def judged(self) -> Path:
        """What a suite is asked to check."""
        return self.place / "judged.duckdb"


@contextmanager
def to_load(scratch: Scratch) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose schema raw is empty and takes the rows of the load."""
    with closing(duckdb.connect(str(scratch.rows))) as connection:
        connection.execute(f"set temp_directory = {_literal(scratch.place / 'spilt')}")
        _create_raw(connection)
        yield connection


@contextmanager
def to_judge(scratch: Scratch) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose schema raw shows the load among those that the warehouse has. As long as it is open,
    this process can open ``scratch.judged`` and sees the same.

    What is written about the load goes to the catalogue ``load``.
    """
    with closing(duckdb.connect(str(scratch.judged))) as connection:
        connection.execute(f"set temp_directory = {_literal(scratch.place / 'spilt')}")
        connection.execute(f"attach {_literal(scratch.rows)} as {LOAD}")
        connection.execute(f"attach {_literal(scratch.warehouse)} as warehouse (read_only)")
        connection.execute("create schema if not exists raw")
        others = f"load_id <> '{scratch.load_id}'"
        views = {
            **{
                t: f"from {LOAD}.raw.{t} union all by name from warehouse.raw.{t} where {others}"
                for t in BESIDE_OTHERS
            },
            **{t: f"from {LOAD}.raw.{t}" for t in OF_THE_LOAD},
            **{t: f"from warehouse.raw.{t}" for t in OF_THE_WAREHOUSE},
        }
        for table, rows in views.items():
            connection.execute(f"create or replace view raw.{table} as {rows}")
        yield connection


@contextmanager
def attached(connection: duckdb.DuckDBPyConnection, scratch: Scratch) -> Iterator[None]:
    """The rows of the load beside the warehouse, under the catalogue ``load``."""
    connection.execute(f"attach {_literal(scratch.rows)} as {LOAD} (read_only)")
    try:
        yield
    finally:
        connection.execute(f"detach {LOAD}")


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
