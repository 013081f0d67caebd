"""The way of an error: found, asked, answered by the hospital, recorded, read rightly in the next run."""

from __future__ import annotations

import stat
from datetime import date
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from orchestration.database.warehouse_file import warehouse
from orchestration.queries import query_list
from orchestration.queries.answers import Taken, read_answers
from orchestration.queries.asking import write_queries
from orchestration.queries.finding import find_queries
from orchestration.queries.query import QueriesRefused
from orchestration.queries.query_list import HEADERS, Choice
from orchestration.queries.told import told_of_answers
from orchestration.raw.ingestion import ingest
from orchestration.registry.folder import Registry, load_registry
from orchestration.warehouse.build import build
from orchestration.warehouse.correction_cells import resolve_corrections
from tests.registries import opened, query
from tests.unit.test_loading import make_registry

MAPPING = """\
sender: north
name: North Hospital
dates: ["%d.%m.%Y"]
rejected_rows_allowed: 1
exports:
  - file: patients.csv
    patients: {patient_id: id, sex: sex, birth_year: born, origin_date: admitted}
    identifiers: [id, name]
  - file: visits.csv
    visits: {patient_id: id, visit_date: date}
    observations: {patient_id: id, observed_on: date, values: {cmas: CMAS}}
    ignored: [remark]
  - file: labs.csv
    observations: {patient_id: id, observed_on: taken, concept: test, value: result, unit: unit}
  - file: antibodies.csv
    antibodies: {patient_id: id, tested_on: date, antibody: antibody, assay: assay, result: result}
"""
FILES = {
    "patients": "id,name,sex,born,admitted\n1,Anna Example,F,2010,01.01.2024\n2,Bert Example,M,2011,01.01.2024\n2,,F,2011,01.01.2024\n",
    "visits": "id,date,CMAS,remark\n1,01.01.2024,40,\n2,01.01.2024,99,\n",
    "labs": (
        "id,taken,test,result,unit\n1,01.01.2024,CK,l00,U/L\n1,31.02.2024,CK,110,U/L\n2,01.01.2024,ALT,20,U/L\n2,01.01.2024,ALT,21,U/L\n"
        "9,01.01.2024,ALT,20,U/L\n2,01.01.2024,AST,=1+1,U/L\n2,02.01.2024,CK,5000,µkat/L\n"
    ),
    "antibodies": "id,date,antibody,assay,result\n1,01.01.2024,NXP2,line blot,+\n1,01.01.2024,MDA5,line blot,+\n",
}
TODAY = date(2024, 6, 1)
OPEN = """\
sender: north
# written by hand, and kept
corrections:
  - id: cmas_40   # a low one
    match: {file: visits.csv, cells: {date: "01.01.2024"}}
    expect: {CMAS: "40"}
    reason: the sheet says 46
    status: open
accepted_changes: []
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = make_registry(tmp_path_factory.mktemp("queries") / "registry", MAPPING, **FILES)
    (registry.folder / "corrections").mkdir()
    (registry.folder / "corrections" / "north.yml").write_text(OPEN)
    registry = opened(registry.folder)
    assert ingest(registry, "north", "first").is_accepted
    assert [r.unique_id for r in build(registry)[0] if not r.passed] == []
    return registry


@pytest.fixture
def north(built: Registry) -> Registry:
    for path in built.queries.glob("*"):
        path.unlink()
    (built.folder / "corrections" / "north.yml").write_text(OPEN)
    return load_registry(built.folder)


def asked(registry: Registry) -> Path:
    with warehouse(registry.warehouse) as connection:
        return write_queries(connection, registry, "north", TODAY).path


def read(registry: Registry, path: Path) -> Taken:
    with warehouse(registry.warehouse) as connection:
        return read_answers(connection, registry, "north", path, TODAY)


def answered(path: Path, answers: dict[tuple[str, int, str | None], tuple[Choice | str, object]]) -> Path:
    """Fill in a list: by file, row and column, the answer and the right value."""
    book = load_workbook(path)
    sheet = book[query_list.QUESTIONS]
    for row in sheet.iter_rows(min_row=2):
        cells = dict(zip(HEADERS, row))
        choice, value = answers.get(
            (cells["File"].value, cells["Row"].value, cells["Column"].value), (None, None)
        )
        cells["Your answer"].value = choice.value if isinstance(choice, Choice) else choice
        cells["Right value, as your file would write it"].value = value
    book.save(path)
    return path


def refusal(registry: Registry, path: Path) -> list[str]:
    before = (registry.folder / "corrections" / "north.yml").read_text()
    with pytest.raises(QueriesRefused) as refused:
        read(registry, path)
    assert (registry.folder / "corrections" / "north.yml").read_text() == before
    return refused.value.reasons


def test_every_kind_of_doubt_is_asked_with_its_place_in_the_words_of_the_hospital(north: Registry) -> None:
    with warehouse(north.warehouse) as connection:
        found, left_out = find_queries(connection, north, "north", "north")
    assert sorted(
        ((q.kind, q.file, q.row, q.column, q.item, q.day, q.found) for q in found), key=str
    ) == sorted(
        [
            ("antibody_conflict", "antibodies.csv", 2, "result", "NXP2", "01.01.2024", "+"),
            ("antibody_conflict", "antibodies.csv", 3, "result", "MDA5", "01.01.2024", "+"),
            ("date_unreadable", "labs.csv", 3, "taken", "CK", "31.02.2024", "31.02.2024"),
            ("duplicate", "labs.csv", 4, "result", "ALT", "01.01.2024", "20"),
            ("duplicate", "labs.csv", 5, "result", "ALT", "01.01.2024", "21"),
            ("implausible", "labs.csv", 8, "result", "CK", "02.01.2024", "5000"),
            ("not_a_number", "labs.csv", 2, "result", "CK", "01.01.2024", "l00"),
            ("not_a_number", "labs.csv", 7, "result", "AST", "01.01.2024", "=1+1"),
            ("open", "visits.csv", 2, "CMAS", "cmas", "01.01.2024", "40"),
            ("patient_conflict", "patients.csv", 3, "sex", None, None, "M"),
            ("patient_conflict", "patients.csv", 4, "sex", None, None, "F"),
            ("patient_unknown", "labs.csv", 6, None, "ALT", "01.01.2024", None),
            ("physically_impossible", "visits.csv", 3, "CMAS", "cmas", "01.01.2024", "99"),
        ],
        key=str,
    )
    assert left_out == {}
    (told,) = (q.expected for q in found if q.kind == "implausible")
    assert told == "expected 5 to 50000 U/L, or your word that the value is right; yours is 300000 U/L"


def test_the_list_is_its_owners_alone_and_holds_no_identifier_and_no_formula(north: Registry) -> None:
    path = asked(north)
    assert path.name == "north_2024-06-01.xlsx" and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert asked(north).name == "north_2024-06-01_2.xlsx"
    book = load_workbook(path)
    sheet = book[query_list.QUESTIONS]
    texts = [str(c.value) for s in book for row in s.iter_rows() for c in row if c.value is not None]
    assert not [t for t in texts if "Anna" in t or "Bert" in t]
    assert {c.data_type for row in sheet.iter_rows(min_row=2) for c in row if c.value is not None} == {
        "s",
        "n",
    }
    assert (sheet.freeze_panes, sheet.protection.sheet, book[query_list.ORIGIN].sheet_state) == (
        "A2",
        True,
        "hidden",
    )
    (choices,) = sheet.data_validations.dataValidation
    assert choices.formula1 == '"' + ",".join(c.value for c in Choice) + '"'


@pytest.mark.parametrize(
    ("answer", "value", "sentence"),
    [
        (
            "perhaps",
            None,
            "the answer is none of: right value:, right as it is, remove this row, wrong and not known, will be sent again",
        ),
        (
            Choice.VALUE,
            None,
            '"right value:" is chosen and no value is written; write the right value beside the answer',
        ),
        (
            Choice.RIGHT,
            "5",
            'a right value is written, but the answer is not "right value:"; choose that answer, or take the value out',
        ),
        (
            Choice.VALUE,
            date(2024, 1, 2),
            "the right value came as a date or a formula of the spreadsheet; write it as text, as your file would"
            " write it",
        ),
        (
            Choice.VALUE,
            "13912345678",
            "the right value looks like an identity number, a telephone or an e-mail address; identifiers are not"
            " taken here",
        ),
        (
            Choice.VALUE,
            "l00",
            'the right value is what was found; choose "right as it is" when it is right as it is',
        ),
    ],
)
def test_an_answer_that_cannot_stand_is_told_with_its_row_and_nothing_is_taken(
    north: Registry, answer: Choice | str, value: object, sentence: str
) -> None:
    reasons = refusal(north, answered(asked(north), {("labs.csv", 2, "result"): (answer, value)}))
    assert [r.split(": ", 1)[1] for r in reasons[:1]] == [sentence] and reasons[
        -1
    ] == "Nothing of the file was taken."
    assert "13912345678" not in str(reasons)


@pytest.mark.parametrize(
    ("mark", "value", "text"),
    [
        (None, 1234567.25, "1234567.25"),
        (None, 100.0, "100"),
        (None, 0.1 + 0.2, "0.3"),
        (",", 1.234, "1,234"),
        (",", 1234.0, "1234"),
    ],
)
def test_a_number_of_the_spreadsheet_is_kept_to_its_last_digit_and_written_as_the_hospital_writes(
    north: Registry, mark: str | None, value: float, text: str
) -> None:
    """Six digits were kept; and 1.234 is a thousand and more to a hospital that writes a decimal comma."""
    if mark:
        north.mappings["north"] = north.mappings["north"].model_copy(update={"decimal": mark})
    assert (
        read(north, answered(asked(north), {("labs.csv", 2, "result"): (Choice.VALUE, value)})).written == 1
    )
    [record] = [
        c
        for c in load_registry(north.folder).corrections["north"].corrections
        if c.expect == {"result": "l00"}
    ]
    assert record.value == {"result": text}


def test_a_row_without_its_patient_cannot_be_answered_by_a_value(north: Registry) -> None:
    reasons = refusal(north, answered(asked(north), {("labs.csv", 6, None): (Choice.VALUE, "A-17")}))
    assert (
        "a record cannot put this right (a row without its patient, or an unreadable line); choose"
        in reasons[0]
    )


def test_a_list_of_another_hospital_or_registry_or_a_changed_one_is_refused(
    north: Registry, tmp_path: Path
) -> None:
    path = asked(north)
    other = make_registry(tmp_path / "other", MAPPING, **FILES)
    with warehouse(other.warehouse) as connection:
        with pytest.raises(
            QueriesRefused,
            match="the list was not written with this registry's key; read it where it was written",
        ):
            read_answers(connection, other, "north", path, TODAY)
        with pytest.raises(
            QueriesRefused, match=r'no hospital "nort" in hospitals/. Did you mean "north"\? Hospitals: north'
        ):
            read_answers(connection, other, "nort", path, TODAY)
    book = load_workbook(path)
    sheet = book[query_list.QUESTIONS]
    sheet.cell(3, HEADERS.index("Row") + 1).value = 17
    book.save(path)
    assert (
        refusal(north, path)[0]
        == f"{path.name}, row 3: the question was changed, or the row was added; restore the row, or "
        "delete it"
    )
    sheet.cell(1, 3).value = "Datei"
    book.save(path)
    assert (
        'the columns of sheet "Queries" are not those that were sent (expected "File" where it is not)'
        in refusal(north, path)[0]
    )
    book[query_list.ORIGIN].cell(3, 2).value = "south"
    book.save(path)
    assert 'a list of another hospital: found "south", expected "north"' in refusal(north, path)[0]


def test_a_file_that_is_no_list_is_refused(north: Registry, tmp_path: Path) -> None:
    plain = tmp_path / "plain.xlsx"
    Workbook().save(plain)
    assert 'plain.xlsx: no query list: it has no sheet "Queries" with its origin' in refusal(north, plain)[0]
    plain.write_bytes(b"\xd0\xcf\x11\xe0 encrypted")
    assert "plain.xlsx: cannot be read as an .xlsx workbook" in refusal(north, plain)[0]
    assert "there is no such file" in refusal(north, tmp_path / "none.xlsx")[0]


def test_a_broken_value_is_asked_answered_recorded_and_accepted_in_the_next_run(north: Registry) -> None:
    path = answered(
        asked(north),
        {
            ("labs.csv", 2, "result"): (Choice.VALUE, "100"),
            ("labs.csv", 3, "taken"): (Choice.VALUE, "29.02.2024"),
            ("labs.csv", 5, "result"): (Choice.REMOVE, None),
            ("labs.csv", 7, "result"): (Choice.UNKNOWN, None),
            ("labs.csv", 8, "result"): (Choice.RIGHT, None),
            ("labs.csv", 6, None): (Choice.SENT_AGAIN, None),
            ("visits.csv", 2, "CMAS"): (Choice.VALUE, 46),
        },
    )
    taken = read(north, path)
    assert told_of_answers(taken) == (
        "6 records written to corrections/north.yml, 1 to be sent again by the hospital, 6 not answered yet; bring them into force with:"
        " myositis run"
    )
    text = (north.folder / "corrections" / "north.yml").read_text()
    assert "# written by hand, and kept\n" in text and text.endswith("accepted_changes: []\n")
    recorded = opened(north.folder)
    assert [
        (c.expect, c.action, c.value, c.status, c.reported) for c in recorded.corrections["north"].corrections
    ] == [
        ({"CMAS": "40"}, "set", {"CMAS": "46"}, "applied", TODAY),
        ({"taken": "31.02.2024"}, "set", {"taken": "29.02.2024"}, "applied", TODAY),
        ({"result": "21"}, "drop", None, "applied", TODAY),
        ({"result": "5000"}, "set", None, "withdrawn", TODAY),
        ({"result": "l00"}, "set", {"result": "100"}, "applied", TODAY),
        ({"result": "=1+1"}, "reject", None, "applied", TODAY),
    ]
    assert read(recorded, path).written == 0
    assert (north.folder / "corrections" / "north.yml").read_text() == text
    assert [r.unique_id for r in build(recorded)[0] if not r.passed] == []
    rows = query(
        recorded,
        "select concept_id, observed_date::varchar, value_text, value_canonical, correction_id is not null"
        " from marts.fct_observation order by all",
    )
    assert rows == [
        ("alt", "2024-01-01", "20", 20.0, False),
        ("ck", "2024-01-01", "l00", 100.0, True),
        ("ck", "2024-01-02", "5000", 300000.0, False),
        ("ck", "2024-02-29", "110", 110.0, True),
        ("cmas", "2024-01-01", "40", 46.0, True),
    ]
    with warehouse(recorded.warehouse) as connection:
        left, _ = find_queries(connection, recorded, "north", "north")
        assert resolve_corrections(connection, recorded) == []
    assert sorted({q.kind for q in left}) == [
        "antibody_conflict",
        "patient_conflict",
        "patient_unknown",
        "physically_impossible",
    ]
