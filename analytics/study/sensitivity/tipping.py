"""Tipping points: what would have to be true of the patients who were not seen, so that a verdict changes.

Belongs here: an endpoint with every share of events among the lost, and the shift of imputed values at which
a verdict changes. Does not belong here: who was lost (`follow_up.py`), the imputation (`imputed.py`).

With a_0 events and n_a patients in the first group, of whom l_a are lost, and i of the lost with the event,
the proportion is (a_0 + i) / n_a. The difference of two such proportions rises with i and falls with j of the
other group, so that the opposite extremes (i = l_a, j = 0) and (i = 0, j = l_b) bound it. A p value has no
such order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analytics.study.sensitivity.rows import NOMINAL, row
from analytics.words.formatting import format_number

MOST_STEPS = 12  # rows or columns of a printed table; the sentence counts all ways up to MOST_WAYS
MOST_WAYS = 40_000


@dataclass(frozen=True)
class Arm:
    """One group: patients whose outcome is known, events among them, and the lost."""

    label: str
    known: int
    events: int
    lost: int

    @property
    def n(self) -> int:
        return self.known + self.lost

    def with_event(self, of_the_lost: int) -> tuple[int, int]:
        """With the event and without it, when so many of the lost had it."""
        return self.events + of_the_lost, self.n - self.events - of_the_lost


@dataclass(frozen=True)
class Ways:
    """Fisher's p of each share: ``p[i, j]`` with ``first[i]`` of the first group's lost and ``second[j]`` of
    the other's.
    """

    first: tuple[int, ...]
    second: tuple[int, ...]
    p: np.ndarray

    @property
    def below(self) -> int:
        return int((self.p < NOMINAL).sum())


def ways(a: Arm, b: Arm) -> Ways:
    """All shares; where these are too many, a grid of them that holds the extremes."""
    from analytics.groups.fisher_exact import two_sided_p

    all_ways = (a.lost + 1) * (b.lost + 1) <= MOST_WAYS
    first, second = (tuple(range(arm.lost + 1)) if all_ways else steps(arm.lost) for arm in (a, b))
    p = [[_p(two_sided_p, a.with_event(i), b.with_event(j)) for j in second] for i in first]
    return Ways(first, second, np.array(p))


def _p(test: Callable[[np.ndarray], float], a: tuple[int, int], b: tuple[int, int]) -> float:
    """Fisher's p; 1 where everybody, or nobody, had the event."""
    table = np.array([a, b])
    return test(table) if (table.sum(axis=0) > 0).all() else 1.0


def steps(lost: int, most: int = MOST_STEPS) -> tuple[int, ...]:
    """0 to ``lost``, evenly, both ends among them."""
    return tuple(dict.fromkeys(round(float(v)) for v in np.linspace(0, lost, min(lost + 1, most))))


def extremes(a: Arm, b: Arm) -> tuple[float, float]:
    """The least and the greatest difference of proportions, first minus second."""
    low = a.with_event(0)[0] / a.n - b.with_event(b.lost)[0] / b.n
    high = a.with_event(a.lost)[0] / a.n - b.with_event(0)[0] / b.n
    return low, high


def tipping_rows(a: Arm, b: Arm, found: Ways, shared: dict[str, Any]) -> list[dict[str, Any]]:
    """The table: a row per number of the first group's lost with the event, a column per number of the
    other's.
    """
    first, second = set(steps(a.lost)), set(steps(b.lost))
    rows = []
    for i, at_first in enumerate(found.first):
        for j, at_second in enumerate(found.second):
            if at_first not in first or at_second not in second:
                continue
            (x, _), (y, _) = a.with_event(at_first), b.with_event(at_second)
            rows.append(
                row(
                    f"{a.label} vs {b.label}: {at_first} of {a.lost} lost of the first",
                    f"of_the_second:{at_second}",
                    **shared,
                    part="tipping point",
                    display=format_number(x / a.n - y / b.n),
                    p_value=float(found.p[i, j]),
                    n=a.n + b.n,
                    method="difference of proportions, Fisher's exact test",
                )
            )
    return rows


def tipping_sentence(a: Arm, b: Arm, found: Ways) -> str:
    """The bounds of the difference, and where p crosses the level."""
    low, high = extremes(a, b)
    pair = f"{a.label} vs {b.label}"
    said = f"{pair}: between {format_number(low)} and {format_number(high)}"
    if found.below == 0:
        return f"{said}, with p at or above {NOMINAL:g} in every way"
    if found.below == found.p.size:
        return f"{said}, with p below {NOMINAL:g} in every way"
    return f"{said}, with p below {NOMINAL:g} in {found.below} of {found.p.size} ways{_tips_at(a, b, found)}"


def _tips_at(a: Arm, b: Arm, found: Ways) -> str:
    """The smallest number of the first group's lost with the event from which on p is below the level, at
    both extremes of the other group's lost.
    """
    parts = []
    for j in dict.fromkeys((0, len(found.second) - 1)):
        below = found.p[:, j] < NOMINAL
        after = [i for i in range(len(below)) if below[i:].all()]
        if not after or (below[: after[0]]).any():
            continue
        fewest = found.first[after[0]]
        of_the_first = f"at least {fewest} of {a.lost} lost {a.label}" if fewest else ""
        of_the_second = f"{found.second[j]} of {b.lost} lost {b.label}" if b.lost else ""
        whatever = "" if fewest else f", whatever the lost {a.label} had"
        parts.append(f"so if {' and '.join(filter(None, (of_the_first, of_the_second)))} had it{whatever}")
    return f" ({'; '.join(parts)})" if parts else ""


# shifts of imputed values


def tipping_shift(
    p_value: Callable[[float], float | None], reach: float, sign: int, at_zero: float
) -> float | None:
    """The smallest shift tried in one direction at which p lies on the other side of the level; None within
    ``reach``.

    A coarse scan finds the first change, halving finds its multiple of ``unit``; the shift returned was
    itself tried.
    """
    unit = _unit(reach)
    last = int(reach / unit)

    def changed(k: int) -> bool:
        return _other_side(p_value(sign * k * unit), at_zero)

    before, coarse = 0, sorted({max(1, round(last * share)) for share in (0.25, 0.5, 0.75, 1.0)})
    after = None
    for k in coarse:
        if changed(k):
            after = k
            break
        before = k
    if after is None:
        return None
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (before, middle) if changed(middle) else (middle, after)
    return sign * after * unit


def _unit(reach: float) -> float:
    """A round step, fifty to five hundred of which make up the reach."""
    return float(10.0 ** np.floor(np.log10(reach / 50))) if reach > 0 else 1.0


def _other_side(p_value: float | None, at_zero: float) -> bool:
    return p_value is not None and not pd.isna(p_value) and (p_value < NOMINAL) != (at_zero < NOMINAL)


def lost_arms(times: pd.DataFrame, groups: Sequence[str], labels: dict[str, str]) -> dict[str, Arm]:
    """Each group of ``times`` (``group_id``, ``is_event``, ``lost``) as an arm."""
    arms = {}
    for g in groups:
        mine = times[times["group_id"] == g]
        kept = mine[~mine["lost"]]
        arms[g] = Arm(labels[g], len(kept), int(kept["is_event"].sum()), int(mine["lost"].sum()))
    return arms
