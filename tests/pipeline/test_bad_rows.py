"""What cannot be understood in a row is rejected with its place, what was found, what was expected and what
to do.
"""

from __future__ import annotations

import pytest

from orchestration.raw.ingestion import ingest
from orchestration.registry.folder import Registry
from orchestration.resources import point_at
from orchestration.warehouse.build import build
from tests.registries import query
from tests.unit.test_loading import make_registry

MAPPING = """\
sender: north
name: North Hospital
dates: ["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y"]
missing: ["n.d."]
rejected_rows_allowed: 1
codes:
  concepts: {Mood: null}
exports:
  - file: patients.csv
    patients: {patient_id: id, sex: sex, birth_date: born, origin_date: admitted}
  - file: visits.csv
    visits: {patient_id: id, visit_date: date}
  - file: labs.csv
    observations: {patient_id: id, observed_on: date, concept: test, value: result, unit: unit}
  - file: antibodies.csv
    antibodies: {patient_id: id, tested_on: date, antibody: antibody, assay: assay, result: result}
  - file: events.csv
    events: {patient_id: id, event_date: date, event: event, status: status}
"""
FILES = {
    "patients": "id,sex,born,admitted\n1,F,2012-02-30,2024-01-01\n2,X!,2010-01-01,2024-01-01\n,M,2010-01-01,2024-01-01\n",
    "visits": "id,date\n1,2024-01-01\n2,2024-01-02\n9,2024-01-03\n1,03/04/2024\n",
    "labs": (
        "id,date,test,result,unit\n"
        "1,2024-01-01,CK,100,U/L\n"
        "1,2024-01-01,AST,<5,U/L\n"
        "1,2024-01-01,CK,100,bushels\n"
        "1,2024-01-01,CK,100,mmHg\n"
        "1,2024-01-01,ALT,high,U/L\n"
        "1,2024-01-01,ALT,n.d.,U/L\n"
        "1,2024-01-01,ALT,-20,U/L\n"
        "1,2024-01-01,No such test,5,U/L\n"
        "1,2024-01-01,Mood,good,\n"
        "1,2024-13-45,ALT,20,U/L\n"
        "1,,ALT,20,U/L\n"
        "9,2024-01-01,ALT,20,U/L\n"
        ",2024-01-01,ALT,20,U/L\n"
        "1,2024-01-01,CMAS,45/52,\n"
        "1,2024-01-01,MMT8,45/52,\n"
        "1,2024-01-01,ANA titer,阳性（1：320）,\n"
        "1,2024-01-01,LDH,↓100,U/L\n"
    ),
    "antibodies": (
        "id,date,antibody,assay,result\n"
        "1,2024-01-01,anti-MJ,line blot,++\n"
        "1,2024-01-01,anti-unobtainium,line blot,++\n"
        "1,2024-01-01,MDA5,crystal ball,++\n"
        "1,2024-01-01,MDA5,line blot,perhaps\n"
    ),
    "events": "id,date,event,status\n1,2024-01-01,dysphagia,yes\n1,2024-01-01,unheard-of,yes\n1,2024-01-01,dysphagia,maybe so\n",
}


@pytest.fixture(scope="module")
def north(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = make_registry(tmp_path_factory.mktemp("bad") / "registry", MAPPING, **FILES)
    point_at(registry)
    assert ingest(registry, "north", "first").is_accepted
    results, _ = build(registry)
    assert [r.unique_id for r in results if not r.passed] == []
    return registry


def test_each_defect_has_its_rule_place_and_finding(north: Registry) -> None:
    found = query(
        north,
        "select source_file, source_row, rule, column_name, value_text from quality.rejected_row order by all",
    )
    assert found == [
        ("antibodies.csv", 3, "antibody_unknown", "antibody", "anti-unobtainium"),
        ("antibodies.csv", 4, "assay_unknown", "assay", "crystal ball"),
        ("antibodies.csv", 5, "antibody_result_unreadable", "result", "perhaps"),
        ("events.csv", 3, "event_unknown", "event", "unheard-of"),
        ("events.csv", 4, "status_unknown_word", "status", "maybe so"),
        ("labs.csv", 4, "unit_unknown", "unit", "bushels"),
        ("labs.csv", 5, "unit_without_rule", "unit", "mmHg"),
        ("labs.csv", 6, "not_a_number", "result", "high"),
        ("labs.csv", 7, "value_missing", "result", "n.d."),
        ("labs.csv", 8, "physically_impossible", "result", "-20"),
        ("labs.csv", 9, "concept_unknown", "test", "No such test"),
        ("labs.csv", 10, "concept_not_wanted", "test", "Mood"),
        ("labs.csv", 11, "date_unreadable", "date", "2024-13-45"),
        ("labs.csv", 12, "date_missing", "date", None),
        ("labs.csv", 13, "patient_unknown", "id", None),
        ("labs.csv", 14, "patient_id_missing", "id", None),
        (
            "labs.csv",
            16,
            "concept_ambiguous",
            "test",
            "MMT8",
        ),  # of one side or of both: /80 or /150 would tell
        ("patients.csv", 2, "date_unreadable", "born", "2012-02-30"),
        ("patients.csv", 3, "sex_unknown_word", "sex", "X!"),
        ("patients.csv", 4, "patient_id_missing", "id", None),
        ("visits.csv", 4, "patient_unknown", "id", None),
        ("visits.csv", 5, "date_ambiguous", "date", "03/04/2024"),
    ]


def test_a_reason_says_what_was_found_expected_and_what_to_do(north: Registry) -> None:
    assert query(
        north, "select sender_id, delivery_id, reason from quality.rejected_row where rule = 'unit_unknown'"
    ) == [
        (
            "north",
            "first",
            'found "bushels"; expected a spelling of a unit that the catalogue or the mapping knows; add the spelling under codes.units'
            " with the unit that it stands for",
        )
    ]
    assert query(north, "select count(*) from quality.rejected_row where reason is null") == [(0,)]


def test_a_faulty_cell_does_not_cost_the_patient(north: Registry) -> None:
    assert query(north, "select sex, birth_year from marts.dim_patient order by birth_year nulls first") == [
        ("female", None),
        (None, 2010),
    ]


def test_what_was_understood_is_in_marts_and_the_account_balances(north: Registry) -> None:
    assert query(
        north,
        "select concept_id, comparator, value_canonical, upper_limit from marts.fct_observation order by 1",
    ) == [
        ("ana_titre", None, 320.0, None),
        ("ast", "<", None, 5.0),
        ("ck", None, 100.0, None),
        ("cmas", None, 45.0, None),
        ("ldh", None, 100.0, None),
    ]
    assert query(
        north,
        "select entity, records, records_accepted, records_rejected from quality.source_table order by 1",
    ) == [
        ("antibodies", 4, 1, 3),
        ("events", 3, 1, 2),
        ("observations", 17, 5, 12),
        ("patients", 3, 2, 1),
        ("visits", 4, 2, 2),
    ]


def test_an_unreadable_antibody_test_leaves_no_false_negative(north: Registry) -> None:
    assert query(
        north, "select distinct msa, decided_by from marts.dim_antibody_status where msa is not null"
    ) == [
        ("NXP2", "positive in one test"),
    ]
