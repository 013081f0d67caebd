{#
A fault is one thing in one record that could not be understood: {rule, column_name, found}. Rules, with what is expected and
what to do, are rows of seeds/rejection_rules.csv. `faults` is null for a record without any. A record that a correction
sets aside has that one fault only.
#}
{% macro faults(candidates) -%}
    case when {{ is_set_aside() }} then
        [{'rule': case correction_action when 'drop' then 'dropped_by_correction' else 'rejected_by_correction' end,
          'column_name': 'correction', 'found': correction_id}]
    when {% for c in candidates %}{{ c.when }}{{ " or " if not loop.last }}{% endfor %} then
        list_filter([
            {%- for c in candidates %}
            case when {{ c.when }} then {'rule': '{{ c.rule }}', 'column_name': '{{ c.column }}', 'found': {{ c.found }}::varchar} end
            {{- "," if not loop.last }}
            {%- endfor %}
        ], lambda f : f is not null)
    end
{%- endmacro %}

{# The faults of one date column whose possible times are in `times`. #}
{% macro date_faults(column, times) -%}
    {{ return([
        {'when': '(' ~ column ~ ' is not null and not ' ~ column ~ '_is_missing and len(' ~ times ~ ') = 0)',
         'rule': 'date_unreadable', 'column': column, 'found': column},
        {'when': '(' ~ column ~ ' is not null and not ' ~ column ~ '_is_missing and len(' ~ times ~ ') > 1)',
         'rule': 'date_ambiguous', 'column': column, 'found': column},
    ]) }}
{%- endmacro %}

{% macro offset_faults(column) -%}
    {{ return([
        {'when': '(' ~ column ~ ' is not null and not ' ~ column ~ '_is_missing and ' ~ column ~ '_days is null)',
         'rule': 'offset_unreadable', 'column': column, 'found': column},
    ]) }}
{%- endmacro %}

{# One staged date: its reading when there is exactly one. #}
{% macro the_time(times) -%} case when len({{ times }}) = 1 then {{ times }}[1] end {%- endmacro %}

{% macro staged(entity, dates=[], offsets=[], texts=[]) -%}
{#- Every row of the loads to stage, corrected, with each date's possible times, each offset in days, and the missing marks found. -#}
with raw_rows as (
    select r.* from {{ source('raw', entity) }} as r
    where r.load_id in ({{ loads_to_stage() }})
),

{{ corrected_rows(entity) }},

marked as (
    select
        r.*,
        x.date_formats,
        {%- for c in dates + offsets + texts %}
        {{ is_missing('r.' ~ c, 'r.sender_id', entity) }} as {{ c }}_is_missing,
        {%- endfor %}
    from corrected_rows as r
    left join {{ source('raw', 'registry_export') }} as x using (export_id)
),

typed as (
    select
        r.*,
        {%- for c in dates %}
        {{ possible_times('case when not r.' ~ c ~ '_is_missing then r.' ~ c ~ ' end', 'r.date_formats') }} as {{ c }}_times,
        {%- endfor %}
        {%- for c in offsets %}
        {{ offset_days('case when not r.' ~ c ~ '_is_missing then r.' ~ c ~ ' end', 'o_' ~ c ~ '.offset_unit') }} as {{ c }}_days,
        {%- endfor %}
    from marked as r
    {%- for c in offsets %}
    left join {{ source('raw', 'registry_offset') }} as o_{{ c }}
        on r.export_id = o_{{ c }}.export_id and o_{{ c }}.field = '{{ c }}'
    {%- endfor %}
)
{%- endmacro %}

{% macro provenance(alias) -%}
    {%- for c in ['sender_id', 'hospital_id', 'delivery_id', 'load_id', 'export_id', 'source_file', 'source_sheet', 'source_row'] -%}
    {{ alias }}.{{ c }}{{ ", " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
