{{ config(materialized="table", alias="rejected_row") }}

with rules as (
    select * from {{ ref('rejection_rules') }}
),

at_ingestion as (
    select
        sender_id, null::varchar as hospital_id, delivery_id, load_id, source_file, source_sheet, source_row,
        'raw' as layer, null::varchar as entity, rule, null::varchar as field, column_name,
        null::varchar as source_column, value_text as found, true as is_row, reason as in_words,
    from {{ source('raw', 'rejected_line') }}
    where load_id in (select load_id from {{ source('raw', 'current_load') }})
),

at_staging as (
    {% for entity in [
        'patients', 'visits', 'observations', 'antibodies', 'events', 'treatments', 'follow_up',
    ] %}
    select
        sender_id, hospital_id, delivery_id, load_id, source_file, source_sheet, source_row,
        'staging' as layer, '{{ entity }}' as entity, f.rule as rule, f.column_name as field,
        null::varchar as column_name,
        {{ 'source_column' if entity in ['observations', 'antibodies', 'events'] else 'null::varchar'
            }} as source_column,
        f.found as found, is_rejected as is_row,
    from (select *, unnest(faults) as f from {{ ref('stg_' ~ entity) }} where faults is not null)
    {{ "union all" if not loop.last }}
    {% endfor %}
),

at_intermediate as (
    {% for entity, model in {
        'observations': 'int_observations',
        'antibodies': 'int_antibody_results',
        'events': 'int_events',
        'treatments': 'int_treatments',
        'follow_up': 'int_follow_up',
    }.items() %}
    select
        sender_id, hospital_id, delivery_id, load_id, source_file, source_sheet, source_row,
        'intermediate' as layer, '{{ entity }}' as entity, fault.rule as rule, fault.column_name as field,
        null::varchar as column_name,
        {{ 'source_column' if entity in ['observations', 'antibodies', 'events'] else 'null::varchar'
            }} as source_column,
        fault.found as found, true as is_row,
    from {{ ref(model) }}
    where is_rejected
    union all
    {% endfor %}
    select
        v.sender_id, v.hospital_id, v.delivery_id, v.load_id, v.source_file, v.source_sheet, v.source_row,
        'intermediate' as layer, 'visits' as entity, 'patient_unknown' as rule, 'patient_id' as field,
        null::varchar as column_name, null::varchar as source_column,
        null::varchar as found, true as is_row,
    from {{ ref('stg_visits') }} as v
    anti join {{ ref('int_patients') }} as p using (sender_id, patient_key)
    where not v.is_rejected
    union all
    select
        v.sender_id, v.hospital_id, v.delivery_id, v.load_id, v.source_file, v.source_sheet, v.source_row,
        'intermediate' as layer, 'visits' as entity, 'date_before_birth' as rule, 'visit_date' as field,
        null::varchar as column_name, null::varchar as source_column,
        v.visit_date_iso as found, true as is_row,
    from {{ ref('stg_visits') }} as v
    join ({{ known_patients() }}) as p using (sender_id, patient_key)
    where not v.is_rejected and {{ is_before('v.visit_date_iso', 'p.birth_iso') }}
    union all
    select
        sender_id, hospital_id, f.place.delivery_id, f.place.load_id, f.place.source_file,
        f.place.source_sheet, f.place.source_row,
        'intermediate' as layer, 'patients' as entity, f.rule as rule, f.column_name as field,
        null::varchar as column_name, null::varchar as source_column,
        f.found as found, false as is_row,
    from (select *, unnest(faults) as f from {{ ref('int_patients') }})
    union all
    select
        sender_id, hospital_id, delivery_id, load_id, source_file, source_sheet, source_row,
        'intermediate' as layer, 'events' as entity, note.rule as rule, note.column_name as field,
        null::varchar as column_name, source_column,
        note.found as found, false as is_row,
    from {{ ref('int_events') }}
    where note is not null
    union all
    select
        sender_id, hospital_id, delivery_id, load_id, source_file, source_sheet, source_row,
        'intermediate' as layer, 'observations' as entity, note.rule as rule, note.column_name as field,
        null::varchar as column_name, source_column,
        note.found as found, false as is_row,
    from {{ ref('int_observations') }}
    where note is not null
    union all
    select
        p.sender_id, p.hospital_id, p.delivery_id, p.load_id, p.source_file, p.source_sheet, p.source_row,
        'intermediate' as layer, 'patients' as entity, 'hospital_missing' as rule, 'hospital_id' as field,
        null::varchar as column_name, null::varchar as source_column,
        null::varchar as found, true as is_row,
    from {{ ref('stg_patients') }} as p
    where not p.is_rejected and p.hospital_id is null
),

-- what a word of two meanings can mean
doubtful as (
    select kind, word_read as word, meanings, replace(ids, '|', ' or ') as ids,
        case when units is null then languages end as languages,
    from (
        select *,
            case when kind in ('event_status', 'results', 'sex') then {{ folded('word') }}
                else {{ normalised_name('word') }} end as word_read,
        from {{ ref('ambiguous_words') }}
    )
    left join (
        select kind, word_read, string_agg(distinct language, ', ' order by language) as languages
        from (
            {% for kind, seed in [
                ('concepts', 'concept_synonyms'), ('antibodies', 'antibody_synonyms'),
                ('events', 'event_synonyms'), ('treatments', 'treatment_synonyms'),
            ] -%}
            select '{{ kind }}' as kind, {{ normalised_name('synonym') }} as word_read,
                unnest(string_split(language, ' ')) as language
            from {{ ref(seed) }}
            union all
            {% endfor -%}
            select 'event_status', {{ folded('status_text') }}, unnest(string_split(language, ' '))
            from {{ ref('event_status') }}
            union all
            select 'sex', {{ folded('sex_text') }}, unnest(string_split(language, ' '))
            from {{ ref('sex_codes') }} where beside is null
        )
        where language <> 'local'
        group by all
    ) as l using (kind, word_read)
),

-- the column that feeds a field, by the mapping; the column of a value is kept with its record
columns as (
    select
        s.load_id, s.source_file, s.source_sheet, s.entity, c.field,
        string_agg(distinct c.column_name, ' | ' order by c.column_name) as theirs
    from (select *, unnest(export_ids) as export_id from {{ source('raw', 'source_table') }}) as s
    join {{ source('raw', 'registry_column') }} as c using (export_id, entity)
    group by all
),

found as (
    select * from at_ingestion
    union all
    select *, null::varchar as in_words from at_staging
    union all
    select *, null::varchar as in_words from at_intermediate
),

together as (
    select f.*, {{ remedy_of('f.rule', 'f.found', 'r.remedy') }} as remedy
    from found as f
    left join rules as r using (rule)
)

select
    t.sender_id, t.hospital_id, t.delivery_id, t.load_id, t.source_file, t.source_sheet, t.source_row,
    t.layer, t.entity, t.rule,
    'found ' || coalesce(
        t.in_words,
        '"' || t.found || '"'
            || coalesce(', which can mean ' || d.meanings || coalesce(' (' || d.ids || ')', ''), ''),
        r.nothing_found,
        'nothing') || '; expected ' || r.expected || '; ' || t.remedy
        || case
            when l.language is null and d.languages is not null
                then '; or state the `language` of the words: ' || d.languages
            else ''
        end as reason,
    t.remedy,
    t.field,
    coalesce(
        t.column_name,
        case when t.field in ('value', 'result', 'event') then t.source_column end,
        c.theirs,
        t.source_column,
        t.field
    ) as column_name,
    t.source_column,
    t.found as value_text,
    t.is_row,
    r.counts as counts_against_threshold,
from together as t
left join rules as r using (rule)
left join doubtful as d
    on d.kind = case t.rule
        when 'concept_ambiguous' then 'concepts'
        when 'antibody_ambiguous' then 'antibodies'
        when 'event_ambiguous' then 'events'
        when 'treatment_ambiguous' then 'treatments'
        when 'status_ambiguous' then 'event_status'
        when 'grade_ambiguous' then 'results'
        when 'sex_ambiguous' then 'sex'
    end
    and d.word = case t.rule
        when 'status_ambiguous' then {{ folded('t.found') }}
        when 'sex_ambiguous' then {{ folded('t.found') }}
        when 'grade_ambiguous' then {{ graded_text('t.found') }}
        else {{ normalised_name('t.found') }}
    end
left join {{ source('raw', 'registry_sender') }} as l on l.sender_id = t.sender_id
left join columns as c
    on c.load_id = t.load_id and c.source_file = t.source_file
    and c.source_sheet is not distinct from t.source_sheet
    and c.entity = t.entity and c.field = t.field
