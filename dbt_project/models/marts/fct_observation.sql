{{ config(materialized="incremental", pre_hook="{{ forget_touched(by_build_number=true) }}",
          post_hook="{{ lay_out_for_tests() }}") }}

-- a rule of conversion has one id
with rules as (
    select distinct rule_id, factor, "offset" as shift from {{ ref('unit_conversions') }}
),

patients as (
    select sender_id, hospital_id, patient_key, sex from {{ ref('int_patients') }}
),

-- a laboratory sends the same few texts with all of its results
texts as (
    select distinct o.reference_range, p.sex
    from {{ ref('int_observations_at_visits') }} as o
    left join patients as p using (sender_id, hospital_id, patient_key)
    where o.reference_range is not null
),

limits as (
    select
        reference_range, sex,
        {{ lower_reference_limit('reference_range', 'sex') }} as low,
        {{ upper_reference_limit('reference_range', 'sex') }} as high,
    from texts
),

ranges as (
    select
        o.*, l.low, l.high,
        case when o.conversion_rule in ('identity', 'unitless') then 1 else r.factor end as factor,
        case when o.conversion_rule in ('identity', 'unitless') then 0 else r.shift end as shift,
    from {{ ref('int_observations_at_visits') }} as o
    left join patients as p using (sender_id, hospital_id, patient_key)
    left join limits as l on l.reference_range = o.reference_range and l.sex is not distinct from p.sex
    left join rules as r on r.rule_id = o.conversion_rule
),

sent as (
    select
        observation_key, sender_id, hospital_id, patient_key, {{ patient_id() }} as patient_id, visit_key,
        concept_id,
        observed_at::date as observed_date, observed_date_precision, observed_date_iso, observed_at,
        time_days, offset_from_visit as days_from_visit, scheduled_visit, is_visit_value, value_text,
        comparator, value, unit_source, value_canonical, value_code,
        unit_canonical, conversion_rule, lower_limit, upper_limit,
        low * factor + shift as reference_low, high * factor + shift as reference_high,
        false as is_derived,
        correction_id, delivery_id, source_file, source_sheet, source_row, source_column,
    from ranges
),

derived as (
    select
        observation_key, sender_id, hospital_id, patient_key, {{ patient_id() }} as patient_id, visit_key,
        concept_id,
        observed_at::date as observed_date, observed_date_precision, observed_date_iso, observed_at,
        time_days, offset_from_visit as days_from_visit, scheduled_visit, is_visit_value,
        null::varchar as value_text, comparator, null::double as value,
        null::varchar as unit_source, value_canonical, null::varchar as value_code, unit_canonical,
        conversion_rule, lower_limit, upper_limit,
        null::double as reference_low, null::double as reference_high, true as is_derived,
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
