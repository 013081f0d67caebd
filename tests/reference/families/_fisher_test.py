"""What R's fisher.test reports of a 2 x 2 table: the project's distribution, R's root finder."""

from __future__ import annotations

import math

import numpy as np

from analytics.groups.fisher_exact import conditional
from tests.reference.families._uniroot import EPSILON, uniroot


class RFisherTest:
    """The conditional odds ratio and interval as fisher.test prints them, root finder included."""

    def __init__(self, table: np.ndarray) -> None:
        self.distribution = conditional(table)
        self.x = self.distribution.observed
        self.low, self.high = (int(self.distribution.support[i]) for i in (0, -1))

    def estimate(self) -> float:
        if self.x == self.low:
            return 0.0
        if self.x == self.high:
            return math.inf
        return self._crossing(lambda odds: self._mean(odds) - self.x)

    def interval(self, confidence: float = 0.95) -> list[float]:
        tail = (1 - confidence) / 2
        lower = 0.0 if self.x == self.low else self._crossing(lambda odds: self._upper_tail(odds) - tail)
        upper = (
            math.inf if self.x == self.high else self._crossing(lambda odds: tail - self._lower_tail(odds))
        )
        return [lower, upper]

    def _crossing(self, increasing) -> float:
        at_one = increasing(1.0)
        if at_one > 0:
            return uniroot(increasing, 0.0, 1.0)
        if at_one < 0:
            return 1 / uniroot(lambda t: increasing(1 / t), EPSILON, 1.0)
        return 1.0

    def _chances(self, odds: float) -> np.ndarray:
        if odds == 0:
            return (self.distribution.support == self.low).astype(float)
        return self.distribution.probabilities(math.log(odds))

    def _mean(self, odds: float) -> float:
        return float((self._chances(odds) * self.distribution.support).sum())

    def _upper_tail(self, odds: float) -> float:
        return float(self._chances(odds)[self.distribution.support >= self.x].sum())

    def _lower_tail(self, odds: float) -> float:
        return float(self._chances(odds)[self.distribution.support <= self.x].sum())
