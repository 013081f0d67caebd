"""The only Definitions: landing -> raw -> staging -> intermediate -> marts -> release -> results -> report."""

import dagster as dg

from orchestration.automation import automation, build_job, ingest_job
from orchestration.landing import landing_asset
from orchestration.raw import raw_asset
from orchestration.registry import Registry
from orchestration.release import candidate_asset, release_asset
from orchestration.report import report_asset
from orchestration.resources import current_registry, point_at
from orchestration.results import TABLES, results_asset
from orchestration.warehouse import warehouse_assets


def build_definitions(registry: Registry) -> dg.Definitions:
    models = warehouse_assets(registry)
    ingest = [ingest_job(sender) for sender in registry.mappings]
    build = build_job(registry)
    sensors, schedules = automation(registry, ingest, build)
    built = [k for k in models.keys if k.path[0] in ("marts", "quality")]
    return dg.Definitions(
        assets=[
            *(landing_asset(s, m.name) for s, m in registry.mappings.items()),
            *(raw_asset(s, m.name) for s, m in registry.mappings.items()),
            models,
            candidate_asset(built),
            results_asset(),
            release_asset([dg.AssetKey(["results", name]) for name in TABLES]),
            report_asset(),
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
