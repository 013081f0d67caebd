"""The only Definitions: landing -> raw -> staging -> intermediate -> marts -> release -> results ->
report.
"""

import dagster as dg

from orchestration.automation import automation, build_job, checks_job, faulty_registry, ingest_job, speak
from orchestration.landing.assets import landing_asset
from orchestration.raw.assets import arrival_check, raw_asset
from orchestration.registry.folder import Registry
from orchestration.release.assets import candidate_asset, release_asset
from orchestration.report.assets import report_asset
from orchestration.resources import current_registry, point_at
from orchestration.results.assets import results_asset
from orchestration.results.compute import TABLES
from orchestration.running.helper import IN_THIS_PROCESS, Helper
from yaml_files.yaml_file import ConfigurationError


def ingestion_definitions(registry: Registry, helper: Helper = IN_THIS_PROCESS) -> dg.Definitions:
    """The part of the Definitions that takes deliveries. It can be built without importing dbt."""
    return dg.Definitions(
        assets=_ingested(registry, helper),
        asset_checks=_arrivals(registry),
        jobs=[ingest_job(sender) for sender in registry.mappings],
        executor=dg.in_process_executor,
    )


def _ingested(registry: Registry, helper: Helper) -> list[dg.AssetsDefinition]:
    senders = registry.mappings.items()
    return [
        *(landing_asset(sender, mapping.name) for sender, mapping in senders),
        *(raw_asset(sender, mapping.name, helper) for sender, mapping in senders),
    ]


def _arrivals(registry: Registry) -> list[dg.AssetChecksDefinition]:
    """For each sender that has to deliver regularly, the check that its next delivery is not overdue."""
    senders = registry.mappings.items()
    return [arrival_check(sender, mapping.name) for sender, mapping in senders if mapping.expected_every]


def build_definitions(registry: Registry, helper: Helper = IN_THIS_PROCESS) -> dg.Definitions:
    """All Definitions; ``helper`` makes the slow calls of the layers."""
    from orchestration.warehouse.assets import warehouse_assets

    models = warehouse_assets(registry, helper)
    ingest = [ingest_job(sender) for sender in registry.mappings]
    build = build_job(registry)
    arrivals = _arrivals(registry)
    checks = [checks_job([key for check in arrivals for key in check.check_keys])] if arrivals else []
    sensors, schedules = automation(registry, ingest, build, *checks)
    built = [k for k in models.keys if k.path[0] in ("marts", "quality")]
    return dg.Definitions(
        assets=[
            *_ingested(registry, helper),
            models,
            candidate_asset(built, helper),
            results_asset(helper),
            release_asset([dg.AssetKey(["results", name]) for name in TABLES]),
            report_asset(helper),
        ],
        asset_checks=arrivals,
        jobs=[*ingest, build, *checks],
        sensors=sensors,
        schedules=schedules,
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    speak()
    try:
        registry = current_registry()
    except ConfigurationError as error:
        return faulty_registry(error)
    point_at(registry)
    return build_definitions(registry)
