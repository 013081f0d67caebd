with listed as (
    select h.hospital_id, h.sender_id, h.hospital_name, h.population
    from {{ source('raw', 'registry_hospital') }} as h
),

seen as (
    select distinct hospital_id, sender_id from {{ ref('int_patients') }}
),

senders as (
    select sender_id, unlisted_events from {{ source('raw', 'registry_sender') }}
),

named as (
    select
        coalesce(l.hospital_id, s.hospital_id) as hospital_id,
        coalesce(l.sender_id, s.sender_id) as sender_id,
        coalesce(l.hospital_name, s.hospital_id) as hospital_name,
        coalesce(l.population, 'all') as population,
        s.hospital_id is not null as has_patients,
    from listed as l
    full join seen as s using (hospital_id)
)

select n.*, senders.unlisted_events
from named as n
left join senders using (sender_id)
