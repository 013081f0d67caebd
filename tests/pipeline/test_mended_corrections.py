"""Records that a mended file has made true are closed all at once; the file keeps every other character."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.command import cli, hospital_commands
from orchestration.raw.ingestion import ingest
from orchestration.registry.folder import Registry
from orchestration.warehouse.correction_cells import check_corrections, trying_out_corrections
from tests.registries import opened
from tests.unit.test_loading import make_registry

MAPPING = """\
sender: north
name: North Hospital
dates: ["%Y-%m-%d"]
changes_allowed: {changed: 1, gone: 1}
exports:
  - {file: patients.csv, patients: {patient_id: id, sex: sex}, identifiers: [id]}
  - file: labs.csv
    observations: {patient_id: id, observed_on: day, concept: test, value: value, unit: unit}
    identifiers: [id]
"""
HEAD = "id,day,test,value,unit\n"
SENT = "1,2024-01-01,CK,l0,U/L\n1,2024-01-02,CK,2O,U/L\n1,2024-01-03,Kreatin,30,U/L\n1,2024-01-04,CK,40,U/L\n1,2024-01-05,CK,5O,U/L\n1,2024-01-06,CK,60,U/l\n"
MENDED = "1,2024-01-01,CK,10,U/L\n1,2024-01-02,CK,22,U/L\n1,2024-01-03,CK,30,U/L\n1,2024-01-05,CK,5O,U/L\n1,2024-01-06,CK,61,U/l\n"
RECORDS = """\
# kept by A. Keeper
sender: north
corrections:
  - id: ten  # the letter l
    match: {file: labs.csv, cells: {day: "2024-01-01"}}
    expect: {value: "l0"}
    value: {value: "10"}
    reason: the print-out says 10
    status: applied   # since March
  - {id: twenty, match: {file: labs.csv, cells: {day: "2024-01-02"}}, expect: {value: "2O"}, value: {value: "20"}, reason: r, status: "applied"}
  - id: word
    match: {file: labs.csv, cells: {test: Kreatin}}
    expect: {test: Kreatin}
    value: {test: CK}
    reason: their word
    status: applied
  - id: not_theirs
    match: {file: labs.csv, cells: {day: "2024-01-04"}}
    expect: {value: "40"}
    action: drop
    reason: of another patient
    status: applied
  - id: fifty
    match: {file: labs.csv, cells: {day: "2024-01-05"}}
    expect: {value: "5O"}
    value: {value: "50"}
    reason: still wrong
    status: applied
  - id: sixty
    match: {file: labs.csv, cells: {day: "2024-01-06"}}
    expect: {value: "60"}
    reason: doubted
    status: open
# the end
"""


@pytest.fixture
def mended(tmp_path: Path) -> Registry:
    registry = make_registry(
        tmp_path / "registry", MAPPING, patients="id,sex\n1,f\n", visits="", labs=HEAD + SENT
    )
    (registry.folder / "corrections").mkdir()
    (registry.folder / "corrections" / "north.yml").write_text(RECORDS)
    registry = opened(registry.folder)
    assert ingest(registry, "north", "first").is_accepted
    (registry.landing / "north" / "first" / "labs.csv").write_text(HEAD + MENDED)
    assert ingest(registry, "north", "first").is_accepted
    return registry


def close(registry: Registry, capsys: pytest.CaptureFixture[str], *, dry_run: bool = False) -> str:
    def done() -> None:
        hospital_commands.queries("north", close_mended=True, dry_run=dry_run, registry=registry.folder)

    assert cli.guarded(done) == cli.DONE
    return capsys.readouterr().out


def test_what_is_mended_is_closed_and_what_is_not_is_left_with_the_reason(
    mended: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    with trying_out_corrections(mended) as connection:
        stale = check_corrections(connection, mended)
    assert len(stale) == 5 and "all that are mended with: myositis queries north --close-mended" in stale[0]
    told = close(mended, capsys, dry_run=True)
    assert told.startswith(
        "corrections/north.yml: 4 records would be closed (--dry-run: nothing is written)\n"
    )
    path = mended.folder / "corrections" / "north.yml"
    assert path.read_text() == RECORDS
    told = close(mended, capsys)
    assert told == (
        "corrections/north.yml: 4 records closed\n"
        "  ten: mended: delivery first holds the right value\n"
        "  word: mended: no row holds the text any more\n"
        "  not_theirs: mended: the row is not sent any more\n"
        "  sixty: withdrawn: delivery first no longer holds the text\n"
        "  twenty: left as it is: delivery first holds neither what the record expects nor its value; look at the row, and correct"
        " the record\n"
        "Go on with: myositis run\n"
    )
    lines = RECORDS.splitlines()
    changed = [(a, b) for a, b in zip(lines, path.read_text().splitlines(), strict=True) if a != b]
    assert changed == [
        ("    status: applied   # since March", "    status: mended   # since March"),
        ("    status: applied", "    status: mended"),
        ("    status: applied", "    status: mended"),
        ("    status: open", "    status: withdrawn"),
    ]
    closed = opened(mended.folder)
    with trying_out_corrections(closed) as connection:
        [left] = check_corrections(connection, closed)
    assert ": twenty: " in left
    assert close(closed, capsys).startswith(
        "corrections/north.yml: 0 records closed\n  twenty: left as it is"
    )


def test_dry_run_and_read_go_with_the_choices_that_know_them(mended: Registry) -> None:
    assert (
        cli.guarded(lambda: hospital_commands.queries("north", dry_run=True, registry=mended.folder))
        == cli.MISUSED
    )
    read = mended.folder / "corrections" / "north.yml"
    assert (
        cli.guarded(
            lambda: hospital_commands.queries("north", read=read, close_mended=True, registry=mended.folder)
        )
        == cli.MISUSED
    )
