"""Case 19: a digit that is raised by formatting, and a cell that is struck out."""

from __future__ import annotations

from collections.abc import Callable

from tests.trouble.case import Case, query


def test_a_raised_digit_makes_the_unit_and_a_struck_cell_is_a_finding(case_of: Callable[[str], Case]) -> None:
    registry = case_of("19-superscript-and-struck-out")
    rows = query(
        registry,
        "select source_row, concept_id, value_canonical, is_rejected from intermediate.int_observations order by 1",
    )
    assert rows == [(2, "wbc", 5.2, False), (3, "crp", 77.0, False), (4, "crp", 5.0, False)]
    struck = query(
        registry, "select entity, column_name, n_found from quality.finding where finding = 'struck_out'"
    )
    assert struck == [("observations", "result", 1)]
