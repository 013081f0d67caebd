"""A printed number: what it says, which numbers print as it does, and how another would print beside it.

Belongs here: reading one number as it was printed, and **the one rule by which a computed number agrees with
it**. Does not belong here: where printed numbers stand (``published.py``), how ours are printed
(``formatting.py``, whose rounding is used).

The rule. A number that was printed with d decimals agrees with a computed one that rounds to the same digits
at d decimals, half away from zero: ``3.3`` agrees with 3.28 and ``3.30`` does not. A number behind ``<`` or
``>`` agrees with every number on that side of it: ``<0.001`` with 0.0009, not with 0.001.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from analytics.words.formatting import NOT_AVAILABLE, format_number

NUMBER = r"[<>≤≥]?\s*[-−]?\d+(?:\.\d+)?"
_PARTS = re.compile(r"([<>≤≥]?)\s*([-−]?\d+(?:\.(\d+))?)")
_BESIDE = {
    "<": lambda x, bound: x < bound,
    "≤": lambda x, bound: x <= bound,
    ">": lambda x, bound: x > bound,
    "≥": lambda x, bound: x >= bound,
}


@dataclass(frozen=True)
class PrintedNumber:
    """``text`` as printed; ``value`` and ``decimals`` as read; ``comparator`` of ``<0.001``, else empty."""

    text: str
    value: float
    decimals: int
    comparator: str = ""

    @classmethod
    def parse(cls, text: str) -> PrintedNumber:
        """Raises ValueError with one sentence when ``text`` is no number."""
        match = _PARTS.fullmatch(text.strip())
        if match is None:
            raise ValueError(f'expected a number as 0.004, 31.33 or <0.001; found "{text}"{comma_hint(text)}')
        comparator, number, decimals = match.groups()
        return cls(text.strip(), float(number.replace("−", "-")), len(decimals or ""), comparator)

    @property
    def half_unit(self) -> float:
        """Half a unit of the last printed place."""
        return 0.5 * 10.0**-self.decimals

    @property
    def interval(self) -> tuple[float, float]:
        """The lowest and highest number that may stand behind the print; without end beside a comparator."""
        if self.comparator in ("<", "≤"):
            return float("-inf"), self.value
        if self.comparator:
            return self.value, float("inf")
        return self.value - self.half_unit, self.value + self.half_unit

    def admits(self, computed: float | None) -> bool:
        """Whether ``computed`` agrees: the rule above."""
        if _is_missing(computed):
            return False
        if self.comparator:
            return bool(_BESIDE[self.comparator](computed, self.value))
        return format_number(computed, self.decimals) == format_number(self.value, self.decimals)

    def overlaps(self, low: float, high: float) -> bool:
        """Whether a number between ``low`` and ``high`` agrees."""
        if not self.comparator:
            if low <= self.value <= high:
                return True
            if min(abs(low - self.value), abs(high - self.value)) > 2 * self.half_unit:
                return False  # far off: no need to round
        return self.admits(low) or self.admits(high)

    def like(self, computed: float | None) -> str:
        """``computed`` at the printed precision: ``<0.001`` where it is below the last place of a p value."""
        if computed is None or _is_missing(computed):
            return NOT_AVAILABLE
        if self.comparator and self.admits(computed):
            return self.text
        text = format_number(computed, self.decimals)
        smallest = 10.0**-self.decimals
        if 0 < computed < 1 and float(text) == 0 and self.decimals:
            return f"<{smallest:.{self.decimals}f}"
        return text


def _is_missing(computed: float | None) -> bool:
    return computed is None or math.isnan(computed)


def comma_hint(text: str) -> str:
    """What to do about ``31,33``: a comma separates numbers, here and in the file."""
    if re.search(r"\d,\d", text):
        return "; write a decimal point, and no mark between thousands: 31.33, 1204"
    return ""
