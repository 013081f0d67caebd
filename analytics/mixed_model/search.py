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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analytics.mixed_model.likelihood import Point, Problem, natural, profile

PSI_LIMIT = 9.0  # |phi| = 1 - 3e-8, or decay over 1e-4 to 8e3 typical distances: beyond is the boundary
VANISHING = 2.3  # psi of a continuous correlation below 5e-5 at a typical distance: zero is tried
MAX_ITERATIONS = 100
AGREEMENT = 1e-6
SMALL = 200  # rows; in smaller data every start is searched
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


def maximise(problem: Problem) -> tuple[Problem, Optimum] | None:
    """Fit the covariance; None where the likelihood cannot be evaluated at any start.

    The problem returned is the one given, with one exception: if a continuous correlation vanishes, the
    maximum is that of the model without serial correlation, and this model is returned.
    """
    optimum = _maximise(problem)
    if optimum is None or problem.structure.serial != "car1":
        return None if optimum is None else (problem, optimum)
    vanishes = optimum.theta[-1] > VANISHING
    if vanishes or problem.n_rows < SMALL:
        simple = replace(problem, structure=replace(problem.structure, serial="none"))
        independent = _maximise(simple)
        margin = 1e-6 if vanishes else -1e-6
        if independent is not None and independent.point.value <= optimum.point.value + margin:
            return simple, replace(independent, at_limit=True)
    return problem, optimum


def _maximise(problem: Problem) -> Optimum | None:
    """The best of several searches.

    Two starts that agree suffice. If they disagree, or if the data are small and may have several maxima,
    more starts follow. Among these are the maxima of the models without slope and without serial correlation,
    so the richer model is no less likely than those.
    """
    structure = problem.structure
    starts: tuple[tuple[float, float, float], ...] = _STARTS_SERIAL if structure.has_serial else _STARTS_NONE
    if structure.serial == "car1":
        starts = tuple((a, b, abs(phi)) for a, b, phi in starts)
    found: list[_Path] = []
    for start in starts[:2]:
        _search(problem, _start(problem, *start), found)
    disagree = len(found) < 2 or abs(found[0].point.value - found[1].point.value) > AGREEMENT
    if disagree or problem.n_rows < SMALL:
        for start in starts[2:]:
            _search(problem, _start(problem, *start), found)
        for theta in _simpler_maxima(problem, starts):
            _search(problem, theta, found)
    if not found:
        return None
    return _settle(problem, min(found, key=lambda p: p.point.value))


def _search(problem: Problem, theta: np.ndarray, found: list[_Path]) -> None:
    path = _newton(problem, theta, problem.structure.n_effects, found)
    if path is not None:
        found.append(path)


def _simpler_maxima(problem: Problem, starts: Sequence[tuple[float, float, float]]) -> Iterator[np.ndarray]:
    """theta at the maxima of the models without random slope, and without AR(1)."""
    structure = problem.structure
    n_loading = len(structure.triangle)
    restricted: list[tuple[int, ...]] = []
    if structure.n_effects > 1:
        restricted.append(tuple(range(1, n_loading)))
    if structure.serial == "ar1":
        restricted.append((n_loading,))
    for fixed in restricted:
        theta = _start(problem, *starts[0])
        theta[list(fixed)] = 0.0
        path = _newton(problem, theta, structure.n_effects, fixed=fixed)
        if path is not None:
            yield path.theta


def _start(problem: Problem, intercept: float, slope: float, phi: float) -> np.ndarray:
    structure = problem.structure
    diagonal = np.sqrt([intercept, *[slope] * (structure.n_effects - 1)])
    theta = [diagonal[i] if i == j else 0.0 for i, j in structure.entries()]
    if structure.has_serial:
        theta.append(structure.psi(phi))
    return np.array(theta)


def _newton(
    problem: Problem,
    theta: np.ndarray,
    rank: int,
    known: Sequence[_Path] = (),
    fixed: tuple[int, ...] = (),
) -> _Path | None:
    """Newton's method with eigenvalue modification and step halving, then plain Newton to rounding error.

    A search that comes into the neighbourhood of an optimum already ``known`` ends there; entries of theta
    that are ``fixed`` stay.
    """
    point = profile(problem, theta, rank)
    if point is None:
        return None
    if not len(theta):
        return _Path(theta, point, True)
    n_loading = len(problem.structure.entries(rank))
    for _ in range(MAX_ITERATIONS):
        step = _step(point, theta, n_loading, fixed)
        decrease = -float(point.gradient @ step)
        if decrease <= 1e-9:
            return _polish(problem, theta, point, rank, fixed)
        moved = _halve(lambda t: profile(problem, t, rank), theta, step, point, decrease)
        if moved is None:
            return _polish(problem, theta, point, rank, fixed)
        theta, point = moved
        for path in known:
            if _is_near(problem, theta, point, path, rank):
                return path
    return _Path(theta, point, False)


def _is_near(problem: Problem, theta: np.ndarray, point: Point, path: _Path, rank: int) -> bool:
    if abs(point.value - path.point.value) > 0.02:
        return False
    n_loading = len(problem.structure.entries(rank))
    here, there = (problem.structure.loading(t, rank) for t in (theta, path.theta))
    far = np.abs(here @ here.T - there @ there.T) > 0.05 * (0.1 + np.abs(there @ there.T))
    return not far.any() and bool(np.all(np.abs(theta - path.theta)[n_loading:] < 0.05))


def _step(point: Point, theta: np.ndarray, n_loading: int, fixed: tuple[int, ...] = ()) -> np.ndarray:
    """Newton step on the parameters that are free; psi is not where it would leave its limits."""
    is_free = np.ones(len(theta), dtype=bool)
    is_free[list(fixed)] = False
    if len(theta) > n_loading and abs(theta[-1]) >= PSI_LIMIT and point.gradient[-1] * theta[-1] < 0:
        is_free[-1] = False
    step = np.zeros(len(theta))
    if not is_free.any():
        return step
    values, vectors = np.linalg.eigh(point.hessian[np.ix_(is_free, is_free)])
    size = np.maximum(np.abs(values), 1e-10 * max(1.0, np.abs(values).max()))
    step[is_free] = -vectors @ ((vectors.T @ point.gradient[is_free]) / size)
    limit = np.ones(len(theta))
    limit[:n_loading] = 0.5 + np.abs(theta[:n_loading]).max(initial=0.0)
    step /= max(1.0, float((np.abs(step) / limit).max()))
    if len(theta) > n_loading:
        step[-1] = min(max(theta[-1] + step[-1], -PSI_LIMIT), PSI_LIMIT) - theta[-1]
    return step


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


def _polish(
    problem: Problem, theta: np.ndarray, point: Point, rank: int, fixed: tuple[int, ...] = ()
) -> _Path:
    """Plain Newton steps while they shrink; converged when the last one, or the gradient, is small."""
    n_loading = len(problem.structure.entries(rank))
    step = _step(point, theta, n_loading, fixed)
    for _ in range(4):
        if np.abs(step).max() < 1e-11:
            break
        there = profile(problem, theta + step, rank)
        if there is None:
            break
        following = _step(there, theta + step, n_loading, fixed)
        if np.abs(following).max() >= np.abs(step).max():
            break
        theta, point, step = theta + step, there, following
    small_gradient = np.abs(point.gradient @ step) <= 1e-9
    return _Path(theta, point, bool(np.abs(step).max() < 1e-6 or small_gradient))


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
            path = _leave_saddle(problem, path, reduced, lower) if rank == structure.n_effects else path
            break
        path, rank = reduced, lower
    at_limit = structure.has_serial and abs(path.theta[-1]) >= PSI_LIMIT - 1e-9
    return Optimum(path.theta, rank, path.point, path.converged, bool(at_limit))


def _leave_saddle(problem: Problem, path: _Path, reduced: _Path, rank: int) -> _Path:
    """Search again from the model of lower rank with the missing rank put back: ``path`` may be a saddle."""
    structure = problem.structure
    loading = np.zeros((structure.n_effects, structure.n_effects))
    loading[:, :rank] = structure.loading(reduced.theta, rank)
    d = loading @ loading.T + 0.01 * np.eye(structure.n_effects)
    root = np.linalg.cholesky(d)
    start = [root[i, j] for i, j in structure.entries()]
    again = _newton(problem, np.r_[start, reduced.theta[len(structure.entries(rank)) :]], structure.n_effects)
    return again if again is not None and again.point.value < path.point.value else path


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
    there = natural(problem, path.point, loading @ loading.T)
    slope = np.zeros((structure.n_effects, structure.n_effects))
    for value, (i, j) in zip(there.gradient, structure.entries()):
        slope[i, j] += value / 2.0
        slope[j, i] += value / 2.0
    outside = np.linalg.svd(loading)[0][:, rank:] if rank else np.eye(structure.n_effects)
    lowest = np.linalg.eigvalsh(outside.T @ slope @ outside)[0]
    return bool(lowest < -1e-7 * problem.n_rows / sigma2)
