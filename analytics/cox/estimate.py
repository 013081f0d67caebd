"""From prepared rows to estimates: scaling, aliased columns, the maximum, robust covariance, the verdict.

Belongs here: the steps between data.py and the result in fit.py.
Does not belong here: tables and diagnostics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytics.cox.data import CoxData
from analytics.cox.likelihood import pieces
from analytics.cox.newton import Maximum, aliased_columns, maximise
from analytics.cox.residuals import collapse, robust_covariance, score_residuals
from analytics.status import (
    MONOTONE_LIKELIHOOD,
    NOT_CONVERGED,
    NOT_ESTIMABLE,
    OK,
    TOO_FEW_EVENTS,
    TOO_FEW_GROUPS,
)
from analytics.survival.outcome import FloatArray, IntArray

EVENTS_PER_PARAMETER = 5


@dataclass(frozen=True)
class Estimate:
    """The maximum over the ``kept`` columns in the covariates' own units; ``aliased``: column to columns."""

    maximum: Maximum
    kept: IntArray
    aliased: dict[int, list[int]]
    coefficients: FloatArray
    covariance: FloatArray

    @property
    def monotone(self) -> IntArray:
        return self.kept[np.flatnonzero(self.maximum.moving)]


def estimate(
    data: CoxData, x: FloatArray, relative_change: float | None = None, max_iterations: int = 100
) -> Estimate:
    """Maximise over columns ``x`` (n, p), centred and scaled to a range of 1 for the iteration.

    ``relative_change`` stops as survival::coxph does (newton.py), for replay of a diverging fit.
    """
    spread = np.ptp(x, axis=0) if len(x) else np.zeros(x.shape[1])
    scale = np.where(spread > 0, spread, 1.0)
    scaled = (x - centre(x)) / scale
    aliased = aliased_columns(data.likelihood(scaled, np.zeros(len(x))).information)
    kept = np.array([j for j in range(x.shape[1]) if j not in aliased], dtype=np.int64)
    used = scaled[:, kept]
    maximum = maximise(
        lambda beta: data.likelihood(used, used @ beta), len(kept), max_iterations, relative_change
    )
    unit = scale[kept]
    covariance = inverse(maximum.end.information) / np.outer(unit, unit)
    return Estimate(maximum, kept, aliased, maximum.beta / unit, covariance)


def centre(x: FloatArray) -> FloatArray:
    return x.mean(axis=0) if len(x) else np.zeros(x.shape[1])


def inverse(information: FloatArray) -> FloatArray:
    try:
        return np.linalg.inv(information)
    except np.linalg.LinAlgError:  # a coefficient at infinity leaves no information
        return np.full_like(information, np.nan)


def score_test(found: Estimate) -> float:
    """Rao's test at zero."""
    at = found.maximum.start
    return float(at.score @ np.linalg.solve(at.information, at.score)) if len(found.kept) else np.nan


def robust(data: CoxData, found: Estimate) -> tuple[FloatArray, float]:
    """Covariance from dfbeta summed by cluster, and the score test at zero with scores summed likewise."""
    assert data.cluster is not None
    x = (data.design.x - centre(data.design.x))[:, found.kept]
    part = pieces(data.sets, data.tie_terms, x, x @ found.coefficients)
    dfbeta = score_residuals(data.sets, data.tie_terms, x, part) @ found.covariance
    null = pieces(data.sets, data.tie_terms, x, np.zeros(len(x)))
    scores = collapse(score_residuals(data.sets, data.tie_terms, x, null), data.cluster)
    total, spread = scores.sum(axis=0), scores.T @ scores
    full = np.linalg.matrix_rank(spread, hermitian=True) == len(found.kept)
    return robust_covariance(dfbeta, data.cluster), float(
        total @ np.linalg.solve(spread, total)
    ) if full else np.nan


def judge(data: CoxData, found: Estimate) -> tuple[str, str]:
    """The status of a fit and the sentence that says what to do about it."""
    names = data.design.names
    notes = [
        f'"{names[j]}" cannot be told apart from {_listed(names, by)}.'
        if by
        else does_not_vary(names[j], len(data.strata))
        for j, by in found.aliased.items()
    ]
    if len(found.monotone):
        notes.insert(
            0,
            f"The likelihood is monotone: {_listed(names, found.monotone)} runs to infinity, for it "
            "separates those with events from those without. Use firth_cox.",
        )
        return MONOTONE_LIKELIHOOD, " ".join(notes)
    if found.aliased:
        return NOT_ESTIMABLE, " ".join(notes)
    if not found.maximum.converged:
        return NOT_CONVERGED, f"No maximum in {found.maximum.iterations} iterations; rescale the covariates."
    if data.cluster is not None and data.cluster.max() < len(found.kept):
        clusters, parameters = data.cluster.max() + 1, counted(len(found.kept), "parameter")
        return TOO_FEW_GROUPS, (
            f"{clusters} clusters for {parameters}: robust errors need many more clusters than parameters. "
            "Leave the cluster out or use fewer terms."
        )
    status, note = events_per_parameter(data.outcome.n_events, len(found.kept))
    return status, f"{note} Use firth_cox or fewer terms." if note else ""


def does_not_vary(name: str, n_strata: int) -> str:
    """Why a column has no estimate: all at risk have one value of it, or all within each stratum do."""
    if n_strata < 2:
        return f'"{name}" does not vary among those at risk at any event.'
    return (
        f'"{name}" has one value within each of the {n_strata} strata among those at risk at any event: '
        "the stratum determines it."
    )


def events_per_parameter(events: int, parameters: int) -> tuple[str, str]:
    """Whether each parameter has EVENTS_PER_PARAMETER events (Vittinghoff and McCulloch 2007)."""
    if events >= EVENTS_PER_PARAMETER * parameters:
        return OK, ""
    return TOO_FEW_EVENTS, (
        f"{counted(events, 'event')} for {counted(parameters, 'parameter')}, fewer than "
        f"{EVENTS_PER_PARAMETER} each: estimates tend to overstate effects."
    )


def counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _listed(names: list[str], positions: IntArray | list[int]) -> str:
    return ", ".join(f'"{names[j]}"' for j in positions)
