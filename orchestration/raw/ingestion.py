"""Judges one delivery: its structure, the raw suite, and what it changes of earlier deliveries. The verdict
is recorded once. Until then the delivery is in a scratch database, and no byte of it in the warehouse file.

Does not belong here: the loading itself (`loading.py`), what a verdict does to the ledger (`ledger.py`),
Dagster (`assets.py`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from orchestration.database.scratch import LOAD, Scratch, attached, to_judge, to_load
from orchestration.database.warehouse_file import WarehouseUnusable, warehouse
from orchestration.files import is_of_the_disk
from orchestration.landing.arrivals import Stray, is_complete
from orchestration.landing.inventory import Inventory, marks, take_inventory
from orchestration.raw import ledger
from orchestration.raw.changes import compare, compare_again, hide_unknown_items, surprises
from orchestration.raw.loading import load_delivery
from orchestration.raw.pseudonym import PseudonymKeyError, key_of_warehouse
from orchestration.raw.reading_place import reading_place
from orchestration.raw.verdict import (
    DeliveryRefused,
    Verdict,
    accepted,
    arriving,
    broken,
    gone,
    left,
    refused,
    stands,
    unchanged,
    withdrawn,
)
from orchestration.raw.withdrawals import withdraw
from orchestration.registry.folder import Registry
from orchestration.running.checks import check_load, record_checks
from orchestration.running.helper import IN_THIS_PROCESS, Helper, HelperEnded
from yaml_files.yaml_file import ConfigurationError

if TYPE_CHECKING:
    from expectations import CheckResult

log = logging.getLogger("myositis")


def ingest(registry: Registry, sender: str, delivery: str, helper: Helper = IN_THIS_PROCESS) -> Verdict:
    """Take one delivery into raw, or refuse it whole. When this returns, the ledger holds the verdict."""
    if not (registry.landing / sender / delivery).is_dir():
        return gone(sender, delivery)
    if not is_complete(registry, sender, delivery):
        return arriving(
            sender, delivery, Stray(registry.landing / sender / delivery, sender, delivery).sentence()
        )
    before = marks(registry, sender, delivery)
    inventory = take_inventory(registry, sender, delivery)
    with warehouse(registry.warehouse) as connection:
        withdraw(connection, registry)
        if registry.withdraws(sender, delivery, inventory.content_sha256):
            return withdrawn(sender, delivery)
        if ledger.is_settled(connection, inventory):
            reason = ledger.reason_of_refusal(connection, inventory)
            return unchanged(sender, delivery) if reason is None else stands(sender, delivery, reason)
        if ledger.return_to_content(connection, inventory):
            return unchanged(sender, delivery)
        key = key_of_warehouse(connection, registry.pseudonym_key_file)
    with reading_place(registry) as place:
        scratch = Scratch(place, registry.warehouse, inventory.load_id)
        verdict, checked = _judge(registry, inventory, scratch, key, helper)
        if marks(registry, sender, delivery) != before:
            # The content read may never have existed as a whole file. The ledger must not hold it under the
            # hash of a whole one.
            verdict = left(sender, delivery)
        with warehouse(registry.warehouse) as connection, attached(connection, scratch):
            ledger.record(connection, inventory, registry.mappings[sender].kind, verdict, LOAD)
            if checked:
                record_checks(connection, checked, inventory.load_id)
            overtaken = compare_again(connection, registry) if verdict.is_accepted else []
    _tell(verdict, overtaken)
    return verdict


def _judge(
    registry: Registry, inventory: Inventory, scratch: Scratch, key: bytes, helper: Helper
) -> tuple[Verdict, list[CheckResult]]:
    """The verdict on a delivery, and what the raw suite found, if its structure let it be asked.

    This is the one place that catches what nobody foresaw: whatever is raised while a delivery is read and
    judged refuses that delivery, and the others go on. Only what is ours to mend (the disk, the key, the
    warehouse) ends the run.
    """
    sender, delivery = inventory.sender, inventory.delivery
    checked: list[CheckResult] = []
    try:
        with to_load(scratch) as connection:
            summary = load_delivery(connection, registry, inventory, scratch.place, key)
        checked = helper.submit(check_load, registry, scratch).result()
        reasons = _of_the_suite(checked, inventory) or _of_the_changes(registry, inventory, scratch)
    except DeliveryRefused as refusal:
        return refused(sender, delivery, refusal.reasons, is_by_itself=True), checked
    except (PseudonymKeyError, WarehouseUnusable, HelperEnded, ConfigurationError):
        raise
    except Exception as error:
        if is_of_the_disk(error):
            raise
        log.debug("%s/%s: not foreseen", sender, delivery, exc_info=True)
        return broken(sender, delivery, error), []
    return (refused(sender, delivery, reasons) if reasons else accepted(sender, delivery, summary)), checked


def _of_the_suite(checked: list[CheckResult], inventory: Inventory) -> list[str]:
    """The failures of the raw suite that block the load, one sentence each."""
    from expectations import gate

    return [f"{inventory.sender}/{inventory.delivery}: {r.sentence()}" for r in gate(checked)]


def _of_the_changes(registry: Registry, inventory: Inventory, scratch: Scratch) -> list[str]:
    """Sentences on changes that are larger than the mapping allows."""
    mapping = registry.mappings[inventory.sender]
    load = ledger.Load(
        inventory.sender, inventory.delivery, inventory.load_id, mapping.kind, inventory.content_sha256
    )
    with to_judge(scratch) as connection:
        compare(connection, load, f"{LOAD}.raw")
        reasons = surprises(connection, registry, load)
        if reasons:
            hide_unknown_items(connection, mapping, f"{LOAD}.raw")
    return reasons


def _tell(verdict: Verdict, overtaken: list[ledger.Load]) -> None:
    for other in overtaken:
        log.warning(
            "%s/%s refused: it now changes more of the earlier data than the mapping allows",
            other.sender,
            other.delivery,
        )
    if summary := verdict.summary:
        log.info(
            "%s/%s taken: %d files, %d rows, %d records",
            verdict.sender,
            verdict.delivery,
            summary.files,
            summary.rows_read + summary.rows_malformed,
            sum(summary.records.values()),
        )
