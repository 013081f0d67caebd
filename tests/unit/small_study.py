"""Eight invented patients, written out: what tests of a study's analyses read.

Belongs here: the tables of a release, small enough to be checked by eye. Does not belong here: any
expectation.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from analytics.study.cohort import Cohort, build_cohort
from analytics.study.file import Study
from analytics.study.results import run_study
from analytics.study.step_parts import Results

KEYS = ("hospital_id", "patient_key")
# patient, hospital, onset, antibody, sex, age at onset, months of course before baseline
PATIENTS = (
    ("a", "north", "juvenile", "A", "female", 3.0, 6.0),
    ("b", "north", "juvenile", "A", "male", 4.0, 3.0),
    ("c", "north", "juvenile", "A", "female", 6.0, 3.0),
    ("d", "north", "juvenile", "A", "male", 9.0, 12.0),
    ("e", "south", "adult", "A", "female", 40.0, 6.0),
    ("f", "south", "adult", "A", "male", 50.0, 6.0),
    ("g", "south", "adult", "A", "female", 55.0, 6.0),
    ("h", "south", "adult", "A", "male", 60.0, 6.0),
)
# score at baseline, month 6 and month 12; None was not measured
SCORES = {
    "a": (30, 34, 40), "b": (44, 45, 47), "c": (35, 39, 42), "d": (50, 51, None),
    "e": (20, 28, 30), "f": (22, 25, 33), "g": (18, 27, 29), "h": (25, 26, 31),
}  # fmt: skip
# a marker at baseline; text is what the laboratory wrote
MARKER = {"a": 3.0, "b": 2.0, "c": 5.0, "d": 4.0, "e": "<0.1", "f": "<0.1", "g": 0.5, "h": "<0.1"}
# months to the endpoint or to the last contact, whether it happened, whether another event came first, is it
# known
TIMES = {
    "a": (3.0, True, False, True), "b": (12.0, False, False, False), "c": (9.0, True, False, True),
    "d": (36.0, False, False, True), "e": (36.0, False, False, True), "f": (20.0, False, True, True),
    "g": (24.0, True, False, True), "h": (36.0, False, False, True),
}  # fmt: skip
# months of every relapse, and of the one death
RELAPSES = {"a": (3.0, 10.0), "c": (9.0,), "g": (24.0,)}
DEATHS = {"f": 20.0}
VISITS = {"baseline": 0.0, "month_6": 6.0, "month_12": 12.0}
MONTH = 365.25 / 12

STUDY: dict[str, Any] = {
    "study": "small",
    "title": "Small",
    "groups": {
        "young": {"label": "Young", "where": {"onset_group": "juvenile"}},
        "old": {"label": "Old", "where": {"onset_group": "adult"}},
    },
    "endpoints": {
        "relapse": {"label": "Relapse", "events": ["relapse"], "competing": ["death"], "horizon_months": 36}
    },
    "variables": {
        "score": {"label": "Score"},
        "marker": {"label": "Marker", "censored": "limit"},
        "age": {"label": "Age", "unit": "years", "source": "patient.age_at_onset_years"},
        "female": {"label": "Female", "source": "patient.sex", "equals": "female"},
        "relapse": {"label": "Relapse", "source": "endpoint"},
    },
    "tables": [
        {
            "table_id": "I", "title": "Baseline", "groups": ["young", "old"], "reference": "young",
            "rows": [
                {"variable": "score", "summary": "mean_sd", "test": "student_t"},
                {"variable": "marker", "summary": "median_iqr", "test": "mann_whitney"},
                {"variable": "female", "summary": "count_percent", "test": "fisher"},
                {"variable": "relapse", "summary": "count_percent", "test": "fisher"},
            ],
        }
    ],
}  # fmt: skip


def study(**parts: Any) -> Study:
    return Study.model_validate(STUDY | parts)


def cohort(**parts: Any) -> Cohort:
    return build_cohort(study(**parts), frames())


def results(**parts: Any) -> Results:
    return run_study(study(**parts), frames())


def frames() -> dict[str, pd.DataFrame]:
    key = {p[0]: {"hospital_id": p[1], "patient_key": p[0]} for p in PATIENTS}
    patients = [
        key[p] | {
            "onset_group": onset, "sex": sex, "age_at_onset_years": age, "disease_duration_months": months,
            "baseline_days": 0.0, "birth_year": None, "diagnosis": "dm",
        }
        for p, _, onset, _, sex, age, months in PATIENTS
    ]  # fmt: skip
    seen = [
        key[p] | {"concept_id": "score", "scheduled_visit": visit, "value_canonical": float(value)}
        for p, values in SCORES.items()
        for visit, value in zip(VISITS, values, strict=True)
        if value is not None
    ]
    seen += [
        key[p] | {"concept_id": "marker", "scheduled_visit": "baseline"} | (
            {"comparator": "<", "lower_limit": 0.0, "upper_limit": float(value[1:])}
            if isinstance(value, str) else {"value_canonical": value}
        )
        for p, value in MARKER.items()
    ]  # fmt: skip
    columns = ["value_canonical", "comparator", "lower_limit", "upper_limit"]
    observations = pd.DataFrame(seen).assign(is_visit_value=True)
    events = [
        key[p] | {"event_id": "relapse", "status": "present", "time_days": m * MONTH}
        for p, months in RELAPSES.items()
        for m in months
    ]
    events += [
        key[p] | {"event_id": "death", "status": "present", "time_days": m * MONTH} for p, m in DEATHS.items()
    ]
    ended = ["time_months", "is_event", "is_competing", "outcome_known"]
    return {
        "dim_patient": pd.DataFrame(patients),
        "dim_antibody_status": pd.DataFrame([key[p[0]] | {"msa": p[3]} for p in PATIENTS]).assign(
            has_conflict=False, decided_by="test"
        ),
        "dim_hospital": pd.DataFrame(
            {"hospital_id": ["north", "south"], "hospital_name": ["North Hospital", "South Hospital"]}
        ).assign(population="all", unlisted_events="absent"),
        "fct_observation": observations.reindex(columns=[*observations.columns, *columns]).loc[
            :, lambda d: ~d.columns.duplicated()
        ],
        "fct_visit": pd.DataFrame(
            [
                key[p] | {"scheduled_visit": v, "is_scheduled": True, "time_days": m * MONTH}
                for p in key
                for v, m in VISITS.items()
            ]
        ),
        "fct_event": pd.DataFrame(events),
        "fct_time_to_event": pd.DataFrame(
            [key[p] | {"endpoint": "relapse"} | dict(zip(ended, t, strict=True)) for p, t in TIMES.items()]
        ).assign(censor_reason=None),
        "fct_follow_up": pd.DataFrame(
            [key[p] | {"last_seen_days": max(t[0], 12.0) * MONTH} for p, t in TIMES.items()]
        ),
        "fct_treatment": pd.DataFrame({"hospital_id": [], "patient_key": [], "treatment_id": []}, dtype=str),
        "event_types": pd.DataFrame({"event_id": ["relapse", "death"], "category": ["relapse", "death"]}),
        "visit_schedule": pd.DataFrame(
            {"scheduled_visit": list(VISITS), "nominal_month": list(VISITS.values())}
        ),
    }
