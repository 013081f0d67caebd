"""The likelihood of values known only between bounds, and its maximum.

Belongs here: location-scale distributions, log-likelihood with gradient and Hessian, Newton's method.
Does not belong here: frames, formulas, statuses (``regression.py``).

With y = x'b + s e, e of density f and distribution F, an observation contributes log f(z) - log s where
its value is known, log F(z) below a limit, log(1 - F(z)) above one, log(F(z2) - F(z1)) between two; z =
(y - x'b) / s (Kalbfleisch & Prentice 2002, The Statistical Analysis of Failure Time Data, section 3.2).
Parameters are b and log s, one s or one per stratum.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

Array = np.ndarray
GRADIENT = 1e-9  # of the log-likelihood per observation, at the maximum
ITERATIONS = 100
STEP_HALVINGS = 40


@dataclass(frozen=True)
class Distribution:
    """A standard density through logs of its parts; ``slope`` is (log f)' and ``curve`` (log f)''."""

    name: str
    log_density: Callable[[Array], Array]
    log_below: Callable[[Array], Array]
    log_above: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    curve: Callable[[Array], Array]


NORMAL = Distribution(
    "normal",
    lambda z: -0.5 * (z * z + math.log(2 * math.pi)),
    special.log_ndtr,
    lambda z: special.log_ndtr(-z),
    lambda z: -z,
    lambda z: np.full_like(z, -1.0),
)
LOGISTIC = Distribution(
    "logistic",
    lambda z: special.log_expit(z) + special.log_expit(-z),
    special.log_expit,
    lambda z: special.log_expit(-z),
    lambda z: -np.tanh(z / 2),
    lambda z: -2 * special.expit(z) * special.expit(-z),
)
SMALLEST_EXTREME = Distribution(
    "smallest extreme value",
    lambda z: z - np.exp(z),
    lambda z: np.log(-np.expm1(-np.exp(z))),
    lambda z: -np.exp(z),
    lambda z: 1 - np.exp(z),
    lambda z: -np.exp(z),
)


@dataclass(frozen=True)
class Bounds:
    """What is known of each value on the scale of the model: -inf and inf where nothing is."""

    lower: Array
    upper: Array

    @property
    def exact(self) -> Array:
        return self.lower == self.upper

    @property
    def middle(self) -> Array:
        """A value to start from: the value, the limit, or half way between two."""
        inside = np.isfinite(self.lower) & np.isfinite(self.upper)
        with np.errstate(invalid="ignore"):
            return np.where(
                inside,
                (self.lower + self.upper) / 2,
                np.where(np.isfinite(self.lower), self.lower, self.upper),
            )


@dataclass(frozen=True)
class Problem:
    """Bounds, design matrix (n x p), distribution, and the scale: free, by stratum, or fixed."""

    bounds: Bounds
    x: Array
    distribution: Distribution
    stratum: Array  # 0, 1, ...: which scale an observation has
    fixed_scale: float | None = None

    @property
    def n_scales(self) -> int:
        return 0 if self.fixed_scale is not None else int(self.stratum.max()) + 1

    def log_scale(self, parameters: Array) -> Array:
        if self.fixed_scale is not None:
            return np.full(len(self.x), math.log(self.fixed_scale))
        return parameters[self.x.shape[1] :][self.stratum]


@dataclass(frozen=True)
class Maximum:
    """Where Newton's method stopped."""

    parameters: Array
    log_likelihood: float
    information: Array
    converged: bool


def maximise(problem: Problem) -> Maximum:
    """Newton's method with step halving, from least squares on the middles of the bounds."""
    parameters = _start(problem)
    value, gradient, hessian = evaluate(problem, parameters)
    for _ in range(ITERATIONS):
        if float(np.abs(gradient).max()) <= GRADIENT * len(problem.x):
            return Maximum(parameters, value, -hessian, True)
        step = _ascent(hessian, gradient)
        parameters, value, gradient, hessian, moved = _line_search(
            problem, parameters, value, step, gradient, hessian
        )
        if not moved:
            break
    flat = float(np.abs(gradient).max()) <= 1e3 * GRADIENT * len(problem.x)
    return Maximum(parameters, value, -hessian, flat)


def _line_search(
    problem: Problem, parameters: Array, value: float, step: Array, gradient: Array, hessian: Array
) -> tuple[Array, float, Array, Array, bool]:
    for _ in range(STEP_HALVINGS):
        candidate = parameters + step
        found = evaluate(problem, candidate)
        if np.isfinite(found[0]) and found[0] >= value - 1e-13 * abs(value):
            return candidate, *found, True
        step = step / 2
    return parameters, value, gradient, hessian, False


def _ascent(hessian: Array, gradient: Array) -> Array:
    """Newton's step; where the Hessian is not negative definite, its eigenvalues are made so."""
    values, vectors = np.linalg.eigh(-hessian)
    floor = max(1e-8 * float(values.max()), 1e-12)
    return vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), floor))


def _start(problem: Problem) -> Array:
    middle = problem.bounds.middle
    coefficients = np.linalg.lstsq(problem.x, middle, rcond=None)[0]
    spread = float(np.std(middle - problem.x @ coefficients))
    scales = np.full(problem.n_scales, math.log(spread) if spread > 0 else 0.0)
    return np.concatenate([coefficients, scales])


def evaluate(problem: Problem, parameters: Array) -> tuple[float, Array, Array]:
    """Log-likelihood, gradient and Hessian in (b, log s)."""
    p = problem.x.shape[1]
    log_scale = problem.log_scale(parameters)
    scale = np.exp(log_scale)
    centre = problem.x @ parameters[:p]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        part = _contributions(
            problem, (problem.bounds.lower - centre) / scale, (problem.bounds.upper - centre) / scale
        )
    exact = problem.bounds.exact
    value = float(part.value.sum() - log_scale[exact].sum())
    # z moves by -x / s with b and by -z with log s
    to_b, to_scale = -part.d / scale, -part.dz - exact
    bb = part.dd / scale**2
    bs = (part.ddz + part.d) / scale
    ss = part.ddzz + part.dz
    k = problem.n_scales
    gradient = np.zeros(p + k)
    hessian = np.zeros((p + k, p + k))
    gradient[:p] = problem.x.T @ to_b
    hessian[:p, :p] = problem.x.T @ (bb[:, None] * problem.x)
    for j in range(k):
        own = problem.stratum == j
        gradient[p + j] = to_scale[own].sum()
        hessian[:p, p + j] = hessian[p + j, :p] = problem.x[own].T @ bs[own]
        hessian[p + j, p + j] = ss[own].sum()
    return value, gradient, hessian


@dataclass(frozen=True)
class _Parts:
    """Per observation the log-likelihood and its derivatives: d by z, dz = sum of d z, and so on.

    An interval has two z; the products with z are summed over both, so that one chain rule serves all kinds.
    """

    value: Array
    d: Array
    dz: Array
    dd: Array
    ddz: Array
    ddzz: Array


def _contributions(problem: Problem, z_low: Array, z_high: Array) -> _Parts:
    law = problem.distribution
    exact, below = problem.bounds.exact, np.isneginf(problem.bounds.lower)
    above = np.isposinf(problem.bounds.upper)
    between = ~(exact | below | above)
    value, at_low, at_high = (np.zeros(len(z_low)) for _ in range(3))
    low_low, low_high, high_high = (np.zeros(len(z_low)) for _ in range(3))

    z = z_low[exact]
    value[exact], at_low[exact], low_low[exact] = law.log_density(z), law.slope(z), law.curve(z)

    only_below = below & ~above
    z = z_high[only_below]
    ratio = np.exp(law.log_density(z) - law.log_below(z))
    value[only_below], at_high[only_below] = law.log_below(z), ratio
    high_high[only_below] = ratio * (law.slope(z) - ratio)

    only_above = above & ~below
    z = z_low[only_above]
    ratio = np.exp(law.log_density(z) - law.log_above(z))
    value[only_above], at_low[only_above] = law.log_above(z), -ratio
    low_low[only_above] = -ratio * (law.slope(z) + ratio)

    low, high = z_low[between], z_high[between]
    log_mass = _log_between(law, low, high)
    ratio_low, ratio_high = np.exp(law.log_density(low) - log_mass), np.exp(law.log_density(high) - log_mass)
    value[between], at_low[between], at_high[between] = log_mass, -ratio_low, ratio_high
    low_low[between] = -ratio_low * (law.slope(low) + ratio_low)
    high_high[between] = ratio_high * (law.slope(high) - ratio_high)
    low_high[between] = ratio_low * ratio_high

    z_low, z_high = np.where(below, 0.0, z_low), np.where(above | exact, 0.0, z_high)
    return _Parts(
        value,
        at_low + at_high,
        at_low * z_low + at_high * z_high,
        low_low + 2 * low_high + high_high,
        low_low * z_low + low_high * (z_low + z_high) + high_high * z_high,
        low_low * z_low**2 + 2 * low_high * z_low * z_high + high_high * z_high**2,
    )


def _log_between(law: Distribution, low: Array, high: Array) -> Array:
    """log(F(high) - F(low)) from the tail in which both are small."""
    upper_tail = low > 0
    larger = np.where(upper_tail, law.log_above(low), law.log_below(high))
    smaller = np.where(upper_tail, law.log_above(high), law.log_below(low))
    return larger + np.log(-np.expm1(smaller - larger))
