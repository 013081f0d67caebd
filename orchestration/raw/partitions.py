"""Shows in Dagster's partitions what the ledger says: green means that the delivery is in force.

A delivery may leave force after its own run ended well: the models reject too many of its rows, an earlier
delivery comes that it contradicts, a record withdraws it. Its partition is then run once more, which reads
nothing, fails, and tells the reason. Does not belong here: deciding (`ingestion.py`), the asset
(`assets.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import dagster as dg

from orchestration.database.warehouse_file import warehouse
from orchestration.landing.assets import partitions, partitions_name
from orchestration.raw.ledger import Standing, State, standing
from orchestration.registry.folder import Registry

if TYPE_CHECKING:
    from dagster._core.storage.partition_status_cache import AssetPartitionStatus

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def show_ledger(
    registry: Registry, instance: dg.DagsterInstance, assets: Iterable[dg.AssetsDefinition]
) -> None:
    """Mend the partitions of these raw assets that show something else than the ledger says."""
    with warehouse(registry.warehouse) as connection:
        found = standing(connection)
    for asset in assets:
        sender = asset.key.path[-1]
        shown = _status(instance, sender)
        for delivery in found:
            if delivery.sender == sender and _is_shown_wrongly(delivery, shown):
                _show(asset, sender, delivery.delivery, instance)


def _is_shown_wrongly(delivery: Standing, shown: Mapping[str, AssetPartitionStatus | None]) -> bool:
    """Whether a partition is green and its delivery not in force, or the other way round. A partition that is
    being run, or that nobody added, is left alone.
    """
    if delivery.delivery not in shown:
        return False
    status = shown[delivery.delivery]
    name = status.name if status else "NOT_RUN"
    return name != "IN_PROGRESS" and (name == "MATERIALIZED") != (delivery.state is State.ACCEPTED)


def _status(instance: dg.DagsterInstance, sender: str) -> dict[str, AssetPartitionStatus | None]:
    """How each delivery of a sender is shown; None: it has no run yet."""
    there = instance.get_dynamic_partitions(partitions_name(sender))
    shown = instance.get_status_by_partition(dg.AssetKey(["raw", sender]), there, partitions(sender))
    return dict(shown) if shown else dict.fromkeys(there)


def _show(asset: dg.AssetsDefinition, sender: str, delivery: str, instance: dg.DagsterInstance) -> None:
    """Run the partition of a delivery once more, so that it is shown as the ledger has it."""
    name = f"show_{sender}"
    jobs = [dg.define_asset_job(name, [asset], partitions_def=partitions(sender))]
    definitions = dg.Definitions(assets=[asset], jobs=jobs, executor=dg.in_process_executor)
    definitions.resolve_job_def(name).execute_in_process(
        instance=instance, partition_key=delivery, raise_on_error=False, run_config=QUIET
    )
