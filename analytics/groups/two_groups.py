"""Two groups of measurements: location, spread and distribution, each test with an effect and its interval.

Belongs here: Mann-Whitney, Student, Welch, Brown-Forsythe, Levene, Kolmogorov-Smirnov. Does not belong
here: counts (``counts.py``), three groups or more (``k_groups.py``), values below a detection limit
(``censored/groups.py``).

Every function takes a frame and the names of its value and group columns, drops missing values and
counts them, and returns a ``TwoGroupTest``; differences are first group minus second. What the data
cannot answer is its ``status``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from analytics.comparison import (
    CONFIDENCE,
    Effect,
    Samples,
    TwoGroupTest,
    check_confidence,
    check_pair,
    samples,
    with_disagreement,
)
from analytics.door import takes_any_frame
from analytics.groups import rank_sum
from analytics.groups.effect_sizes import cohen_d, hedges_g, rank_biserial
from analytics.groups.spread import MEAN, MEDIAN, Centre, distances
from analytics.status import NO_VARIANCE, NOT_ESTIMABLE, OK, require_choice

EXACT_BELOW = 50  # R's wilcox.test: exact where both samples are smaller, and nothing is tied
CONSTANT = 10 * np.finfo(float).eps  # R's t.test: "data are essentially constant"


@takes_any_frame
def mann_whitney(
    data: pd.DataFrame,
    *,
    value: str,
    group: str,
    groups: Sequence[Any],
    method: str = "auto",
    continuity: bool | None = None,
    confidence: float = CONFIDENCE,
) -> TwoGroupTest:
    """Wilcoxon-Mann-Whitney rank sum test with the Hodges-Lehmann shift.

    ``statistic`` is U of the first group: pairs in which its value is the greater, ties half.
    ``asymptotic``: normal with tie-corrected variance, with or without continuity correction.
    ``exact``: the permutation distribution, exact with ties too (``rank_sum.py``). ``auto`` is R's rule:
    exact where each group has fewer than 50 observations and none are tied, else asymptotic with
    continuity correction; stating ``continuity`` asks for asymptotic. The effect is the
    median of pairwise differences; ``more_effects`` holds the rank-biserial correlation. Agrees with
    R's wilcox.test and coin::wilcox_test.
    """
    require_choice(method, ("auto", "asymptotic", "exact"), "method")
    groups_of = _checked(data, value, group, groups, confidence)
    if method == "auto":
        is_exact = continuity is None and max(groups_of.sizes) < EXACT_BELOW and not groups_of.ties
        method = "exact" if is_exact else "asymptotic"
    continuity = continuity is not False
    name = _mann_whitney_name(method, continuity)
    if groups_of.status != OK:
        return _without_answer(name, "Mann-Whitney", groups_of, confidence)
    a, b = groups_of.values
    ranks = rank_sum.rank_sum(a, b)
    if ranks.variance <= 0:
        note = f"every observed {value} is the same: ranks cannot tell the groups apart"
        return _without_answer(
            name,
            "Mann-Whitney",
            groups_of,
            confidence,
            NO_VARIANCE,
            note,
            effect=Effect("hodges_lehmann_shift", 0.0),
        )
    if method == "exact":
        return _exact_mann_whitney(name, groups_of, ranks, confidence)
    low, high, reached = rank_sum.shift_interval(a, b, confidence, continuity)
    how = "with" if continuity else "without"
    return _mann_whitney_result(
        name,
        f"Mann-Whitney, normal approximation {how} continuity correction",
        groups_of,
        ranks,
        rank_sum.normal_p(ranks.z(continuity)),
        (low, high, reached),
        confidence,
    )


def _exact_mann_whitney(
    name: str, groups_of: Samples, ranks: rank_sum.RankSum, confidence: float
) -> TwoGroupTest:
    a, b = groups_of.values
    steps = rank_sum.exact_steps(a, b)
    if steps > rank_sum.EXACT_STEPS:
        note = (
            f"the exact distribution of {len(a)} against {len(b)} observations needs about {steps:.0e} "
            f"additions, more than {rank_sum.EXACT_STEPS:.0e}; use mann_whitney, which agrees at this size"
        )
        return _without_answer(name, "Mann-Whitney, exact", groups_of, confidence, NOT_ESTIMABLE, note)
    ties = " with ties" if groups_of.ties else ""
    interval = rank_sum.exact_shift_interval(a, b, confidence)
    return _mann_whitney_result(
        name,
        f"Mann-Whitney, exact permutation distribution{ties}",
        groups_of,
        ranks,
        rank_sum.exact_p(a, b),
        interval,
        confidence,
    )


def _mann_whitney_result(
    name: str,
    method: str,
    groups_of: Samples,
    ranks: rank_sum.RankSum,
    p_value: float,
    interval: tuple[float, float, float],
    confidence: float,
) -> TwoGroupTest:
    a, b = groups_of.values
    low, high, reached = interval
    note = ""
    if reached < confidence - (1 - confidence) / 2:
        note = (
            f"with {len(a)} and {len(b)} observations no interval reaches {confidence:.0%}; "
            f"the one given reaches {reached:.1%}"
        )
    found = TwoGroupTest(
        name,
        method,
        *groups_of.pair,
        groups_of.n_missing,
        statistic=ranks.u,
        p_value=p_value,
        effect=rank_sum.hodges_lehmann(a, b),
        effect_kind="hodges_lehmann_shift",
        ci_low=low,
        ci_high=high,
        confidence=confidence,
        ties=groups_of.ties,
        note=note,
        more_effects=(rank_biserial(ranks.u, len(a), len(b), confidence),),
    )
    return found if note else with_disagreement(found)


def _mann_whitney_name(method: str, continuity: bool) -> str:
    if method == "exact":
        return "mann_whitney_exact"
    return "mann_whitney" if continuity else "mann_whitney_no_continuity"


@takes_any_frame
def student_t(
    data: pd.DataFrame, *, value: str, group: str, groups: Sequence[Any], confidence: float = CONFIDENCE
) -> TwoGroupTest:
    """Student's t test: equal variances. Effect: mean difference; then Hedges' g and Cohen's d."""
    groups_of = _checked(data, value, group, groups, confidence, minimum=1)
    if groups_of.status == OK and sum(groups_of.sizes) < 3:
        groups_of = _checked(data, value, group, groups, confidence, minimum=2)
    if groups_of.status != OK:
        return _without_answer("student_t", "Student's t test", groups_of, confidence)
    a, b = groups_of.values
    n, m = len(a), len(b)
    pooled = (_squares(a) + _squares(b)) / (n + m - 2)
    error = math.sqrt(pooled * (1 / n + 1 / m))
    return _t_result("student_t", "Student's t test", groups_of, error, float(n + m - 2), confidence)


@takes_any_frame
def welch_t(
    data: pd.DataFrame, *, value: str, group: str, groups: Sequence[Any], confidence: float = CONFIDENCE
) -> TwoGroupTest:
    """Welch's t test: variances may differ (Welch 1947). Effect: mean difference; then Hedges' g,
    Cohen's d.
    """
    groups_of = _checked(data, value, group, groups, confidence, minimum=2)
    if groups_of.status != OK:
        return _without_answer("welch_t", "Welch's t test", groups_of, confidence)
    a, b = groups_of.values
    n, m = len(a), len(b)
    of_a, of_b = _squares(a) / (n - 1) / n, _squares(b) / (m - 1) / m
    error = math.sqrt(of_a + of_b)
    df = (of_a + of_b) ** 2 / (of_a**2 / (n - 1) + of_b**2 / (m - 1)) if error else math.nan
    return _t_result("welch_t", "Welch's t test", groups_of, error, df, confidence)


def _t_result(
    name: str, method: str, groups_of: Samples, error: float, df: float, confidence: float
) -> TwoGroupTest:
    a, b = groups_of.values
    difference = float(a.mean() - b.mean())
    if error <= CONSTANT * max(abs(a.mean()), abs(b.mean())):
        note = "the values do not vary within the groups: a difference of means has no standard error"
        return _without_answer(
            name,
            method,
            groups_of,
            confidence,
            NO_VARIANCE,
            note,
            effect=Effect("mean_difference", difference),
        )
    t = difference / error
    reach = float(special.stdtrit(df, 0.5 + confidence / 2)) * error
    return TwoGroupTest(
        name,
        method,
        *groups_of.pair,
        groups_of.n_missing,
        statistic=t,
        df=df,
        p_value=2 * float(special.stdtr(df, -abs(t))),
        effect=difference,
        effect_kind="mean_difference",
        ci_low=difference - reach,
        ci_high=difference + reach,
        confidence=confidence,
        more_effects=(hedges_g(a, b, confidence), cohen_d(a, b, confidence)),
    )


@takes_any_frame
def brown_forsythe(
    data: pd.DataFrame, *, value: str, group: str, groups: Sequence[Any], confidence: float = CONFIDENCE
) -> TwoGroupTest:
    """Equality of spread by absolute deviations from the group's median (Brown & Forsythe 1974, JASA 69:364).

    F of a one-way layout of |value - median|. Effect: the difference of the mean absolute deviations.
    """
    return _two_spreads(MEDIAN, data, value, group, groups, confidence)


@takes_any_frame
def levene(
    data: pd.DataFrame, *, value: str, group: str, groups: Sequence[Any], confidence: float = CONFIDENCE
) -> TwoGroupTest:
    """Equality of spread by absolute deviations from the group's mean (Levene 1960)."""
    return _two_spreads(MEAN, data, value, group, groups, confidence)


def _two_spreads(
    centre: Centre, data: pd.DataFrame, value: str, group: str, groups: Sequence[Any], confidence: float
) -> TwoGroupTest:
    """Two means of distances, compared as Student's t does; the statistic is F, the square of t."""
    name, method = centre.test, centre.method
    groups_of = _checked(data, value, group, groups, confidence, minimum=2)
    if groups_of.status != OK:
        return _without_answer(name, method, groups_of, confidence)
    a, b = distances(groups_of.values, centre)
    n, m = len(a), len(b)
    difference = float(a.mean() - b.mean())
    error = math.sqrt((_squares(a) + _squares(b)) / (n + m - 2) * (1 / n + 1 / m))
    if error <= CONSTANT * max(a.mean(), b.mean()):
        note = "the absolute deviations do not vary within the groups"
        return _without_answer(
            name,
            method,
            groups_of,
            confidence,
            NO_VARIANCE,
            note,
            effect=Effect("mean_absolute_deviation_difference", difference),
        )
    df = n + m - 2
    f = (difference / error) ** 2
    reach = float(special.stdtrit(df, 0.5 + confidence / 2)) * error
    return TwoGroupTest(
        name,
        method,
        *groups_of.pair,
        groups_of.n_missing,
        statistic=f,
        df=1.0,
        df_den=float(df),
        p_value=float(special.fdtrc(1, df, f)),
        effect=difference,
        effect_kind="mean_absolute_deviation_difference",
        ci_low=difference - reach,
        ci_high=difference + reach,
        confidence=confidence,
    )


@takes_any_frame
def kolmogorov_smirnov(
    data: pd.DataFrame, *, value: str, group: str, groups: Sequence[Any], confidence: float = CONFIDENCE
) -> TwoGroupTest:
    """Two-sample Kolmogorov-Smirnov test, two-sided, exact with ties up to 4 million lattice points.

    ``statistic`` and effect are D, the largest distance between the two empirical distributions; it has
    no interval here. Exact p by counting lattice paths (Schröer & Trenkler 1995, Comput Stat Data Anal
    20:185-202), beyond that the limit distribution.
    """
    groups_of = _checked(data, value, group, groups, confidence)
    if groups_of.status != OK:
        return _without_answer("kolmogorov_smirnov", "Kolmogorov-Smirnov", groups_of, confidence)
    a, b = map(np.sort, groups_of.values)
    n, m = len(a), len(b)
    grid = np.unique(groups_of.pooled)
    steps = np.searchsorted(a, grid, side="right") * m - np.searchsorted(b, grid, side="right") * n
    reached = int(np.abs(steps).max())
    d = reached / (n * m)
    if n * m <= rank_sum.ALL_PAIRS:
        p_value, how = _smirnov_exact_p(groups_of.pooled, n, m, reached), "exact"
    else:
        p_value, how = float(stats.kstwobign.sf(d * math.sqrt(n * m / (n + m)))), "limit distribution"
    return TwoGroupTest(
        "kolmogorov_smirnov",
        f"Kolmogorov-Smirnov, {how}",
        *groups_of.pair,
        groups_of.n_missing,
        statistic=d,
        p_value=p_value,
        effect=d,
        effect_kind="distribution_distance",
        confidence=confidence,
        ties=groups_of.ties,
    )


def _smirnov_exact_p(pooled: np.ndarray, n: int, m: int, reached: int) -> float:
    """1 - P(every |i m - j n| < reached where a value ends), all paths from (0, 0) to (n, m) equally likely.

    Row by row over i, ``inside[j]`` is the share of paths to (i, j) that stayed inside; a path from (i,
    j) goes on by a first-group value with probability (n - i) / (n + m - i - j).
    """
    pooled = np.sort(pooled)
    ends = np.append(pooled[1:] != pooled[:-1], True)  # after the (i + j)-th value, may the distance be read?
    columns = np.arange(m + 1)
    inside = np.zeros(m + 1)
    for i in range(n + 1):
        remaining = n + m - i - columns
        fresh = inside * (n - i + 1) / (remaining + 1) if i else np.where(columns == 0, 1.0, 0.0)
        allowed = ~((np.abs(i * m - columns * n) >= reached) & np.append(True, ends)[i + columns])
        inside = _along_row(fresh, allowed, (m - columns) / np.maximum(remaining, 1))
    return min(1.0, max(0.0, 1.0 - float(inside[m])))


def _along_row(fresh: np.ndarray, allowed: np.ndarray, onward: np.ndarray) -> np.ndarray:
    """inside[j] = allowed[j] (fresh[j] + inside[j - 1] onward[j - 1]), from left to right."""
    inside = np.empty_like(fresh)
    last = 0.0
    for j, (new, may, go) in enumerate(zip(fresh.tolist(), allowed.tolist(), onward.tolist(), strict=True)):
        last = (new + last) if may else 0.0
        inside[j] = last
        last *= go
    return inside


def _squares(values: np.ndarray) -> float:
    """Sum of squares about the mean; 0 for one value."""
    return float(((values - values.mean()) ** 2).sum())


def _checked(
    data: pd.DataFrame, value: str, group: str, groups: Sequence[Any], confidence: float, minimum: int = 1
) -> Samples:
    check_confidence(confidence)
    check_pair(groups)
    return samples(data, value, group, groups, minimum)


def _without_answer(
    name: str,
    method: str,
    groups_of: Samples,
    confidence: float,
    status: str = "",
    note: str = "",
    effect: Effect | None = None,
) -> TwoGroupTest:
    return TwoGroupTest(
        name,
        method,
        *groups_of.pair,
        groups_of.n_missing,
        effect=effect.estimate if effect else None,
        effect_kind=effect.kind if effect else None,
        confidence=confidence,
        status=status or groups_of.status,
        note=note or groups_of.note,
    )
