"""Responses on which a mixed model's tests and covariance come out as wanted.

Belongs here: given the rows of a design and wanted covariance parameters, the nearest responses for which these
parameters satisfy the REML equations and the type III Wald statistics have given values.
Does not belong here: fitting (``analytics.mixed_model`` does, and says whether it worked), or what the rows mean.

With V = V(theta), C = (X'V^-1 X)^-1, B = C X'V^-1 and P = V^-1 - V^-1 X B, the REML score of theta_k vanishes where

    y' P V_k P y = tr(P V_k)                                   (five equations: D11, D12, D22, sigma^2, phi)

and the Wald statistic of the coefficients in set T is

    (B y)_T' C_TT^-1 (B y)_T                                   (four equations).

At fixed theta all nine are quadratic forms in y. Adding X delta to y moves the last four and leaves the first five.
Source: Harville (1977), JASA 72:320, for the score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

TERMS = ("intercept", "group", "time", "group_by_time")


@dataclass(frozen=True)
class Covariance:
    """Random intercept and slope (per month), residual SD and AR(1) correlation over the visit index."""

    sd_intercept: float
    sd_slope: float
    correlation: float
    sd_residual: float
    phi: float


@dataclass(frozen=True)
class Rows:
    """One row per patient and visit: codes of patient and group, month and index of the visit."""

    patient: np.ndarray
    group: np.ndarray
    month: np.ndarray
    index: np.ndarray

    def design(self) -> np.ndarray:
        """Sum contrasts of two groups and of the visits, and their interaction."""
        n_visits = int(self.index.max()) + 1
        visit = np.vstack([np.eye(n_visits - 1), -np.ones(n_visits - 1)])[self.index]
        group = np.where(self.group == 0, 1.0, -1.0)[:, None]
        return np.hstack([np.ones((len(self.group), 1)), group, visit, group * visit])

    def terms(self) -> list[np.ndarray]:
        """Columns of the intercept, group, time and group by time."""
        n = int(self.index.max())
        return [np.array([0]), np.array([1]), np.arange(2, 2 + n), np.arange(2 + n, 2 + 2 * n)]


class Steering:
    """The nine quadratic equations in the responses of ``rows``; ``free`` are the rows that may change."""

    def __init__(self, rows: Rows, covariance: Covariance, statistics: dict[str, float], free: np.ndarray) -> None:
        x = rows.design()
        v, derivatives = _covariance_matrices(rows, covariance)
        inverse = np.linalg.inv(v)
        c = np.linalg.inv(x.T @ inverse @ x)
        b = c @ x.T @ inverse
        p = inverse - inverse @ x @ b
        forms = [(p @ d @ p, float(np.trace(p @ d))) for d in derivatives]
        for name, columns in zip(TERMS, rows.terms(), strict=True):
            of = b[columns]
            forms.append((of.T @ np.linalg.solve(c[np.ix_(columns, columns)], of), statistics[name]))
        self._forms = [(form, value) for form, value in forms]
        self._free = free

    def statistic_forms(self) -> list[np.ndarray]:
        """The quadratic forms of the four Wald statistics at the covariance given."""
        return [form for form, _ in self._forms[-len(TERMS):]]

    def misfit(self, y: np.ndarray) -> np.ndarray:
        """Relative misfit of each equation."""
        return np.array([y @ form @ y / value - 1.0 for form, value in self._forms])

    def nearest(self, start: np.ndarray, scale: np.ndarray, low: np.ndarray, high: np.ndarray,
                iterations: int = 120) -> tuple[np.ndarray, float, float]:
        """Responses near ``start`` (distance in ``scale``) within bounds; their distance and largest misfit."""
        free = self._free

        def whole(part: np.ndarray) -> np.ndarray:
            y = start.copy()
            y[free] = part
            return y

        def jacobian(part: np.ndarray) -> np.ndarray:
            y = whole(part)
            return np.array([2.0 * (form @ y)[free] / value for form, value in self._forms])

        wanted, unit = start[free], scale[free]
        found = minimize(
            lambda part: float((((part - wanted) / unit) ** 2).sum()),
            np.clip(wanted, low[free], high[free]),
            jac=lambda part: 2.0 * (part - wanted) / unit**2,
            constraints=[{"type": "eq", "fun": lambda part: self.misfit(whole(part)), "jac": jacobian}],
            bounds=np.column_stack([low[free], high[free]]),
            method="SLSQP",
            options={"maxiter": iterations, "ftol": 1e-9},
        )
        y = whole(found.x)
        return y, float(found.fun), float(np.abs(self.misfit(y)).max())


def _covariance_matrices(rows: Rows, of: Covariance) -> tuple[np.ndarray, list[np.ndarray]]:
    """V and its derivatives by D11, D12, D22, sigma^2 and phi."""
    same = (rows.patient[:, None] == rows.patient[None, :]).astype(float)
    t = rows.month.astype(float)
    lag = np.abs(rows.index[:, None] - rows.index[None, :])
    serial = same * of.phi**lag
    by_phi = same * np.where(lag > 0, lag * of.phi ** np.maximum(lag - 1, 0), 0.0)
    variance = of.sd_residual**2
    derivatives = [same, same * (t[:, None] + t), same * np.outer(t, t), serial, variance * by_phi]
    weights = (of.sd_intercept**2, of.correlation * of.sd_intercept * of.sd_slope, of.sd_slope**2, variance)
    v = sum(weight * d for weight, d in zip(weights, derivatives[:4], strict=True))
    return v, derivatives
