"""Censored regression: every quantity that refgen.R's f_cens asks of survreg."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from analytics.censored.regression import censored_regression

RESPONSE = re.compile(r"^\s*Surv\((?P<arguments>.*?)\)\s*~(?P<right>.*)$", re.DOTALL)
STRATA = re.compile(r"\+\s*strata\(\s*([\w.]+)\s*\)")


def compute(case: dict[str, Any], data: pd.DataFrame, wanted: Any) -> tuple[dict[str, Any], dict[str, str]]:
    match = RESPONSE.match(case["formula"])
    if match is None:
        raise ValueError(f"formula: expected Surv(...) ~ terms; found {case['formula']!r}")
    data = data.assign(**_bounds(data, match["arguments"]))
    # read.csv leaves an empty cell of a text column as the level "", not as missing
    data = data.assign(**{name: data[name].fillna("") for name in data.columns if data[name].dtype == object})
    strata = STRATA.search(match["right"])
    right = STRATA.sub("", match["right"])
    fit = censored_regression(
        data,
        f"~ {right}",
        lower=".lower",
        upper=".upper",
        distribution=case.get("dist", "weibull"),
        scale_by=strata[1] if strata else None,
    )
    is_scale = fit.summary["term"].str.startswith("log(scale")
    coefficients = fit.summary[~is_scale]
    computed = {
        "names": coefficients["term"].tolist(),
        "coef": coefficients["estimate"].tolist(),
        "scale": list(fit.scale),
        "se": fit.summary["std_error"].tolist(),
        "loglik": [fit.log_likelihood_intercept, fit.log_likelihood],
    }
    return computed, {}


def _bounds(data: pd.DataFrame, arguments: str) -> dict[str, pd.Series]:
    """Lower and upper bounds of R's Surv(): interval2, left, or right (its default)."""
    parts = [part.strip() for part in arguments.split(",")]
    named = dict(part.split("=", 1) for part in parts if "=" in part and "==" not in part)
    named = {key.strip(): value.strip().strip("'\"") for key, value in named.items()}
    first, second = [part for part in parts if "=" not in part or "==" in part][:2]
    if named.get("type") == "interval2":
        return {
            ".lower": data[first].replace(-np.inf, np.nan),
            ".upper": data[second].replace(np.inf, np.nan),
        }
    values, measured = data[first], _event(data, second)
    side = named.get("type", "right")
    known = values.where(measured.notna())
    return {
        ".lower": known.where(measured.astype(bool) | (side == "right")),
        ".upper": known.where(measured.astype(bool) | (side == "left")),
    }


def _event(data: pd.DataFrame, text: str) -> pd.Series:
    """A 0/1, 1/2 or logical column, or ``column == number``."""
    column, _, level = (part.strip() for part in text.partition("=="))
    values = data[column]
    if level:
        return (values.astype(str) == level.strip("'\"")).where(values.notna())
    return values - 1 if values.max() == 2 else values
