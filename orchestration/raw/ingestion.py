"""Judging one delivery: structure, the raw suite, and what it changes of earlier deliveries; one verdict,
recorded once.

Does not belong here: the loading itself (`loading.py`), what a verdict does to the ledger (`ledger.py`),
Dagster (`assets.py`).
"""

import logging

import duckdb

from orchestration.database.warehouse_file import warehouse
from orchestration.landing.inventory import Inventory, marks, take_inventory
from orchestration.raw import ledger
from orchestration.raw.changes import compare, compare_again, surprises
from orchestration.raw.loading import load_delivery
from orchestration.raw.verdict import (
    DeliveryRefused,
    LoadSummary,
    Verdict,
    accepted,
    left,
    refused,
    unchanged,
)
from orchestration.raw.withdrawals import withdraw
from orchestration.registry.folder import Registry
from orchestration.running.checks import check_load
from orchestration.running.helper import IN_THIS_PROCESS, Helper

log = logging.getLogger("myositis")


def ingest(registry: Registry, sender: str, delivery: str, helper: Helper = IN_THIS_PROCESS) -> Verdict:
    """Take one delivery into raw, or refuse it whole; the verdict is in the ledger when this returns."""
    before = marks(registry, sender, delivery)
    inventory = take_inventory(registry, sender, delivery)
    with warehouse(registry.warehouse) as connection:
        withdraw(connection, registry)
        if ledger.is_settled(connection, inventory) or registry.withdraws(
            sender, delivery, inventory.content_sha256
        ):
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
    """What was loaded; a verdict where the files do not fit their mapping, or were written meanwhile."""
    sender, delivery = inventory.sender, inventory.delivery
    loaded: LoadSummary | Verdict
    try:
        loaded = load_delivery(connection, registry, inventory)
    except DeliveryRefused as refusal:
        loaded = refused(sender, delivery, refusal.reasons)
    # what was read may be no file that ever was whole: the ledger must not hold it under the hash of a whole
    # one
    return loaded if marks(registry, sender, delivery) == before else left(sender, delivery)


def _reasons_of_the_suite(registry: Registry, inventory: Inventory, helper: Helper) -> list[str]:
    """What the raw suite finds in the load and blocks it."""
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
    """The verdict on a load whose structure holds; what it changes is counted once the suite holds."""
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
            "%s/%s refused: it changes more than allowed of what is said before it now",
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
