"""The raw suite: a whole delivery passes it, and each of its rules is broken once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from expectations import RAW_SUITE, gate, load_suite, run_suite
from expectations.suite import Suite
from tests.unit.expectations_warehouse import LOAD, change, write_raw

SUITE = load_suite(RAW_SUITE)
ID_NUMBER, TELEPHONE, MAIL = "33010619850307123X", "13912345678", "li.si@hospital.cn"

# rule, what breaks it, what is observed of the first table that fails
BROKEN = [
    (
        "entity_delivered",
        "update raw.source_table set records = 0 where entity = 'visits'",
        "1 of 2 entities: visits 1 of 1 (100.0 %)",
    ),
    (
        "rows_give_records",
        "update raw.source_table set records = 0 where entity = 'events'",
        "1 of 7 entities: events 1 of 1 (100.0 %)",
    ),
    (
        "table_not_empty",
        "update raw.source_table set rows_read = 0 where entity = 'events'",
        "1 of 7 entities: events 1 of 1 (100.0 %)",
    ),
    (
        "records_all_written",
        "delete from raw.observations where source_row = 5",
        "1 of 7 entities: observations 1 of 1 (100.0 %)",
    ),
    (
        "records_all_written",
        "insert into raw.visits by name select * from raw.visits where source_row = 5",
        "1 of 7 entities: visits 1 of 1 (100.0 %)",
    ),
    (
        "records_all_written",
        "delete from raw.source_table where entity = 'treatments'",
        "1 of 7 entities: treatments 1 of 1 (100.0 %)",
    ),
    ("malformed_lines_kept", "delete from raw.rejected_line", "1 of 7 (14.3 %)"),
    (
        "file_digest_present",
        "update raw.delivery_file set sha256 = 'x' where source_file = 'events.csv'",
        "1 of 7 (14.3 %)",
    ),
    (
        "file_digest_not_null",
        "update raw.delivery_file set sha256 = null where source_file = 'events.csv'",
        "1 of 7 (14.3 %)",
    ),
    (
        "file_once",
        "update raw.delivery_file set sha256 = sha256('events.csv') where source_file = 'visits.csv'",
        "2 of 7 (28.6 %)",
    ),
    (
        "text_decoded",
        "update raw.events set event_source = 'Fi�vre' where source_row = 2",
        "1 of 5 entities: events 1 of 60 (1.7 %)",
    ),
    (
        "provenance_present",
        "update raw.follow_up set source_file = null where source_row = 2",
        "1 of 60 (1.7 %)",
    ),
    (
        "source_row_present",
        "update raw.antibodies set source_row = null where source_row = 2",
        "1 of 60 (1.7 %)",
    ),
    (
        "source_row_positive",
        "update raw.treatments set source_row = 0 where source_row = 2",
        "1 of 60 (1.7 %)",
    ),
    ("hospital_named", "update raw.patients set hospital_id = null where source_row < 6", "4 of 60 (6.7 %)"),
    ("patient_named", "update raw.patients set patient_key = null where source_row < 9", "7 of 60 (11.7 %)"),
    (
        "record_names_patient",
        "update raw.observations set visit_key = null where source_row < 17",
        "1 of 6 entities: observations 15 of 120 (12.5 %)",
    ),
    (
        "keys_are_hashes",
        "update raw.visits set visit_key = 'ZY-4711' where source_row = 2",
        "1 of 7 entities: visits 1 of 120 (0.8 %)",
    ),
    (
        "keys_are_hashes",
        "update raw.patients set patient_key = upper(patient_key) where source_row = 3",
        "1 of 7 entities: patients 1 of 60 (1.7 %)",
    ),
    (
        "patients_found",
        "update raw.treatments set patient_key = md5(patient_key) where source_row < 40",
        "1 of 6 entities: treatments 38 of 60 (63.3 %)",
    ),
    (
        "patients_mostly_found",
        "update raw.events set patient_key = md5(patient_key) where source_row < 7",
        "1 of 6 entities: events 5 of 60 (8.3 %)",
    ),
    (
        "no_identifiers",
        f"update raw.events set detail = 'card {ID_NUMBER}' where source_row = 2",
        "1 of 7 entities: events 1 of 60 (1.7 %)",
    ),
    (
        "no_identifiers",
        f"update raw.observations set value_text = '{TELEPHONE}' where source_row = 2",
        "1 of 7 entities: observations 1 of 3 (33.3 %)",
    ),
    (
        "no_identifiers",
        f"update raw.follow_up set reason = 'wrote to {MAIL}' where source_row = 2",
        "1 of 7 entities: follow_up 1 of 60 (1.7 %)",
    ),
    (
        "texts_are_short",
        "update raw.observations set value_text = repeat('x', 501) where source_row = 2",
        "1 of 120 (0.8 %)",
    ),
    (
        "details_are_short",
        "update raw.events set detail = repeat('x', 2001) where source_row = 2",
        "1 of 1 (100.0 %)",
    ),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return write_raw(tmp_path_factory.mktemp("raw") / "warehouse.duckdb")


@pytest.fixture
def delivery(whole, tmp_path) -> Path:
    return shutil.copy(whole, tmp_path / "warehouse.duckdb")


def run(database: Path, *rules: str, load: str = LOAD, delivered: str = "patients,visits"):
    suite: Suite = SUITE
    if rules:
        suite = SUITE.model_copy(update={"rules": [r for r in SUITE.rules if r.id in rules]})
    return run_suite(database, suite, parameters={"load_id": load, "delivered": delivered})


def test_a_whole_delivery_passes_every_rule(delivery):
    results = run(delivery)

    assert [r.sentence() for r in results if not r.passed] == []
    assert {r.table for r in results if r.observed == "0 of 0"} == {"events"}, "only details are not sent"


@pytest.mark.parametrize(("rule", "breaks", "observed"), BROKEN)
def test_a_rule_fails_when_it_is_broken_and_says_by_how_much(delivery, rule, breaks, observed):
    change(delivery, breaks)

    assert [r.observed for r in run(delivery, rule) if not r.passed] == [observed]


def test_every_rule_has_a_case_that_breaks_it():
    assert {rule.id for rule in SUITE.rules} == {case[0] for case in BROKEN}


def test_only_the_load_that_is_asked_is_examined(delivery):
    change(
        delivery,
        """
        insert into raw.events by name
        select * replace ('load_0' as load_id, '13912345678' as detail) from raw.events where source_row = 2
    """,
    )

    assert gate(run(delivery, "no_identifiers", "records_all_written")) == []
    assert [r.expectation for r in gate(run(delivery, "no_identifiers", load="load_0", delivered=""))] == [
        "no_identifiers"
    ]


def test_patients_of_an_earlier_accepted_load_are_known_and_of_a_refused_one_are_not(delivery):
    change(delivery, "update raw.patients set load_id = 'load_0', delivery_id = '2023-12'")
    refused = run(delivery, "patients_found")
    change(
        delivery,
        """
        insert into raw.delivery values
            ('north', '2023-12', 'load_0', 'accepted', 'incremental', 'c', 'm', timestamp '2024-01-01', '')
    """,
    )
    accepted = run(delivery, "patients_found")

    assert ([r.passed for r in refused], [r.passed for r in accepted]) == ([False], [True])


@pytest.mark.parametrize(
    "text",
    [
        "1391234567",  # ten digits
        "139123456789",  # twelve
        "0.13912345678",  # a fraction
        "330106198513071234",  # no such month
        "33010619850307",  # fourteen digits
        "20240131083000",  # a time
        "1:320",
        "295.30/Pos",
        "@",
    ],
)
def test_what_only_resembles_an_identifier_is_let_in(delivery, text):
    change(delivery, f"update raw.observations set value_text = '{text}'")

    assert gate(run(delivery, "no_identifiers")) == []


@pytest.mark.parametrize(
    "text",
    [
        ID_NUMBER,
        f"id:{ID_NUMBER};",
        ID_NUMBER.lower(),
        TELEPHONE,
        f"Tel. {TELEPHONE}",
        MAIL,
    ],
)
def test_an_identifier_is_found_alone_and_within_a_text(delivery, text):
    change(delivery, f"update raw.observations set unit_source = '{text}'")

    [failed] = gate(run(delivery, "no_identifiers"))

    assert failed.observed == "1 of 7 entities: observations 2 of 2 (100.0 %)"
    assert text not in failed.sentence()


def test_a_missing_or_unknown_parameter_is_named(delivery):
    with pytest.raises(ValueError, match=r'suite raw needs "load_id" \(the load that is asked\); found none'):
        run_suite(delivery, SUITE)
    with pytest.raises(ValueError, match=r'suite raw has no parameter "loadid"\. Did you mean "load_id"\?'):
        run_suite(delivery, SUITE, parameters={"loadid": LOAD})


def test_a_parameter_is_a_text_and_never_sql(delivery):
    results = run(delivery, "source_row_present", load="x' or '1' = '1")

    assert {r.observed for r in results} == {"0 of 0"}
