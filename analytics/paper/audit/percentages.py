"""Counts and percentages: is the percent that of the count, and of how many?

Belongs here: the sizes that a printed percent allows. Does not belong here: tests of counts (``fisher.py``).
"""

from __future__ import annotations

from analytics.paper.audit.finding import CERTAIN, CONTRADICTS, FAIR, HOLDS, HOLDS_IF, Finding
from analytics.paper.published import COUNT_PERCENT, Paper, PrintedSummary

BINARY_NOISE = 1e-9
ASSUMED = "the percent is of those whose answer is known"


def check_percentages(paper: Paper) -> list[Finding]:
    return [_finding(summary) for summary in paper.summaries if summary.kind == COUNT_PERCENT]


def sizes_that_fit(summary: PrintedSummary) -> list[int]:
    """Every n up to the header's for which the count is the printed percent; the header's first."""
    count, size = int(summary.numbers[0].value), summary.group_size
    fitting = [n for n in range(max(count, 1), size + 1) if _is_percent_of(summary, n)]
    return sorted(fitting, reverse=True)


def _is_percent_of(summary: PrintedSummary, n: int) -> bool:
    """Rounded either way at a half: 12.5 may print as 12 or 13."""
    count, percent = summary.numbers
    return abs(100 * count.value / n - percent.value) <= percent.half_unit + BINARY_NOISE


def _finding(summary: PrintedSummary) -> Finding:
    count, size = int(summary.numbers[0].value), summary.group_size

    def said(verdict: str, text: str, strength: str = "", tried: int = 1) -> Finding:
        return Finding("percent", summary.cell, summary.printed, verdict, text, ASSUMED, strength, tried)

    if count > size:
        return said(CONTRADICTS, f"{count} of a group of {size}", CERTAIN)
    fitting = sizes_that_fit(summary)
    if size in fitting:
        return said(HOLDS, f"{count} of {size}")
    tried = size - count + 1
    if fitting:
        ns = ", ".join(map(str, fitting))
        text = (
            f"{count} of {size} is {100 * count / size:.2f} %; the printed percent is of {ns}, not of the "
            f"header's {size}"
        )
        return said(HOLDS_IF, text, CERTAIN if len(fitting) == 1 else FAIR, tried)
    return said(CONTRADICTS, f"no n up to {size} makes {count} the printed percent", CERTAIN, tried)
