"""Fisher's exact test of a two-by-two table, conditional on its margins.

Belongs here: the noncentral hypergeometric distribution, p values, the conditional odds ratio and its
interval. Does not belong here: larger tables (``fisher_network.py``), frames (``counts.py``).

Given the margins the upper left count k has P(k; psi) proportional to C(m, k) C(n, t - k) psi^k, psi
the odds ratio (Fisher 1935; Breslow & Day 1980, Statistical Methods in Cancer Research I, section 4.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from analytics.comparison import Effect

AS_LIKELY = (
    1 + 1e-7
)  # R's fisher.test: tables this little likelier than the observed still count as as extreme


@dataclass(frozen=True)
class Conditional:
    """The possible upper left counts of a two-by-two table and their log weights at odds ratio 1."""

    observed: int
    support: np.ndarray
    log_weights: np.ndarray

    def probabilities(self, log_odds_ratio: float = 0.0) -> np.ndarray:
        logs = self.log_weights + log_odds_ratio * (self.support - self.observed)
        weights = np.exp(logs - logs.max())
        return weights / weights.sum()

    @property
    def at_lowest(self) -> bool:
        return self.observed == self.support[0]

    @property
    def at_highest(self) -> bool:
        return self.observed == self.support[-1]


def conditional(table: np.ndarray) -> Conditional:
    """The conditional distribution of ``table[0, 0]``; ``table`` is 2 x 2 counts."""
    (a, b), (c, d) = np.asarray(table).tolist()
    row, first, second = a + b, a + c, b + d
    low, high = max(0, row - second), min(row, first)
    support = np.arange(low, high + 1)
    k = support[:-1]
    # log of P(k + 1) / P(k): sums of logs keep their relative precision where factorials cancel
    steps = np.log((first - k) * (row - k) / ((k + 1.0) * (second - row + k + 1.0)))
    return Conditional(int(a), support, np.concatenate([[0.0], np.cumsum(steps)]))


def two_sided_p(table: np.ndarray) -> float:
    """The chance of all tables that are no likelier than the one observed."""
    distribution = conditional(table)
    chances = distribution.probabilities()
    observed = chances[distribution.observed - distribution.support[0]]
    return min(1.0, float(chances[chances <= observed * AS_LIKELY].sum()))


def one_sided_p(table: np.ndarray) -> tuple[float, float]:
    """P(count <= observed) and P(count >= observed)."""
    distribution = conditional(table)
    chances = distribution.probabilities()
    less = chances[distribution.support <= distribution.observed].sum()
    greater = chances[distribution.support >= distribution.observed].sum()
    return min(1.0, float(less)), min(1.0, float(greater))


def mid_p(table: np.ndarray) -> float:
    """The two-sided p value with half the chance of the observed table (Lancaster 1961; Hwang & Yang
    2001).
    """
    distribution = conditional(table)
    chance = distribution.probabilities()[distribution.observed - distribution.support[0]]
    return two_sided_p(table) - 0.5 * float(chance)


def odds_ratio(table: np.ndarray, confidence: float, mid: bool = False) -> Effect:
    """The conditional maximum likelihood odds ratio with its exact interval, zero cells included.

    The ends put ``(1 - confidence) / 2`` into the tail that starts at the observed count (Cornfield
    1956); ``mid`` counts half of the observed count's chance. A margin of zero leaves one possible
    table and no odds ratio.
    """
    distribution = conditional(table)
    how = "conditional mid-p" if mid else "conditional exact"
    if len(distribution.support) == 1:
        return Effect("odds_ratio", None, None, None, "one possible table given the margins")
    tail = (1 - confidence) / 2
    here = distribution.support == distribution.observed
    above = np.where(here, 0.5 if mid else 1.0, distribution.support > distribution.observed)
    below = np.where(here, 0.5 if mid else 1.0, distribution.support < distribution.observed)

    def mean_gap(t: float) -> float:
        return float((distribution.probabilities(t) * (distribution.support - distribution.observed)).sum())

    estimate = 0.0 if distribution.at_lowest else math.inf if distribution.at_highest else _solve(mean_gap)
    low = (
        0.0
        if distribution.at_lowest
        else _solve(lambda t: float((distribution.probabilities(t) * above).sum()) - tail)
    )
    high = (
        math.inf
        if distribution.at_highest
        else _solve(lambda t: tail - float((distribution.probabilities(t) * below).sum()))
    )
    return Effect("odds_ratio", estimate, low, high, how)


def _solve(increasing: Callable[[float], float]) -> float:
    """exp of the root of an increasing function of the log odds ratio."""
    low, high = -1.0, 1.0
    while increasing(low) > 0:
        low *= 2
    while increasing(high) < 0:
        high *= 2
    return math.exp(optimize.brentq(increasing, low, high, xtol=1e-15, rtol=4 * np.finfo(float).eps))
