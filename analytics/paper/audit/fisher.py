"""Tests of counts, enumerated: the p value that the printed counts give, and the sizes that would fit.

Belongs here: two-by-two tables from printed counts. Does not belong here: the tests (``fisher_exact.py``,
``pearson.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice, product

import numpy as np

from analytics.groups import fisher_exact
from analytics.groups.pearson import pearson
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
from analytics.paper.audit.percentages import sizes_that_fit
from analytics.paper.audit.sizes import MOST_TRIED, by_missing
from analytics.paper.published import COUNT_PERCENT, Paper
from analytics.words.formatting import format_p
from analytics.words.wording import test_words

SHOWN = 3
TESTS: dict[str, Callable[[np.ndarray], float]] = {
    "fisher": fisher_exact.two_sided_p,
    "fisher_mid_p": fisher_exact.mid_p,
    "chi_square": lambda table: _pearson_p(table, yates=False),
    "chi_square_yates": lambda table: _pearson_p(table, yates=True),
}


def check_counts(paper: Paper) -> list[Finding]:
    """Each comparison of counts, by the test that the Methods state, Fisher's where they state none."""
    stated = paper.file.tests.count_percent
    test = stated if stated in TESTS else "fisher"
    words = f"{test_words(test)} test, two-sided" + (
        "" if stated == test else "; the Methods do not state it"
    )
    return [_finding(c, test, words) for c in comparisons(paper, COUNT_PERCENT)]


def p_of_counts(test: str, counts: tuple[int, int], sizes: tuple[int, int]) -> float:
    """p of ``counts`` out of ``sizes``."""
    (a, b), (n, m) = counts, sizes
    return TESTS[test](np.array([[a, b], [n - a, m - b]]))


def _pearson_p(table: np.ndarray, yates: bool) -> float:
    occupied = (table.sum(axis=1) > 0).all() and (table.sum(axis=0) > 0).all()
    return pearson(table, yates)[2] if occupied else 1.0


def _finding(comparison: Comparison, test: str, words: str) -> Finding:
    a, b, p = comparison.a, comparison.b, comparison.p
    counts = int(a.numbers[0].value), int(b.numbers[0].value)

    def said(verdict: str, text: str, strength: str = "", tried: int = 1) -> Finding:
        return Finding("counts", p.cell, p.printed, verdict, text, words, strength, tried)

    if any(count > size for count, size in zip(counts, comparison.sizes, strict=True)):
        return said(NOT_CHECKED, "a count exceeds its group")
    of_a, of_b = (sizes_that_fit(s) or [s.group_size] for s in (a, b))
    by_percent = list(islice(product(of_a, of_b), MOST_TRIED))
    for tried, sizes in enumerate(by_percent, start=1):
        value = p_of_counts(test, counts, sizes)
        if p.number.admits(value):
            text = f"{_of(counts, sizes)} gives {p.number.like(value)}"
            if sizes == comparison.sizes:
                return said(HOLDS, text)
            return said(
                HOLDS_IF,
                f"{text}: the sizes that the percents allow, not the header's",
                strength_of(tried),
                tried,
            )
    at_percent = p_of_counts(test, counts, by_percent[0])
    text = f"{_of(counts, by_percent[0])} gives {format_p(at_percent)}"
    others = {other: p_of_counts(other, counts, by_percent[0]) for other in TESTS if other != test}
    if fitting := [other for other, value in others.items() if p.number.admits(value)]:
        names = " or ".join(test_words(other) for other in fitting)
        return said(
            HOLDS_IF, f"{text}; {names} gives the printed p", strength_of(len(others)), len(others) + 1
        )
    set_aside, tried = _sizes_without_percents(comparison, test, counts)
    rest = "; ".join(f"{test_words(other)} {format_p(value)}" for other, value in others.items())
    text += (
        f", and neither another size that the percents allow nor another test gives the printed p ({rest})"
    )
    if set_aside:
        shown = "; ".join(_of(counts, pair) for pair in set_aside[:SHOWN])
        text += f". With the percents set aside {len(set_aside)} of {tried} pairs of sizes would: {shown}"
    else:
        text += f". With the percents set aside none of {tried} pairs of sizes would"
    is_whole_search = max(tried, len(by_percent)) < MOST_TRIED
    strength = CERTAIN if is_whole_search else STRONG
    return said(CONTRADICTS, text, strength, tried + len(others) + len(by_percent))


def _sizes_without_percents(
    comparison: Comparison, test: str, counts: tuple[int, int]
) -> tuple[list[tuple[int, int]], int]:
    """Sizes up to the header's that give the printed p whatever the percents say, fewest missing first."""
    pairs = [(n, m) for n, m in by_missing(comparison.sizes, [max(count, 1) for count in counts])]
    return [s for s in pairs if comparison.p.number.admits(p_of_counts(test, counts, s))], len(pairs)


def _of(counts: tuple[int, int], sizes: tuple[int, int]) -> str:
    return " against ".join(f"{count} of {size}" for count, size in zip(counts, sizes, strict=True))
