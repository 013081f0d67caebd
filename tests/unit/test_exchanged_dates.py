"""The sign that a spreadsheet has exchanged day and month, and what the order of rows says of it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.exports.exchanged_dates import by_order, sign_of

DAYS = st.lists(st.dates(date(2001, 1, 1), date(2024, 12, 31)), min_size=1, max_size=40, unique=True)


def spoilt(day: date) -> str:
    """A date as it comes out of a spreadsheet that takes day-month for month-day."""
    return (
        f"{day.year}-{day.day:02d}-{day.month:02d}" if day.day <= 12 else f"{day.day}/{day.month}/{day.year}"
    )


def counted(texts: list[str]) -> dict[str, int]:
    return {text: texts.count(text) for text in texts}


@pytest.mark.parametrize(
    ("texts", "has_sign"),
    [
        (["2019-08-05", "2019-03-04", "2019-01-02", "27-6-2019", "28/6/2019"], True),
        (
            ["2019-08-05", "2019-03-04", "2019-01-02", "2019-01-13", "27-6-2019", "28-6-2019"],
            False,
        ),  # one shows a day above 12
        (
            ["2019-08-05", "2019-03-04", "2019-01-02", "7-6-2019", "28-6-2019", "29-6-2019"],
            False,
        ),  # the other does not always
        (["2019-08-05", "27-6-2019"], False),  # too few to tell
        (
            ["05/08/2019", "04/03/2019", "07/01/2019", "27/6/2019", "28/5/2019"],
            True,
        ),  # one mark, zeros or none
        (["5/8/2019", "4/3/2019", "7/1/2019", "27/6/2019", "28/5/2019"], False),
        (["2019-08-05 10:00:00", "2019-03-04", "2019-01-02", "27.6.2019 08:15", "28.6.2019"], True),
        (["2019-08", "2019", "", "n.a.", "27-6-2019"], False),
        (["8/5/19", "4/3/19", "27-6-2019", "28-6-2019", "30-6-2019"], True),
    ],
)
def test_the_sign_is_two_writings_of_which_one_never_and_the_other_always_shows_a_day_above_12(
    texts, has_sign
) -> None:
    assert (sign_of(counted(texts)) is not None) == has_sign


def test_beside_date_cells_three_dates_are_enough() -> None:
    texts = counted(["2019-08-05", "2019-03-04", "27/6/2019"])
    assert sign_of(texts) is None and sign_of(texts, has_date_cells=True).in_date_cells


def test_the_sentence_tells_counts_and_both_readings_and_no_date() -> None:
    sentence = sign_of(
        {"2019-08-05": 4, "2019-03-04": 1, "2019-01-02": 1, "27-6-2019": 3, "28-6-2019": 1}
    ).sentence()
    assert sentence.startswith(
        "6 dates written YYYY-NN-NN never show a day above 12, and 4 dates written NN-NN-YYYY always do"
    )
    assert (
        sentence.endswith("As written they are year, month, day; exchanged they are year, day, month")
        and "2019" not in sentence
    )


@given(days=DAYS, falls=st.booleans())
def test_in_sorted_rows_the_order_never_settles_for_the_wrong_reading(days: list[date], falls: bool) -> None:
    days = sorted(days, reverse=falls)
    texts = [spoilt(day) for day in days]
    sign = sign_of(counted(texts))
    if sign is not None:
        assert by_order([("1", row, text) for row, text in enumerate(texts)], sign, day_first=True) in (
            "exchanged",
            None,
        )


@given(days=DAYS, falls=st.booleans())
def test_of_dates_that_nobody_exchanged_the_order_never_says_that_they_are(
    days: list[date], falls: bool
) -> None:
    days = sorted(days, reverse=falls)
    texts = [day.isoformat() if day.day <= 12 else f"{day.day}/{day.month}/{day.year}" for day in days]
    sign = sign_of(counted(texts))
    if sign is not None:
        assert by_order([("1", row, text) for row, text in enumerate(texts)], sign, day_first=True) in (
            "as_written",
            None,
        )


def test_whether_rows_are_ordered_does_not_depend_on_the_order_in_which_they_are_read() -> None:
    days = [date(2020, 1, 25) + timedelta(days=17 * i) for i in range(20)]
    rows = [("1", row, spoilt(day)) for row, day in enumerate(days)]
    sign = sign_of(counted([text for *_, text in rows]))
    assert (
        by_order(rows, sign, True)
        == by_order(rows[::-1], sign, True)
        == by_order(rows[7:] + rows[:7], sign, True)
        == "exchanged"
    )


def test_one_row_of_each_patient_says_nothing() -> None:
    days = [date(2020, 1, 25) + timedelta(days=17 * i) for i in range(20)]
    rows = [(str(row), row, spoilt(day)) for row, day in enumerate(days)]
    assert by_order(rows, sign_of(counted([text for *_, text in rows])), True) is None
