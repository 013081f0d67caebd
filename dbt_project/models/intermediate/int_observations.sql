{{ config(materialized="incremental", pre_hook="{{ forget_touched(by_build_number=true) }}") }}

{#- Names, units and physical sense of each result. A result that cannot be understood keeps its row here,
    with a fault. -#}

{%- set number_or_titre = "case when m.kind = 'titre' then coalesce(t.titre, t.value) else t.value end" %}

with touched as {{ kept_if_few() }} (
    {{ touched_rows('stg_observations') }}
),

patients as (
    {{ known_patients() }}
),

catalogue as (
    select concept_id, kind, unit_canonical, physical_low, physical_high from {{ ref('concepts') }}
),

-- each word is looked up once, not in every row
said as (
    select distinct
        sender_id, export_id, concept_source, other_names, unit_source, unit_source_2, reference_unit,
    from touched
),

words as (
    {{ words_of(with_other_names('said', 'concept_source'), 'observations', 'concept', 'concept_source') }}
),

names as (
    {{ named('words', 'concepts', 'concept_id', 'concepts', 'concept_synonyms', loinc='concept_loinc') }}
),

several as (
    {{ one_of_several('said', 'concept_source') }}
),

-- each combination with the word by which it is read
read_by as (
    select
        s.*,
        coalesce(v.chosen, s.concept_source) as word,
        coalesce(v.is_conflicting, false) as is_conflicting,
        v.candidates,
    from (
        select distinct sender_id, concept_source, other_names, unit_source, unit_source_2, reference_unit,
        from said
    ) as s
    left join several as v
        on v.sender_id = s.sender_id and v.concept_source is not distinct from s.concept_source
        and v.other_names = s.other_names
),

spellings as (
    select distinct null::varchar as sender_id, unit_source, unit_ucum from {{ ref('unit_spellings') }}
    union all
    select sender_id, source_text, code from {{ source('raw', 'registry_code') }} where kind = 'units'
),

source_units as (
    select sender_id, unit_source from said where unit_source is not null
    union
    select sender_id, unit_source_2 from said where unit_source_2 is not null
    union
    select sender_id, reference_unit from said where reference_unit is not null
),

units as (
    select u.sender_id, u.unit_source, s.unit_ucum
    from source_units as u
    left join spellings as s
        on s.unit_source = trim(u.unit_source) and (s.sender_id is null or s.sender_id = u.sender_id)
    qualify row_number() over (
        partition by u.sender_id, u.unit_source order by s.sender_id nulls last, s.unit_ucum
    ) = 1
),

-- a rule for any concept does not hold for a concept and unit that an exception names
rules as (
    select r.concept_id as holds_for, c.concept_id, r.unit_from, r.unit_to, r.factor, r."offset", r.rule_id
    from {{ ref('unit_conversions') }} as r
    join catalogue as c on c.unit_canonical = r.unit_to and r.concept_id in (c.concept_id, '*')
    left join {{ ref('unit_exceptions') }} as x on x.concept_id = c.concept_id and x.unit_from = r.unit_from
    where r.concept_id <> '*' or x.concept_id is null
),

grade_texts as (
    select {{ folded('grade_text') }} as grade_text, grade, result from {{ ref('antibody_grades') }}
    union all
    select grade_text, grade, result from {{ ref('grade_readings') }} where read_of = 'result'
),

-- Words and grades such as 阴性, 2+, (+): what they say, and the grade as a number if there is one. Where a
-- number is expected, some of them (-, 无) are marks of "not known".
grades as (
    select v.value_meant, g.grade, g.result,
        {{ folded('v.value_meant') }} in (
            select {{ folded('mark') }} from {{ ref('missing_marks') }} where entity = 'observations'
        ) as is_mark,
    from (select distinct value_meant from touched) as v
    join grade_texts as g on g.grade_text = {{ graded_text('v.value_meant') }}
),

-- Of the meanings of a doubtful name, those that are measured in the unit sent. If no unit was sent, those
-- whose results are words.
fitting as (
    select s.sender_id, s.word, s.unit_source, c.concept_id
    from (select distinct sender_id, word, unit_source from read_by) as s
    join (
        select *, unnest(string_split(possible_ids, '|')) as possible_id
        from names
        where is_doubtful and unit_decides
    ) as n
        on n.sender_id = s.sender_id and n.word = s.word
    join catalogue as c on c.concept_id = n.possible_id
    left join units as u on u.sender_id = s.sender_id and u.unit_source = s.unit_source
    where case
        when s.unit_source is null then c.kind in ('coded', 'text')
        else u.unit_ucum = c.unit_canonical or exists (
            select 1 from rules as r where r.concept_id = c.concept_id and r.unit_from = u.unit_ucum)
    end
),

told_by_unit as (
    select sender_id, word, unit_source, min(concept_id) as concept_id
    from fitting
    group by all
    having count(*) = 1
),

identified as (
    select
        s.*,
        n.is_unwanted,
        n.is_doubtful and case
            when n.units is null then d.concept_id is null
            else list_contains(string_split(n.units, '|'), u1.unit_ucum)
        end as is_doubtful,
        case
            when n.units is not null and list_contains(string_split(n.units, '|'), u1.unit_ucum) then null
            else coalesce(n.code, d.concept_id)
        end as concept_id,
        u1.unit_ucum as unit_ucum,
        u2.unit_ucum as unit_ucum_2,
        u3.unit_ucum as unit_ucum_of_limit,
    from read_by as s
    left join names as n on n.sender_id = s.sender_id and n.word = s.word
    left join units as u1 on u1.sender_id = s.sender_id and u1.unit_source = s.unit_source
    left join units as u2 on u2.sender_id = s.sender_id and u2.unit_source = s.unit_source_2
    left join units as u3 on u3.sender_id = s.sender_id and u3.unit_source = s.reference_unit
    left join told_by_unit as d
        on d.sender_id = s.sender_id and d.word = s.word
        and d.unit_source is not distinct from s.unit_source
),

named as (
    select
        s.*,
        c.kind,
        c.physical_low,
        c.physical_high,
        c.unit_canonical,
    from identified as s
    left join catalogue as c on c.concept_id = s.concept_id
),

combinations as (
    select concept_id, unit_ucum, unit_canonical from named where unit_ucum is not null
    union
    select concept_id, unit_ucum_2, unit_canonical from named where unit_ucum_2 is not null
    union
    select concept_id, unit_ucum_of_limit, unit_canonical from named where unit_ucum_of_limit is not null
),

-- a concept's own rule goes before a rule for any concept; the canonical unit needs no rule
conversions as (
    select
        k.concept_id,
        k.unit_ucum,
        case when k.unit_ucum = k.unit_canonical then 1 else r.factor end as factor,
        case when k.unit_ucum = k.unit_canonical then 0 else r."offset" end as shift,
        case when k.unit_ucum = k.unit_canonical then 'identity' else r.rule_id end as rule_id,
    from combinations as k
    left join rules as r
        on r.unit_from = k.unit_ucum and r.concept_id = k.concept_id
    where k.concept_id is not null
    qualify row_number() over (
        partition by k.concept_id, k.unit_ucum order by r.holds_for = '*' nulls last, r.rule_id
    ) = 1
),

-- Two units disagree when they would give two different numbers, or when one of them would give none: mmol/L
-- and mEq/L of sodium do not disagree, mg/L and mg/dL of CRP do. A quantity in another form (urea nitrogen)
-- is converted by the rules of that form, and stored as the quantity (urea).
meanings as (
    select
        n.* replace (coalesce(f.stored_as, n.concept_id) as concept_id),
        n.kind in ('numeric', 'score', 'ratio', 'percent', 'titre') as is_numeric,
        n.unit_source is null and n.unit_canonical in ('1', '{score}', '[pH]', '{titer}') as is_unitless,
        k.factor,
        k.shift,
        k.rule_id as unit_rule_id,
        coalesce(k.factor <> k2.factor or k.shift <> k2.shift, false)
            or (k.rule_id is not null and n.unit_ucum_2 is not null and k2.rule_id is null) as units_disagree,
        -- from the limit's own unit to that of the result; null if nobody can say how
        case
            when n.reference_unit is null or n.unit_ucum_of_limit = n.unit_ucum then 1
            else k3.factor / k.factor
        end as limit_factor,
        case
            when n.reference_unit is null or n.unit_ucum_of_limit = n.unit_ucum then 0
            else (k3.shift - k.shift) / k.factor
        end as limit_shift,
    from named as n
    left join conversions as k on k.concept_id = n.concept_id and k.unit_ucum = n.unit_ucum
    left join conversions as k2 on k2.concept_id = n.concept_id and k2.unit_ucum = n.unit_ucum_2
    left join conversions as k3 on k3.concept_id = n.concept_id and k3.unit_ucum = n.unit_ucum_of_limit
    left join {{ ref('concept_forms') }} as f on f.concept_id = n.concept_id
),

converted as (
    select
        t.* replace ({{ number_or_titre }} as value),
        coalesce(t.stated_hospital, p.only_hospital) as hospital,
        p.patient_key is not null as is_known_patient,
        p.birth_iso,
        m.* exclude (sender_id, concept_source, other_names, unit_source, unit_source_2, reference_unit),
        case
            when m.kind not in ('coded', 'text') then null
            when g.result is not null then g.result
            when t.value_meant is distinct from t.value_text then t.value_meant
        end as value_code,
        coalesce(g.is_mark, false) and coalesce(m.is_numeric, true) as is_mark,
        try_cast(replace(replace(t.reference_range, '<=', ''), ',', '.') as double) as limit_alone,
        case
            when m.kind = 'text' and g.grade is not null then 'grade'
            when m.kind in ('coded', 'text') then 'code'
            when m.is_unitless then 'unitless'
            when t.unit_source is null then 'unit_missing'
            else m.unit_rule_id
        end as rule_id,
        case
            when m.kind = 'text' then g.grade
            when m.is_unitless then {{ number_or_titre }}
            else {{ number_or_titre }} * m.factor + m.shift end as number_canonical,
    from touched as t
    left join patients as p on p.sender_id = t.sender_id and p.patient_key = t.resolved_patient
    left join meanings as m
        on m.sender_id = t.sender_id and m.concept_source is not distinct from t.concept_source
        and m.unit_source is not distinct from t.unit_source
        and m.unit_source_2 is not distinct from t.unit_source_2
        and m.other_names is not distinct from t.other_names
        and m.reference_unit is not distinct from t.reference_unit
    left join grades as g on g.value_meant = t.value_meant
),

judged as (
    select
        *,
        case
            when is_mark then {'rule': 'value_missing', 'column_name': 'value', 'found': value_text}
            when resolved_patient is null
                then {'rule': 'visit_unknown', 'column_name': 'visit_id', 'found': null::varchar}
            when not is_known_patient
                then {'rule': 'patient_unknown', 'column_name': 'patient_id', 'found': null::varchar}
            when {{ is_before('observed_date_iso', 'birth_iso') }}
                then {'rule': 'date_before_birth', 'column_name': 'observed_on', 'found': observed_date_iso}
            when is_conflicting
                then {'rule': 'codes_disagree', 'column_name': 'concept', 'found': candidates}
            when is_unwanted
                then {'rule': 'concept_not_wanted', 'column_name': 'concept', 'found': word}
            when is_doubtful
                then {'rule': 'concept_ambiguous', 'column_name': 'concept', 'found': word}
            when concept_id is null
                then {'rule': 'concept_unknown', 'column_name': 'concept', 'found': word}
            when is_numeric and value is null and {{ has_undecided_mark('value_meant') }}
                then {'rule': 'number_ambiguous', 'column_name': 'value', 'found': value_text}
            when is_numeric and value is null and {{ is_not_one_value('value_meant') }}
                then {'rule': 'not_one_value', 'column_name': 'value', 'found': value_text}
            when is_numeric and value is null
                then {'rule': 'not_a_number', 'column_name': 'value', 'found': value_text}
            when kind in ('coded', 'text') and value_code is null
                then {'rule': 'result_unknown_word', 'column_name': 'value', 'found': value_text}
            when is_numeric and unit_source is not null and unit_ucum is null
                then {'rule': 'unit_unknown', 'column_name': 'unit', 'found': unit_source}
            when is_numeric and has_unit_in_cell and unit_source_2 is not null and unit_ucum_2 is null
                then {'rule': 'unit_unknown', 'column_name': 'unit', 'found': unit_source_2}
            when is_numeric and units_disagree
                then {'rule': 'units_disagree', 'column_name': 'unit',
                      'found': unit_source || ' | ' || unit_source_2}
            when is_numeric and unit_source is not null and rule_id is null
                then {'rule': 'unit_without_rule', 'column_name': 'unit', 'found': unit_source}
            when is_numeric and (number_canonical < physical_low or number_canonical > physical_high)
                then {'rule': 'physically_impossible', 'column_name': 'value', 'found': value_text}
        end as fault,
    from converted
),

-- Rows of one patient, concept and time are one result; the last row of the latest delivery counts.
ranked as (
    select
        *,
        case when fault is null then row_number() over sample end as rank_in_sample,
        first_value(
            {'number': value, 'comparator': comparator, 'text': case when value is null then value_text end}
        ) over sample as result_that_stands,
    from judged
    window sample as (
        partition by fault is null, sender_id, hospital, resolved_patient, concept_id, observed_at,
            observed_date_iso, observed_offset_days, visit_key
        order by {{ latest_first() }})
)

select
    sender_id, hospital as hospital_id, coalesce(resolved_patient, subject_key) as patient_key, visit_key,
    concept_id,
    observed_at, observed_date_precision, observed_date_iso, observed_offset_days,
    {{ sent('value_text') }} as value_text, comparator, value, {{ sent('unit_source') }} as unit_source,
    case
        when reference_unit is null or limit_factor = 1 and limit_shift = 0 then reference_range
        when limit_factor is not null
            then '<=' || round(limit_alone * limit_factor + limit_shift, 6)::varchar
    end as reference_range,
    case when comparator is null then number_canonical end as value_canonical,
    unit_canonical,
    rule_id as conversion_rule,
    value_code,
    case
        when comparator in ('>', '>=') then number_canonical
        when comparator in ('<', '<=') and coalesce(physical_low, 0) >= 0 then coalesce(physical_low, 0)
    end as lower_limit,
    case when comparator in ('<', '<=') then number_canonical end as upper_limit,
    correction_id, delivery_id, load_id, source_file, source_sheet, source_row, source_column,
    case
        when fault is null and reference_unit is not null and limit_factor is null
            then {'rule': 'limit_unreadable', 'column_name': 'reference_high',
                  'found': limit_alone || ' ' || reference_unit}
    end as note,
    fault,
    fault is not null as is_rejected,
    coalesce(rank_in_sample > 1, false) as is_superseded,
    case
        when rank_in_sample > 1
            then {'number': value, 'comparator': comparator,
                  'text': case when value is null then value_text end} = result_that_stands
    end as is_same_again,
    (select max(build_number) from {{ ref('int_touched_patient') }}) as build_number,
from ranked
