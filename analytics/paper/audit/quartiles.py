"""What a printed median and quartiles say of the ordered values behind them.

Belongs here: bounds of order statistics, and whether a mean and SD can stand beside them. Does not belong
here: rank tests (``rank_bounds.py``).

Quartiles of type 7 (Hyndman & Fan 1996, the default of R, NumPy and Excel) lie at position h = (n - 1) q of
the n ordered values x_0 … x_(n-1): Q = (1 - f) x_k + f x_(k+1), k and f the whole and the fractional part of
h. So x_k <= Q <= x_(k+1), and Q = x_k where f is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from analytics.paper.printed_numbers import PrintedNumber
from analytics.paper.published import PrintedSummary, PrintedVariable

QUARTILES = (0.5, 0.25, 0.75)  # in the order in which a summary prints them
BINARY_NOISE = 1e-9
FREE = PrintedVariable()


@dataclass(frozen=True)
class OrderBounds:
    """For each of n ordered values the lowest and highest that it can be."""

    low: np.ndarray
    high: np.ndarray

    @property
    def possible(self) -> bool:
        return bool((self.low <= self.high + BINARY_NOISE).all())


def order_bounds(summary: PrintedSummary, n: int, variable: PrintedVariable = FREE) -> OrderBounds:
    """Bounds of the ``n`` ordered values behind a printed median and quartiles, within the variable's
    range.
    """
    low = np.full(n, -math.inf if variable.low is None else float(variable.low))
    high = np.full(n, math.inf if variable.high is None else float(variable.high))
    for q, number in zip(QUARTILES, summary.numbers, strict=True):
        k, f = _position(n, q)
        least, most = number.interval
        high[k] = min(high[k], most)
        low[k + (f > 0)] = max(low[k + (f > 0)], least)
    low, high = _ordered(low, high)
    for q, number in zip(QUARTILES, summary.numbers, strict=True):
        k, f = _position(n, q)
        if f > 0:  # one neighbour at its end limits the other
            high[k + 1] = min(high[k + 1], (number.interval[1] - (1 - f) * low[k]) / f)
            low[k] = max(low[k], (number.interval[0] - f * high[k + 1]) / (1 - f))
    return OrderBounds(*_ordered(low, high))


def _position(n: int, q: float) -> tuple[int, float]:
    h = (n - 1) * q
    k = math.floor(h + BINARY_NOISE)
    return k, max(h - k, 0.0) if h - k > BINARY_NOISE else 0.0


def _ordered(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """No value is below its forerunner."""
    return np.maximum.accumulate(low), np.minimum.accumulate(high[::-1])[::-1]


def mean_bounds(bounds: OrderBounds) -> tuple[float, float]:
    """The lowest and highest mean that the bounds allow."""
    return float(bounds.low.mean()), float(bounds.high.mean())


def least_sd(bounds: OrderBounds, mean: tuple[float, float]) -> float:
    """No smaller SD is possible beside a mean in the interval ``mean``.

    Each value is at least as far from the mean as its interval is; the sum of these squares is convex in the
    mean.
    """
    n = len(bounds.low)

    def squares(m: float) -> float:
        return float((np.clip(m, bounds.low, bounds.high) - m) @ (np.clip(m, bounds.low, bounds.high) - m))

    if mean[0] < mean[1]:
        inside = optimize.minimize_scalar(squares, bounds=mean, method="bounded").fun
    least = min(squares(mean[0]), squares(mean[1]), inside if mean[0] < mean[1] else math.inf)
    return math.sqrt(least / (n - 1))


def cannot_stand_together(
    quartiles: PrintedSummary, mean: PrintedNumber, sd: PrintedNumber | None, variable: PrintedVariable
) -> str:
    """Why a mean and SD and these quartiles are not of the same n values; empty where nothing shows it."""
    n = quartiles.group_size
    bounds = order_bounds(quartiles, n, variable)
    if not bounds.possible:
        return f"no {n} values have these quartiles"
    low, high = mean_bounds(bounds)
    least, most = mean.interval
    if most < low or least > high:
        return f"the quartiles allow a mean from {low:.4g} to {high:.4g}"
    if sd is not None and n > 1 and (smallest := least_sd(bounds, mean.interval)) > sd.interval[1]:
        return f"beside this mean the quartiles allow no SD below {smallest:.4g}"
    return ""
