"""eICU: 79 hospitals in one export, offsets in place of dates, two unit columns; every measured defect is found."""

from __future__ import annotations

import pytest

from orchestration.registry import Registry
from tests.registries import MAPPINGS, copy_registry, query, run


@pytest.fixture(scope="module")
def eicu(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = copy_registry(MAPPINGS / "eicu", tmp_path_factory.mktemp("eicu") / "registry")
    assert run(registry).refusals == []
    return registry


def test_all_laboratory_rows_are_accepted_or_rejected_with_a_reason(eicu: Registry) -> None:
    rows = query(eicu, "select records, records_accepted, records_rejected from quality.source_table where source_file = 'lab.csv'")
    assert rows == [(29961, 29748, 213)]
    rules = query(
        eicu, "select rule, count(*) from quality.rejected_row where source_file = 'lab.csv' and reason is not null group by all order by 1"
    )
    assert rules == [("physically_impossible", 59), ("unit_without_rule", 36), ("units_disagree", 118)]


def test_the_98_censored_results_keep_comparator_and_limit(eicu: Registry) -> None:
    assert query(
        eicu, "select count(*), count(value) from staging.stg_observations where comparator is not null and source_file = 'lab.csv'"
    ) == [(98, 98)]
    assert query(
        eicu,
        "select count(*) from marts.fct_observation where comparator is not null"
        " and (value_canonical is not null or coalesce(lower_limit, upper_limit) is null) and conversion_rule <> 'unit_missing'",
    ) == [(0,)]


def test_an_age_above_89_is_a_bound(eicu: Registry) -> None:
    assert query(
        eicu, "select value_text, comparator, lower_limit, value_canonical, count(*) from marts.fct_observation"
        " where concept_id = 'age' and comparator is not null group by all"
    ) == [("> 89", ">", 89.0, None, 4)]


def test_results_of_one_stay_test_and_minute_are_one_result_and_the_later_row_stands(eicu: Registry) -> None:
    assert query(eicu, "select count(*) from quality.superseded_row where source_file = 'lab.csv'") == [(84,)]


def test_units_that_contradict_each_other_are_flagged_and_spellings_are_not(eicu: Registry) -> None:
    crp = query(eicu, "select value_text from quality.rejected_row where rule = 'units_disagree' and value_text ilike 'mg/l | mg/dl'")
    assert len(crp) == 3
    white_cells = query(
        eicu, "select count(distinct unit_source) from marts.fct_observation where concept_id = 'wbc' and conversion_rule <> 'unit_missing'"
    )
    assert white_cells[0][0] >= 20


def test_hospitals_come_from_the_column_that_names_them(eicu: Registry) -> None:
    assert query(eicu, "select count(distinct hospital_id) from marts.dim_patient") == [(79,)]
    assert query(eicu, "select count(*), count(distinct patient_key) from marts.fct_visit") == [(174, 100)]


def test_an_offset_never_becomes_a_date(eicu: Registry) -> None:
    assert query(eicu, "select count(observed_date), count(days_from_visit) > 29000 from marts.fct_observation") == [(0, True)]
    assert query(eicu, "select count(*) from marts.fct_event where event_id = 'death' and status = 'present'") == [(5,)]
