"""The published numbers as constraints: what a printed summary or p value allows.

Belongs here: reading ``registry/published/nxp2`` and turning print into intervals.
Does not belong here: any search, any computing from patients.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "registry" / "published" / "nxp2"

MEAN_SD, MEDIAN_IQR, COUNT_PERCENT = "mean_sd", "median_iqr", "count_percent"


@dataclass(frozen=True)
class Printed:
    """One printed number: its value and how far the unrounded one may lie from it."""

    text: str
    value: float
    half_width: float

    @classmethod
    def parse(cls, text: str) -> Printed:
        decimals = len(text.partition(".")[2])
        return cls(text, float(text), 0.5 * 10.0**-decimals)

    def admits(self, value: float, share: float = 1.0) -> bool:
        """Whether ``value`` prints as this number; ``share`` < 1 asks for a margin before the rounding
        edge.
        """
        return abs(value - self.value) <= share * self.half_width


@dataclass(frozen=True)
class Summary:
    """One cell of Table I or II; ``numbers`` holds mean, sd | median, q1, q3 | count, percent."""

    table: str
    variable: str
    group: str
    group_size: int
    kind: str
    numbers: tuple[Printed, ...]


@dataclass(frozen=True)
class PValue:
    """A printed p value as the interval of unrounded ones that print so."""

    text: str
    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> PValue:
        if text.startswith("<"):
            return cls(text, 0.0, float(text[1:]))
        number = Printed.parse(text)
        return cls(
            text, max(number.value - number.half_width, 0.0), min(number.value + number.half_width, 1.0)
        )

    def distance(self, p: float, margin: float = 0.02) -> float:
        """How far ``p`` lies outside the interval (0 inside); the interval is narrowed by ``margin`` of its
        width.
        """
        edge = margin * (self.high - self.low)
        low = self.low + edge if self.low > 0 else 0.0
        high = self.high - edge if self.high < 1 else 1.0
        return max(low - p, p - high, 0.0)

    def admits(self, p: float) -> bool:
        return self.distance(p, margin=0.0) == 0.0


@dataclass(frozen=True)
class Comparison:
    """One printed p value of Table I or II."""

    table: str
    variable: str
    group_a: str
    group_b: str
    p: PValue


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def summaries(folder: Path = PUBLISHED) -> list[Summary]:
    """The 233 printed summaries, in print order."""
    found = []
    for row in read_rows(folder / "summaries.csv"):
        numbers = tuple(Printed.parse(text) for text in re.findall(r"\d+(?:\.\d+)?", row["printed"]))
        found.append(
            Summary(
                row["table"], row["variable"], row["group"], int(row["group_size"]), row["summary"], numbers
            )
        )
    return found


def comparisons(folder: Path = PUBLISHED) -> list[Comparison]:
    """The 140 printed p values, in print order."""
    return [
        Comparison(
            row["table"], row["variable"], row["group_a"], row["group_b"], PValue.parse(row["printed_p"])
        )
        for row in read_rows(folder / "p_values.csv")
    ]
