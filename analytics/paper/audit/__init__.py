"""An audit of a paper's printed numbers, without its data: which of them can stand together.

Belongs here: the list of checks. Does not belong here: any check (one module each), the shape of a paper
(``analytics/paper/published.py``), reading it and showing findings (``orchestration/``). docs/audit.md is the
guide.
"""

from __future__ import annotations

from collections.abc import Callable

from analytics.paper.audit.chi_square import check_chi_squares
from analytics.paper.audit.comparisons import without_summaries
from analytics.paper.audit.finding import Finding
from analytics.paper.audit.fisher import check_counts
from analytics.paper.audit.grim import check_whole_numbers
from analytics.paper.audit.multiplicity import check_multiplicity
from analytics.paper.audit.percentages import check_percentages
from analytics.paper.audit.ranges import check_ranges
from analytics.paper.audit.rank_bounds import check_medians
from analytics.paper.audit.same_effect import check_same_effect
from analytics.paper.audit.same_group import check_same_group
from analytics.paper.audit.stars import check_stars
from analytics.paper.audit.t_tests import check_t_tests
from analytics.paper.published import Paper

CHECKS: tuple[Callable[[Paper], list[Finding]], ...] = (
    check_percentages,
    check_counts,
    check_t_tests,
    check_medians,
    check_whole_numbers,
    check_ranges,
    check_same_group,
    check_same_effect,
    check_chi_squares,
    check_stars,
    without_summaries,
    check_multiplicity,
)


def audit(paper: Paper) -> list[Finding]:
    """Every finding of every check, in the order of ``CHECKS``."""
    return [finding for check in CHECKS for finding in check(paper)]
