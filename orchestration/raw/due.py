"""Which senders' deliveries are overdue, by `expected_every` of their mappings.

The suite of the marts asks the same at each build (`deliveries_arrived`). Nothing is built while nothing
arrives, so the question is asked here too: every day by a check in Dagster, and by `myositis status`. Does
not belong here: when it is asked (`automation.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import duckdb

from orchestration.raw.cell_sql import literal
from orchestration.registry.folder import Registry

# The day of a delivery is the day or month that names it, else the day on which it was taken.
DUE = """
select cast(max(coalesce(
    try_cast(delivery_id as date), last_day(try_cast(delivery_id || '-01' as date)), loaded_at::date
)) + interval {every} as date), max(delivery_id)
from raw.delivery where state = 'accepted' and sender_id = {sender}
"""


@dataclass(frozen=True)
class Due:
    """When the next delivery of a sender is due; ``day`` is None if none was ever accepted."""

    sender: str
    every: str
    day: date | None
    last: str | None

    def is_overdue(self, today: date) -> bool:
        return self.day is None or self.day < today

    def sentence(self, today: date) -> str:
        if self.day is None:
            return f"{self.sender}: a delivery is expected every {self.every}, and none has been accepted yet"
        if not self.is_overdue(today):
            return f"{self.sender}: the next delivery is due on {self.day}"
        days = (today - self.day).days
        return (
            f"{self.sender}: a delivery is overdue since {self.day} ({days:,} "
            f"{'day' if days == 1 else 'days'}); one is expected every {self.every}, and {self.last} is the "
            "last that was accepted. Ask the hospital for it"
        )


def due(connection: duckdb.DuckDBPyConnection, registry: Registry, sender: str) -> Due | None:
    """When the sender's next delivery is due; None if its mapping states no `expected_every`."""
    every = registry.mappings[sender].expected_every
    if every is None:
        return None
    day, last = connection.execute(DUE.format(every=literal(every), sender=literal(sender))).fetchall()[0]
    return Due(sender, every, day, last)


def all_due(connection: duckdb.DuckDBPyConnection, registry: Registry) -> list[Due]:
    """When the next delivery of each sender is due that has to deliver regularly."""
    return [found for sender in registry.mappings if (found := due(connection, registry, sender))]
