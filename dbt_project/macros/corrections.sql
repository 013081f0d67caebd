{#
Corrections are made between raw and staging. Raw keeps the text that arrived. A record of
corrections/<hospital>.yml names cells that are wrong; orchestration/warehouse/correction_cells.py finds these
cells and writes them to `raw.registry_corrected_cell`. Here the corrected text takes the place of the text
sent. `as_sent` keeps the text sent, so that a mart can show both.
#}

{#
The fields of a raw table that a correction may set. Tests compare them with
orchestration/database/warehouse_file.py.
#}
{% macro correctable_fields(entity) -%}
    {{ return({
        'patients': [
            'sex', 'birth_date', 'birth_year', 'onset_date', 'diagnosis_date', 'origin_date', 'age_at_onset',
            'disease_duration', 'diagnosis',
        ],
        'visits': ['visit_date', 'visit_offset', 'visit_end_date', 'visit_end_offset', 'visit_label'],
        'observations': [
            'observed_on', 'observed_offset', 'concept_source', 'other_names', 'value_text', 'comparator_source',
            'unit_source', 'unit_source_2', 'reference_range', 'reference_high', 'reference_unit',
        ],
        'antibodies': [
            'tested_on', 'tested_offset', 'antibody_source', 'result_text', 'assay_source', 'cut_off'
        ],
        'events': ['event_date', 'event_offset', 'event_source', 'other_names', 'status_text', 'detail'],
        'treatments': [
            'treatment_source', 'start_date', 'start_offset', 'stop_date', 'stop_offset', 'dose', 'dose_unit'
        ],
        'follow_up': ['last_seen_date', 'last_seen_offset', 'status_text', 'reason'],
    }[entity]) }}
{%- endmacro %}

{% macro corrected_rows(entity) -%}
{%- set has_source_column = entity in ['observations', 'antibodies', 'events'] -%}
corrections as (
    select
        load_id, export_id, source_file, source_sheet, source_row, source_column,
        string_agg(distinct correction_id, ', ' order by correction_id) as correction_id,
        min(action) filter (where action <> 'set') as correction_action,
        {{ texts_by_field('value_text') }} as texts,
        {{ texts_by_field('value_sent') }} as as_sent,
    from {{ source('raw', 'registry_corrected_cell') }}
    where entity = '{{ entity }}'
    group by all
),

corrected_rows as not materialized (
    select
        r.* replace (
            {%- for field in correctable_fields(entity) %}
            {{ text_now('c.texts', field, 'r.' ~ field) }} as {{ field }}{{ "," if not loop.last }}
            {%- endfor %}
        ),
        c.correction_id,
        c.correction_action,
        c.as_sent,
    from raw_rows as r
    left join corrections as c
        on c.load_id = r.load_id and c.source_row = r.source_row and c.export_id = r.export_id
        and c.source_file = r.source_file and c.source_sheet is not distinct from r.source_sheet
        {%- if has_source_column %} and c.source_column is not distinct from r.source_column{% endif %}
)
{%- endmacro %}

{# What a record's field was when it arrived. #}
{% macro sent(field, alias='') -%}
    {{ text_now(alias ~ 'as_sent', field, alias ~ field) }}
{%- endmacro %}

{% macro is_set_aside() -%} correction_action is not null {%- endmacro %}

{# DuckDB's map of field to text, and its entry for one field where it has one (which may be empty). #}
{% macro texts_by_field(text) -%}
    map_from_entries(list({'k': field, 'v': {{ text }}}) filter (where action = 'set'))
{%- endmacro %}

{% macro text_now(texts, field, otherwise) -%}
    case
        when {{ texts }} is null then {{ otherwise }}
        when map_contains({{ texts }}, '{{ field }}') then {{ texts }}['{{ field }}']
        else {{ otherwise }}
    end
{%- endmacro %}
