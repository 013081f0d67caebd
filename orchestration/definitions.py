"""The only Definitions: landing -> raw -> staging -> intermediate -> marts -> release -> results ->
report.
"""

import dagster as dg

from orchestration.automation import (
    automation,
    build_job,
    checks_job,
    faulty_registry,
    ingest_job,
    publish_job,
    speak,
)
from orchestration.landing.assets import landing_asset
from orchestration.outward.assets import publication_asset
from orchestration.raw.assets import arrival_check, raw_asset
from orchestration.raw.lineage import FILES, columns_of_files, source_lineage, told_columns
from orchestration.registry.folder import Registry
from orchestration.report.assets import report_asset
from orchestration.resources import current_registry, point_at
from orchestration.results.assets import release_assets
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
    known = source_lineage(registry)
    return [
        *(
            landing_asset(sender, mapping.name, told_columns(known[f"landing.{sender}"]))
            for sender, mapping in senders
        ),
        *(raw_asset(sender, mapping.name, helper) for sender, mapping in senders),
    ]


def files_of_the_registry(registry: Registry) -> dg.AssetSpec:
    """The files that people write, as an asset that no run makes; its columns are the files."""
    return dg.AssetSpec(
        FILES.split("."),
        group_name="registry",
        kinds={"yaml"},
        description="The registry's files that people write: settings, mappings, corrections, studies, "
        "additions.",
        metadata={"dagster/column_schema": told_columns(columns_of_files(registry))},
    )


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
    publications = [publication_asset()] if registry.file.publish else []
    publish = [publish_job()] if registry.file.publish else []
    sensors, schedules = automation(registry, ingest, build, *checks)
    built = [k for k in models.keys if k.path[0] in ("marts", "quality")]
    return dg.Definitions(
        assets=[
            *_ingested(registry, helper),
            models,
            files_of_the_registry(registry),
            release_assets(built, helper),
            report_asset(helper),
            *publications,
        ],
        asset_checks=arrivals,
        jobs=[*ingest, build, *checks, *publish],
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
