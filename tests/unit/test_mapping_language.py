"""The mapping language: a mapping like another, rows by what they hold, parts of texts, code lists, columns
by pattern.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from orchestration.database.warehouse_file import warehouse
from orchestration.landing.inventory import take_inventory
from orchestration.raw.loading import load_delivery
from orchestration.raw.verdict import DeliveryRefused
from orchestration.registry.folder import Registry, load_registry
from orchestration.registry.mapping_file import READY_MADE, read_mapping
from tests.unit.test_loading import REGISTRY
from yaml_files.yaml_file import ConfigurationError

NORTH = """\
sender: north
name: North Hospital
dates: ["%Y-%m-%d"]
codes:
  sex: {w: female, m: male}
exports:
  - name: patients
    file: patients.csv
    patients: {patient_id: id, sex: sex}
    identifiers: [id, name]
  - name: visits
    file: visits.csv
    observations:
      patient_id: id
      observed_on: date
      values:
        ck: {column: CK, unit: U/L}
        alt: {column: ALT, unit: U/L}
    identifiers: [id]
    ignored: [remark]
"""
SOUTH = """\
sender: south
name: South Hospital
like: north
codes:
  sex: {f: female}
exports:
  - like: visits
    file: laboratory.csv
    observations:
      values:
        ck: {column: CPK, unit: µkat/L}
    ignored: [ward]
  - file: deaths.csv
    events: {patient_id: id, event: {constant: death}, event_date: date}
"""


def mapping(folder: Path, **files: str) -> Path:
    (folder / "hospitals").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "hospitals" / f"{name}.yml").write_text(text, encoding="utf-8")
    return folder / "hospitals"


def faults(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        read_mapping(path, f"hospitals/{path.name}")
    return error.value.faults


def test_a_mapping_holds_what_it_is_like_wherever_it_is_silent(tmp_path: Path) -> None:
    south = read_mapping(mapping(tmp_path, north=NORTH, south=SOUTH) / "south.yml", "hospitals/south.yml")
    assert (south.sender, south.name, south.dates) == ("south", "South Hospital", ["%Y-%m-%d"])
    assert south.codes.sex == {"w": "female", "m": "male", "f": "female"}
    patients, visits, deaths = south.exports
    assert patients.patients is not None and patients.file == "patients.csv"
    assert (visits.file, visits.name, visits.ignored) == ("laboratory.csv", "visits", ["remark", "ward"])
    values = visits.observations.values
    assert {k: (v.columns, v.unit) for k, v in values.items()} == {
        "ck": (("CPK",), "µkat/L"),
        "alt": (("ALT",), "U/L"),
    }
    assert deaths.events.event.constant == "death"


def test_an_export_cannot_be_like_one_of_a_mapping_that_is_not_named(tmp_path: Path) -> None:
    (fault,) = faults(
        mapping(tmp_path, north=NORTH.replace("  - name: visits", "  - like: visits")) / "north.yml"
    )
    assert (
        fault
        == "hospitals/north.yml:11: exports[1].like: like under an export needs the mapping that it comes "
        "from; name it with like: above exports"
    )


def test_a_source_that_is_none_is_told_with_its_place_and_the_nearest_key(tmp_path: Path) -> None:
    wrong = NORTH.replace("observed_on: date", "observed_on: [1, {colum: date}]").replace(
        "alt: {column: ALT, unit: U/L}", "alt: 7"
    )
    assert faults(mapping(tmp_path, north=wrong) / "north.yml") == [
        "hospitals/north.yml:18: exports[1].observations.values.alt: give a column's name (a number in quotes), a list of columns, or"
        " {column: …, …} (found 7)",
        "hospitals/north.yml:15: exports[1].observations.observed_on[0]: give a column's name (a number in quotes), a list of columns, or"
        " {column: …, …} (found 1)",
        'hospitals/north.yml:15: exports[1].observations.observed_on[1].colum: unknown key "colum". Did you mean "column"? Known keys:'
        " column, constant, unit, offset_unit, part, when, dates, day_and_month, missing, release.",
    ]


def test_several_exports_may_be_like_one(tmp_path: Path) -> None:
    twice = SOUTH.replace(
        "  - file: deaths.csv\n", "  - like: visits\n    file: more.csv\n  - file: deaths.csv\n"
    )
    south = read_mapping(mapping(tmp_path, north=NORTH, south=twice) / "south.yml", "hospitals/south.yml")
    assert [x.file for x in south.exports] == ["patients.csv", "laboratory.csv", "more.csv", "deaths.csv"]


def test_a_fault_names_the_file_that_states_it(tmp_path: Path) -> None:
    folder = mapping(
        tmp_path,
        north=NORTH.replace("observed_on:", "observed_day:"),
        south=SOUTH.replace("ward]", "ward]\n    colour: red"),
    )
    first, second = faults(folder / "south.yml")
    assert first.startswith(
        'hospitals/north.yml:15: exports[1].observations.observed_day: unknown key "observed_day". Did you mean'
    )
    assert second.startswith('hospitals/south.yml:13: exports[1].colour: unknown key "colour".')


def test_a_mapping_or_export_that_it_is_like_must_be_there(tmp_path: Path) -> None:
    (no_mapping,) = faults(
        mapping(tmp_path, north=NORTH, south=SOUTH.replace("like: north", "like: nort")) / "south.yml"
    )
    assert no_mapping == (
        'hospitals/south.yml:3: like: no mapping "nort"; known are fhir_r4, fhir_r4_bundle, north, omop_cdm_5_4, redcap, south. Did you mean "north"?'
    )
    (no_export,) = faults(mapping(tmp_path, south=SOUTH.replace("like: visits", "like: visit")) / "south.yml")
    assert no_export == (
        'hospitals/south.yml:7: like: no export is called "visit" there; its exports: patients, visits. Did you mean "visits"?'
    )
    (circle,) = faults(
        mapping(tmp_path, north=NORTH.replace("dates:", "like: south\ndates:"), south=SOUTH) / "south.yml"
    )
    assert circle == "hospitals/north.yml:3: like: goes in a circle: south -> north -> south"


@pytest.mark.parametrize("name", ["redcap", "fhir_r4", "fhir_r4_bundle", "omop_cdm_5_4"])
def test_what_a_ready_made_mapping_cannot_know_is_asked_for(tmp_path: Path, name: str) -> None:
    assert (READY_MADE / f"{name}.yml").is_file()
    found = faults(mapping(tmp_path, own=f"like: {name}\nname: Own\n") / "own.yml")
    assert "hospitals/own.yml:1: sender: this key is required and missing" in found


# rows, texts and columns of a delivery

LONG = """\
sender: north
name: North Hospital
exports:
  - file: all.csv
    where: {form: [demographics]}
    patients: {patient_id: id, sex: sex}
    identifiers: [id, "contact*"]
  - file: all.csv
    where: [{form: labs, status: {not: [withdrawn, null]}}, {form: extra}]
    observations:
      patient_id: {column: ref, part: "Patient/(.+)"}
      observed_on: date
      concept: [{column: code2, when: {system2: loinc}}, code]
      value: value
      comparator: sign
      unit: [unit, ucum]
    optional_columns: [ucum]
  - file: all.csv
    where: {form: labs, status: withdrawn}
    ignored: ["*"]
"""
ALL = """\
id,contact_tel,contact_mail,form,sex,ref,status,date,code,system2,code2,value,sign,unit
1,555,a@b.c,demographics,F,,,,,,,,,
,,,labs,,https://x/Patient/1,final,2024-01-05,local,loinc,2157-6,100,<,U/L
,,,labs,,1,final,2024-01-06,ck,other,77,200,,U/L
,,,labs,,1,withdrawn,2024-01-06,ck,,,300,,U/L
,,,extra,,1,,2024-01-07,ck,,,400,,U/L
,,,labs,,1,,2024-01-08,ck,,,500,,U/L
"""


def delivery(folder: Path, text: str, **files: str) -> Registry:
    mapping(folder, north=text)
    landing = folder / "landing" / "north" / "first"
    landing.mkdir(parents=True, exist_ok=True)
    (folder / "registry.yml").write_text(REGISTRY)
    for name, content in files.items():
        (landing / f"{name}.csv").write_text(content, encoding="utf-8")
    return load_registry(folder)


def raw(registry: Registry, sql: str) -> list[tuple]:
    if not registry.warehouse.exists():
        with warehouse(registry.warehouse) as connection:
            load_delivery(connection, registry, take_inventory(registry, "north", "first"))
    with duckdb.connect(str(registry.warehouse), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def refusal(registry: Registry) -> list[str]:
    with warehouse(registry.warehouse) as connection, pytest.raises(DeliveryRefused) as refused:
        load_delivery(connection, registry, take_inventory(registry, "north", "first"))
    return refused.value.reasons


def test_each_export_takes_the_rows_that_its_where_names_and_the_rest_is_told(tmp_path: Path) -> None:
    registry = delivery(tmp_path, LONG, all=ALL)
    rows = raw(
        registry,
        "select source_row, concept_source, source_column, value_text, comparator_source, unit_source from raw.observations order by 1",
    )
    assert rows == [
        (3, "2157-6", "value", "100", "<", "U/L"),
        (4, "ck", "value", "200", None, "U/L"),
        (6, "ck", "value", "400", None, "U/L"),
    ]
    assert raw(registry, "select source_row, rule, column_name from raw.rejected_line order by 1") == [
        (5, "row_not_wanted", "form | status"),
        (7, "row_not_expected", "form | status"),
    ]
    assert raw(
        registry,
        "select entity, rows_read, rows_malformed, rows_blank, records from raw.source_table order by 1",
    ) == [
        ("observations", 6, 1, 0, 3),
        ("patients", 6, 1, 0, 1),
    ]


def test_a_part_of_a_reference_is_the_id_and_a_text_that_does_not_fit_stays_whole(tmp_path: Path) -> None:
    registry = delivery(tmp_path, LONG, all=ALL)
    keys = "select count(distinct patient_key) from (select patient_key from raw.patients union all select patient_key from raw.observations)"
    assert raw(registry, keys) == [(1,)]


def test_a_pattern_names_many_columns_and_a_columns_own_name_only_itself(tmp_path: Path) -> None:
    registry = delivery(tmp_path, LONG, all=ALL.replace("contact_mail", "remark"))
    assert refusal(registry) == [
        'north/first/all.csv: hospitals/north.yml neither maps nor ignores column "remark"; map each, or list it under ignored or identifiers'
    ]
    registry = delivery(
        tmp_path,
        LONG.replace('"contact*"', '"contact*", "CK*"'),
        all=ALL.replace("contact_mail", "CK*").replace("status,", "CK2,", 1),
    )
    assert 'neither maps nor ignores column "CK2"' in " ".join(refusal(registry))


def test_a_data_dictionary_puts_the_label_in_the_codes_place(tmp_path: Path) -> None:
    text = LONG.replace(
        "    identifiers: [id,",
        (
            "    code_lists:\n"
            "      - {file: dictionary.csv, field: Field, choices: Choices}\n"
            "      - {file: units.csv, code: code, label: ucum, columns: [unit]}\n    identifiers: [id,"
        ),
    )
    registry = delivery(
        tmp_path,
        text,
        all=ALL.replace(",F,", ",2,").replace("U/L", "8645"),
        units="code,ucum\n8645,U/L\n",
        dictionary='Field,Choices\nsex,"1, Male | 2, Female, as registered"\nscore,"sum([a],[b])"\n',
    )
    assert raw(registry, "select sex from raw.patients") == [("Female, as registered",)]
    assert raw(registry, "select distinct unit_source from raw.observations") == [("U/L",)]


def test_a_code_list_that_gives_two_meanings_refuses_the_delivery(tmp_path: Path) -> None:
    text = LONG.replace(
        "    identifiers: [id,",
        "    code_lists: [{file: units.csv, code: code, label: ucum, columns: [unit]}]\n    identifiers: [id,",
    )
    registry = delivery(tmp_path, text, all=ALL, units="code,ucum\n8645,U/L\n8645,mg/L\n")
    assert refusal(registry) == [
        'north/first: the code lists give two meanings to 1 codes of "unit"; ask the hospital which holds'
    ]


def test_columns_that_nobody_decided_refuse_the_delivery(tmp_path: Path) -> None:
    registry = delivery(
        tmp_path,
        LONG.replace('"contact*"]', '"contact*"]\n    undecided: [remark]'),
        all=ALL.replace("contact_mail", "remark"),
    )
    assert refusal(registry) == [
        "hospitals/north.yml:8: exports[0].undecided: map each of remark, or list it under ignored or identifiers;"
        " until then no delivery is taken"
    ]


@pytest.mark.parametrize(
    ("wrong", "right", "sentence"),
    [
        (
            "where: {form: extra}",
            "where: {form: 1}",
            "give a text, null for a blank cell, a list of these, or {not: …}",
        ),
        (
            'part: "Patient/(.+)"',
            'part: "Patient/.+"',
            "give a regular expression with one group in parentheses",
        ),
        ('part: "Patient/(.+)"', 'part: "Patient/(.+"', "not a regular expression"),
    ],
)
def test_what_is_written_wrongly_is_told_in_one_sentence(
    tmp_path: Path, wrong: str, right: str, sentence: str
) -> None:
    text = LONG.replace("{form: extra}]", "{form: extra}]").replace(
        "where: [{form: labs, status: {not: [withdrawn, null]}}, {form: extra}]", "where: {form: extra}"
    )
    (fault,) = faults(mapping(tmp_path, north=text.replace(wrong, right)) / "north.yml")
    assert sentence in fault and fault.startswith("hospitals/north.yml:")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("german", "de"),
        ("Deutsch", "de"),
        ("fr-CA", "fr"),
        ("es_MX", "es"),
        ("portugues", "pt"),
        ("jp", "ja"),
        ("kr", "ko"),
        ("Turkce", "tr"),
        ("Italain", "it"),
        ("日本", "ja"),
    ],
)
def test_a_wrong_language_is_told_with_the_nearest_code(tmp_path: Path, written: str, meant: str) -> None:
    path = tmp_path / "north.yml"
    path.write_text(
        NORTH.replace("sender: north\n", f"sender: north\nlanguage: {written}\n"), encoding="utf-8"
    )
    with pytest.raises(ConfigurationError) as told:
        read_mapping(path, "hospitals/north.yml")
    sentence = str(told.value)
    assert f'no language of the catalogue: "{written}"; write one of de (German), en (English)' in sentence
    assert f'Did you mean "{meant}"?' in sentence


def test_a_language_like_no_other_is_told_with_all_codes_and_no_guess(tmp_path: Path) -> None:
    path = tmp_path / "north.yml"
    path.write_text(NORTH.replace("sender: north\n", "sender: north\nlanguage: xx\n"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="no language of the catalogue") as told:
        read_mapping(path, "hospitals/north.yml")
    assert "tr (Turkish)" in str(told.value) and "Did you mean" not in str(told.value)
