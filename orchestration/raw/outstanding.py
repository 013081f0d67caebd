"""Which deliveries are outstanding: those in landing that the ledger has not settled.

Does not belong here: Dagster, because a run that finds nothing new should not have to import it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import duckdb

from orchestration.database.warehouse_file import LOCK_WAIT_SECONDS, glance
from orchestration.landing.arrivals import is_complete
from orchestration.landing.inventory import Inventory, take_inventory
from orchestration.raw.ledger import is_settled, refused_deliveries
from orchestration.registry.folder import Registry
from orchestration.running.refusals import Refusal


def outstanding(registry: Registry, wait_seconds: float = LOCK_WAIT_SECONDS) -> list[Inventory]:
    """Complete deliveries that the ledger has neither accepted nor refused with their present content and
    mapping.
    """
    found = complete_deliveries(registry)
    with glance(registry.warehouse, wait_seconds) as connection:
        return unsettled(connection, registry, found)


def to_judge_again(registry: Registry) -> list[Inventory]:
    """Refused deliveries that may now be accepted, because of a delivery taken or a record written since."""
    with glance(registry.warehouse) as connection:
        refused = refused_deliveries(connection)
    found = [
        take_inventory(registry, sender, delivery)
        for sender, delivery in refused
        if sender in registry.mappings
        and delivery in registry.deliveries(sender)
        and is_complete(registry, sender, delivery)
    ]
    with glance(registry.warehouse) as connection:
        return unsettled(connection, registry, found)


def take_in_turn(
    found: Iterable[Inventory],
    take: Callable[[Inventory], Refusal | None],
    again: Callable[[], list[Inventory]],
) -> tuple[list[str], dict[str, Refusal]]:
    """Take each delivery; what was refused is judged again once another is taken. Returns the names of those
    taken, and the refusals by name.
    """
    taken: list[str] = []
    refusals: dict[str, Refusal] = {}
    turn = list(found)
    while turn:
        taken_before = len(taken)
        for inventory in turn:
            name = f"{inventory.sender}/{inventory.delivery}"
            refusals.pop(name, None)
            if refusal := take(inventory):
                refusals[name] = refusal
            else:
                taken.append(name)
        turn = again() if len(taken) > taken_before else []
    return taken, refusals


def complete_deliveries(registry: Registry) -> list[Inventory]:
    """The deliveries in landing that have arrived completely, in the order in which they are taken."""
    return [
        take_inventory(registry, sender, delivery)
        for sender in registry.mappings
        for delivery in registry.deliveries(sender)
        if is_complete(registry, sender, delivery)
    ]


def unsettled(
    connection: duckdb.DuckDBPyConnection, registry: Registry, found: Iterable[Inventory]
) -> list[Inventory]:
    """Those of the given deliveries that the ledger has not settled and no record withdraws."""
    return [
        inventory
        for inventory in found
        if not is_settled(connection, inventory)
        and not registry.withdraws(inventory.sender, inventory.delivery, inventory.content_sha256)
    ]
