"""Linear mixed models for repeated measures of patients. See fit.py for the entry, likelihood.py for the derivation."""

from __future__ import annotations

from analytics.mixed_model.fit import fit_mixed_model
from analytics.mixed_model.result import MixedModelFit

__all__ = ["MixedModelFit", "fit_mixed_model"]
