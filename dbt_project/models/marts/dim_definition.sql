select
    d.definition_id, d.version, d.definition_name, d.applies_to, d.period, d.window_days, d.levels, d.rule,
    s.citation as source,
from {{ ref('definitions') }} as d
left join {{ ref('catalogue_sources') }} as s on s.source_id = d.source
