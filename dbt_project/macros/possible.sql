{#
What is impossible: dates that no living patient has, facts before a birth, ages and durations longer than a
life. Which day counts as today is a setting of the build (`raw.registry_setting`), so that the same files
give the same tables.
#}

{% macro today() -%}
    {%- set sql = "select value from " ~ source("raw", "registry_setting") ~ " where setting = 'today'" -%}
    date '{{ (_first_column(sql) or ["1970-01-01"])[0] }}'
{%- endmacro %}

{# Years: the longest life known is 122 (Robine and Allard 1998, Science 279:1831). #}
{% macro longest_life() -%} 125 {%- endmacro %}

{#
Why a year is impossible; null when it is possible. The years of Thailand are 543 ahead, those of Iran 621
behind. A year further ahead than a life is a mark.
#}
{% macro impossible_year(year) -%}
    case
        when {{ year }} between year({{ today() }}) + 543 - {{ longest_life() }} and year({{ today() }}) + 543
            then 'date_of_another_calendar'
        when {{ year }} between year({{ today() }}) - 621 - {{ longest_life() }} and year({{ today() }}) - 621
            then 'date_of_another_calendar'
        when {{ year }} > year({{ today() }}) + {{ longest_life() }} then 'date_is_a_mark'
        when {{ year }} > year({{ today() }}) then 'date_after_today'
        when {{ year }} < year({{ today() }}) - {{ longest_life() }} then 'date_beyond_life'
    end
{%- endmacro %}

{#
Days that systems write where nobody knows the day: the first and last days of SQL Server, of spreadsheets, of
OMOP and of others. 1 January 1900 is day 1 of a spreadsheet.
#}
{% macro _marks() -%}
    (
        '1753-01-01', '1800-01-01', '1899-12-30', '1899-12-31', '1900-01-01', '2099-12-31', '2999-12-31',
        '9999-12-31'
    )
{%- endmacro %}

{#
Why every time that a text can mean is impossible; null when one of them is possible. A treatment may end
after today; nothing else may happen after today.
#}
{% macro impossible_time(times, column) -%}
    case
        when len({{ times }}) > 0
            and len(list_filter({{ times }}, lambda t : {{ _why_impossible('t.at', column) }} is null)) = 0
            then {{ _why_impossible(times ~ '[1].at', column) }}
    end
{%- endmacro %}

{% macro _why_impossible(at, column) -%}
    case
        when {{ at }}::date::varchar in {{ _marks() }} then 'date_is_a_mark'
        {%- if column == 'stop_date' %}
        when year({{ at }}) > year({{ today() }})
            and {{ impossible_year('year(' ~ at ~ ')') }} = 'date_after_today'
            then null
        {%- else %}
        when year({{ at }}) <= year({{ today() }}) and {{ at }} >= {{ today() }} + interval 1 day
            then 'date_after_today'
        {%- endif %}
        else {{ impossible_year('year(' ~ at ~ ')') }}
    end
{%- endmacro %}

{#
The first day from which on no date of a row lies after today any more: the build then reads the row anew.
#}
{% macro not_before(dates) -%}
    least(
        {%- for c in dates %}
        case when {{ c }}_read.impossible = 'date_after_today' then {{ c }}_read.all_times[1].at::date end,
        {%- endfor %} null::date)
{%- endmacro %}

{#
Times in which a spreadsheet has exchanged day and month, with both put back. A day above 12 cannot have been
a month.
#}
{% macro exchanged(times) -%}
    list_transform({{ times }}, lambda t : case
        when t.precision = 'day' and day(t.at) <= 12
            then {'at': make_date(year(t.at), day(t.at), month(t.at)) + (t.at - date_trunc('day', t.at)),
                  'precision': t.precision}
        else t
    end)
{%- endmacro %}

{# A date as text, as exactly as it is known: `2021-03`. #}
{% macro iso(times) -%}
    case when len({{ times }}) = 1 then
        left(
            {{ times }}[1].at::date::varchar,
            case {{ times }}[1].precision when 'day' then 10 when 'month' then 7 else 4 end
        ) end
{%- endmacro %}

{#
Whether one date lies before another. Both are texts such as 2021-03, compared as far as the less exact one is
known.
#}
{% macro is_before(one, other) -%}
    {%- set length = "least(length(" ~ one ~ "), length(" ~ other ~ "))" -%}
    coalesce(left({{ one }}, {{ length }}) < left({{ other }}, {{ length }}), false)
{%- endmacro %}

{# The staged visits of known patients that do not lie before the birth. #}
{% macro visits_in_life() -%}
    select v.* from {{ ref('stg_visits') }} as v
    join ({{ known_patients() }}) as p using (sender_id, patient_key)
    where not v.is_rejected and not {{ is_before('v.visit_date_iso', 'p.birth_iso') }}
{%- endmacro %}

{#
A span of time in `unit` (years or months). The text is a number, or numbers with units such as `7y 3m`, `18
months`, `7岁3个月`, in the words that people write in the languages of the catalogue.
#}
{% macro span(text, unit, decimal_mark) -%}
    {%- set n = '([+-]?\\d+(?:[.,]\\d+)?)' -%}
    {%- set years = 'years?|yrs?|yo|y|jahren?|jahre?|j|an(?:s|nees?|née|nées)?|a(?:ñ|n)os?|a|ann[io]|jaar'
        ~ '|jr|lata?|rok[ui]?|y[ıi]l|ya[şs]|岁|歲|年|歳|才|세|년' -%}
    {%- set months = 'months?|mos?|mths?|mon|m|monat(?:en|e)?|mois|mes(?:es|i|e)?|m[eê]s|maand(?:en)?|mnd'
        ~ '|miesi[aą]c(?:e|y)?|miesi[eę]cy|mies|ay|个月|個月|ヶ月|か月|カ月|ヵ月|月|개월|달' -%}
    {%- set weeks = 'weeks?|wks?|w|wochen?|semaines?|sem|semanas?|settiman[ae]|we(?:ek|ken)|tygodni(?:e|a)?'
        ~ '|tydzie[nń]|hafta|周|週間?|주' -%}
    {%- set days = 'days?|d|tag(?:en|e)?|jours?|d[ií]as?|giorn[oi]|dag(?:en)?|dni|dzie[nń]|g[uü]n|天|日|일' -%}
    {%- set between = '\\.?[\\s,]*(?:and|und|et|e|en|i)?\\s*' -%}
    {%- set shape = '^(?:' ~ n ~ '\\s*(?:' ~ years ~ ')' ~ between ~ ')?'
        ~ '(?:' ~ n ~ '\\s*(?:' ~ months ~ ')' ~ between ~ ')?'
        ~ '(?:' ~ n ~ '\\s*(?:' ~ weeks ~ ')' ~ between ~ ')?'
        ~ '(?:' ~ n ~ '\\s*(?:' ~ days ~ ')\\.?\\s*)?(?:old)?$' -%}
    {%- set bare = "trim(regexp_replace(lower(" ~ half_width(text) ~ "), '^(?:"
        ~ (_comparators() | trim) ~ ")', ''))" -%}
    {%- set sizes = {
        'years': ['1', '1 / 12', '7 / 365.25', '1 / 365.25'],
        'months': ['12', '1', '7 / 30.4375', '1 / 30.4375'],
    }[unit] -%}
    {%- call let('a_span', bare) -%}
    coalesce(
        {{ number('a_span', decimal_mark) }},
        case when a_span <> '' and regexp_full_match(a_span, '{{ shape }}') then
            {%- for size in sizes %}
            {%- set part = "regexp_extract(a_span, '" ~ shape ~ "', " ~ loop.index ~ ")" %}
            {{ " + " if not loop.first }}case {{ part }}
                when '' then 0
                else {{ number(part, decimal_mark) }} * {{ size }}
            end
            {%- endfor %} end)
    {%- endcall -%}
{%- endmacro %}
