"""The result of a mixed model: estimates in the user's units, and the tables drawn from them.

Belongs here: the result object and its parameter and term frames. Does not belong here: the formulas behind
them (information.py, term_tests.py, marginal_means.py, diagnostics.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analytics.mixed_model.formula import Formula
from analytics.mixed_model.specification import MixedModelSpec
from analytics.status import NOT_ESTIMABLE

if TYPE_CHECKING:
    from analytics.mixed_model.information import Information
    from analytics.mixed_model.kenward_roger import KenwardRoger
from analytics.mixed_model.fitted import Fitted, _repeated_rows, _search_verdict, aliasing


@dataclass(frozen=True, eq=False)
class MixedModelFit:
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
            parts.append("standard errors of maximum likelihood (nlme multiplies them by √(N/(N−p)), this does not)")
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
        from analytics.mixed_model.information import information

        return information(self.fitted)

    @cached_property
    def kenward_roger(self) -> KenwardRoger:
        """The Kenward-Roger adjustment; ValueError where it does not apply."""
        from analytics.mixed_model.kenward_roger import kenward_roger
        from analytics.mixed_model.term_tests import require_kenward_roger

        require_kenward_roger(self)
        return kenward_roger(self.fitted, self.information)

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """All parameters: response, kind, parameter, estimate, std_error, ci_low, ci_high, p_value, ...
        (parameters.py).
        """
        from analytics.mixed_model.parameters import parameter_table

        return parameter_table(self)

    def fixed_effects(self, df: str = "satterthwaite", level: float = 0.95) -> pd.DataFrame:
        """Coefficients with df, t statistic, interval and p value; ``df`` as in ``contrasts``."""
        from analytics.mixed_model.parameters import coefficient_table

        return coefficient_table(self, df, level)

    def terms(self, test: str = "satterthwaite_f", basis: str = "difference") -> pd.DataFrame:
        """Type III test of every term: wald_chi_square, satterthwaite_f, kenward_roger_f or containment_f
        (term_tests.py).
        """
        from analytics.mixed_model.term_tests import term_table

        return term_table(self, test, basis)

    def marginal_means(self, *over: str, **options: object) -> pd.DataFrame:
        """Estimated marginal means over variables; options as marginal_means.mean_table."""
        from analytics.mixed_model.marginal_means import mean_table

        return mean_table(self, over, **options)

    def contrasts(self, of: str, by: str | None = None, **options: object) -> pd.DataFrame:
        """Pairwise contrasts of ``of`` at each ``by``; options as marginal_means.contrast_table."""
        from analytics.mixed_model.marginal_means import contrast_table

        return contrast_table(self, of, by, **options)

    def random_effects(self) -> pd.DataFrame:
        """Predicted random effects per patient (diagnostics.py)."""
        from analytics.mixed_model.diagnostics import random_effects

        return random_effects(self)

    def residuals(self) -> pd.DataFrame:
        """Residuals per row of the data (diagnostics.py)."""
        from analytics.mixed_model.diagnostics import residuals

        return residuals(self)


def finished_fit(spec: MixedModelSpec, fitted: Fitted, n_missing: int) -> MixedModelFit:
    """Put a finished search into the user's units, with its status."""
    design, optimum, problem = fitted.design, fitted.optimum, fitted.problem
    n = problem.n_rows
    scale = fitted.scaling.response
    beta = np.full(len(design.names), np.nan)
    covariance = np.full((len(design.names),) * 2, np.nan)
    kept = fitted.dependence.kept
    beta[kept] = fitted.kept_beta()
    covariance[np.ix_(kept, kept)] = fitted.kept_covariance()
    ambiguous = np.abs(fitted.dependence.null_space).sum(axis=1) > 0
    beta[ambiguous] = np.nan
    covariance[ambiguous, :] = covariance[:, ambiguous] = np.nan
    d = scale**2 * optimum.point.sigma2 * fitted.scaling.random @ fitted.relative_d @ fitted.scaling.random.T
    log_likelihood = -0.5 * optimum.point.value - problem.degrees * np.log(scale)
    if problem.reml:
        log_likelihood -= np.log(np.abs(np.diagonal(fitted.scaling.root))).sum()
    n_parameters = fitted.n_parameters
    status, note = _verdict(spec, fitted)
    effects = ["(Intercept)"] if spec.slope is None else ["(Intercept)", spec.slope]
    return MixedModelFit(
        spec=spec,
        formula=design.formula,
        status=status,
        note=note,
        n_obs=n,
        n_patients=fitted.rows.n_patients,
        n_missing=n_missing,
        log_likelihood=float(log_likelihood),
        aic=float(-2 * log_likelihood + 2 * n_parameters),
        bic=float(-2 * log_likelihood + np.log(problem.degrees) * n_parameters),
        coefficients=pd.Series(beta, index=list(design.names)),
        covariance=pd.DataFrame(covariance, index=list(design.names), columns=list(design.names)),
        random_covariance=pd.DataFrame(d, index=effects, columns=effects),
        sigma=float(scale * np.sqrt(optimum.point.sigma2)),
        phi=fitted.phi,
        coding=design.describe_coding(),
        aliased=fitted.dependence.relations,
        fitted=fitted,
    )


def failed_fit(
    spec: MixedModelSpec,
    formula: Formula,
    status: str,
    note: str,
    n_obs: int,
    n_patients: int,
    n_missing: int,
) -> MixedModelFit:
    """A result that says why there is none."""
    nan = float("nan")
    empty = pd.DataFrame(dtype=float)
    return MixedModelFit(
        spec,
        formula,
        status,
        note,
        n_obs,
        n_patients,
        n_missing,
        nan,
        nan,
        nan,
        pd.Series(dtype=float),
        empty,
        empty,
        nan,
        None,
        "",
    )


def _verdict(spec: MixedModelSpec, fitted: Fitted) -> tuple[str, str]:
    """Status and note of a fit: that of the search, and aliased columns, which weigh more."""
    status, note = _search_verdict(spec, fitted)
    notes = [*aliasing(fitted), *([note] if note else [])]
    repeated = _repeated_rows(fitted)
    if repeated:
        notes.append(repeated)
    return (NOT_ESTIMABLE if fitted.dependence.relations else status), "; ".join(notes)
