"""Corrections as records: applied between raw and staging, shown in the marts, and refused once they no
longer hold.
"""

from __future__ import annotations

import jinja2
import pytest

from orchestration.command import flow
from orchestration.database.raw_tables import RAW_FIELDS
from orchestration.raw.ingestion import ingest
from orchestration.registry.folder import Registry
from orchestration.resources import DBT_PROJECT
from orchestration.situation import read_situation
from orchestration.warehouse.build import build
from orchestration.warehouse.correction_cells import CorrectionsRefused
from tests.registries import opened, query, warehouse_digest
from tests.unit.test_loading import make_registry

MAPPING = """\
sender: north
name: North Hospital
rejected_rows_allowed: 1
exports:
  - file: patients.csv
    patients: {patient_id: id, sex: sex, origin_date: admitted}
    identifiers: [id, name]
  - file: visits.csv
    visits: {patient_id: id, visit_date: date}
    observations: {patient_id: id, observed_on: date, values: {ck: {column: CK, unit: U/L}, cmas: CMAS}}
    ignored: [remark]
  - file: labs_*.csv
    observations: {patient_id: id, observed_on: date, concept: test, value: result, unit: unit}
  - file: antibodies.csv
    optional: true
    antibodies: {patient_id: id, tested_on: date, antibody: antibody, assay: assay, result: result}
"""
FILES = {
    "patients": "id,name,sex,admitted\n1,Anna Example,F,2024-01-01\n2,Bert Example,M,2024-01-01\n",
    "visits": "id,date,CK,CMAS,remark\n1,2024-01-02,100,40,\n2,2024-01-02,200,41,\n2,2042-01-03,300,42,\n",
    "labs_1": "id,date,test,result,unit\n1,2024-01-02,AST,1O,U/L\n1,2024-01-02,ALT,20,bushels\n2,2024-01-02,ALT,30,bushels\n"
    "2,2024-01-02,LDH,9,U/L\n",
    "antibodies": "id,date,antibody,assay,result\n1,2024-01-02,NXP2,line blot,plus\n",
}
CORRECTIONS = """\
sender: north
corrections:
  - id: letter_o
    match: {file: labs_1.csv, delivery: first, row: 2}
    expect: {result: "1O"}
    value: {result: "10"}
    reason: a letter O for a zero; the laboratory said so on the telephone
    reported: 2024-03-01
    status: applied
  - id: bushels
    match: {file: "labs_*.csv", cells: {test: ALT}}
    expect: {unit: bushels}
    value: {unit: U/L}
    reason: the test is only measured in U/L there
    status: applied
  - id: not_this_patient
    match: {file: "labs_*.csv", cells: {test: LDH}}
    expect: {result: "9"}
    action: drop
    reason: a sample of another patient
    status: applied
  - id: year
    match: {file: visits.csv, cells: {CK: "300"}}
    expect: {date: "2042-01-03"}
    value: {date: "2024-01-03"}
    reason: two digits changed places
    status: applied
  - id: cmas_wrong
    match: {file: visits.csv, cells: {CK: "200"}}
    expect: {CMAS: "41"}
    action: reject
    reason: the sheet is lost
    status: applied
  - id: plus
    match: {file: antibodies.csv, cells: {antibody: NXP2}}
    expect: {result: plus}
    value: {result: "+"}
    reason: meant so
    status: applied
"""
MARTS = (
    "select concept_id, observed_date::varchar, value_text, value, value_canonical, unit_source, correction_id"
    " from marts.fct_observation order by all"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Registry, dict[str, str]]:
    registry = make_registry(tmp_path_factory.mktemp("corrections") / "registry", MAPPING, **FILES)
    registry = opened(registry.folder)
    assert ingest(registry, "north", "first").is_accepted
    made(registry)
    return registry, warehouse_digest(registry, ("staging", "marts"))


@pytest.fixture(scope="module")
def uncorrected(built: tuple[Registry, dict[str, str]]) -> dict[str, str]:
    """Content before any correction."""
    return built[1]


@pytest.fixture(scope="module")
def corrected_north(built: tuple[Registry, dict[str, str]]) -> Registry:
    registry = corrected(built[0])
    made(registry)
    return registry


def made(registry: Registry) -> None:
    assert [r.unique_id for r in build(registry)[0] if not r.passed] == []


def corrected(registry: Registry, text: str = CORRECTIONS) -> Registry:
    folder = registry.folder / "corrections"
    folder.mkdir(exist_ok=True)
    (folder / "north.yml").write_text(text)
    return opened(registry.folder)


def test_a_mart_shows_the_text_sent_the_number_read_and_the_record_between_them(
    corrected_north: Registry,
) -> None:
    north = corrected_north
    assert query(north, MARTS) == [
        ("alt", "2024-01-02", "20", 20.0, 20.0, "bushels", "north/bushels"),
        ("alt", "2024-01-02", "30", 30.0, 30.0, "bushels", "north/bushels"),
        ("ast", "2024-01-02", "1O", 10.0, 10.0, "U/L", "north/letter_o"),
        ("ck", "2024-01-02", "100", 100.0, 100.0, "U/L", None),
        ("ck", "2024-01-02", "200", 200.0, 200.0, "U/L", None),
        ("ck", "2024-01-03", "300", 300.0, 300.0, "U/L", "north/year"),
        ("cmas", "2024-01-02", "40", 40.0, 40.0, None, None),
        ("cmas", "2024-01-03", "42", 42.0, 42.0, None, "north/year"),
    ]
    assert query(
        north, "select result_text, grade, result, correction_id from marts.fct_antibody_result"
    ) == [
        ("plus", 1, "positive", "north/plus"),
    ]
    assert query(
        north,
        "select visit_date::varchar, correction_id from marts.fct_visit where correction_id is not null",
    ) == [
        ("2024-01-03", "north/year"),
    ]
    assert query(
        north,
        "select value_text, unit_source from raw.observations where source_file = 'labs_#1.csv' order by source_row",
    ) == [
        ("1O", "U/L"),
        ("20", "bushels"),
        ("30", "bushels"),
        ("9", "U/L"),
    ]


def test_what_each_record_does_is_in_quality_and_every_row_is_accounted_for(
    corrected_north: Registry,
) -> None:
    north = corrected_north
    assert query(
        north,
        "select correction_id, action, status, rows_matched, rows_as_expected, cells_changed from quality.correction order by 1",
    ) == [
        ("north/bushels", "set", "applied", 2, 2, 2),
        ("north/cmas_wrong", "reject", "applied", 1, 1, 1),
        ("north/letter_o", "set", "applied", 1, 1, 1),
        ("north/not_this_patient", "drop", "applied", 1, 1, 1),
        ("north/plus", "set", "applied", 1, 1, 1),
        ("north/year", "set", "applied", 1, 1, 3),
    ]
    assert query(
        north,
        "select source_file, source_row, source_column, field, value_sent, value_text from quality.corrected_cell"
        " where correction_id = 'north/year' order by entity, source_column",
    ) == [
        ("visits.csv", 4, "CK", "observed_on", "2042-01-03", "2024-01-03"),
        ("visits.csv", 4, "CMAS", "observed_on", "2042-01-03", "2024-01-03"),
        ("visits.csv", 4, None, "visit_date", "2042-01-03", "2024-01-03"),
    ]
    assert query(
        north,
        "select source_row, rule, value_text, counts_against_threshold from quality.rejected_row order by all",
    ) == [
        (3, "rejected_by_correction", "north/cmas_wrong", False),
        (5, "dropped_by_correction", "north/not_this_patient", False),
    ]
    assert query(north, "select bool_and(rows_in = rows_accepted + rows_rejected) from quality.delivery") == [
        (True,)
    ]


def test_a_record_that_no_longer_holds_stops_the_build_with_file_and_line(corrected_north: Registry) -> None:
    north = corrected_north
    before = warehouse_digest(north, ("staging", "intermediate", "marts"))
    stale = (
        CORRECTIONS.replace("cells: {test: LDH}", "cells: {test: GGT}").replace(
            'expect: {CMAS: "41"}', 'expect: {CMAS: "14"}'
        )
        + '  - id: other_unit\n    match: {file: labs_1.csv, cells: {result: "20"}}\n    expect: {unit: bushels}\n'
        "    value: {unit: ukat/L}\n    reason: doubt\n    status: applied\n"
    )
    registry = corrected(north, stale)
    expected = [
        "corrections/north.yml:16: not_this_patient: matches no row of a delivery in force; correct match, or close the record with"
        " status: withdrawn",
        'corrections/north.yml:28: cmas_wrong: "CMAS" of delivery first no longer holds what the record expects: the hospital has mended'
        " it, or expect is written otherwise than it was sent; close the record with status: mended (earlier deliveries stay corrected), or all that are"
        " mended with: myositis queries north --close-mended",
        "corrections/north.yml:10: bushels: sets the same cell as other_unit (corrections/north.yml:40) to another text, in 1 cell;"
        " withdraw one of the two",
    ]
    assert flow.check(registry, read_situation(registry)) == expected
    with pytest.raises(CorrectionsRefused) as refused:
        build(registry)
    assert refused.value.reasons == expected
    assert warehouse_digest(north, ("staging", "intermediate", "marts")) == before


def test_a_withdrawn_correction_leaves_what_was_there_before_it(
    corrected_north: Registry, uncorrected: dict[str, str]
) -> None:
    made(corrected(corrected_north, CORRECTIONS.replace("status: applied", "status: withdrawn")))
    assert warehouse_digest(corrected_north, ("staging", "marts")) == uncorrected


def test_an_error_that_a_later_delivery_mends_is_told_then_kept_for_the_earlier_one_and_told_when_it_returns(
    corrected_north: Registry,
) -> None:
    north = corrected(corrected_north)
    labs = FILES["labs_1"].replace("bushels", "U/L")
    for name, text in (FILES | {"labs_1": labs}).items():
        _deliver(north, "second", name, text)
    assert ingest(north, "north", "second").is_accepted
    with pytest.raises(
        CorrectionsRefused, match=r'bushels: "unit" of delivery second no longer holds'
    ) as refused:
        build(north)
    assert len(refused.value.reasons) == 1
    closed = CORRECTIONS.replace("there\n    status: applied", "there\n    status: mended")
    north = corrected(north, closed)
    made(north)
    assert query(
        north,
        "select distinct delivery_id, unit_source, correction_id from marts.fct_observation where concept_id = 'alt'",
    ) == [
        ("second", "U/L", None),
    ]
    _deliver(north, "third", "labs_1", FILES["labs_1"])
    for name in ("patients", "visits"):
        _deliver(north, "third", name, FILES[name])
    assert ingest(north, "north", "third").is_accepted
    with pytest.raises(
        CorrectionsRefused,
        match=r"bushels: the error is back in delivery third; tell the hospital, and write status: applied",
    ):
        build(north)


def _deliver(registry: Registry, delivery: str, name: str, text: str) -> None:
    folder = registry.landing / "north" / delivery
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.csv").write_text(text)


def test_every_field_of_raw_can_be_corrected_but_pseudonyms() -> None:
    named: list[list[str]] = []
    macros = (
        jinja2.Environment()
        .from_string((DBT_PROJECT / "macros" / "corrections.sql").read_text())
        .make_module({"return": named.append})
    )
    for entity in RAW_FIELDS:
        macros.correctable_fields(entity)
    not_correctable = ("patient_key", "visit_key", "source_column")
    assert named == [[f for f in fields if f not in not_correctable] for fields in RAW_FIELDS.values()]
