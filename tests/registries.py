"""Registries for tests: copies in a temporary folder, run through the real flow; digests of what came out.

Belongs here: what several test folders share. Does not belong here: any expectation.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.command import flow
from orchestration.registry.folder import MADE, SHIPPED_REGISTRY, Registry, load_registry
from orchestration.resources import point_at

MAPPINGS = Path(__file__).parent / "mappings"
NOT_CONTENT = {"loaded_at", "build_number"}
# what the last build touched, and what only lies between: rows of touched patients alone
BOOKKEEPING = tuple(
    f"intermediate.{t}"
    for t in (
        "int_touched_patient",
        "int_observations_at_visits",
        "int_derived_observations",
        "int_definition_criteria",
        "int_bohan_peter_1975",
        "int_eular_acr_2017",
        "int_mas_2016",
        "touched_fct_observation",
    )
)
BUILDS: list[str] = []  # the registries whose models were built in this process, as conftest.py counts them
LAYERS = ("raw", "staging", "intermediate", "marts", "quality")


def copy_registry(source: Path, target: Path) -> Registry:
    """A registry folder without what runs make; its deliveries are complete."""
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns(*MADE))
    for delivery in (target / "landing").glob("*/*/"):
        (delivery / "_SUCCESS").touch()
    settings = target / "registry.yml"  # a delivery that a test changes later has arrived, too
    settings.write_text(
        re.sub(r"^quiet_seconds: 10$", "quiet_seconds: 0", settings.read_text(), flags=re.MULTILINE)
    )
    return opened(target)


def copy_as_it_stands(source: Path, target: Path) -> Registry:
    """A registry folder with all that runs made in it, so that a test may change it."""
    shutil.copytree(source, target, symlinks=True)
    return opened(target)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that is made once in a run of the suite: the first worker that asks makes it, and the others
    wait. It is for reading; a test that changes it takes a copy.
    """
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    shared = factory.getbasetemp() if alone else factory.getbasetemp().parent
    folder, done = shared / name, shared / f"{name}.done"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of an attempt that failed
            built_before = len(BUILDS)
            make(folder)
            del BUILDS[built_before:]
            done.touch()
    return folder


def opened(folder: Path) -> Registry:
    registry = load_registry(folder)
    point_at(registry)
    return registry


def shipped(target: Path) -> Registry:
    return copy_registry(SHIPPED_REGISTRY, target)


def run(registry: Registry, *, in_two_processes: bool = False) -> flow.Outcome:
    point_at(registry)
    return flow.run_all(registry, in_two_processes=in_two_processes)


def run_to_marts(registry: Registry, *rules: str, today: date | None = None) -> None:
    """Every delivery into raw, models built, and these rules of the marts suite asked; no release, results or
    report.
    """
    from expectations import MARTS_SUITE, load_suite, run_suite
    from orchestration.database.warehouse_file import warehouse
    from orchestration.raw.ingestion import ingest
    from orchestration.running.checks import record_checks
    from orchestration.warehouse.build import build

    point_at(registry)
    for sender in registry.mappings:
        for delivery in registry.deliveries(sender):
            assert ingest(registry, sender, delivery).refusal is None
    results, _ = build(registry)
    assert [r.unique_id for r in results if not r.passed] == []
    suite = load_suite(MARTS_SUITE)
    suite = suite.model_copy(update={"rules": [r for r in suite.rules if r.id in rules]})
    found = run_suite(registry.warehouse, suite, today=today)
    with warehouse(registry.warehouse) as connection:
        record_checks(connection, found, scope="marts")


def warehouse_digest(registry: Registry, schemas: tuple[str, ...] = LAYERS) -> dict[str, str]:
    """Content of every table, whatever the order of its rows; when it was loaded is not content."""
    with duckdb.connect(str(registry.warehouse), read_only=True) as connection:
        return table_digests(connection, schemas)


def table_digests(connection: duckdb.DuckDBPyConnection, schemas: tuple[str, ...]) -> dict[str, str]:
    tables = connection.execute(
        f"select table_schema || '.' || table_name from information_schema.tables where table_schema in {schemas!r} order by 1"
    ).fetchall()
    digests = {}
    for (table,) in tables:
        if table in BOOKKEEPING:
            continue
        columns = [
            c[0] for c in connection.execute(f"describe {table}").fetchall() if c[0] not in NOT_CONTENT
        ]
        quoted = ", ".join(f'"{c}"' for c in sorted(columns))
        digests[table] = connection.execute(
            f"select count(*) || ':' || coalesce(sum(hash({quoted}))::varchar, '') from {table}"
        ).fetchone()[0]
    return digests


def query(registry: Registry, sql: str) -> list[tuple]:
    with duckdb.connect(str(registry.warehouse), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def release_query(registry: Registry, sql: str) -> list[tuple]:
    with duckdb.connect(str(registry.releases / "current.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()
