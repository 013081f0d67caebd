"""Finds the questions to a hospital in a built warehouse.

Belongs here: which rows are asked about, and why. Does not belong here: naming the row (`naming.py`), the
workbook (`query_list.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import duckdb

from orchestration.queries.naming import query_on
from orchestration.queries.query import Asked, QueriesRefused, Query
from orchestration.registry.folder import Registry
from orchestration.warehouse.correction_cells import correction_id

MOST_OF_A_KIND = 50  # per rule, column and file; more of them point to the mapping, not to single cells
# one row per question: kind, load, place, entity, our field, the cell's column where a wide row has several,
# what is expected
QUESTIONS = """
with mine as (
    select load_id, delivery_id from raw.current_load where sender_id = $sender
    union all
    select load_id, delivery_id from raw.delivery where sender_id = $sender and state = 'refused'
),
rules as (
    select *, '; %d rows of this table hold it, and your answer is for all that do' as for_all
    from intermediate.rejection_rules
),
rejected as (
    select r.rule as kind, r.load_id, r.source_file, r.source_sheet, min(r.source_row) as source_row, r.entity, r.field,
        arg_min(r.source_column, r.source_row) as source_column,
        'expected ' || rules.expected || case when rules.is_word and count(*) > 1 then printf(rules.for_all, count(*)) else '' end
            as expected, r.hospital_id, coalesce(rules.is_word, false) and r.value_text is not null as is_word
    from quality.rejected_row as r join rules using (rule)
    where r.sender_id = $sender and (r.counts_against_threshold or r.rule = 'relapse_before_onset')
    group by r.rule, r.load_id, r.source_file, r.source_sheet, r.entity, r.field, r.hospital_id, rules.expected, rules.for_all,
        rules.is_word, r.value_text is not null,
        coalesce(r.source_column, ''), case when rules.is_word then r.value_text end,
        case when not rules.is_word or r.value_text is null then r.source_row end
),
refused as (
    select f.rule, f.load_id, f.source_file, f.source_sheet, f.source_row, f.entity, f.field, f.source_column,
        'the delivery was refused; expected ' || rules.expected
            || case when f.n_rows > 1 then printf(rules.for_all, f.n_rows) else '' end,
        f.hospital_id, coalesce(rules.is_word, false) and f.value_text is not null
    from raw.refused_row as f join rules using (rule)
    where f.sender_id = $sender
),
implausible as (
    select 'implausible', m.load_id, o.source_file, o.source_sheet, o.source_row, 'observations', 'value', o.source_column,
        printf('expected %s to %s %s, or your word that the value is right%s',
            coalesce(regexp_replace(c.plausible_low::varchar, '\\.0$', ''), 'any'),
            coalesce(regexp_replace(c.plausible_high::varchar, '\\.0$', ''), 'any'), c.unit_canonical,
            case when o.conversion_rule <> 'identity'
                then printf('; yours is %s %s', regexp_replace(round(o.value_canonical, 3)::varchar, '\\.0$', ''), c.unit_canonical)
                else '' end), o.hospital_id, false
    from marts.fct_observation as o join marts.dim_concept as c using (concept_id) join mine as m using (delivery_id)
    where o.sender_id = $sender and not o.is_derived and o.correction_id is null
        and (o.value_canonical < c.plausible_low or o.value_canonical > c.plausible_high)
),
antibody_conflicts as (
    select 'antibody_conflict', m.load_id, r.source_file, r.source_sheet, r.source_row, 'antibodies', 'result', r.source_column,
        'expected one myositis-specific antibody of a patient; found ' || s.conflict, r.hospital_id, false
    from marts.fct_antibody_result as r
    join marts.dim_antibody_status as s using (sender_id, hospital_id, patient_key) join mine as m using (delivery_id)
    where r.sender_id = $sender and s.has_conflict and r.is_positive and r.antibody_group = 'msa'
),
patient_conflicts as (
    select 'patient_conflict', p.load_id, p.source_file, p.source_sheet, p.source_row, 'patients',
        unnest(case when count(distinct p.sex) over who > 1 then ['sex'] else ['birth_date', 'birth_year'] end), null,
        'expected the same of a patient in every row and delivery', p.hospital_id, false
    from staging.stg_patients as p
    join marts.dim_patient as d using (sender_id, hospital_id, patient_key)
    where p.sender_id = $sender and d.has_conflict and not p.is_rejected
    window who as (partition by p.sender_id, p.hospital_id, p.patient_key)
),
duplicates as (
    select 'duplicate', load_id, source_file, source_sheet, source_row, 'observations', 'value', source_column,
        printf('expected one result of a test at one time; this delivery has %d', results), hospital_id, false
    from (
        select *, count(distinct value_text) over (partition by load_id, hospital_id, patient_key, concept_id, observed_at,
            observed_offset_days, visit_key) as results
        from intermediate.int_observations where sender_id = $sender and not is_rejected
    ) where results > 1
),
together as (
    select * from rejected union all select * from refused union all select * from implausible union all select * from antibody_conflicts
    union all select * from patient_conflicts union all select * from duplicates
)
select t.kind, m.delivery_id, t.load_id, t.source_file, t.source_sheet, t.source_row, t.entity, t.field, t.source_column, t.expected,
    t.is_word
from together as t join mine as m using (load_id)
where $hospital in ($sender, t.hospital_id) and t.source_row is not null
order by all
"""  # noqa: E501


def find_queries(
    connection: duckdb.DuckDBPyConnection, registry: Registry, sender: str, hospital: str
) -> tuple[list[Query], dict[str, int]]:
    """The questions on the deliveries in force, and on those refused for their rows, that no record answers
    yet; and, by kind, how many were left out because there are too many.
    """
    queries: list[Query] = []
    asked: Counter[tuple[Any, ...]] = Counter()
    left_out: Counter[str] = Counter()
    for query in unanswered(connection, registry, sender, hospital):
        place = (query.kind, query.file, query.sheet, query.column)
        asked[place] += 1
        if asked[place] > MOST_OF_A_KIND:
            left_out[query.kind] += 1
        else:
            queries.append(query)
    return queries, dict(left_out)


def unanswered(
    connection: duckdb.DuckDBPyConnection, registry: Registry, sender: str, hospital: str
) -> Iterator[Query]:
    """Every question that no record answers, each once."""
    built = (
        "select count(*) from information_schema.tables where table_schema = 'quality' "
        "and table_name = 'rejected_row'"
    )
    if not connection.execute(built).fetchall()[0][0]:
        raise QueriesRefused(["nothing is built yet, so nothing can be asked; run: myositis run"])
    file = registry.corrections.get(sender)
    answered = {c.id for c in file.corrections} if file else set()
    gone = _withdrawn_loads(connection, registry, sender)
    rows = connection.execute(QUESTIONS, {"sender": sender, "hospital": hospital}).fetchall()
    found = [asked for asked in (Asked(*row) for row in rows) if asked.load_id not in gone]
    for asked in (*found, *_open_records(connection, registry, sender)):
        query = query_on(connection, registry, sender, asked)
        if asked.kind == "open" or query.query_id not in answered:
            answered.add(query.query_id)
            yield query


def _withdrawn_loads(connection: duckdb.DuckDBPyConnection, registry: Registry, sender: str) -> set[str]:
    """The refused loads of deliveries that a record withdraws: nobody waits for an answer."""
    rows = connection.execute(
        "select delivery_id, content_sha256, load_id from raw.delivery where sender_id = ? "
        "and state = 'refused'",
        [sender],
    ).fetchall()
    return {load for delivery, content, load in rows if registry.withdraws(sender, delivery, content)}


def is_word(connection: duckdb.DuckDBPyConnection, kind: str) -> bool:
    """Whether a question of this kind is about a word, and its answer for all rows that hold the word."""
    row = connection.execute(
        "select is_word from intermediate.rejection_rules where rule = ?", [kind]
    ).fetchone()
    return bool(row and row[0])


def _open_records(connection: duckdb.DuckDBPyConnection, registry: Registry, sender: str) -> Iterator[Asked]:
    """The first row of each record that waits for an answer; the question bears the id of its record."""
    file = registry.corrections.get(sender)
    for record in (c for c in (file.corrections if file else []) if c.status == "open"):
        row = connection.execute(
            "select delivery_id, load_id, source_file, source_sheet, source_row, entity, field, "
            "source_column from raw.registry_asked_cell"
            " where correction_id = ? order by all",
            [correction_id(sender, record)],
        ).fetchone()
        if row:
            yield Asked(*("open", *row, f"asked before: {record.reason}", False, record.id))
