"""Small versions of the attacks with files from outside; `python -m tests.attack` has the large ones."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path
from unittest.mock import patch

import pytest

from orchestration.exports import ExportFault, ReadSpec, open_tables, worker
from orchestration.exports.json_stream import document_elements
from orchestration.exports.kinds import kind_of
from orchestration.exports.limits import MIB
from orchestration.exports.survey import Shape, survey
from orchestration.landing.arrivals import strays
from orchestration.raw import ingestion
from orchestration.raw.outstanding import outstanding
from orchestration.raw.reading_place import reading_place, sweep
from orchestration.raw.verdict import Decision
from orchestration.registry.folder import load_registry
from tests.attack import canaries, files
from tests.attack.kills import _family, _is_alive
from tests.unit.test_loading import MAPPING, make_registry

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def without_suite():
    with patch("orchestration.running.checks.run_suite", lambda *_, **__: []):
        yield


def test_hostile_files_hang_stop_lose_and_execute_nothing() -> None:
    found = files.attack(seed=4, rounds=10)
    assert found.broken == ()
    assert found.numbers["taken"] + found.numbers["refused"] == 10
    assert found.numbers["good deliveries beside them"] == 1


def test_no_canary_of_a_delivery_is_in_anything_that_ingestion_makes(tmp_path: Path) -> None:
    words = canaries.plant(tmp_path / "registry", random.Random(5))
    registry = load_registry(tmp_path / "registry")
    for found in outstanding(registry):
        verdict = ingestion.ingest(registry, found.sender, found.delivery)
        assert verdict.is_accepted == (found.sender == "north")
        assert not verdict.is_broken
        assert not any(word in reason for reason in verdict.reasons for word in words.values())
    every = [p for p in registry.folder.rglob("*") if p.is_file()]
    made = [
        p for p in every if p.relative_to(registry.folder).parts[0] not in ("landing", "private", "hospitals")
    ]
    assert any(p.name == "warehouse.duckdb" for p in made)
    assert list(canaries.search(registry.folder, made, words)) == []
    in_landing = {f.partition(":")[0] for f in canaries.search(registry.folder, every, words)}
    assert len(words) >= 40 and {"taken", "refused book", "refused late", "broken"} <= in_landing


def test_a_refused_delivery_leaves_no_byte_in_the_warehouse_file(tmp_path: Path) -> None:
    """Its first table is in order, and larger than what DuckDB holds back before it writes; the second holds
    telephone numbers, which refuse the whole.
    """
    registry = make_registry(tmp_path)
    assert ingestion.ingest(registry, "north", "first").is_accepted
    before = registry.warehouse.stat().st_size
    second = registry.landing / "north" / "second"
    second.mkdir()
    texts = [random.Random(n).randbytes(60).hex() for n in range(130_000)]
    rows = "".join(f"{n},Example {n},{text}\n" for n, text in enumerate(texts))
    (second / "patients.csv").write_text(f"id,name,sex\n{rows}")
    (second / "visits.csv").write_text("id,date,CK,ALT,remark\n" + "1,2024-01-05,13812345678,20,\n" * 30)
    verdict = ingestion.ingest(registry, "north", "second")
    assert "telephone number" in verdict.reasons[0]
    content = registry.warehouse.read_bytes()
    assert len(content) < before + 2 * MIB  # the ledger's rows, a block a column
    assert not any(text.encode() in content for text in texts[::1000])


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(KeyError("Anna Example"), "KeyError"), (RecursionError(), "RecursionError"), (OSError(5, "x"), None)],
)
def test_what_nobody_foresaw_refuses_one_delivery_and_is_not_quoted(
    tmp_path: Path, error: Exception, outcome: str | None
) -> None:
    registry = make_registry(tmp_path)
    with patch.object(ingestion, "load_delivery", side_effect=error):
        if outcome is None:  # the disk is ours to mend
            with pytest.raises(OSError):
                ingestion.ingest(registry, "north", "first")
            return
        verdict = ingestion.ingest(registry, "north", "first")
    assert verdict.decision is Decision.REFUSED
    assert outcome in verdict.reasons[0] and "Anna" not in verdict.reasons[0]
    assert [i.delivery for i in outstanding(registry)] == ["first"]  # the next run reads it again
    assert ingestion.ingest(registry, "north", "first").is_accepted


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        (b"patients.zip", b"PK\x03\x04" + b"x" * 50, "not one that"),
        (b"M\xfcller.csv", b"id\n1\n", "a file whose name is not UTF-8"),
    ],
)
def test_a_file_that_used_to_stop_every_run_refuses_its_delivery(
    tmp_path: Path, name: bytes, content: bytes, rule: str
) -> None:
    mapping = MAPPING.replace("file: patients.csv", 'file: "patients.*"')
    registry = make_registry(tmp_path, mapping)
    other = registry.landing / "north" / "second"
    other.mkdir()
    with open(os.path.join(os.fsencode(other), name), "wb") as file:
        file.write(content)
    assert [i.delivery for i in outstanding(registry)] == ["first", "second"]
    assert ingestion.ingest(registry, "north", "first").is_accepted
    verdict = ingestion.ingest(registry, "north", "second")
    assert verdict.decision is Decision.REFUSED and not verdict.is_broken
    if rule.startswith("a file"):
        assert rule in verdict.reasons[0]


def test_a_part_that_nobody_asked_for_and_that_is_damaged_refuses_its_delivery(tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    fault = ExportFault("damaged_archive", found="a damaged archive", expected="a whole one", remedy="Ask.")
    with patch("orchestration.raw.tables.left_unread", side_effect=fault):
        verdict = ingestion.ingest(registry, "north", "first")
    assert verdict.reasons[0] == "north/first/patients.csv: a damaged archive; expected a whole one. Ask."
    assert not verdict.is_broken


def test_a_file_that_this_user_cannot_read_refuses_its_delivery(tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    closed = PermissionError(13, "Permission denied")
    with patch("orchestration.landing.inventory._Hashes.of", side_effect=closed):
        verdict = ingestion.ingest(registry, "north", "first")
    assert "a file that cannot be read (Permission denied); let this user read it" in verdict.reasons[0]


def test_a_folder_whose_name_is_not_utf8_is_told_and_the_others_are_taken(tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    for place in (b"north/M\xfcller", b"M\xfcnster"):
        os.mkdir(os.path.join(os.fsencode(registry.landing), place))
    assert [i.delivery for i in outstanding(registry)] == ["first"]
    assert sorted(stray.sentence() for stray in strays(registry)) == [
        "landing/M\\xfcnster: the name of this folder is not UTF-8; rename it, and run again",
        "landing/north/M\\xfcller: the name of this folder is not UTF-8; rename it, and run again",
    ]


# processes and what they leave


def test_the_processes_that_read_end_with_the_one_that_was_killed(tmp_path: Path) -> None:
    slow = tmp_path / "slow.csv"
    slow.write_bytes(b"id,sex\n" + b"\n" * 8_000_000)
    script = (
        "import sys; from pathlib import Path; from orchestration.exports import open_tables, ReadSpec;"
        "open_tables(Path(sys.argv[1]), ReadSpec(), Path(sys.argv[2]))"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(slow), str(tmp_path)], cwd=ROOT)
    deadline = time.monotonic() + 60
    while len(family := _family(process.pid)) < 3:  # ours, the one that waits, the one that reads
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    ended = time.monotonic()
    while any(map(_is_alive, family)):
        assert time.monotonic() - ended < 5
        time.sleep(0.02)


def test_a_waiting_process_that_was_ended_from_outside_is_asked_once_more(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,sex\n1,F\n")
    open_tables(path, ReadSpec(), tmp_path)
    assert worker._waiting.process is not None
    os.kill(worker._waiting.process.pid, signal.SIGSTOP)  # so that it is gone after it was asked
    os.kill(worker._waiting.process.pid, signal.SIGKILL)
    assert open_tables(path, ReadSpec(), tmp_path)[0].rows == 1


def test_a_run_sweeps_what_no_living_process_holds(tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    at = registry.warehouse.parent
    with reading_place(registry) as place:
        (place / "sheet.csv").write_text("Anna Example")
        assert place.stat().st_mode & 0o777 == 0o700
        left = at / "reading-of-a-dead-process"
        left.mkdir()
        (left / "sheet.csv").write_text("Bert Example")
        sweep(registry)
        assert place.exists() and not left.exists()
    assert list(at.glob("reading-*")) == []


def test_another_process_can_hold_a_place_of_reading(tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    with reading_place(registry) as place:
        handle = os.open(place, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)


# bounds


def test_a_json_document_is_held_element_by_element(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[" + ",".join(f'{{"id": {n}, "t": "{"x" * 1000}"}}' for n in range(20_000)) + "]")
    tracemalloc.start()
    found = sum(1 for _ in document_elements(path, 0, json.JSONDecoder()))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == 20_000
    assert most < 12 * MIB  # a piece of 2 MiB, what is left of the last one, and their copy


def test_of_a_mimetype_no_more_is_unpacked_than_tells_the_format(tmp_path: Path) -> None:
    path = tmp_path / "a.ods"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", bytes(50 * MIB))
    tracemalloc.start()
    assert kind_of(path, "a.ods", ReadSpec()) == "zip"
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2 * MIB


def test_millions_of_empty_lines_are_seen_before_they_are_laid_out(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,sex\n1,F\n" + b"\n" * 2_000_000)
    tracemalloc.start()
    assert survey(path, Shape(ord(","), ord('"'), 2), 7, 2) is None
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20 * MIB
