"""Regression of values below or above a detection limit: the limit is a bound, never a number.

Belongs here: left-, right- and interval-censored regression (log-normal by default), and what a frame
says of bounds. Does not belong here: summaries (``summary.py``), comparisons by rank
(``groups.py``), times to an event (``survival``), the likelihood itself
(``likelihood.py``).

Two columns hold what is known of a value, as R's ``Surv(lower, upper, type = "interval2")``: equal
where it was measured, ``lower`` missing below a limit, ``upper`` missing above one, both missing where
nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import linalg, special

from analytics.censored.likelihood import (
    LOGISTIC,
    NORMAL,
    SMALLEST_EXTREME,
    Bounds,
    Distribution,
    Maximum,
    Problem,
    maximise,
)
from analytics.comparison import CONFIDENCE, check_confidence, numeric
from analytics.door import takes_any_frame
from analytics.regression.design_rows import DesignRows, Factors, design_rows
from analytics.status import (
    MONOTONE_LIKELIHOOD,
    NO_VARIANCE,
    NOT_CONVERGED,
    NOT_ESTIMABLE,
    OK,
    TOO_FEW_OBSERVATIONS,
    require_choice,
    require_columns,
)


@dataclass(frozen=True)
class _Law:
    standard: Distribution
    on_log: bool
    fixed_scale: float | None = None


DISTRIBUTIONS: Mapping[str, _Law] = {
    "lognormal": _Law(NORMAL, True),
    "gaussian": _Law(NORMAL, False),
    "loglogistic": _Law(LOGISTIC, True),
    "logistic": _Law(LOGISTIC, False),
    "weibull": _Law(SMALLEST_EXTREME, True),
    "extreme": _Law(SMALLEST_EXTREME, False),
    "exponential": _Law(SMALLEST_EXTREME, True, 1.0),
    "rayleigh": _Law(SMALLEST_EXTREME, True, 0.5),
}
RUNAWAY = 1e5  # information flatter by this factor in one direction: the coefficient runs to infinity


@dataclass(frozen=True)
class CensoredFit:
    """A censored regression. ``summary``: one row per coefficient and per log scale.

    Columns ``term, estimate, std_error, statistic, ci_low, ci_high, p_value`` and, on the log scale,
    ``ratio, ratio_low, ratio_high``: the ratio of geometric means (log-normal) per unit. ``covariance``
    is in the order of the rows that are estimated; ``scale`` has one entry, or one per level of
    ``scale_by``.
    """

    formula: str
    distribution: str
    method: str
    summary: pd.DataFrame
    scale: tuple[float, ...]
    covariance: np.ndarray
    log_likelihood: float | None
    log_likelihood_intercept: float | None
    n: int
    n_censored: int
    n_missing: int
    coding: str = ""
    status: str = OK
    note: str = ""

    def coefficient(self, term: str) -> pd.Series:
        """The row of one term; ValueError names those there are."""
        terms = self.summary["term"].tolist()
        require_choice(term, terms, "term")
        return self.summary.iloc[terms.index(term)]


SUMMARY_COLUMNS = (
    "term",
    "estimate",
    "std_error",
    "statistic",
    "ci_low",
    "ci_high",
    "p_value",
    "ratio",
    "ratio_low",
    "ratio_high",
)


@takes_any_frame
def known_bounds(
    data: pd.DataFrame,
    value: str = "value_canonical",
    lower_limit: str = "lower_limit",
    upper_limit: str = "upper_limit",
) -> pd.DataFrame:
    """Columns ``lower`` and ``upper`` from a value and the limits that stand where it is missing."""
    require_columns(data, [value, lower_limit, upper_limit])
    measured = pd.Series(numeric(data[value], value), index=data.index)
    low = pd.Series(numeric(data[lower_limit], lower_limit), index=data.index)
    high = pd.Series(numeric(data[upper_limit], upper_limit), index=data.index)
    return pd.DataFrame(
        {"lower": measured.where(measured.notna(), low), "upper": measured.where(measured.notna(), high)}
    )


@takes_any_frame
@np.errstate(
    all="ignore"
)  # steps to infinite or undefined numbers are refused on the way; the status says how the search ended
def censored_regression(
    data: pd.DataFrame,
    formula: str = "~ 1",
    *,
    lower: str = "lower",
    upper: str = "upper",
    distribution: str = "lognormal",
    factors: Factors | None = None,
    scale_by: str | None = None,
    confidence: float = CONFIDENCE,
) -> CensoredFit:
    """Maximum likelihood regression of censored values; agrees with R's survreg.

    ``formula`` is the right side of an R formula (``"~ trt + stage"``, treatment contrasts; text
    columns are factors, ``factors`` states levels and their order). ``scale_by`` names a column whose
    levels each have their own scale (R's ``strata()``). Wald intervals. Rows where nothing is known, or
    a covariate is missing, are dropped and counted. Raises ValueError for an unknown column, a lower
    bound above its upper bound, and a bound that a distribution of positive values cannot have.
    """
    check_confidence(confidence)
    require_choice(distribution, tuple(DISTRIBUTIONS), "distribution")
    law = DISTRIBUTIONS[distribution]
    rows = _read(data, formula, lower, upper, law, factors, scale_by)
    method = f"{distribution} regression, censored maximum likelihood"
    wrong = _what_is_wrong(rows)
    if wrong is not None:
        return _no_fit(formula, distribution, method, rows, *wrong)
    problem = Problem(rows.bounds, rows.design.independent, law.standard, rows.stratum, law.fixed_scale)
    found = maximise(problem)
    null = maximise(
        Problem(rows.bounds, np.ones((rows.design.n, 1)), law.standard, rows.stratum, law.fixed_scale)
    )
    status, note = _status(found, rows)
    return _fit(formula, distribution, method, rows, law, found, null, status, note, confidence)


@dataclass(frozen=True)
class _Rows:
    bounds: Bounds
    design: DesignRows
    stratum: np.ndarray
    strata: tuple[str, ...]
    log_jacobian: float

    @property
    def names(self) -> tuple[str, ...]:
        return self.design.names

    @property
    def kept(self) -> np.ndarray:
        return self.design.kept


def _read(
    data: pd.DataFrame,
    formula: str,
    lower: str,
    upper: str,
    law: _Law,
    factors: Factors | None,
    scale_by: str | None,
) -> _Rows:
    require_columns(data, [lower, upper, *([scale_by] if scale_by else [])])
    low, high, known = read_bounds(data, lower, upper, positive=law.on_log)
    if scale_by:
        known = known & data[scale_by].notna().to_numpy()
    design = design_rows(data, formula if "~" in formula else f"~ {formula}", factors, known)
    if design.y is not None:
        raise ValueError(f'formula: expected the right side only, as "~ trt + stage"; found "{formula}"')
    codes, strata = _strata(data, scale_by, design.keep)
    low, high = low[design.keep], high[design.keep]
    jacobian = 0.0
    if law.on_log:
        with np.errstate(divide="ignore"):
            low, high = np.log(low), np.log(high)
        jacobian = float(low[low == high].sum())
    return _Rows(Bounds(low, high), design, codes, strata, jacobian)


def _strata(data: pd.DataFrame, scale_by: str | None, keep: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    if scale_by is None:
        return np.zeros(int(keep.sum()), dtype=int), ("",)
    codes, levels = pd.factorize(data.loc[keep, scale_by], sort=True)
    return codes, tuple(map(str, levels))


def read_bounds(
    data: pd.DataFrame, lower: str, upper: str, positive: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower and upper bounds with -inf and inf where open (0 and inf for positive values), and which
    are known.
    """
    require_columns(data, [lower, upper])
    low, high = numeric(data[lower], lower), numeric(data[upper], upper)
    known = ~(np.isnan(low) & np.isnan(high))
    crossed = int((low > high).sum())
    if crossed:
        raise ValueError(
            f"{lower}, {upper}: expected lower <= upper; found {crossed} rows the other way round"
        )
    if positive:
        impossible = int(((low < 0) | (high <= 0)).sum())
        if impossible:
            raise ValueError(
                f"{lower}, {upper}: a log scale needs positive values; found {impossible} rows at or "
                'below 0. Is 0 meant as "below the limit"? Then give the limit'
            )
    open_low, open_high = (0.0 if positive else -np.inf), np.inf
    return np.where(np.isnan(low), open_low, low), np.where(np.isnan(high), open_high, high), known


def _what_is_wrong(rows: _Rows) -> tuple[str, str] | None:
    n, p = rows.design.x.shape
    exact = rows.bounds.exact
    if n == 0:
        return TOO_FEW_OBSERVATIONS, "no row has a known value or limit and all covariates"
    if not exact.any() and not (np.isfinite(rows.bounds.lower) & np.isfinite(rows.bounds.upper)).any():
        return (
            NOT_ESTIMABLE,
            f"all {n} values lie beyond a detection limit: location and scale cannot be told apart",
        )
    if n <= p:
        return TOO_FEW_OBSERVATIONS, f"{n} values cannot estimate {p} coefficients and a scale"
    if exact.all() and float(np.ptp(rows.bounds.lower)) == 0.0:
        return NO_VARIANCE, "every value is the same"
    for code, name in enumerate(rows.strata if len(rows.strata) > 1 else ()):
        here = rows.stratum == code
        if exact[here].all() and float(np.ptp(rows.bounds.lower[here])) == 0.0:
            return NO_VARIANCE, f"every value of {name} is the same: it has no scale of its own"
    return None


def _status(found: Maximum, rows: _Rows) -> tuple[str, str]:
    runaway = _runaway(found, rows)
    if runaway:
        note = (
            f"{', '.join(runaway)}: all values that tell of it lie beyond a detection limit, so the estimate "
            "runs to infinity and none is given; compare such groups by rank (censored_two_groups)"
        )
        return MONOTONE_LIKELIHOOD, note
    if not found.converged:
        return NOT_CONVERGED, "Newton's method finds no maximum; are there too few measured values?"
    if not (np.diag(np.linalg.pinv(found.information, hermitian=True)) > 0).all():
        return (
            NOT_ESTIMABLE,
            "the likelihood has no curved maximum: there is no standard error of every parameter",
        )
    if rows.design.relations:
        return NOT_ESTIMABLE, f"aliased columns: {'; '.join(rows.design.relations)}"
    return OK, ""


def _runaway(found: Maximum, rows: _Rows) -> list[str]:
    """Coefficients along which the likelihood has become flat although the design has rows there."""
    p, x = len(rows.kept), rows.design.independent
    flatness, directions = linalg.eigh(found.information[:p, :p], x.T @ x)
    flat = directions[:, flatness < flatness.max() / RUNAWAY] * np.sqrt((x**2).mean(axis=0))[:, None]
    share = np.abs(flat).max(axis=1, initial=0.0)
    return [rows.names[rows.kept[j]] for j in np.flatnonzero(share > 1e-3 * share.max(initial=0.0))]


def _fit(
    formula: str,
    distribution: str,
    method: str,
    rows: _Rows,
    law: _Law,
    found: Maximum,
    null: Maximum,
    status: str,
    note: str,
    confidence: float,
) -> CensoredFit:
    covariance = np.linalg.pinv(found.information, hermitian=True)
    kept = rows.kept
    p = len(kept)
    log_scales = found.parameters[p:]
    terms = [rows.names[j] for j in kept] + [
        f"log(scale{f' {name}' if name else ''})" for name in rows.strata if law.fixed_scale is None
    ]
    table = _table(terms, found.parameters, np.sqrt(np.diag(covariance)), law.on_log, p, confidence)
    if status == MONOTONE_LIKELIHOOD:
        table.loc[table["term"].isin(_runaway(found, rows)), list(SUMMARY_COLUMNS[1:])] = np.nan
    aliased = [name for j, name in enumerate(rows.names) if j not in kept]
    order = {name: i for i, name in enumerate([*rows.names, *terms[p:]])}
    table = table.reindex(range(len(table) + len(aliased)))
    table.loc[len(terms) :, "term"] = aliased
    table = table.sort_values("term", key=lambda term: term.map(order), kind="stable", ignore_index=True)
    scale = tuple(np.exp(log_scales).tolist()) if law.fixed_scale is None else (law.fixed_scale,)
    return CensoredFit(
        formula,
        distribution,
        method,
        table,
        scale,
        covariance,
        found.log_likelihood - rows.log_jacobian,
        null.log_likelihood - rows.log_jacobian,
        rows.design.n,
        int((~rows.bounds.exact).sum()),
        rows.design.n_missing,
        rows.design.coding,
        status,
        note,
    )


def _table(
    terms: list[str], estimates: np.ndarray, errors: np.ndarray, on_log: bool, p: int, confidence: float
) -> pd.DataFrame:
    z = float(special.ndtri(0.5 + confidence / 2))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        statistic = estimates / errors
        low, high = estimates - z * errors, estimates + z * errors
        ratios = [
            np.where(np.arange(len(terms)) < p, np.exp(values), np.nan)
            if on_log
            else np.full(len(terms), np.nan)
            for values in (estimates, low, high)
        ]
    p_value = 2 * special.ndtr(-np.abs(statistic))
    return pd.DataFrame(
        dict(
            zip(
                SUMMARY_COLUMNS,
                (terms, estimates, errors, statistic, low, high, p_value, *ratios),
                strict=True,
            )
        )
    )


def _no_fit(formula: str, distribution: str, method: str, rows: _Rows, status: str, note: str) -> CensoredFit:
    empty = pd.DataFrame({column: [np.nan] * len(rows.names) for column in SUMMARY_COLUMNS[1:]})
    empty.insert(0, "term", list(rows.names))
    return CensoredFit(
        formula,
        distribution,
        method,
        empty,
        (),
        np.zeros((0, 0)),
        None,
        None,
        rows.design.n,
        int((~rows.bounds.exact).sum()),
        rows.design.n_missing,
        rows.design.coding,
        status,
        note,
    )
