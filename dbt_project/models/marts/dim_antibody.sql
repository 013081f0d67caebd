select
    a.antibody_id, a.antibody_name, a.antibody_group, a.msa_label, a.family_id,
    coalesce(s.citation, a.source) as source,
from {{ ref('antibodies') }} as a
left join {{ ref('catalogue_sources') }} as s on s.source_id = a.source
