{#
From text to numbers and dates. A text that cannot be understood gives null here and a fault in the model;
nothing is guessed.
#}

{#
Gives an expression a name, so that DuckDB works it out once. If the text of the expression were repeated,
DuckDB would compile its regular expressions again for each copy; that took seconds before the first row was
read.
#}
{% macro let(name, expression) -%}
    list_transform([{{ expression }}], lambda {{ name }} : {{ caller() }})[1]
{%- endmacro %}

{#
Full-width characters (U+FF01 to U+FF5E, U+3000) as ASCII, without outer blanks. A text with as many bytes as
characters has no full-width character.
#}
{% macro half_width(text) -%}
    {%- set wide = '！＂＃＄％＆＇（）＊＋，－．／０１２３４５６７８９：；＜＝＞？＠'
        ~ 'ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ［＼］＾＿｀'
        ~ 'ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ｛｜｝～　' -%}
    {%- set narrow = '!"#$%&\'\'()*+,-./0123456789:;<=>?@'
        ~ 'ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`'
        ~ 'abcdefghijklmnopqrstuvwxyz{|}~ ' -%}
    trim(case
        when strlen({{ text }}) = length({{ text }}) then {{ text }}
        else translate({{ text }}, '{{ wide }}', '{{ narrow }}')
    end)
{%- endmacro %}

{#
Small letters, half width, katakana full width, one letter for a letter with its marks: the form under which
words are looked up (seeds/README.md; `catalogue.folded` in Python). ü is u, ß is ss, and both of the Turkish
i are i; the sound marks of katakana and the parts of a Hangul syllable stay, because they tell words apart.
#}
{% macro folded(text) -%}
    {%- set half = '｡｢｣､･ｦｧｨｩｪｫｬｭｮｯｰｱｲｳｴｵｶｷｸｹｺｻｼｽｾｿﾀﾁﾂﾃﾄﾅﾆﾇﾈﾉﾊﾋﾌﾍﾎﾏﾐﾑﾒﾓﾔﾕﾖﾗﾘﾙﾚﾛﾜﾝﾞﾟ' -%}
    {%- set full = '。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン゙゚' -%}
    {%- set marked = 'áàâäãåāăąćčçďéèêëēėęěğíìîïīılłńňñóòôöõøōőřśšşșťţúùûüūůűýÿźżž' -%}
    {%- set plain = 'aaaaaaaaacccdeeeeeeeegiiiiiillnnnoooooooorssssttuuuuuuuyyzzz' -%}
    case
        when strlen({{ text }}) = length({{ text }}) then lower(trim({{ text }}))
        else replace(replace(replace(
            translate(
                lower(nfc_normalize(translate({{ half_width(text) }}, '{{ half }}', '{{ full }}'))),
                '{{ marked }}', '{{ plain }}'),
            'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe')
    end
{%- endmacro %}

{# The form under which names are looked up: see seeds/README.md. #}
{% macro normalised_name(text) -%}
    {%- set greek = {
        'α': 'alpha', 'β': 'beta', 'γ': 'gamma', 'δ': 'delta', 'ε': 'epsilon', 'ζ': 'zeta', 'η': 'eta',
        'θ': 'theta', 'ι': 'iota', 'κ': 'kappa', 'λ': 'lambda', 'μ': 'mu', 'ν': 'nu', 'ξ': 'xi',
        'ο': 'omicron', 'π': 'pi', 'ρ': 'rho', 'σ': 'sigma', 'τ': 'tau', 'υ': 'upsilon', 'φ': 'phi',
        'χ': 'chi', 'ψ': 'psi', 'ω': 'omega', 'ς': 'sigma', 'µ': 'mu',
    } -%}
    regexp_replace(
        {{ "replace(" * (greek | length) }}{{ folded(text) }}
        {%- for letter, name in greek.items() %}, '{{ letter }}', '{{ name }}'){% endfor %},
        '[^\p{L}\p{N}+%#]', '', 'g')
{%- endmacro %}

{%- macro _comparators() -%} <=|>=|=<|=>|<|>|≤|≥|≦|≧ {%- endmacro -%}

{# `<`, `<=`, `>` or `>=` at the head of a result, else null. #}
{% macro comparator(text) -%}
    case regexp_extract({{ half_width(text) }}, '^({{ _comparators() | trim }})', 1)
        when '<' then '<' when '>' then '>'
        when '<=' then '<=' when '=<' then '<=' when '≤' then '<=' when '≦' then '<='
        when '>=' then '>=' when '=>' then '>=' when '≥' then '>=' when '≧' then '>=' end
{%- endmacro %}

{#
The number of a result. It may stand after a comparator or an arrow, and before a flag such as H, ↑, * or
/Pos. `decimal_mark` is the mark that the mapping states, or null. If it is null, a point is a decimal mark,
and marks for thousands are read only where they can be nothing else (1,234,567 or 1,234.5, never 1,234).
Blanks and apostrophes between groups of three digits stand for thousands.
#}
{% macro number(text, decimal_mark="null") -%}
    {%- call let('a_text', text) -%}
    case
        when regexp_full_match(a_text, '[+-]?\d+') then try_cast(a_text as double)
        when {{ decimal_mark }} is distinct from ',' and regexp_full_match(a_text, '[+-]?\d+\.\d+')
            then try_cast(a_text as double)
        else
            {% call let('bare', _bare_number('a_text')) -%}
            {{ _marked_number('bare', decimal_mark) }}
            {%- endcall %}
    end
    {%- endcall -%}
{%- endmacro %}

{# Digits and marks as a number, or null where they do not fit the decimal mark. #}
{% macro _marked_number(bare, decimal_mark) -%}
    try_cast(case
        when regexp_full_match({{ bare }}, '[+-]?(\d+|\d+\.\d*|\.\d+)([eE][+-]?\d+)?')
            and ({{ decimal_mark }} is distinct from ',' or not contains({{ bare }}, '.'))
            then {{ bare }}
        when {{ decimal_mark }} = ','
            and regexp_full_match({{ bare }}, '[+-]?(\d*|\d{1,3}(\.\d{3})+)(,\d+)?([eE][+-]?\d+)?')
            then replace(replace({{ bare }}, '.', ''), ',', '.')
        when {{ decimal_mark }} = '.' and regexp_full_match({{ bare }}, '[+-]?\d{1,3}(,\d{3})+(\.\d+)?')
            then replace({{ bare }}, ',', '')
        when {{ decimal_mark }} is null
            and regexp_full_match({{ bare }}, '[+-]?\d{1,3}((,\d{3}){2,}(\.\d+)?|(,\d{3})+\.\d+)')
            then replace({{ bare }}, ',', '')
        when {{ decimal_mark }} is null
            and regexp_full_match({{ bare }}, '[+-]?\d{1,3}((\.\d{3}){2,}(,\d+)?|(\.\d{3})+,\d+)')
            then replace(replace({{ bare }}, '.', ''), ',', '.')
    end as double)
{%- endmacro %}

{% macro _bare_number(text) -%}
    {%- set digits = "[+-]?(?:\\d{1,3}(?:[ ''’\\x{a0}\\x{2009}\\x{202f}]\\d{3})+(?:[.,]\\d+)?"
        ~ "|\\d[\\d.,]*|[.,]\\d+)(?:[eE][+-]?\\d+)?" -%}
    {#- a small l that touches the number may be the digit 1 -#}
    {%- set word = "[HL]{1,2}|h{1,2}|[↑↓▲▼*!]{1,3}|偏?[高低]" -%}
    {%- set flag = "(?:\\s*(?:" ~ word ~ ")|\\s+l{1,2}|\\s*[(\\[]\\s*(?:" ~ word ~ "|l{1,2})\\s*[)\\]]"
        ~ "|\\s*/\\s*(?:[Pp]os|[Nn]eg)[a-z]*)?\\s*" -%}
    regexp_replace(nullif(regexp_extract(
        replace({{ half_width(text) }}, '−', '-'),
        '^(?:[↑↓▲▼]{1,3}|{{ _comparators() | trim }})?[\s\x{a0}\x{2009}\x{202f}]*({{ digits }}){{ flag }}$',
        1), ''), '[ ''’\x{a0}\x{2009}\x{202f}]', '', 'g')
{%- endmacro %}

{#
A unit that stands behind the number in the same cell, as in `5.2 g/L` or `45%`; null when the text is a
number by itself. Letters O and l that touch the number (`1OO`) stand where digits should, and are no unit; a
single l is a litre.
#}
{% macro unit_behind_number(text) -%}
    case
        when not {{ has_letters_for_digits(text) }}
            then nullif(
                trim(regexp_extract(
                    {{ half_width(text) }},
                    '^[^\p{L}%‰°×/]*?\d(\s+10[*^]\d\S*|\s*[\p{L}%‰°×/]\S*)$',
                    1
                )),
                ''
            )
    end
{%- endmacro %}

{% macro without_unit(text) -%}
    case
        when not {{ has_letters_for_digits(text) }}
            then regexp_extract(
                {{ half_width(text) }},
                '^([^\p{L}%‰°×/]*?\d)(?:\s+10[*^]\d\S*|\s*[\p{L}%‰°×/]\S*)$',
                1
            )
    end
{%- endmacro %}

{% macro has_letters_for_digits(text) -%}
    regexp_full_match({{ half_width(text) }}, '[^\p{L}]*\d(?:[OoIl][OoIl\d.,]+|[OoI])')
{%- endmacro %}

{# A number with one mark and three digits behind it: 1234 in one country, 1.234 in another. #}
{% macro has_undecided_mark(text) -%}
    regexp_full_match(
        {{ half_width(text) }},
        '(?:{{ _comparators() | trim }})?[\s\x{a0}\x{2009}\x{202f}]*[+-]?\d{1,3},\d{3}\D*'
    )
{%- endmacro %}

{#
More or less than one number: a range (5-10), a ratio (30:2), a series (1 2 3), a time, a date, a period, a
value of a kind that nobody reads (Attachment {…}).
#}
{% macro is_not_one_value(text) -%}
    regexp_full_match(
        {{ half_width(text) }},
        '[+-]?\d[\d.,]*(?:\s*[^\s\d:/~–—-]+)?\s*(?:--?|–|—|~|\.\.|to|bis|至|[:/∶])\s*[+-]?\d.*'
        || '|[A-Z][A-Za-z]+ \{.*\}'
        || '|(?:[+-]?\d[\d.,]*|[EUL])(?:\s+(?:[+-]?\d[\d.,]*|[EUL])){2,}'
    )
{%- endmacro %}

{# The denominator of a titre: `1:320`, `<1:80`, `1/320`, `阳性(1:320)`. #}
{% macro titre(text) -%}
    {%- set alone = "regexp_replace(" ~ half_width(text)
        ~ ", '^(?:[弱强]?阳性?|(?i:pos(?:itive)?)|\\+{1,4})\\s*\\(\\s*(1\\s*[:∶]\\s*\\d+)\\s*\\)$', '\\1')" -%}
    try_cast(
        regexp_extract(
            {{ alone }},
            '^(?:{{ _comparators() | trim }})?[\s\x{a0}\x{2009}\x{202f}]*1\s*[:/∶]\s*(\d+)$',
            1
        ) as double
    )
{%- endmacro %}

{#
The part of a result that is a grade: small letters, half width, without a number or titre in brackets behind
it, as in `阳性(1:320)`.
#}
{% macro graded_text(text) -%}
    regexp_replace({{ folded(text) }}, '\s*\(\s*(?:1\s*[:∶]\s*)?\d+(?:[.,]\d+)?\s*\)$', '')
{%- endmacro %}

{#
First column of a query on a small table, run at compile time. The table must be one that no model writes:
each query runs once in a run of dbt, and `graph`, which lives as long as the run, keeps its answer. A query
takes dbt 3 ms, and the day of the build alone is asked for 200 times.
#}
{% macro _first_column(sql) -%}
    {%- if not execute -%}{{- return([]) -}}{%- endif -%}
    {%- set answers = graph.setdefault('first_columns', {}) -%}
    {%- if sql not in answers -%}
        {%- do answers.update({sql: run_query(sql).columns[0].values() | list}) -%}
    {%- endif -%}
    {{- return(answers[sql]) -}}
{%- endmacro %}

{#
The times that a text can mean under the formats declared for its column, each with its precision (day, month
or year). No time: the text is unreadable; two times: it is ambiguous. The time of a partial date is the first
moment of what is known, and nothing computes with it. `is_cell` says that the column holds date cells: the
text of such a cell is ISO whatever formats are declared for texts.
#}
{% macro possible_times(text, column, is_cell=none) -%}
    {%- set table = source('raw', 'registry_date_format') -%}
    {%- set sql = "select distinct unnest(formats) as f from " ~ table
        ~ " where field = '" ~ column ~ "' order by f" -%}
    {%- set formats = _first_column(sql) or ['%Y-%m-%d'] -%}
    {%- set named = [] -%}
    {%- for format in formats if '%b' in format or '%B' in format -%}
        {%- do named.append(format) -%}
    {%- endfor -%}
    {%- call let('a_date', text) -%}
    {%- if is_cell %}
    case
        when {{ is_cell }} and {{ _time_of_cell('a_date') }} is not null
            then [{'at': {{ _time_of_cell('a_date') }}, 'precision': 'day'}]
        else
    {% endif -%}
    {%- if named -%}
    {%- call let('a_named_date', in_english('a_date')) -%}
    {{ _times_in(formats, named, column) }}
    {%- endcall -%}
    {%- else -%}
    {{ _times_in(formats, named, column) }}
    {%- endif -%}
    {%- if is_cell %} end{% endif -%}
    {%- endcall -%}
{%- endmacro %}

{# `a_date` under each format; under a format that names the month, `a_named_date`, which is in English. #}
{% macro _times_in(formats, named, column) -%}
    list_distinct(list_filter([
        {%- for format in formats %}
        case
            when list_contains(
                f_{{ column }}.formats, {{ dbt.string_literal(dbt.escape_single_quotes(format)) }})
                then {{ _time_in(
                    'a_named_date' if format in named else 'a_date',
                    format, 'f_' ~ column ~ '.two_digit_year_pivot') }}
        end
        {{- "," if not loop.last }}
        {%- endfor %}
    ], lambda t : t.at is not null))
{%- endmacro %}

{#
The time of a date cell. Its text was written when its workbook was read (`orchestration/exports/cells.py`).
#}
{% macro _time_of_cell(text) -%}
    case
        when regexp_full_match({{ text }}, '\d{4}-\d\d-\d\d(?:[ T]\d\d:.*)?')
            then try_cast({{ text }} as timestamp)
    end
{%- endmacro %}

{#
A text with the name of its month (seed month_names) in short English: `4. März 2021` becomes `4. Mar 2021`. A
text without such a name stays as it is.
#}
{% macro in_english(text) -%}
    {%- set names = run_query("select month_name, month from " ~ ref('month_names') ~ " order by all").rows
        if execute else [] -%}
    {%- set english = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] -%}
    {%- set map -%} map {
        {%- for name, month in names %}'{{ name }}': '{{ english[month | int - 1] }}'
            {{- ", " if not loop.last }}{% endfor -%} }
    {%- endset -%}
    {%- if not names -%}{{ text }}
    {%- else -%}
    {%- call let('the_months', map) -%}
    {%- set word = "list_filter(regexp_extract_all(" ~ text ~ ", '\\d{1,2}[月월]|[\\p{L}\\p{M}]+'),"
        ~ " lambda w : map_contains(the_months, " ~ _month_key('w') ~ "))[1]" -%}
    {%- call let('a_word', word) -%}
    case
        when a_word is null then {{ text }}
        else replace({{ text }}, a_word, the_months[{{ _month_key('a_word') }}])
    end
    {%- endcall -%}
    {%- endcall -%}
    {%- endif -%}
{%- endmacro %}

{# The form in which names of months are compared: small letters without accents. #}
{% macro _month_key(word) -%} replace(strip_accents(lower({{ word }})), 'ı', 'i') {%- endmacro %}

{% macro _time_in(text, format, pivot) -%}
    {%- if format == 'japanese_era' -%}
        {{ _time_in_era(text) }}
    {%- elif format in ('excel', 'excel_1904') -%}
        {'at': {{ _time_of_serial("try_cast(replace(" ~ text ~ ", ',', '.') as double)", format) }},
         'precision': 'day'}
    {%- else -%}
        {%- set precision = 'day' if '%d' in format or '%-d' in format or '%j' in format
            else 'month' if '%m' in format or '%-m' in format or '%b' in format or '%B' in format
            else 'year' -%}
        {#- a time of day is the hospital's own; with its distance from UTC, the day could become the next -#}
        {%- set zoned = "regexp_replace(" ~ half_width(text) ~ ", '\\s*(Z|[+-]\\d\\d(:?\\d\\d)?)$', '')"
            if '%z' in format else half_width(text) -%}
        {#- %f holds microseconds; SQL Server writes a seventh decimal -#}
        {%- set read = "regexp_replace(" ~ zoned ~ ", '([.,]\\d{6})\\d+', '\\1')"
            if '%f' in format else zoned -%}
        {%- set plain = dbt.escape_single_quotes(format | replace('%z', '') | replace('%B', '%b') | trim) -%}
        {#- an abbreviated name may end with a full stop: `sept.` -#}
        {%- set plain = "['" ~ plain ~ "', '" ~ (plain | replace('%b', '%b.')) ~ "']" if '%b' in plain
            else "'" ~ plain ~ "'" -%}
        {%- set time = "try_strptime(" ~ read ~ ", " ~ plain ~ ")" -%}
        {%- call let('a_time', time) -%}
        {%- if '%y' in format or '%-y' in format -%}
        {'at': a_time + to_years((
             case when year(a_time) % 100 <= {{ pivot }} then 2000 else 1900 end
             + year(a_time) % 100 - year(a_time))::integer),
         'precision': '{{ precision }}'}
        {%- else -%}
        {#- %Y reads 21 as the year 21 -#}
        {'at': case when year(a_time) >= 1000 then a_time end, 'precision': '{{ precision }}'}
        {%- endif -%}
        {%- endcall -%}
    {%- endif -%}
{%- endmacro %}

{#
Day 1 of Excel's 1900 system is 1 January 1900; the system counts a 29 February 1900 (60), which never was.
Day 0 of the 1904 system is 1 January 1904.
#}
{% macro _time_of_serial(serial, system) -%}
    case
        {%- if system == 'excel_1904' %}
        when {{ serial }} between 0 and 2957003
            then timestamp '1904-01-01' + to_seconds(round({{ serial }} * 86400))
        {%- else %}
        when {{ serial }} >= 1 and {{ serial }} < 60
            then timestamp '1899-12-31' + to_seconds(round({{ serial }} * 86400))
        when {{ serial }} >= 61 and {{ serial }} < 2958466
            then timestamp '1899-12-30' + to_seconds(round({{ serial }} * 86400))
        {%- endif %}
    end
{%- endmacro %}

{# `令和3年3月4日`, `R3.3.4`, `平成元年5月`: a date inside its era, to the day, month or year. #}
{% macro _time_in_era(text) -%}
    {%- set eras = [
        ('明治', 'M', '㍾', 1867, '1868-10-23', '1912-07-29'),
        ('大正', 'T', '㍽', 1911, '1912-07-30', '1926-12-24'),
        ('昭和', 'S', '㍼', 1925, '1926-12-25', '1989-01-07'),
        ('平成', 'H', '㍻', 1988, '1989-01-08', '2019-04-30'),
        ('令和', 'R', '㋿', 2018, '2019-05-01', '9999-12-31'),
    ] -%}
    list_filter([
        {%- for name, letter, sign, before, first, last in eras %}
        {%- set shape = '^(?:' ~ name ~ '|' ~ letter ~ '|' ~ letter | lower ~ '|' ~ sign ~ ')'
            ~ '\\s*(元|\\d{1,2})\\s*'
            ~ '(?:[年./-]\\s*(?:(\\d{1,2})\\s*(?:[月./-]\\s*(?:(\\d{1,2})日?)?)?)?)?$' -%}
        {%- set part = "regexp_extract(" ~ half_width(text) ~ ", '" ~ shape ~ "', " %}
        {'at': case when {{ part }}0) <> '' then try_cast(printf('%04d-%02d-%02d',
                {{ before }} + case {{ part }}1) when '元' then 1 else try_cast({{ part }}1) as integer) end,
                coalesce(try_cast({{ part }}2) as integer), 1),
                coalesce(try_cast({{ part }}3) as integer), 1)) as timestamp) end,
         'precision': case
             when {{ part }}3) <> '' then 'day'
             when {{ part }}2) <> '' then 'month'
             else 'year'
         end,
         'first': timestamp '{{ first }}', 'last': timestamp '{{ last }}'}
        {{- "," if not loop.last }}
        {%- endfor %}
    ], lambda e : e.at is not null and e.at <= e.last
        and case e.precision
            when 'day' then e.at
            when 'month' then e.at + interval 1 month - interval 1 day
            else e.at + interval 1 year - interval 1 day
        end >= e.first)[1]
{%- endmacro %}

{% macro offset_days(text, offset_unit, decimal_mark) -%}
    {{ number(text, decimal_mark) }} * case {{ offset_unit }}
        when 'minutes' then 1.0 / 1440 when 'hours' then 1.0 / 24 when 'days' then 1 when 'weeks' then 7
        when 'months' then {{ days_per_month() }} when 'years' then 12 * {{ days_per_month() }} end
{%- endmacro %}

{# A month is a twelfth of the Julian year of 365.25 days. #}
{% macro days_per_month() -%} 30.4375 {%- endmacro %}

{% macro days_per_year() -%} 365.25 {%- endmacro %}

{#
The number of birthdays passed, and the share of the year since the last one. It is 18 on the 18th birthday;
the days divided by 365.25 would fall short of 18.
#}
{% macro years_between(birth, day) -%}
    {%- set years = "date_sub('year', " ~ birth ~ ", " ~ day ~ ")" -%}
    ({{ years }} + date_diff('day', ({{ birth }} + to_years({{ years }}::int))::date, {{ day }})
        / date_diff(
            'day',
            ({{ birth }} + to_years({{ years }}::int))::date,
            ({{ birth }} + to_years({{ years }}::int + 1))::date))
{%- endmacro %}

{#
A text that means "not known", because the sender declares it for this column or this test, or the catalogue
declares it. `word` names the test. A mark can also be an answer (- is negative on a strip). Such a mark is
left to int_observations, the model that knows whether the test has numbers.
#}
{% macro is_missing(text, field, entity, word=none) -%}
    ({{ text }} is null or exists (
        select 1 from {{ source('raw', 'registry_missing_mark') }} as m
        where m.export_id = r.export_id and m.field = '{{ field }}'
            and {{ folded('m.mark') }} = {{ folded(text) }})
    {%- if word %}
    or exists (
        select 1 from {{ source('raw', 'registry_missing_result') }} as t
        where t.export_id = r.export_id and t.concept_source = r.{{ word }}
            and {{ folded('t.mark') }} = {{ folded(text) }})
    {%- endif %}
    or exists (
        select 1 from {{ ref('missing_marks') }} as c
        where c.entity in ('*', '{{ entity }}') and {{ folded('c.mark') }} = {{ folded(text) }}
        {%- if word and entity == 'observations' %}
            and not (
                c.entity = 'observations'
                and {{ folded('c.mark') }} in (
                    select {{ folded('grade_text') }} from {{ ref('antibody_grades') }}))
        {%- endif %}))
{%- endmacro %}

{#
An end of a reference range as sent, `upper` or `lower`, for a patient of this sex: 40-200, 40--200, 0~8,
(13-40), <5, ≤40, 0.51 - 2.85 µkat/L. A text is read whole or not at all. 男:50-310 女:40-200 gives each sex its
own limit. A text with ages (0-6岁 100-400) gives none, and neither does one with several ranges that nothing
tells apart. A comma that cannot stand for thousands is a decimal comma (0-7,6); in 0-1,200 the comma can be
either, so the limit is not known.
#}
{% macro reference_limit(text, sex="null", end="upper") -%}
    {%- set points = "regexp_replace(" ~ half_width(text)
        ~ ", '(\\d),(\\d{1,2}|\\d{4,})(\\D|$)', '\\1.\\2\\3', 'g')" -%}
    {%- set range = _reference_range(end) -%}
    {%- set label = "(?:" ~ _sex_label('female') ~ "|" ~ _sex_label('male') ~ ")" -%}
    {%- set before = label ~ "\\s*[:=]?\\s*" ~ range ~ _reference_unit() -%}
    {%- set behind = range ~ _reference_unit() ~ "\\s*\\(?\\s*" ~ label ~ "\\s*\\)?" -%}
    {%- call let('a_range', points) -%}
    try_cast(case
        when regexp_matches(a_range, '{{ _age_words() }}') then null
        when regexp_full_match(a_range, '[(\[]?\s*{{ range }}\s*[)\]]?{{ _reference_unit() }}')
            then regexp_extract(a_range, '^[(\[]?\s*{{ range }}', 1)
        {%- for own in ['female', 'male'] %}
        when {{ sex }} = '{{ own }}'
            and regexp_full_match(a_range, '{{ before }}(?:\s*[,;/|、]?\s*{{ before }})*')
            then {{ _only_one("(?:^|[^\\p{L}])" ~ _sex_label(own) ~ "\\s*[:=]?\\s*" ~ range) }}
        when {{ sex }} = '{{ own }}'
            and regexp_full_match(a_range, '{{ behind }}(?:\s*[,;/|、]?\s*{{ behind }})*')
            then {{ _only_one(range ~ _reference_unit() ~ "\\s*\\(?\\s*" ~ _sex_label(own)) }}
        {%- endfor %}
    end as double)
    {%- endcall -%}
{%- endmacro %}

{% macro upper_reference_limit(text, sex="null") -%} {{ reference_limit(text, sex) }} {%- endmacro %}

{% macro lower_reference_limit(text, sex="null") -%} {{ reference_limit(text, sex, "lower") }} {%- endmacro %}

{% macro _only_one(pattern) -%}
    case
        when len(regexp_extract_all(a_range, '{{ pattern }}')) = 1
            then regexp_extract(a_range, '{{ pattern }}', 1)
    end
{%- endmacro %}

{# The group is the end that is asked for. A range with an upper end alone has no lower one. #}
{% macro _reference_range(end="upper") -%}
    {%- set between = "\\s*(?:--?|–|—|~|至|to)\\s*" -%}
    {%- if end == "lower" -%} (?:(\d[\d.,]*){{ between }}|[<≤]=?\s*)\d[\d.,]*
    {%- else -%} (?:\d[\d.,]*{{ between }}|[<≤]=?\s*)(\d[\d.,]*)
    {%- endif -%}
{%- endmacro %}

{# A unit behind a range: µkat/L, ×10^9/L, mL/min/1.73m². #}
{% macro _reference_unit() -%}
    (?:\s*(?:[×xX*]?\s*10\s*[*^]?\s*\d{1,2}\s*/\s*[\p{L}]+|[\p{L}%‰]+(?:\s*/\s*[\p{L}\d.²^]+)*))?
{%- endmacro %}

{% macro _sex_label(sex) -%}
    {{- {
        'female': '(?:女性?|♀|[Ff]emales?|[Ww]om[ae]n|[Ww]eiblich|Frau(?:en)?|F)',
        'male': '(?:男性?|♂|[Mm]ales?|[Mm][ae]n|[Mm]ännlich|Männer|M)',
    }[sex] -}}
{%- endmacro %}

{% macro _age_words() -%}
    {{- '岁|月龄|个月|天龄|新生儿|婴|儿童|小儿|成人|老年'
        ~ '|(?i:\\b(?:y|yrs?|years?|months?|mths?|adults?|child(?:ren)?|infants?|newborns?|jahre?|kinder'
        ~ '|erwachsene)\\b)|\\d(?i:yrs?|y)\\b' -}}
{%- endmacro %}

{# The number of a result in the canonical unit, or the limit that its comparator names. #}
{% macro number_or_limit(o) -%}
    coalesce(
        {{ o }}.value_canonical,
        case when {{ o }}.comparator in ('>', '>=') then {{ o }}.lower_limit else {{ o }}.upper_limit end
    )
{%- endmacro %}

{#
Whether a number, or every number that its comparator leaves possible, lies above a limit; null where the
comparator leaves it open.
#}
{% macro is_above(number, comparator, limit) -%}
    case
        when {{ comparator }} is null then {{ number }} > {{ limit }}
        when {{ comparator }} = '>' and {{ number }} >= {{ limit }} then true
        when {{ comparator }} = '>=' and {{ number }} > {{ limit }} then true
        when {{ comparator }} in ('<', '<=') and {{ number }} <= {{ limit }} then false
    end
{%- endmacro %}
