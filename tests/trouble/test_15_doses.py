"""A dose that arrives becomes a number with its unit, or is a finding."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from tests.trouble.case import Case, query


@pytest.fixture(scope="module")
def case(case_of: Callable[[str], Case]) -> Case:
    return case_of("15-dose-lost")


def test_number_and_unit_are_read_from_the_cell(case: Case) -> None:
    rows = "select treatment_id, dose, dose_unit, stop_date, start_date from marts.fct_treatment order by source_row"
    assert query(case, rows) == [
        ("methotrexate", 15, "mg/m2", None, date(2021, 3, 4)),
        ("ivig", 2, "g/kg", None, date(2021, 3, 5)),
        ("hydroxychloroquine", None, "mg/kg", None, date(2021, 3, 6)),
        ("prednisolone", None, "mg", None, date(2021, 3, 7)),
    ]


def test_what_is_no_number_and_no_date_is_a_finding(case: Case) -> None:
    assert query(
        case, "select source_row, rule, field, value_text, is_row from quality.rejected_row order by 1, 3"
    ) == [
        (4, "not_a_number", "dose", "1,5", False),
        (4, "date_is_a_mark", "stop_date", "9999-12-31", False),
        (5, "not_a_number", "dose", "10-0-5", False),
    ]
