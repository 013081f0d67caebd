"""Firth's logistic regression: what refgen.R's f_flog asks of its own maximisation and of brglm2."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analytics.regression.firth import firth_logistic


def compute(case: dict[str, Any], data: pd.DataFrame, wanted: dict[str, Any]) -> tuple[dict, dict[str, str]]:
    covariates = case["covariates"]
    covariates = [covariates] if isinstance(covariates, str) else list(covariates)
    fit = firth_logistic(data.dropna(subset=[case["outcome"], *covariates]), case["outcome"], covariates)
    return {
        "names": fit.names,
        "n": fit.n,
        "coef": fit.coefficients,
        "brglm2_coef": fit.coefficients,
        "se": fit.std_error,
        "penalised_loglik": fit.penalised_loglik,
        "plr_chisq": fit.statistic,
        "plr_p": fit.p_value,
        "profile_ci95_coef": fit.ci,
    }, {}
