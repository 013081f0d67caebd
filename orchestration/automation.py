"""When things run: a sensor for new deliveries, a build after each ingestion, and each night a pass over what
is outstanding.

Does not belong here: what runs (the layers' own modules).
"""

import time
from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration.database.warehouse_file import warehouse
from orchestration.landing.assets import partitions, partitions_name
from orchestration.raw.ledger import judged_by, was_refused
from orchestration.raw.outstanding import outstanding
from orchestration.registry.folder import Registry
from orchestration.release.needs_build import needs_build, reason_not_to_build
from orchestration.resources import current_registry
from orchestration.running.runs import settle_dead_runs

NIGHTLY = "0 2 * * *"
NIGHTLY_BUILD = "0 3 * * *"
AssetJob = Any  # what dg.define_asset_job returns; dagster does not export its type
Asked = list[dg.RunRequest] | dg.SkipReason


def ingest_job(sender: str) -> AssetJob:
    return dg.define_asset_job(
        f"ingest_{sender}",
        selection=dg.AssetSelection.assets(["landing", sender], ["raw", sender]),
        partitions_def=partitions(sender),
        description=f"Take one delivery of {sender} into raw, or refuse it whole.",
    )


def build_job(registry: Registry) -> AssetJob:
    ingested = [[layer, sender] for sender in registry.mappings for layer in ("landing", "raw")]
    return dg.define_asset_job(
        "build",
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(*ingested),
        description="From raw to report: models, gate, release, results, report.",
    )


def requests(registry: Registry, instance: dg.DagsterInstance) -> Iterator[dg.RunRequest]:
    """A run request for every outstanding delivery; a new partition is added for a new delivery."""
    found = outstanding(registry)
    with warehouse(registry.warehouse) as connection:
        again = {
            i.load_id: judged_by(connection, i.sender, i.load_id, i.records_digest)
            for i in found
            if was_refused(connection, i)
        }
    for inventory in found:
        definition = partitions_name(inventory.sender)
        if not instance.has_dynamic_partition(definition, inventory.delivery):
            instance.add_dynamic_partitions(definition, [inventory.delivery])
        yield dg.RunRequest(
            # one run per load, and one more each time the reason of its refusal may have changed
            run_key="/".join(
                [
                    inventory.sender,
                    inventory.delivery,
                    inventory.load_id,
                    *filter(None, [again.get(inventory.load_id)]),
                ]
            ),
            job_name=f"ingest_{inventory.sender}",
            partition_key=inventory.delivery,
        )


def automation(
    registry: Registry, ingest: list[AssetJob], build: AssetJob
) -> tuple[list[dg.SensorDefinition], list[dg.ScheduleDefinition]]:
    """(sensors, schedules)."""

    @dg.sensor(
        name="new_deliveries",
        jobs=ingest,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sees a delivery folder that is complete and launches its ingestion.",
    )
    def new_deliveries(context: dg.SensorEvaluationContext) -> Asked:
        settle_dead_runs(current_registry(), context.instance)
        found = list(requests(current_registry(), context.instance))
        return found or dg.SkipReason("no delivery is outstanding")

    @dg.run_status_sensor(
        name="build_after_ingestion",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=ingest,
        request_job=build,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="After a delivery is taken, brings models, release and report up to date, if no build that will hold it is queued.",
    )
    def build_after_ingestion(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        run = context.dagster_run.run_id
        record = context.instance.get_run_record_by_id(run)
        taken_at = (record.end_time if record else None) or time.time()
        reason = reason_not_to_build(current_registry(), context.instance, taken_at)
        return dg.SkipReason(reason) if reason else dg.RunRequest(run_key=run)

    def nightly(sender: str, job: AssetJob) -> dg.ScheduleDefinition:
        @dg.schedule(
            name=f"nightly_{sender}",
            job=job,
            cron_schedule=NIGHTLY,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=f"Runs what of {sender} is outstanding.",
        )
        def schedule(context: dg.ScheduleEvaluationContext) -> Asked:
            found = [
                r for r in requests(current_registry(), context.instance) if r.job_name == f"ingest_{sender}"
            ]
            return found or dg.SkipReason("no delivery is outstanding")

        return schedule

    @dg.schedule(
        name="build_at_night",
        job=build,
        cron_schedule=NIGHTLY_BUILD,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Makes the release that is outstanding: a build was interrupted, a record or a study was written, a waiver ended.",
    )
    def build_at_night(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        settle_dead_runs(current_registry(), context.instance)
        return (
            dg.RunRequest() if needs_build(current_registry()) else dg.SkipReason("the release is up to date")
        )

    return [new_deliveries, build_after_ingestion], [
        *(nightly(s, j) for s, j in zip(registry.mappings, ingest)),
        build_at_night,
    ]
