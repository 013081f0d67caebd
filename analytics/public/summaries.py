"""Means, medians and differences as they may leave the house.

Belongs here: to how many digits a summary is printed, and intervals made from what is printed. Does not
belong here: counts (`analytics/words/disclosure.py`), which summaries leave (`study.py`).

A mean of whole numbers with two decimals gives the number of patients (Brown and Heathers 2017, GRIM), and so
do a quartile's fraction and the width of a confidence interval. So a summary has no more digits than its
spread asks for, and an interval is made from the printed mean, the printed SD and the rounded number: whoever
reads it could have computed it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analytics.words.disclosure import known
from analytics.words.formatting import format_number


@dataclass(frozen=True)
class PublicMean:
    """A mean and its SD, both rounded to ``unit``."""

    mean: float
    sd: float
    unit: float

    @property
    def text(self) -> str:
        return f"{in_units(self.mean, self.unit)} ± {in_units(self.sd, self.unit)}"

    def interval(self, n: int) -> tuple[float, float]:
        """The 95% t interval of ``n`` patients, where ``n`` is a rounded number."""
        half = _t(n - 1) * self.sd / math.sqrt(n)
        return self.mean - half, self.mean + half


def public_mean(mean: float | None, sd: float | None) -> PublicMean | None:
    """Rounded to two digits of the SD; to one, if the SD is below 1."""
    if not known(mean) or not known(sd) or sd <= 0:
        return None
    unit = 10.0 ** (_place(sd) - (1 if sd >= 1 else 0))
    return PublicMean(_to(mean, unit), _to(sd, unit), unit)


def public_quartiles(row: Mapping[str, Any]) -> tuple[tuple[float, ...], float] | None:
    """First quartile, median and third, and the unit to which they are rounded: two digits of their distance
    from 10 on, one below. Quarters of whole numbers are rounded to whole numbers.
    """
    quartiles = [float(row[c]) for c in ("q1", "median", "q3") if known(row.get(c))]
    if len(quartiles) < 3:
        return None
    spread = quartiles[2] - quartiles[0]
    if spread <= 0:
        return None
    unit = 10.0 ** (_place(spread) - (1 if spread >= 10 else 0))
    if all(float(4 * q).is_integer() for q in quartiles):
        unit = max(unit, 1.0)
    return tuple(_to(q, unit) for q in quartiles), unit


def difference(first: PublicMean, n_first: int, second: PublicMean, n_second: int) -> str:
    """``-12 (-18 to -6)``: Welch's interval, from printed means, printed SDs and rounded numbers."""
    a, b = first.sd**2 / n_first, second.sd**2 / n_second
    df = (a + b) ** 2 / (a**2 / (n_first - 1) + b**2 / (n_second - 1))
    half = _t(df) * math.sqrt(a + b)
    unit = max(first.unit, second.unit)
    middle = first.mean - second.mean
    return f"{in_units(middle, unit)} ({in_units(middle - half, unit)} to {in_units(middle + half, unit)})"


def with_digits(value: float | None, digits: int = 2) -> str:
    """``value`` with so many significant digits; empty if it is not known."""
    if not known(value) or math.isinf(value):
        return ""
    return in_units(value, 10.0 ** (_place(value) - digits + 1)) if value else "0"


def in_units(value: float, unit: float) -> str:
    """``value`` rounded to ``unit``, a power of ten."""
    return format_number(_to(value, unit), max(0, -round(math.log10(unit))))


def _place(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def _to(value: float, unit: float) -> float:
    return float(format_number(value / unit, 0)) * unit


def _t(df: float) -> float:
    from scipy import stats

    return float(stats.t.ppf(0.975, df))
