"""Mann-Whitney from printed quartiles: bounds that no data behind the print can leave.

Belongs here: the range of U and of p. Does not belong here: what quartiles say of ordered values
(``quartiles.py``), the test itself (``analytics/groups/rank_sum.py``).

U counts the pairs in which the first group's value is the greater, ties half: it rises with every value of
the first group and falls with every value of the second. With all values of the one group at their upper and
all of the other at their lower bounds, U is at least as large as any data make it; likewise the smallest.
p falls with the distance of U from its mean and rises with its variance. Ties lower the variance, by the sum
of t^3 - t over tied sets of t values; t^3 - t = t (t^2 - 1), so each value adds t^2 - 1, where t is at most
the number of values whose bounds hold a common point with its own. The lowest p uses the largest distance,
that least variance and no continuity correction, the highest p the smallest distance, the variance without
ties and the correction; the exact test without ties widens both. The bounds are proved, not attained.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice

import numpy as np

from analytics.groups import rank_sum
from analytics.paper.audit.comparisons import Comparison, comparisons
from analytics.paper.audit.finding import (
    CERTAIN,
    CONTRADICTS,
    HOLDS,
    HOLDS_IF,
    NOT_CHECKED,
    STRONG,
    Finding,
    strength_of,
)
from analytics.paper.audit.quartiles import FREE, OrderBounds, order_bounds
from analytics.paper.audit.sizes import by_missing
from analytics.paper.published import MEDIAN_IQR, Paper, PrintedVariable
from analytics.words.formatting import format_p

SMALLEST = 2
MOST_BOUNDED = 300  # choices of smaller sizes, down to half of each group
EXACT_UP_TO = 50  # values in both groups; beyond, the exact and the normal p differ little
ASSUMED = "Mann-Whitney, two-sided, quartiles of type 7"


def check_medians(paper: Paper) -> list[Finding]:
    """Each comparison of medians and quartiles."""
    return [_finding(c, paper.file.variables.get(c.p.variable, FREE)) for c in comparisons(paper, MEDIAN_IQR)]


def u_range(a: OrderBounds, b: OrderBounds) -> tuple[float, float]:
    """No data within the bounds have a smaller or larger U of the first group."""
    return _pairs_won(a.low, b.high), _pairs_won(a.high, b.low)


def p_range(a: OrderBounds, b: OrderBounds) -> tuple[float, float]:
    """No data within the bounds have a smaller or larger two-sided p."""
    n, m = len(a.low), len(b.low)
    low, high = u_range(a, b)
    mean = n * m / 2
    near, far = max(low - mean, mean - high, 0.0), max(high - mean, mean - low, 0.0)
    ends = [
        _normal_p(far, _least_variance(a, b), correction=0.0),
        _normal_p(near, rank_sum.null_variance(n, m, np.ones(n + m)), correction=0.5),
    ]
    if n + m <= EXACT_UP_TO:
        exact = _exact_p(n, m)
        ends = [min(ends[0], exact(far)), max(ends[1], exact(near))]
    return ends[0], ends[1]


def _pairs_won(a: np.ndarray, b: np.ndarray) -> float:
    ordered = np.sort(b)
    below = np.searchsorted(ordered, a, side="left")
    not_above = np.searchsorted(ordered, a, side="right")
    return float((below + not_above).sum() / 2)


def _normal_p(distance: float, variance: float, correction: float) -> float:
    if distance <= correction:
        return 1.0
    if variance <= 0:
        return 0.0
    return rank_sum.normal_p((distance - correction) / math.sqrt(variance))


def _least_variance(a: OrderBounds, b: OrderBounds) -> float:
    """The null variance with as many ties as the bounds could allow."""
    low, high = np.concatenate([a.low, b.low]), np.concatenate([a.high, b.high])
    points = np.unique(np.concatenate([low, high]))
    covering = np.searchsorted(np.sort(low), points, side="right") - np.searchsorted(
        np.sort(high), points, side="left"
    )
    first, last = np.searchsorted(points, low), np.searchsorted(points, high)
    ties = np.array([covering[i : j + 1].max() for i, j in zip(first, last, strict=True)], dtype=float)
    n, m, total = len(a.low), len(b.low), len(low)
    return n * m / 12 * ((total + 1) - float((ties**2 - 1).sum()) / (total * (total - 1)))


def _exact_p(n: int, m: int) -> Callable[[float], float]:
    """p of the exact test without ties by the distance of U from its mean."""
    chances = rank_sum.exact_null_distribution(n, m)
    distances = np.abs(np.arange(len(chances)) - n * m / 2)

    def p(distance: float) -> float:
        return min(1.0, float(chances[distances >= distance - 1e-9].sum()))

    return p


def _finding(comparison: Comparison, variable: PrintedVariable) -> Finding:
    p, sizes = comparison.p, comparison.sizes

    def said(verdict: str, text: str, strength: str = "", tried: int = 1) -> Finding:
        return Finding("median_test", p.cell, p.printed, verdict, text, ASSUMED, strength, tried)

    for summary in (comparison.a, comparison.b):
        if summary.group_size < SMALLEST:
            return said(NOT_CHECKED, f"{summary.group} is one observation: its quartiles bound nothing")
        if any(number.comparator for number in summary.numbers):
            return said(
                NOT_CHECKED, f"a bound in place of a quartile of {summary.group}: no p can be bounded"
            )
    bounds = _range_at(comparison, sizes, variable)
    if bounds is None:
        return said(CONTRADICTS, "no values of these sizes have these quartiles", CERTAIN)
    text = f"the quartiles allow p from {format_p(bounds[0])} to {format_p(bounds[1])}"
    if p.number.overlaps(*bounds):
        return said(HOLDS, text)
    half = [max(SMALLEST, (size + 1) // 2) for size in sizes]
    tried = 0
    for tried, (n, m) in enumerate(islice(by_missing(sizes, half), MOST_BOUNDED), start=1):
        at = _range_at(comparison, (n, m), variable)
        if at is not None and p.number.overlaps(*at):
            fit = (
                f"with {n} of {sizes[0]} against {m} of {sizes[1]} "
                f"from {format_p(at[0])} to {format_p(at[1])}"
            )
            return said(
                HOLDS_IF, f"{text} at the header's n; {fit}", strength_of(tried, at[1] - at[0]), tried
            )
    text += f"; {tried} choices of smaller n do not allow the printed p either"
    return said(CONTRADICTS, text, CERTAIN if tried < MOST_BOUNDED else STRONG, tried)


def _range_at(
    comparison: Comparison, sizes: tuple[int, int], variable: PrintedVariable
) -> tuple[float, float] | None:
    a, b = (
        order_bounds(summary, n, variable)
        for summary, n in zip((comparison.a, comparison.b), sizes, strict=True)
    )
    return p_range(a, b) if a.possible and b.possible else None
