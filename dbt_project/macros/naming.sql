{#
From a sender's word to our code. The macro looks the word up in this order: the sender's own list, our ids,
the LOINC codes, the catalogue's synonyms. A word that none of them knows is unwanted if the sender's list
says so of any other word (`*`).
A word of two meanings (seed ambiguous_words) has no code, except in three cases: the mapping states the code,
under codes or by writing our id itself; the registry adds the word to its synonyms; or the word has one
meaning in the language that the mapping states. A word that is doubtful in some units only keeps its code,
and `units` names these units. `words` has (sender_id, word,
is_sent); is_sent tells whether the word stood in a column of the sender.
One row per sender and word:
(sender_id, word, code, is_unwanted, possible_ids, is_doubtful, units, unit_decides).
#}
{% macro named(words, kind, id, catalogue, synonyms, loinc=none) -%}
    {%- set addition = 'registry_addition_' ~ synonyms -%}
    {%- set added = adapter.get_relation(
        database=target.database, schema='raw', identifier=addition)
        if execute -%}
    {%- set known = "coalesce(ours." ~ id ~ (", coded." ~ id if loinc else "")
        ~ (", theirs." ~ id if added else "") ~ ", spoken." ~ id ~ ", shipped." ~ id ~ ")" -%}
    select
        w.sender_id,
        w.word,
        case
            when own.source_text is not null then own.code
            when d.name_normalised is null or d.units is not null then {{ known }}
        end as code,
        case
            when own.source_text is not null then own.code is null
            else d.name_normalised is null and {{ known }} is null and other.source_text is not null
        end as is_unwanted,
        d.name_normalised is not null as is_doubtful,
        d.ids as possible_ids,
        d.units,
        d.unit_decides,
        own.source_text is not null {{ "or coded." ~ id ~ " is not null" if loinc }} as is_stated,
    from {{ words }} as w
    left join {{ source('raw', 'registry_code') }} as other
        on other.kind = '{{ kind }}' and other.sender_id = w.sender_id and other.source_text = '*'
    {%- if loinc %}
    left join (
        select loinc, {{ id }} from {{ ref(catalogue) }} where loinc is not null
        union
        select loinc, {{ id }} from {{ ref(loinc) }}
    ) as coded on coded.loinc = trim(w.word)
    {%- endif %}
    left join {{ source('raw', 'registry_code') }} as own
        on own.kind = '{{ kind }}' and own.sender_id = w.sender_id and own.source_text = trim(w.word)
    left join {{ ref(catalogue) }} as ours on ours.{{ id }} = w.word
    left join (
        select distinct on (name_normalised) {{ normalised_name('synonym') }} as name_normalised, {{ id }}
        from {{ ref(synonyms) }}
        order by name_normalised, {{ id }}
    ) as shipped on shipped.name_normalised = {{ normalised_name('w.word') }}
    {%- if added %}
    left join (
        select {{ normalised_name('synonym') }} as name_normalised, min({{ id }}) as {{ id }}
        from {{ added }}
        group by all
    ) as theirs on theirs.name_normalised = {{ normalised_name('w.word') }}
    {%- endif %}
    left join (
        select l.sender_id, {{ normalised_name('s.synonym') }} as name_normalised, min(s.{{ id }}) as {{ id }}
        from {{ ref(synonyms) }} as s
        join {{ source('raw', 'registry_sender') }} as l
            on list_contains(string_split(s.language, ' '), l.language)
        where name_normalised in (
            select {{ normalised_name('word') }} from {{ ref('ambiguous_words') }} where kind = '{{ kind }}')
        group by all
    ) as spoken
        on spoken.sender_id = w.sender_id and spoken.name_normalised = {{ normalised_name('w.word') }}
    left join (
        select {{ normalised_name('word') }} as name_normalised, ids, units, unit_decides
        from {{ ref('ambiguous_words') }} where kind = '{{ kind }}'
    ) as d
        on d.name_normalised = {{ normalised_name('w.word') }} and own.source_text is null
        and (w.is_sent or ours.{{ id }} is null)
        and spoken.{{ id }} is null
        {%- if loinc %} and coded.{{ id }} is null{% endif %}
        {%- if added %} and theirs.name_normalised is null{% endif %}
{%- endmacro %}

{#
Of the codes and names of one test or event, the one by which it is read. `other_names` holds the codes, the
character 30, then the names, each parted by the character 31. A known code goes before a known name, and what
is known before what is not; of codes, what the mapping states or LOINC says goes first. Two known codes that
mean two things are in conflict, and so are two names where no code is known: the row is asked about.
One row per sender, word and other names:
(sender_id, <word>, other_names, chosen, is_conflicting, candidates).
#}
{% macro one_of_several(rows, word) -%}
    select
        sender_id,
        {{ word }},
        other_names,
        arg_min(name, 1000 * grade + place) as chosen,
        count(distinct code) filter (where is_telling) > 1 as is_conflicting,
        string_agg(distinct name || ' = ' || code, ' | ' order by name || ' = ' || code)
            filter (where is_telling) as candidates,
    from (
        select
            s.*,
            n.code,
            case
                when n.code is not null and s.is_code then case when n.is_stated then 1 else 2 end
                when n.code is not null then 3
                when n.is_stated then 4
                when n.is_doubtful then 5
                else 6
            end as grade,
            min(grade) over (partition by s.sender_id, s.{{ word }}, s.other_names) as best,
            case when best <= 2 then grade <= 2 else grade = 3 end as is_telling,
        from (
            select
                sender_id, {{ word }}, other_names,
                unnest(codes || [{{ word }}] || names) as name,
                generate_subscripts(codes || [{{ word }}] || names, 1) as place,
                place <= len(codes) as is_code,
            from (
                select distinct sender_id, {{ word }}, other_names,
                    string_split(split_part(other_names, chr(30), 1), chr(31)) as codes,
                    string_split(split_part(other_names, chr(30), 2), chr(31)) as names,
                from {{ rows }}
                where other_names is not null
            )
        ) as s
        left join names as n on n.sender_id = s.sender_id and n.word = s.name
        where s.name <> ''
    )
    group by all
{%- endmacro %}

{# The words by which rows may be read: those of the field, and the other codes and names. #}
{% macro with_other_names(rows, word) -%}
    (
        select distinct sender_id, export_id, {{ word }} from {{ rows }}
        union
        select
            sender_id, export_id,
            unnest(string_split(replace(other_names, chr(30), chr(31)), chr(31))) as {{ word }},
        from (select distinct sender_id, export_id, other_names from {{ rows }} where other_names is not null)
    )
{%- endmacro %}

{#
The distinct words of a field, and whether they stood in a column of the sender. A name that the mapping
itself writes did not.
#}
{% macro words_of(rows, entity, field, column) -%}
    select r.sender_id, r.{{ column }} as word, bool_or(c.export_id is not null) as is_sent
    from {{ rows }} as r
    left join (
        select distinct export_id from {{ source('raw', 'registry_column') }}
        where entity = '{{ entity }}' and field = '{{ field }}'
    ) as c on c.export_id = r.export_id
    group by all
{%- endmacro %}

{#
Staged rows of touched patients. Where a row names only the visit, its patient and hospital are those of the
visit.
#}
{% macro touched_rows(staging) -%}
    {%- set loads = loads_that_mention_touched() -%}
    select s.* exclude (patient_key, hospital_id, faults, is_rejected),
        coalesce(s.patient_key, v.patient_key) as resolved_patient,
        coalesce(s.patient_key, v.patient_key, s.visit_key) as subject_key,
        coalesce(s.hospital_id, v.hospital_id) as stated_hospital,
    from (  -- DuckDB can skip rows in a join on the row's own column, not in a join on a visit's
        select *
        from {{ ref(staging) }}
        semi join {{ ref('int_touched_patient') }} using (sender_id, patient_key)
        {%- if is_incremental() %}
        where load_id in ({{ listed(loads) }})
        {%- endif %}
        union all
        select * from {{ ref(staging) }} where patient_key is null
    ) as s
    left join {{ ref('int_visit_patient') }} as v using (sender_id, visit_key)
    semi join {{ ref('int_touched_patient') }} as t
        on t.sender_id = s.sender_id and t.patient_key = coalesce(s.patient_key, v.patient_key, s.visit_key)
    where not s.is_rejected
{%- endmacro %}

{#
One column that joins whatever belongs to a patient: the id of the hospital and half of the patient's hash.
#}
{% macro patient_id(table=none) -%}
    {%- set of = table ~ '.' if table else '' -%}
    {{ of }}hospital_id || '-' || left({{ of }}patient_key, 16)
{%- endmacro %}

{% macro known_patients() -%}
    select sender_id, patient_key, min(hospital_id) as only_hospital, min(origin_date) as origin_date,
        min(birth_iso) as birth_iso, min(onset_date_iso) as onset_date_iso,
    from {{ ref('int_patients') }}
    group by all
{%- endmacro %}

{# Sorts the later of two records first: a later delivery, then a later place in the file. #}
{% macro latest_first() -%}
    delivery_id desc, source_file desc, source_sheet desc, source_row desc, source_column desc
{%- endmacro %}

{#
What the words of a column of sexes mean. A word has a meaning in each language that has it (seed sex_codes);
in some languages another word of the same column decides (`beside`): Spanish M is mujer beside H, and
masculino beside F. The language of the mapping counts if it has the word, else every language that has it;
where these differ the word has no meaning. `columns` has (load_id, export_id, sender_id, words).
One row per column and word: (load_id, export_id, word, sex).
#}
{% macro sexes_read(columns) -%}
    select load_id, export_id, word, case when count(distinct sex) = 1 then min(sex) end as sex
    from (
        select *,
            -- in one language: what a word beside it decides, else what it means alone, else any of them
            case
                when beside is null then 2 when list_has_any(string_split(beside, ' '), words) then 1 else 3
            end as place,
            min(place) over (partition by load_id, export_id, word, language) as first_place,
        from (
            select c.load_id, c.export_id, c.words, {{ folded('s.sex_text') }} as word, s.sex, s.beside,
                unnest(string_split(s.language, ' ')) as language,
                l.language as language_stated,
                bool_or(list_contains(string_split(s.language, ' '), l.language))
                    over (partition by c.load_id, c.export_id, word) as is_spoken,
            from {{ columns }} as c
            left join {{ source('raw', 'registry_sender') }} as l on l.sender_id = c.sender_id
            join {{ ref('sex_codes') }} as s on list_contains(c.words, {{ folded('s.sex_text') }})
        )
        where language = language_stated or not coalesce(is_spoken, false)
    )
    where place = first_place
    group by all
{%- endmacro %}
