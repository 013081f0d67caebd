{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

{#-
The concepts that registries of myositis compare at the first visit, each with the end that its column's name
takes from the canonical unit. The list stands here, so that no delivery adds or drops a column.
-#}
{% set concepts = {
    'cmas': '', 'mmt8': '', 'physician_global_activity': 'cm', 'patient_global_activity': 'cm', 'chaq': '',
    'haq_di': '', 'cdasi_activity': '', 'ck': 'u_l', 'ck_mb': 'u_l', 'alt': 'u_l', 'ast': 'u_l',
    'ldh': 'u_l', 'aldolase': 'u_l', 'wbc': '10e9_l', 'neutrophils': '10e9_l', 'lymphocytes': '10e9_l',
    'haemoglobin': 'g_l', 'platelets': '10e9_l', 'crp': 'mg_l', 'esr': 'mm_h', 'ferritin': 'ug_l',
    'albumin': 'g_l', 'creatinine': 'umol_l', 'urea': 'mmol_l', 'igg': 'g_l', 'iga': 'g_l', 'igm': 'g_l',
    'c3': 'g_l', 'c4': 'g_l', 'cd3': 'percent', 'cd4': 'percent', 'cd8': 'percent', 'cd19': 'percent',
    'nk': 'percent', 'cd4_cd8_ratio': '', 'il_2': 'pg_ml', 'il_4': 'pg_ml', 'il_6': 'pg_ml',
    'il_10': 'pg_ml', 'tnf_alpha': 'pg_ml', 'ifn_gamma': 'pg_ml', 'il_10_ifn_gamma_ratio': '',
    'kl_6': 'u_ml', 'fvc_percent': '', 'dlco_percent': '', 'lvef': 'percent',
} %}

with patients as (
    select p.* from {{ ref('dim_patient') }} as p
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
),

statuses as (
    select a.* from {{ ref('dim_antibody_status') }} as a
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
),

-- the visit that stands for month 0, else the first
first_visits as (
    select v.* from {{ ref('fct_visit') }} as v
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
    qualify row_number() over (
        partition by v.sender_id, v.hospital_id, v.patient_key
        order by coalesce(v.is_scheduled and v.nominal_month = 0, false) desc, v.time_days asc nulls last,
            v.visit_date_iso asc nulls last, v.visit_key asc
    ) = 1
),

results as (
    select
        o.sender_id, o.hospital_id, o.patient_key, o.concept_id, o.value_canonical, o.is_below_limit,
        o.is_above_limit,
        case
            when o.is_below_limit then o.upper_limit
            when o.is_above_limit then o.lower_limit
        end as known_limit,
    from {{ ref('fct_observation') }} as o
    semi join first_visits as v using (sender_id, hospital_id, patient_key, visit_key)
    where o.{{ made_by_this_build() }} and o.is_visit_value
),

-- a visit has one value of a concept; min takes it
measured as (
    select
        sender_id, hospital_id, patient_key,
        {%- for concept, unit in concepts.items() %}
        {%- set this = " filter (where concept_id = '" ~ concept ~ "') as " ~ concept %}
        {%- set end = '_' ~ unit if unit %}
        min(value_canonical){{ this }}{{ end }},
        min(known_limit){{ this }}_limit{{ end }},
        bool_or(is_below_limit){{ this }}_is_below_limit,
        bool_or(is_above_limit){{ this }}_is_above_limit,
        {%- endfor %}
    from results
    group by sender_id, hospital_id, patient_key
)

select
    p.sender_id, p.hospital_id, p.patient_key, p.patient_id, p.sex, p.birth_year, p.diagnosis, p.onset_group,
    p.age_at_onset_years, p.disease_duration_months,
    p.age_at_onset_years + p.disease_duration_months / 12 as age_at_baseline_years,
    s.msa, s.decided_by, s.positive_antibodies, s.has_conflict as has_antibody_conflict,
    v.visit_key as baseline_visit_key, v.visit_date as baseline_visit_date,
    v.visit_date_iso as baseline_visit_date_iso, v.time_days as baseline_visit_days,
    coalesce(v.is_scheduled and v.nominal_month = 0, false) as is_scheduled_baseline,
    m.* exclude (sender_id, hospital_id, patient_key),
from patients as p
left join statuses as s using (sender_id, hospital_id, patient_key)
left join first_visits as v using (sender_id, hospital_id, patient_key)
left join measured as m using (sender_id, hospital_id, patient_key)
