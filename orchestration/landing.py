"""Layer landing: deliveries as they arrived; never changed by us.

Belongs here: which deliveries there are, which are complete, which are outstanding, and the landing assets.
"""

import time
from collections.abc import Iterator

import dagster as dg

from orchestration.database import warehouse
from orchestration.loading import Inventory, is_settled, take_inventory
from orchestration.registry import SUCCESS_MARKER, Registry
from orchestration.resources import current_registry


def partitions(sender: str) -> dg.DynamicPartitionsDefinition:
    """The deliveries of one sender."""
    return dg.DynamicPartitionsDefinition(name=f"deliveries_{sender}")


def is_complete(registry: Registry, sender: str, delivery: str, now: float | None = None) -> bool:
    """A `_SUCCESS` marker, or files whose size and time have not moved for the registry's quiet seconds."""
    folder = registry.landing / sender / delivery
    if (folder / SUCCESS_MARKER).exists():
        return True
    times = [p.stat().st_mtime for p in [folder, *folder.rglob("*")]]
    return (now or time.time()) - max(times) >= registry.file.quiet_seconds


def outstanding(registry: Registry) -> list[Inventory]:
    """Complete deliveries that the ledger has neither accepted nor refused in their present content and mapping."""
    found = [
        take_inventory(registry, sender, delivery)
        for sender in registry.mappings
        for delivery in registry.deliveries(sender)
        if is_complete(registry, sender, delivery)
    ]
    with warehouse(registry.warehouse) as connection:
        return [inventory for inventory in found if not is_settled(connection, inventory)]


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


def landing_asset(sender: str, name: str) -> dg.AssetsDefinition:
    """The inventory of a delivery: its files by size and sha256."""

    @dg.asset(
        key=["landing", sender],
        partitions_def=partitions(sender),
        group_name="landing",
        kinds={"file"},
        description=f"Deliveries of {name} as they arrived, one partition each.",
    )
    def landing(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        inventory = take_inventory(current_registry(), sender, context.partition_key)
        return dg.MaterializeResult(
            metadata={
                "files": len(inventory.files),
                "bytes": sum(f.bytes for f in inventory.files),
                "sha256": inventory.content_sha256,
                "inventory": dg.MetadataValue.table([
                    dg.TableRecord({"file": f.name, "bytes": f.bytes, "sha256": f.sha256[:16]}) for f in inventory.files
                ] or [dg.TableRecord({"file": "", "bytes": 0, "sha256": ""})]),
            },
            data_version=dg.DataVersion(inventory.load_id),
        )

    return landing
