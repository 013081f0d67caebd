"""Cox regression with a gamma frailty per patient: recurrent events, or siblings, that share a risk.

Belongs here: the penalised fit at a given frailty variance, and the search for that variance.
Does not belong here: robust variances for recurrent events (recurrent.py).

Each patient g has hazards multiplied by z_g = exp(b_g), gamma with mean 1 and variance theta. For a given
theta the estimates maximise the partial likelihood plus sum (b_g - exp b_g)/theta (Therneau, Grambsch and
Pankratz 2003), which is where the EM algorithm ends. With nu = 1/theta and d_g events of patient g, the
marginal ("integrated") log likelihood at that maximum is the partial one plus the sum over g of

    nu b_g + d_g + nu log(nu/(nu + d_g)) + log Gamma(nu + d_g)/Gamma(nu) - d_g log(nu + d_g),

and theta maximises it. Standard errors and degrees of freedom are those of survival::coxph: the inverse of
the penalised information, in which the covariance between different patients' frailties is dropped when
there are more than five patients ("sparse").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from analytics.cox.data import CoxData, prepare
from analytics.cox.estimate import estimate, judge
from analytics.cox.terms import Factors
from analytics.door import takes_any_frame
from analytics.frailty.inner import Inner, Problem, frailty_covariance, maximum, maximum_as_survival
from analytics.frailty.search import Evaluated, search_variance
from analytics.status import NO_EVENTS, NOT_CONVERGED, NOT_ESTIMABLE, OK, SINGULAR, require_choice
from analytics.survival.outcome import FloatArray, confidence_quantile, group_codes

SEARCHES = ("maximum", "survival")


@dataclass(frozen=True)
class FrailtyFit:
    """``terms``: one row per column with hazard_ratio given the frailty.

    ``frailties``: events, z and the standard error of log z by patient.

    ``df``: effective degrees of freedom by term and of "frailty". ``integrated_loglik`` is at
    ``frailty_variance``; ``variance_test`` compares it with no frailty (half a chi-square with 1 df).
    """

    names: list[str]
    coefficients: FloatArray
    covariance: FloatArray
    frailty_variance: float
    integrated_loglik: float
    loglik_null: float
    loglik_no_frailty: float
    loglik: float
    df: dict[str, float]
    variance_test: dict[str, float]
    frailties: pd.DataFrame
    terms: pd.DataFrame
    confidence: float
    n: int
    n_patients: int
    n_events: int
    n_missing: int
    method: str
    status: str
    note: str

    @property
    def summary(self) -> pd.DataFrame:
        return self.terms


@takes_any_frame
def gamma_frailty(
    data: pd.DataFrame,
    time: str,
    event: str,
    patient: str,
    terms: Sequence[str],
    factors: Factors | None = None,
    entry: str | None = None,
    strata: str | Sequence[str] | None = None,
    ties: str = "efron",
    theta: float | None = None,
    search: str = "maximum",
    confidence: float = 0.95,
) -> FrailtyFit:
    """Fit hazard ratios of ``terms`` with one frailty per ``patient``.

    ``theta`` fixes the frailty variance. ``search`` "maximum" finds the maximum of the integrated likelihood
    to all digits; "survival" stops where coxph stops, when that likelihood changes by less than 1e-5 of
    itself, and reports the variance that coxph would have tried next: for replay in R.
    """
    require_choice(search, SEARCHES, "search")
    require_choice(ties, ("efron", "breslow"), "ties")
    quantile = confidence_quantile(confidence)
    if theta is not None and not (np.isfinite(theta) and theta >= 0):
        raise ValueError(f"theta: expected a variance of 0 or more; found {theta}")
    rows = prepare(data, time, event, terms, factors, entry, strata, patient, ties)
    labels = group_codes(data.iloc[rows.outcome.rows], patient, None, "patient")[1]
    words = _Words(patient, labels, confidence, quantile)
    if rows.outcome.n_events == 0:
        return _without_events(rows, words)
    plain = estimate(rows, rows.design.x)
    if plain.aliased or len(plain.monotone):
        return _without_estimate(rows, words, *judge(rows, plain))
    evaluated = Evaluated(Problem.of(rows), maximum if search == "maximum" else maximum_as_survival)
    chosen, fitted_at = search_variance(evaluated, search) if theta is None else (theta, theta)
    return _result(rows, words, evaluated, chosen, fitted_at, theta is not None)


@dataclass(frozen=True)
class _Words:
    patient: str
    labels: list[object]
    confidence: float
    quantile: float


def _result(
    rows: CoxData, words: _Words, evaluated: Evaluated, theta: float, fitted_at: float, fixed: bool
) -> FrailtyFit:
    fit, none = evaluated.at(fitted_at), evaluated.at(0.0)
    covariance, unpenalised, frailty_variances = frailty_covariance(fit)
    statistic = max(2 * (fit.integrated - none.integrated), 0.0)
    test = {
        "statistic": statistic,
        "df": 1.0,
        "p_value": float(chdtrc(1, statistic)) / 2 if statistic else 1.0,
    }
    status, note = OK, ""
    if not fit.converged:
        status, note = NOT_CONVERGED, "The search did not converge; give theta, or use fewer terms."
    elif theta == 0 and not fixed:
        status, note = SINGULAR, "The frailty variance is 0: patients do not differ beyond their covariates."
    frailties = pd.DataFrame(
        {
            "patient": words.labels,
            "events": evaluated.problem.deaths.astype(int),
            "frailty": np.exp(fit.state.b),
            "log_std_error": np.sqrt(frailty_variances) if fit.theta > 0 else 0.0,
        }
    )
    table = _table(rows, fit.state.beta, covariance, words.quantile)
    return FrailtyFit(
        names=rows.design.names,
        coefficients=fit.state.beta,
        covariance=covariance,
        frailty_variance=theta,
        integrated_loglik=fit.integrated,
        loglik_null=_loglik_at_zero(rows),
        loglik_no_frailty=none.loglik,
        loglik=fit.loglik,
        df=_df(rows, fit, covariance, unpenalised, frailty_variances),
        variance_test=test,
        frailties=frailties,
        terms=table,
        confidence=words.confidence,
        n=rows.outcome.n,
        n_patients=len(words.labels),
        n_events=rows.outcome.n_events,
        n_missing=rows.outcome.n_missing,
        method=_method(rows),
        status=status,
        note=note,
    )


def _df(
    rows: CoxData, fit: Inner, covariance: FloatArray, unpenalised: FloatArray, frailty_variances: FloatArray
) -> dict[str, float]:
    """Effective degrees of freedom: by term tr(V^-1 V_unpenalised), of the frailties what is left."""
    df = {}
    for index, term in enumerate(rows.design.terms):
        j = np.flatnonzero(np.array(rows.design.term_of) == index)
        df[term] = float(np.trace(np.linalg.solve(covariance[np.ix_(j, j)], unpenalised[np.ix_(j, j)])))
    df["frailty"] = float(len(fit.penalty) - frailty_variances @ fit.penalty) if fit.theta > 0 else 0.0
    return df


def _loglik_at_zero(rows: CoxData) -> float:
    n, p = rows.design.x.shape
    return rows.likelihood(np.zeros((n, p)), np.zeros(n)).loglik


def _method(rows: CoxData) -> str:
    return f"Cox with gamma frailty, {rows.ties} ties"


def _table(
    rows: CoxData, beta: FloatArray, covariance: FloatArray, quantile: float, status: str = OK
) -> pd.DataFrame:
    error = np.sqrt(np.diag(covariance))
    z = beta / error
    return pd.DataFrame(
        {
            "term": rows.design.names,
            "variable": rows.design.labels,
            "coefficient": beta,
            "std_error": error,
            "hazard_ratio": np.exp(beta),
            "ci_low": np.exp(beta - quantile * error),
            "ci_high": np.exp(beta + quantile * error),
            "statistic": z,
            "p_value": chdtrc(1, z**2),
            "status": status,
        }
    )


def _without_events(rows: CoxData, words: _Words) -> FrailtyFit:
    n = rows.outcome.n
    status, note = (
        (NO_EVENTS, f"None of the {n} complete rows has an event.")
        if n
        else (NOT_ESTIMABLE, f"None of the {rows.outcome.n_missing} rows is complete.")
    )
    return _without_estimate(rows, words, status, note)


def _without_estimate(rows: CoxData, words: _Words, status: str, note: str) -> FrailtyFit:
    p = len(rows.design.names)
    nothing, square = np.full(p, np.nan), np.full((p, p), np.nan)
    return FrailtyFit(
        names=rows.design.names,
        coefficients=nothing,
        covariance=square,
        frailty_variance=np.nan,
        integrated_loglik=np.nan,
        loglik_null=np.nan,
        loglik_no_frailty=np.nan,
        loglik=np.nan,
        df={},
        variance_test={},
        frailties=pd.DataFrame(columns=["patient", "events", "frailty", "log_std_error"]),
        terms=_table(rows, nothing, square, words.quantile, status),
        confidence=words.confidence,
        n=rows.outcome.n,
        n_patients=len(words.labels),
        n_events=rows.outcome.n_events,
        n_missing=rows.outcome.n_missing,
        method=_method(rows),
        status=status,
        note=note,
    )
