"""The release in the PostgreSQL database that registry.yml names, as an asset behind the release.

A publication that fails ends no build: the release stands, and the failure is recorded and tried again. A run
that was launched for the publication alone fails with it, so that its attempts are counted as those of any
other work.
"""

import logging
from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration.outward.postgresql_server import PublicationFailed
from orchestration.outward.publication import publish_current, told
from orchestration.resources import current_registry

log = logging.getLogger("myositis")

POSTGRESQL = dg.AssetKey(["release", "postgresql"])
PUBLISH = "publish"  # the job of the publication alone


def publication_asset() -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="publication",
        specs=[
            dg.AssetSpec(
                POSTGRESQL,
                deps=[["release", "current"]],
                group_name="release",
                kinds={"postgres"},
                description="The release in the PostgreSQL database that `publish` of registry.yml names.",
                skippable=True,
            )
        ],
    )
    def publication(context: dg.AssetExecutionContext) -> Iterator[Any]:
        registry = current_registry()
        try:
            published = publish_current(registry)
        except PublicationFailed as failure:
            if context.job_name == PUBLISH:
                raise dg.Failure(str(failure), allow_retries=False) from None
            log.warning("%s", told(registry))
            return
        yield dg.MaterializeResult(
            asset_key=POSTGRESQL,
            metadata={"tables": published.tables, "rows": published.rows, "release_id": published.release_id},
            data_version=dg.DataVersion(published.release_id),
        )

    return publication
