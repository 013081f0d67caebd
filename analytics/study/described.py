"""The steps that say what a study asks, who counts for each analysis, and who does not.

Does not belong here: who belongs to which group (`cohort.py`), single members (`members.py`).
"""

from __future__ import annotations

import pandas as pd

from analytics.study.cohort import Cohort
from analytics.study.events import is_followed
from analytics.study.members import members_of_analyses
from analytics.study.step_parts import Results


def describe_study(cohort: Cohort) -> Results:
    """study, study_group, study_variable, study_table, cohort_flow."""
    study = cohort.study
    sizes = cohort.members["group_id"].value_counts()
    return {
        "study": pd.DataFrame(
            [
                {
                    "title": study.title,
                    "description": study.description,
                    "origin": study.origin,
                    "declared": study.model_dump_json(),  # so that a release says what it was asked
                }
            ]
        ),
        "study_group": pd.DataFrame(
            [
                {"group_id": g, "label": spec.label, "n": int(sizes.get(g, 0)), "position": i}
                for i, (g, spec) in enumerate(study.groups.items())
            ]
        ),
        "study_variable": pd.DataFrame(
            [
                {"variable": v, "label": spec.label, "unit": spec.unit, "source": spec.source, "position": i}
                for i, (v, spec) in enumerate(study.variables.items())
            ]
        ),
        "study_endpoint": pd.DataFrame(
            [
                {
                    "endpoint": e,
                    "label": spec.label,
                    "horizon_months": spec.horizon_months,
                    "origin": spec.origin,
                    "left_truncation": spec.is_truncated,
                }
                for e, spec in study.endpoints.items()
            ],
            columns=["endpoint", "label", "horizon_months", "origin", "left_truncation"],
        ),
        "study_table": pd.DataFrame(
            [{"table_id": t.table_id, "title": t.title, "position": i} for i, t in enumerate(study.tables)],
            columns=["table_id", "title", "position"],
        ),
        "cohort_flow": _cohort_flow(cohort),
    }


def list_members(cohort: Cohort) -> Results:
    """cohort_member."""
    return {"cohort_member": members_of_analyses(cohort)}


def _cohort_flow(cohort: Cohort) -> pd.DataFrame:
    study = cohort.study
    parts = [cohort.flow().assign(analysis="cohort")]
    for model in study.mixed_models:
        long = cohort.over_visits(model.response, model.visits)
        long = long[long["group_id"].isin(model.groups)].assign(has=lambda d: d["value"].notna())
        per = long.groupby(["group_id", "patient"])["has"].sum().reset_index()
        rows = []
        for g in model.groups:
            mine = per[per["group_id"] == g]["has"]
            rows += [
                (
                    "counted",
                    g,
                    int((mine > 0).sum()),
                    f"with a value at one visit or more ({int(mine.sum())} values)",
                ),
                ("not counted", g, int((mine == 0).sum()), "without a value at any of the visits"),
            ]
        parts.append(
            pd.DataFrame(rows, columns=["step", "group_id", "n", "reason"]).assign(analysis=model.model_id)
        )
    for spec in study.survival:
        times = cohort.time_to(spec.endpoint)
        origin = cohort.study.endpoints[spec.endpoint].origin
        rows = []
        for g in spec.groups:
            mine = times[times["group_id"] == g]
            rows += [
                (
                    "counted",
                    g,
                    int(is_followed(mine).sum()),
                    "followed from baseline"
                    if origin == "baseline"
                    else f"followed from {origin.replace('_', ' ')}",
                ),
                ("with the event", g, int(mine["is_event"].sum()), "within the horizon"),
            ]
            for reason, n in (
                mine.loc[~mine["is_event"].astype(bool), "censor_reason"].value_counts().sort_index().items()
            ):
                rows.append(("censored", g, int(n), reason))
        parts.append(
            pd.DataFrame(rows, columns=["step", "group_id", "n", "reason"]).assign(analysis=spec.endpoint)
        )
    flow = pd.concat(parts, ignore_index=True)
    flow["position"] = range(len(flow))
    return flow
