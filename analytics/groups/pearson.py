"""Pearson's chi-square and its relatives for tables of counts.

Belongs here: statistics from an array of counts. Does not belong here: frames and statuses (``counts.py``).
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special


def expected_counts(table: np.ndarray) -> np.ndarray:
    """Row total times column total over the grand total."""
    table = np.asarray(table, dtype=float)
    return np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()


def pearson(table: np.ndarray, yates: bool = False) -> tuple[float, int, float]:
    """Chi-square, df and p. Yates's correction of a 2 x 2 table moves each cell by at most half (as R
    does).
    """
    table = np.asarray(table, dtype=float)
    expected = expected_counts(table)
    distance = np.abs(table - expected)
    if yates:
        distance = distance - min(0.5, float(distance.min()))
    statistic = float((distance**2 / expected).sum())
    return _with_p(statistic, table)


def likelihood_ratio(table: np.ndarray) -> tuple[float, int, float]:
    """G = 2 sum of observed log(observed / expected), df and p."""
    table = np.asarray(table, dtype=float)
    return _with_p(2 * float(special.xlogy(table, table / expected_counts(table)).sum()), table)


def mcnemar(table: np.ndarray) -> tuple[float, float]:
    """McNemar's chi-square with continuity correction and its p, for a 2 x 2 table of pairs."""
    b, c = float(table[0][1]), float(table[1][0])
    if b + c == 0:
        return math.nan, math.nan
    statistic = (abs(b - c) - (1.0 if b != c else 0.0)) ** 2 / (b + c)
    return statistic, float(special.chdtrc(1, statistic))


def _with_p(statistic: float, table: np.ndarray) -> tuple[float, int, float]:
    df = (table.shape[0] - 1) * (table.shape[1] - 1)
    return statistic, df, float(special.chdtrc(df, statistic))
