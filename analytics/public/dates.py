"""Dates of patients as they may leave the house.

Belongs here: what becomes of a date under `dates: exact | shifted | month` of `registry.yml`. Does not belong
here: counts and summaries (`study.py`), and where the key lies (`orchestration/raw/pseudonym.py`).

A shift is a number of days of the patient's own, the same for all of the patient's dates, so intervals stay
as they are. It comes from a keyed hash: without the key nobody can take it back, and with it each output
shifts alike. The reports of today hold no date of a patient; an output with rows of patients is written
through `public_dates`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

Dates = Literal["exact", "shifted", "month"]
LEAST_SHIFT, MOST_SHIFT = 30, 365  # days, to either side
PATIENT = ("hospital_id", "patient_key")
_WHOLE_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def public_dates(frame: pd.DataFrame, columns: Sequence[str], dates: Dates, key: bytes) -> pd.DataFrame:
    """``frame`` with the dates in ``columns`` as they may leave. They are dates, timestamps or ISO texts; a
    text that is no whole day (``2024-05``) is left out where dates are shifted, because a month cannot be.
    """
    if dates == "exact":
        return frame
    made = frame.copy()
    patients = list(zip(*(frame[c].astype(str) for c in PATIENT), strict=True))
    for column in columns:
        values = frame[column].astype(object).where(frame[column].notna(), None)
        if dates == "month":
            made[column] = [_month(value) for value in values]
        else:
            made[column] = [
                _shifted(value, shift_days(key, *patient))
                for value, patient in zip(values, patients, strict=True)
            ]
    return made


def shift_days(key: bytes, hospital_id: str, patient_key: str) -> int:
    """The patient's own number of days: 30 to 365, forward or back."""
    text = f"dates|{hospital_id}|{patient_key}".encode()
    number = int.from_bytes(hmac.new(key, text, hashlib.sha256).digest()[:8], "big")
    days = LEAST_SHIFT + number % (MOST_SHIFT - LEAST_SHIFT + 1)
    return days if number >> 63 else -days


def _month(value: Any) -> Any:
    """The first day of the month; of a text, its year and month."""
    if isinstance(value, str):
        return value[:7]
    if isinstance(value, datetime):
        return value.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return value.replace(day=1) if isinstance(value, date) else None


def _shifted(value: Any, days: int) -> Any:
    if isinstance(value, str):
        found = _WHOLE_DAY.match(value)
        return (date.fromisoformat(found.group()) + timedelta(days=days)).isoformat() if found else None
    return value + timedelta(days=days) if isinstance(value, date) else None
