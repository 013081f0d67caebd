"""How the daemon starts a run: as a process of its own, which reads the registry afresh.

Dagster's own launcher makes a run the child of the code server. Here the two are apart: a code server may
die, or be started again because a mapping was edited, while a run goes on. A run outlives the daemon too, and
is known by its lock (`runs.py`). Does not belong here: what a run does, and which runs are wanted
(`automation.py`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from dagster import DagsterRun
from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from orchestration.resources import dagster_home, environment_of_a_run
from orchestration.running.runs import hand_over
from orchestration.running.supervisor import MARKS, WORKER, holder


class Launcher(RunLauncher[Any], ConfigurableClass):
    """Starts each run as `python -m orchestration.command.worker RUN_ID`."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self._started: list[subprocess.Popen[bytes]] = []
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Launcher:
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        self._started = [process for process in self._started if process.poll() is None]
        run_id = context.dagster_run.run_id
        with hand_over(dagster_home() / MARKS / run_id) as lock:
            process = subprocess.Popen(
                [sys.executable, "-m", WORKER, run_id, str(lock.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[lock.fileno()],
                env=environment_of_a_run(),
                start_new_session=True,  # Ctrl-C at the daemon's terminal is the daemon's
            )
            lock.write(str(process.pid))
        self._started.append(process)

    def terminate(self, run_id: str) -> bool:
        run: DagsterRun | None = self._instance.get_run_by_id(run_id)
        process = holder(dagster_home() / MARKS / run_id)
        if run is None or run.is_finished or process is None:
            return False
        self._instance.report_run_canceling(run)
        os.kill(process, signal.SIGTERM)
        return True
