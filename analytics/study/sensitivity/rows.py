"""The shape of `results.sensitivity` and of an answer, and the words that answers share.

Belongs here: columns, one row of them, sentences from numbers. Does not belong here: any analysis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analytics.status import OK
from analytics.study.cohort import Cohort
from analytics.study.frames import records
from analytics.words.disclosure import known
from analytics.words.formatting import format_p

COLUMNS = (
    "analysis_id",
    "kind",
    "part",
    "position",
    "label",
    "subject",
    "group_a",
    "group_b",
    "visit",
    "variant",
    "estimate",
    "estimate_kind",
    "ci_low",
    "ci_high",
    "statistic",
    "df",
    "df_den",
    "p_value",
    "p_adjusted",
    "count",
    "n",
    "display",
    "beside",
    "method",
    "status",
    "note",
)
QUESTION_COLUMNS = ("analysis_id", "kind", "position", "question", "answer", "cannot_say", "status", "note")
NOMINAL = 0.05
COEFFICIENT = ("estimate", "ci_low", "ci_high", "statistic", "p_value")


@dataclass(frozen=True)
class Answer:
    """What one analysis found: ``rows`` of COLUMNS, the ``text`` drawn from them, and what they cannot say.

    ``more`` holds frames of other results tables. ``status`` is not `ok` where nothing could be answered.
    """

    rows: list[dict[str, Any]]
    text: str
    cannot_say: str
    more: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    status: str = OK
    note: str = ""


def row(label: str, variant: str, **values: Any) -> dict[str, Any]:
    """One row: what it is about, in which variant, and what was found."""
    return {"label": label, "variant": variant, "part": "", "status": OK, "note": ""} | values


def from_test(found: Any, **values: Any) -> dict[str, Any]:
    """The numbers of a two-group test as they stand in a row."""
    return {
        "estimate": found.effect,
        "estimate_kind": found.effect_kind,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "statistic": found.statistic,
        "df": found.df,
        "df_den": found.df_den,
        "p_value": found.p_value,
        "n": found.n,
        "method": found.method,
        "status": found.status,
        "note": found.note,
    } | values


def coefficient(summary: pd.DataFrame, term: str) -> dict[str, float | None]:
    """The numbers of one term of a linear model; all missing where the model has no such term, or no number
    for it.
    """
    found = summary[summary["term"].astype(str).str.replace("`", "") == term]
    if found.empty or not known(found.iloc[0]["estimate"]):
        return dict.fromkeys(COEFFICIENT)
    return found.iloc[0][list(COEFFICIENT)].to_dict()


def comparison_key(found: Mapping[str, Any]) -> str:
    """Which printed comparison a row stands beside: the key of its row in `results.group_comparison`."""
    groups = f"{found['group_a']} {found['group_b']}" if isinstance(found["group_a"], str) else "all groups"
    return f"group_comparison {found['table_id']} {found['variable']} {groups}"


def printed_comparison(results: Mapping[str, pd.DataFrame], variable: str, a: str, b: str) -> str | None:
    """The key of the comparison of a variable between two groups, if a table has one."""
    for found in records(results.get("group_comparison")):
        if (found["variable"], found["group_a"], found["group_b"]) == (variable, a, b):
            return comparison_key(found)
    return None


def pair_label(cohort: Cohort, a: str, b: str) -> str:
    groups = cohort.study.groups
    return f"{groups[a].label} vs {groups[b].label}"


def others(groups: Iterable[str], reference: str) -> list[str]:
    return [g for g in groups if g != reference]


def sides_changed(p_values: Iterable[float | None]) -> bool:
    """Whether some of the p values are below 0.05 and others are not."""
    found = [p < NOMINAL for p in p_values if known(p)]
    return any(found) and not all(found)


def p_text(p_value: float | None) -> str:
    """``p = 0.031``, ``p < 0.001``."""
    text = format_p(p_value)
    return f"p {text[0]} {text[1:]}" if text.startswith("<") else f"p = {text}"


def of_n(count: float, n: float) -> str:
    return f"{int(count)} of {int(n)}"


def plural(n: int, one: str, many: str = "") -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"


def number(value: float | None) -> float:
    return float(value) if known(value) else np.nan
