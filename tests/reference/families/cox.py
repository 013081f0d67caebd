"""Cox models: every quantity that refgen.R's f_cox asks of coxph, cox.zph, car::Anova."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from analytics.cox import CoxFit, cox
from tests.reference.families.survival_formula import (
    ENTRY,
    EVENT,
    TIME,
    SurvivalFormula,
    as_read_by_r,
    r_factors,
    read_formula,
    with_response,
)

Z975 = 1.959963984540054


def compute(case: dict[str, Any], data: pd.DataFrame, wanted: dict[str, Any]) -> tuple[dict, dict[str, str]]:
    formula = read_formula(case["formula"])
    cluster = case.get("cluster")
    columns = [*formula.columns, *([cluster] if cluster else [])]
    data = as_read_by_r(case, data, columns)
    factors = r_factors(case, data, columns)
    for name, levels in factors.items():
        data[name] = data[name].where(data[name].isin(levels))
    complete = data.dropna(subset=columns).reset_index(drop=True)
    frame = with_response(complete, formula)
    computed: dict[str, Any] = {"n": len(complete)}
    for ties in ("efron", "breslow", "exact"):
        if ties in wanted:
            fit = cox(
                frame,
                TIME,
                EVENT,
                formula.terms,
                factors,
                entry=ENTRY if len(formula.response) == 3 else None,
                strata=formula.strata or None,
                cluster=cluster or formula.cluster,
                ties=ties,
            )
            computed[ties] = _answers(fit, wanted[ties], formula, model_errors=bool(cluster))
    return computed, {}


def _answers(
    fit: CoxFit, wanted: dict[str, Any], formula: SurvivalFormula, model_errors: bool
) -> dict[str, Any]:
    """``model_errors``: "se" is the model's although clusters give robust ones, as refgen.R has it."""
    beta, error = fit.coefficients, fit.std_error
    naive = np.nan_to_num(fit.covariance)  # coxph has zeros where a column is aliased
    tests = fit.tests.set_index("test")
    answers: dict[str, Any] = {
        "names": fit.names,
        "coef": beta,
        "se": np.sqrt(np.diag(naive)) if model_errors else np.nan_to_num(error),
        "z": beta / error,
        "p": chdtrc(1, (beta / error) ** 2),
        "hr": np.exp(beta),
        "hr_lower": np.exp(beta - Z975 * error),
        "hr_upper": np.exp(beta + Z975 * error),
        "loglik": [fit.loglik_null, fit.loglik],
        "lrt": _triple(tests.loc["likelihood_ratio"]),
        "wald": _triple(tests.loc["wald"]),
        "score": _triple(tests.loc["score"]),
        "vcov": naive if fit.robust is None else np.nan_to_num(fit.robust),
        "concordance": [fit.concordance.concordance, fit.concordance.std_error],
    }
    if "robust_se" in wanted:
        answers |= {"robust_se": np.nan_to_num(error), "robust_score": _triple(tests.loc["robust_score"])}
    if "martingale_first5" in wanted:
        answers["martingale_first5"] = fit.residuals("martingale").to_numpy()[:5]
        answers["deviance_first5"] = fit.residuals("deviance").to_numpy()[:5]
        last = fit.baseline_hazard().iloc[-1]
        answers["baseline_cumhaz_at_zero_last"] = [last["time"], last["cumulative_hazard"]]
    if "cox_zph" in wanted:
        answers["cox_zph"] = {
            transform: _by_term(fit.proportional_hazards(transform)) for transform in wanted["cox_zph"]
        }
    if "cox_zph_per_coefficient_km" in wanted:
        answers["cox_zph_per_coefficient_km"] = _by_term(fit.proportional_hazards("km", by="column"))
    if "type3_LR" in wanted:
        answers["type3_LR"] = _anova(fit, formula)
    return answers


def _triple(row: pd.Series) -> list[float]:
    return [row["statistic"], row["df"], row["p_value"]]


def _by_term(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    return {
        row["term"]: {"chisq": row["statistic"], "df": row["df"], "p": row["p_value"]}
        for _, row in table.iterrows()
    }


def _anova(fit: CoxFit, formula: SurvivalFormula) -> dict[str, dict[str, Any]]:
    """car::Anova(type = 3), whose columns differ by route though refgen.R reads them by position.

    With clusters or strata car gives Wald tests as (df, chi-square, p); with a single term it gives anova's
    (loglik, chi-square, df, p) with a row for the null model.
    """
    if fit.robust is not None or formula.strata:
        table = fit.term_tests("wald")
        return {
            row["term"]: {"chisq": row["df"], "df": row["statistic"], "p": row["p_value"]}
            for _, row in table.iterrows()
        }
    table = fit.term_tests()
    if len(table) == 1:
        row = table.iloc[0]
        return {
            "NULL": {"chisq": fit.loglik_null, "df": None, "p": None},
            row["term"]: {"chisq": fit.loglik, "df": row["statistic"], "p": row["df"]},
        }
    return _by_term(table)
