"""Ages and durations are read by the rules of results; what cannot be is rejected."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.trouble.case import Case, query


@pytest.fixture(scope="module")
def case(case_of: Callable[[str], Case]) -> Case:
    return case_of("09-numbers-of-patients-have-no-range")


def test_a_limit_is_no_age_and_units_in_the_cell_are_read(case: Case) -> None:
    assert query(
        case,
        "select source_row, age_at_onset_years, disease_duration_months from marts.dim_patient order by 1",
    ) == [
        (2, 7.5, 6),
        (3, None, 12),
        (4, None, None),
        (5, 7.25, 6),
        (6, 1.5, 3),
    ]


def test_each_text_that_is_no_number_is_a_finding(case: Case) -> None:
    found = "select source_row, rule, field, value_text, is_row from quality.rejected_row order by 1, 3"
    assert query(case, found) == [
        (3, "number_is_a_limit", "age_at_onset", ">89", False),
        (4, "age_impossible", "age_at_onset", "-1", False),
        (4, "duration_impossible", "disease_duration", "-9", False),
    ]


def test_the_sentence_states_the_range(case: Case) -> None:
    assert query(case, "select reason from quality.rejected_row where rule = 'age_impossible'")[0][
        0
    ].startswith('found "-1"; expected an age from 0 to 125 years')
