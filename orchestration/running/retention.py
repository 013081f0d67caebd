"""Which of Dagster's runs are kept, so that its store does not grow with each delivery.

A run's events take up to some megabytes. Dagster's UI shows the latest state of an asset, of a partition and
of a check from the events of the run that made it, so a run that still tells one of these stays, however old
it is. Does not belong here: the ledger of deliveries and the releases, which nothing here touches.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg

log = logging.getLogger("myositis")

PARTITION = "dagster/partition"
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
PAGE = 500


def keep_the_newest(instance: dg.DagsterInstance, keep: int) -> int:
    """Delete ended runs: of each job that has no partitions all but the ``keep`` newest, of each delivery all
    but half as many. Returns how many were deleted.
    """
    kept: dict[tuple[str, str], int] = {}
    surplus = []
    for run in _ended(instance):
        of = (run.job_name, run.tags.get(PARTITION, ""))
        kept[of] = kept.get(of, 0) + 1
        if kept[of] > (max(1, keep // 2) if of[1] else keep):
            surplus.append(run)
    told = _telling(instance) if surplus else set()
    deleted = [run.run_id for run in surplus if run.run_id not in told]
    for run_id in deleted:
        instance.delete_run(run_id)
        _drop_events(instance, run_id)
    if deleted:
        log.info("%d old runs are gone from Dagster's store", len(deleted))
    return len(deleted)


def _ended(instance: dg.DagsterInstance) -> Iterator[dg.DagsterRun]:
    """Ended runs, the newest first."""
    cursor = None
    while runs := instance.get_runs(dg.RunsFilter(statuses=ENDED), limit=PAGE, cursor=cursor):
        yield from runs
        cursor = runs[-1].run_id


def _telling(instance: dg.DagsterInstance) -> set[str]:
    """The runs that hold the latest materialization of an asset or of a partition."""
    found = set()
    for key in instance.all_asset_keys():
        latest = instance.get_latest_materialization_event(key)
        if latest is not None:
            found.add(latest.run_id)
        by_partition = instance.event_log_storage.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        if by_partition:
            ids = list(by_partition.values())
            told = instance.fetch_materializations(
                dg.AssetRecordsFilter(key, storage_ids=ids), limit=len(ids)
            )
            found |= {record.run_id for record in told.records}
    return found


def _drop_events(instance: dg.DagsterInstance, run_id: str) -> None:
    """Remove the file that held the events of a run; deleting its rows does not make it smaller."""
    folder = getattr(instance.event_log_storage, "_base_dir", None)
    if folder is None:  # another store than this project's
        return
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            (Path(folder) / f"{run_id}.db{suffix}").unlink()
