"""quality.check_result: what every check found, as counts; it never holds a patient's value.

Belongs here: running a suite on the warehouse, and writing its results. Does not belong here: suites
(`expectations/`).
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from expectations import MARTS_SUITE, RAW_SUITE, CheckResult, load_suite, run_suite
from orchestration.database.scratch import Scratch, to_judge
from orchestration.database.warehouse_file import warehouse
from orchestration.registry.folder import Registry

WITH_A_DELIVERY = "patients_present"  # the rule of the marts that asks for a patient
TABLE = """
create table if not exists quality.check_result (
    scope varchar, suite varchar, expectation varchar, layer varchar, table_name varchar, column_name varchar,
    hospital_id varchar, severity varchar, observed varchar, threshold varchar, passed boolean, waived boolean, note varchar);
"""  # noqa: E501


def check_load(registry: Registry, scratch: Scratch) -> list[CheckResult]:
    """Run the raw suite on a load in its scratch database; returns its results, and stores nothing."""
    with to_judge(scratch):  # stays open: the suite sees the load beside the others through it
        return run_suite(
            scratch.judged,
            load_suite(RAW_SUITE),
            schema="raw",
            parameters={"load_id": scratch.load_id},
            waivers=registry.waivers,
        )


def check_marts(registry: Registry) -> list[CheckResult]:
    """Run the marts suite on the warehouse, and store its results; returns them.

    Once every delivery is withdrawn there is no patient, and the marts are right to be empty.
    """
    suite = load_suite(MARTS_SUITE)
    with warehouse(registry.warehouse) as connection:
        (in_force,) = connection.execute("select count(*) from raw.current_load").fetchall()[0]
    if not in_force:
        suite = suite.model_copy(update={"rules": [r for r in suite.rules if r.id != WITH_A_DELIVERY]})
    with warehouse(
        registry.warehouse
    ) as connection:  # stays open, so that no other process takes the file in between
        results = run_suite(registry.warehouse, suite, schema="marts", waivers=registry.waivers)
        record_checks(connection, results, "marts")
    return results


def record_checks(connection: duckdb.DuckDBPyConnection, results: Iterable[CheckResult], scope: str) -> None:
    """Replace the results of one scope (a load, or the marts) by ``results`` (expectations.CheckResult)."""
    connection.execute(TABLE)
    rows = [
        (
            scope,
            r.suite,
            r.expectation,
            r.layer,
            r.table,
            r.column,
            r.hospital_id,
            r.severity,
            _text(r.observed),
            _text(r.threshold),
            r.passed,
            r.waived,
            r.note,
        )
        for r in results
    ]
    connection.begin()
    connection.execute("delete from quality.check_result where scope = ?", [scope])
    if rows:
        connection.executemany(
            f"insert into quality.check_result values ({', '.join('?' for _ in rows[0])})", rows
        )
    connection.commit()


def _text(value: object) -> str | None:
    return None if value is None else str(value)
