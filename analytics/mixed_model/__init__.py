"""Linear mixed models for repeated measures of patients. See fit.py for the entry, likelihood.py for the
derivation.
"""

from __future__ import annotations

from analytics.mixed_model.diagnostics import normal_quantiles, outlying_patients, outlying_visits
from analytics.mixed_model.fit import fit_mixed_model, fit_specification
from analytics.mixed_model.result import MixedModelFit
from analytics.mixed_model.specification import MixedModelSpec
from analytics.mixed_model.term_tests import likelihood_ratio

__all__ = [
    "MixedModelFit",
    "MixedModelSpec",
    "fit_mixed_model",
    "fit_specification",
    "likelihood_ratio",
    "normal_quantiles",
    "outlying_patients",
    "outlying_visits",
]
