"""The state of each load: which states there are, which events move a load between them, and every write that
does so.

`raw.delivery` has a row for each load that a gate has decided on. `raw.delivery_decision` records what that
decision rests on. Only this module writes the two tables and removes the rows of loads. Does not belong here:
deciding (`ingestion.py`, `changes.py`, `withdrawals.py`, `warehouse/build.py`), the tables themselves
(`database/raw_tables.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

import duckdb

from orchestration.database.raw_tables import RAW_FIELDS
from orchestration.landing.inventory import Inventory
from orchestration.raw.cell_sql import literal
from orchestration.raw.verdict import Decision, Verdict

LOAD_TABLES = (
    *(f"raw.{e}" for e in RAW_FIELDS),
    "raw.delivery_file",
    "raw.source_table",
    "raw.source_finding",
    "raw.rejected_line",
    "raw.patient_link",
    "raw.load_subject",
    "raw.date_cells",
    "raw.exchanged_dates",
)
COUNTS = ("raw.delivery_change", "raw.delivery_comparison")
UNTIL = " until "  # in a decision, before the day from which it no longer holds
REFUSED_ROWS = "raw.refused_row"  # outlives the rows of its load, because the hospital is asked about them


class State(StrEnum):
    """What a load is, as `raw.delivery.state` has it. A load that no gate has decided on has no row there."""

    ACCEPTED = "accepted"  # in force: the models read its rows
    REPLACED = "replaced"  # another load of the same delivery is in force in its place
    REFUSED = "refused"  # a gate refused it, before or after it was in force
    WITHDRAWN = "withdrawn"  # a record of the registry put it out of force


class Event(StrEnum):
    """What moves a load from one state to another."""

    ACCEPT = "every check of the delivery holds"
    REFUSE = "a check of the delivery does not hold"
    REPLACE = "another load of the same delivery is accepted"
    WITHDRAW = "a record in corrections/<sender>.yml withdraws the delivery"
    REFUSE_ROWS = "the models reject more of its rows than its hospital is allowed"
    REFUSE_CHANGE = "the deliveries before it have changed, and it now changes too much of what they say"
    RETURN = "the content in force came once more after it"
    RESTORE = "the load that replaced it is refused for its rows, and its own rows are still there"


@dataclass(frozen=True)
class Transition:
    """A load in state ``before`` (None: no state yet) moves to state ``after`` when ``event`` happens."""

    before: State | None
    event: Event
    after: State
    reason: str


TRANSITIONS = (
    Transition(None, Event.ACCEPT, State.ACCEPTED, "new content that holds comes into force"),
    Transition(None, Event.REFUSE, State.REFUSED, "new content that does not hold stays out"),
    Transition(
        State.REFUSED,
        Event.ACCEPT,
        State.ACCEPTED,
        "it was refused, and new records or other deliveries now let it in",
    ),
    Transition(State.REFUSED, Event.REFUSE, State.REFUSED, "it was judged again, and still does not hold"),
    Transition(
        State.REPLACED, Event.ACCEPT, State.ACCEPTED, "the hospital sent the earlier content once more"
    ),
    Transition(
        State.REPLACED,
        Event.REFUSE,
        State.REFUSED,
        "the earlier content came once more, and does not hold now",
    ),
    Transition(
        State.REFUSED,
        Event.RETURN,
        State.REPLACED,
        "the hospital went back to the content that is in force",
    ),
    Transition(
        State.WITHDRAWN, Event.ACCEPT, State.ACCEPTED, "the record that withdrew it is gone, and it holds"
    ),
    Transition(
        State.WITHDRAWN,
        Event.REFUSE,
        State.REFUSED,
        "the record that withdrew it is gone, and it does not hold",
    ),
    Transition(State.ACCEPTED, Event.REPLACE, State.REPLACED, "of one delivery one load is in force"),
    Transition(State.ACCEPTED, Event.WITHDRAW, State.WITHDRAWN, "a person put it out of force on purpose"),
    Transition(
        State.ACCEPTED,
        Event.REFUSE_ROWS,
        State.REFUSED,
        "rows are judged when the models are built, after it was accepted",
    ),
    Transition(
        State.ACCEPTED,
        Event.REFUSE_CHANGE,
        State.REFUSED,
        "the order in which deliveries arrive must not matter",
    ),
    Transition(
        State.REPLACED,
        Event.RESTORE,
        State.ACCEPTED,
        "a refused delivery leaves the warehouse what it had before",
    ),
)
_AFTER = {(t.before, t.event): t.after for t in TRANSITIONS}


class NoSuchTransition(Exception):
    """The program tried to move a load in a way that no transition allows; this is a fault of the program."""


def state_after(before: State | None, event: Event) -> State:
    """The state that ``event`` leads to from ``before``; raises NoSuchTransition when the event may not
    happen in that state.
    """
    if (before, event) not in _AFTER:
        raise NoSuchTransition(f"a load that is {before or 'not decided on'} cannot be moved because {event}")
    return _AFTER[before, event]


@dataclass(frozen=True)
class Load:
    """One load of the ledger."""

    sender: str
    delivery: str
    load_id: str
    kind: str
    content_sha256: str


# what is written


def record(
    connection: duckdb.DuckDBPyConnection,
    inventory: Inventory,
    kind: str,
    verdict: Verdict,
    rows_in: str | None = None,
) -> None:
    """Write the decision on a delivery in one transaction. If the delivery is taken, its rows are copied in
    the same one from the catalogue ``rows_in``; without a catalogue they are there already.

    Accepting a load replaces the load of the same delivery that was in force.
    """
    if not verdict.is_new and verdict.decision is not Decision.LEFT:
        return
    with _one_step(connection):
        if rows_in is not None or not verdict.is_accepted:
            remove_load(connection, inventory.load_id)
        if not verdict.is_new:
            return
        if rows_in is not None:
            _copy(connection, inventory.load_id, rows_in, LOAD_TABLES if verdict.is_accepted else ())
        before = _state_of(connection, inventory.load_id)
        after = state_after(before, Event.ACCEPT if verdict.is_accepted else Event.REFUSE)
        if after is State.ACCEPTED:
            for other in _accepted_loads_of(connection, inventory.sender, inventory.delivery):
                _move(connection, other, Event.REPLACE)
            connection.execute(
                f"delete from {REFUSED_ROWS} where sender_id = ? and delivery_id = ?",
                [inventory.sender, inventory.delivery],
            )
        connection.execute(
            "insert or replace into raw.delivery values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                inventory.sender,
                inventory.delivery,
                inventory.load_id,
                after.value,
                kind,
                inventory.content_sha256,
                inventory.mapping_digest,
                utc_now(),
                "\n".join(verdict.reasons),
            ],
        )
        judged = None
        if verdict.is_broken:  # by a fault that nobody foresaw, perhaps ours: the next run reads it again
            judged = "read again"
        elif not verdict.is_by_itself:
            judged = judged_by(connection, inventory.sender, inventory.load_id, inventory.records_digest)
        _note_decision(connection, inventory.load_id, judged)


def _copy(connection: duckdb.DuckDBPyConnection, load_id: str, rows_in: str, tables: Sequence[str]) -> None:
    """Copy the rows of a load, and the counts of what it changes, which a refused load has too."""
    for table in COUNTS:
        connection.execute(f"delete from {table} where load_id = ?", [load_id])
    for table in (*tables, *COUNTS):
        connection.execute(f"insert into {table} by name from {rows_in}.{table}")


def return_to_content(connection: duckdb.DuckDBPyConnection, inventory: Inventory) -> bool:
    """Record that the content in force lies in landing again, so that the refusal of other content no longer
    says what became of the delivery. Returns whether such a refusal stood.
    """
    later = _refused_since(connection, inventory)
    with _one_step(connection):
        for load_id in later:
            _move(connection, load_id, Event.RETURN)
            remove_load(connection, load_id)
    return bool(later)


def withdraw_load(connection: duckdb.DuckDBPyConnection, load: Load, reason: str) -> None:
    """Put a load out of force because a record says so."""
    with _one_step(connection):
        _move(connection, load.load_id, Event.WITHDRAW, reason)


def refuse_for_rows(
    connection: duckdb.DuckDBPyConnection,
    sender: str,
    delivery: str,
    load_id: str,
    reasons: Sequence[str],
    records_digest: str,
    *,
    is_by_itself: bool = False,
    until: date | None = None,
) -> None:
    """Refuse a load for its rejected rows, and put the load that it had replaced back into force, in one
    transaction. ``is_by_itself``: no row of another delivery could have let its rows in. ``until``: the day
    from which a row is no longer dated in the future, so that the load is judged again.
    """
    with _one_step(connection):
        _move(connection, load_id, Event.REFUSE_ROWS, "\n".join(reasons))
        predecessor = connection.execute(
            "select load_id from raw.delivery where sender_id = ? and delivery_id = ? and state = ?"
            " and load_id in (select load_id from raw.source_table)"  # only while its rows are still in raw
            " order by loaded_at desc limit 1",
            [sender, delivery, State.REPLACED.value],
        ).fetchone()
        if predecessor is not None:
            _move(connection, predecessor[0], Event.RESTORE)
        judged = judged_by(connection, sender, load_id, records_digest)
        judged = judged_alone(records_digest) if is_by_itself else judged
        _note_decision(connection, load_id, f"{judged}{UNTIL}{until}" if until else judged)


def refuse_for_change(connection: duckdb.DuckDBPyConnection, load: Load, reasons: Sequence[str]) -> None:
    """Refuse a load because it changes too much of what earlier deliveries now say.

    No decision is recorded. The next run therefore reads the delivery again, and judges it by the deliveries
    then in force.
    """
    with _one_step(connection):
        _move(connection, load.load_id, Event.REFUSE_CHANGE, "\n".join(reasons))


def remove_load(connection: duckdb.DuckDBPyConnection, load_id: str) -> None:
    """Remove the rows of a load; the ledger keeps the load's state."""
    for table in (*LOAD_TABLES, REFUSED_ROWS):
        connection.execute(f"delete from {table} where load_id = ?", [load_id])


def remove_loads_out_of_force(connection: duckdb.DuckDBPyConnection) -> None:
    """Remove the rows of every load that is not in force, in one transaction."""
    with _one_step(connection):
        for table in LOAD_TABLES:
            connection.execute(
                f"delete from {table} where load_id not in (select load_id from raw.delivery "
                "where state = 'accepted')"
            )


@contextmanager
def _one_step(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _move(
    connection: duckdb.DuckDBPyConnection, load_id: str, event: Event, reason: str | None = None
) -> None:
    """Change the state of a load that the ledger has. Its reason stays unless a new one is given."""
    after = state_after(_state_of(connection, load_id), event)
    connection.execute(
        "update raw.delivery set state = ?, reason = coalesce(?, reason) where load_id = ?",
        [after.value, reason, load_id],
    )


def _note_decision(connection: duckdb.DuckDBPyConnection, load_id: str, judged: str | None) -> None:
    """Note what a decision rests on, beside content and mapping; None if on nothing else."""
    connection.execute("insert or replace into raw.delivery_decision values (?, ?)", [load_id, judged])


# what is read


def loads_in_force(connection: duckdb.DuckDBPyConnection) -> list[Load]:
    """The accepted loads, by sender and delivery."""
    return [
        Load(*row)
        for row in connection.execute(
            "select sender_id, delivery_id, load_id, kind, content_sha256 from raw.delivery "
            "where state = 'accepted' order by 1, 2"
        ).fetchall()
    ]


def refused_deliveries(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """(sender, delivery) of each delivery that has a refused load."""
    return connection.execute(
        "select distinct sender_id, delivery_id from raw.delivery where state = 'refused' order by 1, 2"
    ).fetchall()


def is_settled(connection: duckdb.DuckDBPyConnection, inventory: Inventory) -> bool:
    """Whether this content, read by this mapping, was already accepted, or was refused under the present
    records.

    A refused delivery is judged again when its sender's corrections, accepted changes or waivers have
    changed, or its sender's other deliveries. One of those deliveries may have brought the patients that the
    refused one names. If no other delivery can let it in, only the records count; if its files do not fit
    their mapping, it is judged once per content and mapping, whatever else changes. A delivery with rows
    dated after the day of its refusal is judged again when such a day has come.

    Content in force is not settled while the ledger says of the delivery that other content was refused
    later.
    """
    # A literal, because a parameter would import pandas: a second that a run with nothing new can save.
    row = connection.execute(
        "select d.state, j.judged_by from raw.delivery as d left "
        "join raw.delivery_decision as j using (load_id)"
        f" where d.load_id = {literal(inventory.load_id)}"
    ).fetchone()
    if row is None or row[0] != State.REFUSED:
        return row is not None and row[0] == State.ACCEPTED and not _refused_since(connection, inventory)
    ground, _, until = (row[1] or "").partition(UNTIL)
    if until and date.today() >= date.fromisoformat(until):
        return False
    return ground in (
        "",
        judged_alone(inventory.records_digest),
        judged_by(connection, inventory.sender, inventory.load_id, inventory.records_digest),
    )


def _refused_since(connection: duckdb.DuckDBPyConnection, inventory: Inventory) -> list[str]:
    """The loads of the delivery that were refused after this content came into force; none if it is not in
    force.
    """
    found = connection.execute(
        "select r.load_id from raw.delivery as r join raw.delivery as d using (sender_id, delivery_id)"
        f" where d.load_id = {literal(inventory.load_id)} and d.state = 'accepted'"
        " and r.state = 'refused' and r.loaded_at >= d.loaded_at and r.load_id <> d.load_id"
    ).fetchall()
    return [load_id for (load_id,) in found]


def was_refused(connection: duckdb.DuckDBPyConnection, inventory: Inventory) -> bool:
    return _state_of(connection, inventory.load_id) is State.REFUSED


def reason_of_refusal(connection: duckdb.DuckDBPyConnection, inventory: Inventory) -> str | None:
    """Why this content, read by this mapping, stands refused, one sentence a line; None if it does not."""
    row = connection.execute(
        f"select reason from raw.delivery where load_id = {literal(inventory.load_id)} and state = 'refused'"
    ).fetchone()
    return row[0] or "no reason was noted" if row else None


@dataclass(frozen=True)
class Standing:
    """What became of the latest content of a delivery."""

    sender: str
    delivery: str
    state: State
    reason: str


def standing(connection: duckdb.DuckDBPyConnection) -> list[Standing]:
    """What became of the latest content of each delivery, by sender and delivery."""
    rows = connection.execute(
        "select sender_id, delivery_id, state, coalesce(reason, '') from raw.delivery "
        "where state <> 'replaced'"
        " qualify row_number() over (partition by sender_id, delivery_id order by loaded_at desc, load_id) "
        "= 1"
        " order by 1, 2"
    ).fetchall()
    return [Standing(sender, delivery, State(state), reason) for sender, delivery, state, reason in rows]


def judged_by(connection: duckdb.DuckDBPyConnection, sender: str, load_id: str, records_digest: str) -> str:
    """What a decision on a load rests on, beside its content and its mapping: the sender's records and its
    other deliveries in force.
    """
    row = connection.execute(
        "select md5(string_agg(load_id, ',' order by delivery_id, load_id)) from raw.delivery"
        f" where sender_id = {literal(sender)} and load_id <> {literal(load_id)} and state = 'accepted'",
    ).fetchone()
    return f"{records_digest}/{row[0] if row else None}"


def judged_alone(records_digest: str) -> str:
    """The same for a decision that no other delivery can change."""
    return f"{records_digest}/alone"


def utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _state_of(connection: duckdb.DuckDBPyConnection, load_id: str) -> State | None:
    row = connection.execute(f"select state from raw.delivery where load_id = {literal(load_id)}").fetchone()
    return State(row[0]) if row else None


def _accepted_loads_of(connection: duckdb.DuckDBPyConnection, sender: str, delivery: str) -> list[str]:
    return [
        load
        for (load,) in connection.execute(
            "select load_id from raw.delivery where sender_id = ? and delivery_id = ? and state = 'accepted'",
            [sender, delivery],
        ).fetchall()
    ]
