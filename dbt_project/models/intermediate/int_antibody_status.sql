{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

with specific as (
    select antibody_id from {{ ref('antibodies') }} where antibody_group = 'msa'
),

results as (
    select r.*, a.antibody_group, a.msa_label, a.family_id
    from {{ ref('int_antibody_results') }} as r
    join {{ ref('antibodies') }} as a using (antibody_id)
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
    where not r.is_rejected and not r.is_superseded and r.result <> 'not_done'
),

-- A test that could not be read and may be of a specific antibody leaves the status open: it may have been
-- the positive one.
unread as (
    select r.sender_id, r.patient_key, count(*) as n_unread
    from {{ ref('int_antibody_results') }} as r
    left join {{ ref('antibodies') }} as a using (antibody_id)
    semi join {{ ref('int_touched_patient') }} as t using (sender_id, patient_key)
    where r.is_rejected and r.fault.rule <> 'antibody_not_wanted'
        and coalesce(a.antibody_group, 'msa') = 'msa'
        and (
            r.fault.rule <> 'antibody_ambiguous'
            or list_has_any(string_split(r.possible_ids, '|'), (select list(antibody_id) from specific)))
    group by all
),

-- repeated tests of one antibody: one positive test makes it positive, and a disagreement is kept in view
per_antibody as (
    select
        sender_id, hospital_id, patient_key, antibody_id, antibody_group, msa_label, family_id,
        bool_or(is_positive) as is_positive,
        bool_or(result = 'borderline') as is_borderline,
        bool_or(is_positive) and bool_or(result = 'negative') as is_discordant,
        count(*) as n_tests,
    from results
    group by all
),

-- The entry of a whole family says that some member is there, not which. Beside a named member it adds
-- nothing.
named as (
    select
        *,
        coalesce(antibody_id = family_id and bool_or(is_positive and antibody_id <> family_id) over (
            partition by sender_id, hospital_id, patient_key, family_id), false) as is_told_by_a_member,
    from per_antibody
),

per_patient as (
    select
        sender_id, hospital_id, patient_key,
        list_sort(list(distinct msa_label) filter (
            where is_positive and antibody_group = 'msa' and not is_told_by_a_member)) as positive_msa,
        string_agg(antibody_id, ', ' order by antibody_id) filter (where is_positive) as positive_antibodies,
        bool_or(is_discordant) filter (where antibody_group = 'msa') as is_discordant,
        bool_or(is_borderline and not is_positive) filter (where antibody_group = 'msa') as is_borderline,
        max(n_tests) filter (where is_positive and antibody_group = 'msa') as n_tests_of_positive,
        sum(n_tests)::integer as n_tests,
        count(*) filter (where antibody_group = 'msa') as n_specific,
    from named
    group by all
),

decided as (
    select
        p.*,
        coalesce(u.n_unread, 0) as n_unread,
        coalesce(len(positive_msa), 0) as n_positive,
        case
            when coalesce(len(positive_msa), 0) > 1 then 'conflict: several specific antibodies are positive'
            when coalesce(len(positive_msa), 0) = 1 and is_discordant
                then 'positive once, negative in another test'
            when coalesce(len(positive_msa), 0) = 1 and n_tests_of_positive > 1
                then 'positive in repeated tests'
            when coalesce(len(positive_msa), 0) = 1 then 'positive in one test'
            when u.n_unread > 0 then 'open: a test of a specific antibody could not be read'
            when n_specific = 0 then 'no specific antibody tested'
            when is_borderline then 'borderline only'
            else 'all specific antibodies tested are negative'
        end as decided_by,
    from per_patient as p
    left join unread as u using (sender_id, patient_key)
)

select
    sender_id, hospital_id, patient_key,
    case
        when n_positive = 1 then positive_msa[1]
        when n_positive = 0 and n_specific > 0 and not is_borderline and n_unread = 0 then 'negative'
    end as msa,
    decided_by,
    positive_antibodies,
    n_positive > 1 as has_conflict,
    case when n_positive > 1 then array_to_string(positive_msa, ', ') end as conflict,
    n_tests,
from decided
