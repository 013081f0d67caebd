"""The covariance of one patient's visits and its derivatives.

Belongs here: V_i = Z_i D Z_i' + sigma^2 R_i(phi) for all patterns of a block, in two parametrisations. Does not belong
here: data (patients.py) and the likelihood (likelihood.py).

Relative form, used to fit:  W_i = Z_i L L' Z_i' + R_i(phi), so that V_i = sigma^2 W_i, with L lower trapezoidal (q x rank)
and phi = tanh(psi) for AR(1), phi = expit(psi) ^ (1 / unit) for CAR(1), where unit is a typical distance between visits.
L has no bounds: where D is singular on the boundary, the likelihood as a function of L is smooth and stationary there.

Natural form, used for information:  parameters are the lower triangle of D by columns, sigma^2 and phi.

R_i(phi)[j, k] = phi ^ |t_j - t_k|: AR(1) over an integer index (phi may be negative; a skipped visit gives phi^2), or CAR(1)
over continuous time (phi > 0). Source: Pinheiro and Bates (2000), Mixed-Effects Models in S and S-PLUS, 5.3.
"""

from __future__ import annotations

from dataclasses import dataclass

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
        """Free entries (row, column) of L, by columns."""
        rank = self.n_effects if rank is None else rank
        return [(i, j) for j in range(rank) for i in range(j, self.n_effects)]

    def n_parameters(self) -> int:
        """Covariance parameters including sigma^2."""
        return self.n_effects * (self.n_effects + 1) // 2 + 1 + self.has_serial

    def phi(self, psi: float) -> tuple[float, float, float]:
        """phi and its first two derivatives by psi."""
        if self.serial == "ar1":
            value = np.tanh(psi)
            slope = 1.0 - value * value
            return value, slope, -2.0 * value * slope
        rho = 1.0 / (1.0 + np.exp(-psi))
        power = 1.0 / self.unit
        value = rho**power
        slope = value * power * (1.0 - rho)
        return value, slope, slope * power * (1.0 - rho) - value * power * rho * (1.0 - rho)

    def psi(self, phi: float) -> float:
        if self.serial == "ar1":
            return float(np.arctanh(phi))
        rho = phi**self.unit
        return float(np.log(rho / (1.0 - rho)))


@dataclass(frozen=True)
class Derivatives:
    """A covariance (patterns, n, n), its first derivatives (m, ...), and non-zero second ones by parameter pair."""

    value: np.ndarray
    first: np.ndarray
    second: dict[tuple[int, int], np.ndarray]


def correlation(block: Block, structure: Structure, phi: float, order: int) -> list[np.ndarray]:
    """R and, up to ``order``, its derivatives by phi; padded visits have unit variance."""
    if not structure.has_serial:
        return [np.broadcast_to(np.eye(block.length), block.present.shape)]
    lags = block.lags
    with np.errstate(divide="ignore", invalid="ignore"):
        tables = [np.power(phi, lags)]
        if order >= 1:
            tables.append(np.where(lags > 0, lags * np.power(phi, lags - 1), 0.0))
        if order >= 2:
            curve = lags * (lags - 1)
            tables.append(np.where(curve != 0, curve * np.power(phi, lags - 2), 0.0))
    return [table[block.lag_index] * block.present for table in tables]


def relative_covariance(block: Block, structure: Structure, theta: np.ndarray, rank: int, order: int) -> Derivatives:
    """W and its derivatives by theta = (entries of L, psi if serial)."""
    z = block.design
    entries = structure.entries(rank)
    loading = loading_matrix(structure, theta, rank)
    zl = z @ loading
    value = zl @ zl.transpose(0, 2, 1)
    first: list[np.ndarray] = []
    second: dict[tuple[int, int], np.ndarray] = {}
    if order >= 1:
        for i, j in entries:
            half = z[:, :, i, None] * zl[:, None, :, j]
            first.append(half + half.transpose(0, 2, 1))
    if order >= 2:
        for a, (i, j) in enumerate(entries):
            for b, (k, m) in enumerate(entries[: a + 1]):
                if j == m:
                    half = z[:, :, i, None] * z[:, None, :, k]
                    second[b, a] = half + half.transpose(0, 2, 1)
    if structure.has_serial:
        phi, slope, curve = structure.phi(theta[len(entries)])
        r = correlation(block, structure, phi, order)
        value = value + r[0]
        if order >= 1:
            first.append(r[1] * slope)
        if order >= 2:
            second[len(entries), len(entries)] = r[2] * slope**2 + r[1] * curve
    else:
        value = value + np.eye(block.length)
    stacked = np.array(first) if first else np.zeros((0, *value.shape))
    return Derivatives(value, stacked, second)


def natural_covariance(block: Block, structure: Structure, d: np.ndarray, sigma2: float, phi: float) -> Derivatives:
    """V and its derivatives by (lower triangle of D by columns, sigma^2, phi if serial)."""
    z = block.design
    first: list[np.ndarray] = []
    for i, j in structure.entries():
        half = z[:, :, i, None] * z[:, None, :, j]
        first.append(half if i == j else half + half.transpose(0, 2, 1))
    r = correlation(block, structure, phi, 2)
    diagonal = np.arange(block.length)
    without_padding = r[0].copy()  # the unit variance of a padded visit is no parameter
    without_padding[:, diagonal, diagonal] *= block.exists
    first.append(without_padding)
    value = z @ d @ z.transpose(0, 2, 1) + sigma2 * without_padding
    value[:, diagonal, diagonal] += 1.0 - block.exists
    second: dict[tuple[int, int], np.ndarray] = {}
    if structure.has_serial:
        at = len(first)
        first.append(sigma2 * r[1])
        second[at - 1, at] = r[1]
        second[at, at] = sigma2 * r[2]
    return Derivatives(value, np.array(first), second)


def loading_matrix(structure: Structure, theta: np.ndarray, rank: int) -> np.ndarray:
    """L (q x rank) from theta."""
    loading = np.zeros((structure.n_effects, rank))
    for value, (i, j) in zip(theta, structure.entries(rank)):
        loading[i, j] = value
    return loading
