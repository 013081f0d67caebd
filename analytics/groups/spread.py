"""What tests of spread compare: the distances of values from the centre of their group.

Belongs here: the centres, each with the name of its test, and the distances. Does not belong here: the
comparison of two groups (``two_groups.py``) or of more (``k_groups.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Centre:
    """The centre that distances are taken from, and the test of spread that takes it."""

    test: str
    method: str
    of: Callable[[np.ndarray], Any]


MEDIAN = Centre("brown_forsythe", "Brown-Forsythe test of spread (median)", np.median)
MEAN = Centre("levene", "Levene's test of spread (mean)", np.mean)


def distances(values: Sequence[np.ndarray], centre: Centre) -> list[np.ndarray]:
    """Each group's absolute distances from its own centre."""
    return [np.abs(of_group - centre.of(of_group)) for of_group in values]
