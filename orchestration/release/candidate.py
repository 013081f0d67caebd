"""The candidate: the marts, copied into a file of their own once they have passed their gate.

Does not belong here: publishing (`publication.py`).
"""

import json
from pathlib import Path

import duckdb

from orchestration.database.warehouse_file import warehouse
from orchestration.registry.folder import Registry
from orchestration.release.free_texts import copy_sql
from orchestration.release.identity import release_id, versions
from orchestration.running.checks import check_marts
from orchestration.running.helper import IN_THIS_PROCESS, Helper

MARTS = (
    "dim_hospital",
    "dim_patient",
    "dim_concept",
    "dim_antibody_status",
    "fct_visit",
    "fct_observation",
    "fct_antibody_result",
    "fct_event",
    "fct_treatment",
    "fct_follow_up",
    "fct_time_to_event",
    "dim_definition",
    "fct_definition",
    "patient_link",
)
RELAPSE = """
create view release.fct_time_to_relapse as
select *, is_event as is_relapse from release.fct_time_to_event where endpoint = 'relapse'
"""


class ReleaseRefused(Exception):
    """The marts did not pass their gate; the last good release stays."""

    def __init__(self, reasons: list[str]) -> None:
        self.reasons = reasons
        super().__init__(
            "no release: the marts do not pass their gate; a release made before stays\n"
            + "\n".join(f"  {r}" for r in reasons)
        )


def candidate_file(registry: Registry) -> Path:
    return registry.releases / ".candidate" / "candidate.duckdb"


def make_candidate(registry: Registry, helper: Helper = IN_THIS_PROCESS) -> str:
    """Run the gate on the marts, then copy them and the quality tables into the candidate file; returns the
    release_id.
    """
    from expectations import gate

    if failed := gate(helper.submit(check_marts, registry).result()):
        raise ReleaseRefused([r.sentence() for r in failed])
    path = candidate_file(registry)
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.iterdir():
        leftover.unlink()
    with warehouse(registry.warehouse) as connection:
        identity = release_id(registry, connection)
        connection.execute(f"attach '{str(path).replace(chr(39), chr(39) * 2)}' as candidate")
        connection.execute(
            "create schema candidate.release; create schema candidate.results; create schema candidate.quality"
        )
        for table in MARTS:
            connection.execute(f"create table candidate.release.{table} as {copy_sql(registry, table)}")
        _copy_quality(connection)
        connection.execute(
            "create table candidate.release.release_info as select ? as release_id, ? as registry_name, ? as synthetic,"
            " ? as small_cell_threshold, ? as dates, ? as versions",
            [
                identity,
                registry.file.name,
                registry.file.synthetic,
                registry.file.small_cell_threshold,
                registry.file.dates,
                json.dumps(versions()),
            ],
        )
        connection.execute(
            "create table candidate.release.event_types as select event_id, category from intermediate.event_types order by 1"
        )
        connection.execute(
            "create table candidate.release.visit_schedule as select * from raw.registry_visit_window order by nominal_day"
        )
        connection.execute("detach candidate")
    with duckdb.connect(
        str(path)
    ) as connection:  # a view that is made in the candidate names the tables of that file
        connection.execute(RELAPSE)
    return identity


def _copy_quality(connection: duckdb.DuckDBPyConnection) -> None:
    """Copy deliveries, files, counts of rejected rows and check results. The texts of rejected rows stay in
    the warehouse.
    """
    for table in ("correction", "delivery", "delivery_change", "delivery_file", "source_table"):
        columns = "* exclude (loaded_at)" if table == "delivery" else "*"
        connection.execute(
            f"create table candidate.quality.{table} as select {columns} from quality.{table} order by all"
        )
    connection.execute(
        "create table candidate.quality.rejected_summary as"
        " select r.sender_id, r.delivery_id, r.source_file, r.source_sheet, r.entity, r.rule, r.column_name,"
        " r.counts_against_threshold, count(*) as rows from quality.rejected_row as r"
        " where r.load_id in (select load_id from raw.current_load) group by all order by all"
    )
    connection.execute(
        "create table candidate.quality.check_result as select * from quality.check_result"
        " where scope = 'marts' or scope in (select load_id from raw.current_load) order by all"
    )
