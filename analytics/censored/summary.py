"""Summaries and ratios of values of which some are known only as below or above a limit.

Belongs here: bounds of sample quantiles, Kaplan-Meier quantiles, geometric and arithmetic means by
maximum likelihood, ratios of bounds, and how a bounded number is printed. Does not belong here:
regression (``regression.py``) and comparisons (``groups.py``).

Three answers, from least assumed to most:

- The sample's median and quartiles themselves. Each lies between the quantile of the lower bounds and that
  of the upper bounds, whatever the hidden values are. If both agree, the quantile is known; otherwise it
  prints as a bound (``<0.10``).
- The Kaplan-Meier quantiles with intervals (log-log), for limits on one side. A left-censored sample is
  turned round (Helsel 2012, Statistics for Censored Environmental Data, ch. 6); survfit's quantiles of the
  turned values agree.
- Geometric and arithmetic mean of a log-normal distribution by maximum likelihood (``censored_regression``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from analytics.censored.regression import CensoredFit, censored_regression, read_bounds
from analytics.comparison import CONFIDENCE, check_confidence
from analytics.door import takes_any_frame
from analytics.status import OK, TOO_FEW_OBSERVATIONS, require_columns
from analytics.survival.kaplan_meier import confidence_limits, first_time_at_or_below, product_limit
from analytics.words.formatting import DECIMALS, NOT_AVAILABLE, format_limit, format_median_iqr, format_number

QUARTILES = (0.25, 0.5, 0.75)
METHOD = "bounds of sample quantiles (type 7); Kaplan-Meier quantiles; log-normal maximum likelihood"


@dataclass(frozen=True)
class Bounded:
    """A number known to lie between ``low`` and ``high``; known where they are the same."""

    low: float
    high: float

    @property
    def is_known(self) -> bool:
        return self.low == self.high

    def display(self, decimals: int = DECIMALS, keep_zeros: bool = True, floor: float = 0.0) -> str:
        """``2.90``, ``<0.10``, ``>2000``, ``0.05–0.10``; nothing is known of a number that prints as
        ``–``.
        """
        at_floor = self.low <= floor
        if self.is_known:
            return format_number(self.low, decimals, keep_zeros)
        if at_floor and math.isinf(self.high):
            return NOT_AVAILABLE
        if at_floor:
            return format_limit(self.high, "<", decimals, keep_zeros)
        if math.isinf(self.high):
            return format_limit(self.low, ">", decimals, keep_zeros)
        ends = (format_number(end, decimals, keep_zeros) for end in (self.low, self.high))
        return "–".join(ends)


def quantile_bounds(low: np.ndarray, high: np.ndarray, probability: float) -> Bounded:
    """Between which numbers the sample quantile (type 7) lies, given bounds of each value."""
    return Bounded(_quantile(low, probability), _quantile(high, probability))


def _quantile(values: np.ndarray, probability: float) -> float:
    """Type 7 of values that may be infinite."""
    ordered = np.sort(values)
    position = probability * (len(ordered) - 1)
    below = math.floor(position)
    first, share = float(ordered[below]), position - below
    if share == 0 or first == ordered[below + 1]:
        return first
    return first + share * float(ordered[below + 1] - first)


@takes_any_frame
def summarise_censored(
    data: pd.DataFrame,
    *,
    lower: str = "lower",
    upper: str = "upper",
    group: str | None = None,
    groups: Sequence[Any] | None = None,
    decimals: int = DECIMALS,
    keep_zeros: bool = True,
    positive: bool = True,
    confidence: float = CONFIDENCE,
) -> pd.DataFrame:
    """One row per group (or one, ``group_id`` "all").

    ``n`` counts patients of whom something is known: ``n_measured``, ``n_below``, ``n_above``, ``n_between``.
    ``median_low`` to ``q3_high`` bound the sample's quantiles and ``display`` prints them; ``km_median`` with
    ``km_low, km_high``; for positive values ``geometric_mean``, ``mean`` and their intervals, of a log-normal
    distribution. Raises ValueError as ``censored_regression`` does.
    """
    check_confidence(confidence)
    require_columns(data, [group] if group else [])
    labels = ("all",) if group is None else tuple(groups or pd.unique(data[group].dropna()))
    rows = []
    for label in labels:
        part = data if group is None else data[data[group] == label]
        rows.append(
            {"group_id": label} | _summarise(part, lower, upper, decimals, keep_zeros, positive, confidence)
        )
    return pd.DataFrame(rows)


def _summarise(
    part: pd.DataFrame,
    lower: str,
    upper: str,
    decimals: int,
    keep_zeros: bool,
    positive: bool,
    confidence: float,
) -> dict[str, Any]:
    low, high, known = read_bounds(part, lower, upper, positive)
    n_missing = int((~known).sum())
    low, high = low[known], high[known]
    floor = 0.0 if positive else -math.inf
    exact, open_low, open_high = low == high, low <= floor, np.isposinf(high)
    row: dict[str, Any] = {
        "n": len(low),
        "n_missing": n_missing,
        "n_measured": int(exact.sum()),
        "n_below": int((open_low & ~open_high & ~exact).sum()),
        "n_above": int((open_high & ~open_low).sum()),
        "n_between": int((~exact & ~open_low & ~open_high).sum()),
    }
    if not len(low):
        empty = dict.fromkeys(_NUMBERS, math.nan)
        return (
            row
            | empty
            | {
                "display": NOT_AVAILABLE,
                "method": METHOD,
                "status": TOO_FEW_OBSERVATIONS,
                "note": "nothing is known of any value",
            }
        )
    quartiles = [quantile_bounds(low, high, p) for p in QUARTILES]
    for name, bounded in zip(("q1", "median", "q3"), quartiles, strict=True):
        row |= {f"{name}_low": bounded.low, f"{name}_high": bounded.high}
    texts = [bounded.display(decimals, keep_zeros, floor) for bounded in quartiles]
    row["display"] = format_median_iqr(texts[1], texts[0], texts[2])
    km = kaplan_meier_quantiles(low, high, (0.5,), confidence, floor)
    row |= dict(zip(("km_median", "km_low", "km_high"), km[0] if km else (math.nan,) * 3, strict=True))
    fit = (
        censored_regression(part, "~ 1", lower=lower, upper=upper, confidence=confidence)
        if positive
        else None
    )
    row |= _means(fit, confidence)
    notes = [fit.note] if fit is not None and fit.note else []
    if km is None:
        notes.append("limits on both sides: no Kaplan-Meier quantile")
    return row | {"method": METHOD, "status": fit.status if fit else OK, "note": "; ".join(notes)}


_NUMBERS = (
    "q1_low",
    "q1_high",
    "median_low",
    "median_high",
    "q3_low",
    "q3_high",
    "km_median",
    "km_low",
    "km_high",
    "geometric_mean",
    "geometric_mean_low",
    "geometric_mean_high",
    "sd_log",
    "mean",
    "mean_low",
    "mean_high",
)


def _means(fit: CensoredFit | None, confidence: float) -> dict[str, float]:
    """exp(m) and exp(m + s^2 / 2) with intervals on the log scale by the delta method."""
    names = (
        "geometric_mean",
        "geometric_mean_low",
        "geometric_mean_high",
        "sd_log",
        "mean",
        "mean_low",
        "mean_high",
    )
    if fit is None or fit.status != OK:
        return dict.fromkeys(names, math.nan)
    first = fit.summary.iloc[0]
    sigma = fit.scale[0]
    centre = float(first["estimate"]) + sigma**2 / 2
    slope = np.array([1.0, sigma**2])  # of m + s^2 / 2 by m and log s
    reach = float(special.ndtri(0.5 + confidence / 2)) * math.sqrt(float(slope @ fit.covariance @ slope))
    values = (
        first["ratio"],
        first["ratio_low"],
        first["ratio_high"],
        sigma,
        math.exp(centre),
        math.exp(centre - reach),
        math.exp(centre + reach),
    )
    return dict(zip(names, map(float, values), strict=True))


def kaplan_meier_quantiles(
    low: np.ndarray, high: np.ndarray, probabilities: Sequence[float], confidence: float, floor: float = 0.0
) -> list[tuple[float, float, float]] | None:
    """Quantile with log-log limits for each probability; NaN where the limits hide it.

    None when values are hidden on both sides, or between two limits: one curve cannot be turned both ways.
    """
    exact = low == high
    from_below, from_above = (
        ~exact & (low <= floor) & np.isfinite(high),
        ~exact & np.isposinf(high) & (low > floor),
    )
    if not (exact | from_below).all() and not (exact | from_above).all():
        return None
    turn = -1.0 if from_below.any() else 1.0
    at = turn * np.where(from_below, high, low)
    times, where = np.unique(at, return_inverse=True)
    events = np.asarray(np.bincount(where, weights=exact, minlength=len(times)), dtype=float)
    leaving = np.bincount(where, minlength=len(times))
    at_risk = len(at) - np.concatenate([[0], np.cumsum(leaving)[:-1]])
    survival, error = product_limit(at_risk.astype(float), events)
    below, above = confidence_limits(survival, error, float(special.ndtri(0.5 + confidence / 2)), "log-log")
    heights = np.array([p if turn < 0 else 1 - p for p in probabilities])
    found = [turn * first_time_at_or_below(times, curve, heights) for curve in (survival, below, above)]
    ends = (1, 2) if turn > 0 else (2, 1)
    return [
        (float(found[0][i]), float(found[ends[0]][i]), float(found[ends[1]][i])) for i in range(len(heights))
    ]


@takes_any_frame
def ratio_bounds(
    data: pd.DataFrame, numerator: tuple[str, str], denominator: tuple[str, str]
) -> pd.DataFrame:
    """``lower`` and ``upper`` of the ratio of two positive values, each given by its lower and upper bound.

    A denominator below 0.10 makes the ratio larger than its numerator over 0.10: a bound, not a number.
    Where both are hidden below their limits nothing is known and both are missing. Raises ValueError
    for bounds at or below 0.
    """
    top_low, top_high, top_known = read_bounds(data, *numerator, positive=True)
    bottom_low, bottom_high, bottom_known = read_bounds(data, *denominator, positive=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(np.isinf(bottom_high), 0.0, top_low / bottom_high)
        high = np.where((bottom_low == 0) | np.isinf(top_high), np.inf, top_high / bottom_low)
    known = top_known & bottom_known & ~((low == 0) & np.isinf(high))
    return pd.DataFrame(
        {
            "lower": np.where(known & (low > 0), low, np.nan),
            "upper": np.where(known & np.isfinite(high), high, np.nan),
        },
        index=data.index,
    )
