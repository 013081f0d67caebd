"""The numbers in a printed cell: ``31.33 ± 11.80`` is two of them.

Belongs here: taking a printed text apart, and the format in which a spreadsheet shows each part as it was
printed. Does not belong here: a workbook (`workbook.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PART = r"(?:-?\d+(?:\.\d+)?|[<>≤≥] ?\d+(?:\.\d+)?|-?∞|–|not reached)"
_SHAPES = tuple(
    (re.compile(pattern.replace("#", f"({_PART})")), signs)
    for pattern, signs in (
        (r"#", (("", ""),)),
        (r"# ± #", (("", ""), ("± ", ""))),
        (r"# \(#\)", (("", ""), ("(", ")"))),
        (r"# \(#, #\)", (("", ""), ("(", ","), ("", ")"))),
        (r"# \(#,? to #\)", (("", ""), ("(", " to"), ("", ")"))),
        (r"# of #", (("", ""), ("of ", ""))),
        (r"#, #", (("", ","), ("", ""))),
    )
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
P_FORMAT = '[<0.001]"<0.001";0.000'


@dataclass(frozen=True)
class Part:
    """A number, or what stands in its place, with the signs around it."""

    before: str
    text: str
    after: str

    @property
    def number(self) -> float | None:
        """None for a bound (``<0.10``), for ∞ and for a value that does not exist."""
        return float(self.text) if _NUMBER.fullmatch(self.text) else None

    @property
    def format(self) -> str:
        """With it a spreadsheet shows the number as it was printed; below 0 the sign stands by the number."""
        digits = "0" + ("." + "0" * len(self.text.partition(".")[2]) if "." in self.text else "")
        before, after = (f'"{text}"' if text else "" for text in (self.before, self.after))
        if not before:
            return f"{digits}{after}"
        return f'{before}{digits}{after};"{self.before}-"{digits}{after}'

    @property
    def whole(self) -> str:
        return f"{self.before}{self.text}{self.after}"


def parts_of(text: str) -> tuple[Part, ...]:
    """The parts of a printed text; the text itself where it is none of the printed shapes."""
    for shape, signs in _SHAPES:
        if match := shape.fullmatch(text):
            return tuple(
                Part(before, found, after)
                for (before, after), found in zip(signs, match.groups(), strict=True)
            )
    return (Part("", text, ""),) if text else ()
