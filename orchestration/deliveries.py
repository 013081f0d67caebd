"""Which deliveries lie in landing, which of them are complete, and which are outstanding.

Does not belong here: Dagster (`landing.py` shows deliveries as assets), for a run that finds nothing new should not
have to import it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from orchestration.database import warehouse
from orchestration.delivery_ledger import is_settled
from orchestration.inventory import Inventory, take_inventory
from orchestration.registry import SUCCESS_MARKER, Registry


def is_complete(registry: Registry, sender: str, delivery: str, now: float | None = None) -> bool:
    """A `_SUCCESS` marker, or files whose size and time have not moved for the registry's quiet seconds."""
    folder = registry.landing / sender / delivery
    if (folder / SUCCESS_MARKER).exists():
        return True
    try:
        times = [p.stat().st_mtime for p in [folder, *folder.rglob("*")]]
    except FileNotFoundError:  # a file that a copying program renames or removes; a link to nothing
        return False
    return (now or time.time()) - max(times) >= registry.file.quiet_seconds


def outstanding(registry: Registry) -> list[Inventory]:
    """Complete deliveries that the ledger has neither accepted nor refused in their present content and mapping."""
    found = [
        take_inventory(registry, sender, delivery)
        for sender in registry.mappings
        for delivery in registry.deliveries(sender)
        if is_complete(registry, sender, delivery)
    ]
    return _unsettled(registry, found)


def to_judge_again(registry: Registry) -> list[Inventory]:
    """Refused deliveries that something taken since, or a record written since, may let in."""
    with warehouse(registry.warehouse) as connection:
        refused = connection.execute(
            "select distinct sender_id, delivery_id from raw.delivery where state = 'refused' order by 1, 2"
        ).fetchall()
    return _unsettled(registry, [
        take_inventory(registry, sender, delivery)
        for sender, delivery in refused
        if sender in registry.mappings and delivery in registry.deliveries(sender) and is_complete(registry, sender, delivery)
    ])


def _unsettled(registry: Registry, found: list[Inventory]) -> list[Inventory]:
    with warehouse(registry.warehouse) as connection:
        return [
            inventory for inventory in found
            if not is_settled(connection, inventory)
            and not registry.withdraws(inventory.sender, inventory.delivery, inventory.content_sha256)
        ]


def strays(registry: Registry) -> Iterator[str]:
    """Sentences on what lies in landing and belongs to no mapping."""
    if not registry.landing.is_dir():
        return
    for folder in sorted(registry.landing.iterdir()):
        if folder.is_dir() and folder.name not in registry.mappings:
            yield (
                f"landing/{folder.name}: no mapping reads this sender; write hospitals/{folder.name}.yml"
                f" or draft it: myositis onboard {folder.name} {folder}"
            )
    for sender in registry.mappings:
        for delivery in registry.deliveries(sender):
            if not is_complete(registry, sender, delivery):
                yield f"landing/{sender}/{delivery}: still arriving (no {SUCCESS_MARKER}, files changed a moment ago); left for the next run"
