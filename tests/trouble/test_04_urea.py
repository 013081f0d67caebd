"""Urea and urea nitrogen in mg/dL are two quantities: the name decides the factor, or the row is asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.trouble.case import Case, query


def test_no_urea_is_read_as_urea_nitrogen(case_of: Callable[[str], Case]) -> None:
    case = case_of("04-urea-read-as-urea-nitrogen")
    rows = (
        "select source_row, concept_id, value_canonical, unit_canonical from marts.fct_observation order by 1"
    )
    found = query(case, rows)
    assert [(row, unit) for row, _, _, unit in found] == [(row, "mmol/L") for row in (2, 3, 4, 5)]
    # 60.06 g/mol of urea; 2 × 14.007 g/mol of its nitrogen
    assert [value for *_, value, _ in found] == pytest.approx([4.995, 4.995, 4.995, 4.998], abs=0.005)
