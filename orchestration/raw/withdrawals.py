"""Deliveries in force that do not lie in landing any more, and those that a record takes out of force.

A folder that is gone may be a mount that is missing: what it said stays in force, and every run says so, until a person withdraws
the delivery by a record. Does not belong here: refusing (`ingestion.py`, `warehouse/build.py`).
"""

from __future__ import annotations

import logging

import duckdb

from orchestration.registry.folder import Registry

log = logging.getLogger("myositis")

MOST_TOLD = 5  # of a sender


def withdraw(connection: duckdb.DuckDBPyConnection, registry: Registry) -> None:
    """Put out of force what `withdrawn_deliveries` of corrections/<sender>.yml names."""
    for sender, delivery, load_id, content in _accepted(connection):
        if registry.withdraws(sender, delivery, content):
            connection.execute(
                "update raw.delivery set state = 'withdrawn', reason = ? where load_id = ?",
                [f"{sender}/{delivery}: withdrawn by a record in corrections/{sender}.yml", load_id],
            )
            log.info("%s/%s is out of force: withdrawn by a record", sender, delivery)


def missing(connection: duckdb.DuckDBPyConnection, registry: Registry) -> list[str]:
    """A sentence for each delivery that is in force and not in landing."""
    told: dict[str, list[str]] = {}
    for sender, delivery, _, content in _accepted(connection):
        if not (registry.landing / sender / delivery).is_dir() and not registry.withdraws(sender, delivery, content):
            told.setdefault(sender, []).append(
                f"landing/{sender}/{delivery}: not there any more, and still in force. Put the folder back; or take it out of force"
                f" on purpose: in corrections/{sender}.yml write, under withdrawn_deliveries, {{delivery: \"{delivery}\","
                f' content: "{content[:12]}", owner: …, reason: …}} and run again'
            )
    return [
        sentence for sender, sentences in told.items()
        for sentence in (
            *sentences[:MOST_TOLD],
            *([f"landing/{sender}: so are {len(sentences) - MOST_TOLD} more"] if len(sentences) > MOST_TOLD else ()),
        )
    ]


def _accepted(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str, str]]:
    return connection.execute(
        "select sender_id, delivery_id, load_id, content_sha256 from raw.delivery where state = 'accepted' order by 1, 2"
    ).fetchall()
