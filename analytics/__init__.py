"""Statistics of the registry: pure functions from data frames to estimates. See README.md.

Each name is imported when it is first used, because importing scipy alone takes longer than most questions.
The names of tests come from `declared_tests.py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from analytics.declared_tests import public_functions

_HOMES = {
    "groups.k_groups": ("pairwise",),
    "groups.proportions": ("risk_difference", "wilson_interval", "clopper_pearson_interval"),
    "multiplicity": ("adjust_p_values", "adjust_within_families"),
    "baseline.table_one": ("VariableSpec",),
    "mixed_model": ("MixedModelFit", "fit_mixed_model"),
    "survival.kaplan_meier": ("kaplan_meier",),
    "survival.rmst": ("restricted_mean",),
    "regression.firth": ("firth_cox", "firth_logistic"),
    "recurrent": ("andersen_gill", "prentice_williams_peterson"),
    "frailty": ("gamma_frailty",),
    "competing_risks.incidence": ("cumulative_incidence",),
    "competing_risks.gray": ("gray_test",),
    "competing_risks.fine_gray": ("cause_specific_cox", "fine_gray"),
    "censored.regression": ("censored_regression", "known_bounds"),
    "censored.summary": ("summarise_censored", "ratio_bounds"),
    "missing.missing_data": ("delta_sensitivity", "missing_patterns"),
    "missing.imputation": ("impute",),
    "missing.rubin": ("pool", "pool_fits"),
    "regression.linear_models": ("linear_model", "logistic_model"),
    "study.file": ("Study",),
    "study.results": ("run_study",),
}
_MODULE_OF = (
    {name: (module, name) for module, names in _HOMES.items() for name in names}
    | public_functions()
    | {
        # modules are called `cox` and `table_one`, and a package attribute is either a module or a function
        "cox_regression": ("cox", "cox"),
        "table1": ("baseline.table_one", "table_one"),
    }
)
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    module, attribute = _MODULE_OF[name]
    return getattr(import_module(f"{__name__}.{module}"), attribute)


def __dir__() -> list[str]:
    return __all__
