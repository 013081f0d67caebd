{{ config(materialized="view", alias="unit_spelling") }}

{#- How each sender writes the units of each concept, and what became of the results. -#}

select
    sender_id, concept_id, unit_source, conversion_rule, unit_canonical,
    count(*) as n_results,
    count(*) filter (where is_rejected) as n_rejected,
from {{ ref('int_observations') }}
where concept_id is not null
group by all
