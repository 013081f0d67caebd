{{ config(materialized="incremental", pre_hook="{{ forget_touched() }}") }}

{#-
The time to an endpoint, cut at each year since it begins; with left truncation it is at risk from the entry
on. A rate is sum(is_event::int) / sum(years_at_risk), of all years or of one. A year holds its last day and
not its first: an event on the last day belongs to it.
-#}

with times as (
    select t.*, coalesce(t.entry_months, 0) * {{ days_per_month() }} as entry_days,
    from {{ ref('fct_time_to_event') }} as t
    semi join {{ ref('int_touched_patient') }} as r using (sender_id, patient_key)
),

-- a patient whose time is not known, or who is at risk for 0 days, has one row
counted as (
    select
        *,
        floor(entry_days / {{ days_per_year() }})::integer + 1 as first_year,
        greatest(ceil(coalesce(time_days, 0) / {{ days_per_year() }})::integer, first_year) as last_year,
    from times
),

yearly as (
    select *, unnest(range(first_year, last_year + 1))::integer as year_of_follow_up from counted
),

cut as (
    select
        *,
        year_of_follow_up = last_year as is_last,
        greatest(((year_of_follow_up - 1) * {{ days_per_year() }})::double, entry_days) as from_days,
        case
            when is_last then time_days else (year_of_follow_up * {{ days_per_year() }})::double
        end as to_days,
    from yearly
)

select
    sender_id, hospital_id, patient_key, patient_id, endpoint, start_date, year_of_follow_up, from_days,
    to_days,
    to_days - from_days as days_at_risk,
    (to_days - from_days) / {{ days_per_year() }} as years_at_risk,
    is_last and is_event as is_event,
    is_last and is_competing as is_competing,
    case
        when not is_last then 'end of the year'
        when is_event then 'event'
        else censor_reason
    end as ended_by,
from cut
