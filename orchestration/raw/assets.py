"""Layer raw: every value as the text that arrived. One asset per sender, one partition per delivery.

Belongs here: taking or refusing a delivery (first its structure, then the raw suite), and reporting the
outcome. The loading itself is in `loading.py`.
"""

import logging
from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from orchestration.database.warehouse_file import glance
from orchestration.landing.assets import partitions
from orchestration.raw.due import due
from orchestration.raw.ingestion import ingest
from orchestration.raw.verdict import Decision, Verdict
from orchestration.resources import current_registry
from orchestration.running.gate import GateRefused
from orchestration.running.helper import Helper
from orchestration.running.runs import POOL, let_go, mark_alive, wait_for_writers, write_lock

log = logging.getLogger("myositis")


def raw_asset(sender: str, name: str, helper: Helper) -> dg.AssetsDefinition:
    @dg.asset(
        key=["raw", sender],
        deps=[dg.AssetKey(["landing", sender])],
        partitions_def=partitions(sender),
        group_name="raw",
        kinds={"duckdb"},
        pool=POOL,
        description=f"What {name} sent, as text, with the place of every row; by hospitals/{sender}.yml.",
        check_specs=[
            dg.AssetCheckSpec(
                "taken_whole",
                asset=["raw", sender],
                blocking=True,
                description="Files, sheets and columns are those of the mapping, and every row is accounted for.",
            ),
            dg.AssetCheckSpec(
                "raw_suite",
                asset=["raw", sender],
                blocking=True,
                description="The Great Expectations suite expectations/raw.yml holds for the delivery.",
            ),
        ],
    )
    def raw(context: dg.AssetExecutionContext) -> Iterator[Any]:
        registry, delivery = current_registry(), context.partition_key
        mark_alive(registry, context.run_id)
        wait_for_writers(registry)
        try:
            verdict = ingest(registry, sender, delivery, helper)
        finally:
            let_go(write_lock(registry))
        if refusal := verdict.refusal:
            yield dg.AssetCheckResult(
                asset_key=["raw", sender],
                check_name="taken_whole",
                passed=False,
                metadata={"reasons": len(refusal.reasons)},
            )
            raise GateRefused(refusal)
        yield dg.MaterializeResult(
            metadata={"unchanged": verdict.decision is Decision.UNCHANGED, **_counts(verdict)},
            check_results=[
                dg.AssetCheckResult(check_name="taken_whole", passed=True),
                dg.AssetCheckResult(check_name="raw_suite", passed=True),
            ],
        )

    return raw


def _counts(verdict: Verdict) -> dict[str, int]:
    if (summary := verdict.summary) is None:
        return {}
    return {
        "rows_read": summary.rows_read,
        "rows_malformed": summary.rows_malformed,
        **{f"records_{entity}": n for entity, n in summary.records.items()},
    }


def arrival_check(sender: str, name: str) -> dg.AssetChecksDefinition:
    """Whether the sender's next delivery is overdue. The day decides, so it runs every day, and with each
    delivery.
    """

    @dg.asset_check(
        asset=["raw", sender],
        name="arrives_on_time",
        description=f"{name} sends as often as `expected_every` of hospitals/{sender}.yml says.",
    )
    def arrives_on_time() -> dg.AssetCheckResult:
        registry, today = current_registry(), date.today()
        with glance(registry.warehouse) as connection:
            found = due(connection, registry, sender)
        told = found.sentence(today) if found else f"hospitals/{sender}.yml states no `expected_every`"
        is_overdue = found is not None and found.is_overdue(today)
        if is_overdue:
            log.warning("%s", told)
        return dg.AssetCheckResult(
            passed=not is_overdue,
            severity=dg.AssetCheckSeverity.WARN,
            description=told,
            metadata={"due": str(found.day) if found else "never", "last": (found and found.last) or "none"},
        )

    return arrives_on_time
