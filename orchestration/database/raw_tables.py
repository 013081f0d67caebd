"""The tables of schema raw, and the state that the warehouse keeps about itself.

Belongs here: the columns of each table. Does not belong here: opening the file (`warehouse_file.py`), the
registry's rules as rows (`rules.py`).
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import cache

import duckdb

BUILT_BY_RULES = "built_by_rules"  # state key: rules the tables were built by
BEING_BUILT = "building"  # prefix of that state while a build by other rules is under way
BUILT_FROM = "built_from"  # state key: what the last whole build of the models was made from
RAW_LAYOUT = "raw_layout"  # state key: layout of the tables of schema raw
PROVENANCE = (
    "sender_id",
    "hospital_id",
    "delivery_id",
    "load_id",
    "export_id",
    "source_file",
    "source_sheet",
)
RAW_FIELDS: dict[str, tuple[str, ...]] = {
    "patients": (
        "patient_key",
        "sex",
        "birth_date",
        "birth_year",
        "onset_date",
        "diagnosis_date",
        "origin_date",
        "age_at_onset",
        "disease_duration",
        "diagnosis",
    ),
    "visits": (
        "patient_key",
        "visit_key",
        "visit_date",
        "visit_offset",
        "visit_end_date",
        "visit_end_offset",
        "visit_label",
    ),
    "observations": (
        "patient_key",
        "visit_key",
        "observed_on",
        "observed_offset",
        "concept_source",
        "other_names",
        "value_text",
        "comparator_source",
        "unit_source",
        "unit_source_2",
        "reference_range",
        "reference_high",
        "reference_unit",
        "source_column",
    ),
    "antibodies": (
        "patient_key",
        "visit_key",
        "tested_on",
        "tested_offset",
        "antibody_source",
        "result_text",
        "assay_source",
        "cut_off",
        "source_column",
    ),
    "events": (
        "patient_key",
        "visit_key",
        "event_date",
        "event_offset",
        "event_source",
        "other_names",
        "status_text",
        "detail",
        "source_column",
    ),
    "treatments": (
        "patient_key",
        "treatment_source",
        "start_date",
        "start_offset",
        "stop_date",
        "stop_offset",
        "dose",
        "dose_unit",
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
create table if not exists raw.source_finding (
    sender_id varchar, delivery_id varchar, load_id varchar, source_file varchar, source_sheet varchar, entity varchar,
    finding varchar, column_name varchar, n_found bigint, first_row bigint);
create table if not exists raw.patient_link (
    sender_id varchar, hospital_id varchar, delivery_id varchar, load_id varchar, patient_key varchar,
    identifier varchar, link_hash varchar);
create table if not exists raw.date_cells (load_id varchar, export_id varchar, field varchar);
create table if not exists raw.exchanged_dates (
    load_id varchar, export_id varchar, field varchar, source_file varchar, source_sheet varchar, texts_like varchar);
create table if not exists raw.load_subject (load_id varchar, subject varchar);
create table if not exists raw.delivery_decision (load_id varchar primary key, judged_by varchar);
create table if not exists raw.refused_row (
    sender_id varchar, hospital_id varchar, delivery_id varchar, load_id varchar, rule varchar, source_file varchar,
    source_sheet varchar, source_row bigint, entity varchar, field varchar, column_name varchar, source_column varchar,
    value_text varchar, n_rows bigint, n_patients bigint);
create table if not exists raw.delivery_comparison (load_id varchar primary key, compared_loads varchar);
create table if not exists raw.delivery_change (
    sender_id varchar, delivery_id varchar, load_id varchar, compared_with varchar, entity varchar, item varchar,
    column_name varchar, rows_known bigint, rows_added bigint, rows_gone bigint, rows_changed bigint, rows_filled bigint);
create or replace view raw.current_load as
    select sender_id, delivery_id, load_id from raw.delivery
    where state = 'accepted'
    qualify kind <> 'full' or delivery_id = max(delivery_id) over (partition by sender_id);
"""  # noqa: E501
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
"""  # noqa: E501
RULES = """
create table if not exists raw.registry_hospital (hospital_id varchar, sender_id varchar, hospital_name varchar, population varchar);
create table if not exists raw.registry_sender (
    sender_id varchar, is_network boolean, unlisted_events varchar, rejected_rows_allowed double, rejected_rows_least integer,
    expected_every interval, language varchar);
create table if not exists raw.registry_export (export_id varchar, sender_id varchar, decimal_mark varchar);
create table if not exists raw.registry_column (export_id varchar, entity varchar, field varchar, column_name varchar);
create table if not exists raw.registry_date_format (
    export_id varchar, field varchar, formats varchar[], two_digit_year_pivot integer, has_two_orders boolean);
create table if not exists raw.registry_antibody_scale (export_id varchar, scale varchar);
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
    endpoint varchar, role varchar, event_id varchar, horizon_months double, origin varchar,
    left_truncation boolean);
"""  # noqa: E501


def _create_raw(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of schema raw, once per file and version. Statements that run at every opening would be
    written, with a checkpoint, at every closing.
    """
    if has_raw(connection):
        return
    connection.execute("create schema if not exists raw; create schema if not exists quality")
    for entity, fields in RAW_FIELDS.items():
        columns = ", ".join(f"{name} varchar" for name in (*fields, *PROVENANCE))
        connection.execute(
            f"create table if not exists raw.{entity} ({columns}, source_row bigint, loaded_at timestamp)"
        )
        connection.execute(
            "".join(f"alter table raw.{entity} add column if not exists {name} varchar;" for name in fields)
        )  # a warehouse of an older version
    connection.execute(LEDGER)
    connection.execute(CORRECTIONS)
    connection.execute(RULES)
    put_state(connection, RAW_LAYOUT, _raw_layout())


def has_raw(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the tables of schema raw are there, as this version lays them out."""
    with suppress(duckdb.CatalogException):
        return state(connection, RAW_LAYOUT) == _raw_layout()
    return False


@cache
def _raw_layout() -> str:
    return hashlib.sha256(repr((RAW_FIELDS, PROVENANCE, LEDGER, CORRECTIONS, RULES)).encode()).hexdigest()[
        :16
    ]


def state(connection: duckdb.DuckDBPyConnection, name: str) -> str | None:
    row = connection.execute(f"select value from raw.warehouse_state where state = '{name}'").fetchone()
    return row[0] if row else None


def put_state(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> None:
    connection.execute("insert or replace into raw.warehouse_state values (?, ?)", [name, value])
