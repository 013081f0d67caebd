"""The result of a mixed model: estimates in the user's units, and the tables drawn from them.

Belongs here: the result object, and how a finished or failed search becomes one. Does not belong here: the
record that the tables read (record.py), the formulas behind them (information.py, term_tests.py,
marginal_means.py, diagnostics.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from analytics.mixed_model.diagnostics import random_effects, residuals
from analytics.mixed_model.fitted import Fitted, _repeated_rows, _search_verdict, aliasing
from analytics.mixed_model.formula import Formula
from analytics.mixed_model.marginal_means import contrast_table, mean_table
from analytics.mixed_model.parameters import coefficient_table, parameter_table
from analytics.mixed_model.record import MixedModelEstimates
from analytics.mixed_model.specification import MixedModelSpec
from analytics.mixed_model.term_tests import term_table
from analytics.status import NOT_ESTIMABLE


@dataclass(frozen=True, eq=False)
class MixedModelFit(MixedModelEstimates):
    """The estimates (record.py), and the tables that can be drawn from them."""

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """All parameters: response, kind, parameter, estimate, std_error, ci_low, ci_high, p_value, ...
        (parameters.py).
        """
        return parameter_table(self)

    def fixed_effects(self, df: str = "satterthwaite", level: float = 0.95) -> pd.DataFrame:
        """Coefficients with df, t statistic, interval and p value; ``df`` as in ``contrasts``."""
        return coefficient_table(self, df, level)

    def terms(self, test: str = "satterthwaite_f", basis: str = "difference") -> pd.DataFrame:
        """Type III test of every term: wald_chi_square, satterthwaite_f, kenward_roger_f or containment_f
        (term_tests.py).
        """
        return term_table(self, test, basis)

    def marginal_means(self, *over: str, **options: Any) -> pd.DataFrame:
        """Estimated marginal means over variables; options as marginal_means.mean_table."""
        return mean_table(self, over, **options)

    def contrasts(self, of: str, by: str | None = None, **options: Any) -> pd.DataFrame:
        """Pairwise contrasts of ``of`` at each ``by``; options as marginal_means.contrast_table."""
        return contrast_table(self, of, by, **options)

    def random_effects(self) -> pd.DataFrame:
        """Predicted random effects per patient (diagnostics.py)."""
        return random_effects(self)

    def residuals(self) -> pd.DataFrame:
        """Residuals per row of the data (diagnostics.py)."""
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
