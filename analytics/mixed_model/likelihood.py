"""Profiled (restricted) likelihood of a linear mixed model, with analytic gradient and Hessian.

Belongs here: -2 log-likelihood as a function of covariance parameters, and the generalised least squares it
implies. Does not belong here: sums over patients (sums.py) and the search for the minimum (search.py).

Model: y_i = X_i beta + Z_i b_i + e_i,  b_i ~ N(0, D),  e_i ~ N(0, sigma^2 R_i(phi)),  i = 1..M patients, N
rows, p columns. Write V_i = sigma^2 W_i(theta) and, with U_i = [X_i, y_i],

    S = sum U_i' W_i^-1 U_i = [[A, b], [b', s]],   beta = A^-1 b,   rss = s - b' beta,
    nu = N - p (REML) or N (ML).

sigma^2 = rss / nu maximises over sigma^2, and then

    -2 l(theta) = nu log(2 pi rss / nu) + nu + sum log|W_i| + [REML] log|A|.

The REML constant is that of nlme and lme4: no log|X'X| is added. With c = (-beta, 1), S_k and S_kl the
derivatives of S, and _x for the first p entries,

    rss_k    = c' S_k c
    rss_kl   = c' S_kl c - 2 (S_k c)_x' A^-1 (S_l c)_x
    log|A|_k = tr(A^-1 A_k),   log|A|_kl = tr(A^-1 A_kl) - tr(A^-1 A_k A^-1 A_l).

The natural form, by v = (D, sigma^2, serial parameter), has V for W and rss for nu log(rss); its sums follow
from S_V(v) = S(D / sigma^2, serial) / sigma^2 and log|V| = N log sigma^2 + log|W| by the chain rule. Sources:
Lindstrom and Bates (1988), JASA 83:1014; Wolfinger, Tobias and Sall (1994), SIAM J Sci Comput 15:1294.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analytics.mixed_model.covariance import Structure
from analytics.mixed_model.patients import PatternBlock, RowBlock, unpack_index
from analytics.mixed_model.sums import Sums, sum_over


@dataclass(frozen=True)
class Problem:
    """Sorted, scaled data of one fit in blocks, and the covariance model."""

    blocks: list[PatternBlock | RowBlock]
    structure: Structure
    n_rows: int
    n_columns: int  # of X
    reml: bool

    @cached_property
    def unpack(self) -> np.ndarray:
        return unpack_index(self.n_columns + 1)

    @property
    def degrees(self) -> int:
        return self.n_rows - self.n_columns if self.reml else self.n_rows


@dataclass(frozen=True)
class Point:
    """-2 log-likelihood at one parameter value, its derivatives, and the generalised least squares there."""

    value: float
    gradient: np.ndarray
    hessian: np.ndarray
    beta: np.ndarray
    inverse: np.ndarray  # A^-1
    sigma2: float
    sums: Sums


def profile(problem: Problem, theta: np.ndarray, rank: int) -> Point | None:
    """Profiled -2 log-likelihood by theta = (L, psi); None where W is not positive definite."""
    structure = problem.structure
    loading = structure.loading(theta, rank)
    serial = structure.serial_parameter(theta[-1] if structure.has_serial else 0.0)
    sums = _sum_blocks(problem, loading, serial[0])
    solved = _solve(sums) if sums is not None else None
    if sums is None or solved is None:
        return None
    beta, inverse, log_det_a, rss = solved
    nu = problem.degrees
    if rss <= 0.0:
        return None
    value = float(nu * np.log(2.0 * np.pi * rss / nu) + nu + sums.log_det + problem.reml * log_det_a)
    rss1, rss2, det1, det2 = _derivatives(problem, sums, beta, inverse)
    gradient = nu * rss1 / rss + det1
    hessian = nu * (rss2 / rss - rss1[:, None] * rss1 / rss**2) + det2
    gradient, hessian = _by_theta(structure, theta, rank, serial, gradient, hessian)
    return Point(value, gradient, hessian, beta, inverse, rss / nu, sums)


def natural(problem: Problem, at: Point, delta: np.ndarray) -> Point:
    """The same point by v = (lower triangle of D, sigma^2, serial parameter); D = sigma^2 delta."""
    structure, sigma2 = problem.structure, at.sigma2
    sums = _natural_sums(problem, at.sums, np.array([delta[i, j] for i, j in structure.triangle]), sigma2)
    inverse = sigma2 * at.inverse
    rss1, rss2, det1, det2 = _derivatives(problem, sums, at.beta, inverse)
    return Point(at.value, rss1 + det1, rss2 + det2, at.beta, inverse, sigma2, sums)


def _natural_sums(problem: Problem, w: Sums, delta: np.ndarray, sigma2: float) -> Sums:
    """S_V and log|V| by v from S and log|W| by (Delta, serial parameter)."""
    k, m = len(delta), len(w.first)
    jacobian = np.zeros((m, m + 1))
    jacobian[:k, :k] = np.eye(k) / sigma2
    jacobian[:k, k] = -delta / sigma2
    jacobian[k:, k + 1 :] = np.eye(m - k)
    bend = np.zeros((m, m + 1, m + 1))  # second derivatives of Delta
    for i in range(k):
        bend[i, i, k] = bend[i, k, i] = -1.0 / sigma2**2
        bend[i, k, k] = 2.0 * delta[i] / sigma2**2
    first = np.tensordot(jacobian.T, w.first, 1)
    second = np.einsum("ka,klxy,lb->abxy", jacobian, w.second, jacobian) + np.tensordot(bend.T, w.first, 1)
    second = second / sigma2
    second[k] -= first / sigma2**2
    second[:, k] -= first / sigma2**2
    second[k, k] += 2.0 * w.s / sigma2**3
    first = first / sigma2
    first[k] -= w.s / sigma2**2
    det_first = jacobian.T @ w.det_first
    det_second = jacobian.T @ w.det_second @ jacobian + np.tensordot(bend.T, w.det_first, 1)
    det_first[k] += problem.n_rows / sigma2
    det_second[k, k] -= problem.n_rows / sigma2**2
    log_det = w.log_det + problem.n_rows * float(np.log(sigma2))
    return Sums(w.s / sigma2, first, second, log_det, det_first, det_second)


def _by_theta(
    structure: Structure,
    theta: np.ndarray,
    rank: int,
    serial: tuple[float, float, float],
    gradient: np.ndarray,
    hessian: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Chain rule from (Delta, serial parameter) to theta = (L, psi)."""
    first, second = structure.loading_derivatives(theta, rank)
    k, e = first.shape
    jacobian = np.zeros((len(gradient), e + structure.has_serial))
    jacobian[:k, :e] = first
    curvature = np.zeros((jacobian.shape[1],) * 2)
    curvature[:e, :e] = (gradient[:k] @ second.reshape(k, -1)).reshape(e, e)
    if structure.has_serial:
        jacobian[k, e] = serial[1]
        curvature[e, e] = gradient[k] * serial[2]
    return jacobian.T @ gradient, jacobian.T @ hessian @ jacobian + curvature


def _derivatives(
    problem: Problem, sums: Sums, beta: np.ndarray, inverse: np.ndarray
) -> tuple[np.ndarray, ...]:
    """First and second derivatives of rss, and of the log-determinants with [REML] log|A|."""
    p = problem.n_columns
    c = np.append(-beta, 1.0)
    sc = sums.first @ c
    x = sc[:, :p]
    rss1 = sc @ c
    rss2 = (sums.second @ c) @ c - 2.0 * (x @ inverse @ x.T)
    det1, det2 = sums.det_first, sums.det_second
    if problem.reml:
        scaled = inverse @ sums.first[:, :p, :p]
        m = len(scaled)
        det1 = det1 + np.trace(scaled, axis1=1, axis2=2)
        det2 = det2 + sums.second[:, :, :p, :p].reshape(m, m, -1) @ inverse.ravel()
        det2 = det2 - scaled.reshape(m, -1) @ scaled.transpose(0, 2, 1).reshape(m, -1).T
    return rss1, rss2, det1, det2


def _solve(sums: Sums) -> tuple[np.ndarray, np.ndarray, float, float] | None:
    """Generalised least squares: beta, A^-1, log|A| and the residual sum of squares."""
    a, b, s = sums.s[:-1, :-1], sums.s[:-1, -1], sums.s[-1, -1]
    try:
        root = np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        return None
    root_inverse = np.linalg.inv(root)
    half = root_inverse @ b
    log_det = 2.0 * float(np.log(root.diagonal()).sum())
    return root_inverse.T @ half, root_inverse.T @ root_inverse, log_det, float(s - half @ half)


def _sum_blocks(problem: Problem, loading: np.ndarray, serial: float) -> Sums | None:
    total: Sums | None = None
    for block in problem.blocks:
        part = sum_over(block, problem.structure, loading, serial, problem.unpack)
        if part is None:
            return None
        total = part if total is None else total + part
    return total
