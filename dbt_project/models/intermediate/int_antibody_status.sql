{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

with results as (
    select r.*, a.antibody_group, a.msa_label
    from {{ ref('int_antibody_results') }} as r
    join {{ ref('antibodies') }} as a using (antibody_id)
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
    where not r.is_rejected and not r.is_superseded and r.result <> 'not_done'
),

-- a test of a specific antibody that could not be read leaves the status open: it may have been the positive one
unread as (
    select r.sender_id, r.patient_key, count(*) as n_unread
    from {{ ref('int_antibody_results') }} as r
    left join {{ ref('antibodies') }} as a using (antibody_id)
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
    where r.is_rejected and r.fault.rule <> 'antibody_not_wanted' and coalesce(a.antibody_group, 'msa') = 'msa'
    group by all
),

-- repeated tests of one antibody: positive once is positive, and disagreement is kept in view
per_antibody as (
    select
        sender_id, hospital_id, patient_key, antibody_id, antibody_group, msa_label,
        bool_or(is_positive) as is_positive,
        bool_or(result = 'borderline') as is_borderline,
        bool_or(is_positive) and bool_or(result = 'negative') as is_discordant,
        count(*) as n_tests,
    from results
    group by all
),

per_patient as (
    select
        sender_id, hospital_id, patient_key,
        list_sort(list(distinct msa_label) filter (where is_positive and antibody_group = 'msa')) as all_positive_msa,
        string_agg(antibody_id, ', ' order by antibody_id) filter (where is_positive) as positive_antibodies,
        bool_or(is_discordant) filter (where antibody_group = 'msa') as is_discordant,
        bool_or(is_borderline and not is_positive) filter (where antibody_group = 'msa') as is_borderline,
        max(n_tests) filter (where is_positive and antibody_group = 'msa') as n_tests_of_positive,
        sum(n_tests)::integer as n_tests,
        count(*) filter (where antibody_group = 'msa') as n_specific,
    from per_antibody
    group by all
),

-- ARS says that some synthetase antibody is there, not which; beside a named synthetase it adds nothing
named as (
    select
        * exclude (all_positive_msa),
        case
            when list_has_any(all_positive_msa, ['JO1', 'PL7', 'PL12', 'EJ', 'OJ', 'KS', 'ZO', 'HA'])
                then list_filter(all_positive_msa, lambda m : m <> 'ARS')
            else all_positive_msa
        end as positive_msa,
    from per_patient
),

decided as (
    select
        p.*,
        coalesce(u.n_unread, 0) as n_unread,
        coalesce(len(positive_msa), 0) as n_positive,
        case
            when coalesce(len(positive_msa), 0) > 1 then 'conflict: several specific antibodies are positive'
            when coalesce(len(positive_msa), 0) = 1 and is_discordant then 'positive once, negative in another test'
            when coalesce(len(positive_msa), 0) = 1 and n_tests_of_positive > 1 then 'positive in repeated tests'
            when coalesce(len(positive_msa), 0) = 1 then 'positive in one test'
            when u.n_unread > 0 then 'open: a test of a specific antibody could not be read'
            when n_specific = 0 then 'no specific antibody tested'
            when is_borderline then 'borderline only'
            else 'all specific antibodies tested are negative'
        end as decided_by,
    from named as p
    left join unread as u using (sender_id, patient_key)
)

select
    sender_id, hospital_id, patient_key,
    case when n_positive = 1 then positive_msa[1] when n_positive = 0 and n_specific > 0 and not is_borderline and n_unread = 0 then 'negative' end as msa,
    decided_by,
    positive_antibodies,
    n_positive > 1 as has_conflict,
    case when n_positive > 1 then array_to_string(positive_msa, ', ') end as conflict,
    n_tests,
from decided
