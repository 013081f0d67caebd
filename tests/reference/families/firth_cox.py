"""Firth's Cox regression, and the ordinary one beside it: what refgen.R's f_fcox asks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analytics.cox.data import prepare
from analytics.cox.estimate import estimate
from analytics.regression.firth import firth_cox

# coxph's defaults: a diverging coefficient is left where the log likelihood stops changing by this share
COXPH_EPS, COXPH_ITERATIONS = 1e-9, 20


def compute(case: dict[str, Any], data: pd.DataFrame, wanted: dict[str, Any]) -> tuple[dict, dict[str, str]]:
    time, event, covariates = case["time"], case["event"], _listed(case["covariates"])
    data = data.dropna(subset=[time, event, *covariates])
    fit = firth_cox(data, time, event, covariates)
    rows = prepare(data, time, event, covariates, ties="breslow")
    plain = estimate(rows, rows.design.x, COXPH_EPS, COXPH_ITERATIONS)
    return {
        "n": fit.n,
        "events": fit.n_events,
        "names": fit.names,
        "ties": "breslow",
        "firth": {
            "coef": fit.coefficients,
            "se_inverse_information": fit.std_error,
            "penalised_loglik": fit.penalised_loglik,
            "profile_ci95_coef": fit.ci,
            "plr_chisq": fit.statistic,
            "plr_p": fit.p_value,
        },
        "unpenalised_breslow_coef": plain.coefficients,
        "unpenalised_se": np.sqrt(np.diag(plain.covariance)),
    }, {}


def _listed(names: list[str] | str) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
