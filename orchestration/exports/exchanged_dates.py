"""Dates whose day and month a spreadsheet has exchanged: the sign of it in a column, and what the order of
the rows says.

Belongs here: examining texts of dates. Does not belong here: where a column's texts lie
(`raw/exchanged_dates.py`), what a refusal says of a delivery, reading a date into a table (dbt).

A spreadsheet of another country takes 05/08 for the 5th of the wrong month and makes it a date. It leaves
27/6 as text, because there is no 27th month. The column then holds two forms of dates, or date cells beside
texts. One form never shows a day above 12; the other always does. Of real dates, 12 days in 30.4 are 12 or
less, so a few of them prove little: see `MOST_BY_CHANCE`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Literal

SMALL_DAYS = 12 / 30.4375  # share of days of a month that could be a month
MOST_BY_CHANCE = 0.05  # how often unhurt dates of two writings may look so
FEWEST_BESIDE_CELLS = 3  # a text among date cells is odd by itself
TIME_OF_DAY = r"[T\s]+\d{1,2}:\d\d.*$"
_NUMBERS = re.compile(r"\s*(\d{1,4})\s?([-/.])\s?(\d{1,2})\s?\2\s?(\d{1,4})\.?\s*")
Reading = Literal["exchanged", "as_written"]


@dataclass(frozen=True)
class Written:
    """A date of three numbers: its year, the two others in the order in which they stand, and how it is
    written.
    """

    year: int
    first: int
    second: int
    separator: str
    is_year_first: bool
    style: str  # "0" where a small number has its zero, "9" where it has none, "" where no number is small

    @property
    def could_be_exchanged(self) -> bool:
        return self.first <= 12 and self.second <= 12


@dataclass(frozen=True)
class Writing:
    """How dates are written: the mark between the numbers, where the year stands, and whether small numbers
    have a zero.
    """

    separator: str
    is_year_first: bool
    style: str = ""

    @property
    def shown(self) -> str:
        number = {"0": "0N", "9": "N"}.get(self.style, "NN")
        parts = ["YYYY", number, number] if self.is_year_first else [number, number, "YYYY"]
        return self.separator.join(parts)

    @property
    def texts_like(self) -> str:
        """A regular expression for such texts; of one writing with and without zeros for both."""
        mark = rf"\s?{re.escape(self.separator)}\s?"
        parts = (
            [r"\d{4}", r"\d{1,2}", r"\d{1,2}"] if self.is_year_first else [r"\d{1,2}", r"\d{1,2}", r"\d{2,4}"]
        )
        return rf"\s*{mark.join(parts)}\.?\s*(?:{TIME_OF_DAY.removesuffix('$')})?"

    def holds(self, written: Written) -> bool:
        return (written.separator, written.is_year_first) == (self.separator, self.is_year_first)


@dataclass(frozen=True)
class Sign:
    """Dates of one writing that never show a day above 12, beside others that always do; counts of cells."""

    suspect: Writing
    other: Writing
    cells: int
    other_cells: int
    in_date_cells: bool

    def sentence(self) -> str:
        """What was found, and both readings; no date of a patient."""
        kind = "date cells" if self.in_date_cells else f"dates written {self.suspect.shown}"
        as_written, exchanged = (
            ("year, month, day", "year, day, month")
            if self.suspect.is_year_first
            else ("the order that `dates` states", "the other order")
        )
        return (
            f"{self.cells:,} {kind} never show a day above 12, and {self.other_cells:,} dates written "
            f"{self.other.shown} always do: it looks as if a spreadsheet had exchanged day and month of the "
            f"first. As written they are {as_written}; exchanged they are {exchanged}"
        )


def parsed(text: str) -> Written | None:
    """The numbers of a date without its time of day; None of what is no date of three numbers."""
    found = _NUMBERS.fullmatch(re.sub(TIME_OF_DAY, "", text))
    if found is None:
        return None
    first, mark, second, third = found.groups()
    is_year_first = len(first) == 4
    if (
        (is_year_first == (len(third) == 4) and is_year_first)
        or len(first) == 3
        or len(third) not in (1, 2, 4)
    ):
        return None
    if not is_year_first and len(third) == 1:
        return None
    year, numbers = (first, (second, third)) if is_year_first else (third, (first, second))
    small = [n for n in numbers if int(n) < 10]
    style = (
        ""
        if not small
        else "0"
        if all(len(n) == 2 for n in small)
        else "9"
        if all(len(n) == 1 for n in small)
        else ""
    )
    return Written(int(year), int(numbers[0]), int(numbers[1]), mark, is_year_first, style)


def sign_of(texts: Mapping[str, int], has_date_cells: bool = False) -> Sign | None:
    """The sign in a column of texts, each with its number of cells; times of day may be left out."""
    dates = [(written, cells) for text, cells in texts.items() if (written := parsed(text)) is not None]
    if (
        len(dates) < 2
        or not any(w.could_be_exchanged for w, _ in dates)
        or all(w.could_be_exchanged for w, _ in dates)
    ):
        return None
    groups: dict[Writing, list[tuple[Written, int]]] = {}
    for written, cells in dates:
        groups.setdefault(Writing(written.separator, written.is_year_first), []).append((written, cells))
    if len(groups) == 1:
        groups = _by_style(*groups.popitem())
    always = {k: g for k, g in groups.items() if not any(w.could_be_exchanged for w, _ in g)}
    never = {k: g for k, g in groups.items() if all(w.could_be_exchanged for w, _ in g)}
    if not always or not never:
        return None
    suspect = max(never, key=lambda k: len(never[k]))
    other = max(always, key=lambda k: len(always[k]))
    in_cells = has_date_cells and (suspect.separator, suspect.is_year_first) == ("-", True)
    n, n_other = len(never[suspect]), sum(len(g) for g in always.values())
    by_chance = SMALL_DAYS**n * (1 - SMALL_DAYS) ** n_other
    if by_chance > MOST_BY_CHANCE and not (in_cells and n + n_other >= FEWEST_BESIDE_CELLS):
        return None
    count = sum(cells for _, cells in never[suspect])
    return Sign(suspect, other, count, sum(cells for g in always.values() for _, cells in g), in_cells)


def _by_style(key: Writing, dates: list[tuple[Written, int]]) -> dict[Writing, list[tuple[Written, int]]]:
    """Splits one form of dates in two: those that could be exchanged have a zero before small numbers and the
    others have none, or the reverse.
    """
    never = [d for d in dates if d[0].could_be_exchanged]
    always = [d for d in dates if not d[0].could_be_exchanged]
    styles = [{w.style for w, _ in part} - {""} for part in (never, always)]
    if [len(s) for s in styles] != [1, 1] or styles[0] == styles[1]:
        return {key: dates}
    return {
        Writing(key.separator, key.is_year_first, styles[0].pop()): never,
        Writing(key.separator, key.is_year_first, styles[1].pop()): always,
    }


def by_order(rows: Iterable[tuple[str, int, str]], sign: Sign, day_first: bool) -> Reading | None:
    """What the order of each patient's rows says; the rows of one table are given as (patient, row, text).

    Dates with only one possible reading must run in one direction in the rows of every patient, and at least
    one patient must have two different ones. A reading of the other dates then holds if they also run in that
    direction with it, and do not with the other reading.
    """
    certain: dict[str, list[date]] = {}
    readings: dict[Reading, dict[str, list[date]]] = {"exchanged": {}, "as_written": {}}
    for patient, _, text in sorted(rows, key=lambda r: (r[0], r[1])):
        written = parsed(text)
        if written is None:
            continue
        found = _readings(written, sign, day_first)
        if found is None:
            return None
        if not sign.suspect.holds(written) or not written.could_be_exchanged:
            certain.setdefault(patient, []).append(found["as_written"])
        for reading, day in found.items():
            readings[reading].setdefault(patient, []).append(day)
    rises = all(_never_falls(days) for days in certain.values())
    falls = all(_never_falls(days[::-1]) for days in certain.values())
    if rises == falls:  # neither, or no patient has two
        return None
    held: list[Reading] = [
        reading
        for reading, patients in readings.items()
        if all(_never_falls(d if rises else d[::-1]) for d in patients.values())
    ]
    return held[0] if len(held) == 1 else None


def _readings(written: Written, sign: Sign, day_first: bool) -> dict[Reading, date] | None:
    """Both readings of a date; they are alike if it has only one. None if a date in another form cannot be
    placed.
    """
    year = written.year if written.year > 99 else written.year + (2000 if written.year < 70 else 1900)
    month, day = (
        (written.first, written.second)
        if written.is_year_first or not day_first
        else (written.second, written.first)
    )
    if not written.could_be_exchanged:
        month, day = sorted((written.first, written.second))
    elif not sign.suspect.holds(written) and not written.is_year_first:
        return None
    try:
        as_written = date(year, month, day)
        exchanged = (
            date(year, day, month)
            if sign.suspect.holds(written) and written.could_be_exchanged
            else as_written
        )
    except ValueError:
        return None
    return {"exchanged": exchanged, "as_written": as_written}


def _never_falls(days: Sequence[date]) -> bool:
    return all(one <= other for one, other in pairwise(days))
