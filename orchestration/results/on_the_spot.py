"""A study that nobody wrote down: its answers from a release, computed as those of study files are.

Belongs here: which rows of a release a study needs, and its results and single values from them. A choice
that somebody makes on a page is a study like any other, so the engine of study files answers it, and the SQL
of the mart fct_time_to_event gives the times to its endpoints. Nothing is written. Does not belong here: any
statistic (`analytics/`), the bounds (`asked.py`), pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from analytics.study.file import Study
from orchestration.database.rules import endpoint_rows
from orchestration.resources import DBT_PROJECT

if TYPE_CHECKING:
    import pandas as pd

    from analytics.study.cohort import Cohort

TIMES_SQL = DBT_PROJECT / "models" / "marts" / "fct_time_to_event.sql"
MEMORY = "1GB"
THREADS = 2
# the columns that a cohort reads of each table, and which rows; "*" where the table is small
READ = {
    "dim_patient": (
        "hospital_id, patient_key, sex, birth_year, diagnosis, onset_group, onset_date_iso, "
        "age_at_onset_years, disease_duration_months, baseline_date, baseline_days"
    ),
    "dim_antibody_status": "hospital_id, patient_key, msa, has_conflict, decided_by",
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

TIMES = (
    "hospital_id, patient_key, endpoint, time_months, is_event, is_competing, outcome_known, censor_reason,"
    " origin_days, entry_months"
)


def answer(release: Path, study: Study) -> dict[str, pd.DataFrame]:
    """The results of ``study`` from the release file, and the single values behind its tables."""
    from analytics.study.described import list_members
    from analytics.study.results import STEPS, run_steps

    def found(cohort: Cohort) -> dict[str, pd.DataFrame]:
        results = run_steps(cohort, [step for step in STEPS if step is not list_members])
        return results | distributions(cohort)

    return _answered(release, study, found)


def single_values(release: Path, study: Study) -> dict[str, pd.DataFrame]:
    """Only the single values behind the tables of ``study``: for a study whose results the release holds."""
    return _answered(release, study, distributions)


def distributions(cohort: Cohort) -> dict[str, pd.DataFrame]:
    """``distribution_point`` and ``distribution_density`` of every row with a number."""
    import pandas as pd

    from analytics.study.distribution import distribution

    drawn = [
        distribution(cohort, table, row)
        for table in cohort.study.tables
        for row in table.rows
        if row.summary != "count_percent"
    ]
    return {
        name: pd.concat([frames[name] for frames in drawn], ignore_index=True)
        for name in (drawn[0] if drawn else ())
    }


def _answered(
    release: Path, study: Study, compute: Callable[[Cohort], dict[str, pd.DataFrame]]
) -> dict[str, pd.DataFrame]:
    import pandas as pd

    from analytics.study.cohort import build_cohort
    from analytics.study.distribution import first_courses
    from analytics.study.results import stamp

    options: dict[str, Any] = {"memory_limit": MEMORY, "threads": THREADS}
    with (
        closing(duckdb.connect(str(release), read_only=True, config=options)) as connection,
        pd.option_context("mode.copy_on_write", True),  # a seventh of the time went into copies of frames
    ):
        identity = connection.execute("select release_id from release.release_info").fetchall()[0][0]
        found = compute(build_cohort(study, ReleaseFrames(connection, study)))
    if len(found.get("trajectory_patient", ())):
        found["trajectory_patient"] = first_courses(found["trajectory_patient"])
    return stamp(found, study.study, identity)


class ReleaseFrames(Mapping[str, "pd.DataFrame"]):
    """The frames of a release with the rows that a study needs; a table is read when first asked for."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, study: Study) -> None:
        self.connection, self.study = connection, study
        held = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'release'"
        ).fetchall()
        self.names = [name for name in READ if (name,) in held] + ["fct_time_to_event"]
        self._read: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self.names:
            raise KeyError(name)
        if name not in self._read:
            self._read[name] = self._rows(name)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def _rows(self, name: str) -> pd.DataFrame:
        if name == "fct_time_to_event":
            return times_to_events(self.connection, self.study, TIMES)
        where, values = _rows_of(name, self.study)
        return self.connection.execute(f"select {READ[name]} from release.{name}{where}", values).df()


def _rows_of(table: str, study: Study) -> tuple[str, list[object]]:
    """The condition on the rows of a large table, and its values."""
    if table == "fct_observation":
        concepts = [name for _, kind, name in study.ids_named() if kind == "concept"]
        if any(t.window for t in study.tables):
            return " where list_contains(?, concept_id)", [concepts]
        visits = sorted(
            {"baseline", *(visit for _, visit in study.visits_named())}
        )  # covariates are of baseline
        return (
            " where list_contains(?, concept_id) and list_contains(?, scheduled_visit) and is_visit_value",
            [
                concepts,
                visits,
            ],
        )
    if table == "fct_event":
        return " where list_contains(?, event_id)", [
            [name for _, kind, name in study.ids_named() if kind == "event"]
        ]
    if table == "fct_definition":
        return " where list_contains(?, definition_id)", [[n for _, n, _ in study.definitions_named()]]
    return "", []


def times_to_events(connection: duckdb.DuckDBPyConnection, study: Study, columns: str = "*") -> pd.DataFrame:
    """The rows of fct_time_to_event for the study's endpoints, by the SQL of that mart."""
    connection.execute(
        "create or replace temp table registry_endpoint (endpoint varchar, role varchar, event_id varchar,"
        " horizon_months double, origin varchar, left_truncation boolean)"
    )
    if rows := endpoint_rows([study]):
        connection.executemany("insert into temp.registry_endpoint values (?, ?, ?, ?, ?, ?)", rows)
    return connection.execute(f"select {columns} from ({_times_sql()})").df()


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
