"""Closes, all at once, the records of corrections whose errors a later delivery no longer has.

Does not belong here: which records these are (`warehouse/mended_corrections.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestration.queries.asking import sender_of
from orchestration.registry.corrections import put_statuses
from orchestration.registry.folder import Registry
from orchestration.warehouse.correction_cells import trying_out_corrections
from orchestration.warehouse.mended_corrections import Closing, closings


@dataclass(frozen=True)
class Closed:
    """The records of a sender that no longer held: those closed, and those left for a person."""

    sender: str
    closed: tuple[Closing, ...]
    left: tuple[Closing, ...]
    is_written: bool


def close_mended(registry: Registry, hospital: str, *, dry_run: bool) -> Closed:
    """Write the status of each mended record into corrections/<sender>.yml; nothing else changes there."""
    sender = sender_of(registry, hospital)
    with trying_out_corrections(registry) as connection:
        found = closings(connection, registry, sender)
    closed = tuple(c for c in found if c.status)
    if closed and not dry_run:
        put_statuses(
            registry.folder / "corrections" / f"{sender}.yml",
            {c.record: c.status for c in closed if c.status},
        )
    return Closed(sender, closed, tuple(c for c in found if not c.status), not dry_run)
