"""Samples of one variable in one group that print a given summary.

Belongs here: drawing values on the decimal grid of an export so that their mean and SD, or their quartiles, are what
is wanted; drawing again under a further loss (a p value) without losing them.
Does not belong here: knowing which variable or group it is.

Mean and SD: with values k*step (k whole), sum K and sum of squares Q fix both, and Q has the parity of K; a shaped
draw is moved to (K, Q) by steps that keep the sum. Quartiles are R's type 7: with h = (n - 1) q, the quantile is
(1 - f) x[i] + f x[i+1], i = floor(h), f = h - i; the one or two order statistics that enter are drawn first
("anchors"), the others are free between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.synthetic.published import Printed

QUANTILES = (0.5, 0.25, 0.75)  # the order in which a median (IQR) cell prints them


@dataclass(frozen=True)
class Grid:
    """The values an export can hold: whole multiples of ``step`` (canonical units) from ``low`` to ``high``."""

    step: float
    low: float
    high: float

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


def draw_moments(rng: np.random.Generator, n: int, mean: Printed, sd: Printed, step: float,
                 share: float = 0.9) -> Moments | None:
    """One (sum, sum of squares) that prints as ``mean`` ± ``sd``, or None where n and the grid allow none (GRIM)."""
    slack = 0.98 * mean.half_width
    low = math.ceil((mean.value - slack) * n / step - 1e-9)
    high = math.floor((mean.value + slack) * n / step + 1e-9)
    if high < low:
        return None
    total = int(rng.integers(low, high + 1))
    spread = [((sd.value + sign * share * sd.half_width) / step) ** 2 * (n - 1) + total**2 / n for sign in (-1, 1)]
    first = math.ceil(spread[0])
    first += (first - total) % 2
    count = (math.floor(spread[1]) - first) // 2 + 1
    if count < 1:
        return None
    return Moments(n, total, first + 2 * int(rng.integers(0, count)))


def draw_with_moments(rng: np.random.Generator, target: Moments, grid: Grid, tolerance: int = 0,
                      attempts: int = 60) -> np.ndarray | None:
    """Grid indices with the target's sum, and its sum of squares to within ``tolerance``; None if none is found."""
    mean = target.total / target.n
    sd = math.sqrt((target.squares - target.total**2 / target.n) / (target.n - 1))
    for _ in range(attempts):
        k = np.rint(shaped(rng, target.n, mean, sd, grid)).astype(np.int64)
        values = list(map(int, np.clip(k, grid.first, grid.last)))
        if _fix_sum(rng, values, target.total, grid) and _fix_squares(rng, values, target.squares, grid, tolerance):
            return np.array(sorted(values), dtype=np.int64)
    return None


def shaped(rng: np.random.Generator, n: int, mean: float, sd: float, grid: Grid) -> np.ndarray:
    """n draws with about this mean and SD: normal where the range allows, else skewed to the right."""
    room = (mean - grid.first) / sd
    if room > 2.2:
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


def _fix_squares(rng: np.random.Generator, values: list[int], squares: int, grid: Grid, tolerance: int) -> bool:
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
class QuartileSample:
    """Ordered grid indices whose quartiles are fixed by anchors; the rest may move between them."""

    k: np.ndarray
    anchors: tuple[int, ...]
    wanted: tuple[Printed, ...]
    grid: Grid

    @property
    def values(self) -> np.ndarray:
        return np.round(self.k * self.grid.step, 6)  # equal exports stay equal: ties are seen

    def neighbours(self, i: int) -> tuple[int, int]:
        """Smallest and largest index value that position ``i`` may take without passing an anchor."""
        below = [a for a in self.anchors if a < i]
        above = [a for a in self.anchors if a > i]
        low = int(self.k[below[-1]]) if below else self.grid.first
        high = int(self.k[above[0]]) if above else self.grid.last
        return low, high

    def moved(self, rng: np.random.Generator, copy_from: np.ndarray | None = None) -> QuartileSample:
        """A neighbour: one free value redrawn in its segment, nudged, or set to a value of ``copy_from`` (a tie)."""
        free = [i for i in range(len(self.k)) if i not in self.anchors]
        i = free[int(rng.integers(len(free)))]
        low, high = self.neighbours(i)
        kind = rng.random()
        if kind < 0.5 or high <= low:
            new = _fill(rng, self, i, low, high)
        elif kind < 0.8 or copy_from is None or not len(copy_from):
            reach = max(1.0, 0.08 * (high - low))
            new = round(float(self.k[i] + rng.normal(scale=reach)))
        else:
            new = int(copy_from[int(rng.integers(len(copy_from)))])
        k = self.k.copy()
        k[i] = min(max(new, low), high)
        below = [a for a in self.anchors if a < i]
        above = [a for a in self.anchors if a > i]
        start = below[-1] + 1 if below else 0
        stop = above[0] if above else len(k)
        k[start:stop] = np.sort(k[start:stop])
        return QuartileSample(k, self.anchors, self.wanted, self.grid)


def draw_quartiles(rng: np.random.Generator, n: int, wanted: tuple[Printed, ...], grid: Grid,
                   attempts: int = 400) -> QuartileSample | None:
    """n grid indices whose type 7 median and quartiles print as ``wanted`` (median, q1, q3), to two decimals."""
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
            sample = QuartileSample(np.zeros(n, dtype=np.int64), tuple(sorted(placed)), wanted, grid)
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


def _anchor_pair(rng: np.random.Generator, n: int, q: float, number: Printed, iqr: float,
                 grid: Grid) -> dict[int, int] | None:
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


def _fill_all(rng: np.random.Generator, sample: QuartileSample) -> None:
    bounds = [-1, *sample.anchors, len(sample.k)]
    for before, after in zip(bounds, bounds[1:]):
        for i in range(before + 1, after):
            low, high = sample.neighbours(i)
            sample.k[i] = _fill(rng, sample, i, low, high)
        sample.k[before + 1:after] = np.sort(sample.k[before + 1:after])


def _fill(rng: np.random.Generator, sample: QuartileSample, i: int, low: int, high: int) -> int:
    """A value for position ``i``: uniform between anchors, with a fading tail beyond the last, a short one below."""
    median, q1, q3 = (number.value / sample.grid.step for number in sample.wanted)
    if i > sample.anchors[-1]:
        return min(round(low + rng.exponential(scale=max(q3 - median, median * 0.1))), high)
    if i < sample.anchors[0]:
        return round(low + (high - low) * rng.beta(2.0, 1.2))
    return int(rng.integers(low, high + 1)) if high > low else low


# ---------------------------------------------------------------- search

def descend(rng: np.random.Generator, sample: QuartileSample, loss: Callable[[np.ndarray], float], steps: int,
            copy_from: np.ndarray | None = None) -> tuple[QuartileSample, float]:
    """Accept moves that do not raise ``loss`` (of the ordered values), until it is 0 or ``steps`` are used up."""
    best = loss(sample.values)
    for _ in range(steps):
        if best <= 0:
            break
        tried = sample.moved(rng, copy_from)
        value = loss(tried.values)
        if value <= best:
            sample, best = tried, value
    return sample, best
