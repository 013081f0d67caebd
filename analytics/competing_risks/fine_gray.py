"""Regression of competing events: the subdistribution hazard (Fine and Gray 1999) and cause-specific Cox.

Belongs here: ``fine_gray`` and ``cause_specific_cox``.
Does not belong here: incidence curves and their test (incidence.py, gray.py).

A subject with a competing event at T stays in the risk set of the cause with weight G(t-)/G(T-), G the
Kaplan-Meier curve of being uncensored. The weight is a product, so the sum over risk sets is that over who is
truly at risk plus G(t-) times a running sum of w/G(T-): linear in rows, where cmprsk's crr visits every pair.
Ties are Breslow's. The variance adds to each row's score the effect of having estimated G: with
q(u) = sum over events t >= u of G(t-) (C1(u) - C0(u) m(t)) d/S0(t), C the running sums just before u, the
censored at u get q(u)/n(u), and everyone at risk at a censoring loses q(u) c(u)/n(u)^2 (crr's crrvv).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from analytics.competing_risks.causes import Causes, read_causes
from analytics.cox import CoxFit, cox
from analytics.cox.estimate import centre, events_per_parameter
from analytics.cox.likelihood import Derivatives
from analytics.cox.newton import aliased_columns, maximise
from analytics.cox.terms import Design, Factors, build_design, columns_of
from analytics.door import takes_any_frame
from analytics.status import (
    MONOTONE_LIKELIHOOD,
    NO_EVENTS,
    NOT_CONVERGED,
    NOT_ESTIMABLE,
    OK,
    require_columns,
)
from analytics.survival.outcome import FloatArray, IntArray, confidence_quantile

EVENT = "\0event of the cause"


@dataclass(frozen=True)
class FineGray:
    """``terms``: one row per column with the subdistribution hazard ratio. ``covariance`` is the sandwich."""

    names: list[str]
    coefficients: FloatArray
    covariance: FloatArray
    terms: pd.DataFrame
    loglik_null: float
    loglik: float
    cause: object
    n: int
    n_events: int
    n_competing: int
    n_missing: int
    method: str
    status: str
    note: str

    @property
    def summary(self) -> pd.DataFrame:
        return self.terms


@takes_any_frame
def cause_specific_cox(
    data: pd.DataFrame,
    time: str,
    event: str,
    cause: object,
    terms: Sequence[str],
    factors: Factors | None = None,
    censored: object = 0,
    entry: str | None = None,
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    ties: str = "efron",
    confidence: float = 0.95,
) -> CoxFit:
    """Cox regression of one cause, other events counted as censored: the effect on the rate of the cause."""
    read = read_causes(data, time, event, censored, entry=entry)
    if read.labels:
        read.position(cause)
    known = data[event].notna()
    happened = data.assign(**{EVENT: (data[event] == cause).astype(float).where(known)})
    return cox(happened, time, EVENT, terms, factors, entry, strata, cluster, ties, confidence)


@takes_any_frame
def fine_gray(
    data: pd.DataFrame,
    time: str,
    event: str,
    cause: object,
    terms: Sequence[str],
    factors: Factors | None = None,
    censored: object = 0,
    confidence: float = 0.95,
    causes: Sequence[object] | None = None,
) -> FineGray:
    """Fit ratios of the subdistribution hazard: the effect on the incidence of ``cause``.

    ``causes`` lists all possible causes, if one of them may have no event; default: the causes found.
    """
    quantile = confidence_quantile(confidence)
    factors = factors or {}
    needed = columns_of(terms)
    require_columns(data, [*needed, *factors])
    inside = np.ones(len(data), dtype=bool)
    for name in factors:
        inside &= data[name].isin(list(factors[name])).to_numpy()
    read = read_causes(data[inside], time, event, censored, causes, complete=needed)
    code = read.position(cause) if read.labels else -2
    design = build_design(data[inside].iloc[read.outcome.rows], terms, factors)
    return _fit(read, code, cause, design, len(data) - read.outcome.n, quantile)


@dataclass(frozen=True)
class _Layout:
    """Rows sorted by time. ``times``, ``events``: of the cause. ``g`` is G just before each row's time."""

    x: FloatArray
    time: FloatArray
    own: np.ndarray
    competing: np.ndarray
    g: FloatArray
    times: FloatArray
    events: FloatArray
    g_at: FloatArray
    from_row: IntArray  # by event time, the first row at or after it
    up_to: IntArray  # by row, how many event times are at or before it


def _layout(read: Causes, code: int, x: FloatArray) -> _Layout:
    order = np.argsort(read.outcome.time, kind="stable")
    time, cause = read.outcome.time[order], read.cause[order]
    own, competing = cause == code, (cause >= 0) & (cause != code)
    times, events = np.unique(time[own], return_counts=True)
    from_row = np.searchsorted(time, times)
    g = _uncensored_before(time, cause < 0)
    return _Layout(
        x[order],
        time,
        own,
        competing,
        g,
        times,
        events.astype(float),
        g[from_row],
        from_row,
        np.searchsorted(times, time, side="right"),
    )


def _uncensored_before(time: FloatArray, is_censored: np.ndarray) -> FloatArray:
    """Kaplan-Meier of the censoring distribution just before each (sorted) time."""
    times, first = np.unique(time, return_index=True)
    censored = np.add.reduceat(is_censored.astype(float), first) if len(time) else np.zeros(0)
    at_risk = len(time) - first
    curve = np.concatenate([[1.0], np.cumprod(1 - censored / at_risk)])
    return curve[np.searchsorted(times, time)]


@dataclass(frozen=True)
class _Sums:
    """By event time: S0 and the mean covariates; ``weight`` by row and running sums of competing w/G."""

    weight: FloatArray
    total: FloatArray
    mean: FloatArray


def _sums(layout: _Layout, x: FloatArray, eta: FloatArray) -> _Sums:
    weight = np.exp(eta)
    total = _over_risk_sets(layout, weight)
    mean = np.empty((len(total), x.shape[1]))
    for j, column in enumerate(x.T):
        mean[:, j] = _over_risk_sets(layout, weight * column) / total
    return _Sums(weight, total, mean)


def _over_risk_sets(layout: _Layout, values: FloatArray) -> FloatArray:
    at_risk = np.cumsum(values[::-1])[::-1][layout.from_row]
    return at_risk + layout.g_at * _competing_before(layout, values)[layout.from_row]


def _competing_before(layout: _Layout, values: FloatArray) -> FloatArray:
    """By row: the sum of values/G over competing events strictly before its time, with the total last."""
    running = np.concatenate([[0.0], np.cumsum(np.where(layout.competing, values / layout.g, 0.0))])
    return running[np.concatenate([np.searchsorted(layout.time, layout.time), [len(layout.time)]])]


def _derivatives(layout: _Layout, x: FloatArray, beta: FloatArray) -> Derivatives:
    with np.errstate(all="ignore"):
        eta = x @ beta
        sums = _sums(layout, x, eta)
        loglik = float(eta[layout.own].sum() - layout.events @ np.log(sums.total))
        exposure = _exposure(layout, sums.weight, layout.events / sums.total)
        information = (x * exposure[:, None]).T @ x - (sums.mean * layout.events[:, None]).T @ sums.mean
        score = x[layout.own].sum(axis=0) - layout.events @ sums.mean
    return Derivatives(loglik, score, information)


def _exposure(layout: _Layout, weight: FloatArray, rate: FloatArray) -> FloatArray:
    """By row: its weight times the sum of ``rate`` (by event time) over its risk sets, with G's weight."""
    up_to = np.concatenate([[0.0], np.cumsum(rate)])[layout.up_to]
    later = np.cumsum((rate * layout.g_at)[::-1])[::-1]
    beyond = np.concatenate([later, [0.0]])[layout.up_to]
    return weight * (up_to + np.where(layout.competing, beyond / layout.g, 0.0))


def _sandwich(layout: _Layout, x: FloatArray, beta: FloatArray, information: FloatArray) -> FloatArray:
    sums = _sums(layout, x, x @ beta)
    rate = layout.events / sums.total
    of_mean = np.stack([_exposure(layout, sums.weight, rate * m) for m in sums.mean.T], axis=1)
    expected = x * _exposure(layout, sums.weight, rate)[:, None] - of_mean
    own_mean = sums.mean[np.maximum(layout.up_to - 1, 0)]
    score = np.where(layout.own[:, None], x - own_mean, 0.0) - expected
    inverse = np.linalg.inv(information)
    total = score + _censoring_scores(layout, x, sums, rate)
    return inverse @ (total.T @ total) @ inverse


def _censoring_scores(layout: _Layout, x: FloatArray, sums: _Sums, rate: FloatArray) -> FloatArray:
    """By row: what the estimation of G adds to its score."""
    first = np.searchsorted(layout.time, layout.time)
    at_risk = len(layout.time) - first
    next_event = np.searchsorted(layout.times, layout.time)
    r0 = np.concatenate([np.cumsum((rate * layout.g_at)[::-1])[::-1], [0.0]])[next_event]
    before0 = _competing_before(layout, sums.weight)[:-1]
    censored = ~layout.own & ~layout.competing
    score = np.empty_like(x)
    for j, column in enumerate(x.T):
        r1 = np.concatenate([np.cumsum((rate * layout.g_at * sums.mean[:, j])[::-1])[::-1], [0.0]])[
            next_event
        ]
        q = _competing_before(layout, sums.weight * column)[:-1] * r0 - before0 * r1
        lost = np.cumsum(np.where(censored, q / at_risk**2, 0.0))
        through = lost[np.searchsorted(layout.time, layout.time, side="right") - 1]
        score[:, j] = np.where(censored, q / at_risk, 0.0) - through
    return score


def _fit(read: Causes, code: int, cause: object, design: Design, n_missing: int, quantile: float) -> FineGray:
    p, n = design.x.shape[1], read.outcome.n
    n_events = int((read.cause == code).sum())
    coefficients, covariance = np.full(p, np.nan), np.full((p, p), np.nan)
    sizes: dict[str, Any] = {
        "cause": cause,
        "n": n,
        "n_events": n_events,
        "n_missing": n_missing,
        "n_competing": read.outcome.n_events - n_events,
        "names": design.names,
        "method": "Fine-Gray",
    }
    if n_events == 0:
        status, note = (
            (NO_EVENTS, f"None of the {n} complete rows has an event of cause {cause}.")
            if n
            else (NOT_ESTIMABLE, f"None of the {n_missing} rows is complete.")
        )
        return FineGray(
            coefficients=coefficients,
            covariance=covariance,
            loglik_null=np.nan,
            loglik=np.nan,
            status=status,
            note=note,
            terms=_table(design, coefficients, covariance, quantile, {}, status),
            **sizes,
        )
    spread = np.ptp(design.x, axis=0)
    unit = np.where(spread > 0, spread, 1.0)
    layout = _layout(read, code, (design.x - centre(design.x)) / unit)
    aliased = aliased_columns(_derivatives(layout, layout.x, np.zeros(p)).information)
    kept = np.array([j for j in range(p) if j not in aliased], dtype=np.int64)
    used = layout.x[:, kept]
    maximum = maximise(lambda beta: _derivatives(layout, used, beta), len(kept))
    coefficients[kept] = maximum.beta / unit[kept]
    if maximum.converged and len(kept):
        covariance[np.ix_(kept, kept)] = _sandwich(
            layout, used, maximum.beta, maximum.end.information
        ) / np.outer(unit[kept], unit[kept])
    moving = [design.names[j] for j in kept[np.flatnonzero(maximum.moving)]]
    named = {design.names[j]: [design.names[k] for k in by] for j, by in aliased.items()}
    status, note = _judge(maximum.converged, moving, named, n_events, len(kept))
    return FineGray(
        coefficients=coefficients,
        covariance=covariance,
        loglik_null=maximum.start.loglik,
        loglik=maximum.end.loglik,
        status=status,
        note=note,
        terms=_table(design, coefficients, covariance, quantile, named, status),
        **sizes,
    )


def _judge(
    converged: bool, moving: list[str], aliased: dict[str, list[str]], events: int, parameters: int
) -> tuple[str, str]:
    if moving:
        return MONOTONE_LIKELIHOOD, (
            f"{', '.join(moving)} runs to infinity: it separates those with the event from those without."
        )
    if aliased:
        return NOT_ESTIMABLE, " ".join(
            f"{name} cannot be told apart from {', '.join(by)}." if by else f"{name} does not vary."
            for name, by in aliased.items()
        )
    if not converged:
        return NOT_CONVERGED, "The search found no maximum of the likelihood; rescale the covariates."
    status, note = events_per_parameter(events, parameters)
    return status, f"{note} Use fewer terms." if note else ""


def _table(
    design: Design,
    coefficients: FloatArray,
    covariance: FloatArray,
    quantile: float,
    aliased: dict[str, list[str]],
    status: str,
) -> pd.DataFrame:
    error = np.sqrt(np.diag(covariance))
    z = coefficients / error
    rows = [
        NOT_ESTIMABLE if name in aliased else status if np.isnan(e) else OK
        for name, e in zip(design.names, error)
    ]
    return pd.DataFrame(
        {
            "term": design.names,
            "variable": design.labels,
            "coefficient": coefficients,
            "std_error": error,
            "hazard_ratio": np.exp(coefficients),
            "ci_low": np.exp(coefficients - quantile * error),
            "ci_high": np.exp(coefficients + quantile * error),
            "statistic": z,
            "p_value": chdtrc(1, z**2),
            "status": rows,
        }
    )
