"""Days to relapse and to the last contact such that the log-rank tests print as published.

Belongs here: the search over event and censoring days, and what each relapse was of. Counts are the published
ones (9 of 15 with three lost, 1 of 12, 6 of 12, 1 of 20). With everybody but the three lost followed for all
of 36 months the three printed p values cannot hold together (``relapse_bounds.py``); so some patients are
seen for 30 to 36 months only. The search weighs how many against how evenly the relapses of a group lie over
the follow-up. Does not belong here: dates, further relapses, visits (``cohort.py``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tests.synthetic import published
from tests.synthetic.baseline import generator
from tests.synthetic.published import PValue, read_rows
from tests.synthetic.solution import CONSTRAINTS, FollowUp, groups
from tests.synthetic.two_sample import log_rank_p

SHOWS_DAYS = 100  # a relapse still shows in CK and CMAS at a visit so much later
PRICE = 0.03  # of one more patient with incomplete follow-up, in units of a third of log p
WEIGHT = 3.0  # of log p against the two other aims
STEPS, STARTS = 15000, 8


@dataclass(frozen=True)
class _Cohort:
    """Fixed facts by patient: group code, whether a relapse is seen, whether lost to follow-up."""

    group: np.ndarray
    relapsed: np.ndarray
    lost: np.ndarray


def solve() -> dict[tuple[str, int], FollowUp]:
    """Follow-up by group and patient number; who relapses is drawn."""
    rng = generator("relapse")
    limits = {row["key"]: int(row["value"]) for row in read_rows(CONSTRAINTS / "relapse.csv")}
    cohort = _cohort(rng)
    tried = [_distinct(_anneal(rng, cohort, limits), cohort, limits) for _ in range(STARTS)]
    found = [days for days in tried if _loss(days, cohort, printed_p_values()) <= 0]
    if not found:
        raise ValueError("relapse: no days found; see constraints/relapse.csv")
    best = min(found, key=lambda days: _aims(days, cohort, limits, printed_p_values()))
    return _follow_up(rng, cohort, best, limits)


def shows_at(relapse_day: int) -> int | None:
    """The month of the scheduled visit at which a relapse shows: the child comes with it, or it lasts till
    then.
    """
    for row in read_rows(CONSTRAINTS / "visits.csv")[1:]:
        nominal, jitter = int(row["nominal_day"]), int(row["jitter_days"])
        if nominal - SHOWS_DAYS <= relapse_day <= nominal + jitter:
            return int(row["month"])
    return None


def printed_p_values() -> list[tuple[list[str], PValue]]:
    """Groups compared and the printed p value, of each log-rank test."""
    rows = read_rows(published.PUBLISHED / "relapse.csv")
    names = list(groups())
    found = []
    for row in rows:
        if row["analysis"].startswith("log_rank"):
            compared = [row["group_a"], row["group_b"]] if row["group_a"] else names
            found.append((compared, PValue.parse(row["printed_p"])))
    return found


def check(follow_up: dict[tuple[str, int], FollowUp]) -> None:
    """Raise unless the log-rank p values print."""
    horizon = next(
        int(row["value"]) for row in read_rows(CONSTRAINTS / "relapse.csv") if row["key"] == "horizon_days"
    )
    names = list(groups())
    group = np.array([names.index(name) for name, _ in follow_up])
    relapsed = np.array([seen.relapse_day is not None for seen in follow_up.values()])
    days = np.array(
        [
            seen.relapse_day if seen.relapse_day is not None else min(seen.last_seen_day, horizon + 0.001 * i)
            for i, seen in enumerate(follow_up.values())
        ]
    )
    for compared, p in printed_p_values():
        among = np.isin(group, [names.index(name) for name in compared])
        value = log_rank_p(days[among], relapsed[among], group[among])
        if not p.admits(value):
            raise ValueError(f"relapse: {' and '.join(compared)} give {value:.6f}, printed {p.text}")


def _cohort(rng: np.random.Generator) -> _Cohort:
    counts = {s.group: int(s.numbers[0].value) for s in published.summaries() if s.variable == "relapse"}
    group, relapsed, lost = [], [], []
    for code, (name, row) in enumerate(groups().items()):
        size, n_lost = int(row["size"]), int(row["lost_to_follow_up"])
        order = rng.permutation(size)
        group += [code] * size
        relapsed += [bool(i in order[: counts[name]]) for i in range(size)]
        lost += [bool(i in order[counts[name] : counts[name] + n_lost]) for i in range(size)]
    return _Cohort(np.array(group), np.array(relapsed), np.array(lost))


# ---------------------------------------------------------------- search


def _anneal(rng: np.random.Generator, cohort: _Cohort, limits: dict[str, int]) -> np.ndarray:
    wanted = printed_p_values()
    complete = limits["horizon_days"] + 0.001 * np.arange(len(cohort.group))
    days = complete.copy()
    for who, low, high in (
        (cohort.relapsed, "least_relapse_days", "most_relapse_days"),
        (cohort.lost, "least_lost_days", "most_lost_days"),
    ):
        days[who] = rng.uniform(limits[low], limits[high], int(who.sum()))
    now = _aims(days, cohort, limits, wanted)
    for step in range(STEPS):
        i = int(rng.integers(len(days)))
        tried = days.copy()
        if cohort.relapsed[i]:
            tried[i] = rng.uniform(limits["least_relapse_days"], limits["most_relapse_days"])
        elif cohort.lost[i]:
            tried[i] = rng.uniform(limits["least_lost_days"], limits["most_lost_days"])
        elif days[i] < limits["horizon_days"] or rng.random() < 0.3:
            tried[i] = complete[i]
        else:
            tried[i] = rng.uniform(limits["least_follow_up_days"], limits["most_relapse_days"])
        value = _aims(tried, cohort, limits, wanted)
        if value <= now or rng.random() < math.exp(-(value - now) / (0.15 * (1 - step / STEPS) + 1e-6)):
            days, now = tried, value
    return days


def _aims(
    days: np.ndarray, cohort: _Cohort, limits: dict[str, int], wanted: list[tuple[list[str], PValue]]
) -> float:
    """What the search makes small: missed p values, crowded relapses, patients with incomplete follow-up."""
    return (
        WEIGHT * _loss(days, cohort, wanted)
        + _crowding(days, cohort, limits)
        + PRICE * _incomplete(days, cohort, limits)
    )


def _crowding(days: np.ndarray, cohort: _Cohort, limits: dict[str, int]) -> float:
    """How far the relapses of each group lie from an even spread, and how near to each other they are.

    Each relapse may lie ``spread_days`` beside its even place at no cost.
    """
    total = 0.0
    for code in range(len(groups())):
        own = np.sort(days[cohort.relapsed & (cohort.group == code)])
        if len(own) < 2:
            continue
        low, high = limits["least_relapse_days"], limits["most_relapse_days"]
        even = low + (np.arange(len(own)) + 0.5) / len(own) * (high - low)
        total += np.maximum(np.abs(own - even) - limits["spread_days"], 0.0).mean() / 500
        total += np.maximum(limits["apart_days"] - np.diff(own), 0.0).sum() / 200
    return float(total)


def _incomplete(days: np.ndarray, cohort: _Cohort, limits: dict[str, int]) -> int:
    return int(((days < limits["horizon_days"]) & ~cohort.relapsed & ~cohort.lost).sum())


def _loss(days: np.ndarray, cohort: _Cohort, wanted: list[tuple[list[str], PValue]]) -> float:
    """Sum over tests of the distance of log p from its interval, narrowed by a tenth at either end."""
    codes = {name: code for code, name in enumerate(groups())}
    total = 0.0
    for names, p in wanted:
        among = np.isin(cohort.group, [codes[name] for name in names])
        value = log_rank_p(days[among], cohort.relapsed[among], cohort.group[among])
        edge = 0.1 * (p.high - p.low)
        low = p.low + edge if p.low > 0 else 1e-12
        total += max(math.log(low / value), math.log(value / (p.high - edge)), 0.0)
    return total


def _distinct(days: np.ndarray, cohort: _Cohort, limits: dict[str, int]) -> np.ndarray:
    """Whole days in the same order, at least two apart, so that no rounding of time makes a tie."""
    whole = np.rint(days)
    within = np.flatnonzero(days < limits["horizon_days"])
    last = 0.0
    for i in within[np.argsort(days[within], kind="stable")]:
        last = whole[i] = max(whole[i], last + 2)
    whole[days >= limits["horizon_days"]] = limits["horizon_days"] + 0.001 * np.flatnonzero(
        days >= limits["horizon_days"]
    )
    return whole


def _follow_up(
    rng: np.random.Generator, cohort: _Cohort, days: np.ndarray, limits: dict[str, int]
) -> dict[tuple[str, int], FollowUp]:
    """Relapsers and completers are seen until some time after the horizon."""
    found = {}
    names = list(groups())
    kinds = _kinds(rng, cohort, days)
    for i, code in enumerate(cohort.group):
        number = i - int(np.argmax(cohort.group == code)) + 1
        beyond = limits["horizon_days"] + int(rng.integers(4, 150))
        if cohort.relapsed[i]:
            seen = FollowUp(int(days[i]), beyond, False, kinds[i])
        elif days[i] < limits["horizon_days"]:
            seen = FollowUp(None, int(days[i]), bool(cohort.lost[i]))
        else:
            seen = FollowUp(None, beyond, False)
        found[names[code], number] = seen
    return found


def _kinds(rng: np.random.Generator, cohort: _Cohort, days: np.ndarray) -> dict[int, str]:
    """What each relapse was of; those that fall on a scheduled visit are the first to be of muscle
    strength.
    """
    rows = read_rows(CONSTRAINTS / "relapse_kinds.csv")
    found = {}
    for code, name in enumerate(groups()):
        own = rng.permutation(np.flatnonzero(cohort.relapsed & (cohort.group == code)))
        own = sorted(own, key=lambda i: shows_at(int(days[i])) is None)
        kinds = [row["kind"] for row in rows if row["group"] == name for _ in range(int(row["relapses"]))]
        found |= dict(zip(map(int, own), kinds, strict=True))
    return found
