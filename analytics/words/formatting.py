"""Numbers as a journal prints them: the ``display`` text of every results table.

Belongs here: rounding, and the few shapes in which a number, a summary or a p value is printed.
Does not belong here: any estimate, and where a text goes (``tables.py``).

Rounding is half away from zero on the decimal number a person sees: 0.285 prints as 0.29 and 22.225 as
22.23, although the nearest binary number to 0.285 lies below it. Two numbers that differ only by binary
noise (0.1 + 0.2 and 0.3) therefore print alike; 12 significant digits are kept before rounding. Means
and SDs keep trailing zeros (5.86 ± 3.30); medians and quartiles keep them or not (``3792 (893, 5126)``,
``2.00 (1.90, 2.80)``), as the variable declares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

NOT_AVAILABLE = "–"
DECIMALS = 2
P_DECIMALS = 3


@dataclass(frozen=True)
class Public:
    """A number as it may leave the house: its text, and nothing from which the number could be had."""

    text: str

    def __str__(self) -> str:
        return self.text


def format_number(value: float | None, decimals: int = DECIMALS, keep_zeros: bool = True) -> str:
    """``value`` with ``decimals`` places, half away from zero; ``keep_zeros=False`` drops trailing zeros."""
    if value is None or math.isnan(value):
        return NOT_AVAILABLE
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    rounded = Decimal(f"{value:.12g}").quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    text = f"{rounded:f}"
    if not keep_zeros and "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.removeprefix("-") if not rounded else text


def enough_decimals(numbers: Sequence[float | None]) -> int:
    """``DECIMALS``, or as many as two significant digits of the largest number need: 0.0034 needs 4."""
    sizes = [abs(v) for v in numbers if v is not None and math.isfinite(v) and v]
    return max(DECIMALS, 1 - int(f"{max(sizes):.11e}".partition("e")[2])) if sizes else DECIMALS


def decimals_for(numbers: Sequence[float | None]) -> int:
    """Decimals of an estimate and its interval: 0 from 100 on, 1 from 10, below that two significant digits
    or more.
    """
    size = max((abs(v) for v in numbers if v is not None and math.isfinite(v)), default=1.0)
    return 0 if size >= 100 else 1 if size >= 10 else enough_decimals([size])


def format_mean_sd(mean: float | None, sd: float | None, decimals: int = DECIMALS) -> str:
    """``31.33 ± 11.80``; one observation has no SD: ``31.33 ± –``."""
    if mean is None or math.isnan(mean):
        return NOT_AVAILABLE
    return f"{format_number(mean, decimals)} ± {format_number(sd, decimals)}"


def format_median_iqr(
    median: float | str | None,
    q1: float | str | None,
    q3: float | str | None,
    decimals: int = DECIMALS,
    keep_zeros: bool = True,
) -> str:
    """``3792 (893, 5126)``. A quantile below a detection limit comes as text: ``<0.10 (<0.10, 1.18)``."""
    parts = [
        part if isinstance(part, str) else format_number(part, decimals, keep_zeros)
        for part in (median, q1, q3)
    ]
    return NOT_AVAILABLE if parts[0] == NOT_AVAILABLE else f"{parts[0]} ({parts[1]}, {parts[2]})"


def format_count_percent(count: int | None, n: int, decimals: int = DECIMALS) -> str:
    """``4 (22.22)``: percent of the ``n`` whose answer is known; nobody known is not 0 %."""
    if count is None or n == 0:
        return NOT_AVAILABLE
    return f"{count} ({format_number(100 * count / n, decimals)})"


def format_p(p_value: float | Public | None, decimals: int = P_DECIMALS) -> str:
    """``0.004``; below the last decimal that is printed, ``<0.001``; what may leave, by its text."""
    if isinstance(p_value, Public):
        return p_value.text
    if p_value is None or math.isnan(p_value):
        return NOT_AVAILABLE
    smallest = 10.0**-decimals
    return f"<{smallest:.{decimals}f}" if p_value < smallest else format_number(p_value, decimals)


def format_limit(
    limit: float, comparator: str = "<", decimals: int = DECIMALS, keep_zeros: bool = True
) -> str:
    """A bound as it is known: ``<0.10``."""
    return f"{comparator}{format_number(limit, decimals, keep_zeros)}"


def format_estimate_ci(
    estimate: float | None, ci_low: float | None, ci_high: float | None, decimals: int = DECIMALS
) -> str:
    """``1.40 (0.56 to 3.64)``; an end that does not exist is ``∞`` or ``–``."""
    if estimate is None or math.isnan(estimate):
        return NOT_AVAILABLE
    low, high = format_number(ci_low, decimals), format_number(ci_high, decimals)
    return f"{format_number(estimate, decimals)} ({low} to {high})"
