"""A typed cell as the text that a person sees.

Belongs here: that one rule, shared by every format whose cells have types. Does not belong here: reading
meaning into text.

A number is written as a person reads it: a whole number without its `.0`, any other as the shortest text for
it. It gets the decimal mark of its table: beside texts such as `1.234` that mean 1234, the number 1.234 is
written `1,234`. A date is ISO; its time follows if it has one.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

WHOLE = 1e15  # a double keeps 15 digits of any number; a longer one may have lost its last


class Formatted(str):
    """A number with what its format shows beside it, such as `38.5%` or `<0.10 mg/dL`."""

    number: slice  # where the digits stand; only they take the table's decimal mark

    @classmethod
    def of(cls, before: str, digits: str, after: str) -> Formatted:
        made = cls(before + digits + after)
        made.number = slice(len(before), len(before) + len(digits))
        return made

    def marked(self, decimal_mark: str) -> str:
        at = self.number
        return self[: at.start] + self[at].replace(".", decimal_mark) + self[at.stop :]


def cell_text(value: Any, decimal_mark: str = ".") -> str:
    """What a person sees in the cell."""
    if isinstance(value, str):
        return value.marked(decimal_mark) if type(value) is Formatted else value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        if value != value:
            return ""
        return (
            f"{value:.0f}"
            if value.is_integer() and abs(value) < 1e21
            else repr(value).replace(".", decimal_mark)
        )
    if isinstance(value, dt.datetime):
        return _date_time_text(value)
    if isinstance(value, dt.timedelta):
        return _duration_text(value)
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    return str(value)


def _date_time_text(value: dt.datetime) -> str:
    """Midnight is written as a date. A fraction that misses a whole second only by rounding becomes that
    second.
    """
    if value.microsecond >= 999_500:
        value = value.replace(microsecond=0) + dt.timedelta(seconds=1)
    if value.time() == dt.time():
        return value.date().isoformat()
    precision = "milliseconds" if value.microsecond >= 500 else "seconds"
    return value.isoformat(sep=" ", timespec=precision)


def _duration_text(value: dt.timedelta) -> str:
    seconds = round(value.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    minutes, seconds = divmod(seconds, 60)
    return f"{sign}{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
