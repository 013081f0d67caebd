"""Layer raw: every value as the text that arrived, one asset per sender, one partition per delivery.

Belongs here: taking or refusing a delivery (structure, then the raw suite), and telling so. The loading itself is
`loading.py`.
"""

import logging
from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration import second_process
from orchestration.checks import check_load
from orchestration.database import warehouse
from orchestration.delivery_changes import Load, compare, compare_again, surprises
from orchestration.delivery_ledger import is_settled, record_state, remove_load
from orchestration.inventory import marks, take_inventory
from orchestration.landing import partitions
from orchestration.loading import DeliveryRefused, LoadSummary, load_delivery
from orchestration.registry import Registry
from orchestration.resources import current_registry
from orchestration.runs import let_go, mark_alive, wait_for_writers, write_lock
from orchestration.withdrawals import withdraw

POOL = "warehouse"
log = logging.getLogger("myositis")


def ingest(registry: Registry, sender: str, delivery: str) -> LoadSummary | None:
    """Take one delivery into raw, or refuse it whole (DeliveryRefused); None when it is already in force unchanged."""
    from expectations import gate

    before = marks(registry, sender, delivery)
    inventory = take_inventory(registry, sender, delivery)
    kind = registry.mappings[sender].kind
    with warehouse(registry.warehouse) as connection:
        withdraw(connection, registry)
        if is_settled(connection, inventory) or registry.withdraws(sender, delivery, inventory.content_sha256):
            return None
        summary: LoadSummary | DeliveryRefused
        try:
            summary = load_delivery(connection, registry, inventory)
        except DeliveryRefused as refusal:
            summary = refusal
        if marks(registry, sender, delivery) != before:  # what was read may be no file that ever was whole: no ledger holds it
            remove_load(connection, inventory.load_id)
            raise DeliveryRefused(sender, delivery, [
                f"landing/{sender}/{delivery}: a file was written while it was read; left for the next run"
            ])
        if isinstance(summary, DeliveryRefused):
            record_state(connection, inventory, kind, "refused", "\n".join(summary.reasons))
            raise summary
    checked = second_process.begin(check_load, registry, inventory.load_id)
    second_process.prepare_meanwhile(second_process.BUILDING)
    results = checked()
    with warehouse(registry.warehouse) as connection:
        if failed := gate(results):
            remove_load(connection, inventory.load_id)
            reasons = [f"{sender}/{delivery}: {r.sentence()}" for r in failed]
            record_state(connection, inventory, kind, "refused", "\n".join(reasons))
            raise DeliveryRefused(sender, delivery, reasons)
        load = Load(sender, delivery, inventory.load_id, kind, inventory.content_sha256)
        compare(connection, load)
        if reasons := surprises(connection, registry, load):
            remove_load(connection, inventory.load_id)
            record_state(connection, inventory, kind, "refused", "\n".join(reasons))
            raise DeliveryRefused(sender, delivery, reasons)
        record_state(connection, inventory, kind, "accepted")
        for other in compare_again(connection, registry):
            log.warning("%s/%s refused: it changes more than allowed of what is said before it now", other.sender, other.delivery)
    log.info(
        "%s/%s taken: %d files, %d rows, %d records", sender, delivery, summary.files, summary.rows_read + summary.rows_malformed,
        sum(summary.records.values()),
    )
    return summary


def raw_asset(sender: str, name: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=["raw", sender],
        deps=[dg.AssetKey(["landing", sender])],
        partitions_def=partitions(sender),
        group_name="raw",
        kinds={"duckdb"},
        pool=POOL,
        description=f"What {name} sent, as text, with the place of every row; by hospitals/{sender}.yml.",
        check_specs=[
            dg.AssetCheckSpec("taken_whole", asset=["raw", sender], blocking=True,
                              description="Files, sheets and columns are those of the mapping, and every row is accounted for."),
            dg.AssetCheckSpec("raw_suite", asset=["raw", sender], blocking=True,
                              description="The Great Expectations suite expectations/raw.yml holds for the delivery."),
        ],
    )
    def raw(context: dg.AssetExecutionContext) -> Iterator[Any]:
        registry, delivery = current_registry(), context.partition_key
        mark_alive(registry, context.run_id)
        wait_for_writers(registry)
        try:
            summary = ingest(registry, sender, delivery)
        except DeliveryRefused as refusal:
            yield dg.AssetCheckResult(
                asset_key=["raw", sender], check_name="taken_whole", passed=False, metadata={"reasons": len(refusal.reasons)}
            )
            raise dg.Failure(str(refusal), allow_retries=False) from refusal
        finally:
            let_go(write_lock(registry))
        counts = {} if summary is None else {
            "rows_read": summary.rows_read, "rows_malformed": summary.rows_malformed, **{f"records_{k}": v for k, v in summary.records.items()},
        }
        yield dg.MaterializeResult(
            metadata={"unchanged": summary is None, **counts},
            check_results=[
                dg.AssetCheckResult(check_name="taken_whole", passed=True),
                dg.AssetCheckResult(check_name="raw_suite", passed=True),
            ],
        )

    return raw
