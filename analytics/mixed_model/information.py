"""Uncertainty of the covariance parameters, and degrees of freedom of fixed effects that follow from it.

Belongs here: observed information at the maximum, Satterthwaite and containment degrees of freedom,
confidence intervals of variances and correlations. Does not belong here: the hypotheses (term_tests.py) and
small-sample F (kenward_roger.py).

With v the covariance parameters (lower triangle of D, sigma^2, the serial parameter) and H the Hessian of
-2 (restricted) log-likelihood, A = 2 H^-1 is their covariance, C(v) = (X'V^-1X)^-1 and
dC/dv_k = C (X'V^-1 dV_k V^-1 X) C. For a combination l'beta

    df = 2 (l'C l)^2 / (g'A g),   g_k = l' dC_k l         (Satterthwaite 1941; Giesbrecht and Burns 1985)

and for a hypothesis of q rows the F statistic's df follows from those of its q uncorrelated combinations as
in Fai and Cornelius (1996). Both are those of lmerTest (Kuznetsova et al. 2017), here with the exact
Hessian and with phi among v.

On the boundary H is taken by the parameters of the model that was found there: D = L L' with L of its rank,
and phi only where it is free. The boundary is thereby treated as known; the result says `singular`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special, stats

from analytics.mixed_model.covariance import Structure
from analytics.mixed_model.fitted import Fitted
from analytics.mixed_model.likelihood import Point, natural

FLAT = 1e-9  # an eigenvalue of the scaled information below this: the data do not determine that direction


@dataclass(frozen=True)
class Information:
    """Covariance of beta (kept columns), its derivatives by v, and the covariance of v, in the units of the
    user.
    """

    covariance: np.ndarray
    derivatives: np.ndarray  # (m, p, p)
    parameter_covariance: np.ndarray  # (m, m)
    point: Point
    is_determined: bool  # False where a direction of v is flat

    def satterthwaite(self, combination: np.ndarray) -> float:
        """Degrees of freedom of one combination of the kept coefficients."""
        variance = float(combination @ self.covariance @ combination)
        slope = self.derivatives @ combination @ combination
        spread = float(slope @ self.parameter_covariance @ slope)
        return 2.0 * variance**2 / spread if spread > 0.0 else float("inf")

    def satterthwaite_f(self, rows: np.ndarray, beta: np.ndarray) -> tuple[float, int, float]:
        """F, numerator and denominator degrees of freedom of rows @ beta = 0."""
        values, vectors = np.linalg.eigh(rows @ self.covariance @ rows.T)
        used = values > 1e-10 * values.max()
        uncorrelated = vectors[:, used].T @ rows
        q = int(used.sum())
        f = float(((uncorrelated @ beta) ** 2 / values[used]).sum() / q)
        return f, q, pooled_df(np.array([self.satterthwaite(r) for r in uncorrelated]))


def pooled_df(df: np.ndarray) -> float:
    """Denominator df of an F statistic from the df of its q uncorrelated t statistics (Fai and Cornelius
    1996).
    """
    q = len(df)
    if q == 1:
        return float(df[0])
    if np.ptp(df) < 1e-8:
        return float(df.mean())
    if (df <= 2.0).any():
        return 2.0
    finite = df[np.isfinite(df)]
    expectation = float((finite / (finite - 2.0)).sum() + (q - len(finite)))
    return 2.0 * expectation / (expectation - q)


def information(fitted: Fitted) -> Information:
    """Observed information at the maximum found."""
    structure, optimum = fitted.problem.structure, fitted.optimum
    sigma2 = optimum.point.sigma2
    point = natural(fitted.problem, optimum.point, fitted.relative_d)
    loading = np.sqrt(sigma2) * structure.loading(optimum.theta, optimum.rank)
    jacobian, curvature = _free_directions(structure, loading, optimum.at_limit, point.gradient)
    hessian = jacobian.T @ point.hessian @ jacobian + curvature
    inverse, is_determined = _invert(hessian)
    p = fitted.problem.n_columns
    half = fitted.scaling.response * np.linalg.inv(fitted.scaling.root)
    slopes = -point.inverse @ point.sums.first[:, :p, :p] @ point.inverse
    return Information(
        covariance=half @ point.inverse @ half.T,
        derivatives=half @ slopes @ half.T,
        parameter_covariance=2.0 * jacobian @ inverse @ jacobian.T,
        point=point,
        is_determined=is_determined,
    )


def _free_directions(
    structure: Structure, loading: np.ndarray, at_limit: bool, gradient: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Jacobian of v by the free parameters of the model found, and the curvature that the gradient adds."""
    m = len(gradient)
    k = len(structure.triangle)
    if loading.shape[1] == structure.n_effects:
        jacobian, curvature = np.eye(m), np.zeros((m, m))
    else:
        theta = np.array([loading[i, j] for i, j in structure.entries(loading.shape[1])])
        first, second = structure.loading_derivatives(theta, loading.shape[1])
        e = first.shape[1]
        jacobian = np.zeros((m, e + m - k))
        jacobian[:k, :e] = first
        jacobian[k:, e:] = np.eye(m - k)
        curvature = np.zeros((jacobian.shape[1],) * 2)
        curvature[:e, :e] = np.tensordot(gradient[:k], second, 1)
    if at_limit and structure.has_serial:
        jacobian, curvature = jacobian[:, :-1], curvature[:-1, :-1]
    return jacobian, curvature


def _invert(hessian: np.ndarray) -> tuple[np.ndarray, bool]:
    """Inverse on the directions with positive curvature, and whether those are all."""
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diagonal(hessian)), 1e-300))
    values, vectors = np.linalg.eigh(hessian * np.outer(scale, scale))
    used = values > FLAT * values.max()
    inverse = (vectors[:, used] / values[used]) @ vectors[:, used].T
    return inverse * np.outer(scale, scale), bool(used.all())


def variance_parameters(fitted: Fitted, info: Information, level: float = 0.95) -> pd.DataFrame:
    """Standard deviations and correlations with intervals: kind, parameter, estimate, std_error, ci_low,
    ci_high.

    Intervals are symmetric on log(standard deviation), atanh(correlation) and atanh(phi), or logit(phi) for
    CAR(1), as those of nlme (Pinheiro and Bates 2000, 2.4.2). std_error is that of the estimate itself. On
    the boundary there is none.
    """
    structure, optimum = fitted.problem.structure, fitted.optimum
    scale2 = fitted.scaling.response**2
    k = len(structure.triangle)
    units = np.eye(len(info.parameter_covariance))
    units[:k, :k] = scale2 * _congruence(structure, fitted.scaling.random)
    units[k, k] = scale2
    covariance = units @ info.parameter_covariance @ units.T
    sigma2 = scale2 * optimum.point.sigma2
    d = sigma2 * fitted.scaling.random @ fitted.relative_d @ fitted.scaling.random.T
    z = float(stats.norm.ppf(0.5 + level / 2.0))
    is_full = optimum.rank == structure.n_effects and info.is_determined
    at = {pair: index for index, pair in enumerate(structure.triangle)}
    rows = []
    for i, name in enumerate(["(Intercept)", "slope"][: structure.n_effects]):
        se_log = np.sqrt(covariance[at[i, i], at[i, i]]) / (2.0 * d[i, i]) if is_full else np.nan
        rows.append(("variance", f"sd {name}", *_on_log(float(np.sqrt(d[i, i])), se_log, z)))
    if structure.n_effects == 2:
        rows.append(("correlation", "cor (Intercept), slope", *_correlation(d, covariance, at, is_full, z)))
    se_log = np.sqrt(covariance[k, k]) / (2.0 * sigma2) if info.is_determined else np.nan
    rows.append(("residual", "sigma", *_on_log(float(np.sqrt(sigma2)), se_log, z)))
    if fitted.phi is not None:
        is_free = info.is_determined and not optimum.at_limit
        se = float(np.sqrt(covariance[k + 1, k + 1])) if is_free else float("nan")
        rows.append(("correlation", "phi", *_on_phi(structure, fitted.serial, fitted.phi, se, z)))
    return pd.DataFrame(rows, columns=["kind", "parameter", "estimate", "std_error", "ci_low", "ci_high"])


def _congruence(structure: Structure, k: np.ndarray) -> np.ndarray:
    """Matrix that takes the lower triangle of D to that of K D K'."""
    size = len(structure.triangle)
    result = np.zeros((size, size))
    for column, (a, b) in enumerate(structure.triangle):
        unit = np.zeros((structure.n_effects,) * 2)
        unit[a, b] = unit[b, a] = 1.0
        moved = k @ unit @ k.T
        result[:, column] = [moved[i, j] for i, j in structure.triangle]
    return result


def _on_log(estimate: float, se_log: float, z: float) -> tuple[float, float, float, float]:
    return estimate, estimate * se_log, estimate * np.exp(-z * se_log), estimate * np.exp(z * se_log)


def _correlation(
    d: np.ndarray, covariance: np.ndarray, at: dict[tuple[int, int], int], full: bool, z: float
) -> tuple[float, float, float, float]:
    if d[0, 0] <= 0.0 or d[1, 1] <= 0.0:
        return (float("nan"),) * 4
    rho = float(np.clip(d[1, 0] / np.sqrt(d[0, 0] * d[1, 1]), -1.0, 1.0))
    if not full:
        return rho, float("nan"), float("nan"), float("nan")
    index = [at[0, 0], at[1, 0], at[1, 1]]
    slope = np.array([-rho / (2 * d[0, 0]), 1.0 / np.sqrt(d[0, 0] * d[1, 1]), -rho / (2 * d[1, 1])])
    se = float(np.sqrt(slope @ covariance[np.ix_(index, index)] @ slope))
    half = z * se / (1.0 - rho**2)
    return rho, se, float(np.tanh(np.arctanh(rho) - half)), float(np.tanh(np.arctanh(rho) + half))


def _on_phi(
    structure: Structure, serial: float, estimate: float, se: float, z: float
) -> tuple[float, float, float, float]:
    """phi from the serial parameter and its standard error ``se``; the logit of exp(-rate) needs no phi."""
    if np.isnan(se):
        return estimate, se, se, se
    phi, slope = structure.phi(serial)
    if structure.serial == "ar1":
        middle, half = np.arctanh(phi), z * se / (1.0 - phi**2)
        return phi, se, float(np.tanh(middle - half)), float(np.tanh(middle + half))
    middle, half = -serial - np.log1p(-phi), z * se / (1.0 - phi)
    return phi, abs(slope) * se, float(special.expit(middle - half)), float(special.expit(middle + half))


def containment_df(fitted: Fitted) -> tuple[np.ndarray, np.ndarray]:
    """Denominator df of each column and of each term (intercept first) as nlme counts them (nlme,
    `getFixDF`).

    A column that varies within some patient is tested against visits, any other against patients.
    """
    x, rows = fitted.x, fitted.rows
    lowest = np.minimum.reduceat(x, rows.starts, axis=0)
    highest = np.maximum.reduceat(x, rows.starts, axis=0)
    within = (highest != lowest).any(axis=0)
    is_constant = np.ptp(x, axis=0) < 1.5e-8 * np.maximum(np.abs(x[0]), 1e-300)
    assign = fitted.design.assign
    n_terms = int(assign.max(initial=0)) + 1
    term_within = np.array([within[assign == k].any() for k in range(n_terms)])
    term_constant = np.array([is_constant[assign == k].all() for k in range(n_terms)])
    kept = np.zeros(x.shape[1], dtype=bool)
    kept[fitted.dependence.kept] = True
    between_df, within_df = rows.n_patients, len(x) - rows.n_patients
    has_intercept = bool((is_constant & kept).any())
    between_df -= int((kept & ~within & ~is_constant).sum()) + has_intercept
    within_df -= int((kept & within).sum()) - (not has_intercept)
    largest = max(between_df, within_df)
    columns = np.where(is_constant, largest, np.where(within, within_df, between_df))
    terms = _containment_terms(fitted, assign, n_terms, term_within, term_constant, has_intercept)
    return columns, terms


def _containment_terms(
    fitted: Fitted,
    assign: np.ndarray,
    n_terms: int,
    within: np.ndarray,
    constant: np.ndarray,
    has_intercept: bool,
) -> np.ndarray:
    """As for columns, but every column of a term counts where the term does."""
    size = np.bincount(assign[fitted.dependence.kept], minlength=n_terms)
    n, patients = len(fitted.x), fitted.rows.n_patients
    between_df = patients - int(size[~within & ~constant].sum()) - has_intercept
    within_df = n - patients - int(size[within].sum()) + (not has_intercept)
    return np.where(constant, max(between_df, within_df), np.where(within, within_df, between_df))
