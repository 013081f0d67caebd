"""What a drawn curve of rounded numbers gives away: the events and leavers that it was made from.

Belongs here: reading a line off an SVG, and undoing the arithmetic of a life table. The page says that a
curve is made from rounded numbers of patients, of events and at risk; this finds those that fit what is
drawn. Does not belong here: what follows from them (`bounds.py`).
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

SVG = "{http://www.w3.org/2000/svg}"
STEP = 5
CLOSE = 0.002
LINE = re.compile(r"fill: none; stroke: (#[0-9a-f]{6}); stroke-width: 1\.8")


@dataclass(frozen=True)
class State:
    """Rounded numbers of a time: events up to it, and those who left before it."""

    events: int
    left: int


def decoded(
    drawn: Sequence[float], at_risk: Sequence[tuple[int, int]], size: int
) -> list[tuple[range, range]]:
    """For each printed time the rounded events and leavers that fit all times up to it: the least and the
    greatest. ``drawn`` are shares free of the event, ``at_risk`` the bounds of the printed numbers.
    """
    states = {State(0, 0)}
    found = []
    for share, before, (low, high) in zip(drawn[1:], drawn, at_risk[1:], strict=False):
        states = {
            State(events, left)
            for now, (events, left) in product(states, _steps(size))
            if now.events <= events and now.left <= left and low <= size - events - left <= high
            if _fits(share, before, size - now.events - now.left, events - now.events, left - now.left)
        }
        if not states:
            break
        events, left = [s.events for s in states], [s.left for s in states]
        found.append((range(min(events), max(events) + 1), range(min(left), max(left) + 1)))
    return found


def _steps(size: int) -> Iterator[tuple[int, int]]:
    steps = range(0, size + 2 * STEP, STEP)
    return ((events, left) for events in steps for left in steps)


def _fits(share: float, before: float, at_risk: int, happened: int, gone: int) -> bool:
    exposed = at_risk - gone / 2
    return exposed > 0 and abs(share - before * max(0.0, 1 - happened / exposed)) < CLOSE


def lines(source: str, bottom_to_top: float) -> dict[str, list[tuple[float, float]]]:
    """The drawn lines by their colour: x of the picture and the share that y stands for. The first point of
    each is 1; ``bottom_to_top`` is the height of the axis from 0 to 1.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for path in ET.fromstring(source).iter(f"{SVG}path"):
        match = LINE.search(path.get("style") or "")
        if match and path.get("clip-path"):
            numbers = [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", path.get("d") or "")]
            points = list(zip(numbers[::2], numbers[1::2], strict=True))
            top = points[0][1]
            found[match[1]] = [(x, 1 - (y - top) / bottom_to_top) for x, y in points]
    return found


def share_at(line: Sequence[tuple[float, float]], x: float) -> float | None:
    """The last share that the line has at x, as a step is drawn; None beyond its end."""
    at = [share for px, share in line if abs(px - x) < 0.2]
    return at[-1] if at else None
