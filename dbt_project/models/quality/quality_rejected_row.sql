{{ config(materialized="table", alias="rejected_row") }}

with rules as (
    select * from {{ ref('rejection_rules') }}
),

at_ingestion as (
    select
        sender_id, null::varchar as hospital_id, delivery_id, load_id, source_file, source_sheet, source_row,
        'raw' as layer, null::varchar as entity, rule, null::varchar as field, column_name, value_text as found, true as is_row, reason as in_words,
    from {{ source('raw', 'rejected_line') }}
),

at_staging as (
    {% for entity in ['patients', 'visits', 'observations', 'antibodies', 'events', 'treatments', 'follow_up'] %}
    select
        sender_id, hospital_id, delivery_id, load_id, source_file, source_sheet, source_row,
        'staging' as layer, '{{ entity }}' as entity, f.rule as rule, f.column_name as field,
        coalesce({{ 'source_column' if entity in ['observations', 'antibodies', 'events'] else 'null' }}, f.column_name) as column_name,
        f.found as found, is_rejected as is_row,
    from (select *, unnest(faults) as f from {{ ref('stg_' ~ entity) }} where faults is not null)
    {{ "union all" if not loop.last }}
    {% endfor %}
),

at_intermediate as (
    {% for entity, model in {'observations': 'int_observations', 'antibodies': 'int_antibody_results', 'events': 'int_events',
                             'treatments': 'int_treatments', 'follow_up': 'int_follow_up'}.items() %}
    select
        sender_id, hospital_id, delivery_id, load_id, source_file, source_sheet, source_row,
        'intermediate' as layer, '{{ entity }}' as entity, fault.rule as rule, fault.column_name as field,
        coalesce({{ 'source_column' if entity in ['observations', 'antibodies', 'events'] else 'null' }}, fault.column_name) as column_name,
        fault.found as found, true as is_row,
    from {{ ref(model) }}
    where is_rejected
    union all
    {% endfor %}
    select
        v.sender_id, v.hospital_id, v.delivery_id, v.load_id, v.source_file, v.source_sheet, v.source_row,
        'intermediate' as layer, 'visits' as entity, 'patient_unknown' as rule, 'patient_id' as field, 'patient_id' as column_name,
        null::varchar as found, true as is_row,
    from {{ ref('stg_visits') }} as v
    anti join {{ ref('int_patients') }} as p using (sender_id, patient_key)
    where not v.is_rejected
    union all
    select
        p.sender_id, p.hospital_id, p.delivery_id, p.load_id, p.source_file, p.source_sheet, p.source_row,
        'intermediate' as layer, 'patients' as entity, 'hospital_missing' as rule, 'hospital_id' as field, 'hospital_id' as column_name,
        null::varchar as found, true as is_row,
    from {{ ref('stg_patients') }} as p
    where not p.is_rejected and p.hospital_id is null
),

together as (
    select * from at_ingestion
    union all
    select *, null::varchar as in_words from at_staging
    union all
    select *, null::varchar as in_words from at_intermediate
)

select
    t.sender_id, t.hospital_id, t.delivery_id, t.load_id, t.source_file, t.source_sheet, t.source_row, t.layer, t.entity, t.rule,
    'found ' || coalesce(t.in_words, '"' || t.found || '"', 'nothing') || '; expected ' || r.expected || '; ' || r.remedy as reason,
    t.field,
    t.column_name,
    t.found as value_text,
    t.is_row,
    r.counts as counts_against_threshold,
from together as t
left join rules as r using (rule)
