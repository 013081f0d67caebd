{{ config(materialized="incremental", pre_hook="{{ forget_loads() }}") }}

{{ staged('antibodies', dates=['tested_on'], offsets=['tested_offset'], texts=['result_text'], word='antibody_source') }},

meanings as (
    select * from {{ source('raw', 'registry_result') }}
),

-- what the mapping says that a text of this antibody, or of any, means
read as (
    select t.*, coalesce(own.result_text, shared.result_text, t.result_text) as result_meant
    from typed as t
    left join meanings as own
        on own.export_id = t.export_id and own.concept_source = t.antibody_source and own.source_text = trim(t.result_text)
    left join meanings as shared
        on shared.export_id = t.export_id and shared.concept_source = '*' and shared.source_text = trim(t.result_text)
),

judged as (
    select
        *,
        {{ faults([
            {'when': '(patient_key is null and visit_key is null)', 'rule': 'patient_id_missing', 'column': 'patient_id', 'found': 'null'},
            {'when': '(result_text_is_missing)', 'rule': 'value_missing', 'column': 'result', 'found': 'result_text'},
        ] + date_faults('tested_on', 'tested_on_times') + offset_faults('tested_offset')) }} as faults,
    from read
)

select
    {{ provenance('judged') }},
    patient_key,
    visit_key,
    {{ known_date('tested_on_times', 'tested_date') }},
    tested_offset_days,
    antibody_source,
    source_column,
    result_text,
    result_meant,
    assay_source,
    cut_off,
    {{ comparator('result_meant') }} as comparator,
    {{ number('result_meant', 'decimal_mark') }} as value,
    {{ titre('result_meant') }} as titre,
    coalesce({{ titre('cut_off') }}, {{ number('cut_off', 'decimal_mark') }}) as cut_off_number,
    correction_id,
    as_sent,
    faults,
    {{ reject('faults') }} as is_rejected,
from judged
