"""What people decide about deliveries, as files: corrections and waivers. Every fault with file, line and
remedy, no value quoted.
"""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest

from expectations.suite import WaiverEntry, WaiverFile
from orchestration.command import closing
from orchestration.registry.corrections import (
    AcceptedChange,
    Correction,
    CorrectionFile,
    Match,
    WithdrawnDelivery,
)
from orchestration.registry.folder import Registry, load_registry
from orchestration.situation import read_situation
from tests.unit.test_loading import make_registry
from yaml_files.yaml_file import ConfigurationError

CORRECTION = """\
sender: north
corrections:
  - id: typing
    match: {file: visits.csv, cells: {date: "2024-01-05"}}
    expect: {CK: "7654321"}
    value: {CK: "765"}
    reason: typed twice
    status: applied
"""
DOCUMENTED = """\
sender: north
name: North Hospital
exports:
  - file: labs_*.csv
    observations: {patient_id: MRN, observed_on: Sampled, concept: Test, value: Result, unit: Unit}
"""
WAIVER = """\
waivers:
  - expectation: sex_complete
    hospital: north
    owner: A. Keeper
    reason: the export of 2023 has no sex
    expires: 2025-06-30
"""


def read(folder: Path, corrections: str = CORRECTION, waivers: str = WAIVER) -> Registry:
    make_registry(folder)
    (folder / "corrections").mkdir(exist_ok=True)
    (folder / "corrections" / "north.yml").write_text(corrections)
    (folder / "waivers.yml").write_text(waivers)
    return load_registry(folder)


def faults(folder: Path, corrections: str = CORRECTION, waivers: str = WAIVER) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        read(folder, corrections, waivers)
    return error.value.faults


def test_a_file_of_corrections_and_one_of_waivers_are_read(tmp_path: Path) -> None:
    registry = read(tmp_path)
    assert [c.id for c in registry.corrections["north"].corrections] == ["typing"]
    assert [(w.expectation, w.hospital, w.expires) for w in registry.waivers] == [
        ("sex_complete", "north", date(2025, 6, 30))
    ]


@pytest.mark.parametrize(
    ("written", "instead", "sentence"),
    [
        (
            "cells: {date:",
            "cells: {dates:",
            'corrections/north.yml:4: corrections[0].match.cells.dates: hospitals/north.yml takes no column "dates" from these files.'
            ' Did you mean "date"? Its columns: date, CK, ALT',
        ),
        (
            '{date: "2024-01-05"}',
            '{id: "1"}',
            'corrections/north.yml:4: corrections[0].match.cells.id: "id" holds identifiers, which are not kept; name the patient by'
            " match.patient_key, or the row by match.delivery and match.row",
        ),
        (
            '{date: "2024-01-05"}',
            "{remark: x}",
            'corrections/north.yml:4: corrections[0].match.cells.remark: "remark" is ignored by hospitals/north.yml and not kept; name the row'
            " by another column, or map this one",
        ),
        (
            "file: visits.csv",
            "file: visit.csv",
            "corrections/north.yml:4: corrections[0].match.file: no export of hospitals/north.yml takes records from it. Its files:"
            ' patients.csv, visits.csv. Did you mean "visits.csv"?',
        ),
        (
            'cells: {date: "2024-01-05"}',
            "row: 2",
            "corrections/north.yml:4: corrections[0].match: row needs delivery: in another delivery the same row is another one",
        ),
        (
            '{CK: "7654321"}',
            "{CK: 7654321}",
            'corrections/north.yml:5: corrections[0].expect: write column and text of "CK" in quotes, exactly as they were sent',
        ),
        (
            '{CK: "7654321"}',
            '{CK: ""}',
            "corrections/north.yml:5: corrections[0].expect.CK: an empty cell of a wide table gives no record, so there is nothing to correct;"
            " ask the hospital to send the row again",
        ),
        (
            '{CK: "765"}',
            '{CK: "13912345678"}',
            "corrections/north.yml:6: corrections[0].value.CK: the text looks like an identity number, a telephone or an e-mail address;"
            " identifiers are not kept: name the patient by patient_key, or the row by delivery and row",
        ),
        (
            '{CK: "765"}',
            '{ALT: "765"}',
            'corrections/north.yml:3: corrections[0]: value sets "ALT"; write under expect the text that '
            "it holds now",
        ),
        (
            '    value: {CK: "765"}\n',
            "",
            "corrections/north.yml:3: corrections[0]: action set needs value; without an answer yet write status: open",
        ),
        (
            "    value:",
            "    action: drop\n    value:",
            "corrections/north.yml:3: corrections[0]: action drop has no value; leave value out, or write action: set",
        ),
        (
            "status: applied",
            "status: done",
            "corrections/north.yml:8: corrections[0].status: expected 'open', 'applied', 'mended' or 'withdrawn'",
        ),
        (
            "sender: north",
            "sender: south",
            'corrections/north.yml:1: sender: "south" does not match the file name; name the file south.yml or write sender: north',
        ),
    ],
)
def test_a_fault_of_a_correction_says_where_and_what_to_do(
    tmp_path: Path, written: str, instead: str, sentence: str
) -> None:
    found = faults(tmp_path, CORRECTION.replace(written, instead))
    assert found[0] == sentence
    assert not any("7654321" in fault or "13912345678" in fault for fault in found)


@pytest.mark.parametrize(
    ("written", "instead", "sentence"),
    [
        (
            "sex_complete",
            "sex_completed",
            'waivers.yml:2: waivers[0].expectation: no expectation "sex_completed" in any suite. Did you mean "sex_complete"?',
        ),
        (
            "hospital: north",
            "hospital: nord",
            'waivers.yml:3: waivers[0].hospital: no hospital "nord" in hospitals/. Did you mean "north"? Hospitals: north',
        ),
        ("    owner: A. Keeper\n", "", "waivers.yml:2: waivers[0].owner: this key is required and missing"),
    ],
)
def test_a_fault_of_a_waiver_says_where_and_what_to_do(
    tmp_path: Path, written: str, instead: str, sentence: str
) -> None:
    assert faults(tmp_path, waivers=WAIVER.replace(written, instead)) == [sentence]


def test_a_release_is_made_anew_when_a_waiver_ends_or_a_correction_changes(tmp_path: Path) -> None:
    registry = read(tmp_path)
    last_day, after = date(2025, 6, 30), date(2025, 7, 1)
    assert registry.records_digest(last_day) == registry.records_digest(date(2025, 1, 1))
    assert registry.records_digest(last_day) != registry.records_digest(after)
    withdrawn = read(tmp_path, CORRECTION.replace("applied", "withdrawn"))
    assert withdrawn.records_digest(after) != registry.records_digest(after)
    assert withdrawn.corrections_digest("north") == "" != registry.corrections_digest("north")


def test_editors_get_a_schema_in_which_every_key_is_described() -> None:
    for model in (CorrectionFile, WaiverFile):
        json.dumps(model.model_json_schema())
    match = CorrectionFile.model_json_schema()["$defs"]["Match"]["properties"]
    assert [name for name, key in match.items() if "description" not in key] == []


def test_status_names_waivers_that_end_within_a_month_or_have_ended(tmp_path: Path) -> None:
    situation = read_situation(read(tmp_path))
    assert closing.ending_waivers(situation, date(2025, 5, 30)) == []
    assert closing.ending_waivers(situation, date(2025, 5, 31)) == [
        "waivers.yml: sex_complete of north: ends on 2025-06-30; ask A. Keeper, and renew it or take it out"
    ]
    assert closing.ending_waivers(situation, date(2025, 7, 1)) == [
        "waivers.yml: sex_complete of north: ended on 2025-06-30; ask A. Keeper, and renew it or take it out"
    ]


def test_every_key_of_these_files_stands_in_their_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "corrections.md").read_text(encoding="utf-8")
    for model in (
        CorrectionFile,
        Correction,
        Match,
        AcceptedChange,
        WithdrawnDelivery,
        WaiverFile,
        WaiverEntry,
    ):
        assert [k for k in model.model_fields if not re.search(rf"\b{k}\b", text)] == [], model.__name__


def test_the_examples_of_the_documentation_are_read(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "corrections.md").read_text(encoding="utf-8")
    correction, accepted, withdrawn, waiver = re.findall(r"```yaml\n(.*?)```", text, flags=re.S)
    make_registry(tmp_path, DOCUMENTED)
    (tmp_path / "corrections").mkdir()
    (tmp_path / "corrections" / "north.yml").write_text(correction + accepted + withdrawn)
    (tmp_path / "waivers.yml").write_text(waiver)
    registry = load_registry(tmp_path)
    assert registry.corrections["north"].accepts("2024-06-30", "3fa9c2e41b07" + "0" * 52)
    assert registry.withdraws("north", "2024-06-30", "3fa9c2e41b07" + "0" * 52)
    assert [w.item for w in registry.waivers] == ["ck"]
