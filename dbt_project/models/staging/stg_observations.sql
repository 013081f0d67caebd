{{ config(materialized="incremental", incremental_strategy="append", pre_hook="{{ forget_loads() }}") }}

{{ staged('observations', dates=['observed_on'], offsets=['observed_offset'], texts=['value_text']) }},

senders as (
    select sender_id, decimal_mark from {{ source('raw', 'registry_sender') }}
),

read as (
    select
        r.*,
        case when not r.value_text_is_missing then {{ comparator('r.value_text') }} end as comparator,
        case when not r.value_text_is_missing then {{ number('r.value_text', 's.decimal_mark') }} end as value,
    from typed as r
    left join senders as s using (sender_id)
),

judged as (
    select
        *,
        {{ faults([
            {'when': '(patient_key is null and visit_key is null)', 'rule': 'patient_id_missing', 'column': 'patient_id', 'found': 'null'},
            {'when': '(observed_on_is_missing and observed_offset_is_missing and visit_key is null)',
             'rule': 'date_missing', 'column': 'observed_on', 'found': 'observed_on'},
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
    comparator,
    value,
    unit_source,
    unit_source_2,
    reference_range,
    faults,
    faults is not null as is_rejected,
from judged
