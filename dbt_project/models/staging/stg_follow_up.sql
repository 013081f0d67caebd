{{ config(materialized="incremental", pre_hook="{{ forget_loads() }}") }}

{{ staged('follow_up', dates=['last_seen_date'], offsets=['last_seen_offset']) }},

coded as (
    select
        r.*,
        case when r.status_text is null then 'unknown' else coalesce(own.code, shipped.status) end as status,
    from typed as r
    left join {{ source('raw', 'registry_code') }} as own
        on own.kind = 'follow_up_status' and own.sender_id = r.sender_id
        and own.source_text = trim(r.status_text)
    left join {{ ref('follow_up_status') }} as shipped
        on {{ folded('shipped.status_text') }} = {{ folded('r.status_text') }}
),

judged as (
    select
        *,
        {{ faults([
            {'when': '(patient_key is null)',
             'rule': 'patient_id_missing', 'column': 'patient_id', 'found': 'null'},
            {'when': '(last_seen_date_is_missing and last_seen_offset_is_missing)',
             'rule': 'date_missing', 'column': 'last_seen_date', 'found': 'last_seen_date'},
            {'when': '(status is null)',
             'rule': 'status_unknown_word', 'column': 'status', 'found': 'status_text'},
        ] + date_faults('last_seen_date', 'last_seen_date_times')
          + offset_faults('last_seen_offset')) }} as faults,
    from coded
)

select
    {{ provenance('judged') }},
    patient_key,
    {{ known_date('last_seen_date_times', 'last_seen_date') }},
    last_seen_offset_days,
    status,
    reason,
    not_before,
    correction_id,
    faults,
    {{ reject('faults') }} as is_rejected,
from judged
