"""The same test printed twice: in a table of model terms, and in the text or a figure.

Belongs here: p values of the text that ``paper.yml`` looks up in a model whose table is printed.
"""

from __future__ import annotations

from analytics.paper.audit.finding import CONTRADICTS, HOLDS, STRONG, Finding
from analytics.paper.published import Paper, PrintedAnalysis, PrintedTerm

ASSUMED = "paper.yml looks both up as one test"


def check_same_effect(paper: Paper) -> list[Finding]:
    """Each p value outside the tables, compared with the printed term of the model that ``paper.yml`` looks
    it up in.
    """
    spec = paper.file.model_terms
    if spec is None or paper.file.analyses is None:
        return []
    terms = {(spec.model.replace("{response}", t.response), t.effect): t for t in paper.terms}
    found = []
    for analysis in paper.analyses:
        lookup = paper.file.analyses.lookup[analysis.analysis]
        where = lookup.where
        term = terms.get((where.get("model_id", ""), where.get("term", "")))
        is_p = lookup.table == "mixed_model_term" and lookup.values == ["p_value"]
        if term is not None and is_p and where.get("test", spec.test) == spec.test:
            found.append(_finding(analysis, term))
    return found


def _finding(analysis: PrintedAnalysis, term: PrintedTerm) -> Finding:
    (number,) = analysis.numbers
    agree = term.p.overlaps(*number.interval) or number.overlaps(*term.p.interval)
    text = f"{term.cell} prints {term.p.text} (chi-square {term.chi_square.text} on {term.df} df)"
    verdict, strength = (HOLDS, "") if agree else (CONTRADICTS, STRONG)
    return Finding("same_effect", analysis.cell, analysis.printed, verdict, text, ASSUMED, strength)
