{{ config(materialized="table") }}

{#- The level that the known facts prove, and the highest level that the missing facts could still give. -#}

with criteria as (
    {{ criteria_of('bohan_peter_1975') }}
),

counted as (
    select
        sender_id, hospital_id, patient_key,
        bool_or(state) filter (where criterion_id = 'rash') as has_rash,
        count(*) filter (where state and criterion_id <> 'rash') as muscle_least,
        count(*) filter (where coalesce(state, true) and criterion_id <> 'rash') as muscle_most,
        string_agg(criterion_id, ', ' order by criterion_id) filter (where state) as criteria_met,
        {{ named_list('inputs_used') }} as inputs_used,
        {{ named_list('inputs_missing') }} as inputs_missing,
    from criteria
    group by all
),

-- 1 possible, 2 probable, 3 definite. With the rash a grade needs as many muscle criteria as its number;
-- without the rash, one more.
graded as (
    select
        *,
        case when has_rash then least(muscle_least, 3) else greatest(muscle_least - 1, 0) end as grade_least,
        case
            when has_rash is false then greatest(muscle_most - 1, 0)
            else least(muscle_most, 3)
        end as grade_most,
    from counted
)

select
    sender_id, hospital_id, patient_key, 'bohan_peter_1975' as definition_id,
    {{ status_of('grade_least >= 1', 'grade_most >= 1') }} as status,
    ['possible', 'probable', 'definite'][grade_least] as level,
    ['possible', 'probable', 'definite'][grade_most] as level_at_most,
    case
        when grade_least >= 1
            then case has_rash when true then 'dermatomyositis' when false then 'polymyositis' end
    end as category,
    criteria_met, inputs_used, inputs_missing,
from graded
