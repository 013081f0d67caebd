"""Small whole numbers of a line blot may be classes: nobody guesses which, and the mapping can say it."""

from __future__ import annotations

from collections.abc import Callable

from tests.trouble.case import Case, query

CASE = "07-line-blot-classes-read-as-intensity"
STATUS = """
    select p.source_row, s.msa, s.decided_by from marts.dim_antibody_status as s
    join marts.dim_patient as p using (hospital_id, patient_key) order by 1
"""


def test_without_a_stated_scale_the_status_stays_open_and_the_hospital_is_asked(
    case_of: Callable[[str], Case],
) -> None:
    case = case_of(CASE)
    assert query(case, STATUS) == [
        (2, None, "open: a test of a specific antibody could not be read"),
        (3, None, "open: a test of a specific antibody could not be read"),
    ]
    assert query(case, "select source_row, rule, value_text from quality.rejected_row order by 1") == [
        (2, "antibody_scale_unknown", "3"),
        (4, "antibody_scale_unknown", "2"),
    ]


def test_a_stated_class_is_read_as_a_grade(case_of: Callable[[str], Case]) -> None:
    assert [row[1] for row in query(case_of(f"{CASE} class"), STATUS)] == ["NXP2", "NXP2"]


def test_a_stated_intensity_is_compared_with_the_cut_off(case_of: Callable[[str], Case]) -> None:
    assert [row[1] for row in query(case_of(f"{CASE} intensity"), STATUS)] == ["negative", "negative"]
