"""What follows from printed counts: the values that each count can have, by integer programming.

Belongs here: what an outsider knows of counts without seeing them (a part is at most its whole, parts add up,
rows are only added from one release to the next), and the search. Does not belong here: reading a report
(`printed.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from tests.attack.printed import FAR, Key, Printed

Terms = Mapping[Key, int]
ENOUGH = 3  # a count with so many possible values is not known


@dataclass
class System:
    """Integer unknowns with their ranges, and sums of them with theirs."""

    ranges: dict[Key, tuple[int, int]] = field(default_factory=dict)
    sums: list[tuple[dict[Key, int], int, int]] = field(default_factory=list)

    def narrow(self, key: Key, low: int, high: int) -> None:
        was = self.ranges.get(key, (0, FAR))
        self.ranges[key] = max(was[0], low), min(was[1], high)

    def at_most(self, part: Key, whole: Key) -> None:
        self.add({whole: 1, part: -1}, 0, FAR)

    def add(self, terms: Terms, low: int, high: int) -> None:
        for key in terms:
            self.ranges.setdefault(key, (0, FAR))
        self.sums.append((dict(terms), low, high))

    def values(self, terms: Terms, true: int | None = None) -> int:
        """How many values a sum of unknowns can have, counted up to ENOUGH; 0 if nothing fits. ``true`` is
        one that is known to fit, which saves a search.
        """
        ends = self.span(terms)
        if ends is None:
            return 0
        low, high = ends
        found = {low, high} if true is None else {low, high, true}
        for value in range(low + 1, high):
            if len(found) >= ENOUGH:
                break
            if self._end(terms, 1, fixed=value) is not None:
                found.add(value)
        return len(found)

    def broken_by(self, true: Mapping[Key, int]) -> list[str]:
        """What the attacker takes for granted and is not so: the reasoning must be sound."""
        ranges = [
            f"{'/'.join(key)} is {true[key]}, not between {low} and {high}"
            for key, (low, high) in self.ranges.items()
            if key in true and not low <= true[key] <= high
        ]
        sums = [
            " + ".join(f"{times} × {'/'.join(key)}" for key, times in terms.items())
            + f": not {low} to {high}"
            for terms, low, high in self.sums
            if terms.keys() <= true.keys() and not low <= sum(true[k] * t for k, t in terms.items()) <= high
        ]
        return ranges + sums

    def span(self, terms: Terms) -> tuple[int, int] | None:
        """The least and the greatest value; None if nothing fits."""
        low, high = self._end(terms, 1), self._end(terms, -1)
        return None if low is None or high is None else (low, high)

    def _end(self, terms: Terms, direction: int, fixed: int | None = None) -> int | None:
        keys = self._connected(terms)
        at = {key: i for i, key in enumerate(keys)}
        objective = np.zeros(len(keys))
        for key, times in terms.items():
            objective[at[key]] = times
        mine = [s for s in self.sums if all(key in at for key in s[0])]
        matrix = np.zeros((len(mine) + (fixed is not None), len(keys)))
        for i, (sum_of, _, _) in enumerate(mine):
            for key, times in sum_of.items():
                matrix[i, at[key]] = times
        low, high = [s[1] for s in mine], [s[2] for s in mine]
        if fixed is not None:
            matrix[-1] = objective
            low, high = [*low, fixed], [*high, fixed]
        answer = milp(
            direction * objective,
            integrality=np.ones(len(keys)),
            bounds=Bounds([self.ranges[k][0] for k in keys], [self.ranges[k][1] for k in keys]),
            constraints=[LinearConstraint(matrix, low, high)] if len(low) else [],
        )
        return round(direction * answer.fun) if answer.success else None

    def _connected(self, terms: Terms) -> list[Key]:
        """The unknowns that the sums tie to those of ``terms``; the others cannot narrow them."""
        reached = set(terms)
        open_ = [s for s in self.sums if len(s[0]) > 1]
        while True:
            touching = [s for s in open_ if reached & s[0].keys()]
            if not touching:
                return sorted(reached)
            open_ = [s for s in open_ if not reached & s[0].keys()]
            for s in touching:
                reached |= s[0].keys()


def system_of(releases: Sequence[Printed]) -> System:
    """What everything that is printed says together. Keys begin with the number of their release."""
    system = System()
    for i, printed in enumerate(releases):
        _one_release(system, printed, str(i))
        if i:
            _rows_were_added(system, releases[i - 1], printed, str(i - 1), str(i))
    return system


def cells(printed: Printed, release: str) -> list[dict[Key, int]]:
    """The counts that must not be known: each one printed, its complement, and the number missing."""
    keys = dict.fromkeys((release, *s.key) for s in printed.said if s.key[0] not in ("registered",))
    found: list[dict[Key, int]] = [{key: 1} for key in keys]
    for key in keys:
        whole = _whole(key, keys)
        is_whole = key[1] == "at risk" and int(key[2]) == 0  # everybody is at risk at the start
        if whole and not is_whole:
            found.append({whole: 1, key: -1})
    return found


def _whole(key: Key, keys: Mapping[Key, None]) -> Key | None:
    release, kind, *rest = key
    size = (release, "size", rest[-1]) if rest else key
    known = (release, "known", *rest)
    if kind == "count":
        return known if known in keys else size
    parts = ("known", "events", "at risk", "events by", "left by", "flow")
    return size if kind in parts and size in keys else None


def _one_release(system: System, printed: Printed, release: str) -> None:
    keys = dict.fromkeys((release, *s.key) for s in printed.said)
    for s in printed.said:
        key = (release, *s.key)
        found = printed.range_of(s.text)
        system.narrow(key, *(found or (0, FAR)))
    for key in keys:
        whole = _whole(key, keys)
        if whole:
            system.at_most(key, whole)
    for group in printed.groups:
        _levels(system, keys, release, group)
        _flow(system, keys, release, group)
        _over_time(system, keys, release, group)
    _totals(system, keys, printed, release)


def _levels(system: System, keys: Mapping[Key, None], release: str, group: str) -> None:
    """Levels of a variable do not overlap, and the table has a row for each: together they are the whole."""
    by_variable: dict[str, list[Key]] = {}
    for key in keys:
        if key[1] == "count" and key[3] == group and ": " in key[2]:
            by_variable.setdefault(key[2].partition(": ")[0], []).append(key)
    for levels in by_variable.values():
        whole = _whole(levels[0], keys)
        if whole:
            system.add({whole: 1, **dict.fromkeys(levels, -1)}, 0, 0)


def _flow(system: System, keys: Mapping[Key, None], release: str, group: str) -> None:
    """Counted and not counted are the group; what became of those counted are the counted."""
    steps: dict[str, dict[str, Key]] = {}
    for key in keys:
        if key[1] == "flow" and key[4] == group:
            steps.setdefault(key[2], {})[key[3]] = key
    for found in steps.values():
        counted = next((k for s, k in found.items() if s.startswith("Counted")), None)
        rest = [k for s, k in found.items() if s.startswith("Not counted")]
        ends = [k for s, k in found.items() if s.startswith(("With the event", "Censored"))]
        if counted and rest:
            system.add({(release, "size", group): 1, counted: -1, **dict.fromkeys(rest, -1)}, 0, 0)
        if counted and len(ends) > 1:
            system.add({counted: 1, **dict.fromkeys(ends, -1)}, 0, 0)
        events = (release, "events", group)
        for step, key in found.items():
            if step.startswith("With the event") and events in keys:
                system.add({events: 1, key: -1}, 0, 0)


def _over_time(system: System, keys: Mapping[Key, None], release: str, group: str) -> None:
    """Numbers at risk fall from the group's size on; at the last time those with the event are no more."""
    at_risk = sorted(k for k in keys if k[1] == "at risk" and k[3] == group)
    size, events = (release, "size", group), (release, "events", group)
    if at_risk and size in keys and int(at_risk[0][2]) == 0:
        system.add({size: 1, at_risk[0]: -1}, 0, 0)
    for earlier, later in pairwise(at_risk):
        system.at_most(later, earlier)
    if len(at_risk) > 1 and {size, events} <= keys.keys():
        system.add({size: 1, at_risk[-1]: -1, events: -1}, 0, FAR)
    _life_table(system, keys, release, group)
    relapse = (release, "count", "Relapse", group)
    if relapse in keys and events in keys:  # the table counts those whose outcome is known
        system.at_most(relapse, events)


def _life_table(system: System, keys: Mapping[Key, None], release: str, group: str) -> None:
    """Events and leavers only grow; who left without the event is not among those who have it."""
    size, total = (release, "size", group), (release, "events", group)
    for kind in ("events by", "left by"):
        over_time = sorted(k for k in keys if k[1] == kind and k[3] == group)
        for earlier, later in pairwise(over_time):
            system.at_most(earlier, later)
        for key in over_time:
            if kind == "events by":
                system.at_most(key, total)
            elif {size, total} <= keys.keys():
                system.add({size: 1, key: -1, total: -1}, 0, FAR)


def _totals(system: System, keys: Mapping[Key, None], printed: Printed, release: str) -> None:
    for total, part in (("size of all", "size"), ("events of all", "events")):
        parts = [(release, part, g) for g in printed.groups if (release, part, g) in keys]
        if (release, total) in keys and len(parts) == len(printed.groups):
            system.add({(release, total): 1, **dict.fromkeys(parts, -1)}, 0, 0)
    registered, outside = (release, "registered", "Registered"), (release, "registered", "Not in a group")
    if registered in keys:
        parts = [(release, "size", g) for g in printed.groups]
        rest = {outside: -1} if outside in keys else {}
        system.add({registered: 1, **dict.fromkeys(parts, -1), **rest}, 0, 0 if rest else FAR)


def _rows_were_added(system: System, before: Printed, after: Printed, first: str, second: str) -> None:
    """Patients are only added, and what is known of a patient stays: no part grows by more than its whole."""
    old = dict.fromkeys((first, *s.key) for s in before.said)
    new = dict.fromkeys((second, *s.key) for s in after.said)
    for key in old:
        twin = (second, *key[1:])
        if twin not in new or key[1] == "registered":
            continue
        system.at_most(key, twin)
        if key[1] == "left by":
            _add_growth(system, [key, (first, "events", key[3])], (first, "size", key[3]), second)
        whole = _whole(key, old)
        if whole and (second, *whole[1:]) in new:
            _add_growth(system, [key], whole, second)


def _add_growth(system: System, parts: Sequence[Key], whole: Key, second: str) -> None:
    """Parts that do not overlap grow together by no more than their whole."""
    terms = {(second, *whole[1:]): 1, whole: -1}
    for part in parts:
        terms |= {(second, *part[1:]): -1, part: 1}
    system.add(terms, 0, FAR)
