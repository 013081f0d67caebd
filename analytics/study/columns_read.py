"""Which columns of a release the results of a study are computed from.

Follows from the study file: from the groups' conditions, and from the variables and endpoints that each part
names. A result without an entry here is made of the other results, or of the study file alone. Belongs here:
the columns that `cohort.py` and `events.py` read for each kind of source. Does not belong here: reading them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from analytics.study.file import Study
from analytics.study.groups_and_variables import Variable


@dataclass(frozen=True, order=True)
class ReleaseColumn:
    """A column of a table of schema ``release``."""

    table: str
    column: str


KEY = ("hospital_id", "patient_key")
OBSERVED = (
    "concept_id",
    "scheduled_visit",
    "is_visit_value",
    "value_canonical",
    "comparator",
    "lower_limit",
    "upper_limit",
)
TIMES = (
    "endpoint",
    "time_months",
    "is_event",
    "is_competing",
    "outcome_known",
    "censor_reason",
    "origin_days",
    "entry_months",
)
# what the results of each part of a study file are; `model` holds a row of every model
PARTS = {
    "tables": ("baseline_summary", "group_comparison"),
    "mixed_models": (
        "model",
        "mixed_model_term",
        "mixed_model_parameter",
        "visit_contrast",
        "marginal_mean",
        "trajectory_patient",
        "trajectory_mean",
    ),
    "repeated_measures": ("model", "mixed_model_term", "trajectory_patient", "trajectory_mean"),
    "survival": (
        "model",
        "survival_curve",
        "survival_at_risk",
        "survival_median",
        "survival_by_stratum",
        "log_rank",
        "restricted_mean",
    ),
    "cox": ("model", "cox_term"),
    "competing_risks": ("model", "cox_term", "cumulative_incidence", "gray_test"),
    "recurrent_events": ("model", "cox_term"),
    "sensitivity": ("sensitivity", "norm_patient"),
}
OF_MEMBERS = ("study_group", "cohort_flow", "cohort_member")


def columns_read(study: Study) -> dict[str, frozenset[ReleaseColumn]]:
    """The columns of the release behind the numbers of each table of results."""
    members = frozenset(_members(study))
    found: dict[str, set[ReleaseColumn]] = {table: set(members) for table in OF_MEMBERS}
    found["cohort_flow"] |= set(_named(study, [study.model_dump()[part] for part in PARTS]))
    for column in ("msa", "msa_conflict", "decided_by", "onset_group"):  # why somebody is in no group
        found["cohort_flow"] |= set(_of_patients(column))
    found["cohort_member"] |= found["cohort_flow"] | set(_days())
    for part, tables in PARTS.items():
        if specs := getattr(study, part):
            read = members | set(_named(study, [spec.model_dump() for spec in specs]))
            read |= set(_beyond_variables(part))
            if any(getattr(spec, "window", None) for spec in specs):
                read |= {ReleaseColumn("fct_observation", c) for c in ("time_days", "observation_key")}
                read |= {ReleaseColumn("dim_patient", "baseline_days")}
            for table in tables:
                found.setdefault(table, set()).update(read)
    return {table: frozenset(read) for table, read in found.items()}


def _members(study: Study) -> Iterator[ReleaseColumn]:
    """What tells who belongs to which group."""
    yield from (ReleaseColumn("dim_patient", c) for c in KEY)
    for column in {c for group in study.groups.values() for c in group.where}:
        yield from _of_patients(column)
    for group in study.groups.values():
        yield from (ReleaseColumn("dim_patient", c) for c in group.within)
        if group.events:
            yield from _of_events()
        if group.definitions:
            yield from _of_definitions()
    if study.one_row_per_person:
        yield from (ReleaseColumn("patient_link", c) for c in (*KEY, "person_key"))
        yield ReleaseColumn("dim_patient", "baseline_date")


def _days() -> Iterator[ReleaseColumn]:
    """When it was decided who is in an analysis."""
    yield ReleaseColumn("dim_patient", "onset_date_iso")
    for column in (*KEY, "is_positive", "antibody_group", "tested_date_iso", "time_days"):
        yield ReleaseColumn("fct_antibody_result", column)
    for column in (*KEY, "is_scheduled", "scheduled_visit", "visit_date_iso", "time_days"):
        yield ReleaseColumn("fct_visit", column)
    for column in ("end_date", "time_days", "censor_reason"):
        yield ReleaseColumn("fct_time_to_event", column)


def _of_patients(column: str) -> Iterator[ReleaseColumn]:
    if column == "treatment":
        yield from (ReleaseColumn("fct_treatment", c) for c in (*KEY, "treatment_id"))
    elif column in ("msa", "msa_conflict", "decided_by"):
        name = "has_conflict" if column == "msa_conflict" else column
        yield from (ReleaseColumn("dim_antibody_status", c) for c in (*KEY, name))
    elif column == "population":
        yield from (ReleaseColumn("dim_hospital", c) for c in ("hospital_id", "population"))
    else:
        yield ReleaseColumn("dim_patient", column)


def _of_events() -> Iterator[ReleaseColumn]:
    yield from (ReleaseColumn("fct_event", c) for c in (*KEY, "event_id", "status"))
    yield from (ReleaseColumn("dim_hospital", c) for c in ("hospital_id", "unlisted_events"))
    yield from (ReleaseColumn("event_types", c) for c in ("event_id", "category"))


def _of_definitions() -> Iterator[ReleaseColumn]:
    columns = ("definition_id", "status", "level", "level_at_most")
    yield from (ReleaseColumn("fct_definition", c) for c in (*KEY, *columns))


def _beyond_variables(part: str) -> Iterator[ReleaseColumn]:
    """What a part reads whatever its variables are."""
    if part in ("competing_risks", "recurrent_events"):
        yield from (ReleaseColumn("fct_event", c) for c in (*KEY, "event_id", "status", "time_days"))
        yield from (ReleaseColumn("fct_follow_up", c) for c in (*KEY, "last_seen_days"))
        yield from (ReleaseColumn("fct_visit", c) for c in (*KEY, "time_days"))
        yield ReleaseColumn("dim_patient", "baseline_days")
    if part in ("mixed_models", "repeated_measures"):
        yield from _schedule()
    if part == "sensitivity":
        yield from _age_at_visit()
        yield from _schedule()


def _age_at_visit() -> Iterator[ReleaseColumn]:
    for column in ("age_at_onset_years", "disease_duration_months", "baseline_days"):
        yield ReleaseColumn("dim_patient", column)
    yield from (ReleaseColumn("fct_visit", c) for c in (*KEY, "scheduled_visit", "is_scheduled", "time_days"))


def _schedule() -> Iterator[ReleaseColumn]:
    yield from (ReleaseColumn("visit_schedule", c) for c in ("scheduled_visit", "nominal_month"))


def _named(study: Study, specs: Iterable[Any]) -> Iterator[ReleaseColumn]:
    """What the variables and endpoints read whose names stand anywhere in the specs."""
    words = {word for spec in specs for word in _words(spec)}
    for name in sorted(words & study.variables.keys()):
        yield from _of_variable(study.variables[name], name)
    if words & study.endpoints.keys():
        yield from (ReleaseColumn("fct_time_to_event", c) for c in (*KEY, *TIMES))
    for column in sorted(words & {"sex", "onset_group"}):
        yield ReleaseColumn("dim_patient", column)


def _words(spec: Any) -> Iterator[str]:
    """Every word of every text in a spec; a term such as ``age:female`` names two variables."""
    if isinstance(spec, str):
        yield from re.findall(r"\w+", spec)
    elif isinstance(spec, dict):
        for key, value in spec.items():
            yield from _words(key)
            yield from _words(value)
    elif isinstance(spec, list | tuple):
        for value in spec:
            yield from _words(value)


def _of_variable(variable: Variable, name: str) -> Iterator[ReleaseColumn]:
    source = variable.source
    if source in ("observation", "ratio"):
        yield from (ReleaseColumn("fct_observation", c) for c in (*KEY, *OBSERVED))
    elif source == "event":
        yield from _of_events()
        yield ReleaseColumn("fct_event", "time_days")
        yield from (
            ReleaseColumn("fct_visit", c) for c in (*KEY, "scheduled_visit", "is_scheduled", "time_days")
        )
    elif source == "endpoint":
        yield from (ReleaseColumn("fct_time_to_event", c) for c in (*KEY, *TIMES))
    elif source.startswith("definition"):
        yield from _of_definitions()
        yield from (ReleaseColumn("fct_definition", c) for c in ("value", "value_at_most"))
    else:
        yield from _of_patients(source.split(".")[1])
