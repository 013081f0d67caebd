"""Effect sizes and their intervals, from arrays or from a statistic.

Belongs here: standardised differences, rank-biserial correlation, explained variance.
Does not belong here: tests (``two_groups.py``, ``k_groups.py``) and counts (``proportions.py``).

An interval of a noncentral distribution holds the noncentrality parameters under which the observed
statistic is not in the outer tails (Steiger & Fouladi 1997, in Harlow et al., What if there were no
significance tests?).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import optimize, special, stats

from analytics.comparison import Effect


def cohen_d(a: np.ndarray, b: np.ndarray, confidence: float) -> Effect:
    """Mean difference over the pooled SD; interval from the noncentral t distribution.

    Exact for normal values of equal variance (Hedges & Olkin 1985, Statistical Methods for
    Meta-Analysis, ch. 5).
    """
    n, m = len(a), len(b)
    df = n + m - 2
    if n < 2 or m < 2:
        return Effect("cohen_d", None, method="needs two observations in each group")
    pooled = ((n - 1) * a.var(ddof=1) + (m - 1) * b.var(ddof=1)) / df
    if pooled <= 0:
        return Effect("cohen_d", None, method="no variance within groups")
    d = float((a.mean() - b.mean()) / math.sqrt(pooled))
    scale = math.sqrt(1 / n + 1 / m)
    low, high = noncentral_t_interval(d / scale, df, confidence)
    return Effect("cohen_d", d, low * scale, high * scale, "noncentral t")


def hedges_g(a: np.ndarray, b: np.ndarray, confidence: float) -> Effect:
    """Cohen's d times the exact J(df), which removes its bias (Hedges 1981, J Educ Stat 6:107-128, eq.
    6e).
    """
    d = cohen_d(a, b, confidence)
    if d.estimate is None or d.ci_low is None or d.ci_high is None:
        return Effect("hedges_g", None, method=d.method)
    j = small_sample_factor(len(a) + len(b) - 2)
    return Effect("hedges_g", d.estimate * j, d.ci_low * j, d.ci_high * j, "noncentral t, exact J")


def small_sample_factor(df: float) -> float:
    """J(df) = gamma(df / 2) / (sqrt(df / 2) gamma((df - 1) / 2)); 0 where df = 1."""
    if df <= 1:
        return 0.0
    return math.exp(math.lgamma(df / 2) - math.log(math.sqrt(df / 2)) - math.lgamma((df - 1) / 2))


def noncentral_t_interval(t: float, df: float, confidence: float) -> tuple[float, float]:
    """Noncentrality parameters whose noncentral t puts ``t`` at the two tail probabilities."""
    tail = (1 - confidence) / 2
    start = 3 + abs(t) * (1 + 3 / math.sqrt(df))

    def cdf(delta: float) -> float:
        found = float(special.nctdtr(df, delta, t))
        # in far tails where the signs of t and delta differ, the library gives NaN; the value is 0 or 1 to
        # all digits
        return float(delta < t) if math.isnan(found) else found

    def crossing(probability: float) -> float:
        return _root(lambda delta: cdf(delta) - probability, t - start, t + start)

    return crossing(1 - tail), crossing(tail)


def rank_biserial(u: float, n: int, m: int, confidence: float) -> Effect:
    """2 U / (n m) - 1, the chance that the first is greater less the chance that it is smaller.

    Interval: Newcombe's method 5 for U / (n m) (2006, Stat Med 25:559-573), which stays inside -1 to 1
    and keeps a width when every pair agrees.
    """
    theta = u / (n * m)
    low, high = probability_greater_interval(theta, n, m, confidence)
    return Effect("rank_biserial", 2 * theta - 1, 2 * low - 1, 2 * high - 1, "Newcombe 2006, method 5")


def probability_greater_interval(theta: float, n: int, m: int, confidence: float) -> tuple[float, float]:
    """Values t with (theta - t)^2 = z^2 V(t), V the Hanley-McNeil variance with both sizes averaged."""
    z = float(special.ndtri(0.5 + confidence / 2))
    others = (n + m) / 2 - 1

    def excess(t: float) -> float:
        variance = t * (1 - t) * (1 + others * ((1 - t) / (2 - t) + t / (1 + t))) / (n * m)
        return (theta - t) ** 2 - z**2 * variance

    edge = 1e-12  # if theta is 0 or 1, the excess is 0 there too; the other root is the end wanted
    low = optimize.brentq(excess, 0.0, min(theta, 1 - edge), xtol=1e-14) if theta > 0 else 0.0
    high = optimize.brentq(excess, max(theta, edge), 1.0, xtol=1e-14) if theta < 1 else 1.0
    return float(low), float(high)


def explained_variance(f: float, df: float, df_den: float, confidence: float) -> Effect:
    """Eta squared of a one-way layout, its interval from the noncentral F (Smithson 2001, EPM 61:605-632).

    Eta squared = F df / (F df + df_den); with noncentrality L it is L / (L + df + df_den + 1).
    """
    total = df + df_den + 1
    tail = (1 - confidence) / 2
    low = _noncentrality(lambda nc: float(stats.ncf.cdf(f, df, df_den, nc)), 1 - tail, f * df)
    high = _noncentrality(lambda nc: float(stats.ncf.cdf(f, df, df_den, nc)), tail, f * df)
    return Effect(
        "eta_squared", f * df / (f * df + df_den), low / (low + total), high / (high + total), "noncentral F"
    )


def cramers_v(chi_square: float, n: int, rows: int, columns: int, confidence: float) -> Effect:
    """sqrt(chi-square / (n (k - 1))), k the smaller dimension; interval from the noncentral chi-square.

    Smithson 2003, Confidence Intervals, ch. 4: V = sqrt((L + df) / (n (k - 1))) with noncentrality L.
    """
    df = (rows - 1) * (columns - 1)
    scale = n * (min(rows, columns) - 1)
    tail = (1 - confidence) / 2

    def end(probability: float) -> float:
        nc = _noncentrality(lambda nc: float(stats.ncx2.cdf(chi_square, df, nc)), probability, chi_square)
        return min(1.0, math.sqrt((nc + df) / scale)) if nc > 0 else 0.0

    return Effect(
        "cramers_v", math.sqrt(chi_square / scale), end(1 - tail), end(tail), "noncentral chi-square"
    )


def _noncentrality(cdf: Callable[[float], float], probability: float, start: float) -> float:
    """The noncentrality at which ``cdf`` falls to ``probability``; 0 when even none gives less."""
    if cdf(0.0) <= probability:
        return 0.0
    high = max(1.0, start)
    while cdf(high) > probability:
        high *= 2
    return float(optimize.brentq(lambda nc: cdf(nc) - probability, 0.0, high, xtol=1e-12, rtol=1e-13))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """The root of a decreasing function, its bracket widened until it holds one."""
    width = high - low
    while function(low) < 0:
        low -= width
    while function(high) > 0:
        high += width
    return float(optimize.brentq(function, low, high, xtol=1e-12, rtol=1e-13))
