"""The penalised fit at one frailty variance.

Belongs here: the partial likelihood with log frailties b, its information by blocks, and its maximum.
Does not belong here: the choice of the variance (search.py), results (fit.py).

The information of (b, beta) has a block for the frailties, one for the coefficients, and one across. With
many patients the frailty block is kept as its diagonal ("sparse", as survival::coxph): the maximum is the
same, the steps to it and the standard errors are coxph's.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import gammaln

from analytics.cox.data import CoxData
from analytics.cox.estimate import centre
from analytics.cox.likelihood import Pieces, pieces, sum_over_terms
from analytics.cox.residuals import collapse
from analytics.survival.outcome import FloatArray, IntArray

DENSE_UP_TO = 5  # patients; survival::frailty's rule
GAIN_END = 1e-18
GAIN_NOISE = 1e-12
MAX_STEPS = 300
REPLAY_CHANGE = 1e-11


@dataclass(frozen=True)
class State:
    beta: FloatArray
    b: FloatArray


@dataclass(frozen=True)
class Problem:
    """Rows with centred covariates, patients as codes, and their events."""

    rows: CoxData
    x: FloatArray
    group: IntArray
    deaths: FloatArray

    @classmethod
    def of(cls, rows: CoxData) -> Problem:
        group = rows.cluster
        assert group is not None  # the rows of a frailty model are prepared with the patient as cluster
        deaths = np.bincount(group, weights=rows.outcome.event, minlength=int(group.max()) + 1)
        return cls(rows, rows.design.x - centre(rows.design.x), group, np.asarray(deaths, dtype=float))

    @property
    def dense(self) -> bool:
        return len(self.deaths) <= DENSE_UP_TO


@dataclass(frozen=True)
class Inner:
    """The maximum at one theta: state, log likelihoods, and the blocks of the information."""

    theta: float
    state: State
    loglik: float
    integrated: float
    penalty: FloatArray  # second derivative of the penalty, by patient
    frailty_block: FloatArray  # (G,) diagonal, or (G, G) when dense; with the penalty
    cross: FloatArray  # (p, G)
    own: FloatArray  # (p, p)
    converged: bool


def maximum(problem: Problem, theta: float, start: State) -> Inner:
    """Maximise over coefficients and frailties at ``theta`` until no step gains anything."""
    nu = 1 / theta if theta > 0 else np.inf
    state = start if theta > 0 else State(start.beta, np.zeros_like(start.b))
    at = _evaluate(problem, state, nu)
    gain_before = np.inf
    for _ in range(MAX_STEPS):
        step_beta, step_b = _newton_step(at)
        gain = float(at.score_beta @ step_beta + at.score_b @ step_b)
        # steps converge linearly; once rounding keeps the gain from falling there is no more to gain
        if gain < GAIN_END or (gain < GAIN_NOISE and gain > gain_before / 2):
            return _finished(problem, theta, state, at, True)
        found, halvings = None, 0
        while found is None or found.value < at.value - 1e-12 * abs(at.value):
            if halvings > 30:
                return _finished(problem, theta, state, at, gain < GAIN_NOISE)
            share = 0.5**halvings
            trial = State(state.beta + share * step_beta, _recentred(state.b + share * step_b))
            found, halvings = _evaluate(problem, trial, nu), halvings + 1
        state, at, gain_before = trial, found, gain
    return _finished(problem, theta, state, at, False)


def maximum_as_survival(problem: Problem, theta: float, start: State) -> Inner:
    """The same maximum where survival::coxph leaves it: no step after the last change below 1e-11 of itself.

    The steps converge linearly, so R's coefficients are good to about 1e-6; replay needs the same ones.
    """
    nu = 1 / theta if theta > 0 else np.inf
    state = start if theta > 0 else State(start.beta, np.zeros_like(start.b))
    before, best = state, 0.0
    halving = False
    for iteration in range(101):
        at = _evaluate(problem, state, nu)
        state = State(state.beta, _recentred(state.b) if theta > 0 else state.b)
        if abs(1 - best / at.value) <= REPLAY_CHANGE and not halving:
            return _finished(problem, theta, state, at, True)
        if iteration and at.value < best:
            halving = True
            state = State((before.beta + state.beta) / 2, (before.b + state.b) / 2)
            continue
        halving, best, before = False, at.value, state
        step_beta, step_b = _newton_step(at)
        state = State(state.beta + step_beta, state.b + step_b)
    return _finished(problem, theta, before, _evaluate(problem, before, nu), False)


def _finished(problem: Problem, theta: float, state: State, at: _Point, converged: bool) -> Inner:
    integrated = at.value + (gamma_correction(problem.deaths, 1 / theta) if theta > 0 else 0.0)
    return Inner(
        theta, state, at.loglik, integrated, at.penalty, at.frailty_block, at.cross, at.own, converged
    )


@dataclass(frozen=True)
class _Point:
    """``value`` is the penalised log likelihood with frailties of mean 1, up to a constant."""

    value: float
    loglik: float
    score_beta: FloatArray
    score_b: FloatArray
    penalty: FloatArray
    frailty_block: FloatArray
    cross: FloatArray
    own: FloatArray


def _evaluate(problem: Problem, state: State, nu: float) -> _Point:
    rows, x, group = problem.rows, problem.x, problem.group
    part = pieces(rows.sets, rows.tie_terms, x, x @ state.beta + state.b[group])
    event = rows.sets.event_block >= 0
    eta = x @ state.beta + state.b[group]
    loglik = float((eta[event] - part.log_scale).sum() - np.log(part.denominator).sum())
    residual = event - part.compensator
    score_beta = x.T @ residual
    own = (x * part.compensator[:, None]).T @ x - part.mean.T @ part.mean
    n_groups = len(state.b)
    if not np.isfinite(nu):
        nothing = np.zeros(n_groups)
        return _Point(
            loglik,
            loglik,
            score_beta,
            nothing,
            nothing,
            np.ones(n_groups),
            np.zeros((x.shape[1], n_groups)),
            own,
        )
    b = _recentred(state.b)
    z = np.exp(b)
    by_row = x * part.compensator[:, None] - part.weight[:, None] * sum_over_terms(
        rows.sets, rows.tie_terms, part.mean / part.denominator[:, None]
    )
    return _Point(
        value=loglik + nu * float(b.sum()),
        loglik=loglik,
        score_beta=score_beta,
        score_b=np.bincount(group, weights=residual, minlength=n_groups) - nu * (z - 1),
        penalty=nu * z,
        frailty_block=_frailty_information(problem, part) + (np.diag(nu * z) if problem.dense else nu * z),
        cross=collapse(by_row, group).T,
        own=own,
    )


def _frailty_information(problem: Problem, part: Pieces) -> FloatArray:
    """Information of the frailties without the penalty: (G, G) when dense, else its diagonal (G,)."""
    expected = np.bincount(problem.group, weights=part.compensator, minlength=len(problem.deaths))
    if problem.dense:
        shares = np.stack(
            [_share(problem, part, np.flatnonzero(problem.group == g)) for g in range(len(problem.deaths))],
            axis=1,
        )
        return np.diag(expected) - shares.T @ shares
    order = np.argsort(problem.group, kind="stable")
    bounds = np.searchsorted(problem.group[order], np.arange(len(problem.deaths) + 1))
    squares = [float((_share(problem, part, order[a:b]) ** 2).sum()) for a, b in pairwise(bounds)]
    return expected - np.array(squares)


def _share(problem: Problem, part: Pieces, members: IntArray) -> FloatArray:
    """By term of the likelihood, the share of the risk set's weight that ``members`` hold."""
    sets, terms = problem.rows.sets, problem.rows.tie_terms
    weight = part.weight[members]
    change = np.zeros(sets.n_blocks + 1)
    np.add.at(change, sets.first[members], weight)
    np.add.at(change, sets.last[members], -weight)
    at_risk = np.cumsum(change)[:-1][terms.block]
    tied = sets.event_block[members]
    if terms.share.any():
        events = np.bincount(tied[tied >= 0], weights=weight[tied >= 0], minlength=sets.n_blocks)
        at_risk = at_risk - terms.share * events[terms.block]
    return at_risk / part.denominator


def _newton_step(at: _Point) -> tuple[FloatArray, FloatArray]:
    solved_cross, solved_score = (
        solve_frailty(at.frailty_block, at.cross.T),
        solve_frailty(at.frailty_block, at.score_b),
    )
    schur = at.own - at.cross @ solved_cross
    step_beta = (
        np.linalg.solve(schur, at.score_beta - at.cross @ solved_score) if len(at.own) else at.score_beta
    )
    return step_beta, solved_score - solved_cross @ step_beta


def solve_frailty(block: FloatArray, right: FloatArray) -> FloatArray:
    if block.ndim == 2:
        return np.linalg.solve(block, right)
    return right / (block if right.ndim == 1 else block[:, None])


def _recentred(b: FloatArray) -> FloatArray:
    """Frailties have mean 1; the partial likelihood does not see the constant."""
    top = b.max()
    return b - top - np.log(np.mean(np.exp(b - top)))


def gamma_correction(deaths: FloatArray, nu: float) -> float:
    """What integrating out gamma frailties adds to the partial log likelihood at its penalised maximum."""
    d = deaths[deaths > 0]
    if nu > 1e7 * d.max(initial=1.0):  # differences of large logarithms; the limit is sum d^2/(2 nu)
        first = float((deaths**2).sum() / (2 * nu))
    else:
        first = float((d + nu * np.log(nu / (nu + d))).sum())
    return first + float((gammaln(nu + d) - gammaln(nu) - d * np.log(nu + d)).sum())


def frailty_covariance(fit: Inner) -> tuple[FloatArray, FloatArray, FloatArray]:
    """From the inverse of the penalised information.

    The covariance of the coefficients (p, p); what it would be without the penalty's share; and the
    variances of the log frailties (G,).
    """
    solved = solve_frailty(fit.frailty_block, fit.cross.T)
    covariance = np.linalg.inv(fit.own - fit.cross @ solved)
    between = -solved @ covariance  # block (frailty, coefficient) of the inverse
    unpenalised = covariance - between.T @ (fit.penalty[:, None] * between)
    own = np.diag(np.linalg.inv(fit.frailty_block)) if fit.frailty_block.ndim == 2 else 1 / fit.frailty_block
    return covariance, unpenalised, own + np.einsum("gi,ij,gj->g", solved, covariance, solved)
