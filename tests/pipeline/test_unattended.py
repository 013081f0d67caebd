"""The short version of `python -m tests.unattended`: the real daemon takes deliveries and ends in time.

The rules behind it have tests of their own: `test_automation`, `test_attempts`, `test_supervisor`.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.registries import opened
from tests.unattended.script import script
from tests.unattended.stage import Stage, processes_of
from tests.unit.test_loading import make_registry

SETTINGS = "unattended: {look_every_seconds: 5, first_pause_seconds: 1}\n"


def test_the_daemon_takes_two_deliveries_in_one_process_and_ends_within_five_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MYOSITIS_REGISTRY", "")  # what the stage sets goes with the test
    monkeypatch.setenv("DAGSTER_HOME", "")
    folder = tmp_path / "registry"
    make_registry(folder)
    (folder / "registry.yml").write_text((folder / "registry.yml").read_text() + SETTINGS)
    shutil.copytree(folder / "landing" / "north" / "first", folder / "landing" / "north" / "second")
    opened(folder)
    stage = Stage(folder, folder / "landing" / "north" / "first")
    stage.start(ignores_interrupt=True, wait=False)
    try:
        taken = {"north/first": "accepted", "north/second": "accepted"}
        stage.until(lambda: stage.ledger() == taken, "the deliveries are taken", 90)
        assert stage.partitions("north") == {"first", "second"}
        [launched] = [run for run in stage.runs(job_name="ingest_north") if stage.was_launched(run.run_id)]
        assert launched.tags["dagster/partition"] == "first"  # its process went on with the second
        said = re.sub(r"\s+", " ", stage.log.read_text())
        assert "looks at landing/ and at the registry's files every 5 s" in said
        assert "each night at 02:00 UTC" in said
    finally:
        code, took = stage.stop()
    assert (code, took < 5, processes_of(folder)) == (143, True, [])


def test_the_long_version_has_forty_steps_and_more() -> None:
    assert len(script.steps) >= 40
    assert len({sentence for sentence, _ in script.steps}) == len(script.steps)
