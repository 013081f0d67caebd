"""Who is in each analysis of a study and who is not, with the criterion that decided, and when.

Belongs here: `cohort_member`, one row per analysis and registered patient. Does not belong here: who belongs
to which group (`cohort.py`), the counts of the flow (`described.py`), what an analysis estimates.

The day is that of the fact that decided: the first positive test of a specific antibody, the onset, the visit
that stands for the first value, the event or the end of observation. Where the source has no day it is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from analytics.study.analyses import (
    BaselineTable,
    CompetingRisks,
    CoxModel,
    MixedModel,
    RecurrentEvents,
    RepeatedMeasures,
)
from analytics.study.cohort import KEY, Cohort
from analytics.study.events import COMPETING, EVENT, event_intervals, is_followed, times

COLUMNS = (
    "analysis", "kind", "hospital_id", "patient_key", "group_id", "is_counted", "step", "criterion",
    "decided_date_iso", "decided_days",
)  # fmt: skip
COUNTED, NOT_COUNTED = "counted", "not counted"
NOT_COMPARED = "in a group that this analysis does not compare"
DAY = ["decided_date_iso", "decided_days"]


def members_of_analyses(cohort: Cohort) -> pd.DataFrame:
    """Every analysis of the study, in the order of the study file, with every registered patient."""
    study = cohort.study
    parts = [_groups(cohort)]
    parts += [
        _judged(cohort, table.table_id, "table", table.groups, _of_table(cohort, table))
        for table in study.tables
    ]  # fmt: skip
    courses: Sequence[MixedModel | RepeatedMeasures] = [*study.mixed_models, *study.repeated_measures]
    parts += [_judged(cohort, s.model_id, "model", s.groups, _of_course(cohort, s)) for s in courses]
    parts += [
        _judged(cohort, s.endpoint, "endpoint", s.groups, _of_endpoint(cohort, s.endpoint, s.groups, []))
        for s in study.survival
    ]
    timed: Sequence[CoxModel | CompetingRisks] = [*study.cox, *study.competing_risks]
    parts += [
        _judged(cohort, s.model_id, "model", s.groups, _of_endpoint(cohort, s.endpoint, s.groups, s.terms))
        for s in timed
    ]
    parts += [
        _judged(cohort, s.model_id, "model", s.groups, _of_recurrent(cohort, s))
        for s in study.recurrent_events
    ]
    rows = pd.concat(parts, ignore_index=True).assign(position=lambda d: range(len(d)))
    patient_id = rows["hospital_id"] + "-" + rows["patient_key"].str[:16]  # as the macro patient_id has it
    rows.insert(COLUMNS.index("patient_key") + 1, "patient_id", patient_id)
    return rows


def _groups(cohort: Cohort) -> pd.DataFrame:
    """Membership itself: the conditions of the group, or why no group's conditions hold."""
    conditions = {g: spec.in_words for g, spec in cohort.study.groups.items()}
    patients = cohort.patients.merge(_day_of_groups(cohort), on="patient", how="left")
    inside = patients["group_id"].notna()
    return patients.assign(
        analysis="cohort",
        kind="cohort",
        is_counted=inside,
        step=np.where(inside, "in a group", "not in a group"),
        criterion=patients["group_id"].map(conditions).where(inside, patients["reason"]),
    )[list(COLUMNS)]


def _day_of_groups(cohort: Cohort) -> pd.DataFrame:
    """When it was decided: by the antibody if a group goes by it, else by the onset if one goes by that."""
    asked = {column for group in cohort.study.groups.values() for column in group.where}
    tests = cohort.frames.get("fct_antibody_result")
    if "msa" in asked and tests is not None:
        is_found = tests["is_positive"].astype("boolean").fillna(False) & (tests["antibody_group"] == "msa")
        found = _one_day(tests[is_found], "first")
        nothing = _one_day(tests, "last")  # the last test that found nothing
        return pd.concat([found, nothing[~nothing["patient"].isin(found["patient"])]], ignore_index=True)
    patients = cohort.patients
    onset = patients.get("onset_date_iso") if "onset_group" in asked else None
    return pd.DataFrame({"patient": patients["patient"], "decided_date_iso": onset, "decided_days": np.nan})


def _one_day(tests: pd.DataFrame, keep: Literal["first", "last"]) -> pd.DataFrame:
    """The day of each patient's first or last test."""
    rows = pd.DataFrame(
        {
            "patient": tests["hospital_id"] + "|" + tests["patient_key"],
            "decided_date_iso": tests["tested_date_iso"],
            "decided_days": tests["time_days"],
        }
    )
    return rows.sort_values(["decided_days", "decided_date_iso"]).drop_duplicates("patient", keep=keep)


def _judged(cohort: Cohort, analysis: str, kind: str, groups: list[str], found: pd.DataFrame) -> pd.DataFrame:
    """The members of the groups as ``found`` judges them (patient, is_counted, step, criterion, day);
    everybody else with the reason why no analysis of these groups counts them.
    """
    patients = cohort.patients[["patient", *KEY, "group_id", "reason"]].merge(found, on="patient", how="left")
    is_compared = patients["group_id"].isin(groups)
    outside = np.where(patients["group_id"].notna(), NOT_COMPARED, patients["reason"])
    return patients.assign(
        analysis=analysis,
        kind=kind,
        is_counted=is_compared & patients["is_counted"].astype("boolean").fillna(False).astype(bool),
        step=patients["step"].where(is_compared, "not in a group"),
        criterion=patients["criterion"].where(is_compared, outside),
        decided_date_iso=patients["decided_date_iso"].where(is_compared, None),
        decided_days=patients["decided_days"].where(is_compared, np.nan),
    )[list(COLUMNS)]


def _of_table(cohort: Cohort, table: BaselineTable) -> pd.DataFrame:
    values = pd.DataFrame(
        {
            name: cohort.value(name, table.at).set_index("patient")["value"].notna()
            for name in dict.fromkeys(row.variable for row in table.rows)
        }
    )
    known = values.sum(axis=1)
    found = pd.DataFrame(
        {
            "patient": known.index,
            "is_counted": known.to_numpy() > 0,
            "step": np.where(known > 0, COUNTED, NOT_COUNTED),
            "criterion": [f"with {n} of {values.shape[1]} variables at {table.when}" for n in known],
        }
    )
    days = _visit_days(cohort, [table.visit] if table.window is None else [])
    return found.merge(days.drop(columns="visit"), on="patient", how="left")


def _of_course(cohort: Cohort, spec: MixedModel | RepeatedMeasures) -> pd.DataFrame:
    """A mixed model counts who has a value at one visit, an analysis of variance who has one at each."""
    long = cohort.over_visits(spec.response, spec.visits)
    has = long[long["value"].notna()]
    n = has.groupby("patient").size().reindex(cohort.members["patient"], fill_value=0)
    needed = 1 if isinstance(spec, MixedModel) else len(spec.visits)
    lacking = (
        "without a value at any of the visits" if needed == 1 else "without a value at each of the visits"
    )
    criterion = pd.Series(
        [f"with {k} of {len(spec.visits)} values" if k >= needed else lacking for k in n], n.index
    )
    covariates = list(spec.covariates) if isinstance(spec, MixedModel) else []
    found = _with_values(cohort, criterion, n >= needed, covariates, spec.visits[0])
    days = has.merge(_visit_days(cohort, spec.visits), on=["patient", "visit"])
    return found.merge(_earliest(days), on="patient", how="left")


def _of_endpoint(cohort: Cohort, endpoint: str, groups: list[str], terms: list[str]) -> pd.DataFrame:
    """Who is followed from baseline, with the event or what ended the observation."""
    rows = cohort.time_to(endpoint).set_index("patient")
    cause = times(cohort, endpoint, groups).set_index("patient")["cause"].reindex(rows.index)
    counts = is_followed(rows) & rows["group_id"].isin(groups)
    criterion = rows["censor_reason"].where(cause != EVENT, "within the horizon")
    criterion = criterion.where(cause != COMPETING, "a competing event came first")
    origin = cohort.study.endpoints[endpoint].origin.replace("_", " ")
    criterion = criterion.where(counts, f"not followed from {origin}")
    variables = [term for term in terms if term != "group"]
    found = _with_values(cohort, criterion, counts, variables, "baseline").set_index("patient")
    step = cause.map({EVENT: "with the event", COMPETING: "with a competing event"}).fillna("censored")
    found["step"] = step.where(found["is_counted"], NOT_COUNTED)
    found["decided_date_iso"] = _iso(rows["end_date"]) if "end_date" in rows else None
    found["decided_days"] = rows.get("time_days", np.nan)
    return found.reset_index(names="patient")


def _of_recurrent(cohort: Cohort, spec: RecurrentEvents) -> pd.DataFrame:
    """Every event counts: who is at risk for some time."""
    intervals = event_intervals(cohort, spec.endpoint, spec.groups)
    events = intervals.groupby("patient")["event"].sum().reindex(cohort.members["patient"])
    criterion = pd.Series(
        ["not followed from baseline" if pd.isna(k) else f"events while followed: {int(k)}" for k in events],
        events.index,
    )
    variables = [term for term in spec.terms if term != "group"]
    found = _with_values(cohort, criterion, events.notna(), variables, "baseline")
    return found.assign(decided_date_iso=None, decided_days=np.nan)


def _with_values(
    cohort: Cohort, criterion: pd.Series, is_counted: pd.Series, variables: list[str], visit: str
) -> pd.DataFrame:
    """A model leaves out who lacks the value of a variable in it."""
    for name in variables:
        known = cohort.value(name, visit).set_index("patient")["value"].notna().reindex(criterion.index)
        criterion = criterion.where(known | ~is_counted, f"without a value of {name} at {visit}")
        is_counted = is_counted & known
    return pd.DataFrame(
        {
            "patient": criterion.index,
            "is_counted": is_counted.to_numpy(),
            "step": np.where(is_counted, COUNTED, NOT_COUNTED),
            "criterion": criterion.to_numpy(),
        }
    )


def _visit_days(cohort: Cohort, visits: list[str]) -> pd.DataFrame:
    """The day of the visit that stands for each scheduled one: patient, visit, date, days from the origin."""
    rows = cohort.frames["fct_visit"]
    rows = rows[rows["is_scheduled"].astype(bool) & rows["scheduled_visit"].isin(visits)]
    return pd.DataFrame(
        {
            "patient": rows["hospital_id"] + "|" + rows["patient_key"],
            "visit": rows["scheduled_visit"],
            "decided_date_iso": rows.get("visit_date_iso"),
            "decided_days": rows["time_days"].astype(float),
        }
    )


def _earliest(days: pd.DataFrame) -> pd.DataFrame:
    return days.sort_values("decided_days").drop_duplicates("patient")[["patient", *DAY]]


def _iso(dates: pd.Series) -> Any:
    return dates.map(lambda day: None if pd.isna(day) else str(day)[:10])
