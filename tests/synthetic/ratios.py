"""Pairs of variables whose ratio is printed as well: CD4 and CD8, IL-10 and interferon gamma.

Belongs here: which patients have both, and the search for values and pairing such that both variables and
their ratio, derived from the exported values of one visit, print their summaries and p values.
Does not belong here: variables that stand alone (``baseline.py``).

Simulated annealing over all groups at once: a move changes a value within its summaries, or lets two patients
of a group swap a value; it costs only the losses that it can change.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from tests.synthetic.baseline import REFERENCE, GroupProblem, agree_on_moments, draw, generator, problem
from tests.synthetic.samples import QUANTILES, Moments, Sample, type7
from tests.synthetic.solution import groups
from tests.synthetic.two_sample import MANN_WHITNEY, mann_whitney_p, t_test_p

RATIOS = {"cd4_cd8_ratio": ("cd4", "cd8"), "il_10_ifn_gamma_ratio": ("il_10", "ifn_gamma")}
HOT, COLD = 0.05, 1e-5  # geometric cooling; losses are of the order of a p value or a printed digit
TOP, BOTTOM, RATIO = 0, 1, 2

Part = tuple[str, int]  # group, and top | bottom | ratio
Loss = Callable[[dict[Part, np.ndarray]], float]


@dataclass(frozen=True)
class Pairing:
    """One group: ordered samples of both variables and the patient position of each value."""

    samples: tuple[Sample, Sample]
    positions: tuple[np.ndarray, np.ndarray]
    size: int

    def by_patient(self, part: int) -> np.ndarray:
        """Values of one variable by patient position; NaN where it was not measured."""
        values = np.full(self.size, np.nan)
        values[self.positions[part]] = self.samples[part].values
        return values

    def ratio(self) -> np.ndarray:
        both = self.by_patient(TOP) / self.by_patient(BOTTOM)
        return np.sort(both[~np.isnan(both)])

    def moved(
        self, rng: np.random.Generator, swap_chance: float, other: Pairing
    ) -> tuple[Pairing, tuple[int, ...]]:
        """A neighbour and which of top, bottom and ratio it changes: a swap leaves both samples as they are.

        Samples without anchors were drawn with their mean and SD, and only swap. ``other`` is a group whose
        values may be taken over, for ties.
        """
        movable = [part for part in (TOP, BOTTOM) if self.samples[part].anchors]
        if not movable or rng.random() < swap_chance:
            at = self.positions[BOTTOM].copy()
            i, j = rng.integers(len(at), size=2)
            at[i], at[j] = at[j], at[i]
            return Pairing(self.samples, (self.positions[TOP], at), self.size), (RATIO,)
        part = movable[int(rng.integers(len(movable)))]
        samples = list(self.samples)
        same_grid = samples[part].grid.step == other.samples[part].grid.step
        samples[part] = samples[part].moved(
            rng, other.samples[part].k if same_grid and rng.random() < 0.3 else None
        )
        return Pairing((samples[0], samples[1]), self.positions, self.size), (part, RATIO)


def solve(ratio: str, attempts: int = 400, steps: int = 60000) -> dict[str, Pairing]:
    """Both variables by group, printing the summaries and p values of three variables."""
    rng = generator(ratio)
    names = (*RATIOS[ratio], ratio)
    problems = [problem(name, fine=name == ratio) for name in names]
    for _ in range(attempts):
        targets = [agree_on_moments(rng, of[REFERENCE], of) for of in problems[:RATIO]]
        pairings = {group: _first(rng, group, problems, targets) for group in problems[RATIO]}
        if None not in pairings.values() and _anneal(rng, pairings, _losses(problems), steps):
            return pairings
    raise ValueError(
        f"{ratio}: nothing found in {attempts} attempts; see the constraints of {', '.join(names)}"
    )


def _first(
    rng: np.random.Generator,
    group: str,
    problems: list[dict[str, GroupProblem]],
    targets: list[dict[str, Moments]],
) -> Pairing | None:
    size = int(groups()[group]["size"])
    samples = [draw(rng, problems[part][group], targets[part].get(group)) for part in (TOP, BOTTOM)]
    if None in samples:
        return None
    at = [rng.permutation(x) for x in who_was_measured(size, *(of[group].n for of in problems))]
    if problems[RATIO][group].moments and not _can_spread(
        samples[TOP], samples[BOTTOM], problems[RATIO][group]
    ):
        return None
    return Pairing((samples[0], samples[1]), (at[0], at[1]), size)


def _can_spread(top: Sample, bottom: Sample, of: GroupProblem) -> bool:
    """Whether the ratio's SD is within reach: no pairing has more than the highest over the lowest, and so
    on.
    """
    widest = np.sort(top.values)[-of.n :] / np.sort(bottom.values)[: of.n][::-1]
    return _moments(widest)[1] > 1.1 * of.moments[1].value


def who_was_measured(size: int, n_top: int, n_bottom: int, n_both: int) -> tuple[np.ndarray, np.ndarray]:
    """Patient positions with each variable: first those with both, then those with one of them."""
    if n_top + n_bottom - n_both > size:
        raise ValueError(f"{n_top} and {n_bottom} of {size} patients leave more than {n_both} with both")
    both = list(range(n_both))
    only_top = list(range(n_both, n_top))
    only_bottom = list(range(n_top, n_top + n_bottom - n_both))
    return np.array(both + only_top), np.array(both + only_bottom)


# ---------------------------------------------------------------- annealing


def _anneal(
    rng: np.random.Generator, pairings: dict[str, Pairing], losses: list[tuple[set[Part], Loss]], steps: int
) -> bool:
    """Change ``pairings`` in place until every loss is 0; whether that was reached."""
    values: dict[Part, np.ndarray] = {}
    for group, pairing in pairings.items():
        values |= {
            (group, TOP): pairing.samples[TOP].values,
            (group, BOTTOM): pairing.samples[BOTTOM].values,
            (group, RATIO): pairing.ratio(),
        }
    now = [loss(values) for _, loss in losses]
    names = list(pairings)
    for step in range(steps):
        unmet = [i for i, value in enumerate(now) if value > 0]
        if not unmet:
            return True
        group, part = sorted(losses[unmet[int(rng.integers(len(unmet)))]][0])[int(rng.integers(2)) - 1]
        other = pairings[names[int(rng.integers(len(names)))]]
        moved, changed = pairings[group].moved(rng, 0.75 if part == RATIO else 0.1, other)
        was = {(group, part): values[group, part] for part in changed}
        for part in changed:
            values[group, part] = moved.ratio() if part == RATIO else moved.samples[part].values
        affected = [i for i, (reads, _) in enumerate(losses) if reads & was.keys()]
        tried = [losses[i][1](values) for i in affected]
        rise = sum(tried) - sum(now[i] for i in affected)
        if rise <= 0 or rng.random() < math.exp(-rise / (HOT * (COLD / HOT) ** (step / steps))):
            pairings[group] = moved
            for i, value in zip(affected, tried, strict=True):
                now[i] = value
        else:
            values |= was
    return False


def _losses(problems: list[dict[str, GroupProblem]]) -> list[tuple[set[Part], Loss]]:
    """What moves and swaps can change: the ratio's summaries, and p values but those that drawn moments
    fix.
    """
    losses: list[tuple[set[Part], Loss]] = []
    for part, of_groups in enumerate(problems):
        for group, of in of_groups.items():
            own = (group, part)
            both = {own, (REFERENCE, part)}
            if of.quartiles and part == RATIO:  # the samples keep their own quartiles
                losses.append(({own}, partial(_quartile_loss, own, of)))
            if of.moments and part == RATIO:
                losses.append(({own}, partial(_moment_loss, own, of)))
            if of.test == MANN_WHITNEY:
                losses.append((both, partial(_p_loss, own, of)))
            elif of.test and part == RATIO:
                losses.append((both, partial(_t_loss, own, of)))
    return losses


def _quartile_loss(own: Part, of: GroupProblem, values: dict[Part, np.ndarray]) -> float:
    return sum(
        max(abs(type7(values[own], q) - number.value) - 0.004, 0.0) / number.value
        for q, number in zip(QUANTILES, of.quartiles, strict=True)
    )


def _moment_loss(own: Part, of: GroupProblem, values: dict[Part, np.ndarray]) -> float:
    return sum(
        max(abs(value - number.value) - 0.9 * number.half_width, 0.0)
        for value, number in zip(_moments(values[own]), of.moments, strict=False)
    )


def _moments(x: np.ndarray) -> tuple[float, float, int]:
    mean = float(x.sum()) / len(x)
    return mean, math.sqrt(float(((x - mean) ** 2).sum()) / (len(x) - 1)), len(x)


def _t_loss(own: Part, of: GroupProblem, values: dict[Part, np.ndarray]) -> float:
    return of.p.distance(t_test_p(of.test, _moments(values[REFERENCE, own[1]]), _moments(values[own])))


def _p_loss(own: Part, of: GroupProblem, values: dict[Part, np.ndarray]) -> float:
    return of.p.distance(mann_whitney_p(values[own], values[REFERENCE, own[1]]))
