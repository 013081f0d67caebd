"""Numbers of persons, code lists that fill several fields, and names without case, as a delivery is loaded.
All numbers are invented.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from orchestration.database.warehouse_file import warehouse
from orchestration.landing.inventory import take_inventory
from orchestration.raw.loading import DeliveryRefused, load_delivery
from orchestration.registry.folder import Registry, load_registry
from yaml_files.yaml_file import ConfigurationError

REGISTRY = """\
name: persons
visit_schedule:
  - {visit: baseline, nominal_month: 0, nominal_day: 0, from_day: -14, to_day: 14}
"""
EVENTS = """\
exports:
  - file: events.csv
    events: {patient_id: id, event_date: day, event: event, detail: remark}
    identifiers: [id]
"""
IDENTITY, MOBILE = "110101199003071233", "138-0013-8000"
WIDE = IDENTITY.translate({ord(str(d)): chr(0xFF10 + d) for d in range(10)})
LINES = ["id,day,event,remark"] + [f"{i},2024-01-0{i},relapse,seen in clinic {i}" for i in range(1, 9)]


def registry_of(folder: Path, mapping: str, files: dict[str, str], name: str = "north") -> Registry:
    for part in ("hospitals", f"landing/{name}/first"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "registry.yml").write_text(REGISTRY)
    (folder / "hospitals" / f"{name}.yml").write_text(f"sender: {name}\nname: North\n{mapping}")
    for file, text in files.items():
        (folder / "landing" / name / "first" / file).write_text(text, encoding="utf-8")
    return load_registry(folder)


def load(registry: Registry, name: str = "north") -> None:
    with warehouse(registry.warehouse) as connection:
        load_delivery(connection, registry, take_inventory(registry, name, "first"))


def query(registry: Registry, sql: str) -> list[tuple]:
    with duckdb.connect(str(registry.warehouse), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def with_remarks(*remarks: str) -> str:
    lines = [*LINES, *(f"{i},2024-02-01,relapse,{remark}" for i, remark in enumerate(remarks, 1))]
    return "\n".join(lines) + "\n"


def bytes_of(registry: Registry) -> bytes:
    return b"".join(p.read_bytes() for p in registry.warehouse.parent.rglob("*") if p.is_file())


def test_a_number_of_a_person_in_free_text_is_taken_out_and_counted_and_its_row_stays(tmp_path: Path) -> None:
    remarks = (f"身份证{IDENTITY}", f"mother {MOBILE}", f"id {WIDE}", "a.b@example.org")
    registry = registry_of(tmp_path, EVENTS, {"events.csv": with_remarks(*remarks)})
    load(registry)
    details = [
        d
        for (d,) in query(registry, "select detail from raw.events where source_row > 9 order by source_row")
    ]
    assert details == ["身份证[identity_number]", "mother [telephone]", "id [identity_number]", "[email]"]
    found = query(registry, "select entity, finding, column_name, n_found, first_row from raw.source_finding")
    assert found == [("events", "person_number", "remark", 4, 10)]
    held = bytes_of(registry)
    assert [n for n in (IDENTITY, WIDE, MOBILE, "example.org") if n.encode() in held] == []


def test_where_the_mapping_says_so_the_row_is_rejected_without_its_text(tmp_path: Path) -> None:
    registry = registry_of(
        tmp_path,
        "person_numbers: reject\n" + EVENTS,
        {"events.csv": with_remarks(f"mother {MOBILE}", "well")},
    )
    load(registry)
    assert query(registry, "select source_row from raw.events where source_row > 9") == [(11,)]
    rejected = query(registry, "select source_row, rule, column_name, value_text from raw.rejected_line")
    assert rejected == [(10, "person_number", "remark", None)]
    assert query(registry, "select rows_read, rows_malformed, records from raw.source_table") == [(10, 1, 9)]
    assert MOBILE.encode() not in bytes_of(registry)


def test_numbers_that_are_none_of_a_person_are_kept_where_the_mapping_says_so(tmp_path: Path) -> None:
    mapping = EVENTS.replace("    identifiers", "    person_numbers: keep\n    identifiers")
    registry = registry_of(tmp_path, mapping, {"events.csv": with_remarks(f"lot {MOBILE}")})
    load(registry)
    assert query(registry, "select detail from raw.events where source_row = 10") == [(f"lot {MOBILE}",)]
    assert query(registry, "select count(*) from raw.source_finding") == [(0,)]


def test_a_column_of_numbers_of_persons_refuses_the_delivery_before_a_byte_of_it_is_written(
    tmp_path: Path,
) -> None:
    text = "id,day,event,remark\n" + "".join(f"{i},2024-01-01,relapse,1380013800{i}\n" for i in range(1, 9))
    registry = registry_of(tmp_path, EVENTS, {"events.csv": text})
    with pytest.raises(
        DeliveryRefused, match=r'column "remark": 8 of 8 texts hold a telephone number, the first in row 2'
    ):
        load(registry)
    assert b"1380013800" not in bytes_of(registry)


def test_codes_and_results_are_no_numbers_of_persons(tmp_path: Path) -> None:
    mapping = """\
exports:
  - file: labs.csv
    observations: {patient_id: id, observed_on: day, concept: test, value: value}
    identifiers: [id]
"""
    lines = "".join(f"{i},2024-01-01,3962300081{i},{170000000 + i}\n" for i in range(1, 9))
    registry = registry_of(tmp_path, mapping, {"labs.csv": "id,day,test,value\n" + lines})
    load(registry)
    assert query(
        registry,
        "select count(*) from raw.observations where concept_source like '39623%' and value_text like '17%'",
    ) == [(8,)]


LOOKED_UP = """\
exports:
  - file: results.csv
    code_lists: [{file: tests.csv, code: key, labels: {concept: name, unit: unit, patient_id: patient}}]
    observations: {observed_on: day, value: value}
  - {file: tests.csv, ignored: ["*"]}
"""
TESTS = "key,name,unit,patient\nr1,Sodium,mmol/L,1\nr2,CK,,2\n"


def test_a_code_that_the_list_does_not_have_stays_a_name_and_never_becomes_a_patient(tmp_path: Path) -> None:
    results = "day,key,value\n2024-01-01,r1,140\n2024-01-01,r2,100\n2024-01-01,r9,7\n"
    registry = registry_of(tmp_path, LOOKED_UP, {"results.csv": results, "tests.csv": TESTS})
    load(registry)
    rows = query(
        registry,
        "select concept_source, unit_source, patient_key is not null, value_text from raw.observations order by source_row",
    )
    assert rows == [("Sodium", "mmol/L", True, "140"), ("CK", None, True, "100"), ("r9", "r9", False, "7")]


def test_a_field_that_the_export_states_goes_before_the_list(tmp_path: Path) -> None:
    mapping = LOOKED_UP.replace(
        "{observed_on: day, value: value}", "{observed_on: day, value: value, unit: own}"
    )
    results = "day,key,value,own\n2024-01-01,r1,140,mg/dL\n"
    registry = registry_of(tmp_path, mapping, {"results.csv": results, "tests.csv": TESTS})
    load(registry)
    assert query(registry, "select concept_source, unit_source from raw.observations") == [
        ("Sodium", "mg/dL")
    ]


@pytest.mark.parametrize(
    ("lists", "sentence"),
    [
        (
            "[{file: t.csv, code: key, label: name, columns: [key]}, {file: t.csv, code: key, label: unit, columns: [key]}]",
            '"key" is explained twice, by name and by unit; to fill several fields write one list',
        ),
        ("[{file: t.csv, code: key, labels: {dose: name}}]", "no entity of this export has a field dose"),
        (
            "[{file: t.csv, code: key, labels: {concept: name}, columns: [a, b]}]",
            "with labels, name one column that holds the codes",
        ),
    ],
)
def test_a_list_that_cannot_be_meant_is_told(tmp_path: Path, lists: str, sentence: str) -> None:
    mapping = f"""\
exports:
  - file: results.csv
    code_lists: {lists}
    observations: {{patient_id: id, observed_on: day, concept: key, value: value}}
"""
    with pytest.raises(ConfigurationError) as refused:
        registry_of(tmp_path, mapping, {})
    assert sentence in str(refused.value.faults)


PERSONS = "exports:\n  - {file: p.csv, patients: {patient_id: person_id, sex: gender}, identifiers: [person_id], ignored: ['race_*']}\n"


def test_a_column_that_differs_in_its_case_alone_is_named_so(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, PERSONS, {"p.csv": "PERSON_ID,GENDER,RACE_ID\n1,f,0\n"})
    with pytest.raises(
        DeliveryRefused, match=r'Only the case differs from "PERSON_ID": write it so, or `ignore_case: true`'
    ):
        load(registry)


@pytest.mark.parametrize(
    "header", ["PERSON_ID,GENDER,RACE_ID", "Person_Id,gender,Race_id", "person_id,gender,race_id"]
)
def test_names_are_compared_without_case_where_the_mapping_says_so(tmp_path: Path, header: str) -> None:
    registry = registry_of(tmp_path, "ignore_case: true\n" + PERSONS, {"P.CSV": f"{header}\n1,f,0\n"})
    load(registry)
    assert query(
        registry, "select count(*) from raw.patients where patient_key is not null and sex = 'f'"
    ) == [(1,)]


@pytest.mark.parametrize(
    ("given", "share", "rows"),
    [("0.02", 0.02, 3), ("0", 0, 1), ("{share: 0.1, rows: 5}", 0.1, 5), ("{rows: 2}", 0.05, 2)],
)
def test_a_share_of_rejected_rows_stands_beside_a_count(
    tmp_path: Path, given: str, share: float, rows: int
) -> None:
    registry = registry_of(tmp_path, f"rejected_rows_allowed: {given}\n" + PERSONS, {})
    allowed = registry.mappings["north"].rejected_rows_allowed
    assert (allowed.share, allowed.rows) == (share, rows)
