"""Deliveries in force that are gone from landing, and deliveries that a record takes out of force.

A folder may be gone because a mount is missing. What the delivery said therefore stays in force, and every
run says so, until a person withdraws the delivery by a record. Does not belong here: refusing
(`ingestion.py`, `warehouse/build.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from orchestration.raw.ledger import loads_in_force, withdraw_load
from orchestration.registry.folder import Registry

log = logging.getLogger("myositis")

MOST_TOLD = 5  # of a sender


def withdraw(connection: duckdb.DuckDBPyConnection, registry: Registry) -> None:
    """Put the deliveries out of force that `withdrawn_deliveries` in corrections/<sender>.yml names."""
    for load in loads_in_force(connection):
        if registry.withdraws(load.sender, load.delivery, load.content_sha256):
            name = f"{load.sender}/{load.delivery}"
            withdraw_load(connection, load, f"{name}: withdrawn by a record in corrections/{load.sender}.yml")
            log.info("%s is out of force: withdrawn by a record", name)


@dataclass(frozen=True)
class MissingDelivery:
    """A delivery that is in force and whose folder is gone from landing."""

    sender: str
    delivery: str
    content_sha256: str

    def sentence(self) -> str:
        return (
            f"landing/{self.sender}/{self.delivery}: the folder is gone, and the delivery is still in "
            f"force. Put the folder back, or withdraw the delivery: in corrections/{self.sender}.yml write, "
            f'under withdrawn_deliveries, {{delivery: "{self.delivery}", content: '
            f'"{self.content_sha256[:12]}", owner: …, reason: …}} and run again'
        )


def missing(connection: duckdb.DuckDBPyConnection, registry: Registry) -> list[MissingDelivery]:
    """The deliveries in force whose folder is gone from landing, except those that a record withdraws."""
    return [
        MissingDelivery(load.sender, load.delivery, load.content_sha256)
        for load in loads_in_force(connection)
        if not (registry.landing / load.sender / load.delivery).is_dir()
        and not registry.withdraws(load.sender, load.delivery, load.content_sha256)
    ]


def told_of_missing(found: Iterable[MissingDelivery]) -> list[str]:
    """A sentence for each of the first missing deliveries of a sender, and one sentence for the rest."""
    told: dict[str, list[str]] = {}
    for delivery in found:
        told.setdefault(delivery.sender, []).append(delivery.sentence())
    return [
        sentence
        for sender, sentences in told.items()
        for sentence in (
            *sentences[:MOST_TOLD],
            *(
                [
                    f"landing/{sender}: {len(sentences) - MOST_TOLD} more deliveries are gone and still in "
                    "force"
                ]
                if len(sentences) > MOST_TOLD
                else ()
            ),
        )
    ]
