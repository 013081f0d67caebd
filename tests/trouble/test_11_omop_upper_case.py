"""Case 11: OMOP exports in capitals, as OHDSI's own Eunomia and most databases write them."""

from __future__ import annotations

from collections.abc import Callable

from tests.trouble.case import Case, query, release_query


def test_column_names_in_capitals_are_those_of_the_ready_made_mapping(case_of: Callable[[str], Case]) -> None:
    registry = case_of("11-omop-upper-case")
    assert query(registry, "select state, reason from raw.delivery") == [("accepted", "")]
    assert release_query(
        registry,
        "select concept_id, comparator, upper_limit, unit_canonical, source_file from release.fct_observation",
    ) == [("ck", "<", 10.0, "U/L", "measurement.csv")]
