"""Dates of patients as they may leave the house."""

from __future__ import annotations

from datetime import date, datetime

import pandas as pd
import pytest

from analytics.public.dates import LEAST_SHIFT, MOST_SHIFT, public_dates, shift_days

KEY = b"k" * 32


def visits() -> pd.DataFrame:
    rows = [
        ("h", "p1", date(2023, 1, 31), datetime(2023, 1, 31, 14, 5), "2023-01-31"),
        ("h", "p1", date(2023, 4, 2), datetime(2023, 4, 2, 9, 0), "2023-04"),
        ("h", "p2", date(2023, 1, 31), None, None),
    ]
    frame = pd.DataFrame(rows, columns=["hospital_id", "patient_key", "day", "at", "iso"]).astype(object)
    return frame.where(frame.notna(), None)


def columns(frame: pd.DataFrame, *names: str) -> list[list[object]]:
    return [[None if pd.isna(v) else v for v in frame[name]] for name in names]


def test_exact_dates_stay() -> None:
    assert public_dates(visits(), ["day"], "exact", KEY).equals(visits())


def test_a_month_is_its_first_day() -> None:
    assert columns(public_dates(visits(), ["day", "at", "iso"], "month", KEY), "day", "at", "iso") == [
        [date(2023, 1, 1), date(2023, 4, 1), date(2023, 1, 1)],
        [datetime(2023, 1, 1), datetime(2023, 4, 1), None],
        ["2023-01", "2023-04", None],
    ]


def test_shifted_dates_keep_their_intervals_and_move_each_patient_apart() -> None:
    made = public_dates(visits(), ["day", "at", "iso"], "shifted", KEY)
    first, second, other = made["day"]
    assert second - first == date(2023, 4, 2) - date(2023, 1, 31)
    assert first != date(2023, 1, 31) and other != date(2023, 1, 31) and other != first
    assert made["at"][0].date() == first and made["at"][0].hour == 14
    assert columns(made, "iso") == [[first.isoformat(), None, None]], "a month cannot be shifted by days"


@pytest.mark.parametrize("key", [KEY, b"x" * 32])
def test_a_shift_is_the_patients_own_and_the_keys(key: bytes) -> None:
    days = [shift_days(key, "h", f"p{i}") for i in range(400)]
    assert days == [shift_days(key, "h", f"p{i}") for i in range(400)]
    assert all(LEAST_SHIFT <= abs(d) <= MOST_SHIFT for d in days)
    assert min(days) < 0 < max(days) and len(set(days)) > 200
    assert shift_days(key, "h", "p1") != shift_days(key, "g", "p1")
    assert [shift_days(b"other" * 8, "h", f"p{i}") for i in range(9)] != days[:9]
