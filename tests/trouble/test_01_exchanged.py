"""Day and month that a spreadsheet has exchanged: read by the order of the patient's rows, else refused with
the sign.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from tests.trouble.case import Case, query

MEANT = {
    "2020-03-04": "2020-04-03",
    "2020-10-03": "2020-03-10",
    "2019-01-11": "2019-11-01",
    "2019-12-05": "2019-05-12",
    "2018-03-12": "2018-12-03",
    "2018-11-09": "2018-09-11",
}


def test_the_order_of_the_rows_settles_which_day_is_meant(case_of: Callable[[str], Case]) -> None:
    case = case_of("01-dates-exchanged-csv")
    read = dict(
        query(
            case,
            """
        select r.visit_date, s.visit_date_iso from raw.visits as r join staging.stg_visits as s using (load_id, source_file, source_row)
    """,
        )
    )
    assert {sent: read[sent] for sent in MEANT} == MEANT
    assert read["24-8-2020"] == "2020-08-24"
    days = [day for (day,) in query(case, "select visit_date from staging.stg_visits order by source_row")]
    assert days == sorted(days, reverse=True) and days[0] == date(2020, 8, 24)


def test_each_date_that_was_read_by_order_is_told(case_of: Callable[[str], Case]) -> None:
    case = case_of("01-dates-exchanged-csv")
    found = query(case, "select distinct rule, is_row from quality.rejected_row")
    assert found == [("date_read_by_order", False)]
    exchanged = query(case, "select value_text from quality.rejected_row where entity = 'visits'")
    assert set(MEANT) < {text for (text,) in exchanged} and "2019-01-01" not in {
        text for (text,) in exchanged
    }
