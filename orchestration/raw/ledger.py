"""What became of each load: accepted, replaced or refused, on which grounds, and the removal of its rows.

Does not belong here: deciding (`ingestion.py`, `warehouse/build.py`), the tables themselves (`database/raw_tables.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb

from orchestration.database.raw_tables import RAW_FIELDS
from orchestration.landing.inventory import Inventory
from orchestration.raw.cell_sql import literal

LOAD_TABLES = (
    *(f"raw.{e}" for e in RAW_FIELDS), "raw.delivery_file", "raw.source_table", "raw.rejected_line",
    "raw.patient_link", "raw.load_subject", "raw.date_cells", "raw.exchanged_dates",
)


def remove_load(connection: duckdb.DuckDBPyConnection, load_id: str) -> None:
    for table in LOAD_TABLES:
        connection.execute(f"delete from {table} where load_id = ?", [load_id])


def record_state(
    connection: duckdb.DuckDBPyConnection, inventory: Inventory, kind: str, state: str, reason: str = ""
) -> None:
    """Write the outcome of a delivery into the ledger; accepting one puts its predecessor out of force, in one step."""
    connection.begin()
    if state == "accepted":
        connection.execute(
            "update raw.delivery set state = 'replaced' where sender_id = ? and delivery_id = ? and state = 'accepted'",
            [inventory.sender, inventory.delivery],
        )
    connection.execute(
        "insert or replace into raw.delivery values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [inventory.sender, inventory.delivery, inventory.load_id, state, kind, inventory.content_sha256,
         inventory.mapping_digest, utc_now(), reason],
    )
    connection.execute(
        "insert or replace into raw.delivery_decision values (?, ?)",
        [inventory.load_id, judged_by(connection, inventory.sender, inventory.load_id, inventory.records_digest)],
    )
    connection.commit()


def is_settled(connection: duckdb.DuckDBPyConnection, inventory: Inventory) -> bool:
    """Whether this very content, read by this very mapping, was already accepted, or refused under the present records.

    A refused delivery is judged again when its sender's corrections, accepted changes or waivers are others now, or when its
    other deliveries are: the patients that it names may have come with one of them.
    """
    # a parameter in place of the literal would import pandas, a second that a run with nothing new need not take
    row = connection.execute(
        "select d.state, j.judged_by from raw.delivery as d left join raw.delivery_decision as j using (load_id)"
        f" where d.load_id = {literal(inventory.load_id)}"
    ).fetchone()
    if row is None or row[0] != "refused":
        return row is not None and row[0] == "accepted"
    return row[1] in (None, judged_by(connection, inventory.sender, inventory.load_id, inventory.records_digest))


def was_refused(connection: duckdb.DuckDBPyConnection, inventory: Inventory) -> bool:
    return connection.execute(
        "select count(*) from raw.delivery where load_id = ? and state = 'refused'", [inventory.load_id]
    ).fetchone()[0] > 0


def judged_by(connection: duckdb.DuckDBPyConnection, sender: str, load_id: str, records_digest: str) -> str:
    """What a decision on a load rests on beside its content and its mapping."""
    others = connection.execute(
        "select md5(string_agg(load_id, ',' order by delivery_id, load_id)) from raw.delivery"
        f" where sender_id = {literal(sender)} and load_id <> {literal(load_id)} and state = 'accepted'",
    ).fetchone()[0]
    return f"{records_digest}/{others}"


def utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
