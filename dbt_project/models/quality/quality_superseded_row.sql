{{ config(materialized="view", alias="superseded_row") }}

{% for entity, model in {'observations': 'int_observations', 'antibodies': 'int_antibody_results', 'events': 'int_events',
                         'treatments': 'int_treatments', 'follow_up': 'int_follow_up'}.items() %}
select
    sender_id, hospital_id, delivery_id, load_id, source_file, source_sheet, source_row, '{{ entity }}' as entity,
    'a later delivery, or a later row, states the same thing' as reason,
from {{ ref(model) }}
where is_superseded
{{ "union all" if not loop.last }}
{% endfor %}
