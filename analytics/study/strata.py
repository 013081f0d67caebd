"""Strata of a study's analyses of times: curves within each, and terms that a stratum determines.

Belongs here: what a stratified analysis adds to the rows of results, and the words for strata and terms. Does
not belong here: the tests and fits (`survival/`, `cox/`), which take strata themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from analytics.status import NOT_ESTIMABLE
from analytics.study.analyses import SurvivalAnalysis
from analytics.study.file import Study

STRATUM_WORDS = {"hospital_id": "hospital", "sex": "sex", "onset_group": "age group at onset"}
MOST_STRATA = 6


def curves_by_stratum(
    spec: SurvivalAnalysis, data: pd.DataFrame, hospitals: Mapping[str, str]
) -> pd.DataFrame:
    """survival_by_stratum: the Kaplan-Meier curve of each group within each stratum, with n, median and
    status.

    No rows where the analysis has no strata. ``hospitals``: their names by id.
    """
    from analytics.survival.kaplan_meier import CURVE_COLUMNS, kaplan_meier

    empty = pd.DataFrame(columns=["group_id", "n", "median", "status", "note", *CURVE_COLUMNS, "stratum"])
    if not spec.strata:
        return empty
    entry_column = "entry" if "entry" in data and (data["entry"] > 0).any() else None
    parts = []
    for values, rows in data.dropna(subset=spec.strata).groupby(spec.strata, sort=True, observed=True):
        found = kaplan_meier(rows, "time", "event", "group_id", levels=spec.groups, entry=entry_column)
        of_group = found.summary[["group_id", "n", "median", "status", "note"]]
        curve = of_group[of_group["n"] > 0].merge(found.curve, on="group_id", how="left")
        words = stratum_words(dict(zip(spec.strata, values, strict=True)), hospitals)
        parts.append(curve.assign(stratum=words))
    return pd.concat(parts, ignore_index=True) if parts else empty


def stratum_words(values: dict[str, object], hospitals: Mapping[str, str]) -> str:
    """``Children's Hospital, sex female``; ``hospital zjch`` where it has no name."""
    return ", ".join(
        hospitals.get(str(value) if column == "hospital_id" else "", f"{STRATUM_WORDS[column]} {value}")
        for column, value in values.items()
    )


def note_in_words(note: str, study: Study) -> str:
    """A fit's note with the raw names of terms and groups replaced by the study's labels."""
    for group, spec in study.groups.items():
        note = note.replace(f'"group{group}"', f'"{spec.label}"')
    for name, variable in study.variables.items():
        note = note.replace(f'"{name}"', f'"{variable.label}"')
    return note


def who_is_in_a_stratum(
    data: pd.DataFrame, strata: Sequence[str], status: str, study: Study, hospitals: Mapping[str, str]
) -> str:
    """If the strata determine the group: which groups each stratum has; else empty."""
    if status != NOT_ESTIMABLE or not strata or "group" not in data:
        return ""
    found = data.groupby(list(strata), sort=True, observed=True)["group"].agg(
        lambda g: list(dict.fromkeys(g))
    )
    if (found.map(len) > 1).any():
        return ""
    said = []
    for values, (group,) in list(found.items())[:MOST_STRATA]:
        values = values if isinstance(values, tuple) else (values,)
        words = stratum_words(dict(zip(strata, values, strict=True)), hospitals)
        said.append(f"every patient of {words} is {study.groups[group].label}")
    more = f"; {len(found) - MOST_STRATA} more strata have one group each" if len(found) > MOST_STRATA else ""
    return f"In these data {'; '.join(said)}{more}. A comparison within strata has nobody to compare."
