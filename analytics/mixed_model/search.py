"""Find the covariance parameters that maximise the profiled likelihood, on the boundary too.

Belongs here: starting values, a Newton search with exact Hessian, and the decision whether the maximum is
on the boundary. Does not belong here: the likelihood (likelihood.py) and reading data (fit.py).

Each search is Newton's with the absolute value of the Hessian's eigenvalues (so that a saddle repels) and
step halving; the best of several starts is kept. D = L L' has no bounds in L, so a search may end where D
is singular. Whether the maximum is there is then decided by the Karush-Kuhn-Tucker conditions of the model
with D of lower rank: that model is fitted, and is the maximum if -2 log-likelihood does not fall in any
direction u u' that would raise the rank.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analytics.mixed_model.likelihood import Point, Problem, natural, profile

PSI_LIMIT = 9.0  # |phi| = 1 - 3e-8; beyond it the serial correlation is on its boundary
MAX_ITERATIONS = 100
_STARTS_SERIAL = ((1.0, 0.2, 0.3), (0.3, 0.05, 0.8), (2.0, 0.5, -0.3), (0.02, 0.01, 0.6))
_STARTS_NONE = ((1.0, 0.2, 0.0), (0.1, 0.01, 0.0))


@dataclass(frozen=True)
class Optimum:
    """The best parameters found: their rank, the point, and what stopped the search."""

    theta: np.ndarray
    rank: int
    point: Point
    converged: bool
    at_limit: bool  # serial correlation on its boundary


@dataclass(frozen=True)
class _Path:
    theta: np.ndarray
    point: Point
    converged: bool


def maximise(problem: Problem) -> Optimum | None:
    """Fit the covariance; None where the likelihood cannot be evaluated at any start."""
    structure = problem.structure
    rank = structure.n_effects
    starts = _STARTS_SERIAL if structure.has_serial else _STARTS_NONE
    if structure.serial == "car1":
        starts = tuple((a, b, abs(phi)) for a, b, phi in starts)
    paths = [_newton(problem, _start(problem, *s), rank) for s in starts]
    found = [p for p in paths if p is not None]
    if not found:
        return None
    best = min(found, key=lambda p: p.point.value)
    return _settle(problem, best)


def _start(problem: Problem, intercept: float, slope: float, phi: float) -> np.ndarray:
    structure = problem.structure
    diagonal = np.sqrt([intercept, *[slope] * (structure.n_effects - 1)])
    theta = [diagonal[i] if i == j else 0.0 for i, j in structure.entries()]
    if structure.has_serial:
        theta.append(np.arctanh(phi) if structure.serial == "ar1" else np.log(phi / (1.0 - phi)))
    return np.array(theta)


def _newton(problem: Problem, theta: np.ndarray, rank: int) -> _Path | None:
    """Newton's method with eigenvalue modification and step halving, then plain Newton to machine
    precision.
    """
    point = profile(problem, theta, rank)
    if point is None:
        return None
    if not len(theta):
        return _Path(theta, point, True)
    n_loading = len(problem.structure.entries(rank))
    for _ in range(MAX_ITERATIONS):
        step = _step(point, theta, n_loading)
        decrease = -float(point.gradient @ step)
        if decrease <= 1e-9:
            return _polish(problem, theta, point, rank)
        moved = _halve(lambda t: profile(problem, t, rank), theta, step, point, decrease)
        if moved is None:
            return _polish(problem, theta, point, rank)
        theta, point = moved
        if len(theta) > n_loading and abs(theta[n_loading]) >= PSI_LIMIT:
            return _Path(theta, point, True)
    return _Path(theta, point, False)


def _step(point: Point, theta: np.ndarray, n_loading: int) -> np.ndarray:
    values, vectors = np.linalg.eigh(point.hessian)
    size = np.maximum(np.abs(values), 1e-10 * max(1.0, np.abs(values).max()))
    step = -vectors @ ((vectors.T @ point.gradient) / size)
    limit = np.r_[
        np.full(n_loading, 0.5 + np.abs(theta[:n_loading]).max(initial=0.0)), np.ones(len(theta) - n_loading)
    ]
    step = step / max(1.0, float((np.abs(step) / limit).max()))
    moved = theta + step
    moved[n_loading:] = np.clip(moved[n_loading:], -PSI_LIMIT, PSI_LIMIT)
    return moved - theta


def _halve(
    function: Callable[[np.ndarray], Point | None],
    theta: np.ndarray,
    step: np.ndarray,
    point: Point,
    decrease: float,
) -> tuple[np.ndarray, Point] | None:
    for power in range(25):
        trial = theta + step * 0.5**power
        there = function(trial)
        if there is not None and there.value <= point.value - 1e-4 * decrease * 0.5**power:
            return trial, there
    return None


def _polish(problem: Problem, theta: np.ndarray, point: Point, rank: int) -> _Path:
    """Plain Newton steps while they reduce the gradient; converged when it is small against the Hessian."""
    for _ in range(4):
        step = _step(point, theta, len(problem.structure.entries(rank)))
        there = profile(problem, theta + step, rank)
        if there is None or np.abs(there.gradient).max() >= np.abs(point.gradient).max():
            break
        theta, point = theta + step, there
        if np.abs(step).max() < 1e-13:
            break
    scale = 1e-7 * max(1.0, float(np.abs(np.diagonal(point.hessian)).max()))
    return _Path(theta, point, bool(np.abs(point.gradient).max() <= scale))


def _settle(problem: Problem, path: _Path) -> Optimum:
    """Go down in rank while the model of lower rank satisfies the optimality conditions of the whole."""
    structure = problem.structure
    rank = structure.n_effects
    for lower in range(rank - 1, -1, -1):
        loading = structure.loading(path.theta, rank)
        values = np.linalg.eigvalsh(loading @ loading.T)
        if values[structure.n_effects - rank] > 1e-2 * (1.0 + values[-1]):
            break
        reduced = _newton(problem, _reduce(problem, path.theta, rank, lower), lower)
        if reduced is None or reduced.point.value > path.point.value + 1e-5:
            break
        if _rises_in_rank(problem, reduced, lower):
            break
        path, rank = reduced, lower
    n_loading = len(structure.entries(rank))
    at_limit = structure.has_serial and abs(path.theta[n_loading]) >= PSI_LIMIT - 1e-9
    return Optimum(path.theta, rank, path.point, path.converged, bool(at_limit))


def _reduce(problem: Problem, theta: np.ndarray, rank: int, lower: int) -> np.ndarray:
    """Start of the model of lower rank: the leading eigenvectors of L L'."""
    structure = problem.structure
    loading = structure.loading(theta, rank)
    values, vectors = np.linalg.eigh(loading @ loading.T)
    kept = vectors[:, ::-1][:, :lower] * np.sqrt(np.maximum(values[::-1][:lower], 1e-8))
    if lower > 1:
        kept = np.linalg.qr(kept.T)[1].T
    serial = theta[len(structure.entries(rank)) :]
    return np.r_[[kept[i, j] for i, j in structure.entries(lower)], serial]


def _rises_in_rank(problem: Problem, path: _Path, rank: int) -> bool:
    """Whether -2 log-likelihood falls when D leaves this rank: then the maximum is not on this boundary."""
    structure = problem.structure
    loading = structure.loading(path.theta, rank)
    sigma2 = path.point.sigma2
    phi = structure.phi(path.theta[-1])[0] if structure.has_serial else 0.0
    there = natural(problem, sigma2 * loading @ loading.T, sigma2, phi)
    if there is None:
        return False
    slope = np.zeros((structure.n_effects, structure.n_effects))
    for value, (i, j) in zip(there.gradient, structure.entries()):
        slope[i, j] += value / 2.0
        slope[j, i] += value / 2.0
    outside = np.linalg.svd(loading)[0][:, rank:] if rank else np.eye(structure.n_effects)
    lowest = np.linalg.eigvalsh(outside.T @ slope @ outside)[0]
    return bool(lowest < -1e-7 * problem.n_rows / sigma2)
