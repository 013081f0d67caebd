{#
A fault is one thing in one record that could not be understood: {rule, column_name, found}. The rules are
rows of seeds/rejection_rules.csv, with what was expected and what to do. `faults` is null for a record
without a fault. A record that a correction sets aside has that one fault only.
#}
{% macro faults(candidates) -%}
    case when {{ is_set_aside() }} then
        [{'rule': case correction_action
              when 'drop' then 'dropped_by_correction'
              else 'rejected_by_correction'
          end,
          'column_name': 'correction', 'found': correction_id}]
    when {% for c in candidates %}{{ c.when }}{{ " or " if not loop.last }}{% endfor %} then
        list_filter([
            {%- for c in candidates %}
            case
                when {{ c.when }}
                    then {'rule': {{ c.rule_of or "'" ~ c.rule ~ "'" }}, 'column_name': '{{ c.column }}',
                          'found': {{ c.found }}::varchar}
            end
            {{- "," if not loop.last }}
            {%- endfor %}
        ], lambda f : f is not null)
    end
{%- endmacro %}

{#
What puts a fault right, where the text says more than the rule does: letters that stand for digits, or a date
that other formats read. Only formats that read this text are named.
#}
{% macro remedy_of(rule, found, usual) -%}
    {%- set formats = [
        '%Y-%m-%d', '%Y/%m/%d', '%Y.%m.%d', '%Y%m%d', '%d.%m.%Y', '%d/%m/%Y', '%d-%m-%Y', '%m/%d/%Y',
        '%m-%d-%Y', '%d %b %Y', '%d-%b-%Y', '%b %d, %Y', '%d %B %Y', '%B %d, %Y', '%Y年%m月%d日',
        '%Y-%m-%d %H:%M', '%Y-%m-%d %H:%M:%S', '%d.%m.%Y %H:%M', '%d.%m.%Y %H:%M:%S', '%d/%m/%Y %H:%M',
        '%d/%m/%Y %H:%M:%S', '%m/%d/%Y %H:%M', '%Y-%m', '%Y',
    ] -%}
    case
        when {{ rule }} = 'not_a_number' and {{ has_letters_for_digits(found) }}
            then {{ usual }} || '; a letter O, I or l stands among its digits, where a 0 or a 1 may be meant'
        when {{ rule }} = 'date_unreadable' then coalesce(
            'declare ' || nullif(array_to_string(list_filter([
                {%- for format in formats %}
                case
                    when year(try_strptime(trim({{ found }}), '{{ format }}')) between 1900 and 2100
                        then '{{ format }}'
                end
                {{- "," if not loop.last }}
                {%- endfor %}
            ], lambda f : f is not null), ' or '), '')
                || ', which reads it, under dates of the column when the column writes days so; else '
                || {{ usual }},
            {{ usual }}
        )
        else {{ usual }}
    end
{%- endmacro %}

{# The faults of one date column whose possible times are in `times`. #}
{% macro date_faults(column, times) -%}
    {{ return([
        {'when': '(' ~ column ~ ' is not null and not ' ~ column ~ '_is_missing'
                 ~ ' and len(' ~ times ~ ') = 0 and ' ~ column ~ '_impossible is null)',
         'rule': 'date_unreadable', 'column': column, 'found': column},
        {'when': '(' ~ column ~ '_impossible is not null)',
         'rule_of': column ~ '_impossible', 'column': column, 'found': column},
        {'when': '(' ~ column ~ ' is not null and not ' ~ column ~ '_is_missing and len(' ~ times ~ ') > 1)',
         'rule': 'date_ambiguous', 'column': column, 'found': column},
        {'when': column ~ '_is_by_order', 'rule': 'date_read_by_order', 'column': column, 'found': column},
    ]) }}
{%- endmacro %}

{% macro offset_faults(column) -%}
    {{ return([
        {'when': '(' ~ column ~ ' is not null and not ' ~ column ~ '_is_missing'
                 ~ ' and ' ~ column ~ '_days is null)',
         'rule': 'offset_unreadable', 'column': column, 'found': column},
    ]) }}
{%- endmacro %}

{# The time of a staged date that has exactly one reading and is known to the day; else null. #}
{% macro the_time(times) -%}
    case when len({{ times }}) = 1 and {{ times }}[1].precision = 'day' then {{ times }}[1].at end
{%- endmacro %}

{#
A date as far as it is known, in three columns: the day if it is known to the day, the precision, and ISO 8601
to that precision (2021-03-14, 2021-03, 2021).
#}
{% macro known_date(times, name) -%}
    {{ the_time(times) }}::date as {{ name }},
    {{ known_to(times, name) }}
{%- endmacro %}

{% macro known_to(times, name) -%}
    case when len({{ times }}) = 1 then {{ times }}[1].precision end as {{ name }}_precision,
    case when len({{ times }}) = 1 then
        left(
            {{ times }}[1].at::date::varchar,
            case {{ times }}[1].precision when 'day' then 10 when 'month' then 7 else 4 end
        ) end as {{ name }}_iso
{%- endmacro %}

{#
Whether a record is rejected for its faults. Three rules are only notes and reject nothing: they say how a
date was read, or that a text beside the result was not understood.
#}
{% macro reject(faults) -%}
    {%- set notes = "('date_read_by_order', 'cut_off_unreadable', 'limit_unreadable')" -%}
    case
        when {{ faults }} is null then false
        else len(list_filter({{ faults }}, lambda f : f.rule not in {{ notes }})) > 0
    end
{%- endmacro %}

{# Whether there is one of the named faults; a name is a rule and its column: `date_missing:visit_date`. #}
{% macro has_fault_in(faults, named) -%}
    list_has_any(
        list_transform(coalesce({{ faults }}, []), lambda f : f.rule || ':' || f.column_name),
        ['{{ named | join("', '") }}']
    )
{%- endmacro %}

{# Every fault that leaves a record without its date. #}
{% macro without_date(column) -%}
    {%- set named = [] -%}
    {%- for rule in [
        'date_unreadable', 'date_ambiguous', 'date_is_a_mark', 'date_of_another_calendar', 'date_after_today',
        'date_beyond_life',
    ] -%}
    {%- do named.append(rule ~ ':' ~ column) -%}
    {%- endfor -%}
    {{ return(named) }}
{%- endmacro %}

{#
A date can have two readings, day first and month first. Such a date is read only by evidence, which is the
patient's other dates in the same column of the same table: they must be two or more, they must never descend,
and exactly one reading must stand in order between them.
#}
{% macro has_two_orders(column) -%}
    {%- set sql = "select field from " ~ source('raw', 'registry_date_format')
        ~ " where has_two_orders and field = '" ~ column ~ "' limit 1" -%}
    {{- return(_first_column(sql) | length > 0) -}}
{%- endmacro %}

{# Whether a mapping names a column for a field. #}
{% macro is_mapped(entity, field) -%}
    {%- set sql = "select field from " ~ source('raw', 'registry_column')
        ~ " where entity = '" ~ entity ~ "' and field = '" ~ field ~ "' limit 1" -%}
    {{- return(_first_column(sql) | length > 0) -}}
{%- endmacro %}

{% macro staged(entity, dates=[], offsets=[], texts=[], word=none) -%}
{#- Every row of the loads to stage, after corrections, with each date's possible times, each offset in days,
    and whether each text is a missing mark. The meaning of a text is worked out once per export and distinct
    text: ten million results hold only a few thousand distinct texts. -#}
{#- dbt parses models without running queries; this `ref` makes each staging model depend on month_names -#}
{%- set month_names = ref('month_names') -%}
{%- set doubtful = [] -%}
{%- for c in dates if has_two_orders(c) -%}{%- do doubtful.append(c) -%}{%- endfor -%}
{%- set has_cells = _first_column("select distinct field from " ~ source('raw', 'date_cells')) -%}
{%- set has_exchanged = _first_column("select distinct field from " ~ source('raw', 'exchanged_dates')) -%}
{%- set subject = "coalesce(patient_key, visit_key)"
    if entity in ('visits', 'observations', 'antibodies', 'events') else "patient_key" -%}
with raw_rows as not materialized (
    select r.* from {{ source('raw', entity) }} as r
    where r.load_id in ({{ loads_to_stage() }})
),

{{ corrected_rows(entity) }},

{% for c in dates + offsets + texts -%}
{%- set key = ['export_id', c] + ([word] if word and loop.last else []) -%}
{{ c }}_texts as (
    select r.*, {{ is_missing('r.' ~ c, c, entity, word if loop.last) }} as is_missing,
    from (
        select distinct {{ key | join(', ') }}
            {%- if c in dates and c in has_cells %},
            (load_id, export_id) in (
                select (load_id, export_id) from {{ source('raw', 'date_cells') }} where field = '{{ c }}'
            ) as is_cell
            {%- endif %}
        from corrected_rows where {{ c }} is not null
    ) as r
),

{{ c }}_read as (
    select
        r.*,
        {%- set filled = 'case when not r.is_missing then r.' ~ c ~ ' end' %}
        {%- if c in dates %}
        {{ possible_times(filled, c, 'r.is_cell' if c in has_cells else none) }} as all_times,
        {{ impossible_time('all_times', c) }} as impossible,
        case when impossible is null then all_times else [] end as times,
        {%- elif c in offsets %}
        {{ offset_days(filled, 'o_' ~ c ~ '.offset_unit', 'x.decimal_mark') }} as days,
        {%- endif %}
    from {{ c }}_texts as r
    {%- if c in dates %}
    left join {{ source('raw', 'registry_date_format') }} as f_{{ c }}
        on r.export_id = f_{{ c }}.export_id and f_{{ c }}.field = '{{ c }}'
    {%- elif c in offsets %}
    left join {{ source('raw', 'registry_export') }} as x on r.export_id = x.export_id
    left join {{ source('raw', 'registry_offset') }} as o_{{ c }}
        on r.export_id = o_{{ c }}.export_id and o_{{ c }}.field = '{{ c }}'
    {%- endif %}
),

{% endfor -%}
{{ 'parsed as (' if doubtful else 'typed as not materialized (' }}
    select
        r.*,
        x.decimal_mark,
        {%- for c in dates + offsets + texts %}
        coalesce({{ c }}_read.is_missing, true) as {{ c }}_is_missing,
        {%- endfor %}
        {%- for c in dates %}
        {{ c }}_read.impossible as {{ c }}_impossible,
        {%- if c in has_exchanged %}
        coalesce(regexp_full_match(r.{{ c }}, ex_{{ c }}.texts_like), false)
            and {{ exchanged(c ~ '_read.times') }} <> {{ c }}_read.times as {{ c }}_is_by_order,
        case
            when {{ c }}_is_by_order then {{ exchanged(c ~ '_read.times') }}
            else {{ c }}_read.times
        end as {{ c }}_times,
        {%- else %}
        {{ c }}_read.times as {{ c }}_times,
        false as {{ c }}_is_by_order,
        {%- endif %}
        {%- endfor %}
        {{ not_before(dates) }} as not_before,
        {%- for c in offsets %}
        {{ c }}_read.days as {{ c }}_days,
        {%- endfor %}
    from corrected_rows as r
    left join {{ source('raw', 'registry_export') }} as x on x.export_id = r.export_id
    {%- for c in dates if c in has_cells %}
    left join {{ source('raw', 'date_cells') }} as cells_{{ c }}
        on cells_{{ c }}.load_id = r.load_id and cells_{{ c }}.export_id = r.export_id
        and cells_{{ c }}.field = '{{ c }}'
    {%- endfor %}
    {%- for c in dates if c in has_exchanged %}
    left join {{ source('raw', 'exchanged_dates') }} as ex_{{ c }}
        on ex_{{ c }}.load_id = r.load_id and ex_{{ c }}.export_id = r.export_id
        and ex_{{ c }}.field = '{{ c }}'
        and ex_{{ c }}.source_file = r.source_file
        and ex_{{ c }}.source_sheet is not distinct from r.source_sheet
    {%- endfor %}
    {%- for c in dates + offsets + texts %}
    left join {{ c }}_read on {{ c }}_read.export_id = r.export_id and {{ c }}_read.{{ c }} = r.{{ c }}
        {%- if word and loop.last %} and {{ c }}_read.{{ word }} is not distinct from r.{{ word }}{% endif %}
        {%- if c in dates and c in has_cells %}
        and {{ c }}_read.is_cell = (cells_{{ c }}.load_id is not null)
        {%- endif %}
    {%- endfor %}
)
{%- if doubtful %},
{% for c in doubtful %}
rows_of_{{ c }} as (
    select distinct
        load_id, export_id, source_file, coalesce(source_sheet, '') as sheet, source_row,
        {{ subject }} as subject, {{ c }}_times as times,
        case when len({{ c }}_times) = 1 then {{ c }}_times[1].at end as settled,
    from parsed
    where len({{ c }}_times) > 0
        and {{ subject }} in (select {{ subject }} from parsed where len({{ c }}_times) > 1)
),

order_of_{{ c }} as (
    select *,
        max(settled) over before as earlier,
        min(settled) over after as later,
        count(distinct settled) over whole as n_settled,
    from rows_of_{{ c }}
    window
        whole as (partition by load_id, export_id, source_file, sheet, subject),
        before as (
            partition by load_id, export_id, source_file, sheet, subject
            order by source_row range between unbounded preceding and 1 preceding
        ),
        after as (
            partition by load_id, export_id, source_file, sheet, subject
            order by source_row range between 1 following and unbounded following
        )
),

read_{{ c }} as (
    select
        load_id, export_id, source_file, sheet, source_row, subject,
        list_filter(
            times,
            lambda t : (earlier is null or t.at >= earlier) and (later is null or t.at <= later)
        ) as readings
    from (
        select
            *,
            bool_and(settled is null or earlier is null or settled >= earlier) over (
                partition by load_id, export_id, source_file, sheet, subject
            ) as never_descends
        from order_of_{{ c }}
    )
    where len(times) > 1 and never_descends and n_settled > 1
),
{% endfor %}
typed as (
    select
        p.* exclude (
            {%- for c in doubtful %}
            {{ c }}_times, {{ c }}_is_by_order{{ ", " if not loop.last }}
            {%- endfor %}
        ),
        {%- for c in doubtful %}
        case
            when len(d_{{ c }}.readings) = 1 then d_{{ c }}.readings
            else p.{{ c }}_times
        end as {{ c }}_times,
        p.{{ c }}_is_by_order or coalesce(len(d_{{ c }}.readings) = 1, false) as {{ c }}_is_by_order,
        {%- endfor %}
    from parsed as p
    {%- for c in doubtful %}
    left join read_{{ c }} as d_{{ c }}
        on d_{{ c }}.load_id = p.load_id and d_{{ c }}.export_id = p.export_id
        and d_{{ c }}.source_file = p.source_file
        and d_{{ c }}.sheet = coalesce(p.source_sheet, '') and d_{{ c }}.source_row = p.source_row
        and d_{{ c }}.subject = {{ subject
            | replace('patient_key', 'p.patient_key')
            | replace('visit_key', 'p.visit_key') }}
    {%- endfor %}
)
{%- endif %}
{%- endmacro %}

{% macro provenance(alias) -%}
    {%- for c in [
        'sender_id', 'hospital_id', 'delivery_id', 'load_id', 'export_id', 'source_file', 'source_sheet',
        'source_row',
    ] -%}
    {{ alias }}.{{ c }}{{ ", " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
