"""Names the row that a question is about, so that the answer stays true in later deliveries.

Does not belong here: which rows are asked about (`finding.py`), what an answer becomes (`answers.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import duckdb

from orchestration.database.raw_tables import RAW_FIELDS
from orchestration.queries.query import Asked, Query
from orchestration.raw.ledger import REFUSED_ROWS
from orchestration.registry.corrections import Match, feeds
from orchestration.registry.entities import RAW_NAMES
from orchestration.registry.folder import Registry
from orchestration.registry.mapping import Export, Mapping
from orchestration.registry.private_names import Resolver
from orchestration.warehouse.correction_cells import HAS_SOURCE_COLUMN

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


def query_on(connection: duckdb.DuckDBPyConnection, registry: Registry, sender: str, asked: Asked) -> Query:
    """The question, with the words of the hospital's row, and the match by which an answer finds it again."""
    mapping, entity, field = registry.mappings[sender], asked.entity, asked.field
    record = _raw_record(connection, asked) if entity else None
    column = item = day = found = match = None
    if record and entity:
        export = next(x for x in mapping.exports if mapping.export_id(x) == record["export_id"])
        column = _column(export, entity, field, asked.source_column)
        found = record.get(RAW_NAMES.get(field, field)) if column and field else None
        item = _first(record, ("concept_source", "antibody_source", "event_source", "treatment_source"))
        day = _first(record, [RAW_NAMES.get(f, f) for f in KEY_FIELDS if _is_time(f)])
        if column and field:
            match = (
                _match_of_word(export, column, found)
                if asked.is_word
                else _match(connection, export, entity, field, column, record, asked.delivery, asked.load_id)
            )
    elif entity and field and (kept := _kept_text(connection, asked)):
        column, found, match = _of_refused_row(registry, mapping, asked, *kept)
    query_id = asked.own_id
    if query_id is None:
        named: list[Any] = (
            [match.model_dump(mode="json"), column, found]
            if match
            else [asked.delivery, asked.file, asked.sheet, asked.row, asked.kind]
        )
        query_id = "q_" + hashlib.sha256(json.dumps(named, ensure_ascii=False).encode()).hexdigest()[:10]
    return Query(
        query_id,
        asked.kind,
        asked.delivery,
        asked.load_id,
        asked.file,
        asked.sheet,
        asked.row,
        entity or "",
        field or "",
        asked.source_column,
        column,
        item,
        day,
        found,
        asked.expected,
        match,
    )


def loads_asked(connection: duckdb.DuckDBPyConnection, sender: str, delivery: str) -> list[str]:
    """The loads of a delivery that questions can be about: the one in force, and those that are refused."""
    rows = connection.execute(
        "select load_id from raw.current_load where sender_id = $sender and delivery_id = $delivery "
        "union all select load_id from raw.delivery where sender_id = $sender and delivery_id = $delivery "
        "and state = 'refused'",
        {"sender": sender, "delivery": delivery},
    ).fetchall()
    return [load for (load,) in rows]


def _first(record: dict[str, str | None], names: Iterable[str]) -> str | None:
    return next((record[name] for name in names if record.get(name)), None)


def _match_of_word(export: Export, column: str, found: str | None) -> Match:
    """Every row that holds the word, in this delivery and in those to come."""
    return Match(file=export.file, sheet=export.sheet, cells={column: found})


def _kept_text(connection: duckdb.DuckDBPyConnection, asked: Asked) -> tuple[str | None, str | None] | None:
    """The column and the text of a row whose delivery was refused for its rows; None for another row."""
    return connection.execute(
        f"select column_name, value_text from {REFUSED_ROWS} where load_id = ? and rule = ? "
        "and source_file = ?"
        " and source_sheet is not distinct from ? and source_row = ? and entity = ? and field = ?"
        " and source_column is not distinct from ? order by all",
        [
            asked.load_id,
            asked.kind,
            asked.file,
            asked.sheet,
            asked.row,
            asked.entity,
            asked.field,
            asked.source_column,
        ],
    ).fetchone()


def _of_refused_row(
    registry: Registry, mapping: Mapping, asked: Asked, column: str | None, found: str | None
) -> tuple[str | None, str | None, Match | None]:
    """Column, text and match of a row of which only these are kept. Without a column there is no match."""
    own = Resolver.of(registry.folder).file(asked.load_id, asked.file).split("/")[0]
    export = next(
        (
            x
            for x in mapping.exports
            if mapping.reads(x, own)
            and asked.entity in dict(x.entities())
            and feeds(mapping, [x], column or "")
        ),
        None,
    )
    if export is None or column is None:
        return None, found, None
    if asked.is_word:
        return column, found, _match_of_word(export, column, found)
    return column, found, Match(file=asked.file, sheet=asked.sheet, delivery=asked.delivery, row=asked.row)


def _is_time(field: str) -> bool:
    return field.endswith(("_date", "_offset", "_on"))


def _raw_record(connection: duckdb.DuckDBPyConnection, asked: Asked) -> dict[str, str | None] | None:
    entity, column = asked.entity or "", asked.source_column
    fields = ("export_id", *RAW_FIELDS[entity])
    own = " and (source_column is not distinct from ? or ? is null)" if entity in HAS_SOURCE_COLUMN else ""
    found = connection.execute(
        f"select {', '.join(fields)} from raw.{entity} where load_id = ? and source_file = ? "
        "and source_sheet is not distinct from ?"
        f" and source_row = ?{own} order by all",
        [asked.load_id, asked.file, asked.sheet, asked.row, *([column, column] if own else [])],
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
        f"select count(distinct (source_file, source_row)) from raw.{entity} where load_id = ? "
        "and export_id = ?" + "".join(f" and {k} is not distinct from ?" for k in asked),
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
