"""A printed p value with the two summaries that it compares.

Belongs here: bringing the two together, and saying what is missing. Does not belong here: any check.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analytics.paper.audit.finding import NOT_CHECKED, Finding
from analytics.paper.published import Paper, PrintedP, PrintedSummary


@dataclass(frozen=True)
class Comparison:
    """Two groups' summaries of one kind, and the p value printed for them."""

    p: PrintedP
    a: PrintedSummary
    b: PrintedSummary

    @property
    def kind(self) -> str:
        return self.a.kind

    @property
    def groups(self) -> tuple[str, str]:
        return self.a.group, self.b.group

    @property
    def sizes(self) -> tuple[int, int]:
        return self.a.group_size, self.b.group_size


def comparisons(paper: Paper, kind: str) -> Iterator[Comparison]:
    """Those whose two summaries are both printed, both as ``kind``."""
    summaries = {(s.table, s.variable, s.group): s for s in paper.summaries}
    for p in paper.p_values:
        a, b = (summaries.get((p.table, p.variable, group)) for group in (p.group_a, p.group_b))
        if a and b and a.kind == b.kind == kind:
            yield Comparison(p, a, b)


def without_summaries(paper: Paper) -> list[Finding]:
    """p values that no other printed number can check."""
    summaries = {(s.table, s.variable, s.group): s for s in paper.summaries}
    found = []
    for p in paper.p_values:
        of_group = {g: summaries.get((p.table, p.variable, g)) for g in (p.group_a, p.group_b)}
        pair = {g: summary for g, summary in of_group.items() if summary is not None}
        if missing := [g for g in of_group if g not in pair]:
            text = f"no summary of {' and '.join(missing)} is printed: nothing to hold the p value against"
        elif len({summary.kind for summary in pair.values()}) > 1:
            kinds = " and ".join(f"{summary.kind} of {g}" for g, summary in pair.items())
            text = f"the two groups are summarised differently ({kinds}): no test can be recomputed"
        else:
            continue
        found.append(Finding("p_value", p.cell, p.printed, NOT_CHECKED, text))
    return found
