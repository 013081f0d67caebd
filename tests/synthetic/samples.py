"""Samples of one variable in one group that print a given summary.

Belongs here: drawing values on the decimal grid of an export so that their mean and SD, or their quartiles,
are what is wanted; drawing again under a further loss (a p value) without losing them. Does not belong here:
knowing which variable or group it is.

Mean and SD: with values k*step (k whole), sum K and sum of squares Q fix both, and Q has the parity of K; a
shaped draw is moved to (K, Q) by steps that keep the sum. Quartiles are R's type 7: with h = (n - 1) q, the
quantile is (1 - f) x[i] + f x[i+1], i = floor(h), f = h - i; the one or two order statistics that enter are
drawn first ("anchors"), the others are free between them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.synthetic.published import Printed

QUANTILES = (0.5, 0.25, 0.75)  # the order in which a median (IQR) cell prints them


@dataclass(frozen=True)
class Grid:
    """The values an export can hold: whole multiples of ``step`` (canonical units) from ``low`` to
    ``high``.
    """

    step: float
    low: float
    high: float

    def values(self, k: np.ndarray) -> np.ndarray:
        """Canonical values; rounded, so that equal exports are equal numbers and ties are seen."""
        return np.round(k * self.step, 6)

    @property
    def first(self) -> int:
        return math.ceil(self.low / self.step - 1e-9)

    @property
    def last(self) -> int:
        return math.floor(self.high / self.step + 1e-9)


def type7(ordered: np.ndarray, q: float) -> float:
    h = (len(ordered) - 1) * q
    i = math.floor(h + 1e-9)
    f = h - i
    return float(ordered[i]) if f < 1e-9 else float((1 - f) * ordered[i] + f * ordered[i + 1])


# ---------------------------------------------------------------- mean and SD


@dataclass(frozen=True)
class Moments:
    """Whole-number sum and sum of squares of the grid indices of n values."""

    n: int
    total: int
    squares: int

    def mean(self, step: float) -> float:
        return step * self.total / self.n

    def sd(self, step: float) -> float:
        return step * math.sqrt(max(self.squares - self.total**2 / self.n, 0.0) / (self.n - 1))


def draw_moments(
    rng: np.random.Generator, n: int, mean: Printed, sd: Printed, step: float, spare: float = 0.03
) -> Moments | None:
    """One (sum, sum of squares) that prints as ``mean`` ± ``sd``, or None where n and the grid allow none
    (GRIM).

    ``spare`` is the share of each printed number's width that stays free where many values lie in it.
    """
    slack = _reach(step / n, mean, spare)
    low = math.ceil((mean.value - slack) * n / step - 1e-9)
    high = math.floor((mean.value + slack) * n / step + 1e-9)
    if high < low:
        return None
    total = int(rng.integers(low, high + 1))
    slack = _reach(step**2 / ((n - 1) * sd.value), sd, spare)
    spread = [((sd.value + sign * slack) / step) ** 2 * (n - 1) + total**2 / n for sign in (-1, 1)]
    first = math.ceil(spread[0])
    first += (first - total) % 2
    count = (math.floor(spread[1]) - first) // 2 + 1
    if count < 1:
        return None
    return Moments(n, total, first + 2 * int(rng.integers(0, count)))


def _reach(spacing: float, number: Printed, spare: float) -> float:
    return number.half_width * (0.97 if spacing > 0.2 * number.half_width else 1.0 - spare)


def draw_with_moments(
    rng: np.random.Generator, target: Moments, grid: Grid, tolerance: int = 0, attempts: int = 60
) -> np.ndarray | None:
    """Grid indices with the target's sum, and its sum of squares to within ``tolerance``; None if none is
    found.
    """
    mean = target.total / target.n
    sd = math.sqrt((target.squares - target.total**2 / target.n) / (target.n - 1))
    for _ in range(attempts):
        k = np.rint(shaped(rng, target.n, mean, sd, grid)).astype(np.int64)
        values = list(map(int, np.clip(k, grid.first, grid.last)))
        if _fix_sum(rng, values, target.total, grid) and _fix_squares(
            rng, values, target.squares, grid, tolerance
        ):
            return np.array(sorted(values), dtype=np.int64)
    return None


def shaped(rng: np.random.Generator, n: int, mean: float, sd: float, grid: Grid) -> np.ndarray:
    """n draws with about this mean and SD: normal where the range allows, else skewed to the right."""
    room = (mean - grid.first) / sd
    if room > 2.2 or (room > 1.5 and rng.random() < 0.5):
        draws = rng.normal(size=n)
    elif room > 1.1:
        draws = rng.gamma(room**2, size=n)
    else:
        draws = np.exp(rng.normal(scale=0.95, size=n))
    draws = (draws - draws.mean()) / max(draws.std(ddof=1), 1e-9)
    return mean + sd * draws


def _fix_sum(rng: np.random.Generator, values: list[int], total: int, grid: Grid) -> bool:
    for _ in range(200):
        gap = total - sum(values)
        if gap == 0:
            return True
        i = int(rng.integers(len(values)))
        step = max(1, abs(gap) // len(values)) * (1 if gap > 0 else -1)
        values[i] = min(max(values[i] + step, grid.first), grid.last)
    return False


def _fix_squares(
    rng: np.random.Generator, values: list[int], squares: int, grid: Grid, tolerance: int
) -> bool:
    """Move value pairs apart or together, sum kept: (x + d)^2 + (y - d)^2 changes Q by 2 d (x - y + d)."""
    n = len(values)
    gap = squares - sum(v * v for v in values)
    reach = max(1, int(np.std(values)))
    picks = rng.integers(0, n, size=(6000, 2)).tolist()
    sizes = rng.random(6000).tolist()
    for (i, j), size in zip(picks, sizes, strict=True):
        if abs(gap) <= tolerance:
            return True
        if i == j:
            continue
        d = max(1, round(reach * size**4))
        x, y = values[i] + d, values[j] - d
        change = 2 * d * (values[i] - values[j] + d)
        if x <= grid.last and y >= grid.first and abs(gap - change) < abs(gap):
            values[i], values[j] = x, y
            gap -= change
    return abs(gap) <= tolerance


# ---------------------------------------------------------------- median and quartiles


@dataclass
class Sample:
    """Ordered grid indices; those at ``anchors`` fix the quartiles, the rest may move between them."""

    k: np.ndarray
    anchors: tuple[int, ...]
    wanted: tuple[Printed, ...]
    grid: Grid

    @property
    def values(self) -> np.ndarray:
        return self.grid.values(self.k)

    def neighbours(self, i: int) -> tuple[int, int]:
        """Smallest and largest index value that position ``i`` may take without passing an anchor."""
        below = [a for a in self.anchors if a < i]
        above = [a for a in self.anchors if a > i]
        low = int(self.k[below[-1]]) if below else self.grid.first
        high = int(self.k[above[0]]) if above else self.grid.last
        return low, high

    def moved(self, rng: np.random.Generator, copy_from: np.ndarray | None = None) -> Sample:
        """A neighbour: a free value redrawn, nudged, or set to one of ``copy_from`` (a tie); or two moved
        apart.
        """
        free = [i for i in range(len(self.k)) if i not in self.anchors]
        i = free[int(rng.integers(len(free)))]
        low, high = self.neighbours(i)
        changed = {i: int(self.k[i])}
        kind = rng.random()
        if kind < 0.4 and self.anchors:
            changed[i] = _fill(rng, self, i, low, high)
        elif copy_from is not None and kind < 0.8:
            own = copy_from if kind < 0.7 else self.k
            changed[i] = int(own[int(rng.integers(len(own)))])
        else:
            reach = max(1.0, 0.5 * (high - low) * rng.random() ** 4)
            step = round(float(rng.normal(scale=reach)))
            changed[i] += step
            if rng.random() < 0.5:
                j = free[int(rng.integers(len(free)))]
                changed[j] = int(self.k[j]) - step if j != i else changed[i]
        k = self.k.copy()
        for j, value in changed.items():
            low, high = self.neighbours(j)
            k[j] = min(max(value, low), high)
        edges = [0, *(a + 1 for a in self.anchors), len(k)]
        for start, stop in itertools.pairwise(edges):
            k[start : stop - 1 if stop < len(k) else stop].sort()
        return Sample(k, self.anchors, self.wanted, self.grid)


def draw_quartiles(
    rng: np.random.Generator, n: int, wanted: tuple[Printed, ...], grid: Grid, attempts: int = 400
) -> Sample | None:
    """n grid indices whose type 7 median and quartiles print as ``wanted`` (median, q1, q3), to two
    decimals.
    """
    by_q = sorted(zip(QUANTILES, wanted, strict=True))
    iqr = (by_q[2][1].value - by_q[0][1].value) / grid.step
    for _ in range(attempts):
        placed: dict[int, int] = {}
        for q, number in by_q:
            pair = _anchor_pair(rng, n, q, number, iqr, grid)
            if pair is None:
                return None
            if any(i in placed and placed[i] != v for i, v in pair.items()):
                break
            placed.update(pair)
        ordered = [placed[i] for i in sorted(placed)]
        if len({q for q, _ in by_q}) == 3 and ordered == sorted(ordered) and _complete(placed, n):
            sample = Sample(np.zeros(n, dtype=np.int64), tuple(sorted(placed)), wanted, grid)
            for i, v in placed.items():
                sample.k[i] = v
            _fill_all(rng, sample)
            if quartiles_agree(sample.values, wanted):
                return sample
    return None


def quartiles_agree(ordered: np.ndarray, wanted: tuple[Printed, ...], share: float = 0.9) -> bool:
    """Whether the quartiles print as wanted, and also when everything is printed with two decimals."""
    return all(
        abs(type7(ordered, q) - number.value) <= share * min(number.half_width, 0.005)
        for q, number in zip(QUANTILES, wanted, strict=True)
    )


def _complete(placed: dict[int, int], n: int) -> bool:
    needed = set()
    for q in QUANTILES:
        h = (n - 1) * q
        i = math.floor(h + 1e-9)
        needed |= {i} if h - i < 1e-9 else {i, i + 1}
    return needed == set(placed)


def _anchor_pair(
    rng: np.random.Generator, n: int, q: float, number: Printed, iqr: float, grid: Grid
) -> dict[int, int] | None:
    """Order statistics around quantile ``q`` that give it exactly; the gap between them is drawn."""
    h = (n - 1) * q
    i = math.floor(h + 1e-9)
    f = h - i
    goal = number.value / grid.step
    slack = 0.9 * min(number.half_width, 0.005) / grid.step
    if f < 1e-9:
        return {i: round(goal)} if abs(round(goal) - goal) <= slack else None
    for _ in range(200):
        gap = 0.0 if rng.random() < 0.3 else rng.exponential(scale=max(iqr, 1.0) * 0.25)
        low = max(round(goal - f * gap), grid.first)
        high = round((goal - (1 - f) * low) / f)
        if low <= high <= grid.last and abs((1 - f) * low + f * high - goal) <= slack:
            return {i: low, i + 1: high}
    return None


def _fill_all(rng: np.random.Generator, sample: Sample) -> None:
    bounds = [-1, *sample.anchors, len(sample.k)]
    for before, after in itertools.pairwise(bounds):
        for i in range(before + 1, after):
            low, high = sample.neighbours(i)
            sample.k[i] = _fill(rng, sample, i, low, high)
        sample.k[before + 1 : after] = np.sort(sample.k[before + 1 : after])


def _fill(rng: np.random.Generator, sample: Sample, i: int, low: int, high: int) -> int:
    """A value for position ``i``: uniform between anchors, with a fading tail beyond the last, a short one
    below.
    """
    median, _, q3 = (number.value / sample.grid.step for number in sample.wanted)
    if i > sample.anchors[-1]:
        return min(round(low + rng.exponential(scale=max(q3 - median, median * 0.1))), high)
    if i < sample.anchors[0]:
        return round(low + (high - low) * rng.beta(2.0, 1.2))
    return int(rng.integers(low, high + 1)) if high > low else low


# ---------------------------------------------------------------- search


def descend(
    rng: np.random.Generator,
    samples: dict[str, Sample],
    losses: dict[str, Callable[[dict[str, np.ndarray]], float]],
    reads: dict[str, tuple[str, ...]],
    steps: int,
    heat: float = 0.004,
    with_copies: bool = True,
) -> tuple[dict[str, Sample], float]:
    """Move one group's values at a time until the sum of ``losses`` is 0: annealing, ``heat`` fading to none.

    ``reads`` says which groups' values each loss looks at, so that a move costs only the losses it can
    change. ``with_copies`` lets a value be set to another group's: p values of few digits can need ties.
    """
    samples = dict(samples)
    values = {name: sample.values for name, sample in samples.items()}
    now = {name: loss(values) for name, loss in losses.items()}
    affected = {group: [name for name in losses if group in reads[name]] for group in samples}
    movable = [group for group in samples if affected[group]]
    for step in range(steps):
        wrong = [name for name, value in now.items() if value > 0]
        if not wrong:
            break
        group = _pick(rng, movable, [g for name in wrong for g in reads[name]])
        other = movable[int(rng.integers(len(movable)))]
        same_grid = with_copies and samples[other].grid.step == samples[group].grid.step
        moved = samples[group].moved(rng, samples[other].k if same_grid else None)
        was = values[group]
        values[group] = moved.values
        tried = {name: losses[name](values) for name in affected[group]}
        rise = sum(tried.values()) - sum(now[name] for name in tried)
        if rise <= 0 or rng.random() < math.exp(-rise / (heat * (1 - step / steps) + 1e-9)):
            samples[group] = moved
            now.update(tried)
        else:
            values[group] = was
    return samples, sum(now.values())


def _pick(rng: np.random.Generator, movable: list[str], wanted: list[str]) -> str:
    """Mostly a group that an unmet loss reads."""
    choices = wanted if rng.random() < 0.9 else movable
    return choices[int(rng.integers(len(choices)))]


def part_ties(
    rng: np.random.Generator,
    samples: dict[str, Sample],
    losses: dict[str, Callable[[dict[str, np.ndarray]], float]],
    rounds: int = 400,
) -> dict[str, Sample]:
    """Nudge equal values apart where every loss stays 0: ties that nothing needs look invented.

    Samples without anchors were drawn with their mean and SD, which no loss guards, and stay as they are.
    """
    samples = dict(samples)
    anchored = sorted(name for name, sample in samples.items() if sample.anchors)
    for _ in range(rounds if anchored else 0):
        group = anchored[int(rng.integers(len(anchored)))]
        k, anchors = samples[group].k, samples[group].anchors
        tied = [i for i in range(1, len(k)) if k[i] == k[i - 1]]
        movable = [j for i in tied for j in (i - 1, i) if j not in anchors]
        if not movable:
            continue
        i = movable[int(rng.integers(len(movable)))]
        low, high = samples[group].neighbours(i)
        reach = max(2.0, 0.05 * (high - low))
        new = k.copy()
        new[i] = min(max(round(float(k[i] + rng.normal(scale=reach))), low), high)
        for start, stop in itertools.pairwise([-1, *anchors, len(k)]):
            new[start + 1 : stop].sort()
        tried = samples | {group: Sample(new, anchors, samples[group].wanted, samples[group].grid)}
        fewer = len(np.unique(new)) > len(np.unique(k))
        if fewer and all(loss({g: s.values for g, s in tried.items()}) <= 0 for loss in losses.values()):
            samples = tried
    return samples
