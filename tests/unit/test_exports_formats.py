"""Parquet, statistics files, NDJSON and archives: the same table whichever format carried it."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import duckdb
import pandas as pd
import pyreadstat
import pytest

from orchestration.exports import ExportFault, ReadSpec, left_unread, open_tables

SAMPLES = Path(__file__).parent / "exports_samples"
CONNECTION = duckdb.connect()


def read(path: Path, **spec):
    """The one table of a file, and its rows."""
    [table] = open_tables(path, ReadSpec(**spec), path.parent)
    rows = CONNECTION.sql(f"select * from ({table.relation}) order by source_row").fetchall()
    assert len(rows) == table.rows
    return table, rows


def test_parquet_cells_are_the_text_that_a_person_sees(tmp_path):
    path = tmp_path / "labs.parquet"
    CONNECTION.execute(
        f"""copy (
            select 1::double as n, 0.5 as d, true as b, '' as s, date '2020-02-29' as day,
                timestamp '2020-02-29 00:00:00' as midnight, timestamp '2020-02-29 13:05:00' as t,
                'nan'::double as nan, [1, 2] as list, 12345678901::bigint as big
            union all select null, null, null, null, null, null, null, null, null, null
            union all select 1e20, 1e-7, false, 'x', null, null, null, 2.5, null, 1
        ) to '{path}'"""
    )
    table, rows = read(path)
    assert table.columns == ("n", "d", "b", "s", "day", "midnight", "t", "nan", "list", "big")
    assert rows == [
        (
            1,
            "1",
            "0.5",
            "TRUE",
            None,
            "2020-02-29",
            "2020-02-29",
            "2020-02-29 13:05:00",
            None,
            "[1, 2]",
            "12345678901",
        ),
        (3, "1e+20", "1e-07", "FALSE", "x", None, None, None, "2.5", None, "1"),
    ]


def test_parquet_columns_that_differ_in_case_stay_two(tmp_path):
    path = tmp_path / "labs.parquet"
    pandas_free = "select 1 as a, {'x': 1, 'y': [2]} as nested, 3 as b"
    CONNECTION.execute(f"copy ({pandas_free}) to '{path}'")
    table, rows = read(path)
    assert (table.columns, rows) == (("a", "nested", "b"), [(1, "1", "{'x': 1, 'y': [2]}", "3")])


@pytest.mark.parametrize("suffix", ["sav", "dta"])
def test_codes_become_labels_only_where_asked_for(tmp_path, suffix):
    frame = pd.DataFrame(
        {"sex": [1.0, 2.0, None, 3.0], "day": pd.to_datetime(["2020-02-29", None, None, None])}
    )
    path = tmp_path / f"patients.{suffix}"
    labels = {"sex": {1: "male", 2: "female"}}
    {"sav": pyreadstat.write_sav, "dta": pyreadstat.write_dta}[suffix](
        frame, str(path), variable_value_labels=labels
    )
    if suffix == "sav":
        assert read(path)[1] == [(1, "1", "2020-02-29"), (2, "2", None), (4, "3", None)]
    assert read(path, labels=True)[1] == [(1, "male", "2020-02-29"), (2, "female", None), (4, "3", None)]


@pytest.mark.parametrize("suffix", ["sav", "dta", "parquet", "ndjson"])
def test_a_number_is_written_with_the_decimal_mark_of_its_table_and_a_text_as_it_is(tmp_path, suffix):
    frame = pd.DataFrame({"ck": [1.234, 10.0], "text": ["1.234", "0,5"]})
    path = tmp_path / f"labs.{suffix}"
    match suffix:
        case "sav":
            pyreadstat.write_sav(frame, str(path))
        case "dta":
            pyreadstat.write_dta(frame, str(path))
        case "parquet":
            CONNECTION.execute(f"copy (from frame) to '{path}'")
        case "ndjson":
            path.write_text('{"ck": 1.234, "text": "1.234"}\n{"ck": 10, "text": "0,5"}\n')
    assert read(path, decimal=",")[1] == [(1, "1,234", "1.234"), (2, "10", "0,5")]


def test_a_sas_data_set_is_read(tmp_path):
    path = tmp_path / "iris.sas7bdat"
    path.write_bytes((SAMPLES / "iris.sas7bdat").read_bytes())
    table, rows = read(path)
    assert table.columns == ("Sepal_Length", "Sepal_Width", "Petal_Length", "Petal_Width", "Species")
    assert (len(rows), rows[0], rows[149]) == (
        150, (1, "5.1", "3.5", "1.4", "0.2", "setosa"), (150, "5.9", "3", "5.1", "1.8", "virgin"),
    )  # fmt: skip


def test_fhir_resources_are_columns_named_by_path(tmp_path):
    path = tmp_path / "Observation.ndjson"
    path.write_text(
        '{"resourceType": "Observation", "id": "o1", "subject": {"reference": "Patient/a"}, '
        '"code": {"coding": [{"system": "http://loinc.org", "code": "2157-6"}, {"code": "CK"}]}, '
        '"valueQuantity": {"value": 1.10, "comparator": "<", "unit": "U/L"}, "issued": null}\n'
        "\n"
        '{"resourceType": "Observation", "id": "o2", "subject": {"reference": "Patient/b"}, '
        '"code": {"coding": [{"system": "http://loinc.org", "code": "2532-0"}]}, "valueString": "normal\\n", '
        '"valueBoolean": false, "note": [{"text": ""}]}\n'
    )
    table, rows = read(path)
    assert [dict(zip(table.columns, row[1:])) | {"row": row[0]} for row in rows] == [
        {
            "row": 1, "resourceType": "Observation", "id": "o1", "subject.reference": "Patient/a",
            "code.coding[0].system": "http://loinc.org", "code.coding[0].code": "2157-6",
            "code.coding[1].code": "CK", "valueQuantity.value": "1.10", "valueQuantity.comparator": "<",
            "valueQuantity.unit": "U/L", "value[x]": "Quantity", "valueString": None, "valueBoolean": None,
        },
        {
            "row": 3, "resourceType": "Observation", "id": "o2", "subject.reference": "Patient/b",
            "code.coding[0].system": "http://loinc.org", "code.coding[0].code": "2532-0",
            "code.coding[1].code": None, "valueQuantity.value": None, "valueQuantity.comparator": None,
            "valueQuantity.unit": None, "value[x]": "Boolean", "valueString": "normal\n", "valueBoolean": "false",
        },
    ]  # fmt: skip


def test_a_number_keeps_the_digits_that_were_sent(tmp_path):
    path = tmp_path / "labs.ndjson"
    path.write_text('{"v": 320102199001011234, "w": 1.10, "x": 1E5}\n')
    assert read(path)[1] == [(1, "320102199001011234", "1.10", "1E5")]


@pytest.mark.parametrize("indent", [None, 1])
def test_an_array_of_objects_is_a_table(tmp_path, indent):
    path = tmp_path / "labs.json"
    path.write_text(json.dumps([{"id": "a", "v": 1}, {"id": "b"}], indent=indent))
    assert read(path)[1] == [(1, "a", "1"), (2, "b", None)]


@pytest.mark.parametrize("indent", [None, 1])
def test_a_bundle_is_its_resources_whether_on_one_line_or_many(tmp_path, indent):
    path = tmp_path / "bundle.json"
    entries = [
        {"fullUrl": f"urn:uuid:{i}", "resource": {"resourceType": "Patient", "gender": "male"}} for i in "ab"
    ]
    path.write_text(json.dumps({"resourceType": "Bundle", "entry": entries}, indent=indent))
    table, rows = read(path)
    assert table.columns == ("resourceType", "gender", "id")
    assert rows == [(1, "Patient", "male", "a"), (2, "Patient", "male", "b")]


CSV = "住院号,CK\n1,10\n2,20\n"


def test_a_compressed_file_is_read_under_its_own_name(tmp_path):
    path = tmp_path / "labs.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode("gb18030")))
    table, rows = read(path)
    assert (table.file, table.encoding, rows) == ("labs.csv.gz", "gb18030", [(2, "1", "10"), (3, "2", "20")])


def test_members_of_an_archive_are_chosen_by_pattern(tmp_path):
    path = tmp_path / "delivery.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("2024/labs_01.csv", "2024/labs_02.csv", "2024/patients.csv"):
            archive.writestr(name, CSV)
    tables = open_tables(path, ReadSpec(member="*/labs_*.csv"), tmp_path)
    assert [table.file for table in tables] == [
        "delivery.zip/2024/labs_01.csv",
        "delivery.zip/2024/labs_02.csv",
    ]


def test_a_stated_format_that_the_content_contradicts_is_refused(tmp_path):
    path = tmp_path / "labs.csv"
    path.write_text(CSV)
    with pytest.raises(ExportFault) as refused:
        read(path, format="xlsx")
    assert refused.value.rule == "wrong_format"


def test_content_decides_what_a_file_is_whatever_its_name(tmp_path):
    parquet = tmp_path / "labs.parquet"
    CONNECTION.execute(f"copy (select 'a' as id) to '{parquet}'")
    path = tmp_path / "labs.csv"
    path.write_bytes(parquet.read_bytes())
    assert read(path)[0].format == "parquet"


def test_members_that_no_table_came_from_are_told(tmp_path):
    path = tmp_path / "delivery.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("labs.csv", CSV)
        archive.writestr("patients.csv", CSV)
    tables = open_tables(path, ReadSpec(member="labs.csv"), tmp_path)
    assert [part.member for part in left_unread(path, tables, tmp_path)] == ["patients.csv"]


def test_a_very_long_value_of_an_object_arrives_whole(tmp_path):
    path = tmp_path / "documents.ndjson"
    path.write_text(json.dumps({"id": "a", "attachment": "x" * 9_000_000}) + "\n")
    assert [len(cell) for cell in read(path)[1][0][1:]] == [1, 9_000_000]


def test_each_element_of_an_array_is_a_row_beside_what_its_object_says(tmp_path):
    path = tmp_path / "labs.ndjson"
    path.write_text(
        '{"id": "a", "part": [{"v": 1, "of": [5, 6]}, {"v": 2}]}\n{"id": "b", "part": []}\n{"id": "c", "part": ["x"]}\n'
        + '{"id": "d", "part": ['
        + ", ".join(["{}"] * 100)
        + "]}\n"
    )
    table, rows = read(path, each="part")
    assert table.columns == ("id", "part[]", "part.v", "part.of[0]", "part.of[1]", "part")
    assert sorted(rows[:4], key=str) == [
        (1, "a", "1", "1", "5", "6", None),
        (1, "a", "2", "2", None, None, None),
        (2, "b", *[None] * 5),
        (3, "c", "1", *[None] * 3, "x"),
    ]
    assert {int(row[2]) for row in rows[4:]} == set(range(1, 101))
