{{ config(materialized="incremental", pre_hook="{{ forget_loads() }}") }}

{{ staged('events', dates=['event_date'], offsets=['event_offset'], texts=['status_text'],
          word='event_source') }},

judged as (
    select
        *,
        {{ faults([
            {'when': '(patient_key is null and visit_key is null)',
             'rule': 'patient_id_missing', 'column': 'patient_id', 'found': 'null'},
        ] + date_faults('event_date', 'event_date_times') + offset_faults('event_offset')) }} as faults,
    from typed
)

select
    {{ provenance('judged') }},
    patient_key,
    visit_key,
    {{ known_date('event_date_times', 'event_date') }},
    event_offset_days,
    event_source,
    other_names,
    source_column,
    status_text,
    status_text is not null and status_text_is_missing as status_is_missing,
    detail,
    not_before,
    correction_id,
    faults,
    {{ reject('faults') }} as is_rejected,
from judged
