{{ config(materialized="view", alias="finding") }}

{#- What was found in the deliveries in force, by name and count: what was refused, what another statement
    replaced, what was accepted with less than a value, and what ingestion counted column by column. Rows that
    cannot be a fault of one file, such as samples after discharge, are in check_result. -#}

with refused as (
    select sender_id, delivery_id, source_file, source_sheet, entity, rule as finding, source_row, column_name
    from {{ ref('quality_rejected_row') }}
),

replaced as (
    select
        sender_id, delivery_id, source_file, source_sheet, entity, rule as finding, source_row,
        null::varchar as column_name
    from {{ ref('quality_superseded_row') }}
),

results as (
    select * from {{ ref('int_observations') }}
),

censored as (
    select
        sender_id, delivery_id, source_file, source_sheet, 'observations' as entity,
        'result_censored' as finding,
        source_row, source_column as column_name,
    from results
    where comparator is not null
),

without_unit as (
    select
        sender_id, delivery_id, source_file, source_sheet, 'observations' as entity,
        'unit_missing' as finding,
        source_row, source_column as column_name,
    from results
    where conversion_rule = 'unit_missing' and not is_rejected
),

together as (
    select * from refused
    union all
    select * from replaced
    union all
    select * from censored
    union all
    select * from without_unit
)

select
    sender_id, delivery_id, source_file, source_sheet, entity, finding,
    null::varchar as column_name,
    count(*) as n_found,
    count(distinct source_row) as n_rows,
from together
group by all
union all
select
    f.sender_id, f.delivery_id, f.source_file, f.source_sheet, f.entity, f.finding,
    f.column_name, f.n_found, f.n_found as n_rows,
from {{ source('raw', 'source_finding') }} as f
where f.load_id in (select load_id from {{ source('raw', 'current_load') }})
