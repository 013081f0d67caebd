"""Turns an answered query list into records of corrections.

Does not belong here: reading the workbook (`answered_list.py`), the file of corrections
(`registry/corrections.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
from pydantic import ValidationError

from orchestration.queries import answered_list, query_list
from orchestration.queries.asked import note_answered, note_asked
from orchestration.queries.asking import sender_of
from orchestration.queries.finding import is_word
from orchestration.queries.naming import loads_asked, query_on
from orchestration.queries.query import Asked, QueriesRefused, Query
from orchestration.raw import pseudonym
from orchestration.registry.corrections import (
    Correction,
    faults_of_records,
    looks_like_an_identifier,
    put_records,
)
from orchestration.registry.folder import Registry
from orchestration.registry.private_names import Resolver


@dataclass(frozen=True)
class Taken:
    path: Path
    written: int
    already_there: int
    unanswered: int
    sent_again: int


def read_answers(
    connection: duckdb.DuckDBPyConnection, registry: Registry, hospital: str, path: Path, today: date
) -> Taken:
    """Turn an answered query list into records of corrections. If there are faults, raises QueriesRefused
    with all of them and writes nothing.
    """
    sender = sender_of(registry, hospital)
    seal = query_list.Seal(
        pseudonym.read_or_make_key(registry.pseudonym_key_file), registry.file.name, hospital
    )
    answers, asked_on = answered_list.read(path, seal)
    faults: list[str] = []
    records: list[Correction] = []
    sent_again = 0
    for answer in answers:
        if answer.choice is query_list.Choice.SENT_AGAIN:
            sent_again += 1
        elif answer.choice is not None and (
            record := _record(connection, registry, sender, path, answer, asked_on, faults)
        ):
            records.append(record)
    mapping, target = registry.mappings[sender], registry.folder / "corrections" / f"{sender}.yml"
    faults += faults_of_records(records, mapping, lambda n, _: f"{path.name}: {records[n].id}")
    if faults:
        raise QueriesRefused([*faults, "Nothing of the file was taken."])
    there = (
        {c.id: c for c in registry.corrections[sender].corrections} if sender in registry.corrections else {}
    )
    new = [r for r in records if r.id not in there or there[r.id].status == "open"]
    if otherwise := [
        r.id
        for r in records
        if r.id in there and there[r.id].status != "open" and not _says_the_same(there[r.id], r)
    ]:
        raise QueriesRefused(
            [
                f"corrections/{sender}.yml: {', '.join(otherwise)}: recorded with another answer before; "
                "change the record there, or withdraw it",
                "Nothing of the file was taken.",
            ]
        )
    if new:
        put_records(target, sender, new)
    note_asked(registry, sender, hospital, [(a.query_id, a.kind) for a in answers], asked_on)
    said = [(a.query_id, a.choice) for a in answers if a.choice is not None]
    settling = [(own, c.value.rstrip(":"), c is not query_list.Choice.SENT_AGAIN) for own, c in said]
    note_answered(registry, sender, settling, today)
    return Taken(
        target, len(new), len(records) - len(new), sum(a.choice is None for a in answers), sent_again
    )


def _says_the_same(there: Correction, answer: Correction) -> bool:
    return (there.action, there.value) == (
        answer.action,
        answer.value,
    ) or there.status == "withdrawn" == answer.status


def _record(
    connection: duckdb.DuckDBPyConnection,
    registry: Registry,
    sender: str,
    path: Path,
    answer: answered_list.Answer,
    asked_on: date,
    faults: list[str],
) -> Correction | None:
    """The record that an answer asks for; None, with a fault, if there can be no such record."""
    place, choice = f"{path.name}, row {answer.sheet_row}", query_list.Choice
    mapping = registry.mappings[sender]
    query = _question_of(connection, registry, sender, answer)
    if query is None:
        faults.append(
            f"{place}: delivery {answer.delivery} no longer holds what was asked about; take the row out of "
            "the list, and ask again if need be"
        )
        return None
    if query.match is None or query.column is None:
        faults.append(
            f"{place}: a record cannot put this right (a row without its patient, or an unreadable line); "
            f'choose "{choice.SENT_AGAIN.value}" and have the row sent again'
        )
        return None
    if answer.value and looks_like_an_identifier(answer.value):
        faults.append(
            f"{place}: the right value looks like an identity number, a telephone or an e-mail address; "
            "identifiers are not taken here"
        )
        return None
    value = answer.value
    if (
        value is not None
        and answer.is_number
        and any(mapping.decimal_of(x) == "," for x in mapping.exports if mapping.reads(x, answer.file))
    ):
        value = value.replace(".", ",")
    own = (
        next((c for c in registry.corrections[sender].corrections if c.id == query.query_id), None)
        if answer.kind == "open"
        else None
    )
    record = {
        "id": query.query_id,
        "match": own.match if own else query.match,
        "expect": own.expect if own else {query.column: query.found},
        "action": "drop"
        if answer.choice is choice.REMOVE
        else "reject"
        if answer.choice is choice.UNKNOWN
        else "set",
        "value": {query.column: value} if answer.choice is choice.VALUE else None,
        "reason": f"answer of the hospital to the query list of {asked_on}"
        + (": right as sent" if answer.choice is choice.RIGHT else ""),
        "reported": asked_on,
        "status": "withdrawn" if answer.choice is choice.RIGHT else "applied",
    }
    try:
        return Correction(**record)
    except ValidationError:
        faults.append(
            f'{place}: the right value is what was found; choose "{choice.RIGHT.value}" when it is right as '
            "it is"
        )
        return None


def _question_of(
    connection: duckdb.DuckDBPyConnection, registry: Registry, sender: str, answer: answered_list.Answer
) -> Query | None:
    """The question that was answered, as it would be asked today; None if nothing asks it any more."""
    names = Resolver.of(registry.folder)
    for load_id in loads_asked(connection, sender, answer.delivery):
        file, sheet = names.told_as(load_id, answer.file, answer.sheet)
        asked = Asked(
            answer.kind,
            answer.delivery,
            load_id,
            file,
            sheet,
            answer.row,
            answer.entity or None,
            answer.field or None,
            answer.source_column,
            answer.expected,
            is_word(connection, answer.kind) and answer.found is not None,
            answer.query_id if answer.kind == "open" else None,
        )
        query = query_on(connection, registry, sender, asked)
        if query.query_id == answer.query_id and (query.found or "") == (answer.found or ""):
            return query
    return None
