"""Cases of linear mixed models: what `refgen.R` asks of nlme, of its own converged likelihood and of lme4.

The blocks `nlme` and `lmer_REML` are answered with the converged estimates; those programs stop a little
earlier.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from analytics.mixed_model import MixedModelFit, fit_mixed_model
from analytics.mixed_model.marginal_means import contrast_table, mean_table
from analytics.status import OK

FITTED = (OK, "singular")
Block = dict[str, Any]


def compute(case: Block, data: pd.DataFrame, wanted: Block) -> tuple[Block, dict[str, str]]:
    missing: dict[str, str] = {}
    data = _as_read_by_r(case, data)
    fits = {method: _fit(case, data, method) for method in ("REML", "ML")}
    reml = fits["REML"]
    out: Block = {
        "n_obs": reml.n_obs,
        "n_subjects": reml.n_patients,
        "coef_names": list(reml.coefficients.index),
        "contrasts": "contr.sum for all factors (last level = -1)",
    }
    for method, fit in fits.items():
        blocks = wanted.get(method) or {}
        if fit.status not in FITTED:
            missing[method] = f"{fit.status}: {fit.note}"
            continue
        out[method] = {
            name: _block(case, fit, name, keys) for name, keys in blocks.items() if isinstance(keys, dict)
        }
        for name in set(blocks) - set(out[method]):
            missing[f"{method}.{name}"] = "a message of R's, not a number"
    if "lmer_REML" in wanted:
        if reml.status in FITTED:
            out["lmer_REML"] = _lmer(reml)
        else:
            missing["lmer_REML"] = f"{reml.status}: {reml.note}"
    for key in wanted.keys() - out.keys() - missing.keys():
        missing[key] = "not a quantity of this family"
    return out, missing


def _factors(case: Block) -> list[str]:
    names = case.get("factors") or []
    return [names] if isinstance(names, str) else list(names)


def _as_read_by_r(case: Block, data: pd.DataFrame) -> pd.DataFrame:
    """A value outside declared levels is missing, a logical is TRUE or FALSE, a row without time is out."""
    data = data.copy()
    for name in _factors(case):
        text = data[name].map(_text, na_action="ignore")
        data[name] = text.where(text.isin(_levels(case, name)))
    for name in data.select_dtypes(bool).columns:
        data[name] = np.where(data[name], "TRUE", "FALSE")
    return data.dropna(subset=[case["corr_time"]]) if case.get("corr_time") else data


def _levels(case: Block, name: str) -> list[str]:
    return [_text(v) for v in case["factor_levels"][name]]


def _text(value: object) -> str:
    if isinstance(value, (bool, np.bool_)):
        return str(value).upper()
    return f"{value:.15g}" if isinstance(value, (int, float)) else str(value)


def _fit(case: Block, data: pd.DataFrame, method: str) -> MixedModelFit:
    factors = {name: _levels(case, name) for name in _factors(case)}
    return fit_mixed_model(
        data,
        fixed=case["fixed"],
        patient=case["id"],
        slope=case.get("slope"),
        serial=case.get("corr") or "none",
        serial_time=case.get("corr_time") or "visit_index",
        method=method.lower(),
        contrasts=dict.fromkeys(factors, "sum"),  # any other text column is coded as R codes it by default
        factors=factors,
    )


def _block(case: Block, fit: MixedModelFit, name: str, keys: Block) -> Block:
    makers: dict[str, Callable[[], Any]] = {
        "logLik": lambda: fit.log_likelihood,
        "AIC": lambda: fit.aic,
        "BIC": lambda: fit.bic,
        "fixef": lambda: fit.coefficients.tolist(),
        "se": lambda: np.sqrt(np.diagonal(fit.covariance)).tolist(),
        "vcov_fixef": lambda: fit.covariance.to_numpy().tolist(),
        "D": lambda: fit.random_covariance.to_numpy().tolist(),
        "sigma": lambda: fit.sigma,
        "phi": lambda: fit.phi,
        "max_abs_gradient": lambda: float(np.abs(fit.fitted.optimum.point.gradient).max(initial=0.0)),
        "interior": lambda: fit.status == OK,
        "type3_wald_chisq": lambda: _chi_squares(fit),
        "anova_marginal_containment": lambda: _f_tests(fit, "containment_f", intercept=True),
        "satterthwaite_df_fixef": lambda: fit.fixed_effects()["df"].tolist(),
        "satterthwaite_p_fixef": lambda: fit.fixed_effects()["p_value"].tolist(),
        "type3_F_satterthwaite": lambda: _f_tests(fit, "satterthwaite_f", basis="sum"),
        "emmeans": lambda: _means(case, fit),
        "contrasts_group_at_time": lambda: _contrasts(case, fit),
        "emmeans_containment": lambda: _containment_contrasts(case, fit),
    }
    return {key: makers[key]() for key in keys if key in makers}


def _chi_squares(fit: MixedModelFit) -> Block:
    table = fit.terms("wald_chi_square")
    return {r.term: {"chisq": r.statistic, "df": int(r.df_num), "p": r.p_value} for r in table.itertuples()}


def _f_tests(fit: MixedModelFit, test: str, intercept: bool = False, basis: str = "difference") -> Block:
    table = fit.terms(test, basis)
    if not intercept:
        table = table[table["term"] != "(Intercept)"]
    return {
        r.term: {"F": r.statistic, "ndf": int(r.df_num), "ddf": r.df_den, "p": r.p_value}
        for r in table.itertuples()
    }


def _means(case: Block, fit: MixedModelFit) -> list[Block]:
    table = mean_table(fit, [case["time"], case["group"]])
    return [
        {"group": row[case["group"]], "time": row[case["time"]], "mean": row["mean"], "se": row["std_error"]}
        for row in table.to_dict("records")
    ]


def _contrasts(case: Block, fit: MixedModelFit) -> list[Block]:
    def table(df: str, adjust: str, family: str = "all") -> pd.DataFrame:
        return contrast_table(fit, case["group"], case["time"], df=df, adjust=adjust, family=family)

    z, t = table("asymptotic", "holm"), table("satterthwaite", "holm")
    within, bh = table("asymptotic", "holm", "within"), table("asymptotic", "BH")
    return [
        {
            "time": z["visit"][i],
            "pair": [z["group_a"][i], z["group_b"][i]],
            "estimate": z["estimate"][i],
            "se": z["std_error"][i],
            "z": z["statistic"][i],
            "p_z": z["p_value"][i],
            "df_satterthwaite": t["df"][i],
            "p_satterthwaite": t["p_value"][i],
            "p_z_holm_all": z["p_adjusted"][i],
            "p_z_holm_within_time": within["p_adjusted"][i],
            "p_satterthwaite_holm_all": t["p_adjusted"][i],
            "p_z_BH_all": bh["p_adjusted"][i],
        }
        for i in range(len(z))
    ]


def _containment_contrasts(case: Block, fit: MixedModelFit) -> list[Block]:
    table = contrast_table(fit, case["group"], case["time"], df="containment", adjust="none")
    return [
        {
            "contrast": f"{_bracketed(r.group_a)} - {_bracketed(r.group_b)}",
            "time": r.visit,
            "estimate": r.estimate,
            "se": r.std_error,
            "df": int(r.df),
            "p": r.p_value,
        }
        for r in table.itertuples()
    ]


def _bracketed(level: str) -> str:
    """emmeans puts a level that holds an operator in brackets."""
    return f"({level})" if any(c in level for c in "-+*/:|%() ") and not level.isalnum() else level


def _lmer(fit: MixedModelFit) -> Block:
    satterthwaite, kr = fit.fixed_effects(), fit.fixed_effects("kenward_roger")
    return {
        "logLik": fit.log_likelihood,
        "fixef": fit.coefficients.tolist(),
        "se": satterthwaite["std_error"].tolist(),
        "df_satterthwaite": satterthwaite["df"].tolist(),
        "p_satterthwaite": satterthwaite["p_value"].tolist(),
        "df_kenward_roger": kr["df"].tolist(),
        "se_kenward_roger": kr["std_error"].tolist(),
        "p_kenward_roger": kr["p_value"].tolist(),
        "type3_F_satterthwaite": _f_tests(fit, "satterthwaite_f"),
        "type3_F_kenward_roger": _f_tests(fit, "kenward_roger_f"),
        "type3_wald_chisq": _chi_squares(fit),
        "ranef_first5": _first_effects(fit),
        "varcorr": _variance_components(fit),
    }


def _first_effects(fit: MixedModelFit) -> list[list[float]]:
    """Effects of the five patients that come first in the data."""
    table = fit.random_effects()
    return table[list(fit.random_covariance.columns)].head(5).to_numpy().tolist()


def _variance_components(fit: MixedModelFit) -> Block:
    """As lme4's as.data.frame(VarCorr()): a column a key."""
    d = fit.random_covariance
    names = list(d.columns)
    sd = np.sqrt(np.diagonal(d))
    rows = [(fit.spec.patient, n, None, d.iloc[i, i], sd[i]) for i, n in enumerate(names)]
    if len(names) == 2:
        correlation = d.iloc[0, 1] / (sd[0] * sd[1]) if sd.all() else np.nan
        rows.append((fit.spec.patient, names[0], names[1], d.iloc[0, 1], correlation))
    rows.append(("Residual", None, None, fit.sigma**2, fit.sigma))
    return {key: list(column) for key, column in zip(("grp", "var1", "var2", "vcov", "sdcor"), zip(*rows))}
