"""The life of a load: every allowed transition happens here, every other one raises, and one module writes
the ledger.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.database.warehouse_file import warehouse
from orchestration.landing.inventory import Inventory
from orchestration.raw import ledger
from orchestration.raw.ledger import (
    TRANSITIONS,
    Event,
    Load,
    NoSuchTransition,
    State,
    Transition,
    state_after,
)
from orchestration.raw.verdict import LoadSummary, Verdict, accepted, left, refused, unchanged

ROOT = Path(__file__).parents[2]
NO_LOAD_YET, IN_FORCE, ITS_SUCCESSOR = "0", "1", "2"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse(tmp_path / "warehouse.duckdb") as opened:
        yield opened


def inventory(content: str = IN_FORCE) -> Inventory:
    return Inventory("north", "2024-01", [], content * 64, "mapping", "records")


def load_of(content: str = IN_FORCE) -> Load:
    return Load(
        "north", "2024-01", inventory(content).load_id, "incremental", inventory(content).content_sha256
    )


def decide(
    connection: duckdb.DuckDBPyConnection, verdict: Callable[..., Verdict], content: str = IN_FORCE
) -> None:
    """A verdict on a load whose rows lie in raw."""
    load_id = inventory(content).load_id
    connection.execute(
        "insert into raw.source_table (sender_id, delivery_id, load_id) values ('north', '2024-01', ?)",
        [load_id],
    )
    given = LoadSummary(load_id) if verdict is accepted else ["a reason"]
    ledger.record(connection, inventory(content), "incremental", verdict("north", "2024-01", given))


def withdraw(connection: duckdb.DuckDBPyConnection) -> None:
    ledger.withdraw_load(connection, load_of(), "withdrawn by a record")


def refuse_for_rows(connection: duckdb.DuckDBPyConnection, content: str = IN_FORCE) -> None:
    ledger.refuse_for_rows(
        connection, "north", "2024-01", inventory(content).load_id, ["too many rows"], "records"
    )


def return_to_other_content(connection: duckdb.DuckDBPyConnection) -> None:
    """Other content that came into force an hour ago lies in landing again."""
    decide(connection, accepted, NO_LOAD_YET)
    connection.execute(
        "update raw.delivery set loaded_at = loaded_at - interval 1 hour where load_id = ?",
        [inventory(NO_LOAD_YET).load_id],
    )
    assert not ledger.is_settled(connection, inventory(NO_LOAD_YET))
    assert ledger.return_to_content(connection, inventory(NO_LOAD_YET))
    assert ledger.is_settled(connection, inventory(NO_LOAD_YET))


BRING_ABOUT: dict[State | None, Callable[[duckdb.DuckDBPyConnection], object]] = {
    None: lambda _: None,
    State.ACCEPTED: lambda c: decide(c, accepted),
    State.REFUSED: lambda c: decide(c, refused),
    State.REPLACED: lambda c: (decide(c, accepted), decide(c, accepted, ITS_SUCCESSOR)),
    State.WITHDRAWN: lambda c: (decide(c, accepted), withdraw(c)),
}
HAPPENS: dict[Event, Callable[[duckdb.DuckDBPyConnection], object]] = {
    Event.ACCEPT: lambda c: decide(c, accepted),
    Event.REFUSE: lambda c: decide(c, refused),
    Event.WITHDRAW: withdraw,
    Event.REFUSE_ROWS: refuse_for_rows,
    Event.REFUSE_CHANGE: lambda c: ledger.refuse_for_change(c, load_of(), ["too much is other"]),
    Event.REPLACE: lambda c: decide(c, accepted, ITS_SUCCESSOR),
    Event.RESTORE: lambda c: refuse_for_rows(c, ITS_SUCCESSOR),
    Event.RETURN: return_to_other_content,
}
# these happen to a load because something happens to another: where it may not be moved, it is not looked for
OF_ANOTHER_LOAD = {Event.REPLACE, Event.RESTORE, Event.RETURN}


def states(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return dict(
        connection.execute("select left(content_sha256, 1), state from raw.delivery order by 1").fetchall()
    )


@pytest.mark.parametrize("transition", TRANSITIONS, ids=lambda t: f"{t.before}-{t.event.name}")
def test_every_allowed_transition_happens(
    connection: duckdb.DuckDBPyConnection, transition: Transition
) -> None:
    BRING_ABOUT[transition.before](connection)
    assert states(connection).get(IN_FORCE) == transition.before
    HAPPENS[transition.event](connection)
    assert states(connection)[IN_FORCE] == transition.after


ALLOWED = {(t.before, t.event) for t in TRANSITIONS}
EVERY = list(itertools.product([None, *State], Event))


@pytest.mark.parametrize(("before", "event"), [pair for pair in EVERY if pair not in ALLOWED])
def test_every_other_transition_raises_and_changes_nothing(
    connection: duckdb.DuckDBPyConnection, before: State | None, event: Event
) -> None:
    with pytest.raises(
        NoSuchTransition,
        match=re.escape(f"a load that is {before or 'not decided on'} cannot be moved because {event}"),
    ):
        state_after(before, event)
    if event in OF_ANOTHER_LOAD:
        return
    BRING_ABOUT[before](connection)
    was = connection.execute("select * from raw.delivery order by all").fetchall()
    with pytest.raises(NoSuchTransition):
        HAPPENS[event](connection)
    assert connection.execute("select * from raw.delivery order by all").fetchall() == was


def test_the_table_names_every_state_and_event_once_each_with_its_reason() -> None:
    assert len(ALLOWED) == len(TRANSITIONS)
    assert {t.event for t in TRANSITIONS} == set(Event)
    assert {t.after for t in TRANSITIONS} == set(State)
    assert all(t.reason for t in TRANSITIONS)
    assert len({t.reason for t in TRANSITIONS}) == len(TRANSITIONS)


def test_the_column_is_described_by_every_state() -> None:
    text = (ROOT / "dbt_project" / "models" / "columns.md").read_text(encoding="utf-8")
    described = text.split("{% docs state %}")[1].split("{% enddocs %}")[0]
    assert [state for state in State if state not in described] == []


def test_of_one_delivery_one_load_is_in_force_whatever_happens(connection: duckdb.DuckDBPyConnection) -> None:
    """The last content counts, a refused one gives way to the one before, and what is withdrawn stays out."""
    decide(connection, accepted)
    decide(connection, accepted, ITS_SUCCESSOR)
    assert states(connection) == {"1": "replaced", "2": "accepted"}
    refuse_for_rows(connection, ITS_SUCCESSOR)
    assert states(connection) == {"1": "accepted", "2": "refused"}
    decide(connection, refused, ITS_SUCCESSOR)
    assert states(connection) == {"1": "accepted", "2": "refused"}
    withdraw(connection)
    assert states(connection) == {"1": "withdrawn", "2": "refused"}


def test_a_load_with_rows_dated_in_the_future_is_judged_again_when_their_day_comes(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(connection, accepted)
    ledger.refuse_for_rows(
        connection, "north", "2024-01", load_of().load_id, ["too many rows"], "records",
        is_by_itself=True, until=date(2030, 1, 5),
    )  # fmt: skip
    for day, is_settled in ((4, True), (5, False)):
        monkeypatch.setattr(
            ledger, "date", type("Day", (date,), {"today": lambda day=day: date(2030, 1, day)})
        )
        assert ledger.is_settled(connection, inventory()) is is_settled


def test_a_load_whose_rows_are_gone_is_not_restored(connection: duckdb.DuckDBPyConnection) -> None:
    BRING_ABOUT[State.REPLACED](connection)
    ledger.remove_loads_out_of_force(connection)
    refuse_for_rows(connection, ITS_SUCCESSOR)
    assert states(connection) == {"1": "replaced", "2": "refused"}


def test_a_refused_delivery_leaves_its_reason_and_no_row(connection: duckdb.DuckDBPyConnection) -> None:
    decide(connection, refused)
    assert connection.execute("select state, reason from raw.delivery").fetchall() == [
        ("refused", "a reason")
    ]
    assert connection.execute("select count(*) from raw.source_table").fetchone() == (0,)
    assert ledger.is_settled(connection, inventory())
    assert ledger.was_refused(connection, inventory())


@pytest.mark.parametrize(
    ("verdict", "rows"), [(left("north", "2024-01"), 0), (unchanged("north", "2024-01"), 1)]
)
def test_a_delivery_that_is_left_or_known_already_is_not_written_down(
    connection: duckdb.DuckDBPyConnection, verdict: Verdict, rows: int
) -> None:
    """What was read of one that is left may be half of a file, so its rows go."""
    connection.execute("insert into raw.source_table (load_id) values (?)", [inventory().load_id])
    ledger.record(connection, inventory(), "incremental", verdict)
    assert states(connection) == {}
    assert connection.execute("select count(*) from raw.source_table").fetchone() == (rows,)


def test_a_load_that_changes_too_much_is_judged_again_in_the_next_run(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    decide(connection, accepted)
    assert ledger.is_settled(connection, inventory())
    earlier = Inventory("north", "2023-12", [], NO_LOAD_YET * 64, "mapping", "records")
    ledger.record(
        connection, earlier, "incremental", accepted("north", "2023-12", LoadSummary(earlier.load_id))
    )
    ledger.refuse_for_change(connection, load_of(), ["too much is other"])
    assert not ledger.is_settled(connection, inventory())


def take_another(connection: duckdb.DuckDBPyConnection) -> None:
    other = Inventory("north", "2024-02", [], ITS_SUCCESSOR * 64, "mapping", "records")
    ledger.record(connection, other, "incremental", accepted("north", "2024-02", LoadSummary(other.load_id)))


def test_a_refusal_by_content_and_mapping_alone_is_judged_once(connection: duckdb.DuckDBPyConnection) -> None:
    verdict = refused("north", "2024-01", ["no column"], is_by_itself=True)
    ledger.record(connection, inventory(), "incremental", verdict)
    take_another(connection)
    assert ledger.is_settled(connection, replace(inventory(), records_digest="other records"))
    assert not ledger.is_settled(connection, replace(inventory(), mapping_digest="another mapping"))


def test_a_refusal_for_rows_that_no_other_delivery_can_mend_waits_for_records_alone(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    decide(connection, accepted)
    load_id = inventory().load_id
    ledger.refuse_for_rows(connection, "north", "2024-01", load_id, ["rows"], "records", is_by_itself=True)
    take_another(connection)
    assert ledger.is_settled(connection, inventory())
    assert not ledger.is_settled(connection, replace(inventory(), records_digest="other records"))


def test_any_other_refusal_is_judged_again_when_another_delivery_is_taken(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    decide(connection, refused)
    assert ledger.is_settled(connection, inventory())
    take_another(connection)
    assert not ledger.is_settled(connection, inventory())


def test_the_standing_of_a_delivery_is_that_of_its_latest_content(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    decide(connection, accepted)
    decide(connection, refused, ITS_SUCCESSOR)
    [found] = ledger.standing(connection)
    assert (found.delivery, found.state, found.reason) == ("2024-01", State.REFUSED, "a reason")
    assert ledger.reason_of_refusal(connection, inventory(ITS_SUCCESSOR)) == "a reason"
    assert ledger.reason_of_refusal(connection, inventory()) is None


WRITES = re.compile(
    r"(insert\s+(or\s+\w+\s+)?into|update|delete\s+from|truncate|drop\s+table(\s+if\s+exists)?)\s+raw\.(delivery|delivery_decision)\b(?!_)",
    re.I,
)


def test_no_other_module_writes_the_ledger() -> None:
    writers = {
        path.relative_to(ROOT).as_posix()
        for folder in ("orchestration", "expectations", "analytics", "yaml_files")
        for path in (ROOT / folder).rglob("*.py")
        if WRITES.search(_without_joins(path.read_text(encoding="utf-8")))
    }
    assert writers == {"orchestration/raw/ledger.py"}


def _without_joins(source: str) -> str:
    """Statements that are put together from several literals, in one piece."""
    return re.sub(r"\"\s*\n\s*f?\"", "", source)
