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

from analytics.mixed_model.dependence import Dependence
from analytics.mixed_model.design import Design
from analytics.mixed_model.formula import Formula
from analytics.mixed_model.likelihood import Problem
from analytics.mixed_model.patients import Rows
from analytics.mixed_model.search import Optimum
from analytics.mixed_model.specification import MixedModelSpec
from analytics.status import NOT_CONVERGED, NOT_ESTIMABLE, OK, SINGULAR

if TYPE_CHECKING:
    from analytics.mixed_model.information import Information
    from analytics.mixed_model.kenward_roger import KenwardRoger


@dataclass(frozen=True)
class Scaling:
    """The way back from the units of the search: residual scale, basis of the design, starting fit, random
    effects.
    """

    response: float
    root: np.ndarray  # X = basis @ root
    start: np.ndarray  # coefficients of the basis subtracted from the response
    random: np.ndarray  # K: random effects = K @ standardised ones


@dataclass(frozen=True, eq=False)
class Fitted:
    """A finished search with the data that it saw, rows sorted by patient and time."""

    design: Design
    dependence: Dependence
    columns: dict[str, np.ndarray]
    rows: Rows
    patients: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    time: np.ndarray | None
    problem: Problem
    optimum: Optimum
    scaling: Scaling
    relative_d: np.ndarray
    serial: float  # the serial parameter (covariance.py)
    phi: float | None
    positions: np.ndarray  # of each row in the data given

    @property
    def n_parameters(self) -> int:
        """Parameters of the model declared; a serial correlation that vanished counts."""
        structure = self.problem.structure
        vanished = self.phi is not None and not structure.has_serial
        return self.problem.n_columns + structure.n_parameters() + vanished

    def kept_beta(self) -> np.ndarray:
        """Coefficients of the columns kept, in the user's units."""
        gamma = self.scaling.start + self.scaling.response * self.optimum.point.beta
        return np.linalg.solve(self.scaling.root, gamma)

    def kept_covariance(self) -> np.ndarray:
        half = np.linalg.inv(self.scaling.root)
        scale = self.scaling.response**2 * self.optimum.point.sigma2
        return scale * half @ self.optimum.point.inverse @ half.T


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


def aliasing(fitted: Fitted) -> list[str]:
    """Sentences for linear dependence between columns: levels without rows, and which term is which other."""
    design, dependence = fitted.design, fitted.dependence
    if not dependence.relations:
        return []
    found = []
    for name, factor in design.factors().items():
        codes = design.level_codes(name, fitted.columns)
        empty = [level for k, level in enumerate(factor.levels) if not (codes == k).any()]
        if empty:
            found.append(f"{name} has no complete row at level {', '.join(empty)}")
    labels = ("(Intercept)", *design.term_labels)
    for null, relation in zip(dependence.null_space.T, dependence.relations):
        involved = np.flatnonzero(null)
        terms = list(dict.fromkeys(labels[design.assign[j]] for j in involved[::-1]))
        found.append(
            f"{terms[0]} cannot be told from {' and '.join(terms[1:]) or 'zero'} (column {relation})"
        )
    return found


def _repeated_rows(fitted: Fitted) -> str:
    """A remark where a patient has rows alike in all fixed effects that vary within patients."""
    first = np.repeat(fitted.rows.starts, fitted.rows.counts)
    varies = (fitted.x != fitted.x[first]).any(axis=0)
    if not varies.any() or fitted.time is not None:
        return ""
    keys = np.column_stack([fitted.x[:, varies], fitted.z[:, 1:]])
    mixed = np.einsum("ij,j->i", keys, np.sqrt(np.arange(2, 2 + keys.shape[1])))
    number = np.repeat(np.arange(fitted.rows.n_patients), fitted.rows.counts)
    order = np.lexsort((mixed, number))
    near = np.flatnonzero((np.diff(number[order]) == 0) & (np.diff(mixed[order]) == 0))
    alike = near[(keys[order[near]] == keys[order[near + 1]]).all(axis=1)]
    if not len(alike):
        return ""
    return (
        f"{len(alike)} rows repeat another row of their patient in all fixed effects (first: patient "
        f"{fitted.patients[number[order[alike[0]]]]}) and count as replicates"
    )


def _search_verdict(spec: MixedModelSpec, fitted: Fitted) -> tuple[str, str]:
    faults = boundary_faults(spec, fitted)
    if not fitted.optimum.converged:
        return NOT_CONVERGED, "; ".join(["the search for the maximum did not converge", *faults])
    return (SINGULAR, "; ".join(faults)) if faults else (OK, "")


def boundary_faults(spec: MixedModelSpec, fitted: Fitted) -> list[str]:
    """Sentences for every covariance parameter that sits on its boundary."""
    faults = []
    optimum, structure = fitted.optimum, fitted.problem.structure
    if optimum.rank == 0:
        which = "variance of the random intercept" if spec.slope is None else "random-effect variances"
        faults.append(f"the {which} {'is' if spec.slope is None else 'are'} estimated as zero")
    elif optimum.rank < structure.n_effects:
        faults.append(
            f"random intercept and slope ({spec.slope}) are perfectly dependent: their covariance is singular"
        )
    if optimum.at_limit:
        faults.append("the serial correlation is on its boundary")
    elif _is_flat(optimum.point.hessian):
        faults.append(
            "the data do not determine all covariance parameters: the likelihood is flat in one direction"
        )
    return faults


def _is_flat(hessian: np.ndarray) -> bool:
    if not len(hessian):
        return False
    scale = 1.0 / np.sqrt(np.maximum(np.diagonal(hessian), 1e-300))
    values = np.linalg.eigvalsh(hessian * np.outer(scale, scale))
    return bool(values[0] < 1e-9 * values[-1])
