"""The marts suite: sound marts pass it, and each of its rules is broken once, at the hospital north."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from expectations import MARTS_SUITE, gate, load_suite, run_suite
from tests.unit import expectations_warehouse
from tests.unit.expectations_warehouse import write_marts

SUITE = load_suite(MARTS_SUITE)
TODAY = date(2024, 6, 1)
ONE = "patient_key = md5('north' || 3)"  # one of north's twelve patients
SOME = "hospital_id = 'north' and birth_year < 2008"  # three of them
THEIRS = f"patient_key in (select patient_key from dim_patient where {SOME})"

# rule, what breaks it, what is observed of the tables or hospitals that fail
LAWS = [
    ("patients_present", "delete from dim_patient", [0]),
    ("patient_unique", f"insert into fct_follow_up from fct_follow_up where {ONE}", ["2 of 25 (8.0 %)"]),
    (
        "endpoint_unique",
        f"insert into fct_time_to_event from fct_time_to_event where {ONE}",
        ["2 of 25 (8.0 %)"],
    ),
    (
        "hospital_unique",
        "insert into dim_hospital from dim_hospital where hospital_id = 'north'",
        ["2 of 3 (66.7 %)"],
    ),
    (
        "concept_unique",
        "insert into dim_concept from dim_concept where concept_id = 'ck'",
        ["2 of 3 (66.7 %)"],
    ),
    (
        "fact_keys_unique",
        f"insert into fct_event from fct_event where {ONE}",
        ["1 of 5 facts: fct_event 1 of 1 (100.0 %)"],
    ),
    (
        "fact_keys_unique",
        f"update fct_visit set visit_key = null where {ONE}",
        ["1 of 5 facts: fct_visit 1 of 1 (100.0 %)"],
    ),
    (
        "patient_known",
        f"update fct_treatment set hospital_id = 'south' where {ONE}",
        ["1 of 10 facts: fct_treatment 1 of 24 (4.2 %)"],
    ),
    (
        "patient_whole",
        f"delete from dim_antibody_status where {ONE}",
        ["1 of 4 parts: antibody status 1 of 24 (4.2 %)"],
    ),
    (
        "patient_whole",
        f"delete from fct_time_to_event where {ONE}",
        ["1 of 4 parts: endpoint relapse 1 of 24 (4.2 %)"],
    ),
    (
        "patient_whole",
        f"delete from fct_definition where definition_id = 'mas_2016' and {ONE}",
        ["1 of 4 parts: definition mas_2016 1 of 24 (4.2 %)"],
    ),
    (
        "patient_known",
        "update patient_link set hospital_id = 'south' where hospital_id = 'north' and person_key = '2007'",
        ["1 of 10 facts: patient_link 1 of 6 (16.7 %)"],
    ),
    (
        "definition_unique",
        f"insert into fct_definition from fct_definition where definition_id = 'mas_2016' and {ONE}",
        ["2 of 49 (4.1 %)"],
    ),
    (
        "definition_known",
        "update dim_definition set version = 2 where definition_id = 'mas_2016'",
        ["1 of 2 (50.0 %)"],
    ),
    (
        "definition_status_accepted",
        f"update fct_definition set status = 'maybe' where {ONE}",
        ["2 of 48 (4.2 %)"],
    ),
    (
        "definition_says_what_is_missing",
        f"update fct_definition set inputs_missing = null where {ONE}",
        ["1 of 2 definitions: bohan_peter_1975 1 of 24 (4.2 %)"],
    ),
    (
        "definition_within_bounds",
        f"update fct_definition set value = 5 where definition_id = 'mas_2016' and {ONE}",
        ["1 of 2 definitions: mas_2016 1 of 24 (4.2 %)"],
    ),
    (
        "link_unique",
        "insert into patient_link from patient_link where person_key = '2007' and hospital_id = 'north'",
        ["2 of 7 (28.6 %)"],
    ),
    (
        "link_of_two_hospitals",
        "delete from patient_link where person_key = '2007' and hospital_id = 'north'",
        ["1 of 3 (33.3 %)"],
    ),
    (
        "link_guarded",
        f"update dim_patient set birth_year = 1999 where {ONE.replace('3)', '2)')}",
        ["1 of 3 (33.3 %)"],
    ),
    ("hospital_known", "delete from dim_hospital where hospital_id = 'north'", ["12 of 24 (50.0 %)"]),
    ("concept_known", "delete from dim_concept where concept_id = 'ck'", ["1 of 2 (50.0 %)"]),
    (
        "value_in_canonical_unit",
        f"update fct_observation set unit_canonical = 'kU/L' where {ONE}",
        ["2 of 4 (50.0 %)"],
    ),
    (
        "value_physically_possible",
        f"update fct_observation set value_canonical = 53 where concept_id = 'cmas' and {ONE}",
        ["1 of 2 concepts: cmas 2 of 48 (4.2 %)"],
    ),
    (
        "value_physically_possible",
        f"update fct_observation set value_canonical = 'nan' where concept_id = 'ck' and {ONE}",
        ["1 of 2 concepts: ck 2 of 48 (4.2 %)"],
    ),
    (
        "censored_value_not_a_number",
        f"update fct_observation set comparator = '<' where {ONE}",
        ["4 of 4 (100.0 %)"],
    ),
    (
        "censored_value_has_limit",
        f"update fct_observation set comparator = '<', value_canonical = null, lower_limit = 0 where {ONE}",
        ["2 of 2 concepts: ck 2 of 2 (100.0 %), cmas 2 of 2 (100.0 %)"],
    ),
    (
        "censored_value_has_limit",
        f"update fct_observation set comparator = '>', lower_limit = 9, upper_limit = 3 where {ONE}",
        ["2 of 2 concepts: ck 2 of 2 (100.0 %), cmas 2 of 2 (100.0 %)"],
    ),
    ("comparator_accepted", f"update fct_observation set comparator = '~' where {ONE}", ["4 of 4 (100.0 %)"]),
    ("sex_accepted", f"update dim_patient set sex = 'F' where {ONE}", ["1 of 24 (4.2 %)"]),
    (
        "onset_group_accepted",
        f"update dim_patient set onset_group = 'child' where {ONE}",
        ["1 of 24 (4.2 %)"],
    ),
    ("event_status_accepted", f"update fct_event set status = 'maybe' where {ONE}", ["2 of 48 (4.2 %)"]),
    ("event_status_stated", f"update fct_event set status = null where {ONE}", ["2 of 48 (4.2 %)"]),
    (
        "antibody_conflict_undecided",
        f"update dim_antibody_status set conflict = 'mda5, nxp2' where {ONE}",
        ["1 of 1 (100.0 %)"],
    ),
    (
        "scheduled_visit_unique",
        f"update fct_visit set scheduled_visit = 'month_0' where {ONE}",
        ["2 of 48 (4.2 %)"],
    ),
    (
        "scheduled_visit_named",
        f"update fct_visit set scheduled_visit = null where {ONE}",
        ["2 of 48 (4.2 %)"],
    ),
    ("visit_value_unique", f"update fct_observation set concept_id = 'ck' where {ONE}", ["2 of 94 (2.1 %)"]),
    (
        "time_to_endpoint_not_negative",
        f"update fct_time_to_event set time_days = -1 where {ONE}",
        ["1 of 24 (4.2 %)"],
    ),
    *[
        ("endpoint_consistent", f"update fct_time_to_event set {change} where {ONE}", ["1 of 24 (4.2 %)"])
        for change in (
            "is_event = false",  # and no reason why censored
            "censor_reason = 'lost'",  # and yet an event
            "outcome_known = false",
            "end_date = end_date + 2",
            "time_months = 5",
            "is_event = null",
        )
    ],
    (
        "records_balance",
        "update quality.source_table set records_accepted = 98 where entity = 'patients'",
        ["1 of 2 entities: patients 2 of 2 (100.0 %)"],
    ),
    (
        "records_balance",
        "update quality.source_table set records_staged = 99 where entity = 'patients'",
        ["1 of 2 entities: patients 2 of 2 (100.0 %)"],
    ),
]
QUALITY = [
    (
        "deliveries_arrived",
        "update quality.delivery set delivery_id = '2023-11' where sender_id = 'north'",
        "1 of 1 senders: north 1 of 1 (100.0 %)",
    ),
    (
        "records_understood",
        "update quality.source_table set records_counted = 3 where sender_id = 'north'",
        "1 of 2 senders: north 2 of 2 (100.0 %)",
    ),
    ("visit_known", f"delete from fct_visit where scheduled_visit = 'month_3' and {ONE}", "1 of 24 (4.2 %)"),
    ("sex_complete", f"update dim_patient set sex = null where {SOME}", "3 of 12 (25.0 %)"),
    ("birth_year_complete", f"update dim_patient set birth_year = null where {SOME}", "3 of 12 (25.0 %)"),
    (
        "age_at_onset_complete",
        f"update dim_patient set age_at_onset_years = null where {SOME}",
        "3 of 12 (25.0 %)",
    ),
    ("baseline_complete", f"delete from fct_visit where nominal_month = 0 and {THEIRS}", "3 of 12 (25.0 %)"),
    ("patient_measured", f"delete from fct_observation where {THEIRS}", "3 of 12 (25.0 %)"),
    (
        "event_timed",
        f"update fct_event set time_days = null where status = 'present' and {THEIRS}",
        "1 of 1 events: relapse 3 of 12 (25.0 %)",
    ),
    ("antibodies_tested", f"update dim_antibody_status set n_tests = 0 where {THEIRS}", "3 of 12 (25.0 %)"),
    (
        "concept_complete",
        """
        delete from fct_observation where hospital_id = 'north' and concept_id = 'ck' and patient_key in
            (select patient_key from dim_patient where hospital_id = 'north' and birth_year < 2012)
     """,
        "1 of 2 concepts: ck 7 of 12 (58.3 %)",
    ),
    (
        "result_numeric",
        f"update fct_observation set value_canonical = null where concept_id = 'ck' and {THEIRS}",
        "1 of 2 concepts: ck 6 of 24 (25.0 %)",
    ),
    (
        "follow_up_complete",
        f"update fct_time_to_event set outcome_known = false where {THEIRS}",
        "1 of 1 endpoints: relapse 3 of 12 (25.0 %)",
    ),
    (
        "value_plausible_by_age_and_sex",
        f"""
        update fct_observation set value_canonical = 60000 where concept_id = 'ck' and {ONE}
     """,
        "1 of 2 concepts: ck 2 of 24 (8.3 %)",
    ),
    (
        "value_plausible_by_age_and_sex",
        f"""
        update fct_observation set value_canonical = 52 where concept_id = 'cmas' and {THEIRS};
        update dim_patient set birth_year = 2018 where {SOME}
     """,
        "1 of 2 concepts: cmas 6 of 24 (25.0 %)",
    ),
    ("age_fits_hospital", f"update dim_patient set onset_group = 'adult' where {SOME}", "3 of 12 (25.0 %)"),
    ("age_possible", f"update dim_patient set age_at_onset_years = -0.5 where {ONE}", "1 of 12 (8.3 %)"),
    (
        "disease_duration_possible",
        f"update dim_patient set disease_duration_months = -1 where {ONE}",
        "1 of 12 (8.3 %)",
    ),
    ("sex_and_age_undisputed", f"update dim_patient set has_conflict = true where {ONE}", "1 of 12 (8.3 %)"),
    (
        "antibodies_undisputed",
        f"update dim_antibody_status set conflict = 'mda5, nxp2' where {ONE}",
        "1 of 12 (8.3 %)",
    ),
    (
        "antibody_numbers_are_no_grades",
        f"update fct_antibody_result set result_text = '2,0' where hospital_id = 'north' and not {THEIRS}",
        "1 of 1 assays: line_blot 12 of 12 (100.0 %)",
    ),
    (
        "not_before_birth",
        f"update fct_treatment set start_date = date '1919-05-01' where {ONE}",
        "1 of 6 facts: fct_treatment 1 of 12 (8.3 %)",
    ),
    (
        "not_in_the_future",
        f"update fct_event set event_date = date '2024-06-02' where {ONE}",
        "1 of 6 facts: fct_event 1 of 12 (8.3 %)",
    ),
    (
        "not_after_death",
        f"update fct_event set event_id = 'death', time_days = 50, event_date = null where {ONE}",
        "2 of 3 facts: fct_observation 1 of 2 (50.0 %), fct_visit 1 of 2 (50.0 %)",
    ),
    (
        "not_after_death",
        "update fct_follow_up set status = 'died', last_seen_days = null,"
        f" last_seen_date = last_seen_date - 1020 where {ONE}",
        "3 of 4 facts: fct_event 1 of 1 (100.0 %), fct_observation 1 of 2 (50.0 %), fct_visit 1 of 2 (50.0 %)",
    ),
    (
        "not_after_last_seen",
        f"update fct_follow_up set last_seen_date = last_seen_date - 1000 where {ONE}",
        "1 of 3 facts: fct_event 1 of 12 (8.3 %)",
    ),
    (
        "not_after_discharge",
        f"update fct_visit set visit_end_date = visit_date + 5 where {ONE};"
        f" update fct_observation set observed_at = observed_at + interval 6 day where time_days > 0 and {ONE}",
        "1 of 2 (50.0 %)",
    ),
    (
        "not_before_admission",
        f"update fct_visit set visit_end_date = visit_date + 5 where {ONE};"
        f" update fct_observation set observed_date = observed_date - 1 where concept_id = 'ck' and {ONE}",
        "2 of 4 (50.0 %)",
    ),
    (
        "stay_in_order",
        f"update fct_visit set visit_end_date = visit_date - 1 where {ONE}",
        "2 of 2 (100.0 %)",
    ),
    (
        "treatment_in_order",
        f"update fct_treatment set stop_date = start_date - 1 where {ONE}",
        "1 of 12 (8.3 %)",
    ),
    (
        "patient_not_twice",
        f"insert into dim_patient select * replace ('x' as patient_key) from dim_patient where {ONE}",
        "2 of 13 (15.4 %)",
    ),
    (
        "result_not_repeated",
        f"insert into fct_observation from fct_observation where {THEIRS}",
        "2 of 2 concepts: ck 6 of 24 (25.0 %), cmas 6 of 24 (25.0 %)",
    ),
    (
        "like_other_deliveries",
        """
        insert into fct_observation
        select * replace ('2024-02' as delivery_id, value_canonical * 16.7 as value_canonical)
        from fct_observation where hospital_id = 'north' and concept_id = 'ck'
     """,
        "1 of 1 concepts: ck 2 of 2 (100.0 %)",
    ),
]
BETWEEN = "like_other_hospitals"


def change(database: Path, sql: str) -> None:
    expectations_warehouse.change(database, f"set schema = 'marts'; {sql}")


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    return write_marts(tmp_path_factory.mktemp("marts") / "warehouse.duckdb")


@pytest.fixture
def marts(sound, tmp_path) -> Path:
    return shutil.copy(sound, tmp_path / "warehouse.duckdb")


def run(database: Path, *rules: str, **how):
    suite = SUITE.model_copy(update={"rules": [r for r in SUITE.rules if not rules or r.id in rules]})
    return run_suite(database, suite, today=TODAY, **how)


def test_sound_marts_pass_every_rule(marts):
    assert [r.sentence() for r in run(marts) if not r.passed] == []


@pytest.mark.parametrize(("rule", "breaks", "observed"), LAWS)
def test_a_law_of_the_models_that_is_broken_stops_the_release(marts, rule, breaks, observed):
    change(marts, breaks)

    assert [r.observed for r in gate(run(marts, rule))] == observed


@pytest.mark.parametrize(("rule", "breaks", "observed"), QUALITY)
def test_a_hospitals_fault_is_found_at_that_hospital_and_stops_no_release(marts, rule, breaks, observed):
    change(marts, breaks)

    results = run(marts, rule)

    failed = [(r.hospital_id, r.observed) for r in results if not r.passed]
    per_hospital = next(r for r in SUITE.rules if r.id == rule).per
    assert failed == [("north" if per_hospital else None, observed)]
    assert gate(results) == []


def test_every_rule_has_a_case_that_breaks_it():
    assert {rule.id for rule in SUITE.rules} == {case[0] for case in (*LAWS, *QUALITY)} | {BETWEEN}


def test_laws_block_and_quality_warns():
    laws, quality = {case[0] for case in LAWS}, {case[0] for case in QUALITY} | {BETWEEN}

    assert {r.id for r in SUITE.rules if r.severity == "blocking"} == laws
    assert {r.id for r in SUITE.rules if r.severity == "warning"} == quality


@pytest.mark.parametrize(
    ("factor", "found"),
    [
        (1.0, []),
        (1.02, []),  # a shift within the spread
        (16.67, ["north", "south"]),  # nkat/L taken for U/L
        (1 / 60, ["north", "south"]),  # µkat/L taken for U/L
    ],
)
def test_a_unit_mistaken_at_one_hospital_shows_as_a_shift(marts, factor, found):
    change(
        marts,
        f"""
        update fct_observation set value_canonical = value_canonical * {factor}
        where hospital_id = 'north' and concept_id = 'ck'
    """,
    )

    failed = [r for r in run(marts, BETWEEN) if not r.passed]
    assert [r.hospital_id for r in failed] == found
    assert {r.observed for r in failed} <= {"1 of 2 concepts: ck 1 of 1 (100.0 %)"}


@pytest.mark.parametrize(
    ("what", "sql"),
    [
        (
            "fewer than ten patients",
            "delete from fct_observation where patient_key in"
            " (select patient_key from dim_patient where hospital_id = 'north' and birth_year < 2008)",
        ),
        ("children and adults", "update dim_patient set onset_group = 'adult' where hospital_id = 'north'"),
    ],
)
def test_a_shift_is_not_judged_between_what_should_differ_or_is_too_small(marts, what, sql):
    change(marts, "update fct_observation set value_canonical = 9e4 where hospital_id = 'north'; " + sql)

    assert {r.observed for r in run(marts, BETWEEN)} == {"0 of 0 concepts"}, what


def test_outliers_make_no_shift(marts):
    change(marts, f"update fct_observation set value_canonical = 1e6 where concept_id = 'ck' and {ONE}")

    assert [r.passed for r in run(marts, BETWEEN)] == [True, True]


def test_a_stay_that_ends_at_an_hour_ends_then_and_one_that_ends_on_a_day_at_its_end(marts):
    change(
        marts,
        f"""
        update fct_visit set visit_end_date = visit_date where time_days > 0 and {ONE};
        update fct_observation set observed_at = observed_at + interval 13 hour where time_days > 0 and {ONE}
    """,
    )
    by_day = [r.observed for r in run(marts, "not_after_discharge") if r.hospital_id == "north"]
    change(marts, "update fct_visit set visit_end_at = visit_end_date + interval 12 hour")
    by_hour = [r.observed for r in run(marts, "not_after_discharge") if r.hospital_id == "north"]

    assert (by_day, by_hour) == (["0 of 1 (0.0 %)"], ["1 of 1 (100.0 %)"])


@pytest.mark.parametrize(
    ("last", "day", "is_due"),
    [
        ("delivery_id = '2023-12-01'", date(2024, 6, 1), False),
        ("delivery_id = '2023-12-01'", date(2024, 6, 2), True),
        ("delivery_id = '2023-11'", date(2024, 5, 31), True),
        ("delivery_id = 'second'", date(2024, 8, 1), False),  # arrived on 1 February
        ("load_id_in_force = null", date(2024, 2, 1), True),
    ],
)
def test_a_delivery_is_due_so_long_after_the_last_one_accepted(marts, last, day, is_due):
    change(marts, f"update quality.delivery set {last} where sender_id = 'north'")

    suite = SUITE.model_copy(update={"rules": [r for r in SUITE.rules if r.id == "deliveries_arrived"]})
    assert [r.passed for r in run_suite(marts, suite, today=day)] == [not is_due]


def test_a_result_of_the_day_after_death_may_still_arrive(marts):
    change(
        marts,
        f"""
        update fct_event set event_id = 'death', event_date = date '2020-04-20', time_days = 90
        where status = 'present' and {ONE};
        update fct_observation set observed_date = date '2020-04-21', time_days = 91 where {ONE};
        delete from fct_visit where {ONE}
    """,
    )

    assert [r.observed for r in run(marts, "not_after_death")] == ["0 of 2 facts"]


def test_the_suite_runs_on_a_release_where_the_marts_lie_in_another_schema(marts):
    empty = "create table release.dim_patient as from dim_patient where sex is null"
    change(marts, f"create schema release; {empty}")

    [result] = run(marts, "patients_present", schema="release")

    assert (result.observed, result.passed) == (0, False)


def test_a_rule_takes_one_query_whatever_the_number_of_hospitals(marts, monkeypatch):
    from expectations import counted

    change(
        marts,
        """
        insert into dim_patient
        select p.* replace ('h' || i as hospital_id) from dim_patient as p, range(300) as t (i)
        where p.hospital_id = 'north'
    """,
    )
    queries: list[int] = []
    groups = counted._groups

    def counting(names, rows):
        queries.append(len(rows))
        return groups(names, rows)

    monkeypatch.setattr(counted, "_groups", counting)

    results = run(marts, "sex_complete", "age_fits_hospital")

    assert (len(results), queries) == (302 * 2 - 300, [302, 2])
