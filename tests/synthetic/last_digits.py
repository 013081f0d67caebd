"""Exported whole numbers on which a refit prints Table III.

Belongs here: rounding a course to what a hospital exports, and moving a few last digits until the statistics
of a refit by ``analytics`` round to the printed ones. Does not belong here: making the course
(``trajectories.py``).

For steps s (whole numbers, few not 0) a statistic changes by about

    J s + s' M s + sum_i (H_ii / 2 - M_ii) s_i^2,

J and H the first and second differences by single steps, from refits made once; M the statistic's quadratic
form at fixed covariance (``steering.py``). What M leaves of H comes through the covariance parameters, whose
equations are sums over patients: between cells of different patients it nearly vanishes. The best proposals
are judged by refits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from tests.synthetic.baseline import SEED, seed
from tests.synthetic.steering import TERMS, Covariance, Equations
from tests.synthetic.trajectories import Cell, Model, fit, model, ordered, rows_of, statistics

WHOLE_NUMBERS = "cmas"
ROUNDINGS = 60
PATIENCE = 60  # refits without progress before the expansion is made anew
LOOSE = 0.045  # for statistics of a whole-number response whose p prints as <0.001
# for its other statistics: whole numbers that hit the last digit need not exist (paper.yml allows 0.05)
FINE = 0.009


@dataclass(frozen=True)
class Digits:
    """What may move: exported number of each cell (value = number * unit) and its limits."""

    cells: list[Cell]
    unit: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def patients(self) -> np.ndarray:
        """A code for the patient of each cell."""
        codes = {patient: i for i, patient in enumerate(dict.fromkeys(cell[:2] for cell in self.cells))}
        return np.array([codes[cell[:2]] for cell in self.cells])


@dataclass(frozen=True)
class _Expansion:
    """Statistics around exported numbers, in tolerances: first differences, bend, and form at fixed
    covariance.
    """

    slopes: np.ndarray  # cells x 4
    bend: np.ndarray  # cells x 4
    forms: np.ndarray  # 4 x cells x cells

    def effect(self, moves: np.ndarray) -> np.ndarray:
        """Predicted change of the four statistics by each row of ``moves``."""
        quadratic = np.stack(
            [np.einsum("ni,ij,nj->n", moves, form, moves, optimize=True) for form in self.forms], 1
        )
        return moves @ self.slopes + quadratic + (moves**2) @ self.bend

    def after(self, steps: np.ndarray) -> _Expansion:
        """The expansion around the numbers reached by ``steps``."""
        slopes = self.slopes + 2.0 * np.stack([form @ steps for form in self.forms], 1)
        return replace(self, slopes=slopes + 2.0 * self.bend * steps[:, None])


class _Search:
    """Refits of one response at exported numbers; gaps are in units of what the print allows."""

    def __init__(self, response: str, digits: Digits, baseline: dict[Cell, float]) -> None:
        of = model(response)
        self.digits, self.baseline = digits, baseline
        self.targets = {name: of.statistics[name].value for name in TERMS}
        self.tolerance = np.array([tolerance(of, name) for name in TERMS])

    def values(self, k: np.ndarray) -> dict[Cell, float]:
        return self.baseline | dict(zip(self.digits.cells, (k * self.digits.unit).tolist(), strict=True))

    def gap(self, k: np.ndarray) -> np.ndarray:
        """What each statistic lacks; infinite where the fit has no inner optimum."""
        fitted = fit(self.values(k))
        lacks = np.array(list(self.targets.values())) - statistics(fitted)
        return lacks / self.tolerance if fitted.status == "ok" else np.full(4, np.inf)

    def expansion(self, k: np.ndarray) -> _Expansion:
        """Two refits per cell."""
        here = self.gap(k)
        ways = np.array([[self.gap(k + step), self.gap(k - step)] for step in np.eye(len(k), dtype=int)])
        # A step without an inner optimum is taken as the opposite of the other way; a refit will judge it.
        ways = np.where(np.isfinite(ways), ways, 2.0 * here - ways[:, ::-1])
        ways = np.where(np.isfinite(ways), ways, here)
        forms = self._forms(k)
        bend = (2.0 * here - ways[:, 0] - ways[:, 1]) / 2.0 - np.stack([np.diag(form) for form in forms], 1)
        return _Expansion((ways[:, 1] - ways[:, 0]) / 2.0, bend, forms)

    def _forms(self, k: np.ndarray) -> np.ndarray:
        fitted = fit(self.values(k))
        d = fitted.random_covariance.to_numpy()
        sd = np.sqrt(np.diag(d))
        at = Covariance(sd[0], sd[1], d[0, 1] / (sd[0] * sd[1]), fitted.sigma, fitted.phi)
        cells = ordered([*self.baseline, *self.digits.cells])
        forms = Equations(rows_of(cells), self.targets, at).statistic_forms(at.free())
        where = [cells.index(cell) for cell in self.digits.cells]
        scale = np.outer(self.digits.unit, self.digits.unit)
        return np.array(
            [form[np.ix_(where, where)] * scale / t for form, t in zip(forms, self.tolerance, strict=True)]
        )


def tolerance(of: Model, name: str) -> float:
    """Nine tenths of half a printed digit; more for a whole-number response, most where p prints as
    <0.001.
    """
    if of.response == WHOLE_NUMBERS:
        return LOOSE if of.p_values[name].low == 0.0 else FINE
    return 0.9 * of.statistics[name].half_width


def tune(
    response: str, start: np.ndarray, digits: Digits, baseline: dict[Cell, float], rounds: int = 600
) -> np.ndarray:
    """Exported numbers near ``start`` (not rounded yet) on which a fit prints Table III."""
    search = _Search(response, digits, baseline)
    rng = np.random.default_rng([SEED, *response.encode(), 5 + seed(f"{response} last digits")])
    k, gap = _rounded(rng, search, start)
    around = search.expansion(k)
    fruitless = 0
    for number in range(rounds):
        if np.all(np.abs(gap) <= 1.0):
            return k
        nearer = _nearer(around, gap, digits, k) if number == 0 else _two_steps(rng, digits, k)
        left = gap - around.effect(nearer[None, :])[0]
        proposals = _four_steps(rng, around.after(nearer), digits, k + nearer, left)
        if not len(proposals):
            continue
        tried = k + nearer + proposals[0]
        found = search.gap(tried)
        fruitless += 1
        if np.linalg.norm(found) < np.linalg.norm(gap):
            k, gap, around, fruitless = tried, found, around.after(tried - k), 0
        if fruitless == PATIENCE:
            around, fruitless = search.expansion(k), 0
    raise ValueError(f"{response}: {rounds} rounds did not reach Table III; gaps {np.round(gap, 2)}")


def _rounded(rng: np.random.Generator, search: _Search, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the nearest whole numbers and some rounded up or down by chance: those with the least gap.

    The nearest alone can have no inner optimum: rounding takes away what little the patients' courses leave
    over.
    """
    least, most = search.digits.low + 1, search.digits.high - 1  # the expansion steps both ways
    candidates = [np.rint(start), *(np.floor(start + rng.random(len(start))) for _ in range(ROUNDINGS))]
    whole = [np.clip(k, least, most).astype(int) for k in candidates]
    gaps = [search.gap(k) for k in whole]
    best = int(np.argmin([np.linalg.norm(gap) for gap in gaps]))
    if not np.isfinite(gaps[best]).all():
        raise ValueError(f"none of {ROUNDINGS} roundings has an inner optimum")
    return whole[best], gaps[best]


def _moves(digits: Digits, k: np.ndarray) -> np.ndarray:
    """One row per move: a cell a step up or down."""
    one = np.eye(len(k), dtype=int)
    return np.vstack([one[k < digits.high], -one[k > digits.low]])


def _nearer(around: _Expansion, gap: np.ndarray, digits: Digits, k: np.ndarray) -> np.ndarray:
    """Single steps as long as one brings the statistics a tenth nearer."""
    steps = np.zeros(len(k), dtype=int)
    for _ in range(60):
        there, moves = around.after(steps), _moves(digits, k + steps)
        left = gap - around.effect(steps[None, :])[0]
        size = np.linalg.norm(left - there.effect(moves), axis=1)
        if size.min() >= 0.9 * np.linalg.norm(left):
            break
        steps = steps + moves[int(size.argmin())]
    return steps


def _two_steps(rng: np.random.Generator, digits: Digits, k: np.ndarray) -> np.ndarray:
    """Two moves by chance, from which another four then set out: there are more sixes than fours."""
    moves = _moves(digits, k)
    return moves[rng.choice(len(moves), size=2, replace=False)].sum(axis=0)


def _four_steps(
    rng: np.random.Generator, around: _Expansion, digits: Digits, k: np.ndarray, gap: np.ndarray
) -> list[np.ndarray]:
    """Proposals, best first: two pairs of moves in four patients; the second closes what the first leaves."""
    moves = _moves(digits, k)
    effect = around.effect(moves)
    first, second = np.triu_indices(len(moves), k=1)
    pairs = effect[first] + effect[second]
    some = rng.choice(len(pairs), size=min(len(pairs), 20000), replace=False)
    distance, nearest = cKDTree(pairs).query(gap - pairs[some], k=2)
    best = np.argsort(distance, axis=None)[:2000]
    a, b = some[best // 2], nearest.ravel()[best]
    chosen = np.stack([first[a], second[a], first[b], second[b]], axis=1)
    patient = digits.patients()[np.abs(moves).argmax(axis=1)][chosen]
    chosen = chosen[(np.diff(np.sort(patient, axis=1), axis=1) > 0).all(axis=1)]
    proposals = moves[chosen].sum(axis=1)
    within = np.all((k + proposals >= digits.low) & (k + proposals <= digits.high), axis=1)
    proposals = proposals[within]
    misses = np.linalg.norm(gap - around.effect(proposals), axis=1)
    return list(proposals[np.argsort(misses)])
