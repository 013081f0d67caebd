{{ config(materialized="incremental", pre_hook="{{ forget_loads() }}") }}

{{ staged('antibodies', dates=['tested_on'], offsets=['tested_offset'], texts=['result_text'], word='antibody_source') }},

judged as (
    select
        *,
        {{ faults([
            {'when': '(patient_key is null and visit_key is null)', 'rule': 'patient_id_missing', 'column': 'patient_id', 'found': 'null'},
            {'when': '(result_text_is_missing)', 'rule': 'value_missing', 'column': 'result', 'found': 'result_text'},
        ] + date_faults('tested_on', 'tested_on_times') + offset_faults('tested_offset')) }} as faults,
    from typed
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
    assay_source,
    cut_off,
    {{ comparator('result_text') }} as comparator,
    {{ number('result_text', 'decimal_mark') }} as value,
    {{ titre('result_text') }} as titre,
    coalesce({{ titre('cut_off') }}, {{ number('cut_off', 'decimal_mark') }}) as cut_off_number,
    correction_id,
    as_sent,
    faults,
    {{ reject('faults') }} as is_rejected,
from judged
