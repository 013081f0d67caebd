"""A baseline table whose kinds follow a normality rule, by the project's table_one.

The rule (mean and SD where Shapiro & Wilk's p is 0.05 or more in every group) belongs to the case: the
project itself only takes declared kinds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analytics.baseline.describe import shapiro_wilk
from analytics.baseline.table_one import VariableSpec, table_one
from analytics.comparison import categories, samples
from analytics.groups.fisher_exact import two_sided_p
from analytics.groups.fisher_network import exact_p
from analytics.groups.two_groups import mann_whitney, welch_t

NORMAL = 0.05


def compute(case: dict[str, Any], data: pd.DataFrame, wanted: Any) -> tuple[dict[str, Any], dict[str, str]]:
    computed: dict[str, Any] = {}
    for name in case.get("continuous", []):
        computed[name] = _continuous(case, data, name)
    for name in case.get("categorical", []):
        computed[name] = _categorical(case, data, name)
    return computed, {}


def _continuous(case: dict[str, Any], data: pd.DataFrame, name: str) -> dict[str, Any]:
    groups = tuple(case["levels"])
    values = samples(data, name, case["group"], groups).values
    normality = [(shapiro_wilk(group) or (None, np.nan))[1] for group in values]
    normal = all(p >= NORMAL for p in normality)
    spec = VariableSpec(
        name, "mean_sd" if normal else "median_iqr", test="welch_t" if normal else "mann_whitney"
    )
    summary, _ = table_one(data, [spec], group=case["group"], groups=groups)
    return {
        "type": "continuous",
        "n": summary["n"].tolist(),
        "missing": summary["n_missing"].tolist(),
        "shapiro_p": normality,
        "all_groups_normal": normal,
        "mean": summary["mean"].tolist(),
        "sd": summary["sd"].tolist(),
        "q": summary[["q1", "median", "q3"]].to_numpy().tolist(),
        "vs_reference": [_against(case, data, name, groups[0], other) for other in groups[1:]],
    }


def _against(
    case: dict[str, Any], data: pd.DataFrame, name: str, reference: str, other: str
) -> dict[str, Any]:
    asked = {"value": name, "group": case["group"], "groups": (reference, other)}
    return {
        "pair": [reference, other],
        "mann_whitney_p": mann_whitney(data, **asked, method="asymptotic").p_value,
        "mann_whitney_p_R_default": mann_whitney(data, **asked).p_value,
        "welch_p": welch_t(data, **asked).p_value,
    }


def _categorical(case: dict[str, Any], data: pd.DataFrame, name: str) -> dict[str, Any]:
    groups = tuple(case["levels"])
    if data[name].dtype == object:  # read.csv leaves an empty cell of a text column as the level ""
        data = data.assign(**{name: data[name].fillna("")})
    levels = tuple(sorted(data[name].dropna().unique().tolist()))
    summary, _ = table_one(
        data, [VariableSpec(name, "count_percent", levels=levels)], group=case["group"], groups=groups
    )
    counts = summary["count"].to_numpy(dtype=float).reshape(len(levels), len(groups))
    percent = summary["percent"].to_numpy(dtype=float).reshape(len(levels), len(groups))
    return {
        "type": "categorical",
        "levels": [_as_r_prints(level) for level in levels],
        "counts": counts.tolist(),
        "percent_of_nonmissing": percent.tolist(),
        "vs_reference": [
            {"pair": [groups[0], other], "fisher_p": _fisher_p(case, data, name, levels, groups[0], other)}
            for other in groups[1:]
        ],
    }


def _fisher_p(
    case: dict[str, Any], data: pd.DataFrame, name: str, levels: tuple[Any, ...], reference: str, other: str
) -> float:
    table = categories(data, name, case["group"], (reference, other), levels).counts
    if len(levels) < 2:
        return 1.0
    return two_sided_p(table) if table.shape == (2, 2) else exact_p(table)


def _as_r_prints(level: Any) -> str:
    """0.5 and 1, not 1.0: the labels of R's factor()."""
    return f"{level:.15g}" if isinstance(level, float) else str(level)
