"""Tables of a Cox fit: estimates by column, tests of all, tests by term, baseline hazard.

Belongs here: arranging a fit's numbers in frames.
Does not belong here: the fit.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from analytics.cox.data import CoxData
from analytics.cox.estimate import estimate
from analytics.cox.likelihood import Pieces
from analytics.cox.record import CoxEstimates
from analytics.status import MONOTONE_LIKELIHOOD, NOT_ESTIMABLE, OK
from analytics.survival.outcome import confidence_quantile

TERM_COLUMNS = (
    "term",
    "variable",
    "coefficient",
    "std_error",
    "hazard_ratio",
    "ci_low",
    "ci_high",
    "statistic",
    "p_value",
    "ph_p_value",
    "status",
    "note",
)
ESTIMATES = ("coefficient", "std_error", "hazard_ratio", "ci_low", "ci_high", "statistic", "p_value")


def term_table(fit: CoxEstimates, ph: Mapping[str, float]) -> pd.DataFrame:
    """One row per column of the design. What has no finite estimate says so in ``status`` and ``note``.

    ``ph`` holds the p value of proportional hazards by variable, as far as there is one.
    """
    quantile = confidence_quantile(fit.confidence)
    labels = fit.names if fit.data is None else fit.data.design.labels
    rows = []
    for name, label, b, error in zip(fit.names, labels, fit.coefficients, fit.std_error):
        estimates = _estimates(b, error, quantile)
        rows.append(
            {
                "term": name,
                "variable": label,
                **estimates,
                "ph_p_value": ph.get(label, np.nan),
                "status": OK,
                "note": "",
                **_exception(fit, name, b),
            }
        )
    return pd.DataFrame(rows, columns=list(TERM_COLUMNS))


def _estimates(b: float, error: float, quantile: float) -> dict[str, float]:
    with np.errstate(over="ignore", invalid="ignore"):  # a diverging coefficient, or an error of 0
        ratio, low, high = np.exp([b, b - quantile * error, b + quantile * error])
        z = b / error
    return dict(zip(ESTIMATES, (b, error, ratio, low, high, z, float(chdtrc(1, z**2)))))


def _exception(fit: CoxEstimates, name: str, b: float) -> dict[str, object]:
    if not len(fit.estimated):
        return {"status": fit.status, "note": fit.note}
    if name in fit.aliased:
        by = ", ".join(fit.aliased[name])
        return {
            "status": NOT_ESTIMABLE,
            "ph_p_value": np.nan,
            "note": f"cannot be told apart from {by}" if by else "does not vary among those at risk",
        }
    if name in fit.monotone:
        return dict.fromkeys(ESTIMATES, np.nan) | {
            "coefficient": np.sign(b) * np.inf,
            "hazard_ratio": 0.0 if b < 0 else np.inf,
            "status": MONOTONE_LIKELIHOOD,
            "note": "runs to infinity; use firth_cox",
        }
    return {}


def overall_tests(fit: CoxEstimates) -> pd.DataFrame:
    """Likelihood-ratio, Wald and score tests of all coefficients; the robust score test with clusters."""
    columns = fit.estimated
    statistics = {
        "likelihood_ratio": 2 * (fit.loglik - fit.loglik_null),
        "wald": _wald(fit, columns),
        "score": fit.score_statistic,
    }
    if fit.robust is not None:
        statistics["robust_score"] = fit.robust_score_statistic
    return pd.DataFrame([_test("test", name, value, len(columns)) for name, value in statistics.items()])


def term_tests(fit: CoxEstimates, data: CoxData, method: str) -> pd.DataFrame:
    """Type III tests: each term with all its columns, given the rest."""
    rows = []
    for index, term in enumerate(data.design.terms):
        columns = np.array([j for j in fit.estimated if data.design.term_of[j] == index], dtype=np.int64)
        if not len(columns):
            continue
        if method == "wald":
            statistic = _wald(fit, columns)
        else:
            rest = np.setdiff1d(fit.estimated, columns)
            statistic = 2 * (fit.loglik - estimate(data, data.design.x[:, rest]).maximum.end.loglik)
        rows.append(_test("term", term, statistic, len(columns)))
    return pd.DataFrame(rows, columns=["term", "statistic", "df", "p_value"])


def _wald(fit: CoxEstimates, columns: np.ndarray) -> float:
    used = fit.covariance if fit.robust is None else fit.robust
    part, beta = used[np.ix_(columns, columns)], fit.coefficients[columns]
    if not len(columns) or any(fit.names[j] in fit.monotone for j in columns):
        return np.nan
    if np.linalg.matrix_rank(part, hermitian=True) < len(columns):  # fewer clusters than columns
        return np.nan
    return float(beta @ np.linalg.solve(part, beta))


def _test(kind: str, name: str, statistic: float, df: int) -> dict[str, object]:
    return {
        kind: name,
        "statistic": statistic,
        "df": df,
        "p_value": float(chdtrc(df, statistic)) if df else np.nan,
    }


def baseline_table(data: CoxData, part: Pieces, factor: float) -> pd.DataFrame:
    """Cumulative hazard by stratum and time, times ``factor``; every observed time has a row."""
    jump_of_block = np.bincount(
        data.tie_terms.block, weights=1 / part.denominator, minlength=data.sets.n_blocks
    )
    tables = []
    for code, label in enumerate(data.strata):
        rows = data.stratum == code
        times, leaving = np.unique(data.outcome.time[rows], return_counts=True)
        blocks = np.flatnonzero(data.sets.stratum == code)
        at = np.searchsorted(times, data.sets.time[blocks])
        jumps, events = np.zeros(len(times)), np.zeros(len(times), dtype=int)
        jumps[at], events[at] = jump_of_block[blocks], data.sets.events[blocks].astype(int)
        at_risk = leaving[::-1].cumsum()[::-1]
        if data.outcome.entry is not None:
            entries = np.sort(data.outcome.entry[rows])
            at_risk = at_risk - (len(entries) - np.searchsorted(entries, times))
        hazard = np.cumsum(jumps) * factor
        tables.append(
            pd.DataFrame(
                {
                    "stratum": label,
                    "time": times,
                    "at_risk": at_risk,
                    "events": events,
                    "cumulative_hazard": hazard,
                    "survival": np.exp(-hazard),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)
