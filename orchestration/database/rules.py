"""The registry's rules as rows of schema raw: hospitals, formats, codes, visit windows, endpoints, additions
to the catalogue.

Does not belong here: what a rule means (dbt).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

import duckdb

from analytics.study.file import Study
from orchestration.database.raw_tables import RULES
from orchestration.registry.additions import KEYS
from orchestration.registry.entities import RAW_NAMES, WIDE_NAMES, Entity
from orchestration.registry.folder import Registry
from orchestration.registry.mapping import Mapping


def write_rules(connection: duckdb.DuckDBPyConnection, registry: Registry, today: date) -> None:
    """Write the registry's rules (hospitals, formats, codes, windows, endpoints) into schema raw, in one
    transaction.

    ``today`` is the day after which nothing can have happened.
    """
    rows: dict[str, list[tuple[Any, ...]]] = {
        "registry_hospital": [h for m in registry.mappings.values() for h in _hospitals(m)],
        "registry_sender": [
            (
                m.sender,
                m.is_network,
                m.unlisted_events,
                m.rejected_rows_allowed.share,
                m.rejected_rows_allowed.rows,
                m.expected_every,
                m.language,
            )
            for m in registry.mappings.values()
        ],
        "registry_export": [
            (m.export_id(x), m.sender, m.decimal_of(x)) for m in registry.mappings.values() for x in m.exports
        ],
        "registry_column": [
            (m.export_id(x), name, field, " | ".join(source.columns))
            for m in registry.mappings.values()
            for x in m.exports
            for name, e in x.entities()
            for field, source in e.fields()
            if source.columns
        ],
        "registry_date_format": [
            (m.export_id(x), field, formats, m.two_digit_year_pivot, len(_orders(formats)) > 1)
            for m in registry.mappings.values()
            for x, field, formats in m.date_fields()
        ],
        "registry_offset": [
            (m.export_id(x), field, source.offset_unit)
            for m in registry.mappings.values()
            for x in m.exports
            for _, e in x.entities()
            for field, source in e.fields()
            if source.offset_unit
        ],
        "registry_code": [c for m in registry.mappings.values() for c in _codes(m)],
        "registry_result": [r for m in registry.mappings.values() for r in _results(m)],
        "registry_missing_mark": [
            (m.export_id(x), field, mark)
            for m in registry.mappings.values()
            for x in m.exports
            for name, e in x.entities()
            for field, marks in _marks(m, name, e)
            for mark in marks
        ],
        "registry_missing_result": [r for m in registry.mappings.values() for r in _missing_results(m)],
        "registry_visit_window": [
            (w.visit, w.nominal_month, w.nominal_day, w.from_day, w.to_day)
            for w in registry.file.visit_schedule
        ],
        "registry_setting": [
            ("observation_window_days", str(registry.file.observation_window_days)),
            ("today", today.isoformat()),
        ],
        "registry_antibody_scale": [
            (m.export_id(x), x.antibodies.scale)
            for m in registry.mappings.values()
            for x in m.exports
            if x.antibodies and x.antibodies.scale
        ],
        "registry_endpoint": endpoint_rows(registry.studies.values()),
    }
    connection.begin()
    _lay_additions(connection, registry)
    connection.execute(
        RULES.replace("table if not exists", "or replace table")
    )  # tables of an older version are dropped
    for table, values in rows.items():
        if values:
            marks = ", ".join("?" for _ in values[0])
            connection.executemany(f"insert into raw.{table} values ({marks})", values)
    connection.commit()


def endpoint_rows(studies: Iterable[Study]) -> list[tuple[Any, ...]]:
    """The rows of raw.registry_endpoint: what begins and ends the time of each endpoint."""
    return sorted(
        {
            (name, role, event, endpoint.horizon_months, endpoint.origin, endpoint.left_truncation)
            for study in studies
            for name, endpoint in study.endpoints.items()
            for role, events in (("event", endpoint.events), ("competing", endpoint.competing))
            for event in events
        }
    )


def _lay_additions(connection: duckdb.DuckDBPyConnection, registry: Registry) -> None:
    """Write what the registry adds to the catalogue as texts, one table per seed. Each seed takes them in
    when it is loaded.
    """
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


def _hospitals(mapping: Mapping) -> Iterator[tuple[Any, ...]]:
    if not mapping.is_network:
        yield mapping.sender, mapping.sender, mapping.name, mapping.population
    for code, entry in (mapping.hospitals or {}).items():
        yield f"{mapping.sender}_{code}", mapping.sender, entry.name, entry.population


def _orders(formats: list[str]) -> set[str]:
    """The orders of year, month and day in the formats. Two orders can read one text as two days."""
    return {"".join(re.findall(r"%-?([Yymd])", f)).lower() for f in formats if "%d" in f and "%m" in f}


def _marks(mapping: Mapping, name: str, entity: Entity) -> Iterator[tuple[str, list[str]]]:
    """The texts that mean "not known" in each field of an entity, by the field's name in raw: the sender's
    own marks and the column's.
    """
    for field, source in entity.fields():
        yield RAW_NAMES.get(field, field), [*mapping.missing, *source.missing]
    if getattr(entity, "values", None):
        yield WIDE_NAMES[name][1], mapping.missing


def _missing_results(mapping: Mapping) -> Iterator[tuple[Any, ...]]:
    for export in mapping.exports:
        for test, marks in mapping.codes.missing.items():
            yield from ((mapping.export_id(export), test, mark) for mark in marks)
        for _, entity in export.entities():
            for concept, source in (getattr(entity, "values", None) or {}).items():
                yield from ((mapping.export_id(export), concept, mark) for mark in source.missing)


def _results(mapping: Mapping) -> Iterator[tuple[Any, ...]]:
    for export in mapping.exports:
        for test, meanings in mapping.codes.results.items():
            yield from ((mapping.export_id(export), test, *pair) for pair in meanings.items())


def _codes(mapping: Mapping) -> Iterator[tuple[Any, ...]]:
    for kind in type(mapping.codes).model_fields:
        if kind in ("results", "missing"):
            continue
        for text, code in getattr(mapping.codes, kind).items():
            yield mapping.sender, kind, text, code
