"""Cox's partial likelihood with exact ties: tied events are a choice of d out of those at risk.

Belongs here: that likelihood and its derivatives.
Does not belong here: Efron's and Breslow's approximations (likelihood.py).

With d events among the risk set R, the block contributes

    log L = sum of eta over the events - log e_d,   e_d = sum over subsets A of R with d members of
                                                          the product of w_i over A,

the conditional logistic likelihood (Cox 1972; R's ties = "exact"). e_d is the coefficient of z^d in the
product of (1 + w_i z) over R; multiplying the factors in one after the other carries the first and second
derivative by the coefficients along (Gail, Lubin and Rubinstein 1981). The cost of a block is members of R
times d, so this is for the few ties of a small study. Blocks without a tie need no such sum.
"""

from __future__ import annotations

import numpy as np

from analytics.cox.likelihood import Derivatives
from analytics.survival.outcome import FloatArray
from analytics.survival.risk_sets import RiskSets


def exact_likelihood(sets: RiskSets, x: FloatArray, eta: FloatArray) -> Derivatives:
    """Log likelihood, score (p,) and information (p, p) at linear predictor ``eta`` (n,)."""
    event = sets.event_block >= 0
    p = x.shape[1]
    loglik, score, information = float(eta[event].sum()), x[event].sum(axis=0), np.zeros((p, p))
    with np.errstate(all="ignore"):  # an absurd step gives NaN, which the maximiser answers by halving it
        for block, d in enumerate(sets.events.astype(int).tolist()):
            members = np.flatnonzero((sets.first <= block) & (block < sets.last))
            log_sum, mean, covariance = _choice_moments(eta[members], x[members], d)
            loglik -= log_sum
            score = score - mean
            information += covariance
    return Derivatives(loglik, score, information)


def _choice_moments(eta: FloatArray, x: FloatArray, d: int) -> tuple[float, FloatArray, FloatArray]:
    """log e_d, and the mean and covariance of the sum of covariates over a choice of d."""
    shift = eta.max()
    weight = np.exp(eta - shift)
    total = weight.sum()
    if d == 1:
        mean = weight @ x / total
        return float(np.log(total) + shift), mean, (x * weight[:, None]).T @ x / total - np.outer(mean, mean)
    scale = total / d  # keeps e_d within range for any number of ties
    sums = _carried_sums(weight / scale, x, d)
    p = x.shape[1]
    mean = sums[1 : 1 + p] / sums[0]
    second = sums[1 + p :].reshape(p, p) / sums[0]
    return float(np.log(sums[0]) + d * (np.log(scale) + shift)), mean, second - np.outer(mean, mean)


def _carried_sums(weight: FloatArray, x: FloatArray, d: int) -> FloatArray:
    """e_d with the weighted sums over subsets of s and s s', s the sum of the members' covariates."""
    n, p = x.shape
    width = 1 + p + p * p
    carry = np.zeros((n, width, width))  # what adding one member does to (1, s, s s')
    carry[:] = np.eye(width)
    carry[:, 0, 1 : 1 + p] = x
    carry[:, 0, 1 + p :] = (x[:, :, None] * x[:, None, :]).reshape(n, -1)
    for j in range(p):
        for k in range(p):
            column = 1 + p + j * p + k
            carry[:, 1 + j, column] += x[:, k]
            carry[:, 1 + k, column] += x[:, j]
    carry *= weight[:, None, None]
    sums = np.zeros((d + 1, width))
    sums[0, 0] = 1.0
    for step in carry:
        sums[1:] += sums[:-1] @ step
    return sums[d]
