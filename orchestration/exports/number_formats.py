"""Number formats of a workbook that change what a person reads: leading zeros, a percentage, a `<` or a unit
beside the number.

Belongs here: what such a format makes of a number, for every kind of workbook; which cell styles strike a
cell out. Does not belong here: where the formats and the cells lie.

A format has up to four sections, `positive;negative;zero;text`, or sections with conditions,
`[<0.1]"<"0.1;0.0`. Text that a section writes beside the digits is shown if it is a comparator (`<`, `≥`), a
word or a unit. The format's rounding is ignored: a number keeps the digits of its cell, and gains the zeros
that the format shows. ECMA-376, part 1, 18.8.31.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from .cells import Formatted

PERCENT_IDS = (9, 10)  # 0% and 0.00%, which no workbook lists
ERRORS = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}  # as binary workbooks write them
_ZEROS = re.compile(r"(0{2,})(;@|_\s*)?")
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_(?P<space>.)|\*(?P<fill>.)|\[\$(?P<currency>[^\]-]*)(?:-[^\]]*)?\]'
    r"|\[(?P<bracket>[^\]]*)\]|(?P<general>General)|(?P<exponent>E[+-])(?=[0#?])|(?P<digit>[0#?.,])|(?P<percent>%)"
    r"|(?P<text>@)|(?P<letter>[A-Za-z])|(?P<plain>.)",
    re.DOTALL | re.IGNORECASE,
)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?\d+(?:[.,]\d+)?)")
_HOLDS = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "=": operator.eq,
    "<>": operator.ne,
}
_COMPARATOR = re.compile(r"[<>≤≥≦≧=~≈]")
_TELLING = re.compile(r"[^\W\d_]|[<>≤≥≦≧%°‰]")
_SUPERSCRIPTS = str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")

Shown = dict[int, dict[int, str]]  # texts by row and column, both from 0
Ranges = dict[
    tuple[int, int], tuple[int, int]
]  # first cell of merged cells to the last, row and column from 0
Struck = set[tuple[int, int]]  # row and column of cells that are struck out, both from 0


@dataclass(frozen=True)
class Section:
    """One section of a format: what it writes before and after the digits, and which digits it fills."""

    before: str = ""
    after: str = ""
    whole_digits: int = 0
    decimals: int = 0
    scale: int = 0  # commas after the last digit, each of which divides by a thousand
    has_digits: bool = False
    has_point: bool = False
    is_percent: bool = False
    condition: tuple[str, float] | None = None
    is_other: bool = False  # a date, a text, or digits with words among them: not read here

    def text(self, number: float) -> str | None:
        """What a person sees, where it is not the number."""
        if self.is_other:
            return None
        before, after = self.before.strip(), self.after.strip()
        if not self.has_digits:
            return (before + after) or None if _TELLING.search(before + after) else None
        if self.is_percent:
            return Formatted.of(before if _COMPARATOR.search(before) else "", percentage_digits(number), "%")
        if after[:1].isdecimal():  # `"<"0.1`: the 1 is no place for a digit, it is always written
            return (
                before + f"{number:.0f}" + "." * self.has_point + after if _TELLING.search(before) else None
            )
        before = before + " " * self.before[-1:].isspace() if _TELLING.search(before) else ""
        after = after if _TELLING.search(after) else ""
        if not (before or after):
            return None
        blank = " " if re.search(r"\s", self.after[:1]) else ""
        return Formatted.of(before, self._digits(number), after and blank + after)

    def _digits(self, number: float) -> str:
        """The number with all of its digits, and the zeros that the format shows beside them."""
        whole, _, decimals = plain_digits(Decimal(repr(number)).scaleb(-3 * self.scale)).partition(".")
        sign, whole = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
        decimals = decimals.ljust(self.decimals, "0")
        return sign + whole.zfill(self.whole_digits) + ("." + decimals if decimals else "")


@dataclass(frozen=True)
class Format:
    """A number format, section by section."""

    sections: tuple[Section, ...]

    @classmethod
    def of(cls, code: str) -> Format:
        return cls(tuple(map(_section, _split(code)))[:4])

    @property
    def shows(self) -> bool:
        """Whether it may write something beside a number."""
        return any(
            not s.is_other and (s.is_percent or _TELLING.search(s.before + s.after)) for s in self.sections
        )

    def text(self, number: float) -> str | None:
        section = self._section(number)
        return None if section is None else section.text(number)

    def _section(self, number: float) -> Section | None:
        numeric = [s for s in self.sections[:3]]
        if any(s.condition for s in numeric):
            for section in numeric:
                if section.condition is None or _HOLDS[section.condition[0]](number, section.condition[1]):
                    return section
            return None
        if number < 0 and len(numeric) > 1:
            return numeric[1]
        if number == 0 and len(numeric) > 2:
            return numeric[2]
        return numeric[0] if numeric else None


def _split(code: str) -> list[str]:
    """The sections of a code. A semicolon in quotes, in brackets or escaped does not end a section."""
    sections, at = [""], 0
    while at < len(code):
        found = _TOKEN.match(code, at)
        assert found is not None
        if found["plain"] == ";":
            sections.append("")
        else:
            sections[-1] += found.group()
        at = found.end()
    return sections


def _section(code: str) -> Section:
    before, after, digits = "", "", ""
    is_percent, is_other, condition = False, False, None
    for found in _TOKEN.finditer(code):
        kind, text = found.lastgroup or "", found[found.lastgroup or 0]
        if kind == "digit":
            is_other = is_other or bool(after.strip())
            digits += text
        elif kind == "general":
            digits += "0"
        elif kind == "percent":
            is_percent = True
        elif kind in ("letter", "text"):
            is_other = True  # a date or a time; what a text cell becomes
        elif kind == "bracket":
            condition = _condition(text) or condition
            is_other = is_other or bool(re.fullmatch(r"[hms]+", text, re.IGNORECASE))
        elif kind not in ("fill", "exponent"):
            literal = " " if kind == "space" else "" if kind == "plain" and text in "-()" else text
            before, after = (before, after + literal) if digits else (before + literal, after)
        elif kind == "exponent":
            is_other = True
    whole, _, decimals = digits.rstrip(",").partition(".")
    return Section(
        before,
        after,
        whole.replace(",", "").count("0"),
        decimals.count("0"),
        len(digits) - len(digits.rstrip(",")),
        bool(digits),
        "." in digits,
        is_percent,
        condition,
        is_other,
    )


def _condition(text: str) -> tuple[str, float] | None:
    found = _CONDITION.fullmatch(text.strip())
    return (found[1], float(found[2].replace(",", "."))) if found else None


@dataclass(frozen=True)
class CellStyles:
    """Of the cell styles by number: the digits that leading zeros fill, the formats that show more than a
    number, and which strike a cell out.
    """

    zeros: Mapping[int, int]
    formats: Mapping[int, Format]
    struck: frozenset[int] = frozenset()

    @classmethod
    def of(
        cls, formats: Mapping[int, str], styles: Sequence[int], struck: frozenset[int] = frozenset()
    ) -> CellStyles:
        """``formats`` are the codes by their id, ``styles`` the id of each cell style."""
        zeros = {i: len(m.group(1)) for i, code in formats.items() if (m := _ZEROS.fullmatch(code))}
        read = {i: Format.of(code) for i, code in formats.items()}
        read = {i: Format.of("0%") for i in PERCENT_IDS} | {i: f for i, f in read.items() if f.shows}
        return cls(
            {i: zeros[f] for i, f in enumerate(styles) if f in zeros},
            {i: read[f] for i, f in enumerate(styles) if f in read},
            struck,
        )

    def __bool__(self) -> bool:
        return bool(self.zeros or self.formats)

    def __contains__(self, style: int) -> bool:
        return style in self.formats or style in self.zeros

    def text(self, style: int, number: float) -> str | None:
        """What a person sees, where it is not the number."""
        if style in self.formats:
            return self.formats[style].text(number)
        if style in self.zeros and number >= 0 and number.is_integer():
            return f"{number:.0f}".zfill(self.zeros[style])
        return None


def percentage(number: float) -> Formatted:
    """0.45 is 45%."""
    return Formatted.of("", percentage_digits(number), "%")


def percentage_digits(number: float) -> str:
    return plain_digits(Decimal(repr(number)) * 100)


def plain_digits(number: Decimal) -> str:
    return f"{number.normalize():f}"


def raised(text: str) -> str:
    """Text that formatting raises, in raised characters: 10 and a raised 9 must not become 109."""
    return text.translate(_SUPERSCRIPTS)
