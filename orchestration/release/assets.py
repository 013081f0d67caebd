"""Layer release: one read-only DuckDB file with the marts and the results made from them, published in one
rename.

Belongs here: the gate before a release, the candidate file, its identity, publishing, keeping old releases. A
release exists only if its checks passed; readers never see half a release.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration.release.candidate import ReleaseRefused, make_candidate
from orchestration.release.publication import forget_loads_out_of_force, publish
from orchestration.resources import current_registry
from orchestration.running.gate import GateRefused
from orchestration.running.helper import Helper
from orchestration.running.refusals import BuildRefusal
from orchestration.running.runs import POOL, let_go, mark_alive, wait_for_writers, write_lock


def candidate_asset(deps: list[dg.AssetKey], helper: Helper) -> dg.AssetsDefinition:
    @dg.asset(
        key=["release", "candidate"],
        deps=deps,
        group_name="release",
        kinds={"duckdb"},
        pool=POOL,
        description="The marts, copied into a file of their own once the marts suite holds.",
        check_specs=[
            dg.AssetCheckSpec(
                "marts_suite",
                asset=["release", "candidate"],
                blocking=True,
                description="The Great Expectations suite expectations/marts.yml holds.",
            )
        ],
    )
    def candidate(context: dg.AssetExecutionContext) -> Iterator[Any]:
        registry = current_registry()
        mark_alive(registry, context.run_id)
        wait_for_writers(registry)
        try:
            identity = make_candidate(registry, helper)
        except ReleaseRefused as refusal:
            yield dg.AssetCheckResult(
                check_name="marts_suite", passed=False, metadata={"failed": len(refusal.reasons)}
            )
            raise GateRefused(BuildRefusal(str(refusal))) from refusal
        yield dg.MaterializeResult(
            metadata={"release_id": identity},
            check_results=[dg.AssetCheckResult(check_name="marts_suite", passed=True)],
        )

    return candidate


def release_asset(deps: list[dg.AssetKey]) -> dg.AssetsDefinition:
    @dg.asset(
        key=["release", "current"],
        deps=deps,
        group_name="release",
        kinds={"duckdb"},
        pool=POOL,
        description="release/current.duckdb: what analysts, reports and other systems read.",
    )
    def current(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        registry = current_registry()
        mark_alive(registry, context.run_id)
        manifest = publish(registry)
        forget_loads_out_of_force(registry)
        let_go(write_lock(registry))
        return dg.MaterializeResult(
            metadata={
                "release_id": manifest["release_id"],
                "sha256": manifest["sha256"],
                "tables": len(manifest["rows"]),
                "rows": sum(manifest["rows"].values()),
                "deliveries": len(manifest["deliveries"]),
            },
            data_version=dg.DataVersion(manifest["release_id"]),
        )

    return current
