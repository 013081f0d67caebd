select treatment_id, treatment_name, treatment_class from {{ ref('treatments') }}
