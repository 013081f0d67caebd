"""The age of a question outlives the warehouse, later lists and later builds; the status and the report show
it by hospital.
"""

from __future__ import annotations

import shutil
import stat
from dataclasses import asdict
from datetime import date
from pathlib import Path

import pytest

from analytics.printed.provenance_tables import question_table
from orchestration.command import closing
from orchestration.database.warehouse_file import warehouse
from orchestration.queries.answers import read_answers
from orchestration.queries.asked import Standing, ledger_of, read_asked, standings
from orchestration.queries.asking import write_queries
from orchestration.queries.query_list import Choice
from orchestration.raw.ingestion import ingest
from orchestration.registry.folder import Registry
from orchestration.warehouse.build import build
from tests.pipeline.test_queries import answered
from tests.registries import opened
from tests.unit.test_loading import make_registry

MAPPING = """\
sender: north
name: North Hospital
rejected_rows_allowed: 1
exports:
  - {file: patients.csv, patients: {patient_id: id, sex: sex}, identifiers: [id]}
  - file: labs.csv
    observations: {patient_id: id, observed_on: day, concept: test, value: value, unit: unit}
    identifiers: [id]
"""
LABS = "id,day,test,value,unit\n1,2024-01-01,CK,many,U/L\n1,2024-01-02,CK,few,U/L\n1,2024-01-03,CK,hundreds,U/L\n"
FIRST, SECOND, THIRD = date(2024, 6, 1), date(2024, 6, 11), date(2024, 7, 1)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder = tmp_path_factory.mktemp("asked") / "registry"
    registry = make_registry(folder, MAPPING, patients="id,sex\n1,f\n", visits="", labs=LABS)
    return taken(opened(registry.folder))


def taken(registry: Registry) -> Registry:
    assert ingest(registry, "north", "first").is_accepted
    assert [r.unique_id for r in build(registry)[0] if not r.passed] == []
    return registry


def asked(registry: Registry, day: date) -> Path:
    with warehouse(registry.warehouse) as connection:
        written = write_queries(connection, registry, "north", day)
    assert written is not None
    return written.path


def test_a_question_keeps_the_day_on_which_it_was_first_asked(
    built: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert standings(built, FIRST) == []
    path = asked(built, FIRST)
    asked(built, SECOND)
    assert {(q.first_asked_on, q.last_asked_on) for q in read_asked(built)} == {("2024-06-01", "2024-06-11")}
    assert stat.S_IMODE(ledger_of(built).stat().st_mode) == 0o600
    assert "many" not in ledger_of(built).read_text()

    answers = {
        ("labs.csv", 2, "value"): (Choice.VALUE, "100"),
        ("labs.csv", 3, "value"): (Choice.SENT_AGAIN, None),
    }
    with warehouse(built.warehouse) as connection:
        read_answers(connection, built, "north", answered(path, answers), SECOND)
    waiting = opened(built.folder)
    assert standings(waiting, THIRD) == [Standing("north", 3, 1, 0, 2, 30, 10)]

    shutil.rmtree(waiting.warehouse.parent)  # a warehouse that is built anew
    assert standings(waiting, THIRD) == [Standing("north", 3, 1, 0, 2, 30, 10)]
    labs = waiting.landing / "north" / "first" / "labs.csv"
    labs.write_text(LABS.replace("few", "30"))  # the hospital sends one row again
    mended = taken(opened(waiting.folder))
    assert standings(mended, THIRD) == [Standing("north", 3, 1, 1, 1, 30, 10)]

    closing.show_questions(mended, THIRD)
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1].split() == ["north", "3", "1", "1", "1", "30", "10"]
    table = question_table([asdict(s) for s in standings(mended, THIRD)], {"north": "North Hospital"})
    assert table is not None
    assert [cell.text for cell in map(table.rows[0].cell, [c.key for c in table.columns])] == [
        "North Hospital", "3", "1", "1", "1", "30", "10",
    ]  # fmt: skip


def test_without_questions_neither_status_nor_report_has_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = make_registry(tmp_path / "registry", MAPPING, patients="id,sex\n1,f\n", visits="", labs=LABS)
    closing.show_questions(registry, FIRST)
    assert capsys.readouterr().out == ""
    assert question_table([], {}) is None
