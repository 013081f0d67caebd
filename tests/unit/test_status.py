"""What `myositis status` tells of a registry that runs by itself."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestration.command import closing
from orchestration.database.warehouse_file import warehouse
from orchestration.registry.folder import Registry
from orchestration.resources import point_at
from orchestration.running import runs
from orchestration.running.supervisor import DAEMON_LOCK
from tests.unit.test_loading import MAPPING, make_registry


@pytest.fixture
def north(tmp_path: Path) -> Registry:
    every = MAPPING.replace("name: North Hospital", "name: North Hospital\nexpected_every: 3 months")
    registry = make_registry(tmp_path, every)
    (registry.landing / "nobody").mkdir()
    point_at(registry)
    return registry


def shown(registry: Registry, capsys: pytest.CaptureFixture[str]) -> str:
    closing.show_status(registry)
    return capsys.readouterr().out


def test_status_tells_what_needs_a_person_what_is_due_and_whether_anything_runs_by_itself(
    north: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    said = shown(north, capsys)
    assert "landing/nobody: no mapping reads this sender" in said
    assert "north: a delivery is expected every 3 months, and none has been accepted yet" in said
    assert "outstanding: north/first (2 files)" in said
    assert "unattended: nothing runs by itself" in said
    assert not north.warehouse.exists()
    runs.hold(north.dagster_home / DAEMON_LOCK)
    try:
        assert (
            "looks for deliveries every 15 s; what is outstanding is tried once more at night (02:00 UTC)"
            in shown(north, capsys)
        )
    finally:
        runs.let_go(north.dagster_home / DAEMON_LOCK)


def test_status_answers_soon_while_a_run_writes_and_says_which(
    north: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    with warehouse(north.warehouse):
        pass
    code = f"import duckdb, time; c = duckdb.connect({str(north.warehouse)!r}); print(1, flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        other.stdout.readline()
        began = time.monotonic()
        said = shown(north, capsys)
        assert time.monotonic() - began < 5
    finally:
        other.kill()
        other.communicate()
    assert f"process {other.pid} (python -c) writes to it" in said
    assert "Until then only the deliveries of the current release can be shown" in said
    assert "no delivery has been accepted" not in said  # nobody can know
