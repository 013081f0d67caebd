"""Case 17: patient, test and unit stand in a second table, to which each result refers by a code."""

from __future__ import annotations

from collections.abc import Callable

from tests.trouble.case import Case, query, release_query


def test_one_list_fills_the_patient_the_test_and_the_unit_of_each_result(
    case_of: Callable[[str], Case],
) -> None:
    registry = case_of("17-name-and-unit-in-a-second-table")
    rows = release_query(
        registry,
        """
        select source_row, concept_id, value, unit_source, value_canonical is not null as is_understood
        from release.fct_observation where not is_derived order by source_row
    """,
    )
    assert rows == [(2, "sodium", 141.0, "mmol/L", True), (3, "creatinine", 29.0, "µmol/L", True)]
    assert query(registry, "select count(*) from quality.rejected_row") == [(0,)]
    assert query(
        registry,
        "select count(distinct patient_key) from raw.observations join raw.patients using (patient_key)",
    ) == [(1,)]
