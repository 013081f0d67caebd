"""Competing risks: what refgen.R's f_cr asks of cmprsk's cuminc and crr, and of coxph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analytics.competing_risks import cause_specific_cox, cumulative_incidence, fine_gray, gray_test
from analytics.cox.terms import columns_of
from tests.reference.families.survival_formula import as_read_by_r, r_factors, r_sorted, read_formula


def compute(case: dict[str, Any], data: pd.DataFrame, wanted: dict[str, Any]) -> tuple[dict, dict[str, str]]:
    time, status, group = case["time"], case["status"], case["group"]
    given = [case["covariates"]] if isinstance(case["covariates"], str) else case["covariates"]
    covariates = read_formula(f"Surv(t, e) ~ {' + '.join(given)}").terms
    data = as_read_by_r(case, data, [group, *columns_of(covariates)])
    factors = r_factors({}, data, columns_of(covariates))
    levels = r_sorted(data[group].dropna().unique().tolist())
    curves = cumulative_incidence(data, time, status, group, levels)
    causes = [cause for cause in curves.summary["cause"].unique()]
    at = curves.at(sorted(set(case["at"]))).set_index(["group_id", "cause"])
    names = [(level, cause) for cause in causes for level in levels]
    gray = gray_test(data, time, status, group, levels).summary
    subdistribution = fine_gray(data, time, status, 1, covariates, factors)
    specific = cause_specific_cox(data, time, status, 1, covariates, factors)
    return {
        "cif": {
            "curves": [f"{_text(level)} {_text(cause)}" for level, cause in names],
            "times": case["at"],
            "est": [at.loc[[name], "incidence"].tolist() for name in names],
            "var_aalen": [(at.loc[[name], "std_error"] ** 2).tolist() for name in names],
        },
        "gray_test": {
            "causes": [_text(cause) for cause in gray["cause"]],
            "stat": gray["statistic"].to_numpy(),
            "df": gray["df"].to_numpy(),
            "p": gray["p_value"].to_numpy(),
        },
        "fine_gray": {
            "names": subdistribution.names,
            "coef": subdistribution.coefficients,
            "se": np.sqrt(np.diag(subdistribution.covariance)),
            "loglik": subdistribution.loglik,
        },
        "cause_specific_cox_efron": {"coef": specific.coefficients, "se": specific.std_error},
    }, {}


def _text(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
