"""Layer landing: deliveries as they arrived; we never change them.

Belongs here: the landing assets. Does not belong here: which deliveries are outstanding
(`raw/outstanding.py`).
"""

import dagster as dg

from orchestration.landing.inventory import take_inventory
from orchestration.landing.names import Names
from orchestration.resources import current_registry


def partitions_name(sender: str) -> str:
    return f"deliveries_{sender}"


def partitions(sender: str) -> dg.DynamicPartitionsDefinition:
    """The deliveries of one sender."""
    return dg.DynamicPartitionsDefinition(name=partitions_name(sender))


def landing_asset(sender: str, name: str, columns: dg.TableSchema) -> dg.AssetsDefinition:
    """The inventory of a delivery: its files by size and sha256. ``columns`` are those that the mapping
    names.
    """

    @dg.asset(
        key=["landing", sender],
        partitions_def=partitions(sender),
        group_name="landing",
        kinds={"file"},
        metadata={"dagster/column_schema": columns},
        description=f"Deliveries of {name} as they arrived, one partition each.",
    )
    def landing(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        registry = current_registry()
        inventory = take_inventory(registry, sender, context.partition_key)
        names = Names(registry.mappings[sender], inventory)
        return dg.MaterializeResult(
            metadata={
                "files": len(inventory.files),
                "bytes": sum(f.bytes for f in inventory.files),
                "sha256": inventory.content_sha256,
                "inventory": dg.MetadataValue.table(
                    [
                        dg.TableRecord(
                            {"file": names.file(f.name), "bytes": f.bytes, "sha256": f.sha256[:16]}
                        )
                        for f in inventory.files
                    ]
                    or [dg.TableRecord({"file": "", "bytes": 0, "sha256": ""})]
                ),
            },
            data_version=dg.DataVersion(inventory.load_id),
        )

    return landing
