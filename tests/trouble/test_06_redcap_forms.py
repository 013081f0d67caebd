"""Case 06: REDCap exports 0 for every unticked box, also of a form that nobody opened."""

from __future__ import annotations

from collections.abc import Callable

from tests.trouble.case import Case, query


def test_an_unticked_box_is_no_answer_where_nobody_answered(case_of: Callable[[str], Case]) -> None:
    case = case_of("06-redcap-checkbox-of-a-form-never-filled")
    assert query(case, "select source_row, event_id, status from marts.fct_event order by all") == [
        (2, "gottron_papules", "present"),
        (2, "heliotrope_rash", "absent"),
    ]
    assert query(
        case,
        "select finding, column_name, n_found from quality.finding where entity = 'events' and finding like 'not%' order by all",
    ) == [
        ("not_asked", "rash___1", 1),
        ("not_asked", "rash___2", 1),
        ("not_known", "rash___1", 1),
        ("not_known", "rash___2", 1),
    ]
