{{ config(materialized="incremental", pre_hook="{{ forget_loads() }}") }}

{{ staged('antibodies', dates=['tested_on'], offsets=['tested_offset'], texts=['cut_off', 'result_text'],
          word='antibody_source') }},

meanings as (
    select * from {{ source('raw', 'registry_result') }}
),

-- what the mapping says a text means, for this antibody or for any
read as (
    select t.*, coalesce(own.result_text, shared.result_text, t.result_text) as result_meant
    from typed as t
    left join meanings as own
        on own.export_id = t.export_id and own.concept_source = t.antibody_source
        and own.source_text = trim(t.result_text)
    left join meanings as shared
        on shared.export_id = t.export_id and shared.concept_source = '*'
        and shared.source_text = trim(t.result_text)
),

-- A table of one assay can hold only small whole numbers. Such numbers may be classes (0, +, ++, +++) as well
-- as intensities.
scaled as (
    select
        t.*,
        {{ comparator('t.result_meant') }} as comparator,
        {{ number('t.result_meant', 't.decimal_mark') }} as value,
        {{ titre('t.result_meant') }} as titre,
        coalesce({{ titre('t.cut_off') }}, {{ number('t.cut_off', 't.decimal_mark') }}) as cut_off_number,
        s.scale,
        value is null or (
            value between 0 and 4 and value = floor(value) and comparator is null
        ) as is_small_or_no_number,
    from read as t
    left join {{ source('raw', 'registry_antibody_scale') }} as s on s.export_id = t.export_id
),

judged as (
    select
        *,
        scale is null and value > 0 and is_small_or_no_number and cut_off_number is null
            and bool_and(is_small_or_no_number) over (
                partition by load_id, export_id, source_file, source_sheet, assay_source
            ) as may_be_class,
        {{ faults([
            {'when': '(patient_key is null and visit_key is null)',
             'rule': 'patient_id_missing', 'column': 'patient_id', 'found': 'null'},
            {'when': '(result_text_is_missing)',
             'rule': 'value_missing', 'column': 'result', 'found': 'result_text'},
            {'when': '(not cut_off_is_missing and cut_off_number is null)',
             'rule': 'cut_off_unreadable', 'column': 'cut_off', 'found': 'cut_off'},
        ] + date_faults('tested_on', 'tested_on_times') + offset_faults('tested_offset')) }} as faults,
    from scaled
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
    comparator,
    value,
    titre,
    cut_off_number,
    scale,
    coalesce(may_be_class, false) as may_be_class,
    not_before,
    correction_id,
    as_sent,
    faults,
    {{ reject('faults') }} as is_rejected,
from judged
