"""The audit accuses nobody wrongly: what is printed of values that exist holds, whatever the values."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analytics import fisher, mann_whitney, student_t, welch_t
from analytics.paper.audit import audit
from analytics.paper.printed_numbers import PrintedNumber
from analytics.paper.published import Paper, PaperFile, PrintedP, PrintedSummary, parse_summary
from analytics.words.formatting import format_count_percent, format_mean_sd, format_median_iqr, format_p

SCORES = st.lists(st.integers(0, 52), min_size=2, max_size=14)
DECIMALS = st.integers(0, 3)
FILE = PaperFile(title="One", variables={"x": {"whole": True, "low": 0, "high": 52}})
MEASUREMENT_TESTS = {
    "mean_sd": (student_t, welch_t),
    "median_iqr": (mann_whitney, lambda *a, **k: mann_whitney(*a, continuity=False, **k)),
}


def printed(values: list[float], kind: str, group: str, decimals: int, table: str = "I") -> PrintedSummary:
    found = np.asarray(values, dtype=float)
    if kind == "mean_sd":
        text = format_mean_sd(found.mean(), found.std(ddof=1), decimals)
    elif kind == "median_iqr":
        text = format_median_iqr(*np.quantile(found, [0.5, 0.25, 0.75]), decimals)
    else:
        text = format_count_percent(int(found.sum()), len(found), decimals)
    return PrintedSummary(2, table, "x", group, len(found), kind, text, parse_summary(kind, text))


def doubts(paper: Paper) -> list[str]:
    return [
        f"{f.check}: {f.printed}: {f.text}" for f in audit(paper) if f.verdict in ("contradicts", "holds_if")
    ]


def compared(a: list[float], b: list[float], kind: str, decimals: int, p_value: float) -> Paper:
    text = format_p(p_value)
    p = PrintedP(2, "I", "x", "a", "b", text, PrintedNumber.parse(text))
    return Paper("one", FILE, (printed(a, kind, "a", decimals), printed(b, kind, "b", decimals)), (p,))


def frame(a: list[float], b: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"g": ["a"] * len(a) + ["b"] * len(b), "x": np.asarray([*a, *b], dtype=float)})


@settings(max_examples=60, deadline=None)
@given(SCORES, SCORES, DECIMALS, st.sampled_from(sorted(MEASUREMENT_TESTS)), st.integers(0, 1))
def test_a_test_of_real_values_holds(
    a: list[int], b: list[int], decimals: int, kind: str, which: int
) -> None:
    test = MEASUREMENT_TESTS[kind][which](frame(a, b), value="x", group="g", groups=("a", "b"))
    assume(test.p_value is not None)
    assert doubts(compared(a, b, kind, decimals, test.p_value)) == []


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(16)), st.integers(2, 14), DECIMALS)
def test_an_exact_rank_test_of_real_values_holds(order: list[int], n: int, decimals: int) -> None:
    a, b = order[:n], order[n:]
    test = mann_whitney(frame(a, b), value="x", group="g", groups=("a", "b"), method="exact")
    assert doubts(compared(a, b, "median_iqr", decimals, test.p_value)) == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.booleans(), min_size=1, max_size=20),
    st.lists(st.booleans(), min_size=1, max_size=20),
    DECIMALS,
)
def test_counts_of_real_values_hold(a: list[bool], b: list[bool], decimals: int) -> None:
    p = fisher(frame(a, b), value="x", group="g", groups=("a", "b"), level=1).p_value
    assume(p is not None)
    assert doubts(compared(a, b, "count_percent", decimals, p)) == []


@settings(max_examples=60, deadline=None)
@given(SCORES, DECIMALS, DECIMALS)
def test_one_set_of_values_summarised_in_two_ways_holds(values: list[int], first: int, second: int) -> None:
    ways = (printed(values, "mean_sd", "a", first), printed(values, "median_iqr", "a", second, table="II"))
    assert doubts(Paper("one", FILE, ways)) == []
