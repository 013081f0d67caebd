{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

-- The last model of a build. Once it is made, every patient's rows are made from these loads.
-- depends_on: {{ ref('dim_patient') }} {{ ref('fct_visit') }} {{ ref('fct_observation') }}
-- depends_on: {{ ref('fct_antibody_result') }} {{ ref('dim_antibody_status') }} {{ ref('fct_event') }}
-- depends_on: {{ ref('fct_treatment') }} {{ ref('fct_follow_up') }} {{ ref('fct_time_to_event') }}
-- depends_on: {{ ref('fct_definition') }} {{ ref('patient_baseline') }} {{ ref('person_time') }}
-- depends_on: {{ ref('treatment_at_visit') }}

with versions as (
    select * from {{ ref('int_patient_version') }}
),

touched as (
    select * from {{ ref('int_touched_patient') }}
)

select v.*, t.build_number
from versions as v
join touched as t using (sender_id, patient_key)
