"""What R computes again of each table of results, and how closely it must agree.

Belongs here: the names of rows, the quantities of a row, tolerances with their reasons. Does not belong here:
what is left out and why (`claims.py`), R (`*.R`).

Two numbers agree when they differ by at most tolerance x scale. The scale is the number itself, or what its
error is measured by: a standard deviation or error, or the ends of an interval of a difference. For a p value
it is p (1 - log p), because a relative error of the statistic changes p by so much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from analytics.declared_tests import RATIO, SHARE, SHIFT, declared
from analytics.study.frames import Record

COUNTED = 0.0  # whole numbers
SUMMED = 1e-9  # sums, ranks, closed formulas
SOLVED = 1e-7  # the root of an equation, or a maximum that Newton's method reaches on both sides
JUMP = 1e-6  # an end of wilcox.test's interval, a jump that uniroot brackets
FITTED = 1e-4  # lme stops when its own criterion is met: usually within 1e-6, near a boundary 1e-4
LIKELIHOOD = 1e-6  # a log-likelihood, absolute: flat where lme stops
DIFFERENTIATED = 1e-3  # covariance parameters, and derivatives of the likelihood at lme's estimates
ON_BOUNDARY = 1e-3  # the log-likelihood of a singular fit, absolute

NEAR, NOT_ABOVE = "near", "not_above"

KEYS: Mapping[str, tuple[str, ...]] = {
    "baseline_summary": ("table_id", "variable", "group_id"),
    "group_comparison": ("table_id", "variable", "group_a", "group_b"),
    "model": ("model_id",),
    "mixed_model_term": ("model_id", "term", "test"),
    "mixed_model_parameter": ("model_id", "parameter"),
    "visit_contrast": ("model_id", "visit", "group_a", "group_b"),
    "marginal_mean": ("model_id", "visit", "group_id"),
    "trajectory_mean": ("response", "group_id", "visit"),
    "survival_curve": ("endpoint", "group_id", "step"),
    "survival_at_risk": ("endpoint", "group_id", "time"),
    "survival_median": ("endpoint", "group_id"),
    "log_rank": ("endpoint", "scope", "group_a", "group_b"),
    "cox_term": ("model_id", "term"),
    "restricted_mean": ("endpoint", "scope", "group_a", "group_b"),
}
COUNTS = ("n", "n_patients", "n_missing", "n_events")

Scale = Callable[[Record], float]


@dataclass(frozen=True)
class Quantity:
    """A number that R computes again. ``or_none``: where ours is empty, R must find no number either.

    ``agreement`` near: within the tolerance; not_above: R's may be lower, as the log-likelihood of a fit that
    stops short of its maximum.
    """

    tolerance: float
    scale: Scale
    or_none: bool = False
    agreement: str = NEAR

    def scale_of(self, row: Record, value: float | None) -> float:
        """The scale; the number itself, or 1, where the row has nothing to measure an error by."""
        found = abs(self.scale(row))
        if found and math.isfinite(found):
            return float(found)
        return abs(float(value)) if value and math.isfinite(value) else 1.0


Quantities = dict[str, Quantity]


# scales


def one(row: Record) -> float:
    """An absolute tolerance."""
    return 1.0


def largest(*columns: str, at_least: float = 0.0) -> Scale:
    """The largest magnitude among the columns; what is missing or infinite does not count."""

    def scale(row: Record) -> float:
        values = [row.get(c) for c in columns]
        return max([at_least, *(abs(v) for v in values if v is not None and math.isfinite(v))])

    return scale


def of_p(column: str) -> Scale:
    """p (1 - log p)."""
    return lambda row: row[column] * (1 - math.log(row[column])) if row.get(column) else 1.0


def _each(columns: tuple[str, ...], tolerance: float, or_none: bool = False) -> Quantities:
    """Columns of which each is its own scale."""
    return {c: Quantity(tolerance, largest(c), or_none) for c in columns}


def _counts(*columns: str) -> Quantities:
    return {c: Quantity(COUNTED, one) for c in columns}


def _statistic(tolerance: float, or_none: bool = False) -> Quantities:
    return {"statistic": Quantity(tolerance, largest("statistic", at_least=1.0), or_none)}


def _p_values(tolerance: float, *columns: str, or_none: bool = False) -> Quantities:
    return {c: Quantity(tolerance, of_p(c), or_none) for c in columns}


# the tables of results


def _baseline_summary(row: Record) -> Quantities:
    counts = _counts("n", "n_missing")
    if row.get("kind") == "count_percent":
        return counts | _counts("count") | _each(("percent",), SUMMED)
    columns = ("mean", "sd", "median", "q1", "q3")
    return counts | {c: Quantity(SUMMED, largest(c, "sd"), or_none=True) for c in columns}


def _group_comparison(row: Record) -> Quantities:
    """What the declaration of the row's test says that R's answer holds."""
    test = declared(row["test"])
    if test is None or test.in_r is None:
        return {}
    numbers, agreement = test.in_r.numbers, test.in_r.agreement
    out = _counts("n_a", "n_b", "n", "n_missing")
    if "statistic" in numbers:
        out |= _statistic(SUMMED, or_none=True)
    out |= _each(tuple(c for c in ("df", "df_den") if c in numbers), SUMMED, or_none=True)
    out |= _p_values(SUMMED, "p_value", "p_adjusted", or_none=True)
    columns = ("effect", *(("ci_low", "ci_high") if "interval" in numbers else ()))
    if agreement == RATIO:
        out |= _each(columns, SOLVED, or_none=True)
    elif "effect" in numbers:
        difference = largest("effect", "ci_low", "ci_high")
        ends = {SHIFT: JUMP, SHARE: SOLVED}.get(agreement, SUMMED)
        out |= {c: Quantity(SUMMED if c == "effect" else ends, difference, or_none=True) for c in columns}
    if "ties" in numbers:
        out |= _counts("ties")
    second = largest("second_effect", "second_ci_low", "second_ci_high")
    return out | {c: Quantity(SOLVED, second) for c in ("second_effect", "second_ci_low", "second_ci_high")}


def _model(row: Record) -> Quantities:
    return _counts(*COUNTS) | {c: Quantity(LIKELIHOOD, one) for c in ("log_likelihood", "aic", "bic")}


def _mixed_model_term(row: Record) -> Quantities:
    tolerance = FITTED if row["test"] == "wald_chi_square" else DIFFERENTIATED
    return {
        **_counts("n"),
        **_statistic(tolerance),
        **_each(("df_num",), SUMMED),
        **_each(("df_den",), DIFFERENTIATED),
        **_p_values(tolerance, "p_value"),
    }


def _estimate(row: Record) -> Quantities:
    """A fixed effect, a mean, a contrast: on the scale of its standard error or its own."""
    ends = largest("estimate", "ci_low", "ci_high")
    return {
        **_counts("n"),
        "estimate": Quantity(FITTED, largest("estimate", "std_error")),
        **_each(("std_error",), FITTED),
        **_each(("df",), DIFFERENTIATED),
        **_statistic(FITTED),
        **{c: Quantity(DIFFERENTIATED, ends) for c in ("ci_low", "ci_high")},
        **_p_values(DIFFERENTIATED, "p_value", "p_adjusted"),
    }


def _mixed_model_parameter(row: Record) -> Quantities:
    out = {c: q for c, q in _estimate(row).items() if c not in ("df", "statistic", "p_adjusted")}
    if row["kind"] != "fixed":
        out |= {c: Quantity(DIFFERENTIATED, out[c].scale) for c in ("estimate", "std_error")}
    if row["kind"] in ("variance", "residual"):
        out |= {c: Quantity(DIFFERENTIATED, _on_log_scale(c)) for c in ("ci_low", "ci_high")}
    return out


def _on_log_scale(column: str) -> Scale:
    """The end of an interval made on the log scale, estimate x exp(z x error): a relative error e of the
    error moves the end by e x |log(end / estimate)| of itself. If the data hardly determine an SD, the scale
    is several times the end.
    """
    ends = largest("estimate", "ci_low", "ci_high")

    def scale(row: Record) -> float:
        end, estimate = row.get(column), row.get("estimate")
        if not end or not estimate or not math.isfinite(end) or end * estimate <= 0:
            return ends(row)
        return max(ends(row), abs(end) * abs(math.log(end / estimate)))

    return scale


def _marginal_mean(row: Record) -> Quantities:
    return {c: q for c, q in _estimate(row).items() if c not in ("statistic", "p_value", "p_adjusted")}


def _trajectory_mean(row: Record) -> Quantities:
    columns = ("mean", "sd", "ci_low", "ci_high", "median", "q1", "q3")
    return _counts("n") | {c: Quantity(SUMMED, largest(c, "sd"), or_none=True) for c in columns}


def _survival_curve(row: Record) -> Quantities:
    columns = ("survival", "std_error", "cumulative_hazard", "cumulative_hazard_std_error")
    return {
        **_counts("at_risk", "events", "censored"),
        **_each(("time",), SUMMED),
        **{c: Quantity(SUMMED, one) for c in columns},
        **{c: Quantity(SUMMED, one, or_none=True) for c in ("ci_low", "ci_high")},
    }


def _survival_at_risk(row: Record) -> Quantities:
    columns = ("survival", "ci_low", "ci_high")
    return _counts("at_risk", "events", "censored") | {c: Quantity(SUMMED, one) for c in columns}


def _survival_median(row: Record) -> Quantities:
    return _counts("n", "events") | _each(("median", "ci_low", "ci_high"), SUMMED, or_none=True)


def _log_rank(row: Record) -> Quantities:
    return {
        **_counts("n", "events", "df"),
        **_statistic(SUMMED, or_none=True),
        **_p_values(SUMMED, "p_value", or_none=True),
        **_p_values(SUMMED, "p_adjusted"),
    }


def _cox_term(row: Record) -> Quantities:
    return {
        "coefficient": Quantity(SOLVED, largest("coefficient", "std_error")),
        **_each(("std_error", "hazard_ratio", "ci_low", "ci_high"), SOLVED),
        **_statistic(SOLVED),
        **_p_values(SOLVED, "p_value", "ph_p_value"),
    }


def _restricted_mean(row: Record) -> Quantities:
    ends = largest("estimate", "ci_low", "ci_high")
    return {
        **_counts("n", "events"),
        **{c: Quantity(SUMMED, ends) for c in ("estimate", "ci_low", "ci_high")},
        **_each(("std_error",), SUMMED),
        **_statistic(SUMMED),
        **_p_values(SUMMED, "p_value", "p_adjusted"),
    }


QUANTITIES: Mapping[str, Callable[[Record], Quantities]] = {
    "baseline_summary": _baseline_summary,
    "group_comparison": _group_comparison,
    "model": _model,
    "mixed_model_term": _mixed_model_term,
    "mixed_model_parameter": _mixed_model_parameter,
    "visit_contrast": _estimate,
    "marginal_mean": _marginal_mean,
    "trajectory_mean": _trajectory_mean,
    "survival_curve": _survival_curve,
    "survival_at_risk": _survival_at_risk,
    "survival_median": _survival_median,
    "log_rank": _log_rank,
    "cox_term": _cox_term,
    "restricted_mean": _restricted_mean,
}
