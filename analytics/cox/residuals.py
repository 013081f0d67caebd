"""Residuals of a Cox fit by row: martingale, deviance, score, Schoenfeld; and influence.

Belongs here: residuals as functions of the likelihood's pieces, and the cluster-robust covariance.
Does not belong here: the fit, the proportional-hazards test (proportional_hazards.py).

Martingale: event - compensator. Deviance: sign(m) sqrt(-2 (m + event log(event - m))). Score: the row's
share of the score, (x - mean at its event) - sum over its risk sets of w (x - mean)/D, each tied event
counting in its own block by its share (Therneau and Grambsch 2000, ch. 4). dfbeta: score residual x
covariance, about what leaving the row out does to each coefficient; summed by cluster, its cross product is
the robust covariance (Lin and Wei 1989).
"""

from __future__ import annotations

import numpy as np

from analytics.cox.likelihood import Pieces, TieTerms, per_block, sum_over_terms
from analytics.survival.outcome import FloatArray, IntArray
from analytics.survival.risk_sets import RiskSets


def martingale_residuals(sets: RiskSets, part: Pieces) -> FloatArray:
    return (sets.event_block >= 0) - part.compensator


def deviance_residuals(sets: RiskSets, part: Pieces) -> FloatArray:
    residual = martingale_residuals(sets, part)
    event = sets.event_block >= 0
    expected = np.where(event, event - residual, 1.0)
    inside = -2 * (residual + np.where(event, np.log(expected), 0.0))
    return np.sign(residual) * np.sqrt(np.maximum(inside, 0.0))


def score_residuals(sets: RiskSets, terms: TieTerms, x: FloatArray, part: Pieces) -> FloatArray:
    """(n, p); columns add up to the score."""
    weighted_means = sum_over_terms(sets, terms, part.mean / part.denominator[:, None])
    expected = x * part.compensator[:, None] - part.weight[:, None] * weighted_means
    event = sets.event_block >= 0
    own_mean = mean_at_event(sets, terms, part)[np.maximum(sets.event_block, 0)]
    return np.where(event[:, None], x - own_mean, 0.0) - expected


def schoenfeld_residuals(
    sets: RiskSets, terms: TieTerms, x: FloatArray, part: Pieces
) -> tuple[IntArray, FloatArray]:
    """Rows with an event, by stratum and time, and their covariates less those expected (events, p)."""
    rows = sets.event_rows
    return rows, x[rows] - mean_at_event(sets, terms, part)[sets.event_block[rows]]


def mean_at_event(sets: RiskSets, terms: TieTerms, part: Pieces) -> FloatArray:
    """By block, the mean over its tied terms of the weighted mean covariate."""
    total, _ = per_block(sets, terms, part.mean)
    return total / np.maximum(sets.events, 1.0)[:, None]


def collapse(values: FloatArray, cluster: IntArray) -> FloatArray:
    """Sums of the rows of ``values`` (n, p) by cluster code."""
    n_clusters = int(cluster.max()) + 1 if len(cluster) else 0
    return np.stack(
        [np.bincount(cluster, weights=column, minlength=n_clusters) for column in values.T], axis=1
    )


def robust_covariance(dfbeta: FloatArray, cluster: IntArray) -> FloatArray:
    by_cluster = collapse(dfbeta, cluster)
    return by_cluster.T @ by_cluster
