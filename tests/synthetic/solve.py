"""``python -m tests.synthetic.solve``: the whole search, constraints and a seed in, ``solution/`` out.

Belongs here: the order of the parts, who has which value, and who came to which visit.
Does not belong here: the parts themselves (``relapse``, ``baseline``, ``ratios``, ``trajectories``,
``last_digits``).
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: sums in another order end at other last digits
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from tests.synthetic import baseline, courses, last_digits, ratios, relapse, trajectories
from tests.synthetic.published import read_rows
from tests.synthetic.ratios import BOTTOM, RATIOS, TOP
from tests.synthetic.solution import CONSTRAINTS, SOLUTION, FollowUp, Solution, groups, variables, write
from tests.synthetic.trajectories import GROUPS, MONTHS, Cell

PANELS = {  # tests that one sample answers: who lacks one of them mostly lacks the others
    "cd19": "flow",
    "cd3": "flow",
    "cd4": "flow",
    "cd8": "flow",
    "nk": "flow",
    "il_2": "cytokines",
    "il_4": "cytokines",
    "il_6": "cytokines",
    "il_10": "cytokines",
    "tnf_alpha": "cytokines",
    "ifn_gamma": "cytokines",
    "igg": "proteins",
    "iga": "proteins",
    "igm": "proteins",
}
PAIRED = {name: ratio for ratio, names in RATIOS.items() for name in names}


def solve(progress: Callable[[str], None] = print) -> Solution:
    """Find every value again; two processes share the independent parts."""
    solution = Solution()
    alone = [name for name in variables() if name not in PAIRED and name != "cmas"] + ["cmas"]
    with ProcessPoolExecutor(2) as pool:
        # The longest first, so that both processes end together.
        paired = {ratio: pool.submit(ratios.solve, ratio) for ratio in reversed(RATIOS)}
        follow_up = pool.submit(relapse.solve)
        found = {name: pool.submit(baseline.solve, name) for name in alone}
        solution.follow_up = follow_up.result()
        for name, future in found.items():
            for group, values in future.result().items():
                _give(solution, group, name, values)
            progress(f"baseline: {name}")
        for ratio, future in paired.items():
            for group, pairing in future.result().items():
                _give_pairs(solution, group, ratio, pairing)
            progress(f"baseline: {ratio}")
        for group in groups():
            _arrange_lymphocytes(solution, group)
        _give_unpublished_ages(solution)
        _arrange_relapses(solution)
        cells = attended(solution.follow_up)
        steered = [
            pool.submit(_steer, response, *_inputs(solution, response, cells), solution.follow_up)
            for response in ("ck", "cmas", trajectories.RATIO)
        ]
        for future in steered:
            solution.values |= future.result()
            progress(f"Table III: {len(solution.values)} values")
    solution.values |= courses.draw(solution, [cell for cell in cells if cell[0] not in GROUPS])
    return solution


def attended(follow_up: dict[tuple[str, int], FollowUp]) -> list[Cell]:
    """Visits that took place: none after the last contact, none that ``missing_visits.csv`` lists."""
    missing = {
        (r["group"], int(r["patient"]), int(r["month"]))
        for r in read_rows(CONSTRAINTS / "missing_visits.csv")
    }
    nominal = {int(r["month"]): int(r["nominal_day"]) for r in read_rows(CONSTRAINTS / "visits.csv")}
    return [
        (*patient, month)
        for patient, seen in follow_up.items()
        for month in MONTHS
        if nominal[month] <= seen.last_seen_day and (*patient, month) not in missing
    ]


# ---------------------------------------------------------------- baseline values to patients


def _members(group: str, variable: str, n: int) -> list[int]:
    """Patient numbers with a value, in an order of their own for each panel of tests."""
    numbers = list(range(1, int(groups()[group]["size"]) + 1))
    random.Random(f"{baseline.SEED}/{group}/{PANELS.get(variable, variable)}").shuffle(numbers)
    return numbers[:n]


def _give(solution: Solution, group: str, variable: str, ordered: np.ndarray) -> None:
    """Hand out values so that they go with a severity of the disease that several variables share."""
    weight = float(variables()[variable]["severity"])
    numbers = _members(group, variable, len(ordered))

    def place(number: int) -> float:
        shared = random.Random(f"{baseline.SEED}/{group}/{number}/severity").gauss(0, 1)
        own = random.Random(f"{baseline.SEED}/{group}/{number}/{variable}").gauss(0, 1)
        return weight * shared + (1 - weight**2) ** 0.5 * own

    for number, value in zip(sorted(numbers, key=place), ordered, strict=True):
        solution.values[group, number, 0, variable] = baseline.text(variable, group, float(value))


def _give_pairs(solution: Solution, group: str, ratio: str, pairing: ratios.Pairing) -> None:
    numbers = _members(group, RATIOS[ratio][TOP], pairing.size)
    for part in (TOP, BOTTOM):
        name = RATIOS[ratio][part]
        for number, value in zip(numbers, pairing.by_patient(part), strict=True):
            if not np.isnan(value):
                solution.values[group, number, 0, name] = baseline.text(name, group, float(value))


def _arrange_lymphocytes(solution: Solution, group: str) -> None:
    """Exchange CD3, CD19 and NK between patients until CD3 covers CD4 + CD8 and all stay within 100 % if they
    can.
    """
    draw = random.Random(f"{baseline.SEED}/{group}/lymphocytes")
    size = int(groups()[group]["size"])

    def of(number: int, name: str, otherwise: float) -> float:
        return float(solution.values.get((group, number, 0, name), otherwise))

    def strain(number: int) -> float:
        cd3 = of(number, "cd3", np.nan)
        if np.isnan(cd3):
            return 0.0
        below = of(number, "cd4", 0.0) + of(number, "cd8", 0.0) - cd3
        beyond = cd3 + of(number, "cd19", 8.0) + of(number, "nk", 2.0) - 100.0
        return max(below, 0.0) + max(beyond, 0.0)

    for _ in range(4000):
        name = draw.choice(("cd3", "cd19", "nk"))
        have = [n for n in range(1, size + 1) if (group, n, 0, name) in solution.values]
        a, b = draw.sample(have, 2)
        before = strain(a) + strain(b)
        keys = (group, a, 0, name), (group, b, 0, name)
        values = solution.values
        values[keys[0]], values[keys[1]] = values[keys[1]], values[keys[0]]
        if strain(a) + strain(b) > before:
            values[keys[0]], values[keys[1]] = values[keys[1]], values[keys[0]]


def _give_unpublished_ages(solution: Solution) -> None:
    """Adults' age at onset, which no table prints."""
    row = variables()["age_at_onset"]
    for number in range(1, int(groups()["nxp2_adult_dm"]["size"]) + 1):
        draw = random.Random(f"{baseline.SEED}/nxp2_adult_dm/{number}/age")
        age = draw.triangular(float(row["low_adult"]), float(row["high_adult"]), 52)
        solution.values["nxp2_adult_dm", number, 0, "age_at_onset"] = f"{age:.2f}"


def _arrange_relapses(solution: Solution) -> None:
    """Hand the relapses of the NXP2+ children to those whose CK can fall least, and low CMAS to who relapses.

    s14 and s15: relapse goes with a smaller fall of CK and with a lower CMAS after treatment.
    """
    group = "nxp2_jdm"
    numbers = range(1, int(groups()[group]["size"]) + 1)
    draw = random.Random(f"{baseline.SEED}/{group}/who relapses")
    by_ck = sorted(numbers, key=lambda n: _rank(solution, group, n, "ck") + draw.gauss(0, 0.7))
    seen = [solution.follow_up[group, number] for number in numbers]
    ordered = [s for s in seen if s.relapse_day is not None] + [s for s in seen if s.relapse_day is None]
    for number, of in zip(by_ck, ordered, strict=True):
        solution.follow_up[group, number] = of
    scores = sorted((solution.values[group, number, 0, "cmas"] for number in numbers), key=int)
    by_place = sorted(
        numbers, key=lambda n: 9.0 * (solution.follow_up[group, n].relapse_day is None) + draw.gauss(0, 3)
    )
    for number, score in zip(by_place, scores, strict=True):
        solution.values[group, number, 0, "cmas"] = score
    _leave_missed_visits(solution)


def _leave_missed_visits(solution: Solution) -> None:
    """A relapse in the window of a visit that did not take place goes before the window: its values are no
    visit's.
    """
    visits = {
        r["month"]: (int(r["nominal_day"]), int(r["window_days"]))
        for r in read_rows(CONSTRAINTS / "visits.csv")
    }
    taken = {seen.relapse_day for seen in solution.follow_up.values()}
    for row in read_rows(CONSTRAINTS / "missing_visits.csv"):
        patient = row["group"], int(row["patient"])
        seen, (nominal, window) = solution.follow_up[patient], visits[row["month"]]
        if seen.relapse_day is None or abs(seen.relapse_day - nominal) > window:
            continue
        day = nominal - window - 1
        while day in taken:  # no two relapses on one day
            day -= 2
        taken.add(day)
        solution.follow_up[patient] = replace(seen, relapse_day=day)
    relapse.check(solution.follow_up)


def _rank(solution: Solution, group: str, number: int, variable: str) -> int:
    """How many of the group have a lower value at the first visit."""
    own = solution.number((group, number, 0, variable))
    values = (
        v
        for key in solution.values
        if key[0] == group and key[2:] == (0, variable)
        if (v := solution.number(key)) is not None
    )
    return 0 if own is None else sum(v < own for v in values)


# ---------------------------------------------------------------- Table III


def _inputs(solution: Solution, response: str, cells: list[Cell]) -> tuple[dict[Cell, float], list[Cell]]:
    """Baseline values of the response, and the cells that the model compares."""

    def value(cell: Cell) -> float | None:
        if response in RATIOS:
            top, bottom = (solution.number((*cell, name)) for name in RATIOS[response])
            return None if top is None or bottom is None else top / bottom
        return solution.number((*cell, response))

    unscored = {
        (r["group"], int(r["patient"]))
        for r in read_rows(CONSTRAINTS / "not_scored.csv")
        if r["variable"] == response
    }
    compared = [cell for cell in cells if cell[0] in GROUPS and (cell[2] == 0 or cell[:2] not in unscored)]
    first = {cell: value(cell) for cell in compared if cell[2] == 0}
    known = {cell: v for cell, v in first.items() if v is not None}
    return known, [cell for cell in compared if cell[2] > 0 or cell in known]


def _steer(
    response: str, known: dict[Cell, float], cells: list[Cell], follow_up: dict[tuple[str, int], FollowUp]
) -> dict[tuple[str, int, int, str], str]:
    """Exported follow-up values of the response in the two groups that Table III compares."""
    course = trajectories.solve(response, known, cells, follow_up)
    follow = [cell for cell in trajectories.ordered(cells) if cell[2] > 0]
    limits = trajectories.model(response).limits
    if response not in RATIOS:
        low, high = (
            np.array([int(getattr(limits[cell[0]], name)) for cell in follow]) for name in ("low", "high")
        )
        digits = last_digits.Digits(follow, np.ones(len(follow)), low, high)
        k = last_digits.tune(response, np.array([course[cell] for cell in follow]), digits, known)
        return {(*cell, response): str(v) for cell, v in zip(follow, k.tolist(), strict=True)}
    top, bottom = RATIOS[response]
    below = {cell: _plausible_bottom(cell, course[cell]) for cell in follow}
    unit = np.array([0.01 / below[cell] for cell in follow])
    digits = last_digits.Digits(follow, unit, np.full(len(follow), 30), np.full(len(follow), 9000))
    start = np.array([course[cell] for cell in follow]) / unit
    k = last_digits.tune(response, start, digits, known)
    return {(*cell, top): f"{v / 100:.2f}" for cell, v in zip(follow, k.tolist(), strict=True)} | {
        (*cell, bottom): f"{below[cell]:.2f}" for cell in follow
    }


def _plausible_bottom(cell: Cell, ratio: float) -> float:
    """Interferon gamma of a visit, lower where the ratio is high."""
    draw = random.Random(f"{baseline.SEED}/{cell}/ifn_gamma")
    return round(min(max(2.1 * 2.718281828 ** draw.gauss(0, 0.35) / ratio**0.35, 0.5), 6.5), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out",
        type=Path,
        default=SOLUTION,
        help="folder of values.csv and relapse.csv (default: %(default)s)",
    )
    write(solve(), parser.parse_args().out)


if __name__ == "__main__":
    main()
