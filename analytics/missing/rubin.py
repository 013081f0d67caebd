"""Rubin's rules: one answer from the same analysis of several imputed data sets.

Belongs here: pooling of estimates and variances. Does not belong here: imputing (``imputation.py``).

With m estimates q and variances u: q = mean, within W = mean of u, between B = variance of the
estimates, total T = W + (1 + 1/m) B (Rubin 1987, Multiple Imputation for Nonresponse in Surveys,
section 3.3). Degrees of freedom for small samples from Barnard & Rubin 1999 (Biometrika 86:948-955);
all as mice::pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd
from scipy import special

from analytics.comparison import CONFIDENCE, check_confidence
from analytics.status import NOT_ESTIMABLE, OK

SMALLEST_LAMBDA = 1e-4  # as mice: keeps the degrees of freedom finite where imputations agree


@dataclass(frozen=True)
class Pooled:
    """``summary``: one row per term.

    Columns ``term, estimate, std_error, df, statistic, p_value, ci_low, ci_high, within, between,
    total, riv, lambda, fmi``: riv is the relative increase in variance, lambda the share of it due to
    missing values, fmi the fraction of missing information.
    """

    summary: pd.DataFrame
    m: int
    n: int | None
    df_complete: float
    method: str
    status: str = OK
    note: str = ""


def pool(
    estimates: np.ndarray,
    variances: np.ndarray,
    terms: Sequence[str],
    df_complete: float = np.inf,
    n: int | None = None,
    confidence: float = CONFIDENCE,
) -> Pooled:
    """Pool ``estimates`` and ``variances`` (imputations x terms).

    ``df_complete`` is the residual degrees of freedom were nothing missing; infinite when the analysis
    has none. A term that one of the imputations could not estimate is not pooled, and the status says
    so.
    """
    check_confidence(confidence)
    q, u = (
        np.atleast_2d(np.asarray(estimates, dtype=float)),
        np.atleast_2d(np.asarray(variances, dtype=float)),
    )
    if q.shape != u.shape or q.shape[1] != len(terms) or len(q) < 2:
        raise ValueError(
            "estimates, variances: expected two or more imputations by "
            f"{len(terms)} terms; found {q.shape} and {u.shape}"
        )
    m = len(q)
    within, between = u.mean(axis=0), q.var(axis=0, ddof=1)
    total = within + (1 + 1 / m) * between
    df = barnard_rubin_df(m, between, total, df_complete)
    estimate, error = q.mean(axis=0), np.sqrt(total)
    statistic = estimate / error
    reach = special.stdtrit(df, 0.5 + confidence / 2) * error
    riv = (1 + 1 / m) * between / within
    summary = pd.DataFrame(
        {
            "term": list(terms),
            "estimate": estimate,
            "std_error": error,
            "df": df,
            "statistic": statistic,
            "p_value": 2 * special.stdtr(df, -np.abs(statistic)),
            "ci_low": estimate - reach,
            "ci_high": estimate + reach,
            "within": within,
            "between": between,
            "total": total,
            "riv": riv,
            "lambda": (1 + 1 / m) * between / total,
            "fmi": (riv + 2 / (df + 3)) / (riv + 1),
        }
    )
    lost = [term for term, value in zip(terms, estimate, strict=True) if np.isnan(value)]
    status = NOT_ESTIMABLE if lost else OK
    note = f"not estimated in every imputation: {', '.join(lost)}" if lost else ""
    return Pooled(
        summary, m, n, df_complete, f"Rubin's rules over {m} imputations, Barnard-Rubin df", status, note
    )


class FittedModel(Protocol):
    """What ``pool_fits`` reads: ``summary`` with ``term, estimate, std_error``; ``df`` and ``n``."""

    @property
    def summary(self) -> pd.DataFrame: ...

    @property
    def df(self) -> float: ...

    @property
    def n(self) -> int: ...


def pool_fits(fits: Sequence[FittedModel], confidence: float = CONFIDENCE) -> Pooled:
    """Pool the same model fitted to each imputation; residual degrees of freedom are the first fit's."""
    if len(fits) < 2:
        raise ValueError(f"fits: expected the fits of two or more imputations; found {len(fits)}")
    terms = fits[0].summary["term"].tolist()
    if any(fit.summary["term"].tolist() != terms for fit in fits):
        raise ValueError(
            "fits: expected the same terms in every imputation; declare the levels of every factor"
        )
    estimates = np.array([fit.summary["estimate"] for fit in fits], dtype=float)
    errors = np.array([fit.summary["std_error"] for fit in fits], dtype=float)
    pooled = pool(estimates, errors**2, terms, float(fits[0].df), int(fits[0].n), confidence)
    faults = [(i, fit) for i, fit in enumerate(fits, start=1) if getattr(fit, "status", OK) != OK]
    if not faults:
        return pooled
    first, fit = faults[0]
    note = (
        f"{len(faults)} of {len(fits)} imputations are not ok; imputation {first}: {getattr(fit, 'note', '')}"
    )
    return replace(pooled, status=str(getattr(fit, "status", OK)), note=note)


def barnard_rubin_df(m: int, between: np.ndarray, total: np.ndarray, df_complete: float) -> np.ndarray:
    """Degrees of freedom of each pooled estimate (Barnard & Rubin 1999, eq. 3-5)."""
    share = np.maximum((1 + 1 / m) * between / total, SMALLEST_LAMBDA)
    old = (m - 1) / share**2
    if np.isinf(df_complete):
        return old
    observed = (df_complete + 1) / (df_complete + 3) * df_complete * (1 - share)
    return old * observed / (old + observed)
