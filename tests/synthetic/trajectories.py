"""Courses of CK, CMAS and IL-10/IFN-gamma over five visits that give Table III.

Belongs here: the course that one would expect of each patient, and the limits within which it may be moved
until Table III's model gives the printed chi-squares (``steering.py``). The baseline visit keeps Table I's
values. Does not belong here: the model itself, whole numbers and last digits (``last_digits.py``), and the
groups that Table III does not compare (``courses.py``).

What is expected: CK falls with a half-life of months from the first visit, faster in who does not relapse;
CMAS rises towards full score in who does not relapse and hardly in who does. A relapse of muscle strength or
a systemic one shows at a visit up to three months later (``relapse.shows_at``).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from analytics.mixed_model import fit_mixed_model
from analytics.mixed_model.result import MixedModelFit
from analytics.mixed_model.term_tests import term_table
from tests.synthetic import published
from tests.synthetic.baseline import SEED, seed
from tests.synthetic.published import Printed, PValue, read_rows
from tests.synthetic.relapse import shows_at
from tests.synthetic.solution import CONSTRAINTS, FollowUp
from tests.synthetic.steering import TERMS, Course, Covariance, Equations, Rows, Wish, steer
from tests.synthetic.wishes import ChangeWithin, MeanFallsByFactor, MeanRisesBy, RiseByFactor

GROUPS = ("nxp2_jdm", "mda5_jdm")
MONTHS = (0, 3, 6, 12, 24)
RATIO = "il_10_ifn_gamma_ratio"
NORMAL_CK = 200.0  # U/L, the upper limit of the children's hospital
FULL_SCORE = 52

Cell = tuple[str, int, int]  # group, patient number, month


@dataclass(frozen=True)
class Limits:
    """Of one response in one group: bounds of a follow-up value, and what the group's mean does between
    visits.
    """

    low: float
    high: float
    mean_step: float | None


@dataclass(frozen=True)
class Model:
    """What Table III prints of one response, where the search of its covariance begins, and limits by
    group.
    """

    response: str
    statistics: dict[str, Printed]
    p_values: dict[str, PValue]
    begin: Covariance
    freedom: float
    limits: dict[str, Limits]


def model(response: str) -> Model:
    """Constraints on ``response``: Table III, ``covariance.csv`` and ``courses.csv``."""
    printed = {
        r["effect"]: r for r in read_rows(published.PUBLISHED / "table3.csv") if r["response"] == response
    }
    row = next(r for r in read_rows(CONSTRAINTS / "covariance.csv") if r["response"] == response)
    names = ("sd_intercept", "sd_slope", "correlation", "sd_residual", "phi")
    limits = {
        r["group"]: Limits(
            float(r["low"]), float(r["high"]), float(r["mean_step"]) if r["mean_step"] else None
        )
        for r in read_rows(CONSTRAINTS / "courses.csv")
        if r["response"] == response
    }
    return Model(
        response,
        {name: Printed.parse(printed[name]["chi2"]) for name in TERMS},
        {name: PValue.parse(printed[name]["printed_p"]) for name in TERMS},
        Covariance(*(float(row[name]) for name in names)),
        float(row["freedom"]),
        limits,
    )


def fit(values: dict[Cell, float]) -> MixedModelFit:
    """The model of Table III: group by visit with sum contrasts, random intercept and slope over months,
    AR(1).
    """
    rows = [
        (f"{group} {number}", group, month, float(month), MONTHS.index(month), values[group, number, month])
        for group, number, month in ordered(list(values))
    ]
    frame = pd.DataFrame(rows, columns=["patient", "group", "visit", "months", "visit_index", "y"])
    return fit_mixed_model(
        frame,
        response="y",
        fixed="group * visit",
        patient="patient",
        slope="months",
        serial="ar1",
        serial_time="visit_index",
        contrasts="sum",
        factors={"group": list(GROUPS), "visit": list(MONTHS)},
    )


def statistics(fitted: MixedModelFit) -> np.ndarray:
    """Wald chi-squares of intercept, group, time and group by time."""
    return term_table(fitted, "wald_chi_square")["statistic"].to_numpy(dtype=float)


def ordered(cells: list[Cell]) -> list[Cell]:
    """Cells by group, patient and month."""
    return sorted(cells, key=lambda cell: (GROUPS.index(cell[0]), *cell[1:]))


# ---------------------------------------------------------------- courses


def solve(
    response: str,
    baseline: dict[Cell, float],
    cells: list[Cell],
    follow_up: dict[tuple[str, int], FollowUp],
    draws: int = 8,
) -> dict[Cell, float]:
    """Values of ``cells`` (baseline kept) on which a fit gives Table III's chi-squares; of several draws the
    first.
    """
    of = model(response)
    rng = np.random.default_rng([SEED, *response.encode(), 3 + seed(f"{response} course")])
    cells = ordered(cells)
    targets = {name: number.value for name, number in of.statistics.items()}
    equations = Equations(rows_of(cells), targets, of.begin)
    for _ in range(draws):
        course = _expected(rng, of, baseline, cells, follow_up)
        y, misfit = steer(equations, course, _wishes(of, cells, follow_up), of.begin, of.freedom)
        if misfit > 1e-6:
            continue
        values = dict(zip(cells, y.tolist(), strict=True))
        fitted = fit(values)
        if fitted.status == "ok" and np.allclose(statistics(fitted), list(targets.values()), rtol=1e-4):
            return values
    raise ValueError(
        f"{response}: none of {draws} courses gives Table III with an inner optimum; see covariance.csv"
    )


def rows_of(cells: list[Cell]) -> Rows:
    """The rows of the design, in the order of ``cells``."""
    patients = {patient: i for i, patient in enumerate(dict.fromkeys(cell[:2] for cell in cells))}
    return Rows(
        np.array([patients[cell[:2]] for cell in cells]),
        np.array([GROUPS.index(cell[0]) for cell in cells]),
        np.array([cell[2] for cell in cells]),
        np.array([MONTHS.index(cell[2]) for cell in cells]),
    )


def flares(cell: Cell, follow_up: dict[tuple[str, int], FollowUp]) -> bool:
    """Whether a relapse of muscle strength, or a systemic one, shows at the visit."""
    seen = follow_up[cell[:2]]
    return seen.relapse_kind in ("muscle", "systemic") and shows_at(seen.relapse_day) == cell[2]


def _expected(
    rng: np.random.Generator,
    of: Model,
    baseline: dict[Cell, float],
    cells: list[Cell],
    follow_up: dict[tuple[str, int], FollowUp],
) -> Course:
    """The course that one would expect, and how freely each value may leave it."""
    draw = {"ck": _expected_ck, "cmas": _expected_cmas, RATIO: _expected_ratio}[of.response]
    own = {cell[:2]: rng.normal(size=2) for cell in cells}
    start, spread = np.empty(len(cells)), np.empty(len(cells))
    for i, cell in enumerate(cells):
        first = baseline.get((*cell[:2], 0))
        start[i], spread[i] = draw(cell, first, own[cell[:2]], rng, follow_up)
        if cell[2] == 0:
            start[i] = first
    free = np.flatnonzero([cell[2] > 0 for cell in cells])
    high = np.array([of.limits[cell[0]].high for cell in cells])
    low = np.array([_least(of, cell, baseline.get((*cell[:2], 0)), own[cell[:2]]) for cell in cells])
    start[free] = np.clip(start[free], low[free], high[free])
    return Course(start, free, spread, low, high, is_log=of.response != "cmas")


def _least(of: Model, cell: Cell, first: float | None, own: np.ndarray) -> float:
    """The lowest value of a follow-up visit: a child with a low CMAS gains a little from each visit to the
    next.
    """
    limits = of.limits[cell[0]]
    if of.response != "cmas" or cell[2] == 0:
        return limits.low
    if cell[0] == "mda5_jdm":
        return max(limits.low, (limits.low if first is None else first) - 1.0)
    return limits.low + 2.0 * (MONTHS.index(cell[2]) - 1) + float(np.clip(1.3 * own[0], -2.0, 3.0))


def _expected_ck(
    cell: Cell,
    first: float | None,
    own: np.ndarray,
    rng: np.random.Generator,
    follow_up: dict[tuple[str, int], FollowUp],
) -> tuple[float, float]:
    group, _, month = cell
    settled = 140.0 * np.exp(0.3 * own[0] + 0.1 * rng.normal())
    if group == "mda5_jdm":
        return min(max(settled, 70.0), 0.95 * NORMAL_CK), 0.3
    if flares(cell, follow_up):
        return 1500.0, 1.0
    relapses = follow_up[cell[:2]].relapse_day is not None
    months = 3.2 * (1.15 if relapses else 0.9) * (1.5 if first < 1200 else 1.0) * np.exp(0.1 * own[1])
    left = min(first, 4000.0 if relapses else 3000.0) * np.exp(-month / months)
    return min(left + settled, 0.95 * first), 0.6 if month == 3 else 0.5


def _expected_cmas(
    cell: Cell,
    first: float | None,
    own: np.ndarray,
    rng: np.random.Generator,
    follow_up: dict[tuple[str, int], FollowUp],
) -> tuple[float, float]:
    group, _, month = cell
    seen = follow_up[cell[:2]]
    first = 43.0 if first is None else first
    gained = 1.0 - np.exp(-month / 5.0)
    if group == "mda5_jdm":
        return first + (50.5 - first) * 0.7 * gained + 2.0 * rng.normal(), 4.5
    if seen.relapse_day is None:
        quick = 1.0 - np.exp(-month / (5.0 * np.exp(0.5 * own[1])))
        return first + (51.0 - first) * quick + 3.0 * rng.normal(), 6.0
    value = max(first, 16.0) + (5.0 + 2.0 * own[0]) * gained + 3.0 * rng.normal()
    return value - (7.0 if flares(cell, follow_up) else 0.0), 6.0


def _expected_ratio(
    cell: Cell,
    first: float | None,
    own: np.ndarray,
    rng: np.random.Generator,
    follow_up: dict[tuple[str, int], FollowUp],
) -> tuple[float, float]:
    mean = 1.5 if cell[0] == "nxp2_jdm" else 2.0
    far = 1.0 if own[1] > 0.84 else 0.0  # one in five is far above the rest
    sigma = np.sqrt(np.log(1 + 0.75**2))
    return mean * np.exp(sigma * (0.84 * own[0] + 0.54 * rng.normal()) - sigma**2 / 2) * 5.0**far, 0.5


# ---------------------------------------------------------------- wishes


def _wishes(of: Model, cells: list[Cell], follow_up: dict[tuple[str, int], FollowUp]) -> list[Wish]:
    """No jump that treatment could not make, and means that move as the study states."""
    if of.response == RATIO:
        return []
    before = np.array([i for i in range(len(cells) - 1) if cells[i][:2] == cells[i + 1][:2]])
    shown = np.array([flares(cells[i + 1], follow_up) for i in before])
    month = np.array([cells[i + 1][2] for i in before])
    wishes: list[Wish] = []
    if of.response == "ck":
        factor = np.where(shown, 20.0, np.where(month == 3, 1.35, 0.95))
        wishes.append(RiseByFactor(before, before + 1, factor, 0.95 * NORMAL_CK, weight=60.0))
    else:
        after_flare = np.array([flares(cells[i], follow_up) for i in before])
        treated = np.array([0.0 if cells[i][0] == "mda5_jdm" else -1.0 for i in before])
        least = np.where(shown, -14.0, np.where(month == 3, treated, -4.0))
        most = np.where(after_flare, 16.0, np.where(month == 3, 16.0, 12.0))
        wishes.append(ChangeWithin(before, before + 1, least, most, weight=30.0))
    for group, limits in of.limits.items():
        if limits.mean_step is None:
            continue
        for first, second in pairwise(MONTHS):
            seen_at_both = np.array(
                [i for i in before if (cells[i][0], cells[i][2], cells[i + 1][2]) == (group, first, second)]
            )
            if of.response == "ck":
                wishes.append(
                    MeanFallsByFactor(seen_at_both, seen_at_both + 1, limits.mean_step, weight=40.0)
                )
            else:
                wishes.append(MeanRisesBy(seen_at_both, seen_at_both + 1, limits.mean_step, weight=30.0))
    return wishes
