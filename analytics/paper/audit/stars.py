"""Stars beside p values: does each star agree with its p value?

Belongs here: the paper's legend of marks against printed p values.
"""

from __future__ import annotations

from analytics.paper.audit.finding import CERTAIN, CONTRADICTS, HOLDS, Finding
from analytics.paper.published import Paper, PrintedP


def check_stars(paper: Paper) -> list[Finding]:
    """Every p value of a paper whose stars are given; an empty mark says "not significant"."""
    if not paper.file.stars:
        return []
    return [_finding(p, paper.file.stars) for p in paper.p_values if p.stars is not None]


def marks_of(p: PrintedP, legend: dict[str, float]) -> set[str]:
    """The marks that the printed p may bear: the one of the lowest bound above it, at each end of its
    rounding.
    """
    low, high = p.number.interval
    ends = (
        (max(low, 0.0), p.number.value, high) if not p.number.comparator else (p.number.value * (1 - 1e-12),)
    )
    return {_mark(end, legend) for end in ends}


def _mark(p: float, legend: dict[str, float]) -> str:
    above = [(bound, mark) for mark, bound in legend.items() if p < bound]
    return min(above)[1] if above else ""


def _finding(p: PrintedP, legend: dict[str, float]) -> Finding:
    fitting = marks_of(p, legend)
    said = f'"{p.stars}"' if p.stars else "no mark"
    assumed = ", ".join(f"{mark} p < {bound:g}" for mark, bound in legend.items())
    printed = f"{p.printed} {p.stars}".strip()
    if p.stars in fitting:
        return Finding("stars", p.cell, printed, HOLDS, f"{said} fits", assumed)
    wanted = " or ".join(f'"{mark}"' if mark else "no mark" for mark in sorted(fitting))
    return Finding(
        "stars", p.cell, printed, CONTRADICTS, f"{said} stands where {wanted} belongs", assumed, CERTAIN
    )
