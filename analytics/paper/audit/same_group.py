"""The same group printed twice: can the two tables describe one set of values?

Belongs here: summaries of one variable and group in more than one table.
"""

from __future__ import annotations

from itertools import combinations

from analytics.paper.audit.finding import CONTRADICTS, HOLDS, HOLDS_IF, NOT_CHECKED, STRONG, Finding
from analytics.paper.audit.quartiles import FREE, cannot_stand_together
from analytics.paper.published import MEAN_SD, MEDIAN_IQR, Paper, PrintedSummary, PrintedVariable

ASSUMED = "both tables describe the same patients"


def check_same_group(paper: Paper) -> list[Finding]:
    """Each pair of summaries of the same variable and group in different tables."""
    groups: dict[tuple[str, str], list[PrintedSummary]] = {}
    for summary in paper.summaries:
        groups.setdefault((summary.variable, summary.group), []).append(summary)
    return [
        _finding(first, second, paper.file.variables.get(first.variable, FREE))
        for printed in groups.values()
        for first, second in combinations(printed, 2)
    ]


def _finding(first: PrintedSummary, second: PrintedSummary, variable: PrintedVariable) -> Finding:
    cell = f"{first.cell} and {second.table}"
    printed = first.printed if first.printed == second.printed else f"{first.printed} and {second.printed}"

    def said(verdict: str, text: str, strength: str = "") -> Finding:
        return Finding("same_group", cell, printed, verdict, text, ASSUMED, strength)

    if first.group_size != second.group_size:
        text = (
            f"{first.group} has {first.group_size} in table {first.table}, {second.group_size} in "
            f"{second.table}"
        )
        return said(HOLDS_IF, f"{text}: they can be of one set of values only if some are missing", STRONG)
    if first.kind == second.kind:
        same = len(first.numbers) == len(second.numbers) and all(
            a.overlaps(*b.interval) for a, b in zip(first.numbers, second.numbers, strict=True)
        )
        return said(HOLDS, "printed alike") if same else said(CONTRADICTS, "the two tables differ", STRONG)
    if {first.kind, second.kind} != {MEAN_SD, MEDIAN_IQR}:
        return said(NOT_CHECKED, f"{first.kind} in one table, {second.kind} in the other")
    means, quartiles = (first, second) if first.kind == MEAN_SD else (second, first)
    sd = means.numbers[1] if len(means.numbers) > 1 else None
    text = f"{first.kind} in table {first.table}, {second.kind} in {second.table}"
    if fault := cannot_stand_together(quartiles, means.numbers[0], sd, variable):
        return said(CONTRADICTS, f"{text}: {fault}", STRONG)
    return said(HOLDS, f"{text}: one set of values can have both, as far as bounds show")
