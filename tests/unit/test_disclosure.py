"""Small cells: what may be printed of a count of patients."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.words.disclosure import NOT_PRINTED, Disclosure


@pytest.mark.parametrize(
    ("count", "n", "printed"),
    [
        (0, 18, "<5"),
        (4, 18, "<5"),
        (5, 18, "5"),
        (13, 18, "13"),
        (14, 18, ">13"),
        (18, 18, ">13"),
        (3, 4, "<5"),
        (None, 18, "–"),
    ],
)
def test_a_small_count_or_complement_prints_as_its_bound(count: int | None, n: int, printed: str) -> None:
    assert Disclosure(5).count_of(count, n) == printed


def test_threshold_zero_prints_every_count() -> None:
    assert [Disclosure(0).count_of(c, 18) for c in (0, 1, 18)] == ["0", "1", "18"]


@pytest.mark.parametrize(
    ("counts", "shows_total", "printed"),
    [
        ([3, 7, 9], False, ["<5", "7", "9"]),
        ([3, 7, 9], True, ["<5", NOT_PRINTED, "9"]),
        ([3, 2, 9], True, ["<5", "<5", "9"]),
        ([6, 7, 9], True, ["6", "7", "9"]),
        ([3, None, None], True, ["<5", "–", "–"]),
    ],
)
def test_one_masked_count_takes_another_with_it_where_the_total_is_shown(
    counts: list[int | None], shows_total: bool, printed: list[str]
) -> None:
    sums = [range(len(counts))] if shows_total else []
    assert Disclosure(5).counts(counts, sums) == printed


@given(st.lists(st.integers(0, 40), min_size=2, max_size=6), st.integers(1, 12))
def test_no_masked_count_follows_from_a_total_and_the_others(counts: list[int], threshold: int) -> None:
    shown = Disclosure(threshold).counts(counts, [range(len(counts))])
    hidden = [text for text, count in zip(shown, counts, strict=True) if text != str(count)]
    assert len(hidden) != 1
    assert all(text != str(count) for text, count in zip(shown, counts, strict=True) if count < threshold)


@pytest.mark.parametrize(
    ("p_value", "printed"),
    [(0.0004, "<0.001"), (0.004, "<0.01"), (0.03, "<0.05"), (0.05, "≥0.05"), (1.0, "≥0.05"), (None, "–")],
)
def test_a_p_value_of_a_masked_count_prints_as_its_class(p_value: float | None, printed: str) -> None:
    assert Disclosure(5).p_class(p_value) == printed
