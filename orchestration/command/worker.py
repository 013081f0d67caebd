"""The process of one run that the daemon started: `python -m orchestration.command.worker RUN_ID LOCK`.

It reads the registry afresh and executes the run with a second process beside it, as `myositis run` does.
When the run took a delivery and no other is being taken, it makes the release at once, as a run of its own:
this process has imported what another one would import for ten seconds. LOCK is the descriptor of the run's
lock, which this process keeps until it ends.

Does not belong here: what a run does (the layers), starting this process (`running/launcher.py`).
"""

from __future__ import annotations

import gc
import logging
import sys
import uuid
from typing import TYPE_CHECKING

from orchestration.registry.folder import Registry, load_registry
from orchestration.resources import dagster_home, point_at, registry_folder
from yaml_files.yaml_file import ConfigurationError

if TYPE_CHECKING:
    import dagster as dg

    from orchestration.running import second_process

log = logging.getLogger("myositis")


def main(run_id: str, lock: int) -> None:
    import dagster as dg
    from dagster._utils.interrupts import capture_interrupts

    from orchestration.command import ahead
    from orchestration.running import second_process
    from orchestration.running.runs import adopt
    from orchestration.running.supervisor import MARKS

    adopt(dagster_home() / MARKS / run_id, lock)
    second_process.collect_seldom()
    with capture_interrupts(), dg.DagsterInstance.get() as instance:
        try:
            registry = load_registry(registry_folder())
        except ConfigurationError as error:
            faults = "\n".join(error.faults)
            _end_as_failed(instance, run_id, f"{error.what} cannot be used as it is written:\n{faults}")
            return
        point_at(registry)
        with second_process.started(ahead.SECOND, ahead.FIRST) as helper:
            _work(registry, instance, run_id, helper)
    gc.freeze()  # see cli.main


def _work(
    registry: Registry, instance: dg.DagsterInstance, run_id: str, helper: second_process.SecondProcess
) -> None:
    from orchestration.definitions import build_definitions
    from orchestration.running.retention import keep_the_newest

    definitions = build_definitions(registry, helper)
    if execute(definitions, instance, run_id) and _takes_a_delivery(instance, run_id):
        make_the_release(definitions, registry, instance)
    try:
        keep_the_newest(instance, registry.file.unattended.keep_runs)
    except Exception:  # what is kept too long is removed after the next run
        log.exception("old runs could not be removed from Dagster's store")


def execute(definitions: dg.Definitions, instance: dg.DagsterInstance, run_id: str) -> bool:
    """Execute a run that was launched; returns whether it succeeded. What it raises stands in its events."""
    from dagster._core.definitions.job_base import InMemoryJob
    from dagster._core.execution.api import execute_run_iterator

    run = instance.get_run_by_id(run_id)
    if run is None:  # deleted before it began
        return False
    try:
        job = definitions.resolve_job_def(run.job_name)
        for _ in execute_run_iterator(InMemoryJob(job), run, instance):
            pass
    except BaseException as error:
        _end_as_failed(instance, run_id, f"{type(error).__name__}: {error}")
        if not isinstance(error, Exception):
            raise
    ended = instance.get_run_by_id(run_id)
    return ended is not None and ended.is_success


def make_the_release(definitions: dg.Definitions, registry: Registry, instance: dg.DagsterInstance) -> None:
    """Run the build in this process, if a release is outstanding and no delivery is being taken."""
    from orchestration.automation import NotNow, release_to_make
    from orchestration.database.warehouse_file import WarehouseBusy
    from orchestration.running.runs import mark_alive

    try:
        wanted = release_to_make(registry, instance)
    except (NotNow, WarehouseBusy) as busy:
        log.info("the build is left to the next look: %s", busy)
        return
    for asked in wanted.asked:
        run_id = str(uuid.uuid4())
        mark_alive(registry, run_id)
        definitions.resolve_job_def(asked.job_name or "").execute_in_process(
            instance=instance, run_id=run_id, tags=dict(asked.tags), raise_on_error=False
        )


def _takes_a_delivery(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.job_name.startswith("ingest_")


def _end_as_failed(instance: dg.DagsterInstance, run_id: str, told: str) -> None:
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        instance.report_run_failed(run, told)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
