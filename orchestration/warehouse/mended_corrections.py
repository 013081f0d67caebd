"""Which records of corrections can be closed, because a later delivery no longer has their errors.

Belongs here: finding them in the deliveries in force. Does not belong here: what a record that no longer
holds does to a build (`correction_cells.py`), the file (`registry/corrections.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import duckdb

from orchestration.registry.corrections import Correction, CorrectionFile, Status
from orchestration.registry.folder import Registry
from orchestration.warehouse.correction_cells import Found, correction_id, waits_for_rows, what_records_meet


@dataclass(frozen=True)
class Closing:
    """A record that no longer holds: the status that closes it, or None with the reason why it is left."""

    record: str
    status: Status | None
    why: str


def closings(connection: duckdb.DuckDBPyConnection, registry: Registry, sender: str) -> list[Closing]:
    """Each record of a sender that no longer holds, in the order of the file."""
    file = registry.corrections.get(sender)
    if file is None:
        return []
    now = what_records_meet(connection, registry)
    stale = [
        r for r in file.corrections if r.status in ("open", "applied") and not _found(now, sender, r).expected
    ]
    as_stated = what_records_meet(connection, _asking_for_values(registry, sender, stale))
    waits = waits_for_rows(connection, registry, sender)
    return [_closing(r, _found(now, sender, r), _found(as_stated, sender, r), waits) for r in stale]


def _closing(record: Correction, now: Found, as_stated: Found, waits: bool) -> Closing:
    """``now``: the rows that the record matches; ``as_stated``: those of them that hold its right value."""
    closed: Status = "mended" if record.status == "applied" else "withdrawn"
    if not now.matched and waits:
        return Closing(record.id, None, "a delivery that is missing or refused may hold its rows")
    if not now.matched and record.action == "drop":
        return Closing(record.id, closed, "the row is not sent any more")
    if not now.matched and set(record.expect) & set(record.match.cells):
        return Closing(record.id, closed, "no row holds the text any more")
    if not now.matched:
        return Closing(record.id, None, "it matches no row; correct match, or write status: withdrawn")
    if not record.value:
        return Closing(record.id, closed, f"delivery {now.latest} no longer holds the text")
    if as_stated.expected:
        return Closing(record.id, closed, f"delivery {now.latest} holds the right value")
    return Closing(
        record.id,
        None,
        f"delivery {now.latest} holds neither what the record expects nor its value; look at the row, and "
        "correct the record",
    )


def _found(found: dict[str, Found], sender: str, record: Correction) -> Found:
    return found.get(correction_id(sender, record), Found())


def _asking_for_values(registry: Registry, sender: str, records: Iterable[Correction]) -> Registry:
    """The registry with records that expect the right value of each given record, not the wrong text.

    A condition on the corrected cell itself would keep the mended row from matching, and is left out.
    """
    asking = [
        r.model_copy(
            update={
                "expect": {**r.expect, **r.value},
                "action": "reject",
                "value": None,
                "status": "open",
                "match": r.match.model_copy(
                    update={"cells": {c: text for c, text in r.match.cells.items() if c not in r.value}}
                ),
            }
        )
        for r in records
        if r.value
    ]
    return replace(registry, corrections={sender: CorrectionFile(sender=sender, corrections=asking)})
