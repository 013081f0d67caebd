{{ config(materialized="view", alias="delivery_change") }}

{#- Tests, antibodies, events and treatments are counted under the words sent. The table shows only the
    catalogue's ids of these words. -#}

with counts as (
    select c.*, d.state
    from {{ source('raw', 'delivery_change') }} as c
    join {{ source('raw', 'delivery') }} as d using (sender_id, delivery_id, load_id)
    where d.state <> 'replaced'
),

words as (
    select distinct sender_id, item as word, false as is_sent from counts where item is not null
),

{% for kind, id, catalogue, synonyms in [
    ('concepts', 'concept_id', 'concepts', 'concept_synonyms'),
    ('antibodies', 'antibody_id', 'antibodies', 'antibody_synonyms'),
    ('events', 'event_id', 'event_types', 'event_synonyms'),
    ('treatments', 'treatment_id', 'treatments', 'treatment_synonyms'),
] %}
{{ kind }}_named as (
    {{ named('words', kind, id, catalogue, synonyms) }}
),
{% endfor %}

named as (
    select
        c.*,
        case c.entity
            when 'observations' then k.code
            when 'antibodies' then a.code
            when 'events' then e.code
            when 'treatments' then t.code
        end as item_id,
    from counts as c
    left join concepts_named as k on k.sender_id = c.sender_id and k.word = c.item
    left join antibodies_named as a on a.sender_id = c.sender_id and a.word = c.item
    left join events_named as e on e.sender_id = c.sender_id and e.word = c.item
    left join treatments_named as t on t.sender_id = c.sender_id and t.word = c.item
)

select
    sender_id, delivery_id, load_id, state, compared_with, entity, item_id, column_name,
    sum(rows_known)::bigint as rows_known,
    sum(rows_added)::bigint as rows_added,
    sum(rows_gone)::bigint as rows_gone,
    sum(rows_changed)::bigint as rows_changed,
    sum(rows_filled)::bigint as rows_filled,
from named
group by all
