"""What a course should keep to, as residuals for ``steering.py``: 0 where it does.

Belongs here: the forms that such a wish has, for one patient from visit to visit and for a group's mean.
Does not belong here: which limits hold for which response (``trajectories.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RiseByFactor:
    """From one visit to the next a value rises at most by ``factor``, or to ``always_up_to`` at least."""

    before: np.ndarray
    after: np.ndarray
    factor: np.ndarray
    always_up_to: float
    weight: float

    def __call__(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        allowed = np.maximum(self.factor * y[self.before], self.always_up_to)
        excess = np.log(y[self.after] / allowed)
        at = np.flatnonzero(excess > 0)
        slopes = np.zeros((len(at), len(y)))
        slopes[np.arange(len(at)), self.after[at]] = 1.0 / y[self.after[at]]
        moves = at[self.factor[at] * y[self.before[at]] > self.always_up_to]
        slopes[np.searchsorted(at, moves), self.before[moves]] = -1.0 / y[self.before[moves]]
        return self.weight * excess[at], self.weight * slopes


@dataclass(frozen=True)
class ChangeWithin:
    """From one visit to the next a value changes by ``least`` to ``most``."""

    before: np.ndarray
    after: np.ndarray
    least: np.ndarray
    most: np.ndarray
    weight: float

    def __call__(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        change = y[self.after] - y[self.before]
        outside = np.minimum(change - self.least, 0.0) + np.maximum(change - self.most, 0.0)
        at = np.flatnonzero(outside)
        slopes = np.zeros((len(at), len(y)))
        slopes[np.arange(len(at)), self.after[at]] = 1.0
        slopes[np.arange(len(at)), self.before[at]] = -1.0
        return self.weight * outside[at], self.weight * slopes


@dataclass(frozen=True)
class MeanFallsByFactor:
    """A group's mean at a visit is at most ``factor`` times its mean at the visit before."""

    before: np.ndarray
    after: np.ndarray
    factor: float
    weight: float

    def __call__(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first, second = y[self.before].mean(), y[self.after].mean()
        excess = np.log(second / first / self.factor)
        slopes = np.zeros((1, len(y)))
        slopes[0, self.after] = 1.0 / second / len(self.after)
        slopes[0, self.before] = -1.0 / first / len(self.before)
        is_met = excess <= 0
        return self.weight * np.array([0.0 if is_met else excess]), self.weight * (
            0.0 if is_met else 1.0
        ) * slopes


@dataclass(frozen=True)
class MeanRisesBy:
    """A group's mean at a visit is at least ``least`` above its mean at the visit before."""

    before: np.ndarray
    after: np.ndarray
    least: float
    weight: float

    def __call__(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        lacks = self.least - (y[self.after].mean() - y[self.before].mean())
        slopes = np.zeros((1, len(y)))
        slopes[0, self.after] = -1.0 / len(self.after)
        slopes[0, self.before] = 1.0 / len(self.before)
        is_met = lacks <= 0
        return self.weight * np.array([0.0 if is_met else lacks]), self.weight * (
            0.0 if is_met else 1.0
        ) * slopes
