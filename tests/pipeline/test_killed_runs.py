"""A run that is killed at any step: running again ends in the same state, and no reader sees half of a release."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb

from orchestration.command import flow
from orchestration.registry.folder import Registry
from orchestration.resources import point_at
from tests.registries import opened, shipped, table_digests, warehouse_digest

MARKS = ("zjch/2023-06-30 taken", "models:", "results:")


def kill_when_it_says(registry: Registry, mark: str) -> str:
    """Run the command in a process of its own and kill it (SIGKILL) right after the line that holds ``mark``."""
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "python"), "-m", "orchestration.command.cli", "run", "--registry", str(registry.folder)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    )
    told = ""
    assert process.stdout is not None
    for line in process.stdout:
        told += line
        if mark in line:
            os.killpg(process.pid, signal.SIGKILL)
            break
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL, told
    return told


def test_a_run_killed_again_and_again_ends_where_an_undisturbed_run_does(shipped_run: Registry, tmp_path: Path) -> None:
    registry = shipped(tmp_path / "registry")
    shutil.copytree(shipped_run.folder / ".keys", registry.folder / ".keys")
    for mark in MARKS:
        kill_when_it_says(registry, mark)
        assert not (registry.releases / "current.duckdb").exists(), mark
    point_at(opened(registry.folder))
    outcome = flow.run_all(registry)
    assert outcome.refusals == ()
    assert warehouse_digest(registry, ("staging", "intermediate", "marts")) == warehouse_digest(
        shipped_run, ("staging", "intermediate", "marts")
    )
    assert _release_digest(registry) == _release_digest(shipped_run)


def _release_digest(registry: Registry) -> tuple[str, dict[str, str]]:
    path = (registry.releases / "current.duckdb").resolve()
    with duckdb.connect(str(path), read_only=True) as connection:
        return path.name, table_digests(connection, ("release", "results", "quality"))
