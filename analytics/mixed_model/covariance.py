"""The covariance of one patient's visits and its derivatives.

Belongs here: W_i = Z_i Delta Z_i' + R_i(phi) for all patterns of a block, where V_i = sigma^2 W_i and D =
sigma^2 Delta, and the parameters that a search moves. Does not belong here: data (patients.py) and sums
over it (sums.py).

R_i(phi)[j, k] = phi ^ |t_j - t_k|: AR(1) over an integer index (phi may be negative; a skipped visit gives
phi^2), or CAR(1) over continuous time (phi > 0). Source: Pinheiro and Bates (2000), Mixed-Effects Models in
S and S-PLUS, 5.3.

Derivatives are taken by the lower triangle of Delta by columns, in which W is linear, and by the serial
parameter: phi for AR(1), the rate of decay -log(phi) for CAR(1), which stays in range whatever the unit of
time. The search moves theta = (entries of L, psi) instead: Delta = L L' with L lower trapezoidal (q x rank),
phi = tanh(psi) for AR(1) and rate = exp(psi) / unit for CAR(1), unit a typical distance between visits. L has
no bounds: where D is singular on the boundary, the likelihood as a function of L is smooth and stationary
there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from analytics.mixed_model.patients import PatternBlock


@dataclass(frozen=True)
class Structure:
    """The covariance model: number of random effects, serial correlation, and its unit of time."""

    n_effects: int
    serial: str  # none, ar1, car1
    unit: float = 1.0

    @property
    def has_serial(self) -> bool:
        return self.serial != "none"

    def entries(self, rank: int | None = None) -> list[tuple[int, int]]:
        """Free entries (row, column) of L, by columns; without ``rank`` the lower triangle of D."""
        rank = self.n_effects if rank is None else rank
        return [(i, j) for j in range(rank) for i in range(j, self.n_effects)]

    @cached_property
    def triangle(self) -> list[tuple[int, int]]:
        return self.entries()

    def n_parameters(self) -> int:
        """Covariance parameters including sigma^2."""
        return len(self.triangle) + 1 + self.has_serial

    def serial_parameter(self, psi: float) -> tuple[float, float, float]:
        """The serial parameter and its first two derivatives by psi; zeros without serial correlation."""
        if self.serial == "none":
            return 0.0, 0.0, 0.0
        if self.serial == "ar1":
            value = float(np.tanh(psi))
            slope = 1.0 - value * value
            return value, slope, -2.0 * value * slope
        rate = float(np.exp(psi)) / self.unit
        return rate, rate, rate

    def psi(self, correlation: float) -> float:
        """The value of psi with this correlation at a distance of one unit."""
        return float(np.arctanh(correlation) if self.serial == "ar1" else np.log(-np.log(correlation)))

    def phi(self, parameter: float) -> tuple[float, float]:
        """Correlation at distance 1, and its derivative by the serial parameter."""
        if self.serial == "ar1":
            return parameter, 1.0
        value = float(np.exp(-parameter))
        return value, -value

    def correlation(self, lags: np.ndarray, serial: float) -> np.ndarray:
        """Correlation at each lag and its first two derivatives by the serial parameter (3 x lags)."""
        if self.serial == "car1":
            value = np.exp(-serial * lags)
            finite = np.where(np.isfinite(lags), lags, 0.0)
            return np.stack([value, -finite * value, finite**2 * value])
        with np.errstate(divide="ignore", invalid="ignore"):
            finite = np.isfinite(lags)
            value = np.where(finite, serial**lags, 0.0)
            first = np.where(finite & (lags > 0), lags * serial ** (lags - 1), 0.0)
            second = np.where(finite & (lags > 1), lags * (lags - 1) * serial ** (lags - 2), 0.0)
        return np.stack([value, first, second])

    def loading(self, theta: np.ndarray, rank: int) -> np.ndarray:
        """L (q x rank) from theta."""
        loading = np.zeros((self.n_effects, rank))
        for value, (i, j) in zip(theta, self.entries(rank)):
            loading[i, j] = value
        return loading

    def loading_derivatives(self, theta: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of the lower triangle of L L' by the entries of L: (k, e) and (k, e, e)."""
        second = _loading_curvature(self.n_effects, rank)
        return second @ theta[: second.shape[1]], second


@cache
def _loading_curvature(n_effects: int, rank: int) -> np.ndarray:
    """Second derivatives of the lower triangle of L L' by the entries of L, of which it is quadratic."""
    structure = Structure(n_effects, "none")
    free = structure.entries(rank)
    second = np.zeros((len(structure.triangle), len(free), len(free)))
    for k, (i, j) in enumerate(structure.triangle):
        for e, (a, m) in enumerate(free):
            for f, (b, n) in enumerate(free):
                if m == n:
                    second[k, e, f] = (a == i and b == j) + (a == j and b == i)
    return second


@dataclass(frozen=True)
class Derivatives:
    """W (patterns, n, n), its first derivatives (m, ...) and the second by the serial parameter."""

    value: np.ndarray
    first: np.ndarray
    second_serial: np.ndarray | None


def relative_covariance(
    block: PatternBlock, structure: Structure, delta: np.ndarray, serial: float
) -> Derivatives:
    """W and its derivatives by (lower triangle of Delta, serial parameter). A padded visit has variance 1."""
    weights = np.array([delta[i, j] for i, j in structure.triangle])
    value = (weights @ block.products.reshape(len(weights), -1)).reshape(block.padding.shape)
    if not structure.has_serial:
        return Derivatives(value + block.identity + block.padding, block.products, None)
    assert block.lags is not None  # rows that are serially correlated come with their times
    tables = np.zeros((3, len(block.lags) + 1))  # the last entry stands for a pair with a padded visit
    tables[:, :-1] = structure.correlation(block.lags, serial)
    r = tables[:, block.lag_index]
    return Derivatives(value + r[0] + block.padding, np.concatenate([block.products, r[1:2]]), r[2])
