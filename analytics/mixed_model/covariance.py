"""The covariance of one patient's visits and its derivatives.

Belongs here: V_i = Z_i D Z_i' + sigma^2 R_i(phi) for all patterns of a block, and the parameters that a
search moves. Does not belong here: data (patients.py) and the likelihood (likelihood.py).

R_i(phi)[j, k] = phi ^ |t_j - t_k|: AR(1) over an integer index (phi may be negative; a skipped visit gives
phi^2), or CAR(1) over continuous time (phi > 0). Source: Pinheiro and Bates (2000), Mixed-Effects Models in
S and S-PLUS, 5.3.

Derivatives are taken by the lower triangle of D by columns, sigma^2 where asked, and the serial parameter:
phi for AR(1), the rate of decay -log(phi) for CAR(1), which stays in range whatever the unit of time. V is
linear in the others. The search moves theta = (entries of L, psi) instead, with D = sigma^2 L L', L lower
trapezoidal (q x rank), phi = tanh(psi) for AR(1) and rate = exp(psi) / unit for CAR(1), unit a typical
distance between visits. L has no bounds: where D is singular on the boundary, the likelihood as a function
of L is smooth and stationary there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from analytics.mixed_model.patients import Block


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
    """A covariance (patterns, n, n), its first derivatives (m, ...), and non-zero second ones by parameter
    pair.
    """

    value: np.ndarray
    first: np.ndarray
    second: dict[tuple[int, int], np.ndarray]


def covariance(
    block: Block, structure: Structure, d: np.ndarray, sigma2: float | None, serial: float, order: int
) -> Derivatives:
    """V and its derivatives by (lower triangle of D, sigma^2, the serial parameter).

    With ``sigma2`` None the covariance is relative, W = V / sigma^2 as a function of D / sigma^2, and
    sigma^2 is no parameter. A padded visit has unit variance, whatever the parameters.
    """
    weights = np.array([d[i, j] for i, j in structure.triangle])
    n_entries = len(weights)
    r = _correlation(block, structure, serial, order)
    scale = 1.0 if sigma2 is None else sigma2
    value = (weights @ block.products.reshape(n_entries, -1)).reshape(block.padding.shape)
    value += scale * r[0] + block.padding
    if order == 0:
        return Derivatives(value, np.zeros((0, *value.shape)), {})
    extra = ([] if sigma2 is None else [r[0]]) + ([scale * r[1]] if structure.has_serial else [])
    first = np.concatenate([block.products, np.array(extra)]) if extra else block.products
    second: dict[tuple[int, int], np.ndarray] = {}
    if order >= 2 and structure.has_serial:
        at = len(first) - 1
        second[at, at] = scale * r[2]
        if sigma2 is not None:
            second[n_entries, at] = r[1]
    return Derivatives(value, first, second)


def _correlation(block: Block, structure: Structure, serial: float, order: int) -> list[np.ndarray]:
    """R and, up to ``order``, its derivatives by the serial parameter; zero for padded visits."""
    if not structure.has_serial:
        return [block.identity]
    table = _decay if structure.serial == "car1" else _power
    values = np.zeros((order + 1, len(block.lags) + 1))  # the last stands for a pair with a padded visit
    values[:, :-1] = table(block.lags, serial)[: order + 1]
    return list(values[:, block.lag_index])


def _power(lags: np.ndarray, phi: float) -> np.ndarray:
    """phi ^ lag and its first two derivatives by phi."""
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(lags > 0, lags * phi ** (lags - 1), 0.0)
        second = np.where(lags > 1, lags * (lags - 1) * phi ** (lags - 2), 0.0)
        return np.stack([phi**lags, first, second])


def _decay(lags: np.ndarray, rate: float) -> np.ndarray:
    """exp(-rate lag) and its first two derivatives by the rate."""
    value = np.exp(-rate * lags)
    return np.stack([value, -lags * value, lags**2 * value])
