"""eICU: 79 hospitals in one export, offsets in place of dates, two unit columns; every measured defect is
found.
"""

from __future__ import annotations

import pytest

from orchestration.registry.folder import Registry
from tests.registries import MAPPINGS, copy_registry, query, run_to_marts


@pytest.fixture(scope="module")
def eicu(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = copy_registry(MAPPINGS / "eicu", tmp_path_factory.mktemp("eicu") / "registry")
    run_to_marts(registry)
    return registry


def found(eicu: Registry, finding: str, file: str = "lab.csv") -> list[tuple]:
    return query(
        eicu, f"select n_found from quality.finding where finding = '{finding}' and source_file = '{file}'"
    )


def test_all_laboratory_rows_are_accepted_or_rejected_with_a_reason(eicu: Registry) -> None:
    rows = query(
        eicu,
        "select records, records_accepted, records_rejected from quality.source_table where source_file = 'lab.csv'",
    )
    assert rows == [(29961, 29747, 214)]
    rules = query(
        eicu,
        "select rule, count(*) from quality.rejected_row where source_file = 'lab.csv' and reason is not null group by all order by 1",
    )
    # serum ketones: all of them, or one
    assert rules == [
        ("concept_ambiguous", 1),
        ("physically_impossible", 59),
        ("unit_without_rule", 36),
        ("units_disagree", 118),
    ]


def test_the_98_censored_results_keep_comparator_and_limit(eicu: Registry) -> None:
    assert found(eicu, "result_censored") == [(98,)]
    assert query(
        eicu,
        "select count(*) from marts.fct_observation where comparator is not null"
        " and (value_canonical is not null or coalesce(lower_limit, upper_limit) is null) and conversion_rule <> 'unit_missing'",
    ) == [(0,)]


def test_an_age_above_89_is_a_bound(eicu: Registry) -> None:
    assert found(eicu, "result_censored", "patient.csv") == [(4,)]
    assert query(
        eicu,
        "select value_text, comparator, lower_limit, value_canonical, count(*) from marts.fct_observation"
        " where concept_id = 'age' and comparator is not null group by all",
    ) == [("> 89", ">", 89.0, None, 4)]


def test_results_of_one_stay_test_and_minute_are_one_result_and_the_later_row_stands(eicu: Registry) -> None:
    """84 duplicate keys. By their numeric column 40 agree; of one of these both numbers are empty, and the
    texts are 40 and 52.
    """
    assert found(eicu, "same_again") + found(eicu, "other_value_again") == [(39,), (45,)]


def test_units_that_contradict_each_other_are_flagged_and_spellings_are_not(eicu: Registry) -> None:
    crp = query(
        eicu,
        "select value_text from quality.rejected_row where rule = 'units_disagree' and value_text ilike 'mg/l | mg/dl'",
    )
    assert len(crp) == 3
    assert found(eicu, "units_disagree") == [(118,)]
    assert query(
        eicu,
        "select lower(value_text), count(*) from quality.rejected_row where rule = 'units_disagree' group by all order by 2 desc, 1",
    ) == [
        ("mmol/l | mg/dl", 75),
        ("meq/l | mg/dl", 18),
        ("umol/l | mcg/dl", 15),
        ("mg/l | mg/dl", 3),
        ("l | mls", 2),
        ("mcmol/l | mcg/dl", 2),
        ("g/dl | mg/dl", 1),
        ("mcg/ml | mg/dl", 1),
        ("ng/ml | ng/dl", 1),
    ]
    assert query(
        eicu,
        "select concept_id, count(distinct unit_source), string_agg(unit_source, ', ') filter (where n_rejected > 0)"
        " from quality.unit_spelling where concept_id in ('wbc', 'platelets') group by all order by 1",
    ) == [("platelets", 25, "10"), ("wbc", 25, "10")]  # 10 is a unit that was cut off


def test_hospitals_come_from_the_column_that_names_them(eicu: Registry) -> None:
    assert query(eicu, "select count(distinct hospital_id) from marts.dim_patient") == [(79,)]
    assert query(eicu, "select count(*), count(distinct patient_key) from marts.fct_visit") == [(174, 100)]


def test_an_offset_never_becomes_a_date(eicu: Registry) -> None:
    assert query(
        eicu, "select count(observed_date), count(days_from_visit) > 29000 from marts.fct_observation"
    ) == [(0, True)]
    assert query(
        eicu, "select count(*) from marts.fct_event where event_id = 'death' and status = 'present'"
    ) == [(9,)]


def test_rows_and_hospitals_of_the_study_s_tests_are_those_that_were_sent(eicu: Registry) -> None:
    """Counted in the file itself: CPK 97 rows of 34 hospitals, AST 359 of 70, ALT 347 of 69, LDH 23 of 7,
    ferritin 10 of 10.
    """
    assert query(
        eicu,
        "select o.concept_id, count(*), count(distinct v.hospital_id) from intermediate.int_observations as o"
        " join intermediate.int_visits as v using (sender_id, visit_key)"
        " where o.concept_id in ('ck', 'ast', 'alt', 'ldh', 'ferritin') group by all order by 1",
    ) == [("alt", 347, 69), ("ast", 359, 70), ("ck", 97, 34), ("ferritin", 10, 10), ("ldh", 23, 7)]


def test_the_stays_that_ended_in_death_are_counted(eicu: Registry) -> None:
    assert query(
        eicu, "select status, count(*) from marts.fct_event where event_id = 'death' group by all order by 1"
    ) == [
        ("absent", 162),
        ("present", 9),
    ]


def test_rows_in_are_rows_accepted_and_rows_rejected(eicu: Registry) -> None:
    assert query(
        eicu,
        "select source_file, entity, rows_read, records = records_accepted + records_rejected from quality.source_table order by all",
    ) == [
        ("lab.csv", "observations", 29961, True),
        ("patient.csv", "events", 174, True),
        ("patient.csv", "observations", 174, True),
        ("patient.csv", "patients", 174, True),
        ("patient.csv", "visits", 174, True),
    ]
