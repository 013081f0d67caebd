"""Maximise a concave log likelihood by Newton's method, and tell when it has no maximum.

Belongs here: the iteration, aliased columns, coefficients that run to infinity.
Does not belong here: any particular likelihood.

The columns are expected to be centred and scaled to a range of about 1. The step s solves information s =
score; score's is twice the gain that the quadratic model promises. The iteration ends when this gain is
small: at 1e-14 the next step changes no printed digit. A monotone likelihood is recognised because the gain
dies away while the step does not: each step adds about 1 to the linear predictor of those who separate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analytics.cox.likelihood import Derivatives
from analytics.survival.outcome import BoolArray, FloatArray

GAIN_END = 1e-14
GAIN_FLAT = 1e-10  # the likelihood no longer grows …
STEP_MOVING = 1e-2  # … yet a coefficient still moves by this much over the range of its covariate
ALIASED = 1e-10  # the share of a column's information that the columns before it leave over

Evaluate = Callable[[FloatArray], Derivatives]


@dataclass(frozen=True)
class Maximum:
    """``moving`` marks coefficients on their way to infinity; ``start`` is the likelihood at zero."""

    beta: FloatArray
    start: Derivatives
    end: Derivatives
    iterations: int
    converged: bool
    moving: BoolArray


def maximise(
    evaluate: Evaluate, p: int, max_iterations: int = 100, relative_change: float | None = None
) -> Maximum:
    """Newton's method from zero, halving steps that lose.

    ``relative_change`` asks for survival::coxph's rule instead: stop when the log likelihood changes by less
    than this share of itself. On a monotone likelihood, the coefficient then stays where the iteration
    stopped.
    """
    beta, current = np.zeros(p), evaluate(np.zeros(p))
    start = current
    if p == 0:
        return Maximum(beta, start, start, 0, True, np.zeros(0, dtype=bool))
    step = newton_step(current)
    halvings = 0
    for iteration in range(1, max_iterations + 1):
        gain = float(current.score @ step)
        trial = beta + step / 2**halvings
        found = evaluate(trial)
        if not _improves(found, current, gain):
            halvings += 1
            if halvings > 60:
                break
            continue
        change = abs(1 - current.loglik / found.loglik) if found.loglik else 0.0
        beta, current, halvings = trial, found, 0
        moving = np.abs(step) > STEP_MOVING
        if relative_change is not None:
            if change <= relative_change:
                return Maximum(beta, start, current, iteration, True, moving)
        elif gain < GAIN_FLAT and moving.any():
            return Maximum(beta, start, current, iteration, False, moving)
        elif gain < GAIN_END:
            return Maximum(beta, start, current, iteration, True, np.zeros(p, dtype=bool))
        step = newton_step(current)
    return Maximum(beta, start, current, max_iterations, False, np.zeros(p, dtype=bool))


def newton_step(at: Derivatives) -> FloatArray:
    """information^-1 score; along the gradient where the information is not positive definite."""
    try:
        factor = np.linalg.cholesky(at.information)
    except np.linalg.LinAlgError:
        scale = np.abs(np.diag(at.information)).max()
        return at.score / (scale if scale > 0 else 1.0)
    return np.linalg.solve(factor.T, np.linalg.solve(factor, at.score))


def aliased_columns(information: FloatArray) -> dict[int, list[int]]:
    """Columns that the columns before them determine, each with those that do; none when it is constant."""
    kept: list[int] = []
    aliased: dict[int, list[int]] = {}
    diagonal = np.diag(information)
    largest = diagonal.max(initial=0.0)
    for j in range(len(diagonal)):
        if not diagonal[j] > 1e-14 * max(largest, 1.0):
            aliased[j] = []
            continue
        if kept:
            weights = np.linalg.solve(information[np.ix_(kept, kept)], information[kept, j])
            left = diagonal[j] - information[j, kept] @ weights
            if left < ALIASED * diagonal[j]:
                share = weights * np.sqrt(diagonal[kept] / diagonal[j])
                aliased[j] = [k for k, s in zip(kept, share) if abs(s) > 1e-6]
                continue
        kept.append(j)
    return aliased


def _improves(found: Derivatives, current: Derivatives, gain: float) -> bool:
    """Whether a step is finite and does not lose more than rounding can."""
    finite = (
        np.isfinite(found.loglik) and np.isfinite(found.score).all() and np.isfinite(found.information).all()
    )
    noise = 1e-13 * max(abs(current.loglik), 1.0) if gain < 1e-8 else 0.0
    return bool(finite and found.loglik >= current.loglik - noise)
