"""Finds out which runs of the registry's Dagster instance are alive, and clears away what a dead run left
behind.

A killed process cannot tell Dagster that it is gone: its run stays "started" for ever, and keeps its place in
the pool. Every run therefore holds a lock on a file of its own while its process lives. The operating system
releases the lock however the process ends. Does not belong here: what a run does.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import dagster as dg

from orchestration.database.warehouse_file import WarehouseBusy
from orchestration.files import put_in_place
from orchestration.registry.folder import Registry
from orchestration.running.supervisor import MARKS, holder

log = logging.getLogger("myositis")

POOL = "warehouse"  # every asset that writes the warehouse file shares it
UNDER_WAY = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
INGEST = "ingest_"  # the jobs that take a delivery begin so; the sender follows
UNMARKED_SECONDS = 120.0  # a run that has no mark for so long will not get one
POLL_SECONDS = 0.5
WAIT_SECONDS = 600.0

_held: dict[Path, IO[str]] = {}


def hold(path: Path) -> bool:
    """Lock ``path`` for as long as this process lives; False if another process holds the lock."""
    if path in _held:
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = path.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        return False
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    _held[path] = handle
    return True


@contextmanager
def hand_over(path: Path) -> Iterator[IO[str]]:
    """Lock ``path`` for a child process, which is given the descriptor and adopts it. The lock lasts until
    the child ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.parent.with_name(f".{path.name}.part")  # nobody must find the file before it is locked
    with part.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        put_in_place(part, path)
        yield handle


def adopt(path: Path, descriptor: int) -> None:
    """Keep the lock of ``path`` that the parent process handed over."""
    os.set_inheritable(descriptor, False)
    _held[path] = os.fdopen(descriptor, "a+")


def let_go(path: Path) -> None:
    if handle := _held.pop(path, None):
        handle.close()


def write_lock(registry: Registry) -> Path:
    """The lock that a process holds while it takes a delivery, and from the start of the models to the
    publication of their release.

    Dagster's pool only separates the daemon's runs from each other. Without the lock, a run that a person
    starts beside them could take a delivery after the models ran; the release would then claim to hold that
    delivery. It could also remove the rows of a load that is still being taken, because that load is not in
    force yet.
    """
    return registry.warehouse.with_name(".writer.lock")


def wait_for_writers(registry: Registry) -> None:
    """Become the only process that writes to the registry; raise WarehouseBusy if another one stays busy for
    WAIT_SECONDS.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    told = False
    while not hold(write_lock(registry)):
        if time.monotonic() > deadline:
            process = holder(write_lock(registry))
            raise WarehouseBusy(
                f"{f'process {process}' if process else 'another process'} has been busy with this registry "
                f"for over {WAIT_SECONDS:.0f} s; wait for it to end, or stop it, and run again"
            )
        if not told:
            log.info("waiting for another process that is busy with this registry")
            told = True
        time.sleep(POLL_SECONDS)


@contextmanager
def writing(registry: Registry) -> Iterator[None]:
    """While the block lasts, no other process writes to the registry. A lock that this process held before
    stays held.
    """
    was_held = write_lock(registry) in _held
    wait_for_writers(registry)
    try:
        yield
    finally:
        if not was_held:
            let_go(write_lock(registry))


def mark_alive(registry: Registry, run_id: str) -> None:
    """Record that this process executes the run."""
    hold(_marks(registry) / run_id)


def takes_a_delivery(run: dg.DagsterRun) -> bool:
    return run.job_name.startswith(INGEST)


def who_takes_deliveries(registry: Registry, instance: dg.DagsterInstance) -> int | None:
    """The living process that was started to take deliveries. It takes all that are outstanding, and makes
    their release. None if there is no such process.
    """
    for mark in sorted(_marks(registry).glob("*")):
        process = holder(mark)
        if process is None or process == os.getpid():
            continue
        run = instance.get_run_by_id(mark.name)
        if run is not None and takes_a_delivery(run):
            return process
    return None


def settle_dead_runs(registry: Registry, instance: dg.DagsterInstance) -> int:
    """Mark runs whose process is gone as failed, and free what they held; returns how many there were."""
    dead = _settle_without_mark(registry, instance)
    for mark in sorted(_marks(registry).glob("*")):
        if mark in _held or not hold(mark):
            continue
        run = instance.get_run_by_id(mark.name)
        if run is not None and run.status in UNDER_WAY:
            _fail(instance, run)
            dead += 1
        mark.unlink()
        let_go(mark)
    if dead:
        log.info("an earlier run was interrupted; this run continues where that one stopped")
    return dead


def _settle_without_mark(registry: Registry, instance: dg.DagsterInstance) -> int:
    """Runs whose process died in the moment before it could make its mark."""
    dead = 0
    for record in instance.get_run_records(dg.RunsFilter(statuses=list(UNDER_WAY))):
        run = record.dagster_run
        silent = time.time() - record.update_timestamp.timestamp()
        if silent > UNMARKED_SECONDS and not (_marks(registry) / run.run_id).exists():
            _fail(instance, run)
            dead += 1
    return dead


def _fail(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    instance.report_run_failed(run, "the process of this run ended before the run did; run again")
    instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _marks(registry: Registry) -> Path:
    return registry.dagster_home / MARKS
