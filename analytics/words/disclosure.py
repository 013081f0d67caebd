"""Small cells: which counts of patients a report may print.

Belongs here: the one rule by which a count is masked, and what must be masked with it. Does not belong here:
where counts stand (`tables.py`, `figures.py`). Results keep every number; masking is of what is printed.

With a threshold k a count below k, zero included, prints as ``<k``. In a row "4 of 18" the complement prints
too, so a count above n - k prints as ``>n-k``. Where a row shows its total, one masked count would follow
from the others, so the smallest of the others is masked as well (complementary suppression; Hundepool et al.
2012, Statistical Disclosure Control, section 4.3). A percentage, an effect or an exact p value of a masked
count would reveal the count, so percentages and effects are not printed, and p values print only by their
class. A summary of fewer than k patients, a line of a single patient and a curve beyond the last k at risk
are not printed. Times of events on a curve remain: no threshold on counts hides them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from analytics.words.formatting import NOT_AVAILABLE

PRINT_ALL = 0
P_CLASSES = (0.001, 0.01, 0.05)
NOT_PRINTED = "not shown"


@dataclass(frozen=True)
class Disclosure:
    """What may be printed under a registry's ``threshold``; 0 prints all."""

    threshold: int = PRINT_ALL

    @property
    def masks(self) -> bool:
        return self.threshold > PRINT_ALL

    def is_small(self, count: float | None) -> bool:
        """A known count below the threshold."""
        return self.masks and known(count) and count < self.threshold

    def is_small_of(self, count: float | None, n: float | None) -> bool:
        """Whether the count, or the rest of its ``n``, is below the threshold."""
        return self.is_small(count) or (known(count) and known(n) and self.is_small(n - count))

    def count(self, count: float | None) -> str:
        """``12``; a small one ``<5``."""
        if not known(count):
            return NOT_AVAILABLE
        return f"<{self.threshold}" if self.is_small(count) else str(int(count))

    def count_of(self, count: float | None, n: float | None) -> str:
        """``4`` of n; one whose complement is small is ``>13``."""
        if known(n) and self.is_small_of(count, n) and not self.is_small(count) and not self.is_small(n):
            return f">{int(n) - self.threshold}"
        return self.count(count)

    def counts(self, counts: Sequence[float | None], sums: Sequence[Sequence[int]] = ()) -> list[str]:
        """Counts printed together. ``sums`` are places whose total a reader knows. In none of them may
        exactly one count be masked, because the reader could compute it from the others.
        """
        hidden = [self.is_small(c) for c in counts]
        changed = self.masks
        while changed:
            changed = False
            for places in sums:
                others = {i: c for i in places if known(c := counts[i]) and not hidden[i]}
                if sum(hidden[i] for i in places) == 1 and others:
                    hidden[min(others, key=lambda i: others[i])] = changed = True
        return [
            NOT_PRINTED if h and not self.is_small(c) else self.count(c)
            for c, h in zip(counts, hidden, strict=True)
        ]

    def p_class(self, p_value: float | None) -> str:
        """The class of a p value that rests on a masked count: ``<0.01``, or ``≥0.05``."""
        if not known(p_value):
            return NOT_AVAILABLE
        for bound in P_CLASSES:
            if p_value < bound:
                return f"<{bound:g}"
        return f"≥{P_CLASSES[-1]:g}"


def known(value: Any) -> TypeGuard[float]:
    """Neither None nor NaN nor NA."""
    if value is None:
        return False
    try:
        return not np.isnan(float(value))
    except (TypeError, ValueError):
        return False
