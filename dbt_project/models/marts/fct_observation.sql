{{ config(materialized="incremental", pre_hook="{{ forget_touched(by_build_number=true) }}",
          post_hook="{{ lay_out_for_tests() }}") }}

with sent as (
    select
        observation_key, sender_id, hospital_id, patient_key, {{ patient_id() }} as patient_id, visit_key,
        concept_id,
        observed_at::date as observed_date, observed_date_precision, observed_date_iso, observed_at,
        time_days, offset_from_visit as days_from_visit, scheduled_visit, is_visit_value, value_text,
        comparator, value, unit_source, value_canonical, value_code,
        unit_canonical, conversion_rule, lower_limit, upper_limit, false as is_derived,
        correction_id, delivery_id, source_file, source_sheet, source_row, source_column,
    from {{ ref('int_observations_at_visits') }}
),

derived as (
    select
        observation_key, sender_id, hospital_id, patient_key, {{ patient_id() }} as patient_id, visit_key,
        concept_id,
        observed_at::date as observed_date, observed_date_precision, observed_date_iso, observed_at,
        time_days, offset_from_visit as days_from_visit, scheduled_visit, is_visit_value,
        null::varchar as value_text, comparator, null::double as value,
        null::varchar as unit_source, value_canonical, null::varchar as value_code, unit_canonical,
        conversion_rule, lower_limit, upper_limit, true as is_derived,
        correction_id, delivery_id, source_file, source_sheet, source_row, source_column,
    from {{ ref('int_derived_observations') }}
),

together as (
    select * from sent
    union all by name
    select * from derived
)

select
    *,
    coalesce(comparator in ('<', '<='), false) as is_below_limit,
    coalesce(comparator in ('>', '>='), false) as is_above_limit,
    (select max(build_number) from {{ ref('int_touched_patient') }}) as build_number,
from together
