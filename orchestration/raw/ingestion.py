"""Taking one delivery into raw, or refusing it whole: structure, the raw suite, and what it changes of earlier deliveries.

Does not belong here: the loading itself (`loading.py`), Dagster (`assets.py`).
"""

import logging

from orchestration.database.warehouse_file import warehouse
from orchestration.landing.inventory import marks, take_inventory
from orchestration.raw.changes import Load, compare, compare_again, surprises
from orchestration.raw.ledger import is_settled, record_state, remove_load
from orchestration.raw.loading import DeliveryRefused, LoadSummary, load_delivery
from orchestration.raw.withdrawals import withdraw
from orchestration.registry.folder import Registry
from orchestration.running import second_process
from orchestration.running.checks import check_load

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
