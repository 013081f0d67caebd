"""Adjusted p values of a family of tests.

Belongs here: the adjustments, over one family or several. Does not belong here: what makes a family
(the study says).

Holm 1979 (Scand J Stat 6:65-70), Hochberg 1988 (Biometrika 75:800-802), Hommel 1988 (Biometrika
75:383-386, as computed by Wright 1992, Biometrics 48:1005-1013), Benjamini & Hochberg 1995 (JRSS B
57:289-300), Benjamini & Yekutieli 2001 (Ann Stat 29:1165-1188). All agree with R's p.adjust: a missing
p value stays missing and does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analytics.door import plain_column
from analytics.status import require_choice

METHODS = ("none", "bonferroni", "holm", "hochberg", "hommel", "BH", "BY")


def adjust_p_values(p_values: Sequence[float | None] | np.ndarray | pd.Series, method: str) -> np.ndarray:
    """Adjusted p values in the order given; NaN where missing. ``method`` is one of ``METHODS``.

    Raises ValueError for a p value outside 0 to 1.
    """
    require_choice(method, METHODS, "method")
    p = _floats(p_values)
    known = ~np.isnan(p)
    outside = int(((p[known] < 0) | (p[known] > 1)).sum())
    if outside:
        raise ValueError(f"p_values: expected numbers from 0 to 1; found {outside} outside")
    adjusted = np.full(len(p), np.nan)
    if known.any():
        adjusted[known] = np.clip(_ADJUSTMENTS[method](p[known]), 0.0, 1.0)
    return adjusted


def adjust_within_families(
    p_values: Sequence[float | None] | pd.Series, families: Sequence[Any] | pd.Series, method: str
) -> np.ndarray:
    """Adjusted p values, each family by itself; a test whose family is missing is not adjusted and
    stays missing.
    """
    p = pd.Series(_floats(p_values))
    family = plain_column(pd.Series(list(families), dtype=object))
    if len(p) != len(family):
        raise ValueError(f"families: expected one per p value ({len(p)}); found {len(family)}")
    adjusted = np.full(len(p), np.nan)
    for rows in p.groupby(family, sort=False).indices.values():
        adjusted[rows] = adjust_p_values(p.to_numpy()[rows], method)
    return adjusted


def _floats(p_values: Iterable[float | None]) -> np.ndarray:
    return np.array(
        [np.nan if value is None or pd.isna(value) else float(value) for value in p_values], dtype=float
    )


def _step_down(p: np.ndarray) -> np.ndarray:
    """Holm: from the smallest, each times what is left, never falling."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return _back(stepped, order)


def _step_up(p: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """From the largest, each times its factor (given for ascending p), never rising."""
    order = np.argsort(p, kind="stable")
    stepped = np.minimum.accumulate((p[order] * factor)[::-1])[::-1]
    return _back(stepped, order)


def _hochberg(p: np.ndarray) -> np.ndarray:
    return _step_up(p, np.arange(len(p), 0, -1.0))


def _benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    return _step_up(p, len(p) / np.arange(1, len(p) + 1.0))


def _benjamini_yekutieli(p: np.ndarray) -> np.ndarray:
    ranks = np.arange(1, len(p) + 1.0)
    return _step_up(p, (1 / ranks).sum() * len(p) / ranks)


def _hommel(p: np.ndarray) -> np.ndarray:
    """Closed testing with Simes's test of every intersection, by Wright's algorithm."""
    n = len(p)
    order = np.argsort(p, kind="stable")
    ascending = p[order]
    simes = float((n * ascending / np.arange(1, n + 1)).min())
    best, candidate = np.full(n, simes), np.full(n, simes)
    for m in range(n - 1, 1, -1):
        first = ascending[: n - m + 1]
        tail = float((m * ascending[n - m + 1 :] / np.arange(2, m + 1)).min())
        candidate[: n - m + 1] = np.minimum(m * first, tail)
        candidate[n - m + 1 :] = candidate[n - m]
        best = np.maximum(best, candidate)
    return _back(np.maximum(best, ascending), order)


def _back(stepped: np.ndarray, order: np.ndarray) -> np.ndarray:
    original = np.empty_like(stepped)
    original[order] = stepped
    return original


_ADJUSTMENTS = {
    "none": lambda p: p,
    "bonferroni": lambda p: p * len(p),
    "holm": _step_down,
    "hochberg": _hochberg,
    "hommel": _hommel,
    "BH": _benjamini_hochberg,
    "BY": _benjamini_yekutieli,
}
