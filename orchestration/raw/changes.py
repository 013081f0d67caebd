"""Counts what a delivery changes of what its sender said before. Rows are compared by their natural keys.

A delivery is compared with the sender's earlier deliveries in force; of each key, the latest statement
counts. When its files replace others of the same name, it is also compared with those. The first comparison
depends only on the deliveries in force, and is made again when they change. The second is history, and stays
as it was found. Belongs here: the counts, and the sentences on changes that are larger than the mapping
allows. Does not belong here: refusing (`ingestion.py`), what a value means (dbt).
"""

from __future__ import annotations

import hashlib

import duckdb

from orchestration.database.raw_tables import RAW_FIELDS
from orchestration.raw.ledger import Load, loads_in_force, refuse_for_change
from orchestration.registry import catalogue
from orchestration.registry.entities import RAW_NAMES, WIDE_NAMES
from orchestration.registry.folder import Registry
from orchestration.registry.mapping import Mapping

EARLIER, REPLACED = "earlier deliveries", "the replaced files"
ITEMS = {
    "observations": ("concept_source", "concepts"),
    "antibodies": ("antibody_source", "antibodies"),
    "events": ("event_source", "events"),
    "treatments": ("treatment_source", "treatments"),
}
KEYS: dict[str, tuple[str, ...]] = {
    "patients": ("hospital_id", "patient_key"),
    "visits": (
        "patient_key",
        "visit_key",
        "case when visit_key is null then visit_date end",
        "case when visit_key is null then visit_offset end",
    ),
    "observations": ("patient_key", "visit_key", "observed_on", "observed_offset", "trim(concept_source)"),
    "antibodies": (
        "patient_key",
        "visit_key",
        "tested_on",
        "tested_offset",
        "trim(antibody_source)",
        "trim(assay_source)",
    ),
    "events": ("patient_key", "visit_key", "event_date", "event_offset", "trim(event_source)"),
    "treatments": ("patient_key", "trim(treatment_source)", "start_date", "start_offset"),
    "follow_up": ("patient_key", "last_seen_date", "last_seen_offset"),
}
COMPARED = {
    entity: [
        f
        for f in fields
        if f != "source_column" and f not in KEYS[entity] and f"trim({f})" not in KEYS[entity]
    ]
    for entity, fields in RAW_FIELDS.items()
}


def compare(connection: duckdb.DuckDBPyConnection, load: Load, into: str = "raw") -> None:
    """Count what ``load`` changes, and write the counts into the table delivery_change of schema ``into``.
    Earlier counts for this load are deleted.
    """
    connection.execute(f"delete from {into}.delivery_change where load_id = ?", [load.load_id])
    earlier = _earlier(loads_in_force(connection), load)
    _note_subjects(connection, [load.load_id, *earlier], into)
    if earlier:
        _compare(connection, load, earlier, EARLIER, into, with_gone=load.kind == "full")
    replaced = connection.execute(
        "select load_id from raw.delivery where sender_id = ? and delivery_id = ? and state = 'accepted' "
        "and load_id <> ?",
        [load.sender, load.delivery, load.load_id],
    ).fetchall()
    if replaced:
        _compare(connection, load, [r for (r,) in replaced], REPLACED, into, with_gone=True)
    connection.execute(
        f"insert or replace into {into}.delivery_comparison values (?, ?)", [load.load_id, _digest(earlier)]
    )


def compare_again(connection: duckdb.DuckDBPyConnection, registry: Registry) -> list[Load]:
    """Recompare loads whose earlier deliveries have changed; return those now over the limit."""
    refused: list[Load] = []
    counted = dict(
        connection.execute("select load_id, compared_loads from raw.delivery_comparison").fetchall()
    )
    loads = loads_in_force(connection)
    for load in loads:
        standing = [other for other in loads if other not in refused]
        if load.sender not in registry.mappings or counted.get(load.load_id) == _digest(
            _earlier(standing, load)
        ):
            continue
        history = connection.execute(
            "select * from raw.delivery_change where load_id = ? and compared_with = ?",
            [load.load_id, REPLACED],
        ).fetchall()
        compare(connection, load)
        if history:
            connection.executemany(
                f"insert into raw.delivery_change values ({', '.join('?' * len(history[0]))})", history
            )
        if reasons := surprises(connection, registry, load, (EARLIER,)):
            refuse_for_change(connection, load, reasons)
            refused.append(load)
    return refused


def _earlier(loads: list[Load], load: Load) -> list[str]:
    """The sender's loads in force from deliveries before this one. A full delivery replaces all that came
    before it.
    """
    before = [other for other in loads if other.sender == load.sender and other.delivery < load.delivery]
    since = max((other.delivery for other in before if other.kind == "full"), default="")
    return [other.load_id for other in before if other.delivery >= since]


def _digest(loads: list[str]) -> str:
    return hashlib.sha256(",".join(loads).encode()).hexdigest()[:16]


def surprises(
    connection: duckdb.DuckDBPyConnection,
    registry: Registry,
    load: Load,
    compared: tuple[str, ...] = (EARLIER, REPLACED),
) -> list[str]:
    """Sentences on the changes that exceed what the mapping allows; they hold counts only. None if a record
    accepts the change.
    """
    mapping, file = registry.mappings[load.sender], registry.corrections.get(load.sender)
    if file and file.accepts(load.delivery, load.content_sha256):
        return []
    allowed = mapping.changes_allowed
    rows = connection.execute(
        """
        select compared_with, entity, item, rows_known, rows_changed, rows_gone from raw.delivery_change
        where load_id = ? and column_name is null and list_contains(?, compared_with) and rows_known > 0
            and (rows_changed > greatest(?, ? * rows_known) or rows_gone > greatest(?, ? * rows_known))
        order by all
    """,
        [load.load_id, list(compared), allowed.rows, allowed.changed, allowed.rows, allowed.gone],
    ).fetchall()
    sentences = []
    for compared_with, entity, item, known, changed, gone in rows:
        of = f"{load.sender}/{load.delivery}: {entity}{_named(mapping, entity, item)}: "
        if changed > max(allowed.rows, allowed.changed * known):
            sentences.append(
                f"{of}{changed:,} of {known:,} known rows differ from what {compared_with} "
                f"said{_by_column(connection, mapping, load, compared_with, entity, item)}; allowed "
                f"{allowed.sentence('changed', known)}"
            )
        if gone > max(allowed.rows, allowed.gone * known):
            sentences.append(
                f"{of}{gone:,} of {known:,} rows that {compared_with} had are gone; allowed "
                f"{allowed.sentence('gone', known)}"
            )
    if sentences:
        why = (
            f"The files are the same as before, so the cause is a change of hospitals/{load.sender}.yml"
            if _was_taken(connection, load)
            else "Ask the hospital why"
        )
        sentences.append(
            f"{why}. When the change is right, accept it: in corrections/{load.sender}.yml write, under "
            f'accepted_changes, {{delivery: "{load.delivery}", content: "{load.content_sha256[:12]}", '
            "owner: …, reason: …} and run again"
        )
    return sentences


def _was_taken(connection: duckdb.DuckDBPyConnection, load: Load) -> bool:
    """Whether the same files were taken before, read by another mapping."""
    return (
        connection.execute(
            "select count(*) from raw.delivery where sender_id = ? and delivery_id = ? "
            "and content_sha256 = ? and load_id <> ? and state in ('accepted', 'replaced')",
            [load.sender, load.delivery, load.content_sha256, load.load_id],
        ).fetchall()[0][0]
        > 0
    )


def _by_column(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    load: Load,
    compared_with: str,
    entity: str,
    item: str | None,
) -> str:
    columns = connection.execute(
        "select column_name, rows_changed from raw.delivery_change where load_id = ? and compared_with = ? "
        "and entity = ?"
        " and item is not distinct from ? and column_name is not null and rows_changed > 0 "
        "order by 2 desc, 1",
        [load.load_id, compared_with, entity, item],
    ).fetchall()
    shown = ", ".join(f"{_theirs(mapping, entity, field, item)} ({n:,})" for field, n in columns)
    return f", in {shown}" if shown else ""


def hide_unknown_items(connection: duckdb.DuckDBPyConnection, mapping: Mapping, into: str) -> None:
    """Take out of the counts in schema ``into`` each name that neither the mapping nor the catalogue knows.
    The warehouse keeps the counts of a refused load, and none of its texts.
    """
    found = connection.execute(f"select distinct entity, item from {into}.delivery_change").fetchall()
    for entity, item in found:
        if item and not _is_known(mapping, entity, item):
            connection.execute(
                f"update {into}.delivery_change set item = null where entity = ? and item = ?", [entity, item]
            )


def _theirs(mapping: Mapping, entity: str, field: str, item: str | None) -> str:
    """The hospital's names of the columns that a raw field comes from."""
    names = []
    for export in mapping.exports:
        own = getattr(export, entity)
        for (*_, ours), source in own.sources() if own else ():
            value = WIDE_NAMES.get(entity, (None, None))[1]
            if RAW_NAMES.get(ours, ours) == field or (ours == item and field == value):
                names += source.columns
    return " | ".join(f'"{n}"' for n in dict.fromkeys(names)) or field


def _named(mapping: Mapping, entity: str, item: str | None) -> str:
    """The name of the test, antibody, event or treatment, if the mapping or the catalogue knows it; an
    unknown name is not shown.
    """
    if entity not in ITEMS or not item:
        return ""
    is_known = _is_known(mapping, entity, item)
    return f' "{item}"' if is_known else f" (one of {ITEMS[entity][1]} that the catalogue does not know)"


def _is_known(mapping: Mapping, entity: str, item: str) -> bool:
    """Whether the mapping or the catalogue knows the name of a test, antibody, event or treatment."""
    kind = ITEMS[entity][1]
    own = getattr(mapping.codes, kind)
    wide = {
        ours
        for x in mapping.exports
        if (e := getattr(x, entity))
        for ours in getattr(e, "values", None) or {}
    }
    return item in own or item in wide or catalogue.is_name(kind, item)


# the counts


def _subject(entity: str) -> str:
    """SQL for whom a raw row is about: its patient, or its visit where the row names only a visit."""
    return (
        "coalesce(patient_key, visit_key, '')" if "visit_key" in KEYS[entity] else "coalesce(patient_key, '')"
    )


def _note_subjects(connection: duckdb.DuckDBPyConnection, loads: list[str], into: str) -> None:
    """For each load that is not yet in raw.load_subject, write into ``into`` whom the load mentions."""
    noted = {
        load for (load,) in connection.execute("select distinct load_id from raw.load_subject").fetchall()
    }
    for load in loads:
        if load not in noted:
            mentions = " union ".join(
                f"select load_id, {_subject(e)} as subject from raw.{e} where load_id = $1"
                for e in RAW_FIELDS
            )
            connection.execute(f"insert into {into}.load_subject by name {mentions}", [load])


def _that_share_subjects(connection: duckdb.DuckDBPyConnection, load: Load, others: list[str]) -> list[str]:
    sharing = connection.execute(
        "select distinct load_id from raw.load_subject where load_id <> $1"
        " and subject in (select subject from raw.load_subject where load_id = $1)",
        [load.load_id],
    ).fetchall()
    return [other for other in others if (other,) in sharing]


def _compare(
    connection: duckdb.DuckDBPyConnection,
    load: Load,
    others: list[str],
    compared_with: str,
    into: str,
    *,
    with_gone: bool,
) -> None:
    """Compare a load with others, entity by entity. Rows that share a natural key count once; they are the
    same when their sets of contents are.

    If gone rows are not counted, loads that mention none of this load's patients are not read at all. Of the
    other loads, the rows of other patients are left out before anything is hashed.
    """
    if not with_gone:
        others = _that_share_subjects(connection, load, others)
    for entity in RAW_FIELDS:
        item = f"trim({ITEMS[entity][0]})" if entity in ITEMS else "null::varchar"
        key, content = (
            f"hash({', '.join(KEYS[entity])})",
            f"hash({', '.join(f'trim({c})' for c in COMPARED[entity]) or '0'})",
        )
        if not others:
            content = "0"  # no earlier rows: count only, so that ten million rows need not be held whole
        subject, marks = _subject(entity), ", ".join("?" for _ in others) or "null"
        connection.execute(
            "create or replace temp table said_now as select key, any_value(item) as item, "
            "sum(content) as content from"
            f" (select distinct {key} as key, {item} as item, {content} as content from raw.{entity} where "
            "load_id = ?) group by key",
            [load.load_id],
        )
        before, given, only_these = f"select * from raw.{entity} where load_id in ({marks})", [*others], ""
        if not with_gone:
            before += f" and {subject} in (select {subject} from raw.{entity} where load_id = ?)"
            given.append(load.load_id)
            only_these = f"where {key} in (select key from said_now)"
        connection.execute(
            f"create or replace temp table said_before as with rows_before as ({before})"
            " select key, delivery_id, any_value(item) as item, sum(content) as content from"
            f" (select distinct {key} as key, delivery_id, {item} as item, {content} as content from "
            f"rows_before {only_these})"
            " group by key, delivery_id qualify row_number() over (partition by key "
            "order by delivery_id desc) = 1",
            given,
        )
        connection.execute(
            "create or replace temp table said_otherwise as select key, n.item, o.delivery_id "
            "from said_now as n join said_before as o using (key) where n.content <> o.content"
        )
        connection.execute(
            "create or replace temp table otherwise_in (key ubigint, item varchar, column_name varchar, "
            "is_filled boolean)"
        )
        if connection.execute("select count(*) from said_otherwise").fetchall()[0][0]:
            connection.execute(
                f"create or replace temp table rows_otherwise as with rows_before as ({before})"
                f" select {key} as key, false as is_now, * from rows_before"
                " where (key, delivery_id) in (select (key, delivery_id) from said_otherwise)"
                f" union all select {key} as key, true as is_now, * from raw.{entity}"
                " where load_id = ? and key in (select key from said_otherwise)",
                [*given, load.load_id],
            )
            for column in COMPARED[entity]:
                _compare_column(connection, column)
            connection.execute("drop table rows_otherwise")
        _write(connection, load, compared_with, entity, into)
    for table in ("said_now", "said_before", "said_otherwise", "otherwise_in"):
        connection.execute(f"drop table {table}")


def _compare_column(connection: duckdb.DuckDBPyConnection, column: str) -> None:
    connection.execute(
        f"""
        insert into otherwise_in
        with texts as (
            select key, is_now, list_sort(list(distinct coalesce(trim({column}), ''))) as texts from rows_otherwise group by all
        )
        select key, o.item, ?, b.texts = ['']
        from said_otherwise as o
        join texts as n using (key)
        join texts as b using (key)
        where n.is_now and not b.is_now and n.texts <> b.texts
        """,  # noqa: E501
        [column],
    )


def _write(
    connection: duckdb.DuckDBPyConnection, load: Load, compared_with: str, entity: str, into: str
) -> None:
    connection.execute(
        f"""
        insert into {into}.delivery_change
        with matched as (
            select coalesce(n.item, o.item) as item, n.key is null as is_gone, o.key is null as is_added,
                n.content <> o.content as is_other,
                n.content <> o.content and coalesce(c.is_only_filled, false) as is_only_filled,
            from said_now as n full join said_before as o using (key)
            left join (select key, bool_and(is_filled) as is_only_filled from otherwise_in group by key) as c using (key)
        ),
        counted as (
            select item, null as column_name,
                count(*) filter (where not is_added) as rows_known,
                count(*) filter (where is_added) as rows_added,
                count(*) filter (where is_gone) as rows_gone,
                count(*) filter (where is_other and not is_only_filled) as rows_changed,
                count(*) filter (where is_only_filled) as rows_filled,
            from matched group by item
        ),
        by_column as (
            select o.item, o.column_name, any_value(c.rows_known), null, null,
                count(*) filter (where not o.is_filled), count(*) filter (where o.is_filled),
            from otherwise_in as o join counted as c on c.item is not distinct from o.item group by all
        )
        select ?, ?, ?, ?, ?, * from (select * from counted union all select * from by_column)
        """,  # noqa: E501
        [load.sender, load.delivery, load.load_id, compared_with, entity],
    )
