"""Estimated marginal means and contrasts between them.

Belongs here: the reference grid, means over it, pairwise contrasts with intervals and adjusted p values.
Does not belong here: degrees of freedom (information.py, kenward_roger.py).

The grid holds every level of every factor and, for covariates, their mean over the rows used (or the values
asked for). A mean of a level averages the other factors with equal weights (Searle, Speed and Milliken
1980), as R's emmeans. Means and contrasts that the data do not determine are rows with status
`not_estimable`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analytics.mixed_model.design import FactorVariable
from analytics.mixed_model.fitted import Fitted, aliasing
from analytics.mixed_model.information import containment_df
from analytics.mixed_model.record import MixedModelEstimates, require_kenward_roger
from analytics.multiplicity import METHODS, adjust_p_values
from analytics.status import NOT_ESTIMABLE, require_choice

DF_METHODS = ("satterthwaite", "kenward_roger", "containment", "asymptotic")
ADJUSTMENTS = (*METHODS, "tukey")
At = Mapping[str, float | Sequence[float]]


@dataclass(frozen=True)
class _Grid:
    """Combinations of the variables asked for, and the row of coefficients of each one's mean."""

    labels: list[tuple[str | float, ...]]
    rows: np.ndarray


@dataclass(frozen=True)
class _Estimate:
    value: float
    std_error: float
    df: float
    status: str
    note: str

    def interval(self, level: float) -> tuple[float, float]:
        half = float(stats.t.ppf(0.5 + level / 2.0, self.df)) * self.std_error
        return self.value - half, self.value + half

    @property
    def p_value(self) -> float:
        return 2.0 * float(stats.t.sf(abs(self.value / self.std_error), self.df))


def mean_table(
    fit: MixedModelEstimates,
    over: Sequence[str],
    df: str = "satterthwaite",
    level: float = 0.95,
    at: At | None = None,
) -> pd.DataFrame:
    """One row per combination of ``over``: mean, std_error, df, ci_low, ci_high, on the scale of the
    response.
    """
    estimate = estimator(fit, df)
    over = list(over)
    if fit.fitted is None:
        return _failed(
            fit,
            {name: None for name in over}
            | dict.fromkeys(("mean", "std_error", "df", "ci_low", "ci_high"), float("nan")),
        )
    grid = _grid(fit, over, at or {})
    rows = []
    for label, combination in zip(grid.labels, grid.rows):
        e = estimate(combination)
        low, high = e.interval(level)
        values = {"mean": e.value, "std_error": e.std_error, "df": e.df, "ci_low": low, "ci_high": high}
        rows.append(
            {"response": fit.formula.response, **dict(zip(over, label)), **values, **_closing(fit, e)}
        )
    return pd.DataFrame(rows)


def contrast_table(
    fit: MixedModelEstimates,
    of: str,
    by: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    df: str = "satterthwaite",
    adjust: str = "holm",
    family: str = "all",
    level: float = 0.95,
    at: At | None = None,
) -> pd.DataFrame:
    """Difference of means group_a - group_b of the levels of ``of``, at each level (or value) of ``by``.

    Columns: response, visit (the level of ``by``), group_a, group_b, estimate, std_error, df, statistic,
    ci_low, ci_high, p_value, p_adjusted, adjustment, method, n, status, note. ``pairs`` restricts and
    orders the pairs; p values are adjusted over ``family``: all rows, or those "within" each level of
    ``by``. Intervals are not adjusted.
    """
    require_choice(adjust, ADJUSTMENTS, "adjust")
    require_choice(family, ("all", "within"), "family")
    if adjust == "tukey" and family == "all" and by is not None:
        raise ValueError('adjust: "tukey" is for the pairs at one visit; use family="within"')
    estimate = estimator(fit, df)
    if fit.fitted is None:
        return _failed(
            fit,
            {"visit": None, "group_a": None, "group_b": None}
            | dict.fromkeys(
                ("estimate", "std_error", "df", "statistic", "ci_low", "ci_high", "p_value", "p_adjusted"),
                float("nan"),
            ),
        )
    grid = _grid(fit, [of] if by is None else [by, of], at or {})
    at_label = dict(zip(grid.labels, grid.rows))
    groups = list(dict.fromkeys(label[-1] for label in grid.labels))
    chosen = (
        list(itertools.combinations(groups, 2)) if pairs is None else [(str(a), str(b)) for a, b in pairs]
    )
    unknown = [g for pair in chosen for g in pair if g not in groups]
    if unknown:
        raise ValueError(
            f'pairs: "{unknown[0]}" is not a level of {of}; its levels: {", ".join(map(str, groups))}'
        )
    rows = []
    for visit in dict.fromkeys(label[:-1] for label in grid.labels):
        for a, b in chosen:
            e = estimate(at_label[(*visit, a)] - at_label[(*visit, b)])
            low, high = e.interval(level)
            rows.append(
                {
                    "response": fit.formula.response,
                    "visit": visit[0] if visit else None,
                    "group_a": a,
                    "group_b": b,
                    "estimate": e.value,
                    "std_error": e.std_error,
                    "df": e.df,
                    "statistic": e.value / e.std_error,
                    "ci_low": low,
                    "ci_high": high,
                    "p_value": e.p_value,
                    **_closing(fit, e),
                }
            )
    table = pd.DataFrame(rows)
    table.insert(
        table.columns.get_loc("p_value") + 1, "p_adjusted", _adjusted(table, adjust, family, len(groups))
    )
    table.insert(table.columns.get_loc("p_adjusted") + 1, "adjustment", adjust)
    return table


def _closing(fit: MixedModelEstimates, e: _Estimate) -> dict[str, object]:
    return {"method": fit.method, "n": fit.n_obs, "status": e.status, "note": e.note}


def _failed(fit: MixedModelEstimates, values: dict[str, object]) -> pd.DataFrame:
    closing = {"method": fit.method, "n": fit.n_obs, "status": fit.status, "note": fit.note}
    return pd.DataFrame([{"response": fit.formula.response, **values, **closing}])


def _grid(fit: MixedModelEstimates, over: Sequence[str], at: At) -> _Grid:
    fitted = fit.fitted
    assert fitted is not None  # every caller has checked
    design = fitted.design
    factors = {v.source: v for v in design.variables.values() if isinstance(v, FactorVariable)}
    predictors = [c for v in design.variables for c in _sources(fit, v)]
    axes: dict[str, list[tuple[str | float, float]]] = {}
    for name in dict.fromkeys(predictors):
        axes[name] = _axis(name, factors.get(name), fitted.columns[name], at, name in over)
    missing = [name for name in over if name not in axes]
    if missing:
        raise ValueError(
            f'over: "{missing[0]}" is not a variable of the model; its variables: {", ".join(axes)}'
        )
    order = [*over, *(name for name in axes if name not in over)]
    points = list(itertools.product(*(axes[name] for name in order)))
    values = {}
    for k, name in enumerate(order):
        column = np.array([p[k][1] for p in points])
        is_code = name in factors and factors[name].at is None
        values[name] = column.astype(int) if is_code else column
    x = design.matrix(values, len(points))
    labels = [tuple(value[0] for value in p[: len(over)]) for p in points]
    distinct = list(dict.fromkeys(labels))
    position = {label: i for i, label in enumerate(distinct)}
    group = np.array([position[label] for label in labels])
    rows = np.zeros((len(distinct), x.shape[1]))
    np.add.at(rows, group, x)
    return _Grid(distinct, rows / np.bincount(group)[:, None])


def _sources(fit: MixedModelEstimates, variable: str) -> tuple[str, ...]:
    from analytics.mixed_model.formula import names_in

    return names_in(fit.formula.variables[variable])


def _axis(
    name: str, factor: FactorVariable | None, values: np.ndarray, at: At, is_asked: bool
) -> list[tuple[str | float, float]]:
    """Labels and values that a variable takes on the grid."""
    if factor is not None:
        if name in at:
            raise ValueError(f'at: "{name}" is a factor; its levels are all on the grid')
        if factor.at is None:
            return [(level, code) for code, level in enumerate(factor.factor.levels)]
        return list(zip(factor.factor.levels, factor.at))
    if name in at:
        asked = np.atleast_1d(np.asarray(at[name], dtype=float))
        return [(float(v), float(v)) for v in asked]
    if is_asked:
        raise ValueError(
            f'over: "{name}" is a number; say at which values, for example at={{"{name}": [0, 1]}}'
        )
    return [(float(values.mean()), float(values.mean()))]


def estimator(fit: MixedModelEstimates, df: str) -> Callable[[np.ndarray], _Estimate]:
    """A function from a combination of all coefficients to its estimate, standard error and degrees of
    freedom.
    """
    require_choice(df, DF_METHODS, "df")
    fitted = fit.fitted
    if fitted is None:
        return lambda combination: _Estimate(*(float("nan"),) * 3, fit.status, fit.note)
    if df == "kenward_roger":
        require_kenward_roger(fit)
    dependence = fitted.dependence
    beta = fitted.kept_beta()
    covariance = fit.kenward_roger.adjusted if df == "kenward_roger" else fitted.kept_covariance()
    freedom = _degrees(fit, fitted, df)
    status, note = fit.search_status

    def estimate(combination: np.ndarray) -> _Estimate:
        if not dependence.is_estimable(combination):
            reason = "; ".join(aliasing(fitted))
            return _Estimate(*(float("nan"),) * 3, NOT_ESTIMABLE, reason)
        kept = combination[dependence.kept]
        std_error = float(np.sqrt(kept @ covariance @ kept))
        return _Estimate(float(kept @ beta), std_error, freedom(kept), status, note)

    return estimate


def _degrees(fit: MixedModelEstimates, fitted: Fitted, df: str) -> Callable[[np.ndarray], float]:
    if df == "asymptotic":
        return lambda combination: float("inf")
    if df == "satterthwaite":
        return fit.information.satterthwaite
    if df == "kenward_roger":
        return fit.kenward_roger.df
    columns = containment_df(fitted)[0][fitted.dependence.kept].astype(float)
    if fit.formula.has_intercept:
        columns[0] = fit.n_patients - 1  # as emmeans, which tests the intercept against patients
    return lambda combination: float(columns[np.abs(combination) > 1e-6].min())


def _adjusted(table: pd.DataFrame, adjust: str, family: str, n_groups: int) -> np.ndarray:
    if adjust == "tukey":
        q = np.sqrt(2.0) * table["statistic"].abs()
        return stats.studentized_range.sf(q, n_groups, np.minimum(table["df"], 1e5))
    if adjust == "none":
        return table["p_value"].to_numpy()
    if family == "all":
        return np.asarray(adjust_p_values(table["p_value"].to_numpy(), adjust))
    parts = table.groupby("visit", sort=False, dropna=False)["p_value"]
    return parts.transform(lambda p: np.asarray(adjust_p_values(p.to_numpy(), adjust))).to_numpy()
