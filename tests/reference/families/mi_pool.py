"""Rubin pooling of given imputations: every quantity that refgen.R's f_mi asks of mice::pool."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from analytics.missing.rubin import pool
from analytics.regression.linear_models import linear_model, logistic_model

IS_LEVEL = re.compile(r"""^(?:I\()?\(?([\w.]+)\s*==\s*["']?([^"')]+)["']?\)*$""")
AS_FACTOR = re.compile(r"^(?:as\.)?factor\(([\w.]+)\)$")


def compute(case: dict[str, Any], data: pd.DataFrame, wanted: Any) -> tuple[dict[str, Any], dict[str, str]]:
    fit = linear_model if case["model"] == "lm" else logistic_model
    data, formula = _with_outcome(data, case["formula"])
    fits = [fit(part, formula) for _, part in data[data[".imp"].notna()].groupby(".imp")]
    estimates = np.array([f.summary["estimate"] for f in fits])
    errors = np.array([f.summary["std_error"] for f in fits])
    pooled = pool(estimates, errors**2, fits[0].terms, df_complete=fits[0].df).summary
    computed = {
        "terms": pooled["term"].tolist(),
        "estimate": pooled["estimate"].tolist(),
        "se": pooled["std_error"].tolist(),
        "df": pooled["df"].tolist(),
        "p": pooled["p_value"].tolist(),
        "lower": pooled["ci_low"].tolist(),
        "upper": pooled["ci_high"].tolist(),
        "ubar": pooled["within"].tolist(),
        "b": pooled["between"].tolist(),
        "t": pooled["total"].tolist(),
        "riv": pooled["riv"].tolist(),
        "lambda": pooled["lambda"].tolist(),
        "fmi": pooled["fmi"].tolist(),
    }
    return computed, {}


def _with_outcome(data: pd.DataFrame, formula: str) -> tuple[pd.DataFrame, str]:
    """R's ways to write a yes/no outcome, ``I(x == "yes")`` and ``factor(x)``, as a column of 0 and 1."""
    left, _, right = formula.partition("~")
    level, factor = IS_LEVEL.match(left.strip()), AS_FACTOR.match(left.strip())
    if level:
        outcome = (data[level[1]].astype(str) == level[2]).astype(float).where(data[level[1]].notna())
    elif factor:
        values = data[factor[1]]
        outcome = (values != values.dropna().min()).astype(float).where(values.notna())
    else:
        return data, formula
    return data.assign(outcome=outcome), f"outcome ~ {right}"
