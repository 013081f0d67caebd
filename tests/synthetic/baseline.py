"""Baseline values, variable by variable, that print Tables I and II: summaries and p values.

Belongs here: what one variable must satisfy in every group, and the order of the search: first means and SDs
on which the t tests agree, then the NXP2+ children, then each other group against them; a dead end starts
again. Does not belong here: derived ratios (``ratios.py``), follow-up (``trajectories.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from tests.synthetic import published
from tests.synthetic.published import MEAN_SD, MEDIAN_IQR, Printed, PValue, read_rows
from tests.synthetic.samples import (
    Grid,
    Moments,
    Sample,
    descend,
    draw_moments,
    draw_quartiles,
    draw_with_moments,
    part_ties,
)
from tests.synthetic.solution import CONSTRAINTS, factor, groups, variables
from tests.synthetic.two_sample import MANN_WHITNEY, STUDENT, WELCH, mann_whitney_p, t_test_p

REFERENCE = "nxp2_jdm"
SEED = 20260
FINE = Grid(0.0001, 0.0, 1000.0)
MARGIN = 0.012  # of a shape's bounds
HEATS = (
    0.001,
    0.004,
    0.015,
)  # of successive attempts: which serves depends on how many ties the p values need


@dataclass(frozen=True)
class GroupProblem:
    """What one variable must be in one group; ``test`` and ``p`` are of its comparison with the NXP2+
    children.
    """

    group: str
    n: int
    grid: Grid
    moments: tuple[Printed, ...] | None
    quartiles: tuple[Printed, ...] | None
    test: str | None
    p: PValue | None


def generator(part: str) -> np.random.Generator:
    """The random numbers of one part of the search."""
    return np.random.default_rng([SEED, seed(part), *part.encode()])


def seed(part: str) -> int:
    """A seed from ``seeds.csv`` where the first, 0, took long."""
    return {row["part"]: int(row["seed"]) for row in read_rows(CONSTRAINTS / "seeds.csv")}.get(part, 0)


def problem(variable: str, fine: bool = False) -> dict[str, GroupProblem]:
    """The constraints on ``variable`` by group, the NXP2+ children first; ``fine``: not exported, hence no
    grid.
    """
    cells = {(s.group, s.kind): s.numbers for s in published.summaries() if s.variable == variable}
    p_values = {(c.table, c.group_b): c.p for c in published.comparisons() if c.variable == variable}
    found: dict[str, GroupProblem] = {}
    for row in read_rows(CONSTRAINTS / "tests.csv"):
        if row["variable"] != variable:
            continue
        for group, n in ((row["group_a"], int(row["n_a"])), (row["group_b"], int(row["n_b"]))):
            other = group == row["group_b"]
            if group not in found:
                found[group] = GroupProblem(
                    group,
                    n,
                    FINE if fine else grid(variable, group),
                    cells.get((group, MEAN_SD)),
                    cells.get((group, MEDIAN_IQR)),
                    row["test"] if other else None,
                    p_values[row["table"], group] if other else None,
                )
            elif found[group].n != n:
                raise ValueError(
                    f"tests.csv: {variable}, {group}: n is {found[group].n} in one row and {n} in another"
                )
    return found


def grid(variable: str, group: str) -> Grid:
    """The values that the hospital's export of ``variable`` can hold at baseline."""
    row = variables()[variable]
    tail = "_adult" if groups()[group]["hospital"] == "zjfah" else ""
    tick = float(row["tick"]) if row["tick"] and not tail else 10.0 ** -int(row["decimals" + tail])
    return Grid(tick * factor(group, variable), float(row["low" + tail]), float(row["high" + tail]))


def text(variable: str, group: str, canonical: float) -> str:
    """The export's text of a canonical value; adults' cytokines at the limit are censored."""
    row = variables()[variable]
    adult = groups()[group]["hospital"] == "zjfah"
    decimals = int(row["decimals_adult" if adult else "decimals"])
    written = f"{canonical / factor(group, variable):.{decimals}f}"
    return (
        "<0.10" if adult and row["limit_adult"] and float(written) <= float(row["limit_adult"]) else written
    )


# ---------------------------------------------------------------- search


def solve(variable: str, attempts: int = 60, steps: int = 12000) -> dict[str, np.ndarray]:
    """Ordered canonical values of ``variable`` by group, printing every summary and p value."""
    rng = generator(variable)
    groups_of = problem(variable)
    for attempt in range(attempts):
        targets = agree_on_moments(rng, groups_of[REFERENCE], groups_of)
        if targets is None:
            raise ValueError(
                f"{variable}: no means and SDs that print as published give the printed p values"
            )
        samples = {name: draw(rng, of, targets.get(name)) for name, of in groups_of.items()}
        if None in samples.values():
            continue
        losses, reads = _losses(variable, groups_of, targets)
        samples, loss = descend(rng, samples, losses, reads, steps, HEATS[attempt % 3], attempt % 4 > 0)
        if loss <= 0:
            room, _ = _losses(variable, groups_of, targets, margin=0.0)
            return {name: sample.values for name, sample in part_ties(rng, samples, room).items()}
    raise ValueError(f"{variable}: no values found in {attempts} attempts; see the constraints of its groups")


def agree_on_moments(
    rng: np.random.Generator, reference: GroupProblem, groups_of: dict[str, GroupProblem], draws: int = 20000
) -> dict[str, Moments] | None:
    """Sums and sums of squares that print as published and on which every t test prints as published."""
    needed = {name: of for name, of in groups_of.items() if of.moments}
    for _ in range(draws):
        chosen: dict[str, Moments] = {}
        own = _draw_moments(rng, reference) if reference.moments else None
        if own is not None:
            chosen[reference.group] = own
        for name, of in needed.items():
            if name == reference.group:
                continue
            moments = _moments_that_agree(rng, of, own, reference)
            if moments is None:
                break
            chosen[name] = moments
        if set(chosen) == set(needed):
            return chosen
    return None


def _moments_that_agree(
    rng: np.random.Generator, of: GroupProblem, own: Moments | None, reference: GroupProblem
) -> Moments | None:
    for _ in range(40):
        moments = _draw_moments(rng, of)
        if moments is None:
            raise ValueError(f"{of.group}: no {of.n} exported values have mean {of.moments[0].text} (GRIM)")
        if of.test not in (STUDENT, WELCH) or own is None:
            return moments
        p = t_test_p(of.test, _triple(own, reference.grid), _triple(moments, of.grid))
        if of.p.distance(p) == 0:
            return moments
    return None


def _draw_moments(rng: np.random.Generator, of: GroupProblem) -> Moments | None:
    """With room for what ``_moment_loss`` lets a sample miss, where that loss is what leads to them."""
    is_searched = of.quartiles or of.test == MANN_WHITNEY
    return draw_moments(rng, of.n, *of.moments, of.grid.step, spare=0.25 if is_searched else 0.03)


def _triple(moments: Moments, of: Grid) -> tuple[float, float, int]:
    return moments.mean(of.step), moments.sd(of.step), moments.n


def draw(rng: np.random.Generator, of: GroupProblem, target: Moments | None) -> Sample | None:
    """A first sample of one group: quartiles as printed, or else mean and SD."""
    if of.quartiles is None:
        k = draw_with_moments(rng, target, of.grid, tolerance=_tolerance(target, of.grid))
        return None if k is None else Sample(k, (), (), of.grid)
    sample = draw_quartiles(rng, of.n, of.quartiles, of.grid)
    if sample is None:
        raise ValueError(
            f"{of.group}: no {of.n} exported values have quartiles {[q.text for q in of.quartiles]}"
        )
    return sample


def _tolerance(target: Moments, of: Grid) -> int:
    """How far the sum of squares may miss: a hundredth of the last printed digit of the SD."""
    return int(2 * target.sd(1.0) * (target.n - 1) * 0.0001 / of.step)


def _losses(
    variable: str, groups_of: dict[str, GroupProblem], targets: dict[str, Moments], margin: float = MARGIN
) -> tuple[dict[str, Callable[[dict[str, np.ndarray]], float]], dict[str, tuple[str, ...]]]:
    """What is left to reach: means and SDs of samples drawn by quartiles, Mann-Whitney p values, shapes.

    ``margin`` is the share of a shape's bounds that the search keeps free, so that ties can be parted
    afterwards.
    """
    losses, reads = {}, {}
    shapes = [row for row in read_rows(CONSTRAINTS / "shapes.csv") if row["variable"] == variable]
    p_loss = _log_p_loss if shapes else _p_loss
    for name, of in groups_of.items():
        if name in targets and (of.quartiles or of.test == MANN_WHITNEY):
            losses[f"moments {name}"] = partial(_moment_loss, name, targets[name], of.grid)
            reads[f"moments {name}"] = (name,)
        if of.test == MANN_WHITNEY:
            losses[f"p {name}"] = partial(p_loss, name, of.p)
            reads[f"p {name}"] = (REFERENCE, name)
    for row in shapes:
        key, group = f"shape {row['group']} {row['statistic']}", row["group"]
        low, high = float(row["low"]) * (1.0 + margin), float(row["high"]) * (1.0 - margin)
        losses[key] = partial(_shape_loss, group, row["statistic"], low, high)
        reads[key] = (group,)
    return losses, reads


def _shape_loss(name: str, statistic: str, low: float, high: float, values: dict[str, np.ndarray]) -> float:
    x = values[name]
    value = float(x.mean() if statistic == "mean" else x.std(ddof=1))
    return 0.2 * max(low / value - 1.0, value / high - 1.0, 0.0)


def _log_p_loss(name: str, p: PValue, values: dict[str, np.ndarray]) -> float:
    """As ``_p_loss``, but with a slope where p is far too small: shapes pull it there."""
    value = mann_whitney_p(values[REFERENCE], values[name])
    low = math.log(1.02 * p.low / value) if p.low > 0 else 0.0
    return 0.02 * max(low, math.log(value / (0.98 * p.high)), 0.0)


def _p_loss(name: str, p: PValue, values: dict[str, np.ndarray]) -> float:
    return p.distance(mann_whitney_p(values[REFERENCE], values[name]))


def _moment_loss(name: str, target: Moments, of: Grid, values: dict[str, np.ndarray]) -> float:
    """0 when mean and SD are within a tenth of a printed digit of the target."""
    x = values[name]
    mean = float(x.sum()) / len(x)
    sd = math.sqrt(float(((x - mean) ** 2).sum()) / (len(x) - 1))
    return max(abs(mean - target.mean(of.step)) - 0.001, 0.0) + max(abs(sd - target.sd(of.step)) - 0.001, 0.0)
