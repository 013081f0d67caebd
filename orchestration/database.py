"""The warehouse file: its connection, its raw tables, its ledger of deliveries, and the registry's rules as tables.

Belongs here: DDL of schema raw and the rules as rows. Does not belong here: reading exports (`loading.py`), what became
of a load (`delivery_ledger.py`), anything that interprets (dbt).
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path

import duckdb

from orchestration.additions import KEYS
from orchestration.entities import RAW_NAMES, WIDE_NAMES, Entity
from orchestration.mapping import Mapping
from orchestration.registry import Registry

LOCK_WAIT_SECONDS = 60.0
BUILT_BY_RULES, BEING_BUILT = "built_by_rules", "building"  # a state of the warehouse; a build by other rules, until it is done
RAW_LAYOUT = "raw_layout"  # a state of the warehouse: the tables of schema raw

PROVENANCE = ("sender_id", "hospital_id", "delivery_id", "load_id", "export_id", "source_file", "source_sheet")

RAW_FIELDS: dict[str, tuple[str, ...]] = {
    "patients": (
        "patient_key", "sex", "birth_date", "birth_year", "onset_date", "diagnosis_date", "origin_date", "age_at_onset",
        "disease_duration", "diagnosis",
    ),
    "visits": (
        "patient_key", "visit_key", "visit_date", "visit_offset", "visit_end_date", "visit_end_offset", "visit_label",
    ),
    "observations": (
        "patient_key", "visit_key", "observed_on", "observed_offset", "concept_source", "value_text", "comparator_source",
        "unit_source", "unit_source_2", "reference_range", "reference_high", "source_column",
    ),
    "antibodies": (
        "patient_key", "visit_key", "tested_on", "tested_offset", "antibody_source", "result_text", "assay_source",
        "cut_off", "source_column",
    ),
    "events": (
        "patient_key", "visit_key", "event_date", "event_offset", "event_source", "status_text", "detail",
        "source_column",
    ),
    "treatments": (
        "patient_key", "treatment_source", "start_date", "start_offset", "stop_date", "stop_offset", "dose", "dose_unit",
    ),
    "follow_up": ("patient_key", "last_seen_date", "last_seen_offset", "status_text", "reason"),
}

LEDGER = """
create table if not exists raw.pseudonym_mark (mark varchar);
create table if not exists raw.warehouse_state (state varchar primary key, value varchar);
drop table if exists raw.state;  -- an older version's
create table if not exists raw.delivery (
    sender_id varchar, delivery_id varchar, load_id varchar, state varchar, kind varchar, content_sha256 varchar,
    mapping_digest varchar, loaded_at timestamp, reason varchar, primary key (sender_id, delivery_id, load_id));
create table if not exists raw.delivery_file (
    sender_id varchar, delivery_id varchar, load_id varchar, source_file varchar, sha256 varchar, bytes bigint,
    format varchar, encoding varchar);
create table if not exists raw.source_table (
    sender_id varchar, delivery_id varchar, load_id varchar, source_file varchar, source_sheet varchar, entity varchar,
    rows_read bigint, rows_malformed bigint, rows_blank bigint, cells_empty bigint, records bigint, export_ids varchar[]);
alter table raw.source_table add column if not exists export_ids varchar[];
create table if not exists raw.rejected_line (
    sender_id varchar, delivery_id varchar, load_id varchar, source_file varchar, source_sheet varchar,
    source_row bigint, rule varchar, reason varchar, column_name varchar, value_text varchar);
create table if not exists raw.patient_link (
    sender_id varchar, hospital_id varchar, delivery_id varchar, load_id varchar, patient_key varchar,
    identifier varchar, link_hash varchar);
create table if not exists raw.load_subject (load_id varchar, subject varchar);
create table if not exists raw.delivery_decision (load_id varchar primary key, judged_by varchar);
create table if not exists raw.delivery_comparison (load_id varchar primary key, compared_loads varchar);
create table if not exists raw.delivery_change (
    sender_id varchar, delivery_id varchar, load_id varchar, compared_with varchar, entity varchar, item varchar,
    column_name varchar, rows_known bigint, rows_added bigint, rows_gone bigint, rows_changed bigint, rows_filled bigint);
create or replace view raw.current_load as
    select sender_id, delivery_id, load_id from raw.delivery
    where state = 'accepted'
    qualify kind <> 'full' or delivery_id = max(delivery_id) over (partition by sender_id);
"""

CORRECTIONS = """
create table if not exists raw.registry_correction (
    correction_id varchar, sender_id varchar, file varchar, sheet varchar, delivery varchar, action varchar, status varchar,
    reason varchar, reported date);
create table if not exists raw.registry_correction_load (load_id varchar primary key, corrections_digest varchar);
create table if not exists raw.registry_correction_match (
    correction_id varchar, sender_id varchar, delivery_id varchar, load_id varchar, rows_matched bigint, rows_as_expected bigint);
create table if not exists raw.registry_corrected_cell (
    correction_id varchar, sender_id varchar, delivery_id varchar, load_id varchar, export_id varchar, entity varchar,
    source_file varchar, source_sheet varchar, source_row bigint, source_column varchar, patient_key varchar, visit_key varchar,
    action varchar, field varchar, value_sent varchar, value_text varchar);
create table if not exists raw.registry_asked_cell (
    correction_id varchar, load_id varchar, delivery_id varchar, source_file varchar, source_sheet varchar, source_row bigint,
    entity varchar, field varchar, source_column varchar);
create table if not exists raw.registry_load_to_restage (load_id varchar primary key);
"""

RULES = """
create table if not exists raw.registry_hospital (hospital_id varchar, sender_id varchar, hospital_name varchar, population varchar);
create table if not exists raw.registry_sender (
    sender_id varchar, is_network boolean, unlisted_events varchar, rejected_rows_allowed double, expected_every interval);
create table if not exists raw.registry_export (export_id varchar, sender_id varchar, decimal_mark varchar);
create table if not exists raw.registry_column (export_id varchar, entity varchar, field varchar, column_name varchar);
create table if not exists raw.registry_date_format (
    export_id varchar, field varchar, formats varchar[], two_digit_year_pivot integer, has_two_orders boolean);
create table if not exists raw.registry_offset (export_id varchar, field varchar, offset_unit varchar);
create table if not exists raw.registry_code (sender_id varchar, kind varchar, source_text varchar, code varchar);
create table if not exists raw.registry_result (
    export_id varchar, concept_source varchar, source_text varchar, result_text varchar);
create table if not exists raw.registry_missing_mark (export_id varchar, field varchar, mark varchar);
create table if not exists raw.registry_missing_result (export_id varchar, concept_source varchar, mark varchar);
create table if not exists raw.registry_visit_window (
    scheduled_visit varchar, nominal_month double, nominal_day double, from_day double, to_day double);
create table if not exists raw.registry_setting (setting varchar, value varchar);
create table if not exists raw.registry_endpoint (
    endpoint varchar, role varchar, event_id varchar, horizon_months double);
"""


class WarehouseUnusable(Exception):
    """The warehouse file cannot be opened or written."""


class WarehouseBusy(WarehouseUnusable):
    """Another process writes to the warehouse file."""


@contextmanager
def warehouse(path: Path, wait_seconds: float = LOCK_WAIT_SECONDS) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, open for writing, with schema raw in place; waits while another process holds the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(_connect(path, wait_seconds)) as connection:
        try:
            _create_raw(connection)
            yield connection
        except (duckdb.IOException, duckdb.TransactionException) as error:
            if path.name in str(error):  # the file may be written, its folder not
                raise _unusable(path, error) from None
            raise


def read_warehouse(path: Path) -> duckdb.DuckDBPyConnection:
    """The warehouse, to be read alone; waits as `warehouse` does."""
    return _connect(path, LOCK_WAIT_SECONDS, read_only=True)


def _connect(path: Path, wait_seconds: float, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only)
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise _unusable(path, error) from None
            if time.monotonic() > deadline:
                raise WarehouseBusy(
                    f"{path.name}: another process has held the warehouse for over {wait_seconds:.0f} s; wait for it to"
                    " end (myositis status shows runs), or stop it, and run again"
                ) from None
            time.sleep(0.5)


def _unusable(path: Path, error: duckdb.Error) -> WarehouseUnusable:
    return WarehouseUnusable(
        f"{path}: the warehouse cannot be opened: {error}\nLet its folder be read and written. A damaged file is restored from its"
        " backup, or removed: the next run makes it again from landing"
    )


def _create_raw(connection: duckdb.DuckDBPyConnection) -> None:
    """Once per file and version: what is executed at every opening is written, and a checkpoint made of it, at every closing."""
    wanted = _raw_layout()
    with suppress(duckdb.CatalogException):
        if state(connection, RAW_LAYOUT) == wanted:
            return
    connection.execute("create schema if not exists raw; create schema if not exists quality")
    for entity, fields in RAW_FIELDS.items():
        columns = ", ".join(f"{name} varchar" for name in (*fields, *PROVENANCE))
        connection.execute(
            f"create table if not exists raw.{entity} ({columns}, source_row bigint, loaded_at timestamp)"
        )
        connection.execute("".join(
            f"alter table raw.{entity} add column if not exists {name} varchar;" for name in fields
        ))  # a warehouse of an older version
    connection.execute(LEDGER)
    connection.execute(CORRECTIONS)
    connection.execute(RULES)
    put_state(connection, RAW_LAYOUT, wanted)


@cache
def _raw_layout() -> str:
    return hashlib.sha256(repr((RAW_FIELDS, PROVENANCE, LEDGER, CORRECTIONS, RULES)).encode()).hexdigest()[:16]


def state(connection: duckdb.DuckDBPyConnection, name: str) -> str | None:
    row = connection.execute(f"select value from raw.warehouse_state where state = '{name}'").fetchone()
    return row[0] if row else None


def put_state(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> None:
    connection.execute("insert or replace into raw.warehouse_state values (?, ?)", [name, value])


def write_rules(connection: duckdb.DuckDBPyConnection, registry: Registry) -> None:
    """Lay the registry's rules (hospitals, formats, codes, windows, endpoints) into schema raw, in one transaction."""
    rows: dict[str, list[tuple]] = {
        "registry_hospital": [h for m in registry.mappings.values() for h in _hospitals(m)],
        "registry_sender": [
            (m.sender, m.is_network, m.unlisted_events, m.rejected_rows_allowed, m.expected_every)
            for m in registry.mappings.values()
        ],
        "registry_export": [
            (m.export_id(x), m.sender, m.decimal_of(x)) for m in registry.mappings.values() for x in m.exports
        ],
        "registry_column": [
            (m.export_id(x), name, field, " | ".join(source.columns))
            for m in registry.mappings.values() for x in m.exports for name, e in x.entities()
            for field, source in e.fields() if source.columns
        ],
        "registry_date_format": [
            (m.export_id(x), field, formats, m.two_digit_year_pivot, len(_orders(formats)) > 1)
            for m in registry.mappings.values() for x, field, formats in m.date_fields()
        ],
        "registry_offset": [
            (m.export_id(x), field, source.offset_unit)
            for m in registry.mappings.values() for x in m.exports for _, e in x.entities()
            for field, source in e.fields() if source.offset_unit
        ],
        "registry_code": [c for m in registry.mappings.values() for c in _codes(m)],
        "registry_result": [r for m in registry.mappings.values() for r in _results(m)],
        "registry_missing_mark": [
            (m.export_id(x), field, mark)
            for m in registry.mappings.values() for x in m.exports for name, e in x.entities()
            for field, marks in _marks(m, name, e) for mark in marks
        ],
        "registry_missing_result": [r for m in registry.mappings.values() for r in _missing_results(m)],
        "registry_visit_window": [
            (w.visit, w.nominal_month, w.nominal_day, w.from_day, w.to_day) for w in registry.file.visit_schedule
        ],
        "registry_setting": [("observation_window_days", str(registry.file.observation_window_days))],
        "registry_endpoint": sorted({
            (name, role, event, endpoint.horizon_months)
            for study in registry.studies.values() for name, endpoint in study.endpoints.items()
            for role, events in (("event", endpoint.events), ("competing", endpoint.competing)) for event in events
        }),
    }
    connection.begin()
    _lay_additions(connection, registry)
    connection.execute(RULES.replace("table if not exists", "or replace table"))  # those of an older version go
    for table, values in rows.items():
        if values:
            marks = ", ".join("?" for _ in values[0])
            connection.executemany(f"insert into raw.{table} values ({marks})", values)
    connection.commit()


def _lay_additions(connection: duckdb.DuckDBPyConnection, registry: Registry) -> None:
    """What the registry adds to the catalogue, as text, one table a seed; the seed takes it in when it is loaded."""
    for seed in KEYS:
        connection.execute(f"drop table if exists raw.registry_addition_{seed}")
        if rows := registry.additions.get(seed):
            columns = list(rows[0])
            typed = ", ".join(f'"{c}" varchar' for c in columns)  # one column is called offset
            connection.execute(f"create table raw.registry_addition_{seed} ({typed})")
            connection.executemany(
                f"insert into raw.registry_addition_{seed} values ({', '.join('?' for _ in columns)})",
                [[row[c] or None for c in columns] for row in rows],
            )


def _hospitals(mapping: Mapping) -> Iterator[tuple]:
    if not mapping.is_network:
        yield mapping.sender, mapping.sender, mapping.name, mapping.population
    for code, entry in (mapping.hospitals or {}).items():
        yield f"{mapping.sender}_{code}", mapping.sender, entry.name, entry.population


def _orders(formats: list[str]) -> set[str]:
    """In which orders year, month and day stand: two of them can read one text as two days."""
    return {"".join(re.findall(r"%-?([Yymd])", f)).lower() for f in formats if "%d" in f and "%m" in f}


def _marks(mapping: Mapping, name: str, entity: Entity) -> Iterator[tuple[str, list[str]]]:
    """What means "not known" in each field of an entity, as raw calls it: the sender's own marks and the column's."""
    for field, source in entity.fields():
        yield RAW_NAMES.get(field, field), [*mapping.missing, *source.missing]
    if getattr(entity, "values", None):
        yield WIDE_NAMES[name][1], mapping.missing


def _missing_results(mapping: Mapping) -> Iterator[tuple]:
    for export in mapping.exports:
        for test, marks in mapping.codes.missing.items():
            yield from ((mapping.export_id(export), test, mark) for mark in marks)
        for _, entity in export.entities():
            for concept, source in (getattr(entity, "values", None) or {}).items():
                yield from ((mapping.export_id(export), concept, mark) for mark in source.missing)


def _results(mapping: Mapping) -> Iterator[tuple]:
    for export in mapping.exports:
        for test, meanings in mapping.codes.results.items():
            yield from ((mapping.export_id(export), test, *pair) for pair in meanings.items())


def _codes(mapping: Mapping) -> Iterator[tuple]:
    for kind in type(mapping.codes).model_fields:
        if kind in ("results", "missing"):
            continue
        for text, code in getattr(mapping.codes, kind).items():
            yield mapping.sender, kind, text, code
