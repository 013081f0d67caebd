{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

{#- Every definition of every patient: the sets of criteria, the definitions of one criterion, and those that
    follow the time (relapse, baseline, course). -#}

with patients as (
    select p.* from {{ ref('dim_patient') }} as p
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
),

involvement as (
    select
        c.sender_id, c.hospital_id, c.patient_key, c.definition_id,
        {{ status_of('c.state', 'coalesce(c.state, true)') }} as status,
        c.since_days as time_days,
        case when c.state then c.criterion_id end as criteria_met,
        nullif(array_to_string(c.inputs_used, ', '), '') as inputs_used,
        nullif(array_to_string(c.inputs_missing, ', '), '') as inputs_missing,
    from {{ ref('int_definition_criteria') }} as c
    where c.criterion_id = 'recorded'
),

relapse as (
    select
        p.sender_id, p.hospital_id, p.patient_key, 'relapse' as definition_id,
        {{ status_of('r.is_event', 'coalesce(not r.outcome_known, true)') }} as status,
        r.time_months as value,
        case when r.is_event then p.baseline_days + r.time_days end as time_days,
        case when r.endpoint is not null then 'fct_time_to_event' end as inputs_used,
        case
            when r.endpoint is null then 'an endpoint called relapse'
            when r.censor_reason = 'an event on an unknown day' then 'the day of the relapse'
            when not r.outcome_known then 'follow-up to the horizon'
        end as inputs_missing,
    from patients as p
    left join {{ ref('fct_time_to_event') }} as r
        on r.sender_id = p.sender_id and r.hospital_id = p.hospital_id and r.patient_key = p.patient_key
        and r.endpoint = 'relapse'
),

visits as (
    select
        v.sender_id, v.hospital_id, v.patient_key,
        min(v.time_days) filter (where v.is_scheduled and v.nominal_month = 0) as baseline_days,
        count(v.time_days) as n,
    from {{ ref('fct_visit') }} as v
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
    group by all
),

baseline as (
    select
        p.sender_id, p.hospital_id, p.patient_key, 'baseline' as definition_id,
        {{ status_of('v.baseline_days is not null', 'coalesce(v.n, 0) = 0') }} as status,
        v.baseline_days as value,
        v.baseline_days as time_days,
        case when v.n > 0 then 'visit_date' end as inputs_used,
        case when coalesce(v.n, 0) = 0 then 'visit_date' end as inputs_missing,
    from patients as p
    left join visits as v using (sender_id, hospital_id, patient_key)
),

course as (
    select
        sender_id, hospital_id, patient_key, 'course_of_disease' as definition_id,
        {{ status_of(
            'coalesce(disease_duration_months >= 0, false)', 'disease_duration_months is null'
        ) }} as status,
        disease_duration_months as value,
        case when disease_duration_months is not null then 'disease_duration_months' end as inputs_used,
        case when disease_duration_months is null then 'onset_date' end as inputs_missing,
    from patients
),

{% set parts = {
    ref('int_bohan_peter_1975'): ['level', 'level_at_most', 'category', 'criteria_met'],
    ref('int_eular_acr_2017'): [
        'level', 'level_at_most', 'category', 'value', 'value_at_most', 'probability', 'probability_at_most',
        'criteria_met',
    ],
    ref('int_mas_2016'): ['time_days', 'criteria_met'],
    'involvement': ['time_days', 'criteria_met'],
    'relapse': ['value', 'time_days'],
    'baseline': ['value', 'time_days'],
    'course': ['value'],
} -%}
{% set columns = {
    'level': 'varchar', 'level_at_most': 'varchar', 'category': 'varchar',
    'value': 'double', 'value_at_most': 'double',
    'probability': 'double', 'probability_at_most': 'double',
    'time_days': 'double', 'criteria_met': 'varchar',
} -%}

together as (
    {%- for part, has in parts.items() %}
    select
        sender_id, hospital_id, patient_key, definition_id, status,
        {% for c, type in columns.items() %}{{ c if c in has else 'null::' ~ type }} as {{ c }}, {% endfor %}
        inputs_used, inputs_missing,
    from {{ part }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select
    o.sender_id, o.hospital_id, o.patient_key, {{ patient_id('o') }} as patient_id, o.definition_id,
    d.version, o.status,
    o.level, o.level_at_most, o.category, o.value, o.value_at_most, o.probability, o.probability_at_most,
    o.time_days, o.criteria_met, o.inputs_used, o.inputs_missing,
from together as o
join {{ ref('definitions') }} as d using (definition_id)
