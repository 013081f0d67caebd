{{ config(materialized="incremental", pre_hook="{{ forget_loads() }}") }}

{{ staged('visits', dates=['visit_date', 'visit_end_date'], offsets=['visit_offset', 'visit_end_offset']) }},

judged as (
    select
        *,
        {{ is_before(iso('visit_end_date_times'), iso('visit_date_times')) }}
            or coalesce(visit_end_offset_days < visit_offset_days, false) as ends_before_start,
        {{ faults([
            {'when': '(patient_key is null)',
             'rule': 'patient_id_missing', 'column': 'patient_id', 'found': 'null'},
            {'when': '(visit_date_is_missing and visit_offset_is_missing and visit_key is null)',
             'rule': 'date_missing', 'column': 'visit_date', 'found': 'visit_date'},
            {'when': '(ends_before_start)',
             'rule': 'end_before_start', 'column': 'visit_end_date',
             'found': 'coalesce(visit_end_date, visit_end_offset)'},
        ] + date_faults('visit_date', 'visit_date_times')
          + date_faults('visit_end_date', 'visit_end_date_times')
          + offset_faults('visit_offset') + offset_faults('visit_end_offset')) }} as faults,
    from typed
)

select
    {{ provenance('judged') }},
    patient_key,
    visit_key,
    {{ known_date('visit_date_times', 'visit_date') }},
    visit_offset_days,
    {{ known_date('visit_end_date_times', 'visit_end_date') }},
    case
        when ({{ the_time('visit_end_date_times') }})::time <> time '00:00'
            then {{ the_time('visit_end_date_times') }}
    end as visit_end_at,
    visit_end_offset_days,
    {{ sent('visit_label') }} as visit_label,
    not_before,
    correction_id,
    faults,
    {{ is_set_aside() }} or {{ has_fault_in('faults', [
        'patient_id_missing:patient_id', 'date_missing:visit_date', 'offset_unreadable:visit_offset',
        'end_before_start:visit_end_date',
    ] + without_date('visit_date')) }} as is_rejected,
from judged
