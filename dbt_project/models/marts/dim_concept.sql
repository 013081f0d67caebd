select
    concept_id, concept_name, category, kind, loinc, unit_canonical, is_whole_number, physical_low,
    physical_high,
    plausible_low, plausible_high, direction, detection_limit, source,
from {{ ref('concepts') }}
-- a quantity in another form (urea nitrogen) is stored under the quantity itself (urea)
where concept_id not in (select concept_id from {{ ref('concept_forms') }})
