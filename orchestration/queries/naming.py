"""Names the row that a question is about, so that the answer stays true in later deliveries.

Does not belong here: which rows are asked about (`finding.py`), what an answer becomes (`answers.py`).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import duckdb

from orchestration.database.raw_tables import RAW_FIELDS
from orchestration.queries.query import Query
from orchestration.registry.corrections import Match
from orchestration.registry.entities import RAW_NAMES
from orchestration.registry.mapping import Export, Mapping
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


def load_of(connection: duckdb.DuckDBPyConnection, sender: str, delivery: str) -> str:
    """The load of a delivery that is in force; empty if none is."""
    row = connection.execute(
        "select load_id from raw.current_load where sender_id = ? and delivery_id = ?", [sender, delivery]
    ).fetchone()
    return row[0] if row else ""


def query_on(
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
