"""Tables of parameters: fixed effects with t tests, variances and correlations with intervals.

Belongs here: putting estimates and their uncertainty into rows. Does not belong here: computing them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analytics.mixed_model.information import variance_parameters
from analytics.mixed_model.marginal_means import estimator
from analytics.mixed_model.record import MixedModelEstimates

COLUMNS = (
    "response",
    "kind",
    "parameter",
    "estimate",
    "std_error",
    "ci_low",
    "ci_high",
    "p_value",
    "method",
    "n",
    "status",
    "note",
)


def parameter_table(fit: MixedModelEstimates, df: str = "satterthwaite", level: float = 0.95) -> pd.DataFrame:
    """One row per parameter: kind (fixed, variance, residual, correlation), estimate, interval, p value of
    fixed effects.

    Kind ``variance`` holds standard deviations of random effects, ``residual`` sigma, ``correlation`` that
    of the random effects and phi. Fixed effects have t intervals; the others as
    ``information.variance_parameters``.
    """
    if fit.fitted is None:
        row = (
            dict.fromkeys(COLUMNS, np.nan)
            | _closing(fit, fit.status, fit.note)
            | {"kind": "fixed", "parameter": None}
        )
        return pd.DataFrame([row], columns=list(COLUMNS))
    fixed = coefficient_table(fit, df, level).assign(kind="fixed")
    random = variance_parameters(fit.fitted, fit.information, level)
    if fit.spec.slope is not None:
        random["parameter"] = random["parameter"].str.replace("slope", fit.spec.slope, regex=False)
    random = random.assign(p_value=np.nan, **_closing(fit, *fit.search_status))
    return pd.concat([fixed[list(COLUMNS)], random[list(COLUMNS)]], ignore_index=True)


def coefficient_table(fit: MixedModelEstimates, df: str, level: float) -> pd.DataFrame:
    """One row per column of the design: estimate, std_error, df, statistic, ci_low, ci_high, p_value."""
    estimate = estimator(fit, df)
    rows = []
    for name, unit in zip(fit.coefficients.index, np.eye(len(fit.coefficients))):
        e = estimate(unit)
        low, high = e.interval(level)
        rows.append(
            {
                "parameter": name,
                "estimate": e.value,
                "std_error": e.std_error,
                "df": e.df,
                "statistic": e.value / e.std_error,
                "ci_low": low,
                "ci_high": high,
                "p_value": e.p_value,
                **_closing(fit, e.status, e.note),
            }
        )
    return pd.DataFrame(rows)


def _closing(fit: MixedModelEstimates, status: str, note: str) -> dict[str, object]:
    return {
        "response": fit.formula.response,
        "method": fit.method,
        "n": fit.n_obs,
        "status": status,
        "note": note,
    }
