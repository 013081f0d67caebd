"""Few events: Cox and logistic regression with Firth's penalty, finite even where no maximum likelihood is.

Belongs here: ``firth_cox`` and ``firth_logistic``.
Does not belong here: the penalised maximum and its profile (jeffreys.py), ordinary Cox (analytics.cox).

If a covariate separates those with events from those without, the likelihood rises for ever and ordinary
estimates run to infinity. With few events per parameter, ordinary estimates are finite and biased. Jeffreys'
prior removes the leading term of the bias and always leaves a maximum. Intervals and tests come from the
penalised profile likelihood, because Wald's are misleading in exactly these cases (Heinze and Schemper 2001,
2002).

Cox uses Breslow's ties. With means m and the covariance V of covariates in each risk set of d events, the
derivative of the information sum d V by b_l is sum d kappa_l, kappa_l the third central moments with x_l;
tr(I^-1 kappa_l) needs only sums of x_l, of q = x' I^-1 x and of x x' over risk sets, so that it too is
linear in rows. Late entry and strata come with the risk sets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from scipy.special import expit

from analytics.cox.data import CoxData, prepare
from analytics.cox.estimate import centre, does_not_vary, events_per_parameter
from analytics.cox.likelihood import Derivatives, Pieces, derivatives_of, pieces, sum_over_terms
from analytics.cox.newton import aliased_columns, maximise
from analytics.cox.terms import Factors, build_design, columns_of
from analytics.door import takes_any_frame
from analytics.regression.jeffreys import (
    Penalised,
    PenalisedMaximum,
    Profile,
    maximise_penalised,
    penalised_score,
    profile,
)
from analytics.status import NO_EVENTS, NO_VARIANCE, NOT_CONVERGED, NOT_ESTIMABLE, OK, require_columns
from analytics.survival.outcome import FloatArray, IntArray, confidence_quantile, event_column

INTERCEPT = "(Intercept)"


@dataclass(frozen=True)
class FirthFit:
    """By column: ``coefficients``, ``std_error`` (inverse information), ``ci`` (p, 2), LR ``statistic``.

    ``terms`` holds the same with hazard_ratio or odds_ratio; its interval is the profile's, its test the
    penalised likelihood ratio's. ``monotone`` names the columns whose unpenalised estimate runs to infinity.
    """

    names: list[str]
    coefficients: FloatArray
    std_error: FloatArray
    ci: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    penalised_loglik: float
    monotone: list[str]
    aliased: dict[str, list[str]]
    terms: pd.DataFrame
    confidence: float
    n: int
    n_events: int
    n_missing: int
    method: str
    status: str
    note: str

    @property
    def summary(self) -> pd.DataFrame:
        return self.terms


class Likelihood(Protocol):
    """What the penalty needs to know of a model, at covariates ``x`` and linear predictor ``eta``."""

    def at(self, x: FloatArray, eta: FloatArray) -> tuple[Derivatives, Callable[[FloatArray], FloatArray]]:
        """Log likelihood, score and information; and what maps a matrix M to tr(M dI/db_l) for each
        coefficient l.
        """


@dataclass(frozen=True)
class _Problem:
    """A design to be fitted, with the words that its result carries."""

    likelihood: Likelihood
    x: FloatArray
    names: list[str]
    labels: list[str]
    n: int
    n_events: int
    n_missing: int
    ratio: str
    method: str
    n_strata: int = 1


@takes_any_frame
def firth_cox(
    data: pd.DataFrame,
    time: str,
    event: str,
    terms: Sequence[str],
    factors: Factors | None = None,
    entry: str | None = None,
    strata: str | Sequence[str] | None = None,
    confidence: float = 0.95,
) -> FirthFit:
    """Fit hazard ratios of ``terms`` by penalised partial likelihood; arguments as for ``cox``."""
    confidence_quantile(confidence)
    rows = prepare(data, time, event, terms, factors, entry, strata, None, "breslow")
    x = rows.design.x - centre(rows.design.x)
    return _fit(
        _Problem(
            CoxLikelihood(rows),
            x,
            rows.design.names,
            rows.design.labels,
            rows.outcome.n,
            rows.outcome.n_events,
            rows.outcome.n_missing,
            "hazard_ratio",
            "Firth-penalised Cox, breslow ties",
            len(rows.strata),
        ),
        confidence,
    )


@takes_any_frame
def firth_logistic(
    data: pd.DataFrame,
    outcome: str,
    terms: Sequence[str],
    factors: Factors | None = None,
    confidence: float = 0.95,
) -> FirthFit:
    """Fit odds ratios of ``terms`` for ``outcome`` (0/1), with an intercept, on the complete rows."""
    confidence_quantile(confidence)
    factors = factors or {}
    read = list(dict.fromkeys([outcome, *columns_of(terms)]))
    require_columns(data, [*read, *factors])
    complete = data[read].notna().all(axis=1)
    for name in factors:
        complete &= data[name].isin(list(factors[name]))
    rows = data[complete]
    event = event_column(rows, outcome, "outcome")
    design = build_design(rows, terms, factors)
    x = np.column_stack([np.ones(len(rows)), design.x])
    return _fit(
        _Problem(
            LogisticLikelihood(event),
            x,
            [INTERCEPT, *design.names],
            [INTERCEPT, *design.labels],
            len(rows),
            int(event.sum()),
            len(data) - len(rows),
            "odds_ratio",
            "Firth-penalised logistic",
        ),
        confidence,
    )


@dataclass(frozen=True)
class CoxLikelihood:
    rows: CoxData

    def at(self, x: FloatArray, eta: FloatArray) -> tuple[Derivatives, Callable[[FloatArray], FloatArray]]:
        with np.errstate(all="ignore"):  # an absurd step gives NaN, which the maximiser answers by halving it
            part = pieces(self.rows.sets, self.rows.tie_terms, x, eta)
            derivatives = derivatives_of(part, self.rows.sets, x, eta)
        return derivatives, lambda inverse: self._trace(part, x, inverse)

    def _trace(self, part: Pieces, x: FloatArray, inverse: FloatArray) -> FloatArray:
        """The sum over events of E[q x] - 2 E[x x'] v - E[q] m + 2 (m'v) m, with v = inverse m."""
        sets, terms = self.rows.sets, self.rows.tie_terms
        q = np.einsum("ij,jk,ik->i", x, inverse, x)
        v = part.mean @ inverse
        mean_q = sets.sum_at_risk(part.weight * q)[terms.block] / part.denominator
        along_v = np.einsum("ij,ij->i", x, sum_over_terms(sets, terms, v / part.denominator[:, None]))
        of_rows = x.T @ (part.compensator * q - 2 * part.weight * along_v)
        return of_rows - part.mean.T @ (mean_q - 2 * np.einsum("ij,ij->i", part.mean, v))


@dataclass(frozen=True)
class LogisticLikelihood:
    event: np.ndarray

    def at(self, x: FloatArray, eta: FloatArray) -> tuple[Derivatives, Callable[[FloatArray], FloatArray]]:
        p = expit(eta)
        loglik = float(-np.logaddexp(0.0, np.where(self.event, -eta, eta)).sum())
        derivatives = Derivatives(loglik, x.T @ (self.event - p), (x * (p * (1 - p))[:, None]).T @ x)
        return (
            derivatives,
            lambda inverse: x.T @ (p * (1 - p) * (1 - 2 * p) * np.einsum("ij,jk,ik->i", x, inverse, x)),
        )


def _fit(problem: _Problem, confidence: float) -> FirthFit:
    p = problem.x.shape[1]
    refusal = _refusal(problem)
    if refusal:
        return _result(problem, confidence, np.arange(0), None, None, np.ones(p), [], {}, *refusal)
    spread = np.ptp(problem.x, axis=0)
    unit = np.where(spread > 0, spread, 1.0)
    scaled = problem.x / unit
    aliased = aliased_columns(problem.likelihood.at(scaled, np.zeros(problem.n))[0].information)
    kept = np.array([j for j in range(p) if j not in aliased], dtype=np.int64)
    used = scaled[:, kept]

    def evaluate(beta: FloatArray) -> Penalised:
        at, trace = problem.likelihood.at(used, used @ beta)
        return penalised_score(at.loglik, at.score, at.information, trace)

    plain = maximise(lambda beta: problem.likelihood.at(used, used @ beta)[0], len(kept))
    monotone = [problem.names[j] for j in kept[np.flatnonzero(plain.moving)]]
    maximum = maximise_penalised(evaluate, np.zeros(len(kept)))
    status, note = _judge(problem, maximum, monotone, aliased, len(kept))
    limits = profile(evaluate, maximum, confidence) if maximum.converged and len(kept) else None
    return _result(
        problem,
        confidence,
        kept,
        maximum,
        limits,
        unit,
        monotone,
        {problem.names[j]: [problem.names[k] for k in by] for j, by in aliased.items()},
        status,
        note,
    )


def _refusal(problem: _Problem) -> tuple[str, str] | None:
    if problem.n == 0:
        return NOT_ESTIMABLE, f"None of the {problem.n_missing} rows is complete."
    if problem.n_events == 0:
        return NO_EVENTS, f"None of the {problem.n} complete rows has an event."
    if problem.ratio == "odds_ratio" and problem.n_events == problem.n:
        return NO_VARIANCE, f"Every one of the {problem.n} complete rows has the event."
    return None


def _judge(
    problem: _Problem,
    maximum: PenalisedMaximum,
    monotone: list[str],
    aliased: dict[int, list[int]],
    n_estimated: int,
) -> tuple[str, str]:
    notes = []
    if monotone:
        notes.append(
            f"Unpenalised, {', '.join(monotone)} runs to infinity (monotone likelihood); the penalised "
            "estimate is finite, and its interval is the profile interval."
        )
    if aliased:
        named = [
            f"{problem.names[j]} cannot be told apart from {', '.join(problem.names[k] for k in by)}."
            if by
            else does_not_vary(problem.names[j], problem.n_strata)
            for j, by in aliased.items()
        ]
        return NOT_ESTIMABLE, " ".join([*named, *notes])
    if not maximum.converged:
        return NOT_CONVERGED, " ".join(["No maximum of the penalised likelihood found.", *notes])
    events = (
        min(problem.n_events, problem.n - problem.n_events)
        if problem.ratio == "odds_ratio"
        else problem.n_events
    )
    status, few = events_per_parameter(events, n_estimated - (problem.ratio == "odds_ratio"))
    if status != OK:
        notes.insert(0, few.split(": ")[0] + ": the intervals say how little is known.")
    return status, " ".join(notes)


def _result(
    problem: _Problem,
    confidence: float,
    kept: IntArray,
    maximum: PenalisedMaximum | None,
    limits: Profile | None,
    unit: FloatArray,
    monotone: list[str],
    aliased: dict[str, list[str]],
    status: str,
    note: str,
) -> FirthFit:
    p = len(problem.names)
    columns = {
        name: np.full(p, np.nan) for name in ("coefficient", "std_error", "low", "high", "statistic", "p")
    }
    loglik = np.nan
    if maximum is not None and len(kept):
        scale = unit[kept]
        columns["coefficient"][kept] = maximum.beta / scale
        columns["std_error"][kept] = np.sqrt(np.diag(np.linalg.inv(maximum.at.information))) / scale
        loglik = maximum.at.value + float(np.log(scale).sum())  # log det I in the covariates' own units
    if limits is not None:
        columns["low"][kept], columns["high"][kept] = limits.low / unit[kept], limits.high / unit[kept]
        columns["statistic"][kept], columns["p"][kept] = limits.statistic, limits.p_value
    with np.errstate(over="ignore"):
        table = pd.DataFrame(
            {
                "term": problem.names,
                "variable": problem.labels,
                "coefficient": columns["coefficient"],
                "std_error": columns["std_error"],
                problem.ratio: np.exp(columns["coefficient"]),
                "ci_low": np.exp(columns["low"]),
                "ci_high": np.exp(columns["high"]),
                "statistic": columns["statistic"],
                "p_value": columns["p"],
                "ph_p_value": np.nan,
                "status": [_row_status(j, kept, maximum, status) for j in range(p)],
                "note": [_row_note(name, monotone, aliased) for name in problem.names],
            }
        )
    if problem.ratio == "odds_ratio":
        table = table.drop(columns="ph_p_value")
    return FirthFit(
        problem.names,
        columns["coefficient"],
        columns["std_error"],
        np.column_stack([columns["low"], columns["high"]]),
        columns["statistic"],
        columns["p"],
        loglik,
        monotone,
        aliased,
        table,
        confidence,
        problem.n,
        problem.n_events,
        problem.n_missing,
        problem.method,
        status,
        note,
    )


def _row_status(column: int, kept: IntArray, maximum: PenalisedMaximum | None, status: str) -> str:
    if maximum is None:
        return status
    if column not in kept:
        return NOT_ESTIMABLE
    return OK if maximum.converged else NOT_CONVERGED


def _row_note(name: str, monotone: list[str], aliased: dict[str, list[str]]) -> str:
    if name in aliased:
        return f"cannot be told apart from {', '.join(aliased[name])}" if aliased[name] else "does not vary"
    return "unpenalised, it runs to infinity" if name in monotone else ""
