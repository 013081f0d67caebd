"""Which questions were asked, when for the first time, and when they were answered.

The days are kept in `private/asked_queries.csv` of the registry, readable by its owner alone. A warehouse
that is built anew does not change them, and they are not part of a release: the same landing folder gives the
same marts, whenever a hospital was asked. A question is known by its id, which stays the same in later lists.
Belongs here: that file, and how the hospitals stand by it. Does not belong here: the answers themselves,
which are records of corrections.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields, replace
from datetime import date
from pathlib import Path
from statistics import median

from orchestration.database.warehouse_file import LOCK_WAIT_SECONDS, WarehouseBusy, glance
from orchestration.files import write_atomically
from orchestration.registry.folder import Registry

LEDGER = "asked_queries.csv"


@dataclass(frozen=True)
class AskedQuery:
    """One question and its days, as ISO texts; ``answered_on`` is empty while it waits."""

    sender: str
    hospital: str
    query_id: str
    kind: str
    first_asked_on: str
    last_asked_on: str
    answered_on: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Standing:
    """How a hospital stands with its questions. ``settled``: nobody answered, and a later delivery is
    right.
    """

    hospital: str
    asked: int
    answered: int
    settled: int
    open: int
    oldest_open_days: int | None
    median_days_to_answer: float | None


def ledger_of(registry: Registry) -> Path:
    return registry.folder / "private" / LEDGER


def read_asked(registry: Registry) -> list[AskedQuery]:
    """Every question that was asked, in the order of asking."""
    try:
        text = ledger_of(registry).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    rows = csv.reader(io.StringIO(text, newline=""))
    next(rows, None)
    return [AskedQuery(*row) for row in rows if len(row) == len(fields(AskedQuery))]


def note_asked(
    registry: Registry, sender: str, hospital: str, questions: Iterable[tuple[str, str]], day: date
) -> None:
    """Note that the questions (id and kind of each) were asked. One asked before keeps its first day."""
    known = {(q.sender, q.query_id): q for q in read_asked(registry)}
    for query_id, kind in questions:
        today = day.isoformat()
        new = AskedQuery(sender, hospital, query_id, kind, today, today)
        there = known.get((sender, query_id), new)
        known[sender, query_id] = replace(
            there,
            first_asked_on=min(there.first_asked_on, today),
            last_asked_on=max(there.last_asked_on, today),
        )
    _write(registry, known.values())


def note_answered(
    registry: Registry, sender: str, answers: Iterable[tuple[str, str, bool]], day: date
) -> None:
    """Note the answers: id of the question, the choice, and whether it settles the question. The first day
    stays.
    """
    known = {(q.sender, q.query_id): q for q in read_asked(registry)}
    for query_id, choice, settles in answers:
        there = known[sender, query_id]
        if not there.answered_on:
            answered_on = day.isoformat() if settles else ""
            known[sender, query_id] = replace(there, answer=choice, answered_on=answered_on)
    _write(registry, known.values())


def _write(registry: Registry, rows: Iterable[AskedQuery]) -> None:
    path = ledger_of(registry)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([f.name for f in fields(AskedQuery)])
    writer.writerows(astuple(row) for row in rows)
    write_atomically(path, text.getvalue(), durable=True, mode=0o600)


def standings(registry: Registry, today: date, wait_seconds: float = LOCK_WAIT_SECONDS) -> list[Standing]:
    """How each hospital stands that was asked something, by name. Looks into the warehouse only while a
    question waits; as long as another process holds the warehouse, each of them counts as open.
    """
    asked = [q for q in read_asked(registry) if q.sender in registry.mappings]
    waiting = {q.sender for q in asked if not _is_answered(registry, q)}
    still_there = _still_there(registry, waiting, wait_seconds)
    by_hospital: dict[str, list[AskedQuery]] = {}
    for query in asked:
        by_hospital.setdefault(query.hospital, []).append(query)
    return [
        _standing(registry, hospital, by_hospital[hospital], still_there, today)
        for hospital in sorted(by_hospital)
    ]


def _standing(
    registry: Registry,
    hospital: str,
    asked: list[AskedQuery],
    still_there: set[tuple[str, str]] | None,
    today: date,
) -> Standing:
    answered = [q for q in asked if _is_answered(registry, q)]
    waiting = [q for q in asked if not _is_answered(registry, q)]
    is_open = [q for q in waiting if still_there is None or (q.sender, q.query_id) in still_there]
    took = [_days(q.first_asked_on, q.answered_on) for q in answered if q.answered_on]
    ages = [_days(q.first_asked_on, today.isoformat()) for q in is_open]
    return Standing(
        hospital,
        asked=len(asked),
        answered=len(answered),
        settled=len(waiting) - len(is_open),
        open=len(is_open),
        oldest_open_days=max(ages, default=None),
        median_days_to_answer=median(took) if took else None,
    )


def _is_answered(registry: Registry, query: AskedQuery) -> bool:
    """By a list that was read back, or by a record that a person wrote under the id of the question."""
    file = registry.corrections.get(query.sender)
    records = file.corrections if file else []
    return bool(query.answered_on) or any(r.id == query.query_id and r.status != "open" for r in records)


def _still_there(registry: Registry, senders: set[str], wait_seconds: float) -> set[tuple[str, str]] | None:
    """(sender, id) of every question that the deliveries still raise; None while no warehouse can tell."""
    if not senders:
        return set()
    from orchestration.queries.finding import unanswered
    from orchestration.queries.query import QueriesRefused

    try:
        with glance(registry.warehouse, wait_seconds) as connection:
            return {
                (sender, query.query_id)
                for sender in senders
                for query in unanswered(connection, registry, sender, sender)
            }
    except (QueriesRefused, WarehouseBusy):
        return None


def _days(first: str, last: str) -> int:
    return (date.fromisoformat(last) - date.fromisoformat(first)).days
