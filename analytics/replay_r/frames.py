"""The frames that the R script reads: a study's data as it entered each analysis.

Belongs here: one frame per baseline table, mixed model, endpoint and model of recurrent events, from the
cohort. Does not belong here: any estimate, our numbers (`claims.py`).

A patient has the same running number in every frame of a study. The number is the patient's place in the
cohort and is not made from a key. Columns are named by the study's variables. The frames hold everything that
the analysis saw: a missing value stays missing, and R decides again which rows are complete.
"""

from __future__ import annotations

import pandas as pd

from analytics.study.analyses import BaselineTable, MixedModel, RecurrentEvents
from analytics.study.cohort import Cohort, scaled
from analytics.study.events import event_intervals
from analytics.study.groups_and_variables import Window


def numbers(cohort: Cohort) -> pd.Series:
    """Running number of every member, by the cohort's label of the patient."""
    labels = cohort.members["patient"]
    return pd.Series(range(1, len(labels) + 1), index=labels.to_numpy(), name="number")


def baseline_frame(cohort: Cohort, table: BaselineTable) -> pd.DataFrame:
    """patient, group_id, then each variable of the table at its visit or window, on the row's scale; yes
    is 1, no is 0.

    A variable whose values stay bounds has two columns, ``<name> lower`` and ``<name> upper``.
    """
    wide = cohort.of(table.groups)[["patient", "group_id"]]
    for name, row in {row.variable: row for row in table.rows}.items():
        found = _values(cohort, name, table.at)
        found[name] = scaled(found[name], row.transform)
        if cohort.study.variables[name].censored == "bounds":
            ends = {end: f"{name} {end}" for end in ("lower", "upper")}
            found = cohort.bounds(name, table.at).rename(columns=ends)
        wide = wide.merge(found, on="patient", how="left")
    return _numbered(cohort, wide)


def visits_frame(cohort: Cohort, model: MixedModel) -> pd.DataFrame:
    """patient, group_id, visit, months, visit_index, value, then covariates at the first visit.

    One row per member and visit of the model, with or without a value, of all the study's groups (figures
    draw them all); ``value`` is not transformed; R makes the model's transform.
    """
    schedule = cohort.frames["visit_schedule"].set_index("scheduled_visit")["nominal_month"]
    long = cohort.over_visits(model.response, model.visits)
    long = long.assign(
        months=long["visit"].map(schedule).astype(float),
        visit_index=long["visit"].map({v: i for i, v in enumerate(model.visits)}),
    )
    for name in model.covariates:
        long = long.merge(_values(cohort, name, model.visits[0]), on="patient", how="left")
    columns = ["patient", "group_id", "visit", "months", "visit_index", "value", *model.covariates]
    return _numbered(cohort, long[columns]).sort_values(["patient", "visit_index"], ignore_index=True)


def times_frame(cohort: Cohort, endpoint: str) -> pd.DataFrame:
    """patient, group_id, time_months, event (1 or 0), then strata of its analyses and variables of its Cox
    models.
    """
    study = cohort.study
    models = [m for m in study.cox if m.endpoint == endpoint]
    curves = [s for s in study.survival if s.endpoint == endpoint]
    groups = {g for model in models for g in model.groups} | {g for curve in curves for g in curve.groups}
    strata = list(
        dict.fromkeys([*(s for m in models for s in m.strata), *(s for c in curves for s in c.strata)])
    )
    rows = cohort.time_to(endpoint)
    rows = rows[rows["group_id"].isin(groups) & rows["time_months"].notna()]
    out = rows[["patient", "group_id", *strata]].assign(
        time_months=rows["time_months"].astype(float), event=rows["is_event"].astype(int)
    )
    for name in dict.fromkeys(t for m in models for t in m.terms if t != "group"):
        out = out.merge(_values(cohort, name, "baseline"), on="patient", how="left")
    first = ["patient", "group_id", "time_months", "event"]
    return _numbered(cohort, out[[*first, *(c for c in out.columns if c not in first)]])


def intervals_frame(cohort: Cohort, model: RecurrentEvents) -> pd.DataFrame:
    """patient, group_id, start, stop (months), event (1 or 0), then the model's variables at baseline."""
    out = event_intervals(cohort, model.endpoint, model.groups)
    for name in (t for t in model.terms if t != "group"):
        out = out.merge(_values(cohort, name, "baseline"), on="patient", how="left")
    return _numbered(cohort, out)


def _values(cohort: Cohort, name: str, at: str | Window) -> pd.DataFrame:
    return cohort.value(name, at)[["patient", "value"]].rename(columns={"value": name})


def _numbered(cohort: Cohort, frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(patient=frame["patient"].map(numbers(cohort))).reset_index(drop=True)
