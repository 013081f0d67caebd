"""Ordinary linear and logistic regression, for analyses that are pooled over imputations.

Belongs here: least squares, and maximum likelihood for a yes/no outcome. Does not belong here: repeated
measurements (``mixed_model``), few events (``firth.py``), values below a limit (``censored/regression.py``).

Formulas are R's, with treatment contrasts; estimates, standard errors and intervals are those of lm() and
glm(family = binomial).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from analytics.comparison import CONFIDENCE, check_confidence
from analytics.door import takes_any_frame
from analytics.regression.design_rows import DesignRows, Factors, design_rows
from analytics.status import (
    MONOTONE_LIKELIHOOD,
    NO_VARIANCE,
    NOT_CONVERGED,
    NOT_ESTIMABLE,
    OK,
    TOO_FEW_OBSERVATIONS,
)

ITERATIONS = 100
SEPARATED = 1e-8  # every fitted probability this close to 0 or 1 along a direction: separation


@dataclass(frozen=True)
class LinearModel:
    """A regression. ``summary``: ``term, estimate, std_error, statistic, p_value, ci_low, ci_high`` by
    coefficient.

    An aliased coefficient has no numbers; ``df`` is the residual degrees of freedom.
    """

    formula: str
    method: str
    summary: pd.DataFrame
    df: int
    n: int
    n_missing: int
    coding: str = ""
    residual_sd: float | None = None
    log_likelihood: float | None = None
    status: str = OK
    note: str = ""

    @property
    def terms(self) -> list[str]:
        return self.summary["term"].tolist()


@takes_any_frame
def linear_model(
    data: pd.DataFrame,
    formula: str,
    factors: Factors | None = None,
    confidence: float = CONFIDENCE,
) -> LinearModel:
    """Least squares. Rows with a missing value in any variable of the formula are dropped and counted."""
    check_confidence(confidence)
    rows, y = _read(data, formula, factors)
    n, kept = len(y), rows.kept
    if n <= len(kept):
        return _no_fit(
            formula,
            rows,
            "least squares",
            TOO_FEW_OBSERVATIONS,
            f"{n} rows cannot estimate {len(kept)} coefficients",
        )
    x = rows.independent
    q, r = np.linalg.qr(x)
    coefficients = np.linalg.solve(r, q.T @ y)
    residuals = y - x @ coefficients
    df = n - len(kept)
    variance = float(residuals @ residuals) / df
    inverse = np.linalg.inv(r)
    errors = np.sqrt(variance * (inverse**2).sum(axis=1))
    status, note = _aliasing(rows)
    if variance == 0:
        status, note = NO_VARIANCE, "the model fits every value exactly"
    log_likelihood = -n / 2 * (np.log(2 * np.pi * variance * df / n) + 1) if variance else None
    summary = _summary(rows, coefficients, errors, float(df), confidence)
    return LinearModel(
        formula,
        "least squares",
        summary,
        df,
        n,
        rows.n_missing,
        rows.coding,
        float(np.sqrt(variance)),
        log_likelihood,
        status,
        note,
    )


@takes_any_frame
def logistic_model(
    data: pd.DataFrame,
    formula: str,
    factors: Factors | None = None,
    confidence: float = CONFIDENCE,
) -> LinearModel:
    """Maximum likelihood logistic regression (Newton); z tests and Wald intervals. The outcome is 0/1 or
    yes/no of two levels, the second counting as the event. If the outcome is separated, the status says so;
    huge standard errors do not hide it.
    """
    check_confidence(confidence)
    rows, y = _read(data, formula, factors)
    n, kept = len(y), rows.kept
    method = "logistic regression, maximum likelihood"
    if n <= len(kept):
        return _no_fit(
            formula, rows, method, TOO_FEW_OBSERVATIONS, f"{n} rows cannot estimate {len(kept)} coefficients"
        )
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("formula: expected an outcome of 0 and 1, or of two levels; found other numbers")
    if y.min() == y.max():
        return _no_fit(formula, rows, method, NO_VARIANCE, "the outcome is the same in every row")
    x = rows.independent
    coefficients, information, converged = _newton(x, y)
    linear = x @ coefficients
    log_likelihood = float((y * linear - np.logaddexp(0, linear)).sum())
    summary = _summary(
        rows, coefficients, np.sqrt(np.diag(np.linalg.pinv(information, hermitian=True))), np.inf, confidence
    )
    status, note = _aliasing(rows)
    weights = special.expit(linear) * special.expit(-linear)
    if not converged or (float(weights.min()) < SEPARATED and _is_separated(x, y, linear)):
        status = MONOTONE_LIKELIHOOD if _is_separated(x, y, linear) else NOT_CONVERGED
        note = "the covariates separate the outcomes: an estimate runs to infinity; use firth_logistic"
        summary[["std_error", "statistic", "p_value", "ci_low", "ci_high"]] = np.nan
    return LinearModel(
        formula,
        method,
        summary,
        n - len(kept),
        n,
        rows.n_missing,
        rows.coding,
        None,
        log_likelihood,
        status,
        note,
    )


def _newton(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    coefficients = np.zeros(x.shape[1])
    for _ in range(ITERATIONS):
        mean = special.expit(x @ coefficients)
        information = (x * (mean * (1 - mean))[:, None]).T @ x
        step = np.linalg.lstsq(information, x.T @ (y - mean), rcond=None)[0]
        reach = float(np.abs(x @ step).max())
        coefficients = coefficients + step * min(1.0, 20 / max(1.0, reach))
        if reach < 1e-12 * max(1.0, float(np.abs(x @ coefficients).max())):
            return coefficients, information, True
    return coefficients, information, False


def _is_separated(x: np.ndarray, y: np.ndarray, linear: np.ndarray) -> bool:
    """Whether growing the coefficients still gains: some rows are fitted with certainty and none is
    contradicted.
    """
    certain = np.abs(linear) > 15
    agreeing = (linear > 0) == (y > 0.5)
    return bool(certain.any() and agreeing[certain].all())


def _read(data: pd.DataFrame, formula: str, factors: Factors | None) -> tuple[DesignRows, np.ndarray]:
    """The rows of a formula, and the outcome that it must have."""
    rows = design_rows(data, formula, factors)
    if rows.y is None:
        raise ValueError(f'formula: expected "outcome ~ terms"; found "{formula}"')
    return rows, rows.y


def _aliasing(rows: DesignRows) -> tuple[str, str]:
    return (NOT_ESTIMABLE, f"aliased columns: {'; '.join(rows.relations)}") if rows.relations else (OK, "")


def _summary(
    rows: DesignRows, coefficients: np.ndarray, errors: np.ndarray, df: float, confidence: float
) -> pd.DataFrame:
    estimate, error = np.full(len(rows.names), np.nan), np.full(len(rows.names), np.nan)
    estimate[rows.kept], error[rows.kept] = coefficients, errors
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimate / error
    tail = special.ndtr(-np.abs(statistic)) if np.isinf(df) else special.stdtr(df, -np.abs(statistic))
    middle = 0.5 + confidence / 2
    reach = (special.ndtri(middle) if np.isinf(df) else special.stdtrit(df, middle)) * error
    return pd.DataFrame(
        {
            "term": list(rows.names),
            "estimate": estimate,
            "std_error": error,
            "statistic": statistic,
            "p_value": 2 * tail,
            "ci_low": estimate - reach,
            "ci_high": estimate + reach,
        }
    )


def _no_fit(formula: str, rows: DesignRows, method: str, status: str, note: str) -> LinearModel:
    columns = ("estimate", "std_error", "statistic", "p_value", "ci_low", "ci_high")
    summary = pd.DataFrame({"term": list(rows.names)} | {name: np.nan for name in columns})
    return LinearModel(
        formula,
        method,
        summary,
        max(len(rows.x) - len(rows.kept), 0),
        len(rows.x),
        rows.n_missing,
        rows.coding,
        status=status,
        note=note,
    )
