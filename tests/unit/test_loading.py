"""One delivery into raw, or refused whole with sentences that name place, finding, expectation and remedy."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import duckdb
import pytest
from openpyxl import Workbook

from orchestration.database.warehouse_file import warehouse
from orchestration.landing.inventory import take_inventory
from orchestration.raw.ledger import is_settled, record
from orchestration.raw.loading import load_delivery
from orchestration.raw.tables import FOOTER, FOOTER_BEGINS
from orchestration.raw.verdict import DeliveryRefused, LoadSummary, accepted
from orchestration.registry.folder import Registry, load_registry
from yaml_files.yaml_file import ConfigurationError

REGISTRY = """\
name: small
visit_schedule: [{visit: baseline, nominal_month: 0, nominal_day: 0, from_day: -14, to_day: 14}]
quiet_seconds: 0
"""
MAPPING = """\
sender: north
name: North Hospital
dates: ["%Y-%m-%d"]
exports:
  - file: patients.csv
    patients: {patient_id: id, sex: sex}
    identifiers: [id, name]
  - file: visits.csv
    visits: {patient_id: id, visit_date: date}
    observations:
      patient_id: id
      observed_on: date
      values:
        ck: {column: CK, unit: U/L}
        alt: {column: ALT, unit: U/L}
    ignored: [remark]
"""
PATIENTS = "id,name,sex\n1,Anna Example,F\n2,Bert Example,M\n"
VISITS = "id,date,CK,ALT,remark\n1,2024-01-05,100,20,\n1,2024-02-05,,25,x\n2,2024-01-07,<20,,\n"


def make_registry(folder: Path, mapping: str = MAPPING, **files: str) -> Registry:
    (folder / "hospitals").mkdir(parents=True, exist_ok=True)
    delivery = folder / "landing" / "north" / "first"
    delivery.mkdir(parents=True, exist_ok=True)
    (folder / "registry.yml").write_text(REGISTRY)
    (folder / "hospitals" / "north.yml").write_text(mapping)
    for name, text in ({"patients": PATIENTS, "visits": VISITS} | files).items():
        if text:
            (delivery / f"{name}.csv").write_text(text)
    return load_registry(folder)


def load(registry: Registry) -> list[tuple]:
    inventory = take_inventory(registry, "north", "first")
    with warehouse(registry.warehouse) as connection:
        load_delivery(connection, registry, inventory)
        return connection.execute(
            "select concept_source, value_text, unit_source, observed_on, source_file, source_row, source_column"
            " from raw.observations order by source_row, concept_source"
        ).fetchall()


def refusal(registry: Registry) -> str:
    with pytest.raises(DeliveryRefused) as refused:
        load(registry)
    with warehouse(registry.warehouse) as connection:
        left = [
            connection.execute(f"select count(*) from raw.{t}").fetchone()[0]
            for t in ("patients", "visits", "observations")
        ]
    assert left == [0, 0, 0]
    return "\n".join(refused.value.reasons)


def test_a_wide_row_becomes_one_record_per_filled_cell_with_its_place(tmp_path: Path) -> None:
    assert load(make_registry(tmp_path)) == [
        ("alt", "20", "U/L", "2024-01-05", "visits.csv", 2, "ALT"),
        ("ck", "100", "U/L", "2024-01-05", "visits.csv", 2, "CK"),
        ("alt", "25", "U/L", "2024-02-05", "visits.csv", 3, "ALT"),
        ("ck", "<20", "U/L", "2024-01-07", "visits.csv", 4, "CK"),
    ]


def test_what_was_read_is_counted(tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    load(registry)
    with duckdb.connect(str(registry.warehouse)) as connection:
        rows = connection.execute(
            "select source_file, entity, rows_read, cells_empty, records from raw.source_table order by 1, 2"
        ).fetchall()
    assert rows == [
        ("patients.csv", "patients", 2, 0, 2),
        ("visits.csv", "observations", 3, 2, 4),
        ("visits.csv", "visits", 3, 0, 3),
    ]


def test_one_patient_has_one_key_in_all_tables_and_ids_and_names_are_nowhere(tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    load(registry)
    with duckdb.connect(str(registry.warehouse)) as connection:
        keys = connection.execute("select list_sort(list(distinct patient_key)) from raw.patients").fetchone()
        assert (
            connection.execute("select list_sort(list(distinct patient_key)) from raw.visits").fetchone()
            == keys
        )
        assert [len(k) for k in keys[0]] == [32, 32]
        columns = {
            c
            for (c,) in connection.execute(
                "select column_name from information_schema.columns where table_schema = 'raw'"
            ).fetchall()
        }
    assert "name" not in columns and "patient_id" not in columns
    assert b"Anna" not in registry.warehouse.read_bytes()


def test_an_unmapped_column_refuses_the_delivery_and_is_named(tmp_path: Path) -> None:
    text = refusal(make_registry(tmp_path, visits=VISITS.replace("remark", "LDH")))
    assert (
        'north/first/visits.csv: hospitals/north.yml neither maps nor ignores column "LDH"; map each' in text
    )


def test_a_mapped_column_that_is_missing_names_mapping_line_and_the_nearest_column(tmp_path: Path) -> None:
    text = refusal(make_registry(tmp_path, visits=VISITS.replace(",ALT,", ",ALAT,")))
    assert (
        'hospitals/north.yml:15: exports[1].observations.values.alt: no column "ALT" in north/first/visits.csv.'
        ' Its columns: "id", "date", "CK", "ALAT", "remark". Did you mean "ALAT"?' in text
    )


def test_all_faults_of_a_delivery_are_told_together(tmp_path: Path) -> None:
    text = refusal(
        make_registry(
            tmp_path, visits=VISITS.replace(",ALT,", ",ALAT,").replace("remark", "LDH"), patients=""
        )
    )
    assert 'no file "patients.csv" in north/first. Its files: visits.csv' in text
    assert 'no column "ALT"' in text
    assert '"ALAT", "LDH"' in text


def test_a_file_that_no_export_reads_is_not_lost_in_silence(tmp_path: Path) -> None:
    text = refusal(make_registry(tmp_path, extra="a,b\n1,2\n"))
    assert "north/first/#1.csv: no export of hospitals/north.yml reads this file" in text


def test_headers_alike_are_refused_only_where_one_is_mapped_without_its_place(tmp_path: Path) -> None:
    alike = VISITS.replace("remark", "CK")
    text = refusal(make_registry(tmp_path / "mapped", visits=alike))
    assert (
        'hospitals/north.yml:14: exports[1].observations.values.ck: 2 columns of north/first/visits.csv are called "CK" (C, E)'
        in text
    )
    assert 'write "CK [1]" for the first, "CK [2]" for the second' in text
    assert "neither maps" not in text
    placed = MAPPING.replace("column: CK,", 'column: "CK [1]",').replace("[remark]", '["CK [2]"]')
    assert len(load(make_registry(tmp_path / "placed", placed, visits=alike))) == 4
    ignored = (
        VISITS.replace("ALT,remark", "ALT,remark,remark").replace(",20,", ",20,,").replace(",25,x", ",25,x,y")
    )
    assert len(load(make_registry(tmp_path / "ignored", visits=ignored.replace("<20,,", "<20,,,")))) == 4


def test_a_column_alike_with_an_identifier_is_one_too(tmp_path: Path) -> None:
    mapping = MAPPING.replace(
        "patients: {patient_id: id, sex: sex}", 'patients: {patient_id: id, sex: "name [2]"}'
    )
    with pytest.raises(ConfigurationError, match="identifiers may feed only"):
        make_registry(tmp_path, mapping)


def test_an_empty_delivery_is_refused(tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    for file in (registry.landing / "north" / "first").iterdir():
        file.unlink()
    assert "no file" in refusal(registry)


def test_a_file_that_cannot_be_read_is_refused_with_its_reason(tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    (registry.landing / "north" / "first" / "visits.csv").write_bytes(b"PK\x03\x04 not a workbook")
    assert "north/first/visits.csv" in refusal(registry)


def test_the_same_content_is_settled_and_a_changed_mapping_makes_it_new(tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    load(registry)
    inventory = take_inventory(registry, "north", "first")
    with warehouse(registry.warehouse) as connection:
        assert not is_settled(connection, inventory)
        record(
            connection, inventory, "incremental", accepted("north", "first", LoadSummary(inventory.load_id))
        )
        assert is_settled(connection, inventory)
        changed = make_registry(tmp_path, MAPPING.replace("name: North Hospital", "name: The North Hospital"))
        assert not is_settled(connection, take_inventory(changed, "north", "first"))


def test_a_network_names_the_hospital_of_each_row(tmp_path: Path) -> None:
    mapping = MAPPING.replace(
        "{patient_id: id, sex: sex}", "{patient_id: id, sex: sex, hospital_id: name}"
    ).replace("identifiers: [id, name]", "identifiers: [id]")
    registry = make_registry(tmp_path, mapping)
    load(registry)
    with duckdb.connect(str(registry.warehouse)) as connection:
        hospitals = connection.execute("select distinct hospital_id from raw.patients order by 1").fetchall()
        unnamed = connection.execute("select distinct hospital_id from raw.observations").fetchall()
    assert hospitals == [("north_Anna Example",), ("north_Bert Example",)]
    assert unnamed == [(None,)]


def test_ids_that_a_spreadsheet_has_rounded_refuse_the_delivery(tmp_path: Path) -> None:
    registry = make_registry(
        tmp_path,
        patients="id,name,sex\n1,Anna Example,F\n3.20102E+17,Bert Example,M\n3.20102E+17,Carl Example,M\n",
    )
    assert (
        'north/first/patients.csv: column "id": 2 ids have lost digits, the first in row 3, because a spreadsheet keeps 15;'
        " expected whole ids" in refusal(registry)
    )


def make_registry_of_sheets(folder: Path, mapping: str) -> Registry:
    """Patients on a sheet of their own, beside it a sheet of notes and a hidden one that is no table."""
    from openpyxl import Workbook

    registry = make_registry(folder, mapping, patients="")
    workbook = Workbook()
    workbook.active.title = "people"
    for name, *rows in (
        ("people", ("id", "name", "sex"), (1, "Anna Example", "F")),
        ("notes", ("id", "note"), (1, "something")),
        ("lists", ("F", "F"), ("M", None)),
    ):
        for row in rows:
            (workbook[name] if name in workbook.sheetnames else workbook.create_sheet(name)).append(row)
    workbook["lists"].sheet_state = "hidden"
    workbook.save(registry.landing / "north" / "first" / "patients.xlsx")
    return registry


SHEETS = MAPPING.replace("file: patients.csv", "file: patients.xlsx\n    sheet: people")


def test_a_sheet_that_no_export_reads_is_not_lost_in_silence(tmp_path: Path) -> None:
    reasons = refusal(make_registry_of_sheets(tmp_path, SHEETS))
    assert 'north/first/patients.xlsx: no export of hospitals/north.yml reads "#2"; map it' in reasons
    assert (
        'north/first/patients.xlsx: no export of hospitals/north.yml reads the hidden sheet "#3"; map it'
        in reasons
    )


def test_a_sheet_that_is_not_wanted_is_named_and_need_not_be_a_table(tmp_path: Path) -> None:
    unwanted = '  - {file: patients.xlsx, sheet: notes, ignored: ["*"]}\n  - {file: patients.xlsx, sheet: li*, ignored: ["*"]}\n'
    load(
        make_registry_of_sheets(
            tmp_path, SHEETS.replace("  - file: visits.csv", unwanted + "  - file: visits.csv")
        )
    )


def test_a_malformed_line_of_a_table_with_identifiers_is_kept_without_its_text(tmp_path: Path) -> None:
    registry = make_registry(tmp_path, patients=PATIENTS + "3,Carl Example,M,too,many\n")
    load(registry)
    with duckdb.connect(str(registry.warehouse)) as connection:
        lines = connection.execute(
            "select source_file, source_row, value_text from raw.rejected_line"
        ).fetchall()
    assert lines == [("patients.csv", 4, None)]


def test_two_tables_on_one_sheet_refuse_the_delivery(tmp_path: Path) -> None:
    """A second header above other names: its rows would be read under the first one's."""
    mapping = (
        MAPPING.split("  - file: visits.csv")[0]
        + """\
  - file: labs.csv
    observations: {patient_id: id, observed_on: date, values: {ck: {column: CK, unit: U/L}}}
"""
    )
    registry = make_registry(
        tmp_path, mapping, visits="", labs="id,date,CK\n1,2024-01-05,100\n\nid,date,LDH\n1,2024-01-05,700\n"
    )
    with pytest.raises(DeliveryRefused) as refused:
        load(registry)
    assert refused.value.reasons == [
        "north/first/labs.csv: row 4 is a second header: the sheet holds two tables; expected one; ask for "
        "each table as a sheet or a file of its own"
    ]


def test_every_footer_begins_as_the_quick_look_at_ids_expects() -> None:
    """One of each kind: a footer that begins otherwise would pass for a patient."""
    footers = [
        "grand total",
        "subtotal: 3",
        "total",
        "end of report",
        "end",
        "eof",
        "---",
        "***",
        "===",
        "___",
        "sum: 3",
        "count=3",
        "mean: 1",
        "average: 1",
        "rows: 3",
        "records = 3",
        "number of patients: 3",
        "合计",
        "总计：3",
        "小计",
        "共计",
    ]
    assert [f for f in footers if not re.fullmatch(FOOTER, f) or f[0] not in FOOTER_BEGINS] == []


BOOK = """\
sender: north
name: North Hospital
dates: ["%Y-%m-%d"]
exports:
  - {file: book.xlsx, sheet: who, patients: {patient_id: id, sex: sex}, identifiers: [id]}
  - {file: book.xlsx, sheet: when, visits: {patient_id: id, visit_date: date}, identifiers: [id]}
"""


def test_a_workbook_that_does_not_open_is_told_once(tmp_path: Path) -> None:
    registry = make_registry(tmp_path, BOOK, patients="", visits="")
    (registry.landing / "north" / "first" / "book.xlsx").write_bytes(b"no workbook")
    assert len(refusal(registry).splitlines()) == 1


def test_a_sheet_that_cannot_be_read_is_not_called_unmapped_too(tmp_path: Path) -> None:
    registry = make_registry(tmp_path, BOOK, patients="", visits="")
    book = Workbook()
    book.active.title = "who"
    for row in (("id", "sex"), ("1", "F")):
        book["who"].append(row)
    book.create_sheet("when")
    for row in (("id", "date"), ("1", "=NOW()")):  # openpyxl writes no value beside a formula
        book["when"].append(row)
    book.save(registry.landing / "north" / "first" / "book.xlsx")
    text = refusal(registry)
    assert (
        'sheet "when", row 2, column "B": a formula that was never calculated' in text
        and "no export of" not in text
    )


def test_a_missing_file_names_a_remedy_and_no_file_that_another_export_reads(tmp_path: Path) -> None:
    text = refusal(make_registry(tmp_path, MAPPING.replace("visits.csv", "patient.csv"), visits=""))
    assert (
        'no file "patient.csv" in north/first. Its files: patients.csv. Ask for the file, correct `file`, or'
        in text
    )


def other_things(delivery: Path, outside: Path) -> dict[str, Path]:
    """What a delivery may hold in place of a file, by its kind."""
    secret = outside / "secret.csv"
    secret.write_text("id,name\n1,Anna Example\n")
    made = {
        "symbolic link": delivery / "labs.csv",
        "named pipe": delivery / "pipe.csv",
        "socket": delivery / "socket.csv",
    }
    made["symbolic link"].symlink_to(secret)
    os.mkfifo(made["named pipe"])
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(made["socket"]))
    return made


def test_links_pipes_and_sockets_are_refused_without_being_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = make_registry(tmp_path / "registry")
    delivery = registry.landing / "north" / "first"
    monkeypatch.chdir(delivery)  # the path of a socket has at most 107 characters
    other_things(delivery, tmp_path)
    (delivery / "folder").symlink_to(tmp_path)
    found = refusal(registry)
    assert found.count("it is never followed or opened; put the file itself into the delivery") == 4
    assert found.count("a symbolic link") == 2 and "secret" not in found and "Anna" not in found


def test_a_delivery_that_is_a_link_itself_is_refused(tmp_path: Path) -> None:
    registry = make_registry(tmp_path / "registry")
    delivery = registry.landing / "north" / "first"
    delivery.rename(tmp_path / "elsewhere")
    delivery.symlink_to(tmp_path / "elsewhere")
    assert "north/first: a symbolic link; it is never followed" in refusal(registry)


@pytest.mark.parametrize("key", ["may_be_empty", "optional"])
def test_a_header_without_rows_is_taken_where_the_mapping_says_so(tmp_path: Path, key: str) -> None:
    header = VISITS.splitlines()[0] + "\n"
    assert "a header and no rows" in refusal(make_registry(tmp_path / "strict", visits=header))
    allowed = MAPPING.replace("  - file: visits.csv\n", f"  - file: visits.csv\n    {key}: true\n")
    assert load(make_registry(tmp_path / "allowed", allowed, visits=header)) == []


def test_a_delivery_in_which_nothing_happened_is_taken_where_every_file_may_be_empty(tmp_path: Path) -> None:
    mapping = re.sub(r"  - file: .*\n", lambda m: m[0] + "    may_be_empty: true\n", MAPPING)
    files = {"patients": PATIENTS.splitlines()[0] + "\n", "visits": VISITS.splitlines()[0] + "\n"}
    assert load(make_registry(tmp_path, mapping, **files)) == []
