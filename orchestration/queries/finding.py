"""Finds the questions to a hospital in a built warehouse.

Belongs here: which rows are asked about, and why. Does not belong here: naming the row (`naming.py`), the
workbook (`query_list.py`).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import duckdb

from orchestration.queries.naming import query_on
from orchestration.queries.query import Query
from orchestration.queries.query_list import QueriesRefused
from orchestration.registry.folder import Registry
from orchestration.warehouse.correction_cells import correction_id

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
        query = query_on(
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
