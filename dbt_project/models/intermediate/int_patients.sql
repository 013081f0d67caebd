{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

{%- set position = "{'load_id': load_id, 'delivery_id': delivery_id, 'source_file': source_file,"
    ~ " 'source_sheet': source_sheet, 'source_row': source_row}" %}
{%- set latest = "(delivery_id, source_file, coalesce(source_sheet, ''), source_row)" %}
{%- set dates = {
    'onset_date': 'onset_date_iso',
    'diagnosis_date': 'diagnosis_date::varchar',
    'origin_date': 'origin_date::varchar',
} %}

with staged as (
    select p.* from {{ ref('stg_patients') }} as p
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
    where not p.is_rejected
),

-- of each attribute the last filled value of the latest delivery, and of each date its place in the source
merged as (
    select
        sender_id,
        hospital_id,
        patient_key,
        {% for c in [
            'sex', 'birth_year', 'birth_date', 'onset_date', 'onset_date_iso', 'diagnosis_date',
            'origin_date', 'age_at_onset_years', 'disease_duration_months', 'diagnosis',
        ] %}
        arg_max({{ c }}, {{ latest }}) filter (where {{ c }} is not null) as {{ c }},
        {% endfor %}
        {% for c in ['birth_date', 'birth_year'] + (dates | list) %}
        arg_max({{ position }}, {{ latest }})
            filter (where {{ dates.get(c, c) }} is not null) as place_of_{{ c }},
        {% endfor %}
        string_agg(distinct correction_id, ', ' order by correction_id) as correction_id,
        count(distinct sex) > 1 or count(distinct birth_year) > 1 as has_conflict,
        arg_max(
            {'delivery_id': delivery_id, 'source_file': source_file, 'source_sheet': source_sheet,
             'source_row': source_row},
            {{ latest }}
        ) as source,
    from staged
    where hospital_id is not null
    group by all
),

born as (
    select
        *,
        case
            when year(birth_date) = birth_year then birth_date::varchar
            else birth_year::varchar
        end as birth_iso,
        case when year(birth_date) = birth_year then 'birth_date' else 'birth_year' end as birth_field,
        case
            when year(birth_date) = birth_year then place_of_birth_date
            else place_of_birth_year
        end as place_of_birth,
    from merged
),

-- what happened to the patient, from the short tables
happened as (
    {% for entity, day in {
        'visits': 'visit_date_iso',
        'events': 'event_date_iso',
        'treatments': 'start_date_iso',
        'follow_up': 'last_seen_date_iso',
    }.items() %}
    select sender_id, patient_key, {{ day }} as day from {{ ref('stg_' ~ entity) }}
    semi join {{ ref('int_touched_patient') }} using (sender_id, patient_key)
    where not is_rejected and {{ day }} is not null
    {{ "union all" if not loop.last }}
    {% endfor %}
),

counted as (
    select b.sender_id, b.hospital_id, b.patient_key,
        count(*) as n_happened,
        count(*) filter (where {{ is_before('h.day', 'b.birth_iso') }}) as n_before_birth,
    from born as b
    join happened as h using (sender_id, patient_key)
    group by all
),

-- A birth that lies after half or more of what happened is itself the wrong date; otherwise the dates before
-- it are wrong. If a birth lies after the onset, nobody can tell which of the two is wrong, and neither is
-- kept.
judged as (
    select
        b.*,
        coalesce(c.n_before_birth > 0 and 2 * c.n_before_birth >= c.n_happened, false) as is_born_too_late,
        {% for c, day in dates.items() %}
        not is_born_too_late and {{ is_before('b.' ~ day, 'b.birth_iso') }} as is_{{ c }}_before_birth,
        {% endfor %}
        is_born_too_late {% for c in dates %} or is_{{ c }}_before_birth{% endfor %} as is_birth_impossible,
    from born as b
    left join counted as c using (sender_id, hospital_id, patient_key)
)

select
    sender_id, hospital_id, patient_key, sex,
    case when not is_birth_impossible then birth_year end as birth_year,
    case when not is_birth_impossible then birth_date end as birth_date,
    case when not is_birth_impossible then birth_iso end as birth_iso,
    {% for c in dates %}
    case when not is_{{ c }}_before_birth then {{ c }} end as {{ c }},
    {% endfor %}
    case when not is_onset_date_before_birth then onset_date_iso end as onset_date_iso,
    age_at_onset_years, disease_duration_months, diagnosis, correction_id, has_conflict, source,
    list_filter([
        case when is_birth_impossible then
            {'rule': 'birth_after_other_dates', 'column_name': birth_field, 'found': birth_iso,
             'place': place_of_birth} end,
        {% for c, day in dates.items() %}
        case when is_{{ c }}_before_birth then
            {'rule': 'date_before_birth', 'column_name': '{{ c }}', 'found': {{ day }},
             'place': place_of_{{ c }}} end
        {{- "," if not loop.last }}
        {% endfor %}
    ], lambda f : f is not null) as faults,
from judged
