"""The p values of the tests that the constraints declare, fast enough for a search.

Belongs here: Mann-Whitney (normal approximation, continuity and tie correction: scipy's "asymptotic", R's
``wilcox.test(exact = FALSE)``), t tests from moments, log-rank. Does not belong here: what is tested
(``tests.csv``).
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

MANN_WHITNEY, STUDENT, WELCH, FISHER = "mann_whitney", "student_t", "welch_t", "fisher"


def mann_whitney_p(a: np.ndarray, b_ordered: np.ndarray) -> float:
    n, m = len(a), len(b_ordered)
    u = 0.5 * (np.searchsorted(b_ordered, a, "left").sum() + np.searchsorted(b_ordered, a, "right").sum())
    pooled = np.sort(np.concatenate([a, b_ordered]))
    starts = np.flatnonzero(np.concatenate([[True], pooled[1:] != pooled[:-1]]))
    counts = np.diff(np.append(starts, n + m)).astype(float)
    total = n + m
    variance = n * m / 12.0 * (total + 1 - (counts**3 - counts).sum() / (total * (total - 1)))
    z = (abs(u - n * m / 2.0) - 0.5) / math.sqrt(variance)
    return min(1.0, math.erfc(z / math.sqrt(2.0)))


def t_test_p(test: str, moments_a: tuple[float, float, int], moments_b: tuple[float, float, int]) -> float:
    """p of Student's or Welch's t test from (mean, sd, n) of both groups."""
    (mean_a, sd_a, n_a), (mean_b, sd_b, n_b) = moments_a, moments_b
    va, vb = sd_a**2 / n_a, sd_b**2 / n_b
    if test == STUDENT:
        df = n_a + n_b - 2
        pooled = ((n_a - 1) * sd_a**2 + (n_b - 1) * sd_b**2) / df
        se = math.sqrt(pooled * (1 / n_a + 1 / n_b))
    else:
        df = (va + vb) ** 2 / (va**2 / (n_a - 1) + vb**2 / (n_b - 1))
        se = math.sqrt(va + vb)
    t = (mean_a - mean_b) / se
    return float(special.betainc(df / 2, 0.5, df / (df + t * t)))


def log_rank_p(time: np.ndarray, event: np.ndarray, group: np.ndarray) -> float:
    """p of the log-rank test between the codes 0, 1, … of ``group``; no two times are equal."""
    order = np.argsort(time)
    event, group = event[order], group[order]
    codes = np.unique(group)
    member = group[:, None] == codes[None, :]
    at_risk = member[::-1].cumsum(axis=0)[::-1][event].astype(float)
    share = at_risk / at_risk.sum(axis=1, keepdims=True)
    excess = (member[event].sum(axis=0) - share.sum(axis=0))[:-1]
    covariance = (np.diag(share.sum(axis=0)) - share.T @ share)[:-1, :-1]
    statistic = float(excess @ np.linalg.solve(covariance, excess))
    return float(special.chdtrc(len(codes) - 1, statistic))
