{{ config(materialized="view", alias="delivery_file") }}

select f.* from {{ source('raw', 'delivery_file') }} as f
where f.load_id in (select load_id from {{ source('raw', 'current_load') }})
