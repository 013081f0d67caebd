"""Repeated-measures analysis of variance: one group factor between patients, visits within, complete cases.

Belongs here: type III univariate tests with sphericity corrections, Pillai's multivariate test, sequential
error strata. Does not belong here: models that use incomplete patients (mixed_model).

Y (n patients x t visits) = X B + E, X the sum-coded groups. For a hypothesis L B P = 0, with P the constant
for effects between patients and an orthonormal basis of contrasts between visits for effects within,

    H = (L B P)' [L (X'X)^-1 L']^-1 (L B P),     E = P' Y' (I - X (X'X)^-1 X') Y P,

and the univariate sums of squares are their traces. Each group weighs the same in type III, whatever its
size. Sources: Greenhouse and Geisser (1959), Psychometrika 24:95; Huynh and Feldt (1976), J Educ Stat 1:69;
Mauchly (1940), Ann Math Stat 11:204, p value with the second-order term of Anderson (2003), 10.7.4; Pillai
(1955), Ann Math Stat 26:117. As R's car::Anova(type = 3, idesign = ) and its summary; sequential strata as
R's aov(value ~ group * visit + Error(patient / visit)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats

from analytics.door import takes_any_frame
from analytics.status import (
    NO_VARIANCE,
    NOT_ESTIMABLE,
    OK,
    TOO_FEW_GROUPS,
    TOO_FEW_OBSERVATIONS,
    require_columns,
)

TERM_COLUMNS = (
    "term",
    "sum_of_squares",
    "df_num",
    "error_sum_of_squares",
    "df_den",
    "statistic",
    "p_value",
    "partial_eta_squared",
    "eta_ci_low",
    "eta_ci_high",
    "gg_epsilon",
    "p_gg",
    "hf_epsilon",
    "p_hf",
)
MULTIVARIATE_COLUMNS = ("term", "pillai", "statistic", "df_num", "df_den", "p_value")
STRATA_COLUMNS = ("stratum", "term", "df", "sum_of_squares", "statistic", "p_value")


@dataclass(frozen=True)
class RepeatedMeasuresAnova:
    """Results on complete cases.

    ``terms``: univariate type III tests, with Greenhouse-Geisser and Huynh-Feldt p values for terms within
    patients. ``multivariate``: Pillai's trace. ``strata``: sequential (type I) tests by error stratum.
    ``means``: one row per group and visit with a t interval. ``mauchly_w`` and ``mauchly_p``: test of
    sphericity; NaN with two visits.
    """

    status: str
    note: str
    n: int
    n_incomplete: int
    terms: pd.DataFrame
    multivariate: pd.DataFrame
    strata: pd.DataFrame
    means: pd.DataFrame
    mauchly_w: float
    mauchly_p: float
    method: str = "repeated-measures ANOVA, type III, complete cases, sum contrasts"

    @property
    def summary(self) -> pd.DataFrame:
        """The terms with method, n, status and note."""
        return self.terms.assign(method=self.method, n=self.n, status=self.status, note=self.note)


class _CannotTest(Exception):
    def __init__(self, status: str, note: str, n: int = 0, n_incomplete: int = 0) -> None:
        super().__init__(note)
        self.status, self.note, self.n, self.n_incomplete = status, note, n, n_incomplete


@dataclass(frozen=True)
class _Wide:
    """Complete patients: values (n x t), group codes and labels, visits."""

    y: np.ndarray
    group: np.ndarray
    groups: list[object]
    visits: list[object]
    n_incomplete: int


@takes_any_frame
def repeated_measures_anova(
    data: pd.DataFrame,
    value: str,
    group: str | None,
    visit: str,
    patient: str = "patient",
    visits: Sequence[object] | None = None,
    group_is_numeric: bool = False,
    level: float = 0.95,
) -> RepeatedMeasuresAnova:
    """Test group, visit and their interaction on patients with a value at every visit.

    data     one row per patient and visit.
    group    column of the group, constant within a patient; None for one group.
    visits   the visits that count, in order; others are left out. None takes all that occur, sorted.
    group_is_numeric  let a numeric group enter the sequential strata as a number, as R's aov does.

    Raises ValueError for an unknown column or an infinite value. Patients who miss a visit are left out and
    counted.
    """
    require_columns(data, [value, visit, patient, *([group] if group else [])])
    names = ["(Intercept)", *(["group"] if group else []), "visit", *(["group:visit"] if group else [])]
    try:
        wide = _widen(data, value, group, visit, patient, visits)
        _require_enough(wide, group)
    except _CannotTest as fault:
        return _failed(names, fault)
    has_groups = len(wide.groups) > 1
    x = _sum_coded(wide.group, len(wide.groups))
    contrasts = _orthonormal_contrasts(wide.y.shape[1])
    between = _hypotheses(x, wide.y @ np.full((wide.y.shape[1], 1), wide.y.shape[1] ** -0.5), has_groups)
    within = _hypotheses(x, wide.y @ contrasts, has_groups)
    sphericity = _sphericity(within[0].error, within[0].df_error)
    labels = ["(Intercept)", "group"] if has_groups else ["(Intercept)"]
    inner = ["visit", "group:visit"] if has_groups else ["visit"]
    terms = [_univariate(n, h, None, level) for n, h in zip(labels, between)]
    terms += [_univariate(n, h, sphericity, level) for n, h in zip(inner, within)]
    note = (
        f"{wide.n_incomplete} patients without a value at every visit are left out"
        if wide.n_incomplete
        else ""
    )
    few = _too_few_for_sphericity(wide)
    note = "; ".join(filter(None, (few, note)))
    covariate = wide.group if not group_is_numeric else np.array([float(wide.groups[g]) for g in wide.group])
    return RepeatedMeasuresAnova(
        status=TOO_FEW_OBSERVATIONS if few else OK,
        note=note,
        n=len(wide.y),
        n_incomplete=wide.n_incomplete,
        terms=pd.DataFrame(terms, columns=list(TERM_COLUMNS)),
        multivariate=pd.DataFrame(
            [_pillai(n, h) for n, h in zip([*labels, *inner], [*between, *within])],
            columns=list(MULTIVARIATE_COLUMNS),
        ),
        strata=_strata(wide, covariate, has_groups, group_is_numeric, contrasts),
        means=_means(wide, has_groups, level),
        mauchly_w=sphericity.w,
        mauchly_p=sphericity.p_value,
    )


@dataclass(frozen=True)
class _Hypothesis:
    """Hypothesis and error sums of squares and products (k x k), with their degrees of freedom."""

    hypothesis: np.ndarray
    error: np.ndarray
    df: int
    df_error: int


@dataclass(frozen=True)
class _Sphericity:
    gg: float
    hf: float
    w: float
    p_value: float


def _widen(
    data: pd.DataFrame,
    value: str,
    group: str | None,
    visit: str,
    patient: str,
    visits: Sequence[object] | None,
) -> _Wide:
    columns = [patient, visit, value, *([group] if group else [])]
    rows = data[columns].dropna(subset=[patient, visit, *([group] if group else [])])
    numbers = pd.to_numeric(rows[value]).to_numpy(dtype=float, na_value=np.nan)
    if np.isinf(numbers).any():
        raise ValueError(f'data: "{value}" holds infinite values; make them missing or remove the rows')
    wanted = sorted(rows[visit].unique()) if visits is None else list(visits)
    rows = rows.assign(**{value: numbers})
    rows = rows[rows[visit].isin(wanted)]
    if rows[value].notna().sum() == 0:
        raise _CannotTest(TOO_FEW_OBSERVATIONS, f"{value}: no value at any of the visits")
    twice = rows[rows.duplicated([patient, visit])]
    if len(twice):
        raise _CannotTest(
            NOT_ESTIMABLE,
            f"more than one row for patient {twice[patient].iloc[0]} at {visit} {twice[visit].iloc[0]} "
            f"({len(twice)} such rows); keep one of each",
        )
    if group and (rows.groupby(patient)[group].nunique() > 1).any():
        raise _CannotTest(NOT_ESTIMABLE, f"{group}: a patient is in more than one group")
    table = rows.pivot(index=patient, columns=visit, values=value).reindex(columns=wanted)
    complete = table.dropna()
    labels = (
        rows.drop_duplicates(patient).set_index(patient)[group].reindex(complete.index) if group else None
    )
    codes, groups = (
        pd.factorize(labels, sort=True) if group else (np.zeros(len(complete), dtype=int), ["all"])
    )
    return _Wide(complete.to_numpy(), codes, list(groups), wanted, len(table) - len(complete))


def _require_enough(wide: _Wide, group: str | None) -> None:
    n, t = wide.y.shape
    counts = {"n": n, "n_incomplete": wide.n_incomplete}
    if t < 2:
        raise _CannotTest(TOO_FEW_OBSERVATIONS, "one visit: nothing is repeated", **counts)
    if group and len(wide.groups) == 1:
        only = f"{group}: one group ({wide.groups[0]}) has complete patients"
        raise _CannotTest(TOO_FEW_GROUPS, f"{only}; test the visits alone with group=None", **counts)
    if n - len(wide.groups) < 1:
        raise _CannotTest(
            TOO_FEW_OBSERVATIONS,
            f"{n} patients have a value at every visit, for {len(wide.groups)} groups",
            **counts,
        )
    if np.ptp(wide.y) == 0.0:
        raise _CannotTest(NO_VARIANCE, "all values are equal", **counts)


def _failed(names: list[str], fault: _CannotTest) -> RepeatedMeasuresAnova:
    nan = float("nan")
    terms = pd.DataFrame({"term": names}).reindex(columns=list(TERM_COLUMNS))
    multivariate = pd.DataFrame({"term": names}).reindex(columns=list(MULTIVARIATE_COLUMNS))
    strata = pd.DataFrame(columns=list(STRATA_COLUMNS))
    means = pd.DataFrame(columns=["group", "visit", "n", "mean", "sd", "ci_low", "ci_high"])
    return RepeatedMeasuresAnova(
        fault.status, fault.note, fault.n, fault.n_incomplete, terms, multivariate, strata, means, nan, nan
    )


def _too_few_for_sphericity(wide: _Wide) -> str:
    """What is missing where the error matrix of the contrasts is singular for want of patients; else
    nothing.
    """
    contrasts, left = wide.y.shape[1] - 1, len(wide.y) - len(wide.groups)
    if contrasts < 2 or left >= contrasts:
        return ""
    return (
        f"{len(wide.y)} patients in {len(wide.groups)} groups leave {left} degrees of freedom for "
        f"{contrasts} contrasts between visits: neither a correction for sphericity nor a multivariate test "
        "can be computed, and the test without them assumes sphericity"
    ).replace("in 1 groups leave", "leave")


def _sum_coded(codes: np.ndarray, k: int) -> np.ndarray:
    coding = np.vstack([np.eye(k - 1), -np.ones((1, k - 1))])
    return np.column_stack([np.ones(len(codes)), coding[codes]])


def _orthonormal_contrasts(t: int) -> np.ndarray:
    """Basis (t x t - 1) of the contrasts between visits."""
    return np.linalg.qr(np.column_stack([np.ones(t), np.eye(t)[:, 1:]]))[0][:, 1:]


def _hypotheses(x: np.ndarray, y: np.ndarray, has_groups: bool) -> list[_Hypothesis]:
    """The intercept and, with groups, all group coefficients."""
    inverse = np.linalg.inv(x.T @ x)
    b = inverse @ x.T @ y
    residual = y - x @ b
    error = residual.T @ residual
    found = []
    for rows in [[0], list(range(1, x.shape[1]))] if has_groups else [[0]]:
        h = b[rows].T @ np.linalg.solve(inverse[np.ix_(rows, rows)], b[rows])
        found.append(_Hypothesis(h, error, len(rows), len(x) - x.shape[1]))
    return found


def _sphericity(error: np.ndarray, df: int) -> _Sphericity:
    """Epsilons and Mauchly's test from the error matrix of orthonormal contrasts."""
    p, nan = len(error), float("nan")
    if p < 2:
        return _Sphericity(nan, nan, nan, nan)
    values = np.linalg.eigvalsh(error)
    if values[0] <= 1e-12 * values[-1]:
        return _Sphericity(nan, nan, nan, nan)
    gg = float(values.sum() ** 2 / (p * (values**2).sum()))
    hf = ((df + 1) * p * gg - 2.0) / (p * (df - p * gg))
    log_w = float(np.log(values).sum() - p * np.log(values.mean()))
    rho = 1.0 - (2 * p**2 + p + 2) / (6.0 * p * df)
    t = p + 1
    second = (p + 2) * (p - 1) * (p - 2) * (2 * p**3 + 6 * p**2 + 3 * t + 2) / (288.0 * (df * p * rho) ** 2)
    z, f = -df * rho * log_w, p * (p + 1) / 2 - 1
    first = float(stats.chi2.sf(z, f))
    p_value = first + second * (float(stats.chi2.sf(z, f + 4)) - first)
    return _Sphericity(gg, float(hf), float(np.exp(log_w)), p_value)


def _univariate(
    name: str, h: _Hypothesis, sphericity: _Sphericity | None, level: float
) -> tuple[str | float, ...]:
    k = len(h.error)
    ss, sse = float(np.trace(h.hypothesis)), float(np.trace(h.error))
    df_num, df_den = h.df * k, h.df_error * k
    f = (ss / df_num) / (sse / df_den) if sse > 0 else float("inf")
    low, high = _eta_interval(f, df_num, df_den, level)
    corrections: list[float] = [float("nan")] * 4
    if sphericity is not None and np.isfinite(sphericity.gg):
        hf = min(1.0, sphericity.hf)
        corrections = [
            sphericity.gg,
            float(stats.f.sf(f, sphericity.gg * df_num, sphericity.gg * df_den)),
            sphericity.hf,
            float(stats.f.sf(f, hf * df_num, hf * df_den)),
        ]
    p_value = float(stats.f.sf(f, df_num, df_den))
    return (name, ss, df_num, sse, df_den, f, p_value, ss / (ss + sse), low, high, *corrections)


def _eta_interval(f: float, df_num: int, df_den: int, level: float) -> tuple[float, float]:
    """Interval of partial eta squared from that of the noncentrality of F (Steiger 2004, Psychol Methods
    9:164).
    """
    if not np.isfinite(f):
        return float("nan"), float("nan")

    def noncentrality(tail: float) -> float:
        if stats.f.cdf(f, df_num, df_den) <= tail:
            return 0.0
        high = 10.0 + 2.0 * f * df_num
        while stats.ncf.cdf(f, df_num, df_den, high) > tail and high < 1e9:
            high *= 2.0
        return float(optimize.brentq(lambda v: stats.ncf.cdf(f, df_num, df_den, v) - tail, 0.0, high))

    ends = [noncentrality(0.5 + level / 2.0), noncentrality(0.5 - level / 2.0)]
    return ends[0] / (ends[0] + df_num + df_den + 1), ends[1] / (ends[1] + df_num + df_den + 1)


def _pillai(name: str, h: _Hypothesis) -> tuple[str | float, ...]:
    p, q = len(h.error), h.df
    try:
        trace = float(np.trace(np.linalg.solve(h.hypothesis + h.error, h.hypothesis)))
    except np.linalg.LinAlgError:
        return (name, *(float("nan"),) * 5)
    s = min(p, q)
    one = abs(p - q) + s
    two = h.df_error - p + s
    if two <= 0 or trace >= s:
        return (name, trace, *(float("nan"),) * 4)
    f = two / one * trace / (s - trace)
    return name, trace, f, s * one, s * two, float(stats.f.sf(f, s * one, s * two))


def _strata(
    wide: _Wide, group: np.ndarray, has_groups: bool, is_numeric: bool, contrasts: np.ndarray
) -> pd.DataFrame:
    """Sequential sums of squares: group between patients; visit, then group by visit, within."""
    n, t = wide.y.shape
    mean = wide.y.mean(axis=1)
    scores = wide.y @ contrasts
    if not has_groups:
        design = np.zeros((n, 0))
    elif is_numeric:
        design = (group - group.mean())[:, None]
    else:
        design = _sum_coded(group, len(wide.groups))[:, 1:]
        design = design - design.mean(axis=0)
    basis = np.linalg.qr(design)[0]
    centred = scores - scores.mean(axis=0)
    by_group = float(((basis.T @ centred) ** 2).sum())
    group_ss = t * float(((basis.T @ (mean - mean.mean())) ** 2).sum())
    k = design.shape[1]
    between = [
        ("group", k, group_ss),
        ("Residuals", n - 1 - k, t * float(((mean - mean.mean()) ** 2).sum()) - group_ss),
    ]
    within = [
        ("visit", t - 1, n * float((scores.mean(axis=0) ** 2).sum())),
        ("group:visit", k * (t - 1), by_group),
        ("Residuals", (n - 1 - k) * (t - 1), float((centred**2).sum()) - by_group),
    ]
    rows = []
    for stratum, parts in (("patient", between), ("patient:visit", within)):
        _, df_error, error = parts[-1]
        for term, df, ss in parts:
            if df == 0:
                continue
            f = (
                (ss / df) / (error / df_error)
                if term != "Residuals" and df_error and error > 0
                else float("nan")
            )
            rows.append((stratum, term, df, ss, f, float(stats.f.sf(f, df, df_error))))
    return pd.DataFrame(rows, columns=list(STRATA_COLUMNS))


def _means(wide: _Wide, has_groups: bool, level: float) -> pd.DataFrame:
    rows = []
    for code, label in enumerate(wide.groups):
        values = wide.y[wide.group == code]
        n = len(values)
        for k, visit in enumerate(wide.visits):
            mean, sd = float(values[:, k].mean()), float(values[:, k].std(ddof=1)) if n > 1 else float("nan")
            half = float(stats.t.ppf(0.5 + level / 2.0, n - 1)) * sd / np.sqrt(n) if n > 1 else float("nan")
            rows.append((label if has_groups else None, visit, n, mean, sd, mean - half, mean + half))
    return pd.DataFrame(rows, columns=["group", "visit", "n", "mean", "sd", "ci_low", "ci_high"])
