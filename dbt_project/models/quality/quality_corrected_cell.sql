{{ config(materialized="view", alias="corrected_cell") }}

select
    c.correction_id, c.sender_id, c.delivery_id, c.load_id, c.entity, c.source_file, c.source_sheet,
    c.source_row, c.source_column,
    c.action, c.field, c.value_sent, c.value_text,
from {{ source('raw', 'registry_corrected_cell') }} as c
where c.load_id in (select load_id from {{ source('raw', 'current_load') }})
