"""The candidate: the marts, copied into a file of their own once they have passed their gate.

Does not belong here: publishing (`publication.py`).
"""

import json
from pathlib import Path

import duckdb

from orchestration.database.warehouse_file import warehouse
from orchestration.registry.folder import Registry
from orchestration.release.descriptions import describe, of_marts
from orchestration.release.free_texts import copy_sql
from orchestration.release.identity import content_id, current_manifest, versions
from orchestration.running.checks import check_marts
from orchestration.running.helper import IN_THIS_PROCESS, Helper
from orchestration.warehouse.build import is_built

MARTS = (
    "dim_hospital",
    "dim_patient",
    "dim_concept",
    "dim_treatment",
    "dim_antibody",
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
    "patient_baseline",
    "person_time",
    "treatment_at_visit",
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
            "no release: the marts do not pass their gate; an earlier release stays\n"
            + "\n".join(f"  {r}" for r in reasons)
        )


NOT_BUILT = (
    "no release: the models do not hold the deliveries and rules that are in force now; build them first:"
    " materialize the groups staging, intermediate, marts and quality, or run: myositis run"
)
NOTHING_TAKEN = (
    "no release: no delivery has been accepted; put one under landing/<sender>/<delivery>/, then "
    "materialize its partition of the group raw, or run: myositis run"
)
# a release holds what is in force; the warehouse holds the whole ledger
IN_FORCE = "where load_id in (select load_id from raw.current_load)"
QUALITY = {
    "correction": "select * from quality.correction",
    "delivery": (
        "select q.* exclude (loaded_at) replace ("
        " l.load_id as load_id, l.state as state, l.kind as kind, l.content_sha256 as content_sha256,"
        " (select count(*) from raw.delivery_file as f where f.load_id = l.load_id) as files,"
        " nullif(l.reason, '') as reason)"
        " from quality.delivery as q join raw.delivery as l on l.load_id = q.load_id_in_force"
    ),
    "delivery_change": f"select * from quality.delivery_change {IN_FORCE}",
    "delivery_file": "select * from quality.delivery_file",
    "source_table": f"select * from quality.source_table {IN_FORCE}",
    "rejected_summary": (
        "select r.sender_id, r.delivery_id, r.source_file, r.source_sheet, r.entity, r.rule, r.column_name,"
        f" r.counts_against_threshold, count(*) as rows from quality.rejected_row as r {IN_FORCE} group by "
        "all"
    ),
    "check_result": (
        "select * from quality.check_result where scope = 'marts'"
        " or scope in (select load_id from raw.current_load)"
    ),
}


class NotBuilt(Exception):
    """The marts are not those of the loads in force, so that a release of them would name deliveries that it
    does not hold.
    """


def candidate_file(registry: Registry) -> Path:
    return registry.releases / ".candidate" / "candidate.duckdb"


def make_candidate(registry: Registry, helper: Helper = IN_THIS_PROCESS) -> str:
    """Run the gate on the marts, then copy them and the quality tables into the candidate file; returns the
    release_id.

    Raises ReleaseRefused if the marts do not pass, and NotBuilt if they are not those of the loads in force.
    """
    from expectations import gate

    with warehouse(registry.warehouse) as connection:
        taken = connection.execute("select count(*) from raw.current_load").fetchall()[0][0]
        if not taken and current_manifest(registry) is None:
            raise NotBuilt(NOTHING_TAKEN)
        if not is_built(registry, connection):
            raise NotBuilt(NOT_BUILT)
    if failed := gate(helper.submit(check_marts, registry).result()):
        raise ReleaseRefused([r.sentence() for r in failed])
    drop_candidate(registry)
    path = candidate_file(registry)
    path.parent.mkdir(parents=True, exist_ok=True)
    with warehouse(registry.warehouse) as connection:
        connection.execute(f"attach '{str(path).replace(chr(39), chr(39) * 2)}' as candidate")
        identity = _fill(registry, connection)
        connection.execute("detach candidate")
    with duckdb.connect(
        str(path)
    ) as connection:  # a view that is made in the candidate names the tables of that file
        connection.begin()
        connection.execute(RELAPSE)
        describe(connection, of_marts())
        connection.commit()
    return identity


def drop_candidate(registry: Registry) -> None:
    """Remove the candidate, and what an interrupted run left of one."""
    folder = candidate_file(registry).parent
    for leftover in folder.iterdir() if folder.is_dir() else ():
        leftover.unlink()


def _fill(registry: Registry, connection: duckdb.DuckDBPyConnection) -> str:
    """Copy marts and quality tables into the attached candidate; returns the release_id, which follows from
    what was copied.
    """
    connection.execute(
        "create schema candidate.release; create schema candidate.results; create schema candidate.quality"
    )
    for table in MARTS:
        connection.execute(f"create table candidate.release.{table} as {copy_sql(registry, table)}")
    # counts of rejected rows, not their texts: these stay in the warehouse
    for table, query in QUALITY.items():
        connection.execute(f"create table candidate.quality.{table} as {query} order by all")
    connection.execute(
        "create table candidate.release.event_types as select event_id, category "
        "from intermediate.event_types order by 1"
    )
    connection.execute(
        "create table candidate.release.visit_schedule as select * from raw.registry_visit_window "
        "order by nominal_day"
    )
    info = [
        registry.file.name,
        registry.file.synthetic,
        registry.file.small_cell_threshold,
        registry.file.dates,
        json.dumps(versions()),
    ]
    identity = content_id(registry, connection, "candidate", info)
    connection.execute(
        "create table candidate.release.release_info as select ? as release_id, ? as registry_name, "
        "? as synthetic,"
        " ? as small_cell_threshold, ? as dates, ? as versions",
        [identity, *info],
    )
    return identity
