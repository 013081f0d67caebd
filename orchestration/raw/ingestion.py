"""Judges one delivery: its structure, the raw suite, and what it changes of earlier deliveries. The verdict
is recorded once.

Does not belong here: the loading itself (`loading.py`), what a verdict does to the ledger (`ledger.py`),
Dagster (`assets.py`).
"""

import logging

import duckdb

from orchestration.database.warehouse_file import warehouse
from orchestration.landing.arrivals import Stray, is_complete
from orchestration.landing.inventory import Inventory, marks, take_inventory
from orchestration.raw import ledger
from orchestration.raw.changes import compare, compare_again, surprises
from orchestration.raw.loading import load_delivery
from orchestration.raw.verdict import (
    DeliveryRefused,
    LoadSummary,
    Verdict,
    accepted,
    arriving,
    gone,
    left,
    refused,
    stands,
    unchanged,
    withdrawn,
)
from orchestration.raw.withdrawals import withdraw
from orchestration.registry.folder import Registry
from orchestration.running.checks import check_load
from orchestration.running.helper import IN_THIS_PROCESS, Helper

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
        loaded = _load(connection, registry, inventory, before)
    unsound = _reasons_of_the_suite(registry, inventory, helper) if isinstance(loaded, LoadSummary) else []
    with warehouse(registry.warehouse) as connection:
        verdict = (
            loaded
            if isinstance(loaded, Verdict)
            else _judge(connection, registry, inventory, loaded, unsound)
        )
        ledger.record(connection, inventory, registry.mappings[sender].kind, verdict)
        overtaken = compare_again(connection, registry) if verdict.is_accepted else []
    _tell(verdict, overtaken)
    return verdict


def _load(
    connection: duckdb.DuckDBPyConnection,
    registry: Registry,
    inventory: Inventory,
    before: dict[str, list[int]],
) -> LoadSummary | Verdict:
    """The counts of the load; or a verdict, if the files do not fit their mapping or changed while they were
    read.
    """
    sender, delivery = inventory.sender, inventory.delivery
    loaded: LoadSummary | Verdict
    try:
        loaded = load_delivery(connection, registry, inventory)
    except DeliveryRefused as refusal:
        loaded = refused(sender, delivery, refusal.reasons, is_by_itself=True)
    # If a file changed meanwhile, the content read may never have existed as a whole file. The ledger must
    # not hold it under the hash of a whole one.
    return loaded if marks(registry, sender, delivery) == before else left(sender, delivery)


def _reasons_of_the_suite(registry: Registry, inventory: Inventory, helper: Helper) -> list[str]:
    """The failures of the raw suite that block the load, one sentence each."""
    from expectations import gate

    checked = helper.submit(check_load, registry, inventory.load_id)
    return [f"{inventory.sender}/{inventory.delivery}: {r.sentence()}" for r in gate(checked.result())]


def _judge(
    connection: duckdb.DuckDBPyConnection,
    registry: Registry,
    inventory: Inventory,
    summary: LoadSummary,
    unsound: list[str],
) -> Verdict:
    """The verdict on a load whose structure is right. Its changes are counted only if the suite passes."""
    sender, delivery = inventory.sender, inventory.delivery
    if unsound:
        return refused(sender, delivery, unsound)
    load = ledger.Load(
        sender, delivery, inventory.load_id, registry.mappings[sender].kind, inventory.content_sha256
    )
    compare(connection, load)
    if reasons := surprises(connection, registry, load):
        return refused(sender, delivery, reasons)
    return accepted(sender, delivery, summary)


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
