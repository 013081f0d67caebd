{{ config(materialized="table") }}

{#- The score that the known facts give, the highest score that the missing facts could still give,
    and the subgroup. -#}

with criteria as (
    {{ criteria_of('eular_acr_2017') }}
),

weights as (
    select criterion_id, points, points_with_biopsy, coalesce(one_of, criterion_id) as part
    from {{ ref('definition_criteria') }}
    where definition_id = 'eular_acr_2017'
),

constants as (
    select
        max(value) filter (where constant = 'even_score') as even_score,
        max(value) filter (where constant = 'even_score_with_biopsy') as even_score_with_biopsy,
        max(value) filter (where constant = 'met_from_probability') as met_from_probability,
    from {{ ref('definition_constants') }}
    where definition_id = 'eular_acr_2017'
),

-- The points with biopsy count as soon as one finding of a biopsy is known. Sometimes it is known only that
-- the biopsy showed myositis: then nobody stated its findings, and they could still give those points.
weighed as (
    select
        c.*, w.part, w.points as points_without, w.points_with_biopsy as points_with,
        w.points is null and w.points_with_biopsy is not null as is_of_biopsy,
        bool_or(is_of_biopsy and c.state is not null) over patient as has_biopsy,
        bool_or(is_of_biopsy and len(c.inputs_used) > 0) over patient as is_biopsied,
        case when has_biopsy then points_with else points_without end as points,
    from criteria as c
    join weights as w using (criterion_id)
    window patient as (partition by c.sender_id, c.hospital_id, c.patient_key)
),

-- of the two criteria on age at onset only one counts
parts as (
    select
        sender_id, hospital_id, patient_key, has_biopsy, is_biopsied, part,
        coalesce(max(points) filter (where state), 0) as points_least,
        coalesce(max(points_without) filter (where coalesce(state, true)), 0) as most_without,
        coalesce(max(points_with) filter (where coalesce(state, true)), 0) as most_with,
    from weighed
    group by all
),

summed as (
    select
        sender_id, hospital_id, patient_key, has_biopsy, is_biopsied,
        round(sum(points_least), 1) as score_least,
        round(sum(most_without), 1) as score_most_without,
        round(sum(most_with), 1) as score_most_with,
    from parts
    group by all
),

levels as (
    select level, at_least, at_least_with_biopsy, probability, row_number() over (order by at_least) as grade
    from {{ ref('definition_levels') }}
    where definition_id = 'eular_acr_2017'
),

-- a biopsied patient whose findings are not stated can still come under either scale
graded as (
    select
        s.*,
        coalesce(max(l.grade) filter (
            where s.score_least
                >= case when s.has_biopsy then l.at_least_with_biopsy else l.at_least end), 0) as grade_least,
        greatest(
            coalesce(max(l.grade) filter (where not s.has_biopsy and s.score_most_without >= l.at_least), 0),
            coalesce(
                max(l.grade) filter (where s.is_biopsied and s.score_most_with >= l.at_least_with_biopsy), 0)
        ) as grade_most,
    from summed as s
    cross join levels as l
    group by all
),

probable as (
    select
        g.* exclude (score_most_without, score_most_with),
        case when g.is_biopsied then g.score_most_with else g.score_most_without end as score_most,
        1 / (1 + exp(
            case when g.has_biopsy then c.even_score_with_biopsy else c.even_score end - g.score_least
        )) as probability,
        greatest(
            case when not g.has_biopsy then 1 / (1 + exp(c.even_score - g.score_most_without)) end,
            case when g.is_biopsied then 1 / (1 + exp(c.even_score_with_biopsy - g.score_most_with)) end
        ) as probability_at_most,
        (select min(l.grade) from levels as l where l.probability >= c.met_from_probability) as grade_of_met,
    from graded as g
    cross join constants as c
),

-- a group that needs any criterion is absent only when every one of its criteria is known to be absent
grouped as (
    select
        w.sender_id, w.hospital_id, w.patient_key, m.group_id,
        case
            when m.needs = 'any' and bool_or(w.state) then true
            when m.needs = 'any' and bool_and(coalesce(not w.state, false)) then false
            when m.needs = 'all' and bool_and(coalesce(w.state, false)) then true
            when m.needs = 'all' and bool_or(not w.state) then false
        end as state,
    from weighed as w
    join {{ ref('definition_groups') }} as m
        on m.definition_id = 'eular_acr_2017' and m.criterion_id = w.criterion_id
    group by w.sender_id, w.hospital_id, w.patient_key, m.group_id, m.needs
),

signs as (
    select
        sender_id, hospital_id, patient_key,
        bool_or(state) filter (where group_id = 'adult') as is_adult,
        bool_or(state) filter (where group_id = 'rash') as has_rash,
        bool_or(state) filter (where group_id = 'weak') as is_weak,
        bool_or(state) filter (where group_id = 'vacuoles')
            or bool_or(state) filter (where group_id = 'resistant_fingers') as has_inclusion_body_signs,
    from grouped
    group by all
),

told as (
    select
        sender_id, hospital_id, patient_key,
        string_agg(criterion_id, ', ' order by criterion_id) filter (where state and points is not null)
            as criteria_met,
        {{ named_list('inputs_used') }} as inputs_used,
        {{ named_list(
            'case when points is not null or (is_biopsied and is_of_biopsy) then inputs_missing end'
        ) }} as inputs_missing,
    from weighed
    group by all
)

select
    g.sender_id, g.hospital_id, g.patient_key, 'eular_acr_2017' as definition_id,
    {{ status_of('g.grade_least >= g.grade_of_met', 'g.grade_most >= g.grade_of_met') }} as status,
    (select level from levels where grade = g.grade_least) as level,
    (select level from levels where grade = g.grade_most) as level_at_most,
    case when g.grade_least >= g.grade_of_met then k.category end as category,
    g.score_least as value,
    g.score_most as value_at_most,
    round(g.probability, 4) as probability,
    round(g.probability_at_most, 4) as probability_at_most,
    t.criteria_met, t.inputs_used, t.inputs_missing,
from probable as g
join told as t using (sender_id, hospital_id, patient_key)
join signs as s using (sender_id, hospital_id, patient_key)
left join {{ ref('definition_categories') }} as k
    on k.definition_id = 'eular_acr_2017' and k.is_adult = s.is_adult and k.has_rash = s.has_rash
    and coalesce(k.is_weak = s.is_weak, k.is_weak is null)
    and coalesce(k.has_inclusion_body_signs = s.has_inclusion_body_signs, k.has_inclusion_body_signs is null)
