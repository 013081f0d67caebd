{{ config(materialized="view", alias="superseded_row") }}

{% for entity, model in {
    'observations': 'int_observations',
    'antibodies': 'int_antibody_results',
    'events': 'int_events',
    'treatments': 'int_treatments',
    'follow_up': 'int_follow_up',
}.items() %}
select
    sender_id, hospital_id, delivery_id, load_id, source_file, source_sheet, source_row,
    '{{ entity }}' as entity,
    {% if entity in ['observations', 'antibodies', 'events'] -%}
    case when is_same_again then 'same_again' else 'other_value_again' end as rule,
    {%- else -%}
    '{{ 'earlier_contact' if entity == 'follow_up' else 'same_again' }}' as rule,
    {%- endif %}
    'a later delivery, or a later row, states the same thing' as reason,
from {{ ref(model) }}
where is_superseded
{{ "union all" if not loop.last }}
{% endfor %}
