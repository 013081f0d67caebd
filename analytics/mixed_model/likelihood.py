"""Profiled (restricted) likelihood of a linear mixed model, with analytic gradient and Hessian.

Belongs here: -2 log-likelihood as a function of covariance parameters, and the generalised least squares it
implies. Does not belong here: searching for its minimum (fit.py).

Model: y_i = X_i beta + Z_i b_i + e_i,  b_i ~ N(0, D),  e_i ~ N(0, sigma^2 R_i(phi)),  i = 1..M patients, N
rows, p columns. Write V_i = sigma^2 W_i(theta) and, with U_i = [X_i, y_i],

    S = sum U_i' W_i^-1 U_i = [[A, b], [b', s]],   beta = A^-1 b,   rss = s - b' beta,
    nu = N - p (REML) or N (ML).

sigma^2 = rss / nu maximises over sigma^2, and up to the choice of nu

    -2 l(theta) = nu log(2 pi rss / nu) + nu + sum log|W_i| + [REML] log|A|.

The REML constant is that of nlme and lme4: no log|X'X| is added. With G_k = W^-1 dW_k W^-1, c = (-beta, 1)
and

    S_k  = sum U' G_k U = -dS/dtheta_k
    S_kl = sum U' (G_k dW_l W^-1 + G_l dW_k W^-1 - W^-1 d2W_kl W^-1) U = d2S/dtheta_k dtheta_l

    d rss_k     = -c' S_k c
    d2 rss_kl   = c' S_kl c - 2 (S_k c)_x' A^-1 (S_l c)_x,  _x the first p entries
    d log|A|_k  = -tr(A^-1 A_k),     d2 log|A|_kl = tr(A^-1 A_kl) - tr(A^-1 A_k A^-1 A_l)
    d log|W|_k  = tr(W^-1 dW_k),     d2 log|W|_kl = tr(W^-1 d2W_kl) - tr(W^-1 dW_k W^-1 dW_l)

The natural form has the same shape with V for W, and rss in place of nu log(rss). Sources: Lindstrom and
Bates (1988), JASA 83:1014; Wolfinger, Tobias and Sall (1994), SIAM J Sci Comput 15:1294.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from analytics.mixed_model.covariance import Derivatives, Structure, covariance
from analytics.mixed_model.patients import Block, unpack_index


@dataclass(frozen=True)
class Problem:
    """Sorted, scaled data of one fit: blocks of visit patterns and the covariance model."""

    blocks: list[Block]
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
class Sums:
    """Sums over patients for one covariance: S, S_k, S_kl, log|W| and its derivatives."""

    s: np.ndarray
    first: np.ndarray  # (m, p + 1, p + 1)
    second: np.ndarray  # (m, m, p + 1, p + 1)
    log_det: float
    trace_first: np.ndarray  # tr(W^-1 dW_k)
    trace_pair: np.ndarray  # tr(W^-1 dW_k W^-1 dW_l)
    trace_second: np.ndarray  # tr(W^-1 d2W_kl)


@dataclass(frozen=True)
class Point:
    """-2 log-likelihood at one parameter value, with derivatives as far as they were asked for."""

    value: float
    gradient: np.ndarray
    hessian: np.ndarray
    beta: np.ndarray
    inverse: np.ndarray  # A^-1
    sigma2: float
    sums: Sums


def profile(problem: Problem, theta: np.ndarray, rank: int, order: int = 2) -> Point | None:
    """Profiled -2 log-likelihood by theta = (L, psi); None where W is not positive definite. Orders: 0 or
    2.
    """
    structure = problem.structure
    loading = structure.loading(theta, rank)
    serial = structure.serial_parameter(theta[-1] if structure.has_serial else 0.0)
    sums = _sums(problem, loading @ loading.T, None, serial[0], order)
    solved = _solve(sums) if sums is not None else None
    if sums is None or solved is None:
        return None
    beta, inverse, log_det_a, rss = solved
    nu = problem.degrees
    if rss <= 0.0:
        return None
    value = float(nu * np.log(2.0 * np.pi * rss / nu) + nu + sums.log_det + problem.reml * log_det_a)
    if order == 0:
        return Point(value, np.zeros(0), np.zeros((0, 0)), beta, inverse, rss / nu, sums)
    rss1, rss2, det1, det2 = _derivatives(problem, sums, beta, inverse)
    gradient = nu * rss1 / rss + det1
    hessian = nu * (rss2 / rss - rss1[:, None] * rss1 / rss**2) + det2
    gradient, hessian = _by_theta(structure, theta, rank, serial, gradient, hessian)
    return Point(value, gradient, hessian, beta, inverse, rss / nu, sums)


def natural(problem: Problem, d: np.ndarray, sigma2: float, serial: float) -> Point | None:
    """-2 log-likelihood by (lower triangle of D by columns, sigma^2, the serial parameter)."""
    sums = _sums(problem, d, sigma2, serial, 2)
    solved = _solve(sums) if sums is not None else None
    if sums is None or solved is None:
        return None
    beta, inverse, log_det_a, rss = solved
    value = problem.degrees * np.log(2.0 * np.pi) + sums.log_det + rss + problem.reml * log_det_a
    rss1, rss2, det1, det2 = _derivatives(problem, sums, beta, inverse)
    return Point(float(value), rss1 + det1, rss2 + det2, beta, inverse, sigma2, sums)


def _by_theta(
    structure: Structure,
    theta: np.ndarray,
    rank: int,
    serial: tuple[float, float, float],
    gradient: np.ndarray,
    hessian: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Chain rule from (D / sigma^2, serial parameter) to theta = (L, psi)."""
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
    """First and second derivatives of rss, and of log|W| + [REML] log|A|."""
    p = problem.n_columns
    c = np.append(-beta, 1.0)
    sc = sums.first @ c
    x = sc[:, :p]
    rss1 = -(sc @ c)
    rss2 = (sums.second @ c) @ c - 2.0 * (x @ inverse @ x.T)
    det1 = sums.trace_first
    det2 = sums.trace_second - sums.trace_pair
    if problem.reml:
        scaled = inverse @ sums.first[:, :p, :p]
        m = len(scaled)
        det1 = det1 - np.trace(scaled, axis1=1, axis2=2)
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


def _sums(problem: Problem, d: np.ndarray, sigma2: float | None, serial: float, order: int) -> Sums | None:
    total: list | None = None
    for block in problem.blocks:
        part = _block_sums(
            block, covariance(block, problem.structure, d, sigma2, serial, order), problem.unpack
        )
        if part is None:
            return None
        total = part if total is None else [a + b for a, b in zip(total, part)]
    contracted, log_det, trace_first, trace_pair, trace_second = total
    m = len(trace_first)
    pair_of = _pairs(m)[2]
    second = contracted[1 + m :][pair_of]
    return Sums(
        contracted[0], contracted[1 : 1 + m], second, float(log_det), trace_first, trace_pair, trace_second
    )


@cache
def _pairs(m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs k <= l of m parameters, and the number of the pair for every (k, l)."""
    rows, cols = np.triu_indices(m)
    pair_of = np.zeros((m, m), dtype=int)
    pair_of[rows, cols] = pair_of[cols, rows] = np.arange(len(rows))
    return rows, cols, pair_of


def _block_sums(block: Block, w: Derivatives, unpack: np.ndarray) -> list | None:
    """Contracted W^-1, G_k and G_kl in a row; log|W|; tr(W^-1 dW_k); tr(W^-1 dW_k W^-1 dW_l); tr(W^-1
    d2W_kl).
    """
    try:
        root = np.linalg.cholesky(w.value)
    except np.linalg.LinAlgError:
        return None
    log_det = 2.0 * (block.weight @ np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1))
    inverse = np.linalg.inv(w.value)
    m = len(w.first)
    if m == 0:
        return [
            block.contract(inverse[None], unpack),
            log_det,
            np.zeros(0),
            np.zeros((0, 0)),
            np.zeros((0, 0)),
        ]
    left = inverse @ w.first  # W^-1 dW_k
    g = left @ inverse
    rows, cols, pair_of = _pairs(m)
    product = left[rows] @ g[cols]
    product += product.transpose(0, 1, 3, 2)
    trace_second = np.zeros((m, m))
    for (k, j), value in w.second.items():
        right = value @ inverse
        product[pair_of[k, j]] -= inverse @ right
        trace_second[k, j] = trace_second[j, k] = block.weight @ np.trace(right, axis1=1, axis2=2)
    trace_first = np.trace(left, axis1=2, axis2=3) @ block.weight
    weighted = (left * block.weight[:, None, None]).reshape(m, -1)
    trace_pair = weighted @ left.transpose(0, 1, 3, 2).reshape(m, -1).T
    everything = np.concatenate([inverse[None], g, product])
    return [block.contract(everything, unpack), log_det, trace_first, trace_pair, trace_second]
