{{ config(materialized="view") }}

-- the endpoint that most registries ask about, under the name that it had before there were others

select *, is_event as is_relapse
from {{ ref('fct_time_to_event') }}
where endpoint = 'relapse'
