"""The estimates of a mixed model in the user's units, as fit.py makes them and every table reads them.

Belongs here: the record, its uncertainty, what it allows. Does not belong here: tables (parameters.py,
term_tests.py, marginal_means.py, diagnostics.py) and the object that a user asks for them (result.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from analytics.mixed_model.fitted import Fitted, _search_verdict
from analytics.mixed_model.formula import Formula
from analytics.mixed_model.information import Information, information
from analytics.mixed_model.kenward_roger import KenwardRoger, kenward_roger
from analytics.mixed_model.specification import MixedModelSpec


@dataclass(frozen=True, eq=False)
class MixedModelEstimates:
    """A fitted linear mixed model. ``status`` says whether it can be used as it stands, ``note`` why not.

    Status ``singular``: the estimates are the maximum, and it lies on the boundary that ``note`` names.
    Status ``not_estimable`` with estimates: some columns are aliased; the combinations that the data do
    determine are given.
    """

    spec: MixedModelSpec
    formula: Formula
    status: str
    note: str
    n_obs: int
    n_patients: int
    n_missing: int
    log_likelihood: float
    aic: float
    bic: float
    coefficients: pd.Series
    covariance: pd.DataFrame
    random_covariance: pd.DataFrame
    sigma: float
    phi: float | None
    coding: str
    aliased: tuple[str, ...] = ()
    fitted: Fitted | None = field(default=None, repr=False)

    @property
    def method(self) -> str:
        """The model in words, for the `method` column of results."""
        parts = [
            "random intercept"
            if self.spec.slope is None
            else f"random intercept and slope ({self.spec.slope})"
        ]
        if self.spec.serial != "none":
            over = "visits" if self.spec.serial_time == "visit_index" else self.spec.serial_time
            parts.append(f"{self.spec.serial.upper()} over {over}")
        if self.fitted is not None and self.fitted.design.codings():
            parts.append(f"{' and '.join(self.fitted.design.codings())} contrasts")
        if self.spec.method == "ml":
            parts.append(
                "standard errors of maximum likelihood (nlme multiplies them by √(N/(N−p)), this does not)"
            )
        return f"linear mixed model, {self.spec.method.upper()}, {', '.join(parts)}"

    @property
    def n_parameters(self) -> int:
        """Fixed effects that the data determine, and covariance parameters."""
        if self.fitted is None:
            return 0
        return self.fitted.n_parameters

    @cached_property
    def search_status(self) -> tuple[str, str]:
        """Status and note of the covariance alone, without aliasing of fixed effects."""
        return (self.status, self.note) if self.fitted is None else _search_verdict(self.spec, self.fitted)

    @cached_property
    def information(self) -> Information:
        """Uncertainty of covariance parameters, for Satterthwaite degrees of freedom and intervals."""
        return information(require_fitted(self, "information"))

    @cached_property
    def kenward_roger(self) -> KenwardRoger:
        """The Kenward-Roger adjustment; ValueError where it does not apply."""
        require_kenward_roger(self)
        return kenward_roger(require_fitted(self, "kenward_roger"), self.information)


def require_kenward_roger(fit: MixedModelEstimates) -> None:
    """ValueError where Kenward-Roger does not apply."""
    if fit.spec.serial != "none":
        raise ValueError(
            "Kenward-Roger is for models without serial correlation; this one has "
            f'serial="{fit.spec.serial}". Use "satterthwaite"'
        )
    if fit.spec.method != "reml":
        raise ValueError('Kenward-Roger needs a fit by REML; this one is by ML. Fit with method="reml"')


def require_fitted(fit: MixedModelEstimates, what: str) -> Fitted:
    """The search behind a fit; ValueError where there is none."""
    if fit.fitted is None:
        raise ValueError(f"{what}: the model was not fitted ({fit.status}: {fit.note})")
    return fit.fitted
