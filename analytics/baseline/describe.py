"""What a group's values look like: the numbers behind a baseline table.

Belongs here: mean, SD, quantiles, normality of one set of numbers. Does not belong here: comparisons
and printing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

# R's and SPSS's numbering -> numpy's names (Hyndman & Fan 1996)
QUANTILE_TYPES: dict[int, Literal["weibull", "linear"]] = {6: "weibull", 7: "linear"}


@dataclass(frozen=True)
class Description:
    """Summary of one group's known values; ``None`` where there are too few of them."""

    n: int
    mean: float | None = None
    sd: float | None = None
    median: float | None = None
    q1: float | None = None
    q3: float | None = None
    minimum: float | None = None
    maximum: float | None = None


def describe(values: np.ndarray, quantile_type: int = 7) -> Description:
    """Describe finite numbers. SD has n - 1 in its denominator; quartiles are R's type 7 unless told."""
    if not len(values):
        return Description(0)
    q1, median, q3 = quantiles(values, (0.25, 0.5, 0.75), quantile_type)
    sd = float(values.std(ddof=1)) if len(values) > 1 else None
    return Description(
        len(values), float(values.mean()), sd, median, q1, q3, float(values.min()), float(values.max())
    )


def quantiles(values: np.ndarray, probabilities: tuple[float, ...], quantile_type: int = 7) -> list[float]:
    """Quantiles of R's type 7 (its default) or 6 (SPSS's, Minitab's). At least one value."""
    if quantile_type not in QUANTILE_TYPES:
        raise ValueError(
            f"quantile_type: expected one of {', '.join(map(str, QUANTILE_TYPES))}; found {quantile_type}"
        )
    return np.quantile(values, probabilities, method=QUANTILE_TYPES[quantile_type]).tolist()


def shapiro_wilk(values: np.ndarray) -> tuple[float, float] | None:
    """W and p of Shapiro & Wilk's test of normality (Royston 1995, algorithm AS R94); None outside
    3..5000 values or when they are all the same."""
    if not 3 <= len(values) <= 5000 or values.min() == values.max():
        return None
    found = stats.shapiro(values)
    return float(found.statistic), float(found.pvalue)
