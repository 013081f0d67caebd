"""What a paper's statements need out of a study's cohort and its results.

Belongs here: which frames of a release become which evidence. Does not belong here: what a statement means
(``statements.py``).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analytics.paper.published import Paper
from analytics.paper.statements import Evidence
from analytics.study.cohort import KEY, Cohort

SKIN_SIGNS = ("gottron_papules", "heliotrope_rash", "other_skin_rash")
DAYS_AROUND_A_RELAPSE = (-7, 30)  # of a value that shows the relapse
_VALUES = ("group_id", "patient", "variable", "visit", "value")


def evidence(paper: Paper, cohort: Cohort, results: Mapping[str, pd.DataFrame]) -> Evidence:
    """Values of the stated variables at every visit, outcomes, relapses, and the results that statements look
    at.
    """
    visits = _visits(cohort)
    study = cohort.study
    stated = dict.fromkeys(name for row in paper.statements for name in row.variables)
    measured = [
        name
        for name in stated
        if name in study.variables and study.variables[name].source in ("observation", "ratio")
    ]
    endpoints = [name for name in stated if name in study.endpoints]
    return Evidence(
        values=_values(cohort, measured, visits),
        outcomes=_outcomes(cohort, endpoints),
        relapses=_relapses(cohort, endpoints[0]) if endpoints else pd.DataFrame(columns=["group_id"]),
        terms=results.get("mixed_model_term", pd.DataFrame()),
        summaries=results.get("baseline_summary", pd.DataFrame()),
        visits=visits,
        labels=_labels(cohort, visits),
    )


def _visits(cohort: Cohort) -> list[str]:
    schedule = cohort.frames["visit_schedule"].sort_values("nominal_month")
    return [str(visit) for visit in schedule["scheduled_visit"]]


def _labels(cohort: Cohort, visits: list[str]) -> dict[str, str]:
    study = cohort.study
    return (
        {name: spec.label for name, spec in study.variables.items()}
        | {name: spec.label for name, spec in study.endpoints.items()}
        | {name: spec.label for name, spec in study.groups.items()}
        | {visit: visit.replace("_", " ") for visit in visits}
    )


def _values(cohort: Cohort, variables: list[str], visits: list[str]) -> pd.DataFrame:
    parts = [cohort.over_visits(name, visits).assign(variable=name) for name in variables]
    if not parts:
        return pd.DataFrame(columns=list(_VALUES))
    return pd.concat(parts, ignore_index=True)[list(_VALUES)]


def _outcomes(cohort: Cohort, endpoints: list[str]) -> pd.DataFrame:
    """Whether each member had the endpoint; missing where nobody knows."""
    parts = []
    for endpoint in endpoints:
        enough = cohort.study.endpoints[endpoint].counted_from_months or np.inf
        rows = cohort.time_to(endpoint)
        is_known = rows["outcome_known"].astype(bool) | (rows["time_months"] >= enough)
        parts.append(
            pd.DataFrame(
                {
                    "group_id": rows["group_id"],
                    "patient": rows["patient"],
                    "endpoint": endpoint,
                    "happened": rows["is_event"].astype(float).where(is_known),
                }
            )
        )
    return (
        pd.concat(parts, ignore_index=True)
        if parts
        else pd.DataFrame(columns=["group_id", "patient", "endpoint", "happened"])
    )


def _relapses(cohort: Cohort, endpoint: str) -> pd.DataFrame:
    """One row per member's first relapse: CK and CMAS then and last before, and whether a skin sign is
    recorded.
    """
    wanted = cohort.study.endpoints[endpoint].events
    events = cohort.frames["fct_event"].merge(cohort.members[[*KEY, "patient", "group_id"]], on=KEY)
    events = events[(events["status"] == "present") & events["time_days"].notna()]
    first = (
        events[events["event_id"].isin(wanted)]
        .groupby("patient", as_index=False)
        .agg(group_id=("group_id", "first"), relapse_days=("time_days", "min"))
    )
    found = first[["group_id", "patient"]].copy()
    for concept in ("ck", "cmas"):
        at, before = _around(cohort, first, concept)
        found[concept], found[f"{concept}_before"] = at, before
    signs = events[events["event_id"].isin(SKIN_SIGNS)].merge(
        first[["patient", "relapse_days"]], on="patient"
    )
    shown = signs[(signs["time_days"] - signs["relapse_days"]).between(*DAYS_AROUND_A_RELAPSE)]
    found["has_rash"] = found["patient"].isin(shown["patient"])
    return found


def _around(cohort: Cohort, first: pd.DataFrame, concept: str) -> tuple[pd.Series, pd.Series]:
    """Of each relapse: the value nearest to it among those that show it, and the last before those."""
    observations = cohort.frames["fct_observation"]
    rows = observations[(observations["concept_id"] == concept) & observations["value_canonical"].notna()]
    rows = rows.merge(cohort.members[[*KEY, "patient"]], on=KEY).merge(first, on="patient")
    away = rows["time_days"] - rows["relapse_days"]
    at = rows.assign(away=away.abs())[away.between(*DAYS_AROUND_A_RELAPSE)].sort_values(
        ["away", "time_days", "observation_key"]
    )
    before = rows[away < DAYS_AROUND_A_RELAPSE[0]].sort_values(
        ["time_days", "observation_key"], ascending=[False, True]
    )
    return tuple(
        first["patient"].map(part.drop_duplicates("patient").set_index("patient")["value_canonical"])
        for part in (at, before)
    )
