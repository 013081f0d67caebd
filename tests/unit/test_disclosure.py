"""Small cells: what may leave the house of a count of patients, of a p value and of a summary."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.public.curves import public_curve
from analytics.public.fisher import says_nothing_more
from analytics.public.summaries import difference, public_mean, public_quartiles, with_digits
from analytics.words.disclosure import Rounding, p_class, rounded


@pytest.mark.parametrize(
    ("count", "printed"),
    [(0, "<8"), (1, "<8"), (7, "<8"), (8, "10"), (12, "10"), (13, "15"), (18, "20"), (None, "–")],
)
def test_a_count_is_rounded_to_five_and_a_small_one_masked(count: int | None, printed: str) -> None:
    assert Rounding(5).count(count).text == printed


@pytest.mark.parametrize(("stated", "smallest"), [(0, 8), (3, 8), (5, 8), (6, 13), (10, 13), (11, 18)])
def test_a_threshold_counts_as_the_next_multiple_of_five_and_never_below_it(
    stated: int, smallest: int
) -> None:
    assert Rounding(stated).smallest == smallest


@given(st.integers(0, 30))
def test_every_printed_text_stands_for_five_counts_or_more(stated: int) -> None:
    texts = [Rounding(stated).count(c).text for c in range(80)]
    assert all(texts.count(text) >= 5 for text in texts[:70])


@given(st.lists(st.integers(0, 60), min_size=2, max_size=6))
def test_a_part_at_most_its_whole_narrows_no_range(counts: list[int]) -> None:
    """Every value that a printed text stands for occurs in some chain of counts that prints the same."""
    chain = sorted(counts)
    shown = [Rounding(5).count(c).text for c in chain]
    ranges = [[v for v in range(70) if Rounding(5).count(v).text == text] for text in shown]
    for place, values in enumerate(ranges):
        for value in values:
            other = [value if r == values else r[0] for r in ranges]
            assert other == sorted(other) and other[place] == value


def test_two_releases_leave_three_counts_of_a_part_where_their_whole_prints_alike() -> None:
    """Rows are only added, and a part grows by no more than its whole, of which 18 to 22 print as 20."""
    most = 4
    texts = {v: Rounding(5).count(v).text for v in range(60)}
    for before, after in itertools.product(range(28), range(28)):
        if 0 <= after - before <= most:
            pairs = [
                (x, y)
                for x in range(50)
                for y in range(x, x + most + 1)
                if texts[x] == texts[before] and texts[y] == texts[after]
            ]
            assert len({x for x, _ in pairs}) >= 3 and len({y for _, y in pairs}) >= 3, (before, after)


@pytest.mark.parametrize(
    ("p_value", "printed"),
    [(0.0004, "<0.001"), (0.004, "<0.01"), (0.03, "<0.05"), (0.05, "≥0.05"), (1.0, "≥0.05"), (None, "–")],
)
def test_a_p_value_prints_as_its_class(p_value: float | None, printed: str) -> None:
    assert p_class(p_value).text == printed


def test_the_class_of_counts_prints_only_where_all_tables_that_print_alike_have_it() -> None:
    assert says_nothing_more(0.75, 10, 20, 10, 20)
    assert not says_nothing_more(0.04, 15, 20, 8, 20), "it would say which of the possible counts are true"
    assert not says_nothing_more(0.0001, 10, 20, 10, 20), "a p value of another test than Fisher's"


def test_a_mean_has_the_digits_of_its_spread_so_that_it_does_not_give_the_number_of_patients() -> None:
    assert public_mean(31.333333, 11.797308).text == "31 ± 12"
    assert public_mean(7.35, 3.2).text == "7.4 ± 3.2", "7.35 of whole numbers would be of 20 patients"
    assert public_mean(0.35, 0.49).text == "0.4 ± 0.5"
    assert public_mean(3.0, 0.0) is None


@pytest.mark.parametrize("n", [8, 9, 10, 11, 12, 18, 19, 20, 21, 22])
def test_a_printed_mean_of_whole_numbers_is_that_of_three_numbers_of_patients_or_more(n: int) -> None:
    alike = [k for k in range(13, 18) if rounded(k) == rounded(n)] or [
        k for k in range(70) if rounded(k) == rounded(n)
    ]
    for total in range(5 * n, 9 * n):
        printed = public_mean(total / n, 3.3).mean
        fits = [
            k for k in alike if any(public_mean(t / k, 3.3).mean == printed for t in range(4 * k, 10 * k))
        ]
        assert len(fits) >= 3, (n, total)


def test_quartiles_of_whole_numbers_lose_the_fraction_that_counts_patients() -> None:
    assert public_quartiles({"q1": 5.25, "median": 7.5, "q3": 9.0}) == ((5.0, 8.0, 9.0), 1.0)
    assert public_quartiles({"q1": 893.0, "median": 3792.0, "q3": 5126.0}) == ((900.0, 3800.0, 5100.0), 100.0)
    assert public_quartiles({"q1": 1.0, "median": 1.0, "q3": 1.75}) == ((1.0, 1.0, 2.0), 1.0)
    assert public_quartiles({"q1": None, "median": 1.0, "q3": 1.75}) is None


def test_an_interval_is_that_of_the_printed_numbers() -> None:
    first, second = public_mean(31.333, 11.797), public_mean(43.25, 4.673)
    exact_twin = public_mean(31.0, 12.0), public_mean(43.3, 4.7)
    assert difference(first, 20, second, 10) == difference(exact_twin[0], 20, exact_twin[1], 10)
    assert difference(first, 20, second, 10) == "-12 (-19 to -6)"
    assert with_digits(0.89324, 1) == "0.9" and with_digits(3403.2) == "3400" and with_digits(None) == ""


def curve(events: list[float], left: list[float], n: int) -> list[dict[str, float]]:
    rows, at_risk = [], n
    for time in sorted({*events, *left}):
        d, c = events.count(time), left.count(time)
        rows.append({"time": time, "at_risk": at_risk, "events": d, "censored": c})
        at_risk -= d + c
    return rows


def test_a_curve_is_made_from_rounded_counts_at_the_printed_times() -> None:
    events = [5.0, 8, 8, 11, 14, 18, 22, 27, 33]
    points = public_curve(curve(events, [36.0] * 9, 18), 18, 9, [0, 12, 24, 36])
    assert [(p.time, p.at_risk, round(p.free, 2)) for p in points] == [
        (0, 20, 1.0), (12, 15, 0.75), (24, 15, 0.75), (36, 10, 0.5),
    ]  # fmt: skip


def test_a_curve_ends_where_leavers_and_events_would_narrow_each_other() -> None:
    events, left = [3.0] * 9, [float(t) for t in range(4, 13)]
    points = public_curve(curve(events, left[:8], 17), 17, 9, [0, 6, 12, 24])
    assert [p.time for p in points] == [0, 6], "15 patients, 10 events and 10 leavers would be 17, 9 and 8"


def test_a_curve_with_late_entry_stays_inside() -> None:
    rows = curve([5.0] * 9, [36.0] * 9, 18)
    assert public_curve([{**rows[0], "at_risk": 12}, *rows[1:]], 18, 9, [0, 12]) == []
