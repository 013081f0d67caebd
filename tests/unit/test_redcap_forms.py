"""A 0 is an answer only where somebody answered: forms of REDCap, and forms that a mapping states."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from orchestration.raw.forms import Untouched, leave_out
from orchestration.raw.redcap import DictionaryField, forms
from orchestration.registry.mapping import Form
from tests.unit.test_loading import PATIENTS, load, make_registry, refusal
from yaml_files.yaml_file import ConfigurationError

SKIN = [
    DictionaryField("record_id", "entry", "text"),
    DictionaryField(
        "rash", "skin", "checkbox", "Rash", {"1": "Gottron", "2": "Heliotrope", "-99": "not known"}
    ),
    DictionaryField("skin_note", "skin", "text", "Note"),
    DictionaryField("cmas", "skin", "calc", "CMAS"),
]


def left(columns: str, rows: list[str], found: list[Form]) -> tuple[list[str], list[tuple[str, str, int]]]:
    """The rows, without the texts that say nothing, and what was counted."""
    names = columns.split(",")
    cells = {c: f"c{i}" for i, c in enumerate(names)}
    with duckdb.connect() as connection:
        connection.execute(
            f"create temp table sent (source_row bigint, {', '.join(f'{c} varchar' for c in cells.values())})"
        )
        for number, row in enumerate(rows, 2):
            values = [number, *(text or None for text in row.split(","))]
            connection.execute(f"insert into sent values ({', '.join('?' for _ in values)})", values)
        connection.execute("create temp view incoming as select * from sent")
        counted = leave_out(connection, found, names, cells, dict.fromkeys(names, "true"))
        kept = connection.execute(
            "select * exclude (source_row) from incoming order by source_row"
        ).fetchall()
    return [",".join(text or "" for text in row) for row in kept], [
        (u.rule, u.column, u.cells) for u in counted
    ]


RAW = "record_id,visit_date,entry_complete,rash___1,rash___2,rash____99,skin_note,cmas,skin_complete"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("1,2021-03-04,2,1,0,0,,0,2", "1,2021-03-04,2,1,0,0,,0,2"),  # complete
        ("1,2021-03-04,2,0,0,0,,0,1", "1,2021-03-04,2,0,0,0,,0,1"),  # unverified
        ("1,2021-03-04,2,0,0,0,seen,0,0", "1,2021-03-04,2,0,0,0,seen,0,0"),  # begun
        ("1,2021-03-04,2,1,0,0,,0,0", "1,2021-03-04,2,1,0,0,,0,0"),  # a box is ticked
        ("1,2021-03-04,2,0,0,0,,0,0", "1,2021-03-04,2,,,,,,0"),  # never opened; its score of 0 is none
        ("1,2021-03-04,2,0,0,0,,0,", "1,2021-03-04,2,,,,,,"),  # not part of this event
        ("1,2021-03-04,2,0,0,0,,31,0", "1,2021-03-04,2,,,,,31,0"),
        ("1,2021-03-04,2,0,0,1,,0,2", "1,2021-03-04,2,,,1,,0,2"),  # "not known" is ticked
    ],
)
def test_boxes_and_scores_of_a_form_are_read_where_somebody_filled_it(sent: str, kept: str) -> None:
    assert left(RAW, [sent], forms(RAW.split(","), SKIN))[0] == [kept]


def test_without_a_dictionary_a_form_ends_with_the_column_that_says_whether_it_is_complete() -> None:
    rows = ["1,2021-03-04,2,0,0,0,,0,2", "2,2021-03-04,2,0,0,0,,0,0", "3,2021-03-04,2,0,0,1,,0,2"]
    assert left(RAW, rows, forms(RAW.split(","), [])) == (
        # cmas may be calculated: its 0 alone does not show that somebody filled the form in
        ["1,2021-03-04,2,0,0,0,,0,2", "2,2021-03-04,2,,,,,,0", "3,2021-03-04,2,,,1,,0,2"],
        [
            ("not_asked", "rash___1", 1),
            ("not_known", "rash___1", 1),
            ("not_asked", "rash___2", 1),
            ("not_known", "rash___2", 1),
            ("not_asked", "rash____99", 1),
            ("not_asked", "cmas", 1),
        ],
    )


def test_boxes_without_any_form_are_read_where_one_of_them_is_ticked() -> None:
    columns = "record_id,note,rash___1,rash___2,sign___1"
    rows = ["1,seen,1,0,0", "2,seen,0,0,1"]
    assert left(columns, rows, forms(columns.split(","), []))[0] == ["1,seen,1,0,", "2,seen,,,1"]


def test_an_export_with_labels_is_read_alike() -> None:
    columns = (
        "Record ID,Event Name,Note,Complete? [1],Rash (choice=Gottron),Rash (choice=Not known),Complete? [2]"
    )
    rows = [
        "1,Baseline,seen,Complete,Unchecked,Unchecked,Complete",
        "2,Baseline,seen,Complete,Unchecked,Unchecked,Incomplete",
        "3,Baseline,seen,Complete,Unchecked,Checked,Unverified",
    ]
    assert left(columns, rows, forms(columns.split(","), []))[0] == [
        "1,Baseline,seen,Complete,Unchecked,Unchecked,Complete",
        "2,Baseline,seen,Complete,,,Incomplete",
        "3,Baseline,seen,Complete,,Checked,Unverified",
    ]


def test_a_choice_that_only_names_something_unknown_does_not_say_not_known() -> None:
    other = [
        DictionaryField("rash", "skin", "checkbox", "Rash", {"1": "Gottron", "99": "Rash of unknown cause"})
    ]
    columns = "record_id,rash___1,rash___99,skin_complete"
    assert left(columns, ["1,0,1,2"], forms(columns.split(","), other))[0] == ["1,0,1,2"]


FORMS = """\
sender: north
name: North Hospital
exports:
  - file: patients.csv
    patients: {patient_id: id, sex: sex}
    identifiers: [id, name]
  - file: visits.csv
    forms:
      - {columns: [CK, ALT], answered_when: {status: done}}
    visits: {patient_id: id, visit_date: date}
    observations:
      patient_id: id
      observed_on: date
      values: {ck: {column: CK, unit: U/L}, alt: {column: ALT, unit: U/L}}
    ignored: [status]
"""
VISITS_OF_FORMS = "id,date,CK,ALT,status\n1,2024-01-05,0,0,done\n1,2024-02-05,0,0,\n2,2024-01-07,7,0,\n"


def test_a_mapping_states_its_own_forms_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    registry = make_registry(tmp_path, FORMS, patients=PATIENTS, visits=VISITS_OF_FORMS)
    assert [(row[0], row[1], row[5]) for row in load(registry)] == [
        ("alt", "0", 2),
        ("ck", "0", 2),
        ("alt", "0", 4),
        ("ck", "7", 4),
    ]
    with duckdb.connect(str(registry.warehouse)) as connection:
        found = "select entity, finding, column_name, n_found, first_row from raw.source_finding order by 3"
        assert connection.execute(found).fetchall() == [
            ("observations", "not_asked", "ALT", 1, 3),
            ("observations", "not_asked", "CK", 1, 3),
        ]


def test_nothing_is_counted_where_nobody_reads_the_column() -> None:
    form = Form.model_validate({"columns": ["a", "b"]})
    with duckdb.connect() as connection:
        connection.execute("create temp view incoming as select 2 as source_row, '0' as c0, '0' as c1")
        cells = {"a": "c0", "b": "c1"}
        assert leave_out(connection, [form], ["a", "b"], cells, {"a": "true"}) == [
            Untouched("not_asked", "a", 1, 2)
        ]


def test_a_form_that_asks_for_a_column_that_is_not_there_refuses_with_its_place(tmp_path: Path) -> None:
    text = refusal(
        make_registry(tmp_path, FORMS.replace("status: done", "state: done"), visits=VISITS_OF_FORMS)
    )
    assert (
        'hospitals/north.yml:9: exports[1].forms.0.state: no column "state" in north/first/visits.csv' in text
    )


def test_a_key_of_a_form_that_does_not_exist_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r'north.yml:9: .*answered_if.*Did you mean "answered_when"'):
        make_registry(tmp_path, FORMS.replace("answered_when", "answered_if"))
