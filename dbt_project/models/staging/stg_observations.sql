{{ config(materialized="incremental", incremental_strategy="append", pre_hook="{{ forget_loads() }}") }}

{{ staged('observations', dates=['observed_on'], offsets=['observed_offset'], texts=['value_text']) }},

senders as (
    select sender_id, decimal_mark from {{ source('raw', 'registry_sender') }}
),

comparators as (
    select sender_id, source_text, code from {{ source('raw', 'registry_code') }} where kind = 'comparators'
),

read as (
    select
        r.*,
        case when not r.value_text_is_missing then {{ comparator('r.value_text') }} end as comparator_in_text,
        case when not r.value_text_is_missing
            then coalesce(c.code, case when trim(r.comparator_source) = '=' then '=' end, {{ comparator('r.comparator_source') }})
        end as comparator_apart,
        case when not r.value_text_is_missing then {{ number('r.value_text', 's.decimal_mark') }} end as value,
    from typed as r
    left join senders as s using (sender_id)
    left join comparators as c on c.sender_id = r.sender_id and c.source_text = trim(r.comparator_source)
),

judged as (
    select
        *,
        {{ faults([
            {'when': '(patient_key is null and visit_key is null)', 'rule': 'patient_id_missing', 'column': 'patient_id', 'found': 'null'},
            {'when': '(observed_on_is_missing and observed_offset_is_missing and visit_key is null)',
             'rule': 'date_missing', 'column': 'observed_on', 'found': 'observed_on'},
            {'when': '(not value_text_is_missing and comparator_source is not null and (comparator_apart is null'
                     ' or comparator_apart <> comparator_in_text))',
             'rule': 'comparator_unreadable', 'column': 'comparator', 'found': 'comparator_source'},
            {'when': '(value_text_is_missing)', 'rule': 'value_missing', 'column': 'value', 'found': 'value_text'},
        ] + date_faults('observed_on', 'observed_on_times') + offset_faults('observed_offset')) }} as faults,
    from read
)

select
    {{ provenance('judged') }},
    patient_key,
    visit_key,
    {{ the_time('observed_on_times') }} as observed_at,
    observed_offset_days,
    concept_source,
    source_column,
    value_text,
    coalesce(comparator_in_text, nullif(comparator_apart, '=')) as comparator,
    value,
    unit_source,
    unit_source_2,
    reference_range,
    correction_id,
    as_sent,
    faults,
    faults is not null as is_rejected,
from judged
