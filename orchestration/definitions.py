"""The only Definitions: landing -> raw -> staging -> intermediate -> marts -> release -> results ->
report.
"""

import dagster as dg

from orchestration.automation import automation, build_job, ingest_job
from orchestration.landing.assets import landing_asset
from orchestration.raw.assets import raw_asset
from orchestration.registry.folder import Registry
from orchestration.report.assets import report_asset
from orchestration.resources import current_registry, point_at
from orchestration.results.assets import release_assets
from orchestration.running.helper import IN_THIS_PROCESS, Helper


def ingestion_definitions(registry: Registry, helper: Helper = IN_THIS_PROCESS) -> dg.Definitions:
    """The part of the Definitions that takes deliveries. It can be built without importing dbt."""
    return dg.Definitions(
        assets=_ingested(registry, helper),
        jobs=[ingest_job(sender) for sender in registry.mappings],
        executor=dg.in_process_executor,
    )


def _ingested(registry: Registry, helper: Helper) -> list[dg.AssetsDefinition]:
    senders = registry.mappings.items()
    return [
        *(landing_asset(sender, mapping.name) for sender, mapping in senders),
        *(raw_asset(sender, mapping.name, helper) for sender, mapping in senders),
    ]


def build_definitions(registry: Registry, helper: Helper = IN_THIS_PROCESS) -> dg.Definitions:
    """All Definitions; ``helper`` makes the slow calls of the layers."""
    from orchestration.warehouse.assets import warehouse_assets

    models = warehouse_assets(registry, helper)
    ingest = [ingest_job(sender) for sender in registry.mappings]
    build = build_job(registry)
    sensors, schedules = automation(registry, ingest, build)
    built = [k for k in models.keys if k.path[0] in ("marts", "quality")]
    return dg.Definitions(
        assets=[
            *_ingested(registry, helper),
            models,
            release_assets(built, helper),
            report_asset(helper),
        ],
        jobs=[*ingest, build],
        sensors=sensors,
        schedules=schedules,
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    registry = current_registry()
    point_at(registry)
    return build_definitions(registry)
