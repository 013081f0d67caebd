"""What a fitted mixed model is made of, before anything is computed from it: scaling, the fit, aliased
columns.

Belongs here: the records that the result and its tables share. Does not belong here: the tables
(`result.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.mixed_model.dependence import Dependence
from analytics.mixed_model.design import Design
from analytics.mixed_model.likelihood import Problem
from analytics.mixed_model.patients import Rows
from analytics.mixed_model.search import Optimum
from analytics.mixed_model.specification import MixedModelSpec
from analytics.status import NOT_CONVERGED, OK, SINGULAR

if TYPE_CHECKING:
    pass


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
