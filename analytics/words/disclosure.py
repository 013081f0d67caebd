"""Small cells: what may be printed of a count of patients in what leaves the house.

Belongs here: the one rule by which a count is rounded or masked, and the classes of p values. Does not belong
here: which numbers of a study leave (`analytics/public/`).

Inside the house every count is printed. Outside, a count is rounded to the nearest 5, and masked if the
rounded count does not exceed the registry's threshold: with a threshold of 5, a count up to 7 prints as
``<8``. This is OpenSAFELY's rule (redact counts of 7 or fewer, then round to 5). A threshold between two
multiples of 5 counts as the next one, and none counts below 5.

Why nothing comes back from what is printed. Rounding is monotone, and every printed text stands for at least
five counts. What a reader knows of printed counts are orders: a part is at most its whole, and a later
release counts at least as many as an earlier one. If x is at most y, either their ranges are apart, and the
order says nothing new, or their ranges are the same, and both may be any one value of it. So orders never
narrow a range. Sums would: therefore no output prints a whole beside all of its parts
(`analytics/public/study.py`). Between two releases, a part grows by no more than its whole, of which an
unchanged print allows four; every step from one print to the next leaves three counts or more even so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from analytics.words.formatting import NOT_AVAILABLE, Public

ROUNDED_TO = 5
P_CLASSES = (0.001, 0.01, 0.05)
NOT_PRINTED = "not shown"


WITHHELD = Public(NOT_PRINTED)


@dataclass(frozen=True)
class Rounding:
    """What leaves of a count, under a registry's threshold."""

    stated: int = ROUNDED_TO

    @property
    def threshold(self) -> int:
        """The stated threshold, or the next multiple of 5 above it; never below 5."""
        return ROUNDED_TO * -(-max(self.stated, ROUNDED_TO) // ROUNDED_TO)

    @property
    def smallest(self) -> int:
        """The smallest count that is not masked: 8 under a threshold of 5."""
        return self.threshold + ROUNDED_TO // 2 + 1

    def is_masked(self, count: float | None) -> bool:
        """A count that is small, or not known."""
        return not known(count) or count < self.smallest

    def count(self, count: float | None) -> Public:
        """``20`` of 18; ``<8`` of a small one."""
        if not known(count):
            return Public(NOT_AVAILABLE)
        return Public(f"<{self.smallest}" if self.is_masked(count) else str(rounded(count)))


def rounded(count: float) -> int:
    """The nearest multiple of 5: 0 of 0 to 2, 5 of 3 to 7, 10 of 8 to 12."""
    return ROUNDED_TO * ((int(count) + ROUNDED_TO // 2) // ROUNDED_TO)


def p_class(p_value: float | None) -> Public:
    """The class of a p value: ``<0.01``, or ``≥0.05``."""
    if not known(p_value):
        return Public(NOT_AVAILABLE)
    bound = next((b for b in P_CLASSES if p_value < b), None)
    return Public(f"≥{P_CLASSES[-1]:g}" if bound is None else f"<{bound:g}")


def count_text(count: Any) -> str:
    """A count as it is printed: what may leave by its text, any other as it is."""
    if isinstance(count, Public):
        return count.text
    return str(int(count)) if known(count) else NOT_AVAILABLE


def known(value: Any) -> TypeGuard[float]:
    """Neither None nor NaN nor NA."""
    if value is None:
        return False
    if isinstance(value, Public):
        return value.text != NOT_AVAILABLE
    try:
        return not np.isnan(float(value))
    except (TypeError, ValueError):
        return False
