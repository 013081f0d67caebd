"""Number formats of a workbook that change what a person reads: a percentage, and leading zeros.

Belongs here: what such a format makes of a number, for every kind of workbook. Does not belong here: where the formats
and the cells lie.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from .cells import Percentage

PERCENT_IDS = (9, 10)  # 0% and 0.00%, which no workbook lists
ERRORS = {
    0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?", 0x24: "#NUM!", 0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}  # as binary workbooks write them
_QUOTED = re.compile(r'"[^"]*"|\\.')
_ZEROS = re.compile(r"(0{2,})(;@|_\s*)?")

Shown = dict[int, dict[int, str]]  # texts by row and column, both from 0


@dataclass(frozen=True)
class CellStyles:
    """Of the cell styles by number: the digits that leading zeros fill, and those that show a percentage."""

    zeros: Mapping[int, int]
    percents: frozenset[int]

    @classmethod
    def of(cls, formats: Mapping[int, str], styles: Sequence[int]) -> CellStyles:
        """``formats`` are the codes by their id, ``styles`` the id of each cell style."""
        zeros = {i: len(m.group(1)) for i, code in formats.items() if (m := _ZEROS.fullmatch(code))}
        percents = {i for i, code in formats.items() if "%" in _QUOTED.sub("", code)} | set(PERCENT_IDS)
        return cls(
            {i: zeros[f] for i, f in enumerate(styles) if f in zeros},
            frozenset(i for i, f in enumerate(styles) if f in percents),
        )

    def __bool__(self) -> bool:
        return bool(self.zeros or self.percents)

    def __contains__(self, style: int) -> bool:
        return style in self.percents or style in self.zeros

    def text(self, style: int, number: float) -> str | None:
        """What a person sees, where it is not the number."""
        if style in self.percents:
            return percentage(number)
        if style in self.zeros and number >= 0 and number.is_integer():
            return f"{number:.0f}".zfill(self.zeros[style])
        return None


def percentage(number: float) -> Percentage:
    """0.45 is 45%."""
    hundredfold = Decimal(repr(number)) * 100
    return Percentage(f"{hundredfold.normalize():f}%")
