"""Chi-squares and degrees of freedom to p.

Belongs here: printed chi-square tests of model terms. Does not belong here: tests of counts (``fisher.py``).
"""

from __future__ import annotations

from scipy import special

from analytics.paper.audit.finding import CERTAIN, CONTRADICTS, HOLDS, HOLDS_IF, Finding, strength_of
from analytics.paper.published import Paper, PrintedTerm

MOST_DF = 20


def check_chi_squares(paper: Paper) -> list[Finding]:
    return [_finding(term) for term in paper.terms]


def p_interval(term: PrintedTerm, df: int) -> tuple[float, float]:
    """The lowest and highest p that the rounded chi-square leaves open."""
    low, high = term.chi_square.interval
    return float(special.chdtrc(df, max(high, 0.0))), float(special.chdtrc(df, max(low, 0.0)))


def _finding(term: PrintedTerm) -> Finding:
    printed = f"{term.chi_square.text} on {term.df} df, p {term.p.text}"

    def said(verdict: str, text: str, strength: str = "", tried: int = 1) -> Finding:
        return Finding(
            "chi_square", term.cell, printed, verdict, text, "upper tail of chi-square", strength, tried
        )

    text = f"gives {term.p.like(float(special.chdtrc(term.df, max(term.chi_square.value, 0.0))))}"
    if term.p.overlaps(*p_interval(term, term.df)):
        return said(HOLDS, text)
    if fitting := [df for df in range(1, MOST_DF + 1) if term.p.overlaps(*p_interval(term, df))]:
        ns = " or ".join(map(str, fitting))
        return said(
            HOLDS_IF,
            f"{text}; {ns} df would give the printed p",
            strength_of(MOST_DF, len(fitting) / MOST_DF),
            MOST_DF,
        )
    return said(CONTRADICTS, f"{text}; so does no df up to {MOST_DF}", CERTAIN, MOST_DF)
