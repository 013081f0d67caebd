"""Kenward-Roger: covariance of fixed effects adjusted for small samples, scaled F and its degrees of freedom.

Belongs here: the adjustment for covariances linear in their parameters, fitted by REML. Does not belong
here: serial correlation (its second derivatives are not part of this formula) and other tests
(term_tests.py).

Kenward and Roger (1997), Biometrics 53:983, with expected information, as pbkrtest (Halekoh and Hojsgaard
2014, J Stat Softw 59(9)) computes it: v = (lower triangle of D, sigma^2), G_k = dV/dv_k, Phi =
(X'V^-1X)^-1,

    P_k  = -X'V^-1 G_k V^-1 X,   Q_kl = X'V^-1 G_k V^-1 G_l V^-1 X,
    W    = 2 [tr(V^-1 G_k V^-1 G_l) - 2 tr(Phi Q_kl) + tr(Phi P_k Phi P_l)]^-1,
    Phi_A = Phi + 2 Phi [sum_kl W_kl (Q_kl - P_k Phi P_l)] Phi.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytics.mixed_model.fitted import Fitted
from analytics.mixed_model.information import Information


@dataclass(frozen=True)
class KenwardRoger:
    """Unadjusted and adjusted covariance of the kept coefficients, with what the degrees of freedom need."""

    phi: np.ndarray
    adjusted: np.ndarray
    p: np.ndarray  # (m, p, p), in the units of phi^-1
    w: np.ndarray

    def scaled_f(self, rows: np.ndarray, beta: np.ndarray) -> tuple[float, int, float]:
        """Scaled F, numerator and denominator degrees of freedom of rows @ beta = 0."""
        rows = _full_rank(rows)
        q = len(rows)
        df, scaling = self._df(rows)
        estimate = rows @ beta
        wald = float(estimate @ np.linalg.solve(rows @ self.adjusted @ rows.T, estimate))
        return scaling * wald / q, q, df

    def df(self, combination: np.ndarray) -> float:
        """Degrees of freedom of one combination of coefficients, whose variance is l' adjusted l."""
        return self._df(combination[None, :])[0]

    def _df(self, rows: np.ndarray) -> tuple[float, float]:
        q = len(rows)
        theta = rows.T @ np.linalg.solve(rows @ self.phi @ rows.T, rows)
        u = theta @ self.phi @ self.p @ self.phi
        traces = np.trace(u, axis1=1, axis2=2)
        m = len(u)
        a1 = float(traces @ self.w @ traces)
        a2 = float((self.w * (u.reshape(m, -1) @ u.transpose(0, 2, 1).reshape(m, -1).T)).sum())
        b = (a1 + 6.0 * a2) / (2.0 * q)
        g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
        c1, c2, c3 = np.array([g, q - g, q + 2 - g]) / (3.0 * q + 2.0 * (1.0 - g))
        v0, v1, v2 = 1.0 + c1 * b, 1.0 - c2 * b, 1.0 - c3 * b
        v0 = 0.0 if abs(v0) < 1e-10 else v0
        rho = _ratio(1.0 - a2 / q, v1) ** 2 * v0 / v2 / q
        df = 4.0 + (q + 2) / (q * rho - 1.0)
        scaling = 1.0 if abs(df - 2.0) < 0.01 else df * (1.0 - a2 / q) / (df - 2.0)
        return float(df), float(scaling)


def kenward_roger(fitted: Fitted, info: Information) -> KenwardRoger:
    """The adjustment at a REML fit without serial correlation."""
    p = fitted.problem.n_columns
    sums = info.point.sums
    phi = info.point.inverse
    slopes = sums.first[:, :p, :p]
    q_sum = sums.second[:, :, :p, :p]  # Q_kl + Q_lk
    phi_p = phi @ slopes
    m = len(slopes)
    expected = -sums.det_second - np.tensordot(q_sum, phi, 2)
    expected = expected + phi_p.reshape(m, -1) @ phi_p.transpose(0, 2, 1).reshape(m, -1).T
    w = 2.0 * np.linalg.pinv(expected, rcond=1e-12, hermitian=True)
    inner = 0.5 * np.tensordot(w, q_sum, 2) - np.einsum(
        "kl,kab,bc,lcd->ad", w, slopes, phi, slopes, optimize=True
    )
    half = fitted.scaling.response * np.linalg.inv(fitted.scaling.root)
    back = fitted.scaling.root / fitted.scaling.response
    adjusted = phi + 2.0 * phi @ inner @ phi
    return KenwardRoger(half @ phi @ half.T, half @ adjusted @ half.T, back.T @ slopes @ back, w)


def _ratio(numerator: float, denominator: float) -> float:
    return 1.0 if abs(numerator) < 1e-14 and abs(denominator) < 1e-14 else numerator / denominator


def _full_rank(rows: np.ndarray) -> np.ndarray:
    _, size, vectors = np.linalg.svd(rows, full_matrices=False)
    return vectors[size > 1e-10 * size.max()]
