"""Maximise a log likelihood penalised by Jeffreys' prior (Firth 1993), and profile it.

Belongs here: the maximum, profile-likelihood intervals and penalised likelihood-ratio tests of any model
that gives its penalised value, score and information.
Does not belong here: any particular model (firth.py).

l*(b) = l(b) + log det I(b) / 2. firth.py has its score in closed form. A closed form of its second derivative
is not worth the effort, so Newton's method uses central differences of the score. The test of b_j = 0
compares the maximum with the maximum under b_j = 0; the interval of b_j holds the values at which that
statistic stays below the chi-square quantile (Heinze and Schemper 2001, 2002).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, chdtri

from analytics.survival.outcome import FloatArray, IntArray

GAIN_END = 1e-15
MAX_ITERATIONS = 100
MAX_SPAN = 60  # standard errors searched for the end of an interval
END_TOLERANCE = 1e-12
DIFFERENCE = 1e-5  # of covariates scaled to a range of 1


@dataclass(frozen=True)
class Penalised:
    """``value`` of l*, its ``score`` (p,), and the unpenalised ``information`` (p, p)."""

    value: float
    score: FloatArray
    information: FloatArray


Evaluate = Callable[[FloatArray], Penalised]


@dataclass(frozen=True)
class PenalisedMaximum:
    beta: FloatArray
    at: Penalised
    converged: bool
    iterations: int


@dataclass(frozen=True)
class Profile:
    """By coefficient: interval, likelihood-ratio statistic and p value. An end not found is infinite."""

    low: FloatArray
    high: FloatArray
    statistic: FloatArray
    p_value: FloatArray


def penalised_score(
    loglik: float,
    score: FloatArray,
    information: FloatArray,
    derivative_trace: Callable[[FloatArray], FloatArray],
) -> Penalised:
    """Add the prior. ``derivative_trace`` maps I^-1 to the vector of tr(I^-1 dI/db_l)."""
    sign, log_determinant = np.linalg.slogdet(information)
    if not sign > 0 or not np.isfinite(log_determinant):
        return Penalised(-np.inf, np.full_like(score, np.nan), information)
    trace = derivative_trace(np.linalg.inv(information))
    return Penalised(loglik + log_determinant / 2, score + trace / 2, information)


def maximise_penalised(
    evaluate: Evaluate, start: FloatArray, free: FloatArray | None = None
) -> PenalisedMaximum:
    """Maximise over the ``free`` coefficients (booleans; all by default), the others fixed at ``start``."""
    beta = start.copy()
    moved = np.flatnonzero(np.ones(len(beta), dtype=bool) if free is None else free)
    current = evaluate(beta)
    for iteration in range(MAX_ITERATIONS):
        if not len(moved):
            return PenalisedMaximum(beta, current, True, 0)
        step = _step(evaluate, beta, current, moved)
        gain = float(current.score[moved] @ step)
        for halving in range(40):
            trial = beta.copy()
            trial[moved] += step / 2**halving
            found = evaluate(trial)
            if found.value >= current.value - 1e-13 * max(abs(current.value), 1.0):
                break
        else:
            return PenalisedMaximum(beta, current, False, iteration)
        beta, current = trial, found
        if gain < GAIN_END:
            return PenalisedMaximum(beta, current, True, iteration + 1)
    return PenalisedMaximum(beta, current, False, MAX_ITERATIONS)


def _step(evaluate: Evaluate, beta: FloatArray, current: Penalised, moved: IntArray) -> FloatArray:
    """Newton's step; with the information in place of the curvature where that is not negative definite."""
    curvature = np.empty((len(moved), len(moved)))
    for column, j in enumerate(moved):
        ahead, behind = beta.copy(), beta.copy()
        ahead[j] += DIFFERENCE
        behind[j] -= DIFFERENCE
        curvature[:, column] = (evaluate(behind).score - evaluate(ahead).score)[moved] / (2 * DIFFERENCE)
    curvature = (curvature + curvature.T) / 2
    for matrix in (curvature, current.information[np.ix_(moved, moved)]):
        if np.isfinite(matrix).all() and np.linalg.eigvalsh(matrix)[0] > 0:
            step = np.linalg.solve(matrix, current.score[moved])
            break
    else:
        step = current.score[moved]
    largest = np.abs(step).max()
    return step * min(1.0, 10.0 / largest) if largest > 0 else step


def profile(evaluate: Evaluate, maximum: PenalisedMaximum, confidence: float) -> Profile:
    """Intervals and tests of every coefficient, each with the others maximised out."""
    p = len(maximum.beta)
    drop = float(chdtri(1, 1 - confidence)) / 2
    error = np.sqrt(np.diag(np.linalg.inv(maximum.at.information)))
    low, high, statistic = np.empty(p), np.empty(p), np.empty(p)
    for j in range(p):
        others = np.arange(p) != j
        low[j] = _end(evaluate, maximum, others, j, -error[j], drop)
        high[j] = _end(evaluate, maximum, others, j, error[j], drop)
        null = maximum.beta.copy()
        null[j] = 0.0
        statistic[j] = 2 * (maximum.at.value - maximise_penalised(evaluate, null, others).at.value)
    statistic = np.maximum(statistic, 0.0)
    return Profile(low, high, statistic, chdtrc(1, statistic))


def _end(
    evaluate: Evaluate, maximum: PenalisedMaximum, others: FloatArray, j: int, stride: float, drop: float
) -> float:
    """Where the profile of coefficient ``j`` has fallen by ``drop``; ``stride`` is a standard error, signed
    outwards.

    Newton's method, for the slope of the profile is the score of ``j`` where the others are at their maximum.
    The search begins at the end of Wald's interval and takes at most four strides at a time. If a step would
    leave the bracket that holds the end, the bracket is halved instead.
    """
    best = float(maximum.beta[j])
    inside, outside = best, np.nan
    start, value = maximum.beta.copy(), best + stride * np.sqrt(2 * drop)
    for _ in range(MAX_ITERATIONS):
        if abs(value - best) > MAX_SPAN * abs(stride):
            break
        start[j] = value
        found = maximise_penalised(evaluate, start, others)
        start = found.beta  # the next value is near: go on from here
        height = found.at.value - (maximum.at.value - drop)
        if height > 0:
            inside = value
        else:
            outside = value
        with np.errstate(all="ignore"):  # a step that is no number is not taken
            step = -height / found.at.score[j]
        if abs(step) <= END_TOLERANCE * max(abs(value), 1.0):
            return value + step
        if np.isnan(outside):
            outwards = step / stride
            value += stride * min(outwards if outwards > 0 else 4.0, 4.0)
        else:
            value += step
            if not min(inside, outside) < value < max(inside, outside):
                value = (inside + outside) / 2
                if abs(outside - inside) <= END_TOLERANCE * max(abs(value), 1.0):
                    return value
    return float(np.sign(stride) * np.inf) if np.isnan(outside) else value
