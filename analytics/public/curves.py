"""Survival curves as they may leave the house: life tables of rounded counts.

Belongs here: which numbers of a curve are printed, and the curve made from them. Does not belong here: the
Kaplan-Meier estimate (`analytics/survival/`), drawing (`analytics/printed/survival_figure.py`).

A Kaplan-Meier curve gives every count away: each step is one event among those at risk. What leaves is made
from three rounded numbers: the patients, the events up to each printed time, and those who left without the
event before it. The share free of the event is the actuarial estimate of these (Cutler and Ederer 1958), and
the number at risk is their difference, so neither says more than they do. Events and leavers together are at
most the patients. A curve ends before that sum could narrow one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analytics.study.frames import Record
from analytics.words.disclosure import ROUNDED_TO, known, rounded

HALF = ROUNDED_TO // 2


@dataclass(frozen=True)
class PublicPoint:
    """A printed time of a curve: ``at_risk`` and ``free`` follow from rounded counts alone."""

    time: float
    at_risk: int
    free: float


def public_curve(rows: Sequence[Record], n: int, events: int, times: Sequence[float]) -> list[PublicPoint]:
    """The points at ``times`` of a group of ``n`` patients with so many ``events`` in all, from the steps of
    its curve; none where patients enter late, because the number at risk then rises.
    """
    steps = sorted((r for r in rows if known(r.get("time"))), key=lambda r: r["time"])
    if not _all_enter_at_the_start(steps, n):
        return []
    points: list[PublicPoint] = []
    happened_before = left_before = 0
    at_risk, free = rounded(n), 1.0
    for time in sorted(times):
        happened = sum(int(s["events"]) for s in steps if s["time"] <= time)
        left = sum(int(s["censored"]) for s in steps if s["time"] < time)
        if not _says_nothing_more(n, events, left):
            break
        happened, left = rounded(happened), rounded(left)
        exposed = at_risk - (left - left_before) / 2
        if exposed <= 0:
            break
        free *= max(0.0, 1 - (happened - happened_before) / exposed)
        at_risk = max(0, rounded(n) - happened - left)
        happened_before, left_before = happened, left
        points.append(PublicPoint(float(time), at_risk, free))
    return points


def _says_nothing_more(n: int, events: int, left: int) -> bool:
    """Whether every value that a rounded count stands for remains possible, although events and leavers are
    at most the patients.
    """
    patients, happened, gone = (rounded(count) for count in (n, events, left))
    lowest = max(0, happened - HALF) + max(0, gone - HALF)
    return (
        happened + HALF + max(0, gone - HALF) <= patients + HALF
        and max(0, happened - HALF) + gone + HALF <= patients + HALF
        and lowest <= patients - HALF
    )


def _all_enter_at_the_start(steps: Sequence[Record], n: int) -> bool:
    at_risk = n
    for step in steps:
        if int(step["at_risk"]) != at_risk:
            return False
        at_risk -= int(step["events"]) + int(step["censored"])
    return True
