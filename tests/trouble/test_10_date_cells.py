"""A cell that is a date is that date, whatever `dates` says of texts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tests.trouble.case import Case, query


def test_true_date_cells_are_read_beside_texts(case_of: Callable[[str], Case]) -> None:
    case = case_of("10-true-date-cells-refused")
    assert query(case, "select source_row, observed_at from intermediate.int_observations order by 1") == [
        (2, datetime(2021, 3, 24)),
        (3, datetime(2021, 3, 25)),
        (4, datetime(2021, 3, 26, 13, 30)),
    ]
    assert query(case, "select count(*) from quality.rejected_row") == [(0,)]
