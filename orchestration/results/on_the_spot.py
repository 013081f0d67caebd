"""A study that nobody wrote down: its answers from a release, computed as those of study files are.

Belongs here: which rows of a release a study needs, and its results and single values from them. A choice
that somebody makes on a page is a study like any other, so the engine of study files answers it, and the SQL
of the mart fct_time_to_event gives the times to its endpoints. Nothing is written. Does not belong here: any
statistic (`analytics/`), the bounds (`asked.py`), pages.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from analytics.study.file import Study
from orchestration.database.rules import endpoint_rows
from orchestration.resources import DBT_PROJECT

if TYPE_CHECKING:
    import pandas as pd

TIMES_SQL = DBT_PROJECT / "models" / "marts" / "fct_time_to_event.sql"
MEMORY = "1GB"
# the columns that a cohort reads of each table, and which rows; "*" where the table is small
READ = {
    "dim_patient": "*",
    "dim_antibody_status": "*",
    "dim_hospital": "*",
    "event_types": "*",
    "visit_schedule": "*",
    "patient_link": "*",
    "fct_treatment": "hospital_id, patient_key, treatment_id",
    "fct_visit": "hospital_id, patient_key, scheduled_visit, is_scheduled, time_days",
    "fct_follow_up": "hospital_id, patient_key, last_seen_days",
    "fct_event": "hospital_id, patient_key, event_id, status, time_days",
    "fct_definition": "hospital_id, patient_key, definition_id, status, level, level_at_most, value, "
    "value_at_most",
    "fct_observation": (
        "observation_key, hospital_id, patient_key, concept_id, scheduled_visit, is_visit_value, time_days,"
        " value_canonical, comparator, lower_limit, upper_limit"
    ),
}


def answer(release: Path, study: Study) -> dict[str, pd.DataFrame]:
    """The results of ``study`` from the release file, and the single values behind its tables."""
    import pandas as pd

    from analytics.study.cohort import build_cohort
    from analytics.study.described import list_members
    from analytics.study.distribution import distribution, first_courses
    from analytics.study.results import STEPS, run_steps, stamp

    options: dict[str, Any] = {"memory_limit": MEMORY, "threads": 1}
    with closing(duckdb.connect(str(release), read_only=True, config=options)) as connection:
        frames = read_for(connection, study)
        identity = connection.execute("select release_id from release.release_info").fetchall()[0][0]
    cohort = build_cohort(study, frames)
    found = run_steps(cohort, [step for step in STEPS if step is not list_members])
    drawn = [
        distribution(cohort, table, row)
        for table in study.tables
        for row in table.rows
        if row.summary != "count_percent"
    ]
    for name in drawn[0] if drawn else ():
        found[name] = pd.concat([frames[name] for frames in drawn], ignore_index=True)
    if len(found["trajectory_patient"]):
        found["trajectory_patient"] = first_courses(found["trajectory_patient"])
    return stamp(found, study.study, identity)


def read_for(connection: duckdb.DuckDBPyConnection, study: Study) -> dict[str, pd.DataFrame]:
    """The frames of a release that the study needs, with the rows that it needs."""
    held = {
        name
        for (name,) in connection.execute(
            "select table_name from information_schema.tables where table_schema = 'release'"
        ).fetchall()
    }
    frames = {
        name: connection.execute(f"select {columns} from release.{name}{where}", list(values)).df()
        for name, columns in READ.items()
        if name in held
        for where, values in [_rows_of(name, study)]
    }
    return frames | {"fct_time_to_event": times_to_events(connection, study)}


def _rows_of(table: str, study: Study) -> tuple[str, list[object]]:
    """The condition on the rows of a large table, and its values."""
    if table == "fct_observation":
        concepts = [name for _, kind, name in study.ids_named() if kind == "concept"]
        has_window = any(t.window for t in study.tables)
        placed = "" if has_window else " and scheduled_visit is not null and is_visit_value"
        return f" where list_contains(?, concept_id){placed}", [concepts]
    if table == "fct_event":
        return " where list_contains(?, event_id)", [
            [name for _, kind, name in study.ids_named() if kind == "event"]
        ]
    if table == "fct_definition":
        return " where list_contains(?, definition_id)", [[n for _, n, _ in study.definitions_named()]]
    return "", []


def times_to_events(connection: duckdb.DuckDBPyConnection, study: Study) -> pd.DataFrame:
    """The rows of fct_time_to_event for the study's endpoints, by the SQL of that mart."""
    connection.execute(
        "create or replace temp table registry_endpoint (endpoint varchar, role varchar, event_id varchar,"
        " horizon_months double, origin varchar, left_truncation boolean)"
    )
    if rows := endpoint_rows([study]):
        connection.executemany("insert into temp.registry_endpoint values (?, ?, ?, ?, ?, ?)", rows)
    return connection.execute(_times_sql()).df()


def _times_sql() -> str:
    """The SQL of the mart over the tables of a release: everybody, not only who was touched."""
    from jinja2 import Environment, StrictUndefined

    from analytics.study.cohort import DAYS_PER_MONTH  # as the macro days_per_month has it

    elsewhere = {"int_touched_patient": "release.dim_patient", "registry_endpoint": "temp.registry_endpoint"}

    def table(*named: str) -> str:
        return elsewhere.get(named[-1], f"release.{named[-1]}")

    template = Environment(undefined=StrictUndefined, autoescape=False).from_string(
        TIMES_SQL.read_text(encoding="utf-8")
    )
    return template.render(
        config=lambda **_: "",
        ref=table,
        source=table,
        days_per_month=lambda: DAYS_PER_MONTH,
        patient_id=lambda: "hospital_id || '-' || left(patient_key, 16)",  # as the macro patient_id has it
    )
