{#
Macros that the clinical definitions share. A definition is data (seeds definitions, definition_criteria,
definition_inputs) and one small model that combines its criteria. fct_definition puts all definitions into
one table.
#}

{# The names that several lists hold, sorted, each once, as one text. #}
{% macro named_list(lists) -%}
    nullif(
        array_to_string(
            list_sort(list_distinct(flatten(list({{ lists }}) filter (where {{ lists }} is not null)))),
            ', '
        ),
        ''
    )
{%- endmacro %}

{# Met, not met, or open: from what is proved (`holds_at_least`) and what is still possible (`may_hold`). #}
{% macro status_of(holds_at_least, may_hold) -%}
    case when {{ holds_at_least }} then 'met' when not ({{ may_hold }}) then 'not_met' else 'cannot_tell' end
{%- endmacro %}

{# The criteria of one definition. #}
{% macro criteria_of(definition_id) -%}
    select * from {{ ref('int_definition_criteria') }} where definition_id = '{{ definition_id }}'
{%- endmacro %}
