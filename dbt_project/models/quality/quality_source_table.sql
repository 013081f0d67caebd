{{ config(materialized="incremental", alias="source_table", pre_hook="{{ forget_counted_loads() }}") }}

{#- The account of every table of every delivery in force: records in = records accepted + records rejected.
    Kept by load. -#}
{%- set loads = loads_to_count() %}

with sent as (
    select * from {{ source('raw', 'source_table') }}
    where load_id in ({{ loads }})
),

staged as (
    {% for entity in [
        'patients', 'visits', 'observations', 'antibodies', 'events', 'treatments', 'follow_up',
    ] %}
    select load_id, source_file, source_sheet, '{{ entity }}' as entity, count(*) as records_staged
    from {{ ref('stg_' ~ entity) }}
    where load_id in ({{ loads }}) group by all
    {{ "union all" if not loop.last }}
    {% endfor %}
),

rejected as (
    select load_id, source_file, source_sheet, entity, count(*) as records_rejected,
        count(*) filter (where counts_against_threshold) as records_counted,
    from (
        select
            load_id, source_file, source_sheet, entity, source_row, source_column,
            bool_or(counts_against_threshold) as counts_against_threshold
        from {{ ref('quality_rejected_row') }}
        where is_row and entity is not null and load_id in ({{ loads }})
        group by all
    )
    group by all
),

-- accepted is counted from the models that marts read, not by subtraction
accepted as (
    select load_id, source_file, source_sheet, 'patients' as entity, count(*) as records_accepted
    from {{ ref('stg_patients') }}
    where not is_rejected and hospital_id is not null and load_id in ({{ loads }}) group by all
    union all
    select load_id, source_file, source_sheet, 'visits', count(*) from ({{ visits_in_life() }})
    where load_id in ({{ loads }}) group by all
    {% for entity, model in {
        'observations': 'int_observations',
        'antibodies': 'int_antibody_results',
        'events': 'int_events',
        'treatments': 'int_treatments',
        'follow_up': 'int_follow_up',
    }.items() %}
    union all
    select load_id, source_file, source_sheet, '{{ entity }}', count(*) from {{ ref(model) }}
    where not is_rejected and load_id in ({{ loads }}) group by all
    {% endfor %}
)

select
    s.sender_id, s.delivery_id, s.load_id, s.source_file, s.source_sheet, s.entity,
    s.rows_read, s.rows_blank, s.rows_malformed, s.cells_empty,
    s.records,
    coalesce(g.records_staged, 0) as records_staged,
    coalesce(a.records_accepted, 0) as records_accepted,
    coalesce(r.records_rejected, 0) as records_rejected,
    coalesce(r.records_counted, 0) + s.rows_malformed as records_counted,
from sent as s
left join staged as g
    on g.load_id = s.load_id and g.source_file = s.source_file
    and g.source_sheet is not distinct from s.source_sheet and g.entity = s.entity
left join accepted as a
    on a.load_id = s.load_id and a.source_file = s.source_file
    and a.source_sheet is not distinct from s.source_sheet and a.entity = s.entity
left join rejected as r
    on r.load_id = s.load_id and r.source_file = s.source_file
    and r.source_sheet is not distinct from s.source_sheet and r.entity = s.entity
