"""Two groups of measurements or more at once, and all pairs of them.

Belongs here: Kruskal-Wallis, analysis of variance with and without equal variances, Brown-Forsythe and
Levene over k groups, pairwise comparisons with adjusted p values. Does not belong here: counts
(``counts.py``) and repeated measurements of the same patients.

A group without an observation is left out and named in the note; fewer than two groups left is a status.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from analytics.comparison import CONFIDENCE, KGroupTest, TwoGroupTest, check_confidence, check_groups, samples
from analytics.door import takes_any_frame
from analytics.groups.effect_sizes import explained_variance
from analytics.groups.rank_sum import tie_sizes
from analytics.groups.spread import MEAN, MEDIAN, Centre, distances
from analytics.multiplicity import adjust_p_values
from analytics.status import NO_VARIANCE, OK, TOO_FEW_GROUPS, TOO_FEW_OBSERVATIONS


@takes_any_frame
def kruskal_wallis(
    data: pd.DataFrame, *, value: str, group: str, groups: Sequence[Any], confidence: float = CONFIDENCE
) -> KGroupTest:
    """Kruskal-Wallis H with midranks and the tie correction, chi-square with k - 1 df (JASA 1952,
    47:583-621).

    Effect: epsilon squared H / (n - 1), the share of the ranks' variance between groups; no interval is
    given.
    """
    found = _Groups(data, value, group, groups, confidence)
    empty = found.result("kruskal_wallis", "Kruskal-Wallis rank test")
    if empty.status != OK:
        return empty
    n = len(found.pooled)
    ties = tie_sizes(found.pooled)
    correction = 1 - float((ties**3 - ties).sum()) / (n**3 - n)
    if correction <= 0:
        return replace(empty, status=NO_VARIANCE, note=f"every observed {value} is the same", ties=found.ties)
    ranks = np.split(stats.rankdata(found.pooled), np.cumsum(found.sizes)[:-1])
    h = 12 / (n * (n + 1)) * sum(r.sum() ** 2 / len(r) for r in ranks) - 3 * (n + 1)
    h = float(h / correction)
    df = len(found.sizes) - 1
    return replace(
        empty,
        statistic=h,
        df=float(df),
        p_value=float(special.chdtrc(df, h)),
        effect=h / (n - 1),
        effect_kind="epsilon_squared",
        ties=found.ties,
    )


@takes_any_frame
def anova(
    data: pd.DataFrame, *, value: str, group: str, groups: Sequence[Any], confidence: float = CONFIDENCE
) -> KGroupTest:
    """One-way analysis of variance, equal variances. Effect: eta squared, interval from the noncentral F."""
    found = _Groups(data, value, group, groups, confidence)
    empty = found.result("anova", "one-way analysis of variance")
    return empty if empty.status != OK else _one_way(empty, found.values, value)


@takes_any_frame
def welch_anova(
    data: pd.DataFrame, *, value: str, group: str, groups: Sequence[Any], confidence: float = CONFIDENCE
) -> KGroupTest:
    """One-way test of means, variances may differ (Welch 1951, Biometrika 38:330-336; R's oneway.test)."""
    found = _Groups(data, value, group, groups, confidence, minimum=2)
    empty = found.result("welch_anova", "Welch's analysis of variance")
    if empty.status != OK:
        return empty
    variances = np.array([values.var(ddof=1) for values in found.values])
    if (variances <= 0).any():
        return replace(empty, status=NO_VARIANCE, note=f"{value} does not vary within one of the groups")
    sizes, k = np.array(found.sizes, dtype=float), len(found.sizes)
    means = np.array([values.mean() for values in found.values])
    weights = sizes / variances
    share = weights / weights.sum()
    spread = float(((1 - share) ** 2 / (sizes - 1)).sum()) / (k**2 - 1)
    between = float((weights * (means - (share * means).sum()) ** 2).sum()) / (k - 1)
    f, df, df_den = between / (1 + 2 * (k - 2) * spread), k - 1, 1 / (3 * spread)
    effect = explained_variance(f, df, df_den, confidence)
    return replace(
        empty,
        statistic=f,
        df=float(df),
        df_den=df_den,
        p_value=float(special.fdtrc(df, df_den, f)),
        effect=effect.estimate,
        effect_kind=effect.kind,
        ci_low=effect.ci_low,
        ci_high=effect.ci_high,
    )


@takes_any_frame
def brown_forsythe_k(
    data: pd.DataFrame, *, value: str, group: str, groups: Sequence[Any], confidence: float = CONFIDENCE
) -> KGroupTest:
    """Equality of spread by absolute deviations from each group's median."""
    return _many_spreads(MEDIAN, data, value, group, groups, confidence)


@takes_any_frame
def levene_k(
    data: pd.DataFrame, *, value: str, group: str, groups: Sequence[Any], confidence: float = CONFIDENCE
) -> KGroupTest:
    """Equality of spread by absolute deviations from each group's mean."""
    return _many_spreads(MEAN, data, value, group, groups, confidence)


@takes_any_frame
def pairwise(
    data: pd.DataFrame,
    test: Callable[..., TwoGroupTest],
    *,
    value: str,
    group: str,
    groups: Sequence[Any],
    adjust: str = "holm",
    **options: Any,
) -> pd.DataFrame:
    """Every pair of ``groups`` in order, one row each: the fields of the test and ``p_adjusted``.

    ``test`` is a two-group test, such as ``mann_whitney``; ``options`` go to it.
    """
    check_groups(groups)
    rows = [
        test(data, value=value, group=group, groups=pair, **options).summary
        for pair in itertools.combinations(groups, 2)
    ]
    table = pd.concat([row.dropna(axis="columns", how="all") for row in rows], ignore_index=True)
    table = table.reindex(columns=rows[0].columns)
    table["p_adjusted"] = adjust_p_values(table["p_value"], adjust)
    return table.assign(adjustment=adjust)


class _Groups:
    """The values of the groups that have any, and a result to be filled."""

    def __init__(
        self,
        data: pd.DataFrame,
        value: str,
        group: str,
        groups: Sequence[Any],
        confidence: float,
        minimum: int = 1,
    ) -> None:
        check_confidence(confidence)
        found = samples(data, value, group, groups)
        pairs = zip(found.groups, found.values, strict=True)
        kept = [(label, values) for label, values in pairs if len(values)]
        self.confidence, self.n_missing, self.value, self.minimum = (
            confidence,
            found.n_missing,
            value,
            minimum,
        )
        self.labels = tuple(str(label) for label, _ in kept)
        self.values = [values for _, values in kept]
        self.sizes = tuple(len(values) for values in self.values)
        self.left_out = tuple(str(label) for label in found.groups if str(label) not in self.labels)
        self.pooled = found.pooled
        self.ties = found.ties

    def result(self, test: str, method: str) -> KGroupTest:
        note = f"without {', '.join(self.left_out)}: no observation" if self.left_out else ""
        empty = KGroupTest(
            test, method, self.labels, self.sizes, self.n_missing, confidence=self.confidence, note=note
        )
        if len(self.sizes) < 2:
            said = f"{len(self.sizes)} group has a {self.value}: nothing to compare with"
            return replace(empty, status=TOO_FEW_GROUPS, note=said)
        if min(self.sizes) < self.minimum:
            said = f"each group needs {self.minimum} observations of {self.value}; one has {min(self.sizes)}"
            return replace(empty, status=TOO_FEW_OBSERVATIONS, note=said)
        return empty


def _many_spreads(
    centre: Centre, data: pd.DataFrame, value: str, group: str, groups: Sequence[Any], confidence: float
) -> KGroupTest:
    """One-way analysis of variance of the distances; shares of their variance are no effect of the values."""
    found = _Groups(data, value, group, groups, confidence)
    empty = found.result(f"{centre.test}_k", centre.method)
    if empty.status != OK:
        return empty
    result = _one_way(empty, distances(found.values, centre), value)
    return replace(result, effect=None, effect_kind=None, ci_low=None, ci_high=None)


def _one_way(empty: KGroupTest, values: Sequence[np.ndarray], value: str) -> KGroupTest:
    pooled = np.concatenate(values)
    df, df_den = len(values) - 1, len(pooled) - len(values)
    if df_den < 1:
        note = f"one {value} in each group: no variance within groups can be estimated"
        return replace(empty, status=TOO_FEW_OBSERVATIONS, note=note)
    within = sum(float(((v - v.mean()) ** 2).sum()) for v in values)
    between = sum(len(v) * float(v.mean() - pooled.mean()) ** 2 for v in values)
    if within <= (10 * np.finfo(float).eps) ** 2 * float((pooled**2).sum()):
        return replace(empty, status=NO_VARIANCE, note=f"{value} does not vary within the groups")
    f = (between / df) / (within / df_den)
    effect = explained_variance(f, df, df_den, empty.confidence)
    return replace(
        empty,
        statistic=f,
        df=float(df),
        df_den=float(df_den),
        p_value=float(special.fdtrc(df, df_den, f)),
        effect=effect.estimate,
        effect_kind=effect.kind,
        ci_low=effect.ci_low,
        ci_high=effect.ci_high,
    )
