"""How many p values there are, and what is left of the nominal ones when all are counted.

Belongs here: counts over the whole paper. Does not belong here: the adjustments
(``analytics/multiplicity.py``).
"""

from __future__ import annotations

from analytics.multiplicity import adjust_p_values
from analytics.paper.audit.finding import NOTE, Finding
from analytics.paper.published import Paper

LEVEL = 0.05
ADJUSTMENTS = {"BH": "Benjamini-Hochberg", "holm": "Holm"}


def check_multiplicity(paper: Paper) -> list[Finding]:
    """One finding: tests, nominally significant ones, those left after each adjustment over all of them."""
    values = [p.number.value for p in paper.p_values]
    if len(values) < 2:
        return []
    nominal = sum(value < LEVEL for value in values)
    left = {words: int((adjust_p_values(values, name) < LEVEL).sum()) for name, words in ADJUSTMENTS.items()}
    text = f"of {len(values)} p values {nominal} are below {LEVEL}; " + ", ".join(
        f"{words} over all leaves {count}" for words, count in left.items()
    )
    assumed = "p values as printed, <0.001 as 0.001"
    return [Finding("multiplicity", "all p values", "", NOTE, text, assumed, tried=len(values))]
