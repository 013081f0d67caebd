"""The search for the frailty variance.

Belongs here: the maximum of the integrated likelihood over theta, and the sequence that coxph tries.
Does not belong here: the fit at one theta (inner.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize_scalar

from analytics.frailty.inner import Inner, Problem, State

GRID = (0.0, 1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)


class Evaluated:
    """Fits by theta, each started from the nearest one known, the first from no effect."""

    def __init__(self, problem: Problem, inner: Callable[[Problem, float, State], Inner]) -> None:
        self.problem, self.inner = problem, inner
        self.known: dict[float, Inner] = {}

    def at(self, theta: float) -> Inner:
        if theta not in self.known:
            self.known[theta] = self.inner(self.problem, theta, self._start(theta))
        return self.known[theta]

    def _start(self, theta: float) -> State:
        if not self.known:
            return State(np.zeros(self.problem.x.shape[1]), np.zeros(len(self.problem.deaths)))
        return self.known[min(self.known, key=lambda t: abs(t - theta))].state


def search_variance(evaluated: Evaluated, search: str) -> tuple[float, float]:
    """The frailty variance to report, and the one at which coefficients are to be taken."""
    if search == "survival":
        return _survival_search(lambda theta: evaluated.at(theta).integrated)
    values = [evaluated.at(theta).integrated for theta in GRID]
    best = int(np.argmax(values))
    if best == 0:  # no variance does better than none
        return 0.0, 0.0
    low = np.log(GRID[max(best - 1, 1)] / (10 if best == 1 else 1))
    high = np.log(GRID[min(best + 1, len(GRID) - 1)] * (10 if best == len(GRID) - 1 else 1))
    found = minimize_scalar(
        lambda log_theta: -evaluated.at(float(np.exp(log_theta))).integrated,
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-3},
    )
    theta = _polish(lambda t: evaluated.at(t).integrated, float(np.exp(found.x)))
    return theta, theta


def _polish(value: Callable[[float], float], theta: float) -> float:
    """The maximum to many digits: Newton's method on log theta with differences of fourth order."""
    x, h = np.log(theta), 1e-2
    for _ in range(20):
        f = [value(float(np.exp(x + k * h))) for k in (-2, -1, 0, 1, 2)]
        slope = (f[0] - 8 * f[1] + 8 * f[3] - f[4]) / (12 * h)
        curvature = (-f[0] + 16 * f[1] - 30 * f[2] + 16 * f[3] - f[4]) / (12 * h**2)
        if not curvature < 0:
            break
        step = -slope / curvature
        x += np.clip(step, -0.5, 0.5)
        if abs(step) < 1e-7:
            break
    return float(np.exp(x))


def _survival_search(value: Callable[[float], float]) -> tuple[float, float]:
    """The sequence of variances that survival::coxph tries, and where it stops.

    0, 1, then 1/2 or 2, then the vertex of a parabola in sqrt(theta) through the best three, until the
    integrated likelihood changes by less than 1e-5 of itself. It reports the variance it would try next, with
    coefficients of the last one tried.
    """
    tried = [(0.0, value(0.0)), (1.0, value(1.0))]
    theta = 0.5 if tried[1][1] < tried[0][1] + 1 else 2.0
    for _ in range(200):
        tried.append((theta, value(theta)))
        latest, before = tried[-1][1], tried[-2][1]
        last = theta
        largest = max(t for t, _ in tried)
        if latest == max(v for _, v in tried) and theta == largest:
            theta = 2 * largest
        else:
            theta = _vertex([t**0.5 for t, _ in tried], [v for _, v in tried]) ** 2
        if abs(1 - latest / before) < 1e-5:
            return theta, last
    return theta, last


def _vertex(x: Sequence[float], y: Sequence[float]) -> float:
    """Brent's parabolic step to a maximum, kept inside its bracket (survival's frailty search)."""
    order = sorted(range(len(x)), key=lambda i: x[i])
    xs, ys = [x[i] for i in order], [y[i] for i in order]
    best = ys.index(max(ys))
    if best == 0:
        step = xs[0] - 3 * (xs[1] - xs[0])
        return step if step >= 0 else min(v for v in xs if v > 0) / 10
    if best == len(xs) - 1:
        return xs[-1] + 3 * (xs[-1] - xs[-2])
    (x0, x1, x2), (y0, y1, y2) = xs[best - 1 : best + 2], ys[best - 1 : best + 2]
    above = (x1 - x0) ** 2 * (y1 - y2) - (x1 - x2) ** 2 * (y1 - y0)
    below = (x1 - x0) * (y1 - y2) - (x1 - x2) * (y1 - y0)
    new = x1 - above / (2 * below)
    wild = len(x) > 4 and new - x[-1] > abs(x[-2] - x[-3]) / 2
    if x0 <= new <= x2 and not wild:
        return new
    return x1 - 0.38 * (x1 - x0) if x1 - x0 > x2 - x1 else x1 + 0.32 * (x2 - x1)
