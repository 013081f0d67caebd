"""The process of one run that the daemon started: `python -m orchestration.running.worker RUN_ID LOCK`.

LOCK is the descriptor of the run's lock, which this process keeps until it ends. Does not belong here: what a
run does (the layers), starting the process (`launcher.py`).
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from pathlib import Path

from orchestration.resources import registry_folder


def main(run_id: str, lock: int) -> None:
    import dagster as dg
    from dagster._cli.api import _execute_run_command_body
    from dagster._utils.interrupts import capture_interrupts

    from orchestration.registry.folder import load_registry
    from orchestration.resources import point_at
    from orchestration.running.retention import keep_the_newest
    from orchestration.running.runs import MARKS, adopt
    from orchestration.running.second_process import collect_seldom
    from yaml_files.yaml_file import ConfigurationError

    folder = registry_folder()
    adopt(Path(os.environ["DAGSTER_HOME"]) / MARKS / run_id, lock)
    collect_seldom()
    with capture_interrupts(), dg.DagsterInstance.get() as instance:
        try:
            registry = load_registry(folder)
        except ConfigurationError as error:
            run = instance.get_run_by_id(run_id)
            if run is not None:
                instance.report_run_failed(run, f"{error.what} cannot be used as it is written:\n{error}")
            return
        point_at(registry)
        _execute_run_command_body(run_id, instance, lambda event: None, set_exit_code_on_failure=False)
        try:
            keep_the_newest(instance, registry.file.unattended.keep_runs)
        except Exception:  # what is kept too long is removed after the next run
            traceback.print_exc()
    gc.freeze()  # skip the final garbage scan of imported modules; it takes seconds


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
