"""Gamma frailty: what refgen.R's f_frailty asks of coxph(… + frailty(id))."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from analytics.frailty import FrailtyFit, gamma_frailty
from analytics.frailty.inner import DENSE_UP_TO
from tests.reference.families.survival_formula import (
    ENTRY,
    EVENT,
    TIME,
    as_read_by_r,
    r_factors,
    read_formula,
    with_response,
)


def compute(case: dict[str, Any], data: pd.DataFrame, wanted: dict[str, Any]) -> tuple[dict, dict[str, str]]:
    formula = read_formula(case["formula"])
    distribution = formula.frailty_options.get("distribution", formula.frailty_options.get("dist", "gamma"))
    if not "gamma".startswith(distribution) or not set(formula.frailty_options) <= {
        "distribution",
        "dist",
        "theta",
    }:
        return {}, {
            key: f"only gamma frailty, by EM or with theta given; asked {formula.frailty_options}"
            for key in wanted
        }
    data = as_read_by_r(case, data, formula.columns)
    theta = formula.frailty_options.get("theta")
    fit = gamma_frailty(
        with_response(data, formula),
        TIME,
        EVENT,
        formula.frailty,
        formula.terms,
        r_factors(case, data, formula.columns),
        entry=ENTRY if len(formula.response) == 3 else None,
        strata=formula.strata or None,
        theta=None if theta is None else float(theta),
        search="survival",
    )
    coefficients = pd.DataFrame(
        {"name": fit.names, "coef": fit.coefficients, "se": np.sqrt(np.diag(fit.covariance))}
    )
    if fit.n_patients <= DENSE_UP_TO:  # coxph then lists the frailties among the coefficients
        coefficients = _with_frailties(case["formula"], fit, coefficients)
    return {
        "coef": coefficients["coef"],
        "names": coefficients["name"],
        "se": coefficients["se"],
        "frailty_variance": fit.frailty_variance,
        "integrated_loglik": fit.integrated_loglik,
        "loglik": [fit.loglik_null, fit.loglik],
        "df": _in_order(case["formula"], fit.df),
    }, {}


def _with_frailties(formula: str, fit: FrailtyFit, coefficients: pd.DataFrame) -> pd.DataFrame:
    """Coefficients with the log frailties where the formula has them."""
    before = list(fit.df)[: _place(formula)]
    place = sum(1 for variable in fit.terms["variable"] if variable in before)
    frailties = fit.frailties
    added = pd.DataFrame(
        {
            "name": [f"gamma:{label}" for label in frailties["patient"]],
            "coef": np.log(frailties["frailty"]),
            "se": frailties["log_std_error"],
        }
    )
    return pd.concat([coefficients[:place], added, coefficients[place:]], ignore_index=True)


def _in_order(formula: str, df: dict[str, float]) -> list[float]:
    """Degrees of freedom in the order of the formula, where the frailty may come anywhere."""
    place = _place(formula)
    terms = [value for name, value in df.items() if name != "frailty"]
    return [*terms[:place], df["frailty"], *terms[place:]]


def _place(formula: str) -> int:
    """How many terms the formula names before the frailty."""
    right = formula.split("~")[1]
    before = re.sub(r"(strata|cluster)\([^)]*\)", "", right[: right.index("frailty")])
    return sum(1 for part in before.split("+") if part.strip())
