{{ config(materialized="incremental", pre_hook="{{ forget_loads() }}") }}

{%- set limit = ['reference_high'] if is_mapped('observations', 'reference_high') else [] %}

{{ staged('observations', dates=['observed_on'], offsets=['observed_offset'], texts=limit + ['value_text'],
          word='concept_source') }},

meanings as (
    select * from {{ source('raw', 'registry_result') }}
),

comparators as (
    select sender_id, source_text, code from {{ source('raw', 'registry_code') }} where kind = 'comparators'
),

said as (
    select distinct export_id, concept_source, value_text from corrected_rows where value_text is not null
),

-- what the mapping says a text means, for this test or for any
meant as (
    select s.*, x.decimal_mark, coalesce(own.result_text, shared.result_text, s.value_text) as value_meant,
    from said as s
    left join {{ source('raw', 'registry_export') }} as x on x.export_id = s.export_id
    left join meanings as own
        on own.export_id = s.export_id and own.concept_source = s.concept_source
        and own.source_text = trim(s.value_text)
    left join meanings as shared
        on shared.export_id = s.export_id and shared.concept_source = '*'
        and shared.source_text = trim(s.value_text)
),

numbered as (
    select *, {{ number('value_meant', 'decimal_mark') }} as number_alone, {{ titre('value_meant') }} as titre
    from meant
),

understood as (
    select
        *,
        {{ comparator('value_meant') }} as comparator_in_text,
        case
            when titre is null
                then coalesce(number_alone, {{ number(without_unit('value_meant'), 'decimal_mark') }})
        end as value,
        case
            when number_alone is null and titre is null then {{ unit_behind_number('value_meant') }}
        end as unit_in_cell,
    from numbered
),

-- A unit behind the number in its own cell is the unit. If there is also a unit's column, it is a second
-- unit.
read as (
    select
        t.* exclude (unit_source, unit_source_2),
        case when not t.value_text_is_missing then u.value_meant end as value_meant,
        case when not t.value_text_is_missing then u.comparator_in_text end as comparator_in_text,
        case when not t.value_text_is_missing
            then coalesce(
                c.code,
                case when trim(t.comparator_source) = '=' then '=' end,
                {{ comparator('t.comparator_source') }}
            )
        end as comparator_apart,
        case when not t.value_text_is_missing then u.value end as value,
        case when not t.value_text_is_missing then u.titre end as titre,
        case when not t.value_text_is_missing then u.unit_in_cell end as unit_in_cell,
        coalesce(t.unit_source, unit_in_cell) as unit_source,
        coalesce(case when t.unit_source is not null then unit_in_cell end, t.unit_source_2) as unit_source_2,
    from typed as t
    left join understood as u
        on u.export_id = t.export_id and u.concept_source is not distinct from t.concept_source
        and u.value_text = t.value_text
    left join comparators as c on c.sender_id = t.sender_id and c.source_text = trim(t.comparator_source)
),

judged as (
    select
        *,
        {{ faults([
            {'when': '(patient_key is null and visit_key is null)',
             'rule': 'patient_id_missing', 'column': 'patient_id', 'found': 'null'},
            {'when': '(observed_on_is_missing and observed_offset_is_missing and visit_key is null)',
             'rule': 'date_missing', 'column': 'observed_on', 'found': 'observed_on'},
            {'when': '(not value_text_is_missing and comparator_source is not null'
                     ' and (comparator_apart is null or comparator_apart <> comparator_in_text))',
             'rule': 'comparator_unreadable', 'column': 'comparator', 'found': 'comparator_source'},
            {'when': '(value_text_is_missing)',
             'rule': 'value_missing', 'column': 'value', 'found': 'value_text'},
        ] + ([
            {'when': '(not reference_high_is_missing'
                     ' and try_cast(replace(trim(reference_high), \',\', \'.\') as double) is null)',
             'rule': 'limit_unreadable', 'column': 'reference_high', 'found': 'reference_high'},
        ] if limit else []) + date_faults('observed_on', 'observed_on_times')
          + offset_faults('observed_offset')) }} as faults,
    from read
)

select
    {{ provenance('judged') }},
    patient_key,
    visit_key,
    {{ the_time('observed_on_times') }} as observed_at,
    {{ known_to('observed_on_times', 'observed_date') }},
    observed_offset_days,
    concept_source,
    other_names,
    source_column,
    value_text,
    value_meant,
    coalesce(comparator_in_text, nullif(comparator_apart, '=')) as comparator,
    value,
    titre,
    unit_source,
    unit_source_2,
    unit_in_cell is not null as has_unit_in_cell,
    -- a limit of 0 or in words means that there is no limit
    case
        when try_cast(replace(trim(reference_high), ',', '.') as double) > 0 then '<=' || trim(reference_high)
        else reference_range
    end as reference_range,
    case
        when try_cast(replace(trim(reference_high), ',', '.') as double) > 0
            then nullif(trim(reference_unit), '')
    end as reference_unit,
    not_before,
    correction_id,
    as_sent,
    faults,
    {{ reject('faults') }} as is_rejected,
from judged
