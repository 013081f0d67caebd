"""Fit a linear mixed model: from a frame to a result with a status.

Belongs here: reading the data, refusing what it cannot answer, scaling, and the way back to the units of
the user. Does not belong here: the likelihood (likelihood.py), the search (search.py) or inference from a
fit (result.py and below).

Before the search the response is replaced by its least-squares residuals in units of their standard
deviation, the design by an orthogonal basis of its columns, and the random slope's variable by its
standardised form; the maximum is the same and its numerical conditioning does not depend on units, origins
or collinearity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.linalg import solve_triangular

from analytics.door import takes_any_frame
from analytics.mixed_model.covariance import Structure
from analytics.mixed_model.dependence import Dependence, find_dependence
from analytics.mixed_model.design import Design, Factor, build_design, read_columns
from analytics.mixed_model.fitted import Fitted, Scaling
from analytics.mixed_model.formula import Formula, evaluate, names_in
from analytics.mixed_model.likelihood import Problem
from analytics.mixed_model.patients import Rows, arrange_rows, build_blocks
from analytics.mixed_model.result import MixedModelFit, failed_fit, finished_fit
from analytics.mixed_model.search import maximise
from analytics.mixed_model.specification import MixedModelSpec
from analytics.status import NO_VARIANCE, NOT_ESTIMABLE, TOO_FEW_GROUPS, TOO_FEW_OBSERVATIONS


class _CannotFit(Exception):
    """The data cannot answer: a status and a sentence."""

    def __init__(self, status: str, note: str) -> None:
        super().__init__(note)
        self.status, self.note = status, note


@takes_any_frame
def fit_mixed_model(
    data: pd.DataFrame,
    response: str | None = None,
    fixed: str = "1",
    patient: str = "patient",
    slope: str | None = None,
    serial: str = "none",
    serial_time: str = "visit_index",
    method: str = "reml",
    contrasts: str | Mapping[str, str] = "sum",
    factors: Mapping[str, Sequence[object]] | None = None,
) -> MixedModelFit:
    """Fit y = X beta + Z b + e: random intercept (and slope) per patient, serial correlation within.

    data        one row per patient and visit; rows with a missing value in a needed column are left out
                and counted.
    response    a column, or an expression of one: ``"log(ck)"``.
    fixed       R-like formula, ``"group * visit"`` (formula.py says what it may hold); may be two-sided.
    patient     column that identifies the patient.
    slope       column of the random slope; D is then 2 x 2, unstructured. None for an intercept only.
    serial      residual correlation: "none", "ar1" over the integer column ``serial_time`` (a gap of two
                visits has correlation phi squared; phi may be negative), or "car1" over continuous
                ``serial_time`` (phi is the correlation at distance 1).
    method      "reml" or "ml".
    contrasts   "sum" (last level -1), "treatment" (first level 0), or a coding per factor.
    factors     levels of each factor in their order. Text columns not listed become factors with sorted
                levels.

    Sources: Laird and Ware (1982), Biometrics 38:963; Pinheiro and Bates (2000), chapters 2 and 5.
    Raises ValueError for a wrong argument, an unknown column or an infinite value; what the data cannot
    answer is a status.
    """
    return fit_specification(
        data,
        MixedModelSpec(
            response, fixed, patient, slope, serial, serial_time, method, contrasts, dict(factors or {})
        ),
    )


def fit_specification(data: pd.DataFrame, spec: MixedModelSpec) -> MixedModelFit:
    """Fit a declared model to ``data``; see ``fit_mixed_model``."""
    formula = spec.formula(list(data.columns))
    needed = spec.require(data, formula)
    columns, factors = read_columns(data, needed, spec.factors, spec.contrasts)
    _require_numbers(spec, formula, factors)
    patient_codes, patient_labels = pd.factorize(data[spec.patient])
    complete = _complete(columns, factors, patient_codes)
    counts = {"n_rows": len(data), "n_missing": int((~complete).sum())}
    try:
        fitted = _fit(spec, formula, columns, factors, patient_codes, patient_labels, complete)
    except _CannotFit as fault:
        n_patients = len(np.unique(patient_codes[complete]))
        return failed_fit(
            spec, formula, fault.status, fault.note, int(complete.sum()), n_patients, counts["n_missing"]
        )
    return finished_fit(spec, fitted, counts["n_missing"])


def _require_numbers(spec: MixedModelSpec, formula: Formula, factors: dict[str, Factor]) -> None:
    """Refuse text where a number is needed."""
    needed = {"response": names_in(formula.variables[str(formula.response)])}
    needed |= {"slope": (spec.slope,) if spec.slope else ()}
    needed |= {"serial_time": (spec.serial_time,) if spec.serial != "none" else ()}
    for argument, names in needed.items():
        wrong = [n for n in names if n in factors]
        if wrong:
            raise ValueError(
                f'{argument}: expected a column of numbers; "{wrong[0]}" holds text or is a factor'
            )


def _complete(columns: dict[str, np.ndarray], factors: dict[str, Factor], patient: np.ndarray) -> np.ndarray:
    complete = patient >= 0
    for name, values in columns.items():
        complete &= values >= 0 if name in factors else ~np.isnan(values)
    return complete


def _fit(
    spec: MixedModelSpec,
    formula: Formula,
    columns: dict[str, np.ndarray],
    factors: dict[str, Factor],
    patient: np.ndarray,
    labels: np.ndarray,
    complete: np.ndarray,
) -> Fitted:
    if not complete.any():
        empty = [n for n, v in columns.items() if bool((v < 0).all() if n in factors else np.isnan(v).all())]
        which = f"; all missing: {', '.join(empty)}" if empty else ""
        raise _CannotFit(TOO_FEW_OBSERVATIONS, f"no row has all of {', '.join(columns)}{which}")
    if not complete.all():
        columns = {name: values[complete] for name, values in columns.items()}
        patient = patient[complete]
    time = columns[spec.serial_time] if spec.serial != "none" else None
    rows = arrange_rows(patient, time)
    if not np.array_equal(rows.order, np.arange(len(patient))):
        columns = {name: values[rows.order] for name, values in columns.items()}
        time = None if time is None else time[rows.order]
    identifiers = labels[patient[rows.order[rows.starts]]]
    _check_factors(factors, columns)
    y = _response(formula, columns)
    _check_patients(spec, rows, time, identifiers)
    design = build_design(formula, columns, factors, spec.default_coding())
    x = design.matrix(columns, len(y))
    dependence = find_dependence(x, design.names)
    structure = Structure(1 if spec.slope is None else 2, spec.serial, _unit(rows, time))
    _check_size(len(y), len(dependence.kept), structure)
    positions = np.flatnonzero(complete)[rows.order]
    return _estimate(spec, design, dependence, structure, columns, rows, identifiers, x, y, time, positions)


def _estimate(
    spec: MixedModelSpec,
    design: Design,
    dependence: Dependence,
    structure: Structure,
    columns: dict[str, np.ndarray],
    rows: Rows,
    identifiers: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    time: np.ndarray | None,
    positions: np.ndarray,
) -> Fitted:
    slope = None if spec.slope is None else columns[spec.slope]
    z, back = _random_design(slope, len(y), spec.slope)
    root = dependence.triangle / np.sqrt(len(y))
    basis = solve_triangular(root, x[:, dependence.kept].T, trans="T", lower=False).T
    start = basis.T @ y / len(y)
    residual = y - basis @ start
    correction = basis.T @ residual / len(y)
    residual, start = residual - basis @ correction, start + correction
    scale = float(np.sqrt(residual @ residual / len(y)))
    if scale <= 1e-10 * max(float(np.abs(y).max()), 1e-300):
        raise _CannotFit(
            NO_VARIANCE, f"{design.formula.response}: the fixed effects reproduce every value exactly"
        )
    blocks = build_blocks(rows, np.column_stack([basis, residual / scale]), z, time)
    problem = Problem(blocks, structure, len(y), len(dependence.kept), spec.method == "reml")
    found = maximise(problem)
    if found is None:
        raise _CannotFit(
            NOT_ESTIMABLE, "the likelihood cannot be evaluated: visits of a patient coincide in time"
        )
    problem, optimum = found
    structure = problem.structure
    loading = structure.loading(optimum.theta, optimum.rank)
    serial = structure.serial_parameter(optimum.theta[-1])[0] if structure.has_serial else 0.0
    phi = structure.phi(serial)[0] if structure.has_serial else 0.0
    return Fitted(
        design=design,
        dependence=dependence,
        columns=columns,
        rows=rows,
        patients=identifiers,
        x=x,
        y=y,
        z=np.ones((len(y), 1)) if slope is None else np.column_stack([np.ones(len(y)), slope]),
        time=time,
        problem=problem,
        optimum=optimum,
        scaling=Scaling(scale, root, start, back),
        relative_d=loading @ loading.T,
        serial=serial,
        phi=None if spec.serial == "none" else phi,
        positions=positions,
    )


def _check_factors(factors: dict[str, Factor], columns: dict[str, np.ndarray]) -> None:
    for name, factor in factors.items():
        seen = np.unique(columns[name])
        if len(seen) < 2:
            only = f" (only {factor.levels[seen[0]]})" if len(seen) else ""
            raise _CannotFit(
                TOO_FEW_GROUPS,
                f"{name}: one level has complete rows{only}; leave it out or add rows of another level",
            )


def _response(formula: Formula, columns: dict[str, np.ndarray]) -> np.ndarray:
    name = str(formula.response)
    values = evaluate(formula.variables[name], columns)
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        raise _CannotFit(
            NOT_ESTIMABLE,
            f"{name} is not a number in {n_bad} rows; values outside its domain must be made missing",
        )
    if np.ptp(values) == 0.0:
        raise _CannotFit(NO_VARIANCE, f"{name}: all {len(values)} values are equal")
    return np.ascontiguousarray(values, dtype=float)


def _check_patients(
    spec: MixedModelSpec, rows: Rows, time: np.ndarray | None, identifiers: np.ndarray
) -> None:
    if rows.n_patients < 2:
        raise _CannotFit(TOO_FEW_OBSERVATIONS, "one patient: a variance between patients needs at least two")
    if rows.counts.max() < 2:
        raise _CannotFit(
            NOT_ESTIMABLE,
            "no patient has more than one complete row: no random intercept can be estimated",
        )
    if time is None:
        return
    if spec.serial == "ar1" and not np.array_equal(time, np.round(time)):
        raise ValueError(
            f'serial_time: "{spec.serial_time}" must hold whole visit numbers for "ar1"; use serial="car1"'
        )
    number = np.repeat(np.arange(rows.n_patients), rows.counts)
    twice = np.flatnonzero((np.diff(number) == 0) & (np.diff(time) == 0))
    if len(twice):
        which = [f"{identifiers[number[i]]} at {spec.serial_time} {time[i]:g}" for i in twice[:3]]
        more = f" and {len(twice) - 3} more" if len(twice) > 3 else ""
        raise _CannotFit(
            NOT_ESTIMABLE, f"more than one row for patient {'; '.join(which)}{more}; keep one of each"
        )


def _check_size(n: int, n_fixed: int, structure: Structure) -> None:
    needed = n_fixed + structure.n_parameters()
    if n < needed:
        raise _CannotFit(
            TOO_FEW_OBSERVATIONS, f"{n} complete rows for {needed} parameters; simplify the model"
        )


def _unit(rows: Rows, time: np.ndarray | None) -> float:
    """Typical distance between successive visits: the scale on which a continuous correlation is searched."""
    if time is None:
        return 1.0
    gaps = np.diff(time)[np.diff(np.repeat(np.arange(rows.n_patients), rows.counts)) == 0]
    gaps = gaps[gaps > 0]
    return float(np.median(gaps)) if len(gaps) else 1.0


def _random_design(slope: np.ndarray | None, n: int, name: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Standardised random-effect design, and K with b = K b* for effects b* of the standardised design."""
    if slope is None:
        return np.ones((n, 1)), np.eye(1)
    center, spread = float(slope.mean()), float(slope.std())
    if spread == 0.0:
        raise _CannotFit(NOT_ESTIMABLE, f"slope: {name} has one value, so a random slope cannot be estimated")
    return (
        np.column_stack([np.ones(n), (slope - center) / spread]),
        np.array([[1.0, -center / spread], [0.0, 1.0 / spread]]),
    )
