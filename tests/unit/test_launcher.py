"""A run that the daemon starts is a process of its own, known by its lock from its first moment."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest

from orchestration.resources import point_at
from orchestration.running import launcher
from orchestration.running.launcher import Launcher
from orchestration.running.supervisor import MARKS, holder
from tests.unit.test_loading import make_registry


def test_the_instance_starts_runs_one_at_a_time_through_the_launcher(tmp_path: Path) -> None:
    point_at(make_registry(tmp_path))
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.run_launcher, Launcher)
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None and queue.max_concurrent_runs == 1
        assert sorted(instance.get_required_daemon_types()) == [
            "BACKFILL",
            "QUEUED_RUN_COORDINATOR",
            "SCHEDULER",
            "SENSOR",
        ]


def test_a_launched_process_holds_the_lock_of_its_run_until_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "worker_of_a_test.py").write_text("import time; time.sleep(1)\n")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setattr(launcher, "WORKER", "worker_of_a_test")
    own = Launcher()
    own.launch_run(cast(Any, SimpleNamespace(dagster_run=SimpleNamespace(run_id="a_run"))))
    mark = tmp_path / MARKS / "a_run"
    [process] = own._started
    assert holder(mark) == process.pid
    process.wait(20)
    deadline = time.monotonic() + 5
    while holder(mark) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
