"""Group sizes smaller than the header's, for values that a paper does not say are missing.

Belongs here: the order in which sizes are tried, and how many at the most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

MOST_TRIED = 20_000  # choices of sizes: large groups have more than are worth a look, and one of them fits


def by_missing(sizes: Sequence[int], least: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Sizes from the header's down to ``least``, fewest values missing first, ``MOST_TRIED`` at the most."""
    room = [max(size - low, 0) for size, low in zip(sizes, least, strict=True)]
    choices = (split for missing in range(sum(room) + 1) for split in _splits(missing, room))
    for split in islice(choices, MOST_TRIED):
        yield tuple(size - gone for size, gone in zip(sizes, split, strict=True))


def _splits(missing: int, room: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every way to spread ``missing`` values over groups that can miss ``room`` each."""
    if not room:
        if missing == 0:
            yield ()
        return
    for first in range(max(0, missing - sum(room[1:])), min(missing, room[0]) + 1):
        for rest in _splits(missing - first, room[1:]):
            yield (first, *rest)
