"""Layer results: every study's tables, computed from the candidate release and written into it.

Belongs here: reading the candidate, writing schema results, previews. Does not belong here: any statistics
(`analytics/`).
"""

import logging
from collections.abc import Iterator

import dagster as dg

from orchestration.resources import current_registry
from orchestration.results.compute import TABLES, compute_and_write
from orchestration.running.helper import Helper
from orchestration.running.runs import POOL

log = logging.getLogger("myositis")


def results_asset(helper: Helper) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="results",
        specs=[
            dg.AssetSpec(
                ["results", name],
                deps=[["release", "candidate"]],
                group_name="results",
                kinds={"pandas", "duckdb"},
                description=text,
            )
            for name, text in TABLES.items()
        ],
        pool=POOL,
    )
    def results(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        written = helper.submit(compute_and_write, current_registry()).result()
        log.info(
            "results: %d tables, %d rows, %d with a remark",
            len(written),
            sum(t.rows for t in written),
            sum(t.remarks for t in written),
        )
        for table in written:
            yield dg.MaterializeResult(
                asset_key=["results", table.name],
                metadata={"dagster/row_count": table.rows, "preview": dg.MetadataValue.md(table.preview)},
            )

    return results
