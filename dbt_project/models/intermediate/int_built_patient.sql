{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

-- The last model of a build: once it stands, every patient's rows are made from these loads.
-- depends_on: {{ ref('dim_patient') }} {{ ref('fct_visit') }} {{ ref('fct_observation') }} {{ ref('fct_antibody_result') }}
-- depends_on: {{ ref('dim_antibody_status') }} {{ ref('fct_event') }} {{ ref('fct_treatment') }} {{ ref('fct_follow_up') }}
-- depends_on: {{ ref('fct_time_to_event') }} {{ ref('fct_definition') }}

with versions as (
    select * from {{ ref('int_patient_version') }}
),

touched as (
    select * from {{ ref('int_touched_patient') }}
)

select v.*, t.build_number
from versions as v
join touched as t using (sender_id, patient_key)
