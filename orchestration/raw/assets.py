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
from orchestration.raw.lineage import FILES, raw_columns, told_columns, told_to_dagster
from orchestration.raw.partitions import show_ledger
from orchestration.raw.verdict import Decision, Verdict
from orchestration.registry.folder import Registry
from orchestration.resources import current_registry
from orchestration.running.gate import GateRefused, LeftForLater
from orchestration.running.helper import Helper
from orchestration.running.runs import POOL, mark_alive, writing

log = logging.getLogger("myositis")


def raw_asset(sender: str, name: str, helper: Helper) -> dg.AssetsDefinition:
    @dg.asset(
        key=["raw", sender],
        deps=[dg.AssetKey(["landing", sender]), dg.AssetKey(FILES.split("."))],
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
                description="Files, sheets and columns are those of the mapping, and every row is "
                "accounted for.",
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
        with writing(registry):
            verdict = ingest(registry, sender, delivery, helper)
        if refusal := verdict.refusal:
            reasons = dg.MetadataValue.md("\n".join(f"- {reason}" for reason in refusal.reasons))
            told = {"state": verdict.decision.value, "reasons": reasons}
            context.log_event(dg.AssetObservation(["raw", sender], partition=delivery, metadata=told))
            yield dg.AssetCheckResult(
                asset_key=["raw", sender], check_name="taken_whole", passed=False, metadata=told
            )
            raise (LeftForLater if refusal.is_left else GateRefused)(refusal, told)
        yield dg.MaterializeResult(
            metadata={
                "state": "accepted",
                "unchanged": verdict.decision is Decision.UNCHANGED,
                **_counts(verdict),
                **_columns(registry, sender),
            },
            check_results=[
                dg.AssetCheckResult(check_name="taken_whole", passed=True),
                dg.AssetCheckResult(check_name="raw_suite", passed=True),
            ],
        )
        if verdict.is_accepted:  # deliveries of the sender may be out of force because of it
            show_ledger(registry, context.instance, [raw])

    return raw


def _columns(registry: Registry, sender: str) -> dict[str, Any]:
    """The columns of every table of schema raw that the sender's deliveries fill, and what feeds them."""
    with glance(registry.warehouse) as connection:
        held = connection.execute(
            "select table_name || '.' || column_name from information_schema.columns"
            " where table_schema = 'raw' and not starts_with(table_name, 'registry_') order by 1"
        ).fetchall()
    fed = {
        f"{table.removeprefix('raw.')}.{column}": sources
        for table, columns in raw_columns(registry, sender).items()
        for column, sources in columns.items()
    }
    return {
        "dagster/column_schema": told_columns(column for (column,) in held),
        "dagster/column_lineage": told_to_dagster(fed, [sender]),
    }


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
