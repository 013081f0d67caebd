"""Courses of CK, CMAS and IL-10/IFN-gamma over five visits that give Table III.

Belongs here: plausible courses, moved until the mixed model's REML equations hold at stated covariance parameters
and the Wald chi-squares are the printed ones (``steering.py``), then rounded to what a hospital exports and tuned in
the last digits against refits by ``analytics``. The baseline visit keeps Table I's values.
Does not belong here: the model itself, and the groups that Table III does not compare (``courses.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analytics.mixed_model import fit_mixed_model
from analytics.mixed_model.result import MixedModelFit
from analytics.mixed_model.term_tests import term_table
from tests.synthetic import published
from tests.synthetic.baseline import SEED
from tests.synthetic.published import Printed, PValue, read_rows
from tests.synthetic.solution import CONSTRAINTS
from tests.synthetic.steering import TERMS, Covariance, Rows, Steering

GROUPS = ("nxp2_jdm", "mda5_jdm")
MONTHS = (0, 3, 6, 12, 24)
RATIO = "il_10_ifn_gamma_ratio"

Cell = tuple[str, int, int]  # group, patient number, month


@dataclass(frozen=True)
class Model:
    """What Table III prints of one response, and the limits of its values."""

    response: str
    statistics: dict[str, Printed]
    p_values: dict[str, PValue]
    covariance: Covariance
    low: float
    high: float
    means: dict[tuple[str, int], float]


def model(response: str) -> Model:
    """Constraints on ``response``: Table III, ``covariance.csv`` and ``courses.csv``."""
    printed = {r["effect"]: r for r in read_rows(published.PUBLISHED / "table3.csv") if r["response"] == response}
    row = next(r for r in read_rows(CONSTRAINTS / "covariance.csv") if r["response"] == response)
    names = ("sd_intercept", "sd_slope", "correlation", "sd_residual", "phi")
    means = {(r["group"], month): float(r[f"month_{month}"])
             for r in read_rows(CONSTRAINTS / "courses.csv") if r["response"] == response for month in MONTHS[1:]}
    return Model(
        response,
        {name: Printed.parse(printed[name]["chi2"]) for name in TERMS},
        {name: PValue.parse(printed[name]["printed_p"]) for name in TERMS},
        Covariance(*(float(row[name]) for name in names)), float(row["low"]), float(row["high"]), means)


def fit(values: dict[Cell, float]) -> MixedModelFit:
    """The model of Table III: group by visit with sum contrasts, random intercept and slope over months, AR(1)."""
    rows = [(f"{group} {number}", group, month, float(month), MONTHS.index(month), values[group, number, month])
            for group, number, month in ordered(list(values))]
    frame = pd.DataFrame(rows, columns=["patient", "group", "visit", "months", "visit_index", "y"])
    return fit_mixed_model(frame, response="y", fixed="group * visit", patient="patient", slope="months",
                           serial="ar1", serial_time="visit_index", contrasts="sum",
                           factors={"group": list(GROUPS), "visit": list(MONTHS)})


def statistics(fitted: MixedModelFit) -> np.ndarray:
    """Wald chi-squares of intercept, group, time and group by time."""
    return term_table(fitted, "wald_chi_square")["statistic"].to_numpy(dtype=float)


def ordered(cells: list[Cell]) -> list[Cell]:
    """Cells by group, patient and month."""
    return sorted(cells, key=lambda cell: (GROUPS.index(cell[0]), *cell[1:]))


# ---------------------------------------------------------------- courses

def solve(response: str, baseline: dict[Cell, float], cells: list[Cell], draws: int = 12) -> dict[Cell, float]:
    """Values of ``cells`` (baseline kept) on which a fit gives Table III's chi-squares at the stated covariance."""
    of = model(response)
    rng = np.random.default_rng([SEED, *response.encode(), 3])
    cells = ordered(cells)
    rows = rows_of(cells)
    free = np.flatnonzero(rows.index > 0)
    targets = {name: number.value for name, number in of.statistics.items()}
    steering = Steering(rows, of.covariance, targets, free)
    tried: list[tuple[float, np.ndarray]] = []
    for _ in range(draws):
        start = _draw(rng, of, baseline, cells)
        scale = np.full(len(cells), 3.0) if response == "cmas" else 0.5 * start + 0.01 * of.high
        y, distance, misfit = steering.nearest(start, scale, np.full(len(cells), of.low),
                                               np.full(len(cells), of.high))
        if misfit < 1e-6:
            tried.append((distance, y))
    for _, y in sorted(tried, key=lambda pair: pair[0]):
        values = dict(zip(cells, y.tolist(), strict=True))
        fitted = fit(values)
        if fitted.status == "ok" and np.allclose(statistics(fitted), list(targets.values()), rtol=1e-5):
            return values
    raise ValueError(f"{response}: none of {draws} courses gives Table III with an inner optimum; see covariance.csv")


def rows_of(cells: list[Cell]) -> Rows:
    """The rows of the design, in the order of ``cells``."""
    patients = {patient: i for i, patient in enumerate(dict.fromkeys(cell[:2] for cell in cells))}
    return Rows(
        np.array([patients[cell[:2]] for cell in cells]), np.array([GROUPS.index(cell[0]) for cell in cells]),
        np.array([cell[2] for cell in cells]), np.array([MONTHS.index(cell[2]) for cell in cells]))


def _draw(rng: np.random.Generator, of: Model, baseline: dict[Cell, float], cells: list[Cell]) -> np.ndarray:
    """Plausible responses: patients keep their place, some are far above the rest, spread grows with time."""
    level = {cell[:2]: rng.normal() for cell in cells}
    multiple = {patient: 5.0 if rng.random() < 0.2 else 1.0 for patient in level}
    own = {group: np.array([v for cell, v in baseline.items() if cell[0] == group]) for group in GROUPS}
    drawn = []
    for cell in cells:
        group, _, month = cell
        if month == 0:
            drawn.append(baseline[cell])  # may lie outside the limits of the follow-up
            continue
        mean, noise, place = of.means[group, month], rng.normal(), level[cell[:2]]
        if of.response == "cmas":
            start = baseline.get((*cell[:2], 0), own[group].mean())
            place = 0.6 * (start - own[group].mean()) / own[group].std() + 0.8 * place
            sd = 14.0 if group == "nxp2_jdm" else 5.0
            value = mean + sd * (0.85 * place * (1 + 0.15 * MONTHS.index(month)) + 0.5 * noise)
        elif of.response == "ck":
            cv = 1.2 if month == 24 else 0.45
            value = _log_normal(mean, cv, noise)
        else:
            value = _log_normal(mean, 0.75, 0.84 * place + 0.54 * noise) * multiple[cell[:2]]
        drawn.append(min(max(value, of.low), of.high))
    return np.array(drawn)


def _log_normal(mean: float, cv: float, z: float) -> float:
    sigma = np.sqrt(np.log(1 + cv**2))
    return float(mean * np.exp(sigma * z - sigma**2 / 2))
