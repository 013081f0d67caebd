"""Turns records of corrections into cells: which rows of schema raw each record matches, what it changes, and
whether it still holds.

Each load in force is searched once per state of its sender's records. The cells found are written into
raw.registry_corrected_cell, which staging reads. Belongs here: that search, and the sentences on records that
no longer hold. Does not belong here: the shape of a record (`corrections.py`), its effect
(dbt_project/macros/corrections.sql).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

import duckdb

from orchestration.database.warehouse_file import trying_out
from orchestration.registry.corrections import Correction, Feed, exports_of, feeds
from orchestration.registry.entities import ENTITIES, RAW_NAMES
from orchestration.registry.folder import Registry
from orchestration.registry.mapping import Export, Mapping
from orchestration.registry.private_names import Resolver
from yaml_files.yaml_file import line_of

HAS_SOURCE_COLUMN = ("observations", "antibodies", "events")
HAS_VISIT_KEY = ("visits", *HAS_SOURCE_COLUMN)
OUR_NAMES = {
    (entity, RAW_NAMES.get(name, name)): name
    for entity, model in ENTITIES.items()
    for name in model.model_fields
}
OF_A_LOAD = (
    "registry_correction_load",
    "registry_correction_match",
    "registry_corrected_cell",
    "registry_asked_cell",
)
WRITTEN = (*OF_A_LOAD, "registry_correction", "registry_load_to_restage")
POSITION = "source_file, source_sheet, source_row"
CELL_COLUMNS = (
    "correction_id, sender_id, delivery_id, load_id, export_id, entity, source_file, source_sheet, "
    "source_row, source_column, patient_key, visit_key, action, field, value_sent, value_text"
)


class CorrectionsRefused(Exception):
    """Records of corrections no longer hold. Nothing is built until they are closed. Holds a sentence for
    each.
    """

    def __init__(self, reasons: list[str]) -> None:
        self.reasons = reasons
        super().__init__(
            "no build: these corrections do not hold; an earlier release stays\n"
            + "\n".join(f"  {r}" for r in reasons)
        )


@dataclass(frozen=True)
class _Load:
    sender: str
    delivery: str
    load_id: str


def resolve_corrections(connection: duckdb.DuckDBPyConnection, registry: Registry) -> list[str]:
    """Bring the corrected cells up to date with the records and the loads in force, in one transaction.

    Marks the loads that must be staged again; returns a sentence for each record that no longer holds.
    """
    connection.begin()
    try:
        _resolve(connection, registry)
        faults = stale_corrections(connection, registry)
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return faults


def check_corrections(connection: duckdb.DuckDBPyConnection, registry: Registry) -> list[str]:
    """The sentences that `resolve_corrections` would return for the loads in force. ``connection`` tries it
    out (`trying_out_corrections`).
    """
    _resolve(connection, registry)
    return stale_corrections(connection, registry)


def trying_out_corrections(registry: Registry) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    """A connection that reads the warehouse, and keeps what records meet in memory only."""
    return trying_out(registry.warehouse, WRITTEN)


@dataclass(frozen=True)
class Found:
    """What a record meets: the rows that it matches, the latest delivery that has one, and how many of that
    delivery's rows are as expected.
    """

    matched: int = 0
    latest: str = ""
    expected: int = 0


def what_records_meet(connection: duckdb.DuckDBPyConnection, registry: Registry) -> dict[str, Found]:
    """What each record of the registry meets in the loads in force, by its id. ``connection`` tries it out
    (`trying_out_corrections`).
    """
    _resolve(connection, registry)
    return _met(connection)


def _met(connection: duckdb.DuckDBPyConnection) -> dict[str, Found]:
    rows = connection.execute("""
        select correction_id, sum(rows_matched)::bigint, max(delivery_id), arg_max(rows_as_expected, delivery_id)
        from raw.registry_correction_match group by 1
    """).fetchall()  # noqa: E501
    return {own: Found(*found) for own, *found in rows}


def _resolve(connection: duckdb.DuckDBPyConnection, registry: Registry) -> None:
    before = _cells_by_load(connection)
    for table in OF_A_LOAD:
        connection.execute(
            f"delete from raw.{table} where load_id not in (select load_id from raw.current_load)"
        )
    _write_records(connection, registry)
    searched = dict(
        connection.execute("select load_id, corrections_digest from raw.registry_correction_load").fetchall()
    )
    for load in (
        _Load(*row) for row in connection.execute("select * from raw.current_load order by all").fetchall()
    ):
        digest = registry.corrections_digest(load.sender)
        if load.sender in registry.mappings and searched.get(load.load_id, "") != digest:
            _search(connection, registry, load)
            connection.execute(
                "insert or replace into raw.registry_correction_load values (?, ?)", [load.load_id, digest]
            )
    after = _cells_by_load(connection)
    changed = {load for load in before.keys() | after.keys() if before.get(load) != after.get(load)}
    if changed:
        marked = [[load] for load in sorted(changed)]
        connection.executemany("insert or ignore into raw.registry_load_to_restage values (?)", marked)


def _cells_by_load(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[Any, ...]]:
    rows = connection.execute(
        f"select load_id, count(*), sum(hash({CELL_COLUMNS}))::varchar from raw.registry_corrected_cell "
        "group by 1"
    ).fetchall()
    return {load: tuple(rest) for load, *rest in rows}


def _write_records(connection: duckdb.DuckDBPyConnection, registry: Registry) -> None:
    rows = [
        (
            correction_id(sender, c),
            sender,
            c.match.file,
            c.match.sheet,
            c.match.delivery,
            c.action,
            c.status,
            c.reason,
            c.reported,
        )
        for sender, file in registry.corrections.items()
        for c in file.corrections
    ]
    connection.execute("delete from raw.registry_correction")
    if rows:
        connection.executemany(
            f"insert into raw.registry_correction values ({', '.join('?' * len(rows[0]))})", rows
        )


def correction_id(sender: str, correction: Correction) -> str:
    return f"{sender}/{correction.id}"


# matching one load with its sender's records


def _search(connection: duckdb.DuckDBPyConnection, registry: Registry, load: _Load) -> None:
    """Match all records of a sender at once: each raw table is read once for each of its fields that any
    record names.
    """
    for table in ("registry_correction_match", "registry_corrected_cell", "registry_asked_cell"):
        connection.execute(f"delete from raw.{table} where load_id = ?", [load.load_id])
    file, mapping = registry.corrections.get(load.sender), registry.mappings[load.sender]
    records = [c for c in file.corrections if c.status != "withdrawn"] if file else []
    if not records:
        return
    _lay_out(connection, mapping, load, records, Resolver.of(registry.folder))
    for entity, field in connection.execute(
        "select distinct entity, field from condition order by all"
    ).fetchall():
        _meet(connection, load, entity, field)
    # A record means a row when the row meets each of its conditions. The row is as expected when each cell to
    # be corrected is.
    connection.execute(f"""
        create or replace temp table meant as
        select correction_id, {POSITION},
            count(distinct ordinal) filter (where is_expected) = any_value(n_expected) as is_as_expected
        from met join wanted using (correction_id)
        group by correction_id, {POSITION}
        having count(distinct ordinal) filter (where not is_expected) = any_value(n_matching)
    """)
    connection.execute(
        "insert into raw.registry_correction_match select correction_id, ?, ?, ?, count(*), "
        "count(*) filter (where is_as_expected)"
        " from meant group by correction_id",
        [load.sender, load.delivery, load.load_id],
    )
    _keep_asked(connection, mapping, load, records)
    for entity, field in connection.execute(
        "select distinct entity, field from target order by all"
    ).fetchall():
        _keep_cells(connection, load, entity, field)
    connection.execute(
        "drop table place; drop table condition; drop table wanted; drop table target; drop table met; "
        "drop table meant"
    )


def _lay_out(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    load: _Load,
    records: list[Correction],
    own_names: Resolver,
) -> None:
    """Write the records into temporary tables: where each may match, what must stand there, what
    it changes.
    """
    tables = connection.execute(
        "select distinct source_file, source_sheet from raw.source_table where load_id = ?", [load.load_id]
    ).fetchall()
    places, conditions, wanted, targets = [], [], [], []
    for record in records:
        match, exports, own = (
            record.match,
            exports_of(mapping, record.match),
            correction_id(load.sender, record),
        )
        if match.delivery not in (None, load.delivery):
            continue
        places += [
            (own, file, sheet, match.row)
            for file, sheet in tables
            if any(fnmatch(name, match.file) for name in (file, own_names.file(load.load_id, file)))
            and (
                match.sheet is None
                or any(
                    fnmatch(name or "", match.sheet)
                    for name in (sheet, own_names.sheet(load.load_id, file, sheet))
                )
            )
        ]
        entities = [(mapping.export_id(x), name) for x in exports for name, _ in x.entities()]
        # ordinal 0 is the place itself: every raw record of a row there meets it
        asked: list[tuple[bool, str, list[Feed], str | None]] = [
            (False, "place", [Feed(export, entity, "", None) for export, entity in entities], None)
        ]
        for key in ("patient_key", "visit_key"):
            if text := getattr(match, key):
                held = [f for f in entities if key == "patient_key" or f[1] in HAS_VISIT_KEY]
                asked.append((False, key, [Feed(export, entity, key, None) for export, entity in held], text))
        asked += [(False, c, feeds(mapping, exports, c), text) for c, text in match.cells.items()]
        asked += [(True, c, feeds(mapping, exports, c), text) for c, text in record.expect.items()]
        if len(asked) - len(record.expect) > 1:
            asked = asked[1:]  # the record asks for more than the place
        for ordinal, (is_expected, _, fed, text) in enumerate(asked):
            conditions += [
                (
                    own,
                    ordinal,
                    is_expected,
                    f.entity,
                    f.export_id,
                    f.source_column,
                    f.field,
                    (text or "").strip(),
                )
                for f in fed
            ]
        wanted.append((own, len(asked) - len(record.expect), len(record.expect)))
        if record.acts:
            targets += [
                (own, record.action, *target) for target in _targets(mapping, exports, record, entities)
            ]
    for name, columns, rows in (
        (
            "place",
            "correction_id varchar, source_file varchar, source_sheet varchar, source_row bigint",
            places,
        ),
        (
            "condition",
            "correction_id varchar, ordinal integer, is_expected boolean, entity varchar, export_id varchar,"
            " source_column varchar, field varchar, text varchar",
            conditions,
        ),
        ("wanted", "correction_id varchar, n_matching integer, n_expected integer", wanted),
        (
            "target",
            "correction_id varchar, action varchar, entity varchar, export_id varchar, source_column "
            "varchar, field varchar, value_text varchar",
            targets,
        ),
        (
            "met",
            "correction_id varchar, ordinal integer, is_expected boolean, source_file varchar, "
            "source_sheet varchar, source_row bigint",
            [],
        ),
    ):
        connection.execute(f"create or replace temp table {name} ({columns})")
        if rows:
            connection.executemany(f"insert into {name} values ({', '.join('?' * len(rows[0]))})", rows)


def _targets(
    mapping: Mapping, exports: list[Export], record: Correction, entities: list[tuple[str, str]]
) -> Iterable[tuple[str, str, str | None, str, str | None]]:
    """(entity, export, source column, field, value) of each thing that a record changes; field '' means the
    whole raw record.
    """
    if record.action == "drop":
        return [(entity, export, None, "", None) for export, entity in entities]
    if record.action == "reject":
        return dict.fromkeys(
            (f.entity, f.export_id, f.source_column, "", None)
            for c in record.expect
            for f in feeds(mapping, exports, c)
        )
    return [
        (f.entity, f.export_id, f.source_column, f.field, text)
        for column, text in (record.value or {}).items()
        for f in feeds(mapping, exports, column)
    ]


def _meet(connection: duckdb.DuckDBPyConnection, load: _Load, entity: str, field: str) -> None:
    """Find the rows of one load in which a field of an entity holds the text that a record asks for."""
    own = (
        " and (c.source_column is null or c.source_column = r.source_column)"
        if entity in HAS_SOURCE_COLUMN
        else ""
    )
    holds = f"and c.text = coalesce(trim(r.{field}), '')" if field else ""
    connection.execute(
        f"""
        insert into met
        select distinct c.correction_id, c.ordinal, c.is_expected, r.source_file, r.source_sheet, r.source_row
        from raw.{entity} as r
        join condition as c on c.entity = '{entity}' and c.field = '{field}' and c.export_id = r.export_id {holds} {own}
        join place as p
            on p.correction_id = c.correction_id and p.source_file = r.source_file
            and p.source_sheet is not distinct from r.source_sheet
            and (p.source_row is null or p.source_row = r.source_row)
        where r.load_id = ?
        """,  # noqa: E501
        [load.load_id],
    )


def _keep_cells(connection: duckdb.DuckDBPyConnection, load: _Load, entity: str, field: str) -> None:
    """Write down what the records change in one field of an entity, with the text that was sent."""
    column = "r.source_column" if entity in HAS_SOURCE_COLUMN else "null"
    own = (
        " and (t.source_column is null or t.source_column = r.source_column)"
        if entity in HAS_SOURCE_COLUMN
        else ""
    )
    visit = "r.visit_key" if entity in HAS_VISIT_KEY else "null"
    connection.execute(
        f"""
        insert into raw.registry_corrected_cell ({CELL_COLUMNS})
        select distinct t.correction_id, r.sender_id, r.delivery_id, r.load_id, r.export_id, '{entity}', r.source_file, r.source_sheet,
            r.source_row, {column}, r.patient_key, {visit}, t.action, nullif(t.field, ''),
            {f"r.{field}" if field else "null"}, t.value_text
        from raw.{entity} as r
        join target as t on t.entity = '{entity}' and t.field = '{field}' and t.export_id = r.export_id {own}
        join meant as m
            on m.correction_id = t.correction_id and m.is_as_expected and m.source_file = r.source_file
            and m.source_sheet is not distinct from r.source_sheet and m.source_row = r.source_row
        where r.load_id = ?
        """,  # noqa: E501
        [load.load_id],
    )


def _keep_asked(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: _Load, records: list[Correction]
) -> None:
    """Write down the cells of records that wait for an answer, for the query list."""
    for record in (r for r in records if r.status == "open"):
        fed = feeds(mapping, exports_of(mapping, record.match), next(iter(record.expect)))
        if fed:
            connection.execute(
                "insert into raw.registry_asked_cell select correction_id, ?, ?, source_file, "
                "source_sheet, source_row, ?, ?, ?"
                " from meant where correction_id = ? and is_as_expected",
                [
                    load.load_id,
                    load.delivery,
                    fed[0].entity,
                    OUR_NAMES[fed[0].entity, fed[0].field],
                    fed[0].source_column,
                    correction_id(load.sender, record),
                ],
            )


# do the records still hold?


def stale_corrections(connection: duckdb.DuckDBPyConnection, registry: Registry) -> list[str]:
    """A sentence for each record that matches nothing, whose error is mended or has come back, or that
    contradicts another.

    Unmatched records are not reported while a delivery of the sender is missing or refused, since it may hold
    their rows.
    """
    found = _met(connection)
    faults = []
    for sender, file in registry.corrections.items():
        if sender not in registry.mappings or not file.corrections:
            continue
        waits = waits_for_rows(connection, registry, sender)
        for number, record in enumerate(file.corrections):
            met = found.get(correction_id(sender, record), Found())
            matched, latest, expected = met.matched, met.latest, met.expected
            place = f"corrections/{sender}.yml:{_line(registry, sender, number)}: {record.id}"
            columns = ", ".join(f'"{c}"' for c in record.expect)
            if record.status in ("open", "applied") and not matched and not waits:
                faults.append(
                    f"{place}: matches no row of a delivery in force; correct match, or close the record "
                    "with status: withdrawn"
                )
            elif record.status in ("open", "applied") and matched and not expected:
                faults.append(
                    f"{place}: {columns} of delivery {latest} no longer holds what the record expects: the "
                    "hospital has mended it, or expect is written otherwise than it was sent; close the "
                    "record with status: "
                    + (
                        "mended (earlier deliveries stay corrected)"
                        if record.status == "applied"
                        else "withdrawn"
                    )
                    + f", or all that are mended with: myositis queries {sender} --close-mended"
                )
            elif (
                record.status == "mended"
                and matched
                and expected
                and _was_mended_before(connection, sender, record, latest)
            ):
                faults.append(
                    f"{place}: the error is back in delivery {latest}; tell the hospital, and write status: "
                    "applied"
                )
    return faults + _contradictions(connection, registry)


def _was_mended_before(
    connection: duckdb.DuckDBPyConnection, sender: str, record: Correction, latest: str
) -> bool:
    """Whether an earlier delivery held the row mended. If none did, the mended delivery is no
    longer there.
    """
    return (
        connection.execute(
            "select count(*) from raw.registry_correction_match"
            " where correction_id = ? and delivery_id < ? and rows_as_expected = 0",
            [correction_id(sender, record), latest],
        ).fetchall()[0][0]
        > 0
    )


def waits_for_rows(connection: duckdb.DuckDBPyConnection, registry: Registry, sender: str) -> bool:
    """Whether a missing or refused delivery of the sender may hold the rows of an unmatched record."""
    accepted = {
        d
        for (d,) in connection.execute(
            "select delivery_id from raw.delivery where sender_id = ? and state <> 'replaced' group by 1"
            " having arg_max(state, loaded_at) = 'accepted'",
            [sender],
        ).fetchall()
    }
    return not accepted or bool(set(registry.deliveries(sender)) - accepted)


def _contradictions(connection: duckdb.DuckDBPyConnection, registry: Registry) -> list[str]:
    pairs = connection.execute("""
        select one.correction_id, other.correction_id, count(*)
        from raw.registry_corrected_cell as one
        join raw.registry_corrected_cell as other
            on one.load_id = other.load_id and one.entity = other.entity and one.export_id = other.export_id
            and one.source_file = other.source_file and one.source_sheet is not distinct from other.source_sheet
            and one.source_row = other.source_row and one.source_column is not distinct from other.source_column
            and one.field = other.field and one.correction_id < other.correction_id
            and one.value_text is distinct from other.value_text
        group by all order by all
    """).fetchall()  # noqa: E501
    lines = (
        {
            correction_id(s, c): f"corrections/{s}.yml:{_line(registry, s, n)}"
            for s, f in registry.corrections.items()
            for n, c in enumerate(f.corrections)
        }
        if pairs
        else {}
    )
    return [
        f"{lines[one]}: {one.split('/')[1]}: sets the same cell as {other.split('/')[1]} ({lines[other]}) "
        f"to another text, in {cells} {'cell' if cells == 1 else 'cells'}; withdraw one of the two"
        for one, other, cells in pairs
    ]


def _line(registry: Registry, sender: str, number: int) -> int:
    return line_of(registry.folder / "corrections" / f"{sender}.yml", ("corrections", number))
