"""The law of names: what a hospital calls files, sheets, members, folders, headers and title rows reaches no
byte that a run makes.

Each example is a batch (and takes two minutes, so that there is one, of eighteen names): one registry whose
senders each carry an invented person's name in another place, some of them taken and some refused. Warehouse,
release, report, Dagster's folder, log, messages, drafts and screens are searched byte by byte. Only the
private ledger may hold a name, and its owner alone may read it. All names are invented.
"""

from __future__ import annotations

import json
import logging
import tempfile
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from orchestration.command import flow
from orchestration.command.cli import app
from orchestration.situation import read_situation
from tests.registries import opened, query, run

REGISTRY = """\
name: names
small_cell_threshold: 0
visit_schedule:
  - {visit: baseline, nominal_month: 0, nominal_day: 0, from_day: -14, to_day: 14}
quiet_seconds: 0
"""
HEADER = ["PatID", "Sex", "Date", "CK"]
FIELDS = """\
    patients: {patient_id: PatID, sex: Sex}
    observations: {patient_id: PatID, observed_on: Date, values: {ck: {column: CK, unit: U/L}}}
    identifiers: [PatID]
"""
# no word of any language, so that a finding is no accident
PART = st.text("qzxvkwjbp", min_size=6, max_size=8)
NAME = st.tuples(PART, PART, st.dates(), st.integers(10**6, 10**7)).map(
    lambda parts: f"{parts[0].capitalize()} {parts[1].capitalize()} {parts[2]:%d.%m.%Y}-{parts[3]}"
)
PLACES = (
    "sheet",
    "sheet_by_pattern",
    "file",
    "file_between",
    "member",
    "archive",
    "folder",
    "ignored_header",
    "unmapped_header",
    "title_row",
    "unread_file",
    "unread_sheet",
    "missing_sheet",
    "missing_member",
    "repeated_header",
    "json_key",
    "long_array",
    "malformed_line",
)
TAKEN = {
    "sheet",
    "sheet_by_pattern",
    "file",
    "file_between",
    "member",
    "archive",
    "folder",
    "ignored_header",
    "malformed_line",
}


def rows(number: int) -> list[list[str]]:
    return [[f"P{number}{i}", "f", f"2021-03-0{i}", str(100 + i)] for i in range(1, 4)]


def text(lines: list[list[str]]) -> str:
    return "\n".join(",".join(line) for line in lines) + "\n"


def book(path: Path, sheets: dict[str, list[list[str]]]) -> None:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, lines in sheets.items():
        sheet = made.create_sheet(title[:31])
        for line in lines:
            sheet.append(line)
    made.save(path)


def deliver(place: str, name: str, folder: Path) -> str:
    """Write a delivery with the name in one place; returns the export that reads it."""
    folder.mkdir(parents=True)
    table = [HEADER, *rows(PLACES.index(place))]
    key = "file: labs.csv"
    if place in ("sheet", "sheet_by_pattern", "unread_sheet", "missing_sheet"):
        sheets = {name: table} if place != "unread_sheet" else {"labs": table, name: [["a", "b"], ["1", "2"]]}
        book(folder / "labs.xlsx", sheets)
        key = {
            "sheet": "file: labs.xlsx",
            "sheet_by_pattern": 'file: labs.xlsx\n    sheet: "*"',
            "unread_sheet": "file: labs.xlsx\n    sheet: labs",
            "missing_sheet": "file: labs.xlsx\n    sheet: results",
        }[place]
    elif place in ("file", "file_between"):
        between = place == "file_between"
        (folder / (f"labs_{name}.csv" if between else f"{name}.csv")).write_text(text(table))
        key = 'file: "labs_*.csv"' if between else 'file: "*.csv"'
    elif place in ("member", "archive", "missing_member"):
        packed = folder / (f"{name}.zip" if place == "archive" else "labs.zip")
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("labs.csv" if place == "archive" else f"{name}/{name}.csv", text(table))
        key = {
            "member": "file: labs.zip",
            "archive": 'file: "*.zip"\n    member: labs.csv',
            "missing_member": "file: labs.zip\n    member: labs.csv",
        }[place]
    elif place == "folder":
        (folder / name).mkdir()
        (folder / name / "labs.csv").write_text(text(table))
        key = 'file: "*/labs.csv"'
    elif place in ("ignored_header", "unmapped_header", "repeated_header"):
        extra = [name, name] if place == "repeated_header" else [name]
        (folder / "labs.csv").write_text(
            text([HEADER + extra, *(row + ["x"] * len(extra) for row in table[1:])])
        )
        key = "file: labs.csv" + ('\n    ignored: ["*"]' if place == "ignored_header" else "")
    elif place == "title_row":
        (folder / "labs.csv").write_text(text([[f"Patient: {name}", "", "", "printed"], *table]))
    elif place == "malformed_line":
        (folder / "labs.csv").write_text(text([*table, [name, "too", "many", "fields", "here"]]))
    elif place in ("json_key", "long_array"):
        things = [dict(zip(HEADER, row)) for row in table[1:]]
        things[0][name] = list(range(100)) if place == "long_array" else "x"
        (folder / "labs.ndjson").write_text("\n".join(map(json.dumps, things)))
        key = "file: labs.ndjson"
    else:
        (folder / "labs.csv").write_text(text(table))
        (folder / f"{name}.csv").write_text(text(table))
    return f"  - {key}\n{FIELDS}"


def lay_out(folder: Path, names: list[str]) -> None:
    (folder / "hospitals").mkdir(parents=True)
    (folder / "registry.yml").write_text(REGISTRY)
    for place, name in zip(PLACES, names):
        export = deliver(place, name, folder / "landing" / place / "first")
        mapping = f"sender: {place}\nname: {place}\nrejected_rows_allowed: 1\nexports:\n{export}"
        (folder / "hospitals" / f"{place}.yml").write_text(mapping)


def pieces(name: str) -> list[bytes]:
    """The parts of a name that no accident writes, as text files and as databases of wide characters hold
    them.
    """
    first, second, rest = name.split(" ")
    return [
        part.encode(code)
        for part in (first, second, rest.partition("-")[0], rest.partition("-")[2])
        for code in ("utf-8", "utf-16-le")
    ]


@settings(
    max_examples=1,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(names=st.lists(NAME, min_size=len(PLACES), max_size=len(PLACES), unique=True))
def test_no_name_that_the_mapping_does_not_spell_out_reaches_a_byte_that_a_run_makes(
    names: list[str],
) -> None:
    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())
    log = logging.getLogger("myositis")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "registry"
        lay_out(folder, names)
        try:
            registry = opened(folder)
            told += flow.check(registry, read_situation(registry))
            outcome = run(registry)
            told += [refusal.sentence() for refusal in outcome.refusals]
        finally:
            log.removeHandler(handler)
            log.setLevel(level)
        taken = {
            sender
            for (sender,) in query(registry, "select sender_id from raw.delivery where state = 'accepted'")
        }
        for place in PLACES:  # a draft, its screen and its profile of each sample
            for options in ((), ("--csv",)):
                result = CliRunner().invoke(
                    app,
                    [
                        "onboard",
                        f"draft_{place}",
                        str(folder / "landing" / place / "first"),
                        "--registry",
                        str(folder),
                        *options,
                    ],
                )
                told.append(result.output)
        assert told and outcome.released and taken >= TAKEN
        ledger = folder / "private" / "names.csv"
        held = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and not path.is_relative_to(folder / "landing") and path != ledger
        }
        held["what was told"] = "\n".join(told).encode()
        found = {
            (file, place)
            for file, content in held.items()
            for place, name in zip(PLACES, names)
            if any(piece in content for piece in pieces(name))
        }
        assert found == set()
        assert ledger.stat().st_mode & 0o777 == 0o600
        known = ledger.read_text(encoding="utf-8")
        assert [
            p
            for p, name in zip(PLACES, names)
            if p in TAKEN - {"ignored_header", "malformed_line"} and name[:31] not in known
        ] == []


@pytest.mark.parametrize("place", ["sheet", "file", "member"])
def test_a_name_that_the_mapping_spells_out_stands(place: str, tmp_path: Path) -> None:
    """Without this the law would hold of a warehouse that tells nothing."""
    from orchestration.landing.inventory import take_inventory
    from orchestration.landing.names import Names

    folder = tmp_path / "registry"
    (folder / "hospitals").mkdir(parents=True)
    (folder / "registry.yml").write_text(REGISTRY)
    deliver(place, "labs of spring", folder / "landing" / "h" / "first")
    spelled = {
        "sheet": "file: labs.xlsx\n    sheet: labs of spring",
        "file": "file: labs of spring.csv",
        "member": "file: labs.zip\n    member: labs of spring/labs of spring.csv",
    }[place]
    (folder / "hospitals" / "h.yml").write_text(f"sender: h\nname: h\nexports:\n  - {spelled}\n{FIELDS}")
    registry = opened(folder)
    names = Names(registry.mappings["h"], take_inventory(registry, "h", "first"))
    told = {
        "sheet": lambda: names.sheet("labs.xlsx", "labs of spring", 1),
        "file": lambda: names.file("labs of spring.csv"),
        "member": lambda: names.file("labs.zip/labs of spring/labs of spring.csv"),
    }[place]()
    assert "labs of spring" in told and "#" not in told
