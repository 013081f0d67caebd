{#
From text to numbers and dates. A text that cannot be understood gives null here and a fault in the model; nothing is guessed.
DuckDB's functions stand in this file only.
#}

{# Full-width forms (U+FF01 to U+FF5E, U+3000) as ASCII, outer blanks off. #}
{% macro half_width(text) -%}
    trim(translate({{ text }}, '！＂＃＄％＆＇（）＊＋，－．／０１２３４５６７８９：；＜＝＞？＠ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ［＼］＾＿｀ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ｛｜｝～　', '!"#$%&''()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefghijklmnopqrstuvwxyz{|}~ '))
{%- endmacro %}

{# The form under which names are looked up: see seeds/README.md. #}
{% macro normalised_name(text) -%}
    {%- set greek = {
        'α': 'alpha', 'β': 'beta', 'γ': 'gamma', 'δ': 'delta', 'ε': 'epsilon', 'ζ': 'zeta', 'η': 'eta', 'θ': 'theta', 'ι': 'iota', 'κ': 'kappa', 'λ': 'lambda', 'μ': 'mu', 'ν': 'nu', 'ξ': 'xi', 'ο': 'omicron', 'π': 'pi', 'ρ': 'rho', 'σ': 'sigma', 'τ': 'tau', 'υ': 'upsilon', 'φ': 'phi', 'χ': 'chi', 'ψ': 'psi', 'ω': 'omega', 'ς': 'sigma', 'µ': 'mu',
    } -%}
    regexp_replace(
        {{ "replace(" * (greek | length) }}lower({{ half_width(text) }})
        {%- for letter, name in greek.items() %}, '{{ letter }}', '{{ name }}'){% endfor %},
        '[^\p{L}\p{N}+%#]', '', 'g')
{%- endmacro %}

{# `<`, `<=`, `>` or `>=` at the head of a result, else null. #}
{% macro comparator(text) -%}
    nullif(replace(replace(regexp_extract({{ half_width(text) }}, '^(<=|>=|=<|=>|<|>|≤|≥)', 1), '≤', '<='), '≥', '>='), '')
{%- endmacro %}

{# The number of a result: after a comparator, before a flag such as H, ↑, * or /Pos; thousands and decimal marks as stated. #}
{% macro number(text, decimal_mark="'.'") -%}
    try_cast(
        case {{ decimal_mark }}
            when ',' then replace(replace({{ _bare_number(text) }}, '.', ''), ',', '.')
            else regexp_replace({{ _bare_number(text) }}, ',(\d{3})', '\1', 'g')
        end as double)
{%- endmacro %}

{% macro _bare_number(text) -%}
    nullif(regexp_extract(
        {{ half_width(text) }},
        '^(?:<=|>=|=<|=>|<|>|≤|≥)?\s*([+-]?(?:\d[\d.,]*|[.]\d+)(?:[eE][+-]?\d+)?)\s*(?:[HhLl]{1,2}|[↑↓*]|/\s*(?:[Pp]os|[Nn]eg)[a-z]*)?$', 1), '')
{%- endmacro %}

{# Every date format that any export declares. #}
{% macro declared_date_formats() -%}
    {%- if execute -%}
        {%- set found = run_query(
            "select distinct unnest(date_formats) as f from " ~ source('raw', 'registry_export') ~ " order by f") -%}
        {{- return(found.columns[0].values() | list) -}}
    {%- endif -%}
    {{- return(['%Y-%m-%d']) -}}
{%- endmacro %}

{# The timestamps that a text can mean under the declared formats: none = unreadable, two = ambiguous. #}
{% macro possible_times(text, date_formats) -%}
    {%- set formats = declared_date_formats() or ['%Y-%m-%d'] -%}
    list_distinct(list_filter([
        {%- for format in formats %}
        case when list_contains({{ date_formats }}, '{{ format }}') then {{ _time_in(text, format) }} end
        {{- "," if not loop.last }}
        {%- endfor %}
    ], lambda t : t is not null))
{%- endmacro %}

{% macro _time_in(text, format) -%}
    {%- if format == 'excel' -%}
        {# day 0 of Excel's 1900 system; 1 to 2958465 are the serials that Excel can show #}
        case when try_cast({{ text }} as double) between 1 and 2958465
            then timestamp '1899-12-30' + to_seconds(try_cast({{ text }} as double) * 86400) end
    {%- else -%}
        try_strptime({{ half_width(text) }}, '{{ format }}')
    {%- endif -%}
{%- endmacro %}

{% macro offset_days(text, offset_unit) -%}
    try_cast({{ text }} as double) * case {{ offset_unit }}
        when 'minutes' then 1.0 / 1440 when 'hours' then 1.0 / 24 when 'days' then 1 when 'weeks' then 7
        when 'months' then {{ days_per_month() }} when 'years' then 12 * {{ days_per_month() }} end
{%- endmacro %}

{# A month is a twelfth of the Julian year of 365.25 days. #}
{% macro days_per_month() -%} 30.4375 {%- endmacro %}

{# A text that the sender, or the catalogue, declares to mean "not known". #}
{% macro is_missing(text, sender_id, entity) -%}
    ({{ text }} is null or exists (
        select 1 from {{ source('raw', 'registry_missing_mark') }} as m
        where m.sender_id = {{ sender_id }} and lower(m.mark) = lower(trim({{ text }})))
    or exists (
        select 1 from {{ ref('missing_marks') }} as c
        where c.entity in ('*', '{{ entity }}') and lower(c.mark) = lower(trim({{ text }}))))
{%- endmacro %}

{# The upper end of a reference range as sent: 40-200, 40--200, 0~8, (13-40), <5, ≤40. #}
{% macro upper_reference_limit(text) -%}
    try_cast(coalesce(
        nullif(regexp_extract({{ half_width(text) }}, '^\D{0,2}[\d.]+\s*(?:--?|–|—|~|至|to)\s*(\d[\d.]*)', 1), ''),
        nullif(regexp_extract({{ half_width(text) }}, '^(?:<=?|≤)\s*(\d[\d.]*)$', 1), '')) as double)
{%- endmacro %}

{# The number of a result in the canonical unit, or the limit that its comparator speaks of. #}
{% macro number_or_limit(o) -%}
    coalesce({{ o }}.value_canonical, case when {{ o }}.comparator in ('>', '>=') then {{ o }}.lower_limit else {{ o }}.upper_limit end)
{%- endmacro %}

{# Whether a number, or what a comparator leaves of it, lies above a limit; null where the comparator leaves it open. #}
{% macro is_above(number, comparator, limit) -%}
    case
        when {{ comparator }} is null then {{ number }} > {{ limit }}
        when {{ comparator }} = '>' and {{ number }} >= {{ limit }} then true
        when {{ comparator }} = '>=' and {{ number }} > {{ limit }} then true
        when {{ comparator }} in ('<', '<=') and {{ number }} <= {{ limit }} then false
    end
{%- endmacro %}
