"""Summaries against what values can be at all: order of quartiles, a scale's ends, the largest SD.

Belongs here: one summary by itself. Does not belong here: whole numbers (``grim.py``).

On a scale from low to high a mean of n values allows an SD of at most sqrt(n / (n - 1) (mean - low) (high -
mean)) (Bhatia & Davis 2000, American Mathematical Monthly 107:353-357).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from analytics.paper.audit.finding import CERTAIN, CONTRADICTS, HOLDS, Finding
from analytics.paper.audit.quartiles import FREE
from analytics.paper.printed_numbers import PrintedNumber
from analytics.paper.published import (
    COUNT_PERCENT,
    MEAN_SD,
    MEDIAN_IQR,
    Paper,
    PrintedSummary,
    PrintedVariable,
)


def check_ranges(paper: Paper) -> list[Finding]:
    """One finding for each summary whose variable has a known range, or that is wrong by itself; it holds all
    faults.
    """
    found = []
    for summary in paper.summaries:
        if summary.kind == COUNT_PERCENT:
            continue
        variable = paper.file.variables.get(summary.variable, FREE)
        faults = list(_faults(summary, variable))
        is_bounded = (variable.low, variable.high) != (None, None)
        if faults or is_bounded or summary.kind == MEDIAN_IQR:
            found.append(_finding(summary, variable, faults))
    return found


def _finding(summary: PrintedSummary, variable: PrintedVariable, faults: list[str]) -> Finding:
    ends = [
        f"{name} {end:g}" for name, end in (("from", variable.low), ("to", variable.high)) if end is not None
    ]
    assumed = " ".join(ends) or "no range declared"
    verdict, text = (CONTRADICTS, "; ".join(faults)) if faults else (HOLDS, "possible")
    return Finding("range", summary.cell, summary.printed, verdict, text, assumed, CERTAIN if faults else "")


def _faults(summary: PrintedSummary, variable: PrintedVariable) -> Iterator[str]:
    centres = summary.numbers[:1] if summary.kind == MEAN_SD else summary.numbers
    for number in centres:
        if variable.low is not None and number.interval[1] < variable.low:
            yield f"{number.text} is below the scale"
        if variable.high is not None and number.interval[0] > variable.high:
            yield f"{number.text} is above the scale"
    if summary.kind != MEAN_SD:
        median, q1, q3 = summary.numbers
        if q1.interval[0] > median.interval[1] or median.interval[0] > q3.interval[1]:
            yield "the median does not lie between the quartiles"
    elif len(summary.numbers) > 1:
        mean, sd = summary.numbers
        yield from _sd_faults(mean, sd, summary.group_size, variable)


def _sd_faults(mean: PrintedNumber, sd: PrintedNumber, n: int, variable: PrintedVariable) -> Iterator[str]:
    if sd.value < 0:
        yield "the SD is negative"
    if n == 1:
        yield "one value has no SD"
    elif variable.low is not None and variable.high is not None:
        middle = min(max((variable.low + variable.high) / 2, mean.interval[0]), mean.interval[1])
        room = (middle - variable.low) * (variable.high - middle)
        most = math.sqrt(n / (n - 1) * max(room, 0.0))
        if room >= 0 and sd.interval[0] > most:
            yield f"beside this mean {n} values of the scale have an SD of at most {most:.4g}"
