{{ config(materialized="view") }}

-- the endpoint that most registries ask about, under the name of this table before there were other endpoints

select *, is_event as is_relapse
from {{ ref('fct_time_to_event') }}
where endpoint = 'relapse'
