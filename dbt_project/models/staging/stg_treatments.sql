{{ config(materialized="incremental", pre_hook="{{ forget_loads() }}") }}

{{ staged('treatments', dates=['start_date', 'stop_date'], offsets=['start_offset', 'stop_offset'],
          texts=['treatment_source', 'dose']) }},

-- a dose is read as a result is: a number, perhaps with its unit behind it
read as (
    select
        *,
        case when not dose_is_missing then {{ number('dose', 'decimal_mark') }} end as dose_alone,
        case
            when not dose_is_missing
                then coalesce(dose_alone, {{ number(without_unit('dose'), 'decimal_mark') }})
        end as dose_read,
        case
            when not dose_is_missing and dose_alone is null then {{ unit_behind_number('dose') }}
        end as unit_in_cell,
        case when not dose_is_missing then {{ comparator('dose') }} end as dose_comparator,
        coalesce(
            lower(replace(unit_in_cell, ' ', '')) <> lower(replace(dose_unit, ' ', '')),
            false
        ) as units_disagree,
        {{ is_before(iso('stop_date_times'), iso('start_date_times')) }}
            or coalesce(stop_offset_days < start_offset_days, false) as ends_before_start,
    from typed
),

judged as (
    select
        *,
        case
            when dose_comparator is null and dose_read >= 0 and not units_disagree then dose_read
        end as dose_number,
        {{ faults([
            {'when': '(patient_key is null)',
             'rule': 'patient_id_missing', 'column': 'patient_id', 'found': 'null'},
            {'when': '(treatment_source_is_missing)',
             'rule': 'value_missing', 'column': 'treatment', 'found': 'treatment_source'},
            {'when': '(not dose_is_missing and dose_read is null)',
             'rule': 'not_a_number', 'column': 'dose', 'found': 'dose'},
            {'when': '(dose_read < 0)', 'rule': 'dose_impossible', 'column': 'dose', 'found': 'dose'},
            {'when': '(dose_comparator is not null and dose_read >= 0)',
             'rule': 'number_is_a_limit', 'column': 'dose', 'found': 'dose'},
            {'when': '(dose_read >= 0 and units_disagree)',
             'rule': 'units_disagree', 'column': 'dose', 'found': 'dose || chr(32) || dose_unit'},
            {'when': '(ends_before_start)',
             'rule': 'end_before_start', 'column': 'stop_date', 'found': 'coalesce(stop_date, stop_offset)'},
        ] + date_faults('start_date', 'start_date_times') + date_faults('stop_date', 'stop_date_times')
          + offset_faults('start_offset') + offset_faults('stop_offset')) }} as faults,
    from read
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
    coalesce(dose_unit, unit_in_cell) as dose_unit,
    not_before,
    correction_id,
    as_sent,
    faults,
    {{ is_set_aside() }} or {{ has_fault_in('faults', [
        'patient_id_missing:patient_id', 'value_missing:treatment', 'offset_unreadable:start_offset',
        'end_before_start:stop_date',
    ] + without_date('start_date')) }} as is_rejected,
from judged
