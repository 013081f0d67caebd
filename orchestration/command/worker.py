"""The process of one run that the daemon started: `python -m orchestration.command.worker RUN_ID LOCK`.

It reads the registry afresh and executes the run with a second process beside it, as `myositis run` does.
After a run that was to take a delivery, it goes on with the other outstanding deliveries, and then makes the
release. Each is a run of its own. This process has imported what another one would import for ten seconds.
LOCK is the descriptor of the run's lock, which this process keeps until it ends: as long as it is held, the
sensors leave the rest to this process.

Does not belong here: what a run does (the layers), starting this process (`running/launcher.py`).
"""

from __future__ import annotations

import gc
import logging
import sys
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

from orchestration.registry.folder import Registry, declared_files, load_registry
from orchestration.resources import dagster_home, point_at, registry_folder
from orchestration.running.runs import mark_alive, takes_a_delivery
from yaml_files.yaml_file import ConfigurationError

if TYPE_CHECKING:
    import dagster as dg

    from orchestration.running import second_process

log = logging.getLogger("myositis")

SUCCESS, CANCELED = "SUCCESS", "CANCELED"  # as Dagster has them, which is imported late


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
        read_when = declared_files(registry_folder())
        try:
            registry = load_registry(registry_folder())
        except ConfigurationError as error:
            faults = "\n".join(error.faults)
            _end_as_failed(instance, run_id, f"{error.what} cannot be used as it is written:\n{faults}")
            return
        point_at(registry)
        with second_process.started(ahead.SECOND, ahead.FIRST) as helper:
            _work(registry, read_when, instance, run_id, helper)
    gc.freeze()  # see cli.main


def _work(
    registry: Registry,
    read_when: Mapping[str, tuple[int, ...]],
    instance: dg.DagsterInstance,
    run_id: str,
    helper: second_process.SecondProcess,
) -> None:
    from orchestration.definitions import build_definitions
    from orchestration.running.retention import keep_the_newest

    definitions = build_definitions(registry, helper)
    ended = [execute(definitions, instance, run_id)]
    if _is_to_take_a_delivery(instance, run_id):
        # an edited file ends the turn, because the next process reads it; so does whoever cancels a run
        while declared_files(registry.folder) == read_when and CANCELED not in ended:
            if (asked := next_delivery(registry, instance)) is None:
                break
            ended.append(execute_asked(definitions, registry, instance, asked))
        if SUCCESS in ended and CANCELED not in ended:
            make_the_release(definitions, registry, instance)
    try:
        keep_the_newest(instance, registry.file.unattended.keep_runs)
    except Exception:  # what is kept too long is removed after the next run
        log.exception("old runs could not be removed from Dagster's store")


def next_delivery(registry: Registry, instance: dg.DagsterInstance) -> dg.RunRequest | None:
    """The next outstanding delivery that is to be tried now."""
    from orchestration.automation import NotNow, deliveries_to_take
    from orchestration.database.warehouse_file import WarehouseBusy

    try:
        asked = deliveries_to_take(registry, instance).asked
    except (NotNow, WarehouseBusy) as busy:
        log.info("what else is outstanding waits for the next look: %s", busy)
        return None
    return asked[0] if asked else None


def execute_asked(
    definitions: dg.Definitions, registry: Registry, instance: dg.DagsterInstance, asked: dg.RunRequest
) -> str:
    """Execute a run that a look asks for in this process; returns how it ended."""
    run_id = str(uuid.uuid4())
    mark_alive(registry, run_id)
    definitions.resolve_job_def(asked.job_name or "").execute_in_process(
        instance=instance,
        run_id=run_id,
        partition_key=asked.partition_key,
        tags=dict(asked.tags),
        raise_on_error=False,
    )
    return _status(instance, run_id)


def execute(definitions: dg.Definitions, instance: dg.DagsterInstance, run_id: str) -> str:
    """Execute a run that was launched; returns how it ended. What it raises stands in its events."""
    from dagster._core.definitions.job_base import InMemoryJob
    from dagster._core.execution.api import execute_run_iterator

    run = instance.get_run_by_id(run_id)
    if run is None:  # deleted before it began
        return CANCELED
    try:
        job = definitions.resolve_job_def(run.job_name)
        for _ in execute_run_iterator(InMemoryJob(job), run, instance):
            pass
    except BaseException as error:
        _end_as_failed(instance, run_id, f"{type(error).__name__}: {error}")
        if not isinstance(error, Exception):
            raise
    return _status(instance, run_id)


def make_the_release(definitions: dg.Definitions, registry: Registry, instance: dg.DagsterInstance) -> None:
    """Run the build in this process, if a release is outstanding and no delivery is being taken."""
    from orchestration.automation import NotNow, release_to_make
    from orchestration.database.warehouse_file import WarehouseBusy

    try:
        wanted = release_to_make(registry, instance)
    except (NotNow, WarehouseBusy) as busy:
        log.info("the build waits for the next look: %s", busy)
        return
    for asked in wanted.asked:
        execute_asked(definitions, registry, instance, asked)


def _is_to_take_a_delivery(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and takes_a_delivery(run)


def _status(instance: dg.DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    return run.status.value if run is not None else CANCELED


def _end_as_failed(instance: dg.DagsterInstance, run_id: str, told: str) -> None:
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        instance.report_run_failed(run, told)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
