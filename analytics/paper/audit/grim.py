"""Means and SDs of whole numbers: GRIM and GRIMMER.

Belongs here: which sizes a printed mean, or mean and SD, of whole numbers allow. Does not belong here: p
values.

GRIM (Brown & Heathers 2017, Social Psychological and Personality Science 8:363-369): the sum of n whole
numbers is whole, so a mean is a multiple of 1 / n; of k averaged items, of 1 / (n k). GRIMMER (Anaya 2016,
PeerJ Preprints 4:e2400v1; the tests as restated by Allard 2018): with the sum T fixed, the sum of squares Q =
(n - 1) SD^2 + T^2 / n is whole too, odd when T is odd, at least that of values as equal as they can be, and
at most that of values at the ends of the scale. These are necessary; that values exist is not proved.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from analytics.paper.audit.finding import (
    CERTAIN,
    CONTRADICTS,
    HOLDS,
    HOLDS_IF,
    NOT_CHECKED,
    Finding,
    strength_of,
)
from analytics.paper.published import MEAN_SD, Paper, PrintedSummary, PrintedVariable

NOISE = 1e-9


def check_whole_numbers(paper: Paper) -> list[Finding]:
    """Every printed mean of a variable that ``paper.yml`` declares whole."""
    return [
        _finding(summary, paper.file.variables[summary.variable])
        for summary in paper.summaries
        if summary.kind == MEAN_SD
        and summary.variable in paper.file.variables
        and paper.file.variables[summary.variable].whole
    ]


def sizes_of_whole_numbers(summary: PrintedSummary, variable: PrintedVariable) -> list[int]:
    """Every n from the header's down that GRIM and GRIMMER allow."""
    return [n for n in range(summary.group_size, 0, -1) if not _fault(summary, variable, n)]


def sums(summary: PrintedSummary, n: int, items: int) -> Iterator[int]:
    """GRIM: the whole sums (in units of 1 / items) whose mean prints so."""
    low, high = (end * n * items for end in summary.numbers[0].interval)
    yield from range(math.ceil(low - NOISE), math.floor(high + NOISE) + 1)


def has_squares(summary: PrintedSummary, variable: PrintedVariable, n: int, total: int) -> bool:
    """GRIMMER: whether a whole sum of squares of the right parity gives the printed SD beside ``total``."""
    if n < 2:
        return False
    scale = variable.items**2
    sd_low, sd_high = summary.numbers[1].interval
    about = total**2 / n
    low = max((n - 1) * max(sd_low, 0.0) ** 2 * scale + about, _least_squares(total, n))
    high = min((n - 1) * sd_high**2 * scale + about, _most_squares(total, n, variable))
    first = math.ceil(low - NOISE)
    first += (first - total) % 2
    return first <= high + NOISE


def _least_squares(total: int, n: int) -> int:
    """Values as equal as whole numbers can be."""
    each, over = divmod(total, n)
    return n * each**2 + over * (2 * each + 1)


def _most_squares(total: int, n: int, variable: PrintedVariable) -> float:
    """As many values as the sum allows at the ends of the scale, one between."""
    if variable.low is None or variable.high is None:
        return math.inf
    low, high = round(variable.low * variable.items), round(variable.high * variable.items)
    above = total - n * low
    if not 0 <= above <= n * (high - low):
        return -math.inf
    at_high, rest = divmod(above, high - low)
    between = 0 if at_high == n else (low + rest) ** 2 - low**2
    return n * low**2 + at_high * (high**2 - low**2) + between


def _fault(summary: PrintedSummary, variable: PrintedVariable, n: int) -> str:
    """Why ``n`` whole numbers cannot print so; empty when they can."""
    totals = list(sums(summary, n, variable.items))
    if not totals:
        return "GRIM: no whole sum has this mean"
    if len(summary.numbers) == 1:
        return ""
    if n == 1:
        return "one value has no SD"
    if not any(has_squares(summary, variable, n, total) for total in totals):
        return "GRIMMER: a whole sum has this mean, and no whole sum of squares this SD"
    return ""


def _finding(summary: PrintedSummary, variable: PrintedVariable) -> Finding:
    size, mean = summary.group_size, summary.numbers[0]
    items = f", mean of {variable.items} items" if variable.items > 1 else ""
    scale = (
        ""
        if variable.low is None or variable.high is None
        else f" from {variable.low:g} to {variable.high:g}"
    )
    assumed = f"whole numbers{scale}{items}"

    def said(verdict: str, text: str, strength: str = "", tried: int = 1) -> Finding:
        return Finding(
            "whole_numbers", summary.cell, summary.printed, verdict, text, assumed, strength, tried
        )

    if mean.comparator:
        return said(NOT_CHECKED, "a bound is printed in place of a mean")
    fault = _fault(summary, variable, size)
    if not fault:
        blunt = size * variable.items * 2 * mean.half_unit >= 1
        text = f"{size} whole numbers can have this mean" + (" and SD" if len(summary.numbers) > 1 else "")
        return said(HOLDS, text + ("; at this n and precision every mean passes GRIM" if blunt else ""))
    if fitting := sizes_of_whole_numbers(summary, variable):
        shown = ", ".join(map(str, fitting[:5])) + (", …" if len(fitting) > 5 else "")
        text = f"{fault} at the header's n of {size}; n that would fit: {shown}"
        tried = size - fitting[0] + 1
        return said(HOLDS_IF, text, strength_of(tried, len(fitting) / size), tried)
    return said(CONTRADICTS, f"{fault}, at any n up to {size}", CERTAIN, size)
