"""Statistics of the registry: pure functions from data frames to estimates. See README.md.

Each name is imported when it is first asked for: scipy alone costs more than most questions.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "groups.two_groups": ("brown_forsythe", "kolmogorov_smirnov", "levene", "mann_whitney", "student_t", "welch_t"),
    "groups.k_groups": ("anova", "brown_forsythe_k", "kruskal_wallis", "levene_k", "pairwise", "welch_anova"),
    "groups.counts": ("chi_square", "chi_square_k", "chi_square_yates", "fisher", "fisher_k", "fisher_mid_p"),
    "groups.proportions": ("risk_difference", "wilson_interval", "clopper_pearson_interval"),
    "multiplicity": ("adjust_p_values", "adjust_within_families"),
    "baseline.table_one": ("VariableSpec",),
    "mixed_model": ("MixedModelFit", "fit_mixed_model"),
    "repeated_measures": ("repeated_measures_anova",),
    "survival.kaplan_meier": ("kaplan_meier",),
    "survival.log_rank": ("log_rank", "log_rank_trend"),
    "survival.rmst": ("restricted_mean",),
    "regression.firth": ("firth_cox", "firth_logistic"),
    "recurrent": ("andersen_gill", "prentice_williams_peterson"),
    "frailty": ("gamma_frailty",),
    "competing_risks.incidence": ("cumulative_incidence",),
    "competing_risks.gray": ("gray_test",),
    "competing_risks.fine_gray": ("cause_specific_cox", "fine_gray"),
    "censored.regression": ("censored_regression", "known_bounds"),
    "censored.summary": ("summarise_censored", "ratio_bounds"),
    "censored.groups": ("censored_two_groups",),
    "missing.missing_data": ("delta_sensitivity", "missing_patterns"),
    "missing.imputation": ("impute",),
    "missing.rubin": ("pool", "pool_fits"),
    "regression.linear_models": ("linear_model", "logistic_model"),
    "study.file": ("Study",),
    "study.results": ("run_study",),
}
_MODULE_OF = {name: (module, name) for module, names in _HOMES.items() for name in names} | {
    # a module is called as these two functions, and a package attribute can be but one of them
    "cox_regression": ("cox", "cox"),
    "table1": ("baseline.table_one", "table_one"),
}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    module, attribute = _MODULE_OF[name]
    return getattr(import_module(f"{__name__}.{module}"), attribute)


def __dir__() -> list[str]:
    return __all__
