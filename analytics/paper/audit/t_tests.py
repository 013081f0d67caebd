"""t tests from printed means, SDs and sizes: every p value that the unrounded numbers could give.

Belongs here: Student's and Welch's p as intervals, and the sizes that would fit. Does not belong here: whole
numbers (``grim.py``).

A printed mean or SD stands for an interval. |t| is largest at the largest distance of the means and the
smallest SDs, smallest at the other end, so Student's p lies between the two exactly. Welch's degrees of
freedom depend on the SDs too, through r = va / (va + vb) alone (va, vb: variances of the means), and 1 / df =
r^2 / (n - 1) + (1 - r)^2 / (m - 1) is convex in r: its range over the interval of r is exact. The largest |t|
with the largest df, and the smallest with the smallest, enclose Welch's p.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from analytics.paper.audit.comparisons import Comparison, comparisons
from analytics.paper.audit.finding import (
    CONTRADICTS,
    HOLDS,
    HOLDS_IF,
    NOT_CHECKED,
    NOTE,
    STRONG,
    Finding,
    strength_of,
)
from analytics.paper.audit.grim import sizes_of_whole_numbers
from analytics.paper.audit.sizes import by_missing
from analytics.paper.published import MEAN_SD, Paper, PrintedSummary
from analytics.words.wording import test_words

SMALLEST = 2  # values that have an SD
REACH = 150  # values that may be missing
ASSUMED = "a two-sided t test, Student's or Welch's"
Interval = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Moments:
    """The unrounded mean and SD as intervals."""

    mean: tuple[float, float]
    sd: tuple[float, float]

    @classmethod
    def of(cls, summary: PrintedSummary) -> Moments:
        mean, sd = (number.interval for number in summary.numbers)
        return cls(mean, (max(sd[0], 0.0), sd[1]))


def student_p(a: Moments, n: np.ndarray, b: Moments, m: np.ndarray) -> Interval:
    """The lowest and highest p of Student's test; sizes ``n`` and ``m`` broadcast."""
    df = n + m - 2.0

    def error(sd_a: float, sd_b: float) -> np.ndarray:
        return np.sqrt(((n - 1) * sd_a**2 + (m - 1) * sd_b**2) / df * (1 / n + 1 / m))

    near, far = _distances(a, b)
    return _p(far, error(a.sd[0], b.sd[0]), df), _p(near, error(a.sd[1], b.sd[1]), df)


def welch_p(a: Moments, n: np.ndarray, b: Moments, m: np.ndarray) -> Interval:
    """Two numbers that enclose every p of Welch's test; sizes ``n`` and ``m`` broadcast."""
    near, far = _distances(a, b)
    lowest, highest = _welch_df(a, n, b, m)
    narrowest, widest = (np.sqrt(x**2 / n + y**2 / m) for x, y in zip(a.sd, b.sd, strict=True))
    return _p(far, narrowest, highest), _p(near, widest, lowest)


TESTS = {"student_t": student_p, "welch_t": welch_p}


def _welch_df(a: Moments, n: np.ndarray, b: Moments, m: np.ndarray) -> Interval:
    def share(sd_a: float, sd_b: float) -> np.ndarray:
        return (sd_a**2 / n) / np.maximum(sd_a**2 / n + sd_b**2 / m, np.finfo(float).tiny)

    def df(r: np.ndarray) -> np.ndarray:
        return 1 / (r**2 / (n - 1) + (1 - r) ** 2 / (m - 1))

    least, most = share(a.sd[0], b.sd[1]), share(a.sd[1], b.sd[0])
    at_best = np.clip((n - 1) / (n + m - 2.0), least, most)
    return np.minimum(df(least), df(most)), df(at_best)


def _distances(a: Moments, b: Moments) -> tuple[float, float]:
    """The smallest and largest distance of the two unrounded means."""
    (a_low, a_high), (b_low, b_high) = a.mean, b.mean
    return max(0.0, a_low - b_high, b_low - a_high), max(a_high - b_low, b_high - a_low)


def _p(distance: float, error: np.ndarray, df: np.ndarray) -> np.ndarray:
    t = np.divide(distance, error, out=np.full_like(error, np.inf), where=error > 0)
    return 2 * special.stdtr(df, -t)


@dataclass(frozen=True)
class Fits:
    """Which sizes, from ``least`` up to the header's, let a t test give the printed p; a grid per test."""

    comparison: Comparison
    least: tuple[int, int]
    by_test: dict[str, np.ndarray]

    @cached_property
    def grid(self) -> np.ndarray:
        return np.logical_or.reduce(list(self.by_test.values()))

    @property
    def share(self) -> float:
        return float(self.grid.mean())

    def at(self, n: int, m: int) -> list[str]:
        """The tests that fit with ``n`` against ``m``."""
        return [test for test, grid in self.by_test.items() if grid[n - self.least[0], m - self.least[1]]]


def fits_of(comparison: Comparison) -> Fits:
    low_a, low_b = (max(SMALLEST, size - REACH) for size in comparison.sizes)
    least = low_a, low_b
    n, m = (np.arange(low, size + 1, dtype=float) for low, size in zip(least, comparison.sizes, strict=True))
    moments = Moments.of(comparison.a), Moments.of(comparison.b)
    overlaps = np.vectorize(comparison.p.number.overlaps, otypes=[bool])
    by_test = {
        name: overlaps(*test(moments[0], n[:, None], moments[1], m[None, :])) for name, test in TESTS.items()
    }
    return Fits(comparison, least, by_test)


def check_t_tests(paper: Paper) -> list[Finding]:
    """Each comparison of means, and each row of a table in which values must be missing."""
    found: list[Finding] = []
    rows: dict[tuple[str, str], list[Fits]] = {}
    for comparison in comparisons(paper, MEAN_SD):
        if reason := _not_possible(comparison):
            found.append(_said(comparison, NOT_CHECKED, reason))
            continue
        fits = fits_of(comparison)
        found.append(_finding(fits))
        rows.setdefault((comparison.p.table, comparison.p.variable), []).append(fits)
    for (table, variable), of_row in rows.items():
        found += _row(paper, f"{table}/{variable}", of_row)
    return found + _methods(paper, found)


def _not_possible(comparison: Comparison) -> str:
    for summary in (comparison.a, comparison.b):
        if len(summary.numbers) < 2:
            return f"the mean of {summary.group} is printed without its SD: no t test can be recomputed"
        if summary.group_size < SMALLEST:
            return f"{summary.group} is one observation: it has no SD, and no t test"
        if any(number.comparator for number in summary.numbers):
            return f"a bound in place of a mean or SD of {summary.group}: no t test can be recomputed"
        if summary.numbers[1].value < 0:
            return f"the SD of {summary.group} is negative"
    return ""


def _said(comparison: Comparison, verdict: str, text: str, strength: str = "", tried: int = 1) -> Finding:
    return Finding("t_test", comparison.p.cell, comparison.p.printed, verdict, text, ASSUMED, strength, tried)


def _finding(fits: Fits) -> Finding:
    comparison = fits.comparison
    (size_a, size_b), at_full = comparison.sizes, fits.at(*comparison.sizes)
    if at_full:
        names = "either test" if len(at_full) == len(TESTS) else f"{test_words(at_full[0])} test alone"
        return _said(comparison, HOLDS, f"{names} gives it at the header's n")
    gives = _at_full(comparison)
    for tried, (n, m) in enumerate(by_missing(comparison.sizes, fits.least), start=1):
        if tests := fits.at(n, m):
            names = " and ".join(test_words(test) for test in tests)
            text = f"{gives}; {names} with {n} of {size_a} against {m} of {size_b} does"
            text += f". {int(fits.grid.sum())} of {fits.grid.size} pairs of sizes would"
            return _said(comparison, HOLDS_IF, text, strength_of(tried, fits.share), tried)
    text = f"{gives}; no n down to {fits.least[0]} against {fits.least[1]} makes a t test give it"
    text += ". A rank test may give it: a mean and an SD cannot tell"
    return _said(comparison, CONTRADICTS, text, STRONG, fits.grid.size * len(TESTS))


def _at_full(comparison: Comparison) -> str:
    """``at the header's n Student's t gives 0.096 to 0.097, Welch's t 0.081``."""
    n, m = (np.array([[float(size)]]) for size in comparison.sizes)
    parts = []
    for test, of in TESTS.items():
        low, high = (
            comparison.p.number.like(float(p[0, 0]))
            for p in of(Moments.of(comparison.a), n, Moments.of(comparison.b), m)
        )
        parts.append(f"{test_words(test)} gives {low}" + (f" to {high}" if low != high else ""))
    return "at the header's n " + ", ".join(parts)


def _row(paper: Paper, cell: str, of_row: Sequence[Fits]) -> Iterator[Finding]:
    """A group has one n in all its comparisons, and whole numbers allow some n only: the sizes that suit
    all.
    """
    if all(fits.grid[-1, -1] for fits in of_row) or not all(fits.grid.any() for fits in of_row):
        return
    groups = {s.group: s for fits in of_row for s in (fits.comparison.a, fits.comparison.b)}
    least = {g: low for fits in of_row for g, low in zip(fits.comparison.groups, fits.least, strict=True)}
    sizes = [summary.group_size for summary in groups.values()]
    allowed = [_allowed(paper, summary) for summary in groups.values()]
    tried = 0
    for choice in by_missing(sizes, [least[g] for g in groups]):
        if not all(n in of_group for n, of_group in zip(choice, allowed, strict=True)):
            continue
        tried += 1
        n = dict(zip(groups, choice, strict=True))
        if all(fits.at(*(n[g] for g in fits.comparison.groups)) for fits in of_row):
            text = "all its p values fit with " + ", ".join(
                f"{n[g]} of {s.group_size} {g}" for g, s in groups.items()
            )
            strength = strength_of(tried, float(np.prod([fits.share for fits in of_row])))
            yield Finding("sizes_of_row", cell, "", HOLDS_IF, text, ASSUMED, strength, tried)
            return
    text = (
        f"each of its p values fits with values missing, but none of {tried} choices of sizes suits them all"
    )
    yield Finding("sizes_of_row", cell, "", CONTRADICTS, text, ASSUMED, STRONG, tried)


def _allowed(paper: Paper, summary: PrintedSummary) -> set[int]:
    variable = paper.file.variables.get(summary.variable)
    if variable is None or not variable.whole:
        return set(range(SMALLEST, summary.group_size + 1))
    return set(sizes_of_whole_numbers(summary, variable))


def _methods(paper: Paper, found: Sequence[Finding]) -> list[Finding]:
    """What the Methods state beside what the p values follow."""
    stated = paper.file.tests.mean_sd
    checked = [f for f in found if f.check == "t_test" and f.verdict != NOT_CHECKED]
    if stated in (*TESTS, "not_stated") or not checked:
        return []
    counts = {v: sum(f.verdict == v for f in checked) for v in (HOLDS, HOLDS_IF, CONTRADICTS)}
    text = (
        f"the Methods state {test_words(stated)}, yet of {len(checked)} p values of mean ± SD rows "
        f"{counts[HOLDS]} follow a t test at the header's n, {counts[HOLDS_IF]} with values missing, "
        f"{counts[CONTRADICTS]} none"
    )
    return [Finding("methods", "mean_sd", "", NOTE, text)]
