"""The questions to a hospital about its data, and what becomes of its answers.

Belongs here: finding the questions in a built warehouse, naming the row so that the answer stays true in
later deliveries, and turning answers into records of corrections. Does not belong here: the workbook
(`query_list.py`), the file of corrections (`corrections.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from pydantic import ValidationError

from orchestration.database.raw_tables import RAW_FIELDS
from orchestration.queries import query_list
from orchestration.queries.query import Query
from orchestration.queries.query_list import QueriesRefused as QueriesRefused
from orchestration.raw import pseudonym
from orchestration.registry.corrections import (
    Correction,
    Match,
    faults_of_records,
    looks_like_an_identifier,
    put_records,
)
from orchestration.registry.entities import RAW_NAMES
from orchestration.registry.folder import Registry
from orchestration.registry.mapping import Export, Mapping
from orchestration.registry.private_names import Resolver
from orchestration.warehouse.correction_cells import HAS_SOURCE_COLUMN, correction_id

KEY_FIELDS = (
    "visit_date",
    "visit_offset",
    "observed_on",
    "observed_offset",
    "concept",
    "tested_on",
    "tested_offset",
    "antibody",
    "assay",
    "event_date",
    "event_offset",
    "event",
    "treatment",
    "start_date",
    "start_offset",
    "last_seen_date",
    "last_seen_offset",
)
MOST_OF_A_KIND = 50  # per rule, column and file; more of them point to the mapping, not to single cells
# one row per question: kind, load, place, entity, our field, the cell's column where a wide row has several,
# what is expected
QUESTIONS = """
with mine as (
    select load_id, delivery_id from raw.current_load where sender_id = $sender
),
rejected as (
    select r.rule as kind, r.load_id, r.source_file, r.source_sheet, r.source_row, r.entity, r.field,
        r.source_column,
        'expected ' || rules.expected as expected, r.hospital_id
    from quality.rejected_row as r join intermediate.rejection_rules as rules using (rule)
    where r.sender_id = $sender and (r.counts_against_threshold or r.rule = 'relapse_before_onset')
),
implausible as (
    select 'implausible', m.load_id, o.source_file, o.source_sheet, o.source_row, 'observations', 'value', o.source_column,
        printf('expected %s to %s %s, or your word that the value is right%s',
            coalesce(regexp_replace(c.plausible_low::varchar, '\\.0$', ''), 'any'),
            coalesce(regexp_replace(c.plausible_high::varchar, '\\.0$', ''), 'any'), c.unit_canonical,
            case when o.conversion_rule <> 'identity'
                then printf('; yours is %s %s', regexp_replace(round(o.value_canonical, 3)::varchar, '\\.0$', ''), c.unit_canonical)
                else '' end), o.hospital_id
    from marts.fct_observation as o join marts.dim_concept as c using (concept_id) join mine as m using (delivery_id)
    where o.sender_id = $sender and not o.is_derived and o.correction_id is null
        and (o.value_canonical < c.plausible_low or o.value_canonical > c.plausible_high)
),
antibody_conflicts as (
    select 'antibody_conflict', m.load_id, r.source_file, r.source_sheet, r.source_row, 'antibodies', 'result', r.source_column,
        'expected one myositis-specific antibody of a patient; found ' || s.conflict, r.hospital_id
    from marts.fct_antibody_result as r
    join marts.dim_antibody_status as s using (sender_id, hospital_id, patient_key) join mine as m using (delivery_id)
    where r.sender_id = $sender and s.has_conflict and r.is_positive and r.antibody_group = 'msa'
),
patient_conflicts as (
    select 'patient_conflict', p.load_id, p.source_file, p.source_sheet, p.source_row, 'patients',
        unnest(case when count(distinct p.sex) over who > 1 then ['sex'] else ['birth_date', 'birth_year'] end), null,
        'expected the same of a patient in every row and delivery', p.hospital_id
    from staging.stg_patients as p
    join marts.dim_patient as d using (sender_id, hospital_id, patient_key)
    where p.sender_id = $sender and d.has_conflict and not p.is_rejected
    window who as (partition by p.sender_id, p.hospital_id, p.patient_key)
),
duplicates as (
    select 'duplicate', load_id, source_file, source_sheet, source_row, 'observations', 'value', source_column,
        printf('expected one result of a test at one time; this delivery has %d', results), hospital_id
    from (
        select *, count(distinct value_text) over (partition by load_id, hospital_id, patient_key, concept_id, observed_at,
            observed_offset_days, visit_key) as results
        from intermediate.int_observations where sender_id = $sender and not is_rejected
    ) where results > 1
),
together as (
    select * from rejected union all select * from implausible union all select * from antibody_conflicts
    union all select * from patient_conflicts union all select * from duplicates
)
select t.kind, m.delivery_id, t.load_id, t.source_file, t.source_sheet, t.source_row, t.entity, t.field, t.source_column, t.expected
from together as t join mine as m using (load_id)
where $hospital in ($sender, t.hospital_id) and t.source_row is not null
order by all
"""


@dataclass(frozen=True)
class Written:
    path: Path
    counts: dict[str, int]
    left_out: dict[str, int]


@dataclass(frozen=True)
class Taken:
    path: Path
    written: int
    already_there: int
    unanswered: int
    sent_again: int


def sender_of(registry: Registry, hospital: str) -> str:
    """The sender that sends for a hospital; raises QueriesRefused if the hospital is unknown."""
    from yaml_files.yaml_file import nearest

    for sender, mapping in registry.mappings.items():
        if hospital == sender or (mapping.is_network and hospital.startswith(f"{sender}_")):
            return sender
    known = ", ".join(registry.mappings)
    raise QueriesRefused(
        [f'no hospital "{hospital}" in hospitals/.{nearest(hospital, registry.mappings)} Hospitals: {known}']
    )


def write_queries(
    connection: duckdb.DuckDBPyConnection, registry: Registry, hospital: str, today: date
) -> Written | None:
    """Write the query list of a hospital into queries/, readable by its owner alone; None if there is nothing
    to ask.
    """
    sender = sender_of(registry, hospital)
    queries, left_out = find_queries(connection, registry, sender, hospital)
    if not queries:
        return None
    path = _free(registry.queries, hospital, today)
    seal = query_list.Seal(
        pseudonym.read_or_make_key(registry.pseudonym_key_file), registry.file.name, hospital
    )
    query_list.write(
        path, seal, [_as_the_hospital_calls_it(connection, registry, sender, q) for q in queries], today
    )
    return Written(path, dict(Counter(q.kind for q in queries)), left_out)


def _as_the_hospital_calls_it(
    connection: duckdb.DuckDBPyConnection, registry: Registry, sender: str, query: Query
) -> Query:
    """The question with the hospital's own names of file and sheet, which the warehouse replaces
    by numbers.
    """
    load_id, names = _load_of(connection, sender, query.delivery), Resolver.of(registry.folder)
    return replace(
        query, file=names.file(load_id, query.file), sheet=names.sheet(load_id, query.file, query.sheet)
    )


def _load_of(connection: duckdb.DuckDBPyConnection, sender: str, delivery: str) -> str:
    """The load of a delivery that is in force; empty if none is."""
    row = connection.execute(
        "select load_id from raw.current_load where sender_id = ? and delivery_id = ?", [sender, delivery]
    ).fetchone()
    return row[0] if row else ""


def _free(folder: Path, hospital: str, today: date) -> Path:
    """A file name that is not used yet, so that a list which somebody is answering is never overwritten."""
    names = (f"{hospital}_{today}{f'_{n}' if n > 1 else ''}.xlsx" for n in range(1, 1000))
    return next(folder / name for name in names if not (folder / name).exists())


def find_queries(
    connection: duckdb.DuckDBPyConnection, registry: Registry, sender: str, hospital: str
) -> tuple[list[Query], dict[str, int]]:
    """The questions on the deliveries in force that no record answers yet; and, by kind, how many were left
    out because there are too many.
    """
    built = "select count(*) from information_schema.tables where table_schema = 'quality' and table_name = 'rejected_row'"
    if not connection.execute(built).fetchall()[0][0]:
        raise QueriesRefused(["nothing is built yet, so nothing can be asked; run: myositis run"])
    file = registry.corrections.get(sender)
    answered = {c.id for c in file.corrections} if file else set()
    rows = [
        (*row, None)
        for row in connection.execute(QUESTIONS, {"sender": sender, "hospital": hospital}).fetchall()
    ]
    rows += _open_records(connection, registry, sender)
    queries: list[Query] = []
    asked: Counter[tuple[Any, ...]] = Counter()
    left_out: Counter[str] = Counter()
    for (
        kind,
        delivery,
        load_id,
        source_file,
        sheet,
        row,
        entity,
        field,
        source_column,
        expected,
        own_id,
    ) in rows:
        query = _query(
            connection,
            registry.mappings[sender],
            load_id,
            kind,
            delivery,
            source_file,
            sheet,
            row,
            entity,
            field,
            source_column,
            expected,
            own_id,
        )
        if (query.query_id in answered and kind != "open") or query.query_id in {q.query_id for q in queries}:
            continue
        place = (kind, source_file, sheet, query.column)
        asked[place] += 1
        if asked[place] > MOST_OF_A_KIND:
            left_out[kind] += 1
        else:
            queries.append(query)
    return queries, dict(left_out)


def _open_records(
    connection: duckdb.DuckDBPyConnection, registry: Registry, sender: str
) -> list[tuple[Any, ...]]:
    """The rows of records that wait for an answer; the question bears the id of its record."""
    file = registry.corrections.get(sender)
    rows = []
    for record in (c for c in (file.corrections if file else []) if c.status == "open"):
        found = connection.execute(
            "select delivery_id, load_id, source_file, source_sheet, source_row, entity, field, source_column from raw.registry_asked_cell"
            " where correction_id = ? order by all",
            [correction_id(sender, record)],
        ).fetchall()
        rows += [
            (
                "open",
                delivery,
                load,
                file_,
                sheet,
                row,
                entity,
                field,
                column,
                f"asked before: {record.reason}",
                record.id,
            )
            for delivery, load, file_, sheet, row, entity, field, column in found[:1]
        ]
    return rows


def _query(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    load_id: str,
    kind: str,
    delivery: str,
    file: str,
    sheet: str | None,
    row: int,
    entity: str | None,
    field: str | None,
    source_column: str | None,
    expected: str,
    own_id: str | None,
) -> Query:
    record = _raw_record(connection, load_id, entity, file, sheet, row, source_column) if entity else None
    column = item = day = found = match = None
    if record and entity:
        export = next(x for x in mapping.exports if mapping.export_id(x) == record["export_id"])
        column = _column(export, entity, field, source_column)
        found = record.get(RAW_NAMES.get(field, field)) if column and field else None
        item = next(
            (
                record[f]
                for f in ("concept_source", "antibody_source", "event_source", "treatment_source")
                if record.get(f)
            ),
            None,
        )
        day = next(
            (
                record[RAW_NAMES.get(f, f)]
                for f in KEY_FIELDS
                if _is_time(f) and record.get(RAW_NAMES.get(f, f))
            ),
            None,
        )
        if column and field:
            match = _match(connection, export, entity, field, column, record, delivery, load_id)
    query_id = own_id
    if query_id is None:
        named: list[Any] = (
            [match.model_dump(mode="json"), column, found] if match else [delivery, file, sheet, row, kind]
        )
        query_id = "q_" + hashlib.sha256(json.dumps(named, ensure_ascii=False).encode()).hexdigest()[:10]
    return Query(
        query_id,
        kind,
        delivery,
        file,
        sheet,
        row,
        entity or "",
        field or "",
        source_column,
        column,
        item,
        day,
        found,
        expected,
        match,
    )


def _is_time(field: str) -> bool:
    return field.endswith(("_date", "_offset", "_on"))


def _raw_record(
    connection: duckdb.DuckDBPyConnection,
    load_id: str,
    entity: str,
    file: str,
    sheet: str | None,
    row: int,
    source_column: str | None,
) -> dict[str, str | None] | None:
    fields = ("export_id", *RAW_FIELDS[entity])
    own = " and (source_column is not distinct from ? or ? is null)" if entity in HAS_SOURCE_COLUMN else ""
    found = connection.execute(
        f"select {', '.join(fields)} from raw.{entity} where load_id = ? and source_file = ? and source_sheet is not distinct from ?"
        f" and source_row = ?{own} order by all",
        [load_id, file, sheet, row, *([source_column, source_column] if own else [])],
    ).fetchone()
    return dict(zip(fields, found)) if found else None


def _column(export: Export, entity: str, field: str | None, source_column: str | None) -> str | None:
    """The hospital's column for one of our fields; None for a pseudonym, or if no column feeds the field."""
    own = getattr(export, entity)
    if field in ("value", "result", "status", "event") and getattr(own, "values", None):
        return source_column if field != "event" else None
    source = (
        getattr(own, field, None)
        if field is not None and field not in ("patient_id", "visit_id", "hospital_id")
        else None
    )
    return source.columns[0] if source is not None and source.columns else None


def _match(
    connection: duckdb.DuckDBPyConnection,
    export: Export,
    entity: str,
    field: str,
    column: str,
    record: dict[str, str | None],
    delivery: str,
    load_id: str,
) -> Match:
    """Names the row by pseudonym and key cells, which later deliveries keep; also by its place, if these fit
    other rows too.
    """
    own = getattr(export, entity)
    cells = {}
    for name in KEY_FIELDS:
        source, text = getattr(own, name, None), record.get(RAW_NAMES.get(name, name))
        if name != field and source is not None and source.columns and source.columns[0] != column and text:
            cells[source.columns[0]] = text
    named = {key: record[key] for key in ("patient_key", "visit_key") if record.get(key)}
    conditions = {
        RAW_NAMES.get(n, n): record.get(RAW_NAMES.get(n, n)) for n in KEY_FIELDS if getattr(own, n, None)
    }
    conditions |= named | ({"source_column": record["source_column"]} if record.get("source_column") else {})
    conditions[RAW_NAMES.get(field, field)] = record.get(RAW_NAMES.get(field, field))
    asked = {k: v for k, v in conditions.items() if k in RAW_FIELDS[entity]}
    alike = connection.execute(
        f"select count(distinct (source_file, source_row)) from raw.{entity} where load_id = ? and export_id = ?"
        + "".join(f" and {k} is not distinct from ?" for k in asked),
        [load_id, record["export_id"], *asked.values()],
    ).fetchall()[0][0]
    if named and alike == 1 and (entity == "patients" or cells):
        return Match(file=export.file, sheet=export.sheet, cells=cells, **named)
    place = connection.execute(
        f"select source_file, source_sheet, source_row from raw.{entity} where load_id = ? and export_id = ?"
        + "".join(f" and {k} is not distinct from ?" for k in asked)
        + " order by all limit 1",
        [load_id, record["export_id"], *asked.values()],
    ).fetchall()[0]
    return Match(file=place[0], sheet=place[1], delivery=delivery, row=place[2], cells=cells, **named)


def read_answers(
    connection: duckdb.DuckDBPyConnection, registry: Registry, hospital: str, path: Path
) -> Taken:
    """Turn an answered query list into records of corrections. If there are faults, raises QueriesRefused
    with all of them and writes nothing.
    """
    sender = sender_of(registry, hospital)
    seal = query_list.Seal(
        pseudonym.read_or_make_key(registry.pseudonym_key_file), registry.file.name, hospital
    )
    answers, asked_on = query_list.read(path, seal)
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
                f"corrections/{sender}.yml: {', '.join(otherwise)}: recorded with another answer before; change the record there, or withdraw"
                " it",
                "Nothing of the file was taken.",
            ]
        )
    if new:
        put_records(target, sender, new)
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
    answer: query_list.Answer,
    asked_on: date,
    faults: list[str],
) -> Correction | None:
    """The record that an answer asks for; None, with a fault, if there can be no such record."""
    place, choice = f"{path.name}, row {answer.sheet_row}", query_list.Choice
    mapping = registry.mappings[sender]
    load_id = _load_of(connection, sender, answer.delivery)
    file, sheet = Resolver.of(registry.folder).told_as(load_id, answer.file, answer.sheet)
    query = load_id and _query(
        connection,
        mapping,
        load_id,
        answer.kind,
        answer.delivery,
        file,
        sheet,
        answer.row,
        answer.entity or None,
        answer.field or None,
        answer.source_column,
        answer.expected,
        answer.query_id if answer.kind == "open" else None,
    )
    if not query or query.query_id != answer.query_id or (query.found or "") != (answer.found or ""):
        faults.append(
            f"{place}: delivery {answer.delivery} no longer holds what was asked about; take the row out of the list, and ask again if"
            " need be"
        )
        return None
    if query.match is None or query.column is None:
        faults.append(
            f"{place}: a record cannot put this right (a row without its patient, or an unreadable line); choose"
            f' "{choice.SENT_AGAIN.value}" and have the row sent again'
        )
        return None
    if answer.value and looks_like_an_identifier(answer.value):
        faults.append(
            f"{place}: the right value looks like an identity number, a telephone or an e-mail address; identifiers are not taken here"
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
            f'{place}: the right value is what was found; choose "{choice.RIGHT.value}" when it is right as it is'
        )
        return None


def told_of_list(written: Written | None) -> str:
    if written is None:
        return "nothing to ask: every row of the deliveries in force was understood, or is answered"
    kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(written.counts.items()))
    text = f"{written.path}: {_counted(sum(written.counts.values()), 'question')} ({kinds})"
    if written.left_out:
        left = ", ".join(f"{kind} {n}" for kind, n in sorted(written.left_out.items()))
        text += f"\nnot asked, for there are more than {MOST_OF_A_KIND} alike and the mapping may be what is wrong: {left}"
    return (
        text
        + "\nThe list holds patients' values: send it to nobody but the hospital. Read the answers with --read FILE."
    )


def told_of_answers(taken: Taken) -> str:
    parts = [f"{_counted(taken.written, 'record')} written to corrections/{taken.path.name}"]
    parts += [
        f"{n} {words}"
        for n, words in (
            (taken.already_there, "there already"),
            (taken.sent_again, "to be sent again by the hospital"),
            (taken.unanswered, "not answered yet"),
        )
        if n
    ]
    return ", ".join(parts) + ("; bring them into force with: myositis run" if taken.written else "")


def _counted(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"
