"""Cox's partial likelihood with Efron's or Breslow's ties: value, score, information, and its pieces.

Belongs here: the likelihood as a function of the linear predictor.
Does not belong here: exact ties (exact.py), maximisation (newton.py).

With w = exp(eta) and, in a block of d tied events, the terms r = 0 … d-1,

    D_r = sum of w at risk - f_r sum of w of the tied events,   f_r = r/d (Efron) or 0 (Breslow),
    log L = sum of eta over events - sum_r log D_r.

The compensator of row i, its expected number of events, is w_i sum (1 - f_r 1[i among the ties]) / D_r over
the terms at which it is at risk. Then

    score       = X' (event - compensator)
    information = X' diag(compensator) X - M'M,   M = weighted mean covariate of each term,

so no matrix is ever formed per event time: the cost is rows x columns^2, in two matrix products.
(Cox 1972, 1975; Efron 1977; Therneau and Grambsch 2000, ch. 3.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytics.survival.outcome import FloatArray, IntArray
from analytics.survival.risk_sets import RiskSets


@dataclass(frozen=True)
class Derivatives:
    loglik: float
    score: FloatArray
    information: FloatArray


@dataclass(frozen=True)
class TieTerms:
    """One term per event, by block: its block, and the share f_r of the tied events that it leaves out."""

    block: IntArray
    share: FloatArray


@dataclass(frozen=True)
class Pieces:
    """What residuals, baseline hazards and tests are made of. ``mean`` has one row per term."""

    weight: FloatArray  # w by row, up to a common factor
    log_scale: float  # log of that factor
    denominator: FloatArray  # D_r by term, in the same scale
    compensator: FloatArray  # by row
    mean: FloatArray


def tie_terms(sets: RiskSets, efron: bool) -> TieTerms:
    d = sets.events.astype(np.int64)
    block = np.repeat(np.arange(sets.n_blocks), d)
    if not efron:
        return TieTerms(block, np.zeros(len(block)))
    first = np.repeat(np.cumsum(d) - d, d)
    return TieTerms(block, (np.arange(len(block)) - first) / d[block])


def pieces(sets: RiskSets, terms: TieTerms, x: FloatArray, eta: FloatArray) -> Pieces:
    """Evaluate the parts at linear predictor ``eta`` (n,) of covariates ``x`` (n, p)."""
    log_scale = float(eta.max()) if len(eta) else 0.0
    weight = np.exp(eta - log_scale)
    denominator = _less_ties(sets, terms, weight)
    h, tied = per_block(sets, terms, 1 / denominator)
    compensator = weight * (sets.sum_over_blocks(h) - _at_own_event(sets, tied))
    mean = _less_ties(sets, terms, weight[:, None] * x) / denominator[:, None]
    return Pieces(weight, log_scale, denominator, compensator, mean)


def partial_likelihood(sets: RiskSets, terms: TieTerms, x: FloatArray, eta: FloatArray) -> Derivatives:
    """Log partial likelihood, score (p,) and observed information (p, p) at ``eta``."""
    with np.errstate(all="ignore"):  # an absurd step gives NaN, which the maximiser answers by halving it
        return derivatives_of(pieces(sets, terms, x, eta), sets, x, eta)


def derivatives_of(part: Pieces, sets: RiskSets, x: FloatArray, eta: FloatArray) -> Derivatives:
    """What `partial_likelihood` returns, from its pieces at ``eta``."""
    event = sets.event_block >= 0
    loglik = float((eta[event] - part.log_scale).sum() - np.log(part.denominator).sum())
    score = x.T @ (event - part.compensator)
    information = (x * part.compensator[:, None]).T @ x - part.mean.T @ part.mean
    return Derivatives(loglik, score, information)


def per_block(sets: RiskSets, terms: TieTerms, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sums by block of ``values`` (by term) and of share x values: for anyone at risk, and what ties lack."""
    n = sets.n_blocks
    if values.ndim == 1:
        return (
            np.asarray(np.bincount(terms.block, weights=values, minlength=n), dtype=float),
            np.asarray(np.bincount(terms.block, weights=terms.share * values, minlength=n), dtype=float),
        )
    whole, tied = np.zeros((n, values.shape[1])), np.zeros((n, values.shape[1]))
    for j, column in enumerate(values.T):
        whole[:, j], tied[:, j] = per_block(sets, terms, column)
    return whole, tied


def sum_over_terms(sets: RiskSets, terms: TieTerms, values: FloatArray) -> FloatArray:
    """For each row the sum of ``values`` (by term) over its terms at risk, its own ties at their share."""
    whole, tied = per_block(sets, terms, values)
    return sets.sum_over_blocks(whole) - _at_own_event(sets, tied)


def _less_ties(sets: RiskSets, terms: TieTerms, values: FloatArray) -> FloatArray:
    """By term: the sum of ``values`` at risk, less the share of the tied events."""
    total = sets.sum_at_risk(values)[terms.block]
    if not terms.share.any():
        return total
    share = terms.share if values.ndim == 1 else terms.share[:, None]
    return total - share * sets.sum_events(values)[terms.block]


def _at_own_event(sets: RiskSets, by_block: FloatArray) -> FloatArray:
    """``by_block`` at the block of each row's own event, 0 for rows without one."""
    if not len(by_block):
        return np.zeros((len(sets.event_block), *by_block.shape[1:]))
    own = by_block[np.maximum(sets.event_block, 0)]
    event = sets.event_block >= 0
    return own * (event if own.ndim == 1 else event[:, None])
