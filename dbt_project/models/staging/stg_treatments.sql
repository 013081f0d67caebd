{{ config(materialized="incremental", pre_hook="{{ forget_loads() }}") }}

{{ staged('treatments', dates=['start_date', 'stop_date'], offsets=['start_offset', 'stop_offset'], texts=['treatment_source', 'dose']) }},

judged as (
    select
        *,
        case when not dose_is_missing then {{ number('dose', 'decimal_mark') }} end as dose_number,
        {{ faults([
            {'when': '(patient_key is null)', 'rule': 'patient_id_missing', 'column': 'patient_id', 'found': 'null'},
            {'when': '(treatment_source_is_missing)', 'rule': 'value_missing', 'column': 'treatment', 'found': 'treatment_source'},
        ] + date_faults('start_date', 'start_date_times') + date_faults('stop_date', 'stop_date_times')
          + offset_faults('start_offset') + offset_faults('stop_offset')) }} as faults,
    from typed
)

select
    {{ provenance('judged') }},
    patient_key,
    treatment_source,
    {{ known_date('start_date_times', 'start_date') }},
    start_offset_days,
    {{ known_date('stop_date_times', 'stop_date') }},
    stop_offset_days,
    {{ sent('dose') }} as dose_text,
    dose_number as dose,
    dose_unit,
    correction_id,
    as_sent,
    faults,
    {{ is_set_aside() }} or list_has_any(list_transform(coalesce(faults, []), lambda f : f.rule || ':' || f.column_name),
        ['patient_id_missing:patient_id', 'value_missing:treatment', 'date_unreadable:start_date', 'date_ambiguous:start_date',
         'offset_unreadable:start_offset']) as is_rejected,
from judged
