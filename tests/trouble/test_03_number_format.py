"""Case 03: comparator and unit are literals of a cell's number format."""

from __future__ import annotations

from collections.abc import Callable

from tests.trouble.case import Case, query


def test_comparators_and_units_of_number_formats_reach_the_results(case_of: Callable[[str], Case]) -> None:
    registry = case_of("03-number-format-shows-less-than")
    rows = query(
        registry,
        """
        select source_row, comparator, value_canonical, lower_limit, upper_limit, unit_source, is_rejected
        from intermediate.int_observations order by source_row
    """,
    )
    assert rows == [
        (2, "<", None, 0.0, 0.1, "mg/L", False),
        (3, ">", None, 300.0, None, "mg/L", False),
        (4, None, 5.5, None, None, "mg/L", True),
        (5, None, 5.5, None, None, "mg/L", False),
    ]
    rejected = query(
        registry,
        "select source_row, rule, value_text from quality.rejected_row where counts_against_threshold",
    )
    assert rejected == [(4, "units_disagree", "mg/L | mg/dL")]
