{{ config(materialized="table") }}

{#- The score that what is known gives, the highest that what is missing could still give, and the subgroup. -#}

with criteria as (
    {{ criteria_of('eular_acr_2017') }}
),

weights as (
    select criterion_id, points, points_with_biopsy, coalesce(one_of, criterion_id) as part
    from {{ ref('definition_criteria') }}
    where definition_id = 'eular_acr_2017'
),

-- the points with biopsy count as soon as one finding of a biopsy is known
weighed as (
    select
        c.*, w.part,
        bool_or(w.points is null and w.points_with_biopsy is not null and c.state is not null)
            over (partition by c.sender_id, c.hospital_id, c.patient_key) as has_biopsy,
        case when has_biopsy then w.points_with_biopsy else w.points end as points,
    from criteria as c
    join weights as w using (criterion_id)
),

-- of the two ages at onset one counts
parts as (
    select
        sender_id, hospital_id, patient_key, has_biopsy, part,
        coalesce(max(points) filter (where state), 0) as points_least,
        coalesce(max(points) filter (where coalesce(state, true)), 0) as points_most,
    from weighed
    group by all
),

summed as (
    select
        sender_id, hospital_id, patient_key, has_biopsy,
        round(sum(points_least), 1) as score_least,
        round(sum(points_most), 1) as score_most,
        case when has_biopsy then 6.49 else 5.33 end as even_score,
    from parts
    group by all
),

levels as (
    select level, at_least, at_least_with_biopsy, row_number() over (order by at_least) as grade
    from {{ ref('definition_levels') }}
    where definition_id = 'eular_acr_2017'
),

graded as (
    select
        s.*,
        coalesce(max(l.grade) filter (where s.score_least >= case when s.has_biopsy then l.at_least_with_biopsy else l.at_least end), 0) as grade_least,
        coalesce(max(l.grade) filter (where s.score_most >= case when s.has_biopsy then l.at_least_with_biopsy else l.at_least end), 0) as grade_most,
    from summed as s
    cross join levels as l
    group by all
),

-- a sign is absent only when each of its kind is known to be
signs as (
    select
        sender_id, hospital_id, patient_key,
        bool_or(state) filter (where criterion_id = 'age_18_to_39' or criterion_id = 'age_40_or_more') as is_adult,
        case
            when bool_or(state) filter (where criterion_id in ('heliotrope', 'gottron_papules', 'gottron_sign')) then true
            when bool_and(state is false) filter (where criterion_id in ('heliotrope', 'gottron_papules', 'gottron_sign')) then false
        end as has_rash,
        bool_or(state) filter (where criterion_id = 'any_weakness') as is_weak,
        bool_or(state) filter (where criterion_id = 'rimmed_vacuoles') as has_vacuoles,
        bool_or(state) filter (where criterion_id = 'finger_flexors')
            and bool_or(state) filter (where criterion_id = 'no_response') as has_resistant_fingers,
        string_agg(criterion_id, ', ' order by criterion_id) filter (where state and points is not null) as criteria_met,
        {{ named_list('inputs_used') }} as inputs_used,
        {{ named_list('case when points is not null then inputs_missing end') }} as inputs_missing,
    from weighed
    group by all
)

select
    g.sender_id, g.hospital_id, g.patient_key, 'eular_acr_2017' as definition_id,
    {{ status_of('g.grade_least >= 2', 'g.grade_most >= 2') }} as status,
    ['possible', 'probable', 'definite'][g.grade_least] as level,
    ['possible', 'probable', 'definite'][g.grade_most] as level_at_most,
    case when g.grade_least >= 2 then
        case
            when s.is_adult is false and s.has_rash then 'juvenile dermatomyositis'
            when s.is_adult is false and not s.has_rash then 'juvenile myositis other than dermatomyositis'
            when s.is_adult and s.has_rash and s.is_weak then 'dermatomyositis'
            when s.is_adult and s.has_rash and not s.is_weak then 'amyopathic dermatomyositis'
            when s.is_adult and not s.has_rash and (s.has_vacuoles or s.has_resistant_fingers) then 'inclusion body myositis'
            when s.is_adult and not s.has_rash and not (s.has_vacuoles or s.has_resistant_fingers) then 'polymyositis'
        end
    end as category,
    g.score_least as value,
    g.score_most as value_at_most,
    round(1 / (1 + exp(g.even_score - g.score_least)), 4) as probability,
    round(1 / (1 + exp(g.even_score - g.score_most)), 4) as probability_at_most,
    s.criteria_met, s.inputs_used, s.inputs_missing,
from graded as g
join signs as s using (sender_id, hospital_id, patient_key)
