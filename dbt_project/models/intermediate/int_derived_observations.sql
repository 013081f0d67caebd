{{ config(materialized="table") }}

{#- Ratios of two results of one visit. A part beyond its detection limit gives a bound, never a number. -#}

with at_visits as (
    select * from {{ ref('int_observations_at_visits') }} where is_visit_value
),

derived as (
    select d.concept_id, d.numerator_concept_id, d.denominator_concept_id, d.rule_id, c.unit_canonical
    from {{ ref('derived_concepts') }} as d
    join {{ ref('concepts') }} as c using (concept_id)
),

pairs as (
    select
        n.* exclude (
            concept_id, comparator, value_canonical, lower_limit, upper_limit, unit_canonical,
            conversion_rule, observation_key, correction_id
        ),
        nullif(concat_ws(', ', n.correction_id, d.correction_id), '') as correction_id,
        r.concept_id,
        r.rule_id,
        r.unit_canonical,
        coalesce(n.value_canonical, n.lower_limit, 0) as numerator_low,
        coalesce(n.value_canonical, n.upper_limit, 'infinity'::double) as numerator_high,
        coalesce(d.value_canonical, d.lower_limit, 0) as denominator_low,
        coalesce(d.value_canonical, d.upper_limit, 'infinity'::double) as denominator_high,
        n.comparator is not null or d.comparator is not null as is_censored,
    from derived as r
    join at_visits as n on n.concept_id = r.numerator_concept_id
    join at_visits as d
        on d.concept_id = r.denominator_concept_id and d.sender_id = n.sender_id
        and d.patient_key = n.patient_key and d.visit_key = n.visit_key
    where coalesce(n.value_canonical, n.lower_limit, n.upper_limit) is not null
        and coalesce(d.value_canonical, d.lower_limit, d.upper_limit) is not null
),

-- a ratio that the hospital sends itself is kept; a ratio is computed only where the hospital sends none
not_sent as (
    select p.* from pairs as p
    anti join at_visits as a
        on a.sender_id = p.sender_id and a.patient_key = p.patient_key and a.visit_key = p.visit_key
        and a.concept_id = p.concept_id
),

divided as (
    select
        *,
        case
            when not is_censored and denominator_low > 0 then numerator_low / denominator_low
        end as value_canonical,
        case
            when is_censored and denominator_high > 0 and isfinite(denominator_high)
                then numerator_low / denominator_high
        end as lower_limit,
        case
            when is_censored and denominator_low > 0 and isfinite(numerator_high)
                then numerator_high / denominator_low
        end as upper_limit,
    from not_sent
    where is_censored or denominator_low > 0
)

select
    sender_id, hospital_id, patient_key, visit_key, concept_id,
    md5(concat_ws('|', sender_id, hospital_id, patient_key, concept_id, visit_key)) as observation_key,
    observed_at, observed_date_precision, observed_date_iso, offset_from_visit, time_days, scheduled_visit,
    true as is_visit_value,
    case
        when is_censored
            then case
                when upper_limit is not null and lower_limit = 0 then '<'
                when upper_limit is null then '>'
                else 'between'
            end
    end as comparator,
    value_canonical, unit_canonical, rule_id as conversion_rule, lower_limit, upper_limit,
    correction_id, delivery_id, source_file, source_sheet, source_row, source_column,
from divided
