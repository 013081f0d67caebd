{# Generic tests of this project; each returns the rows that break it. #}

{% test unique_columns(model, columns) %}
select {{ columns | join(', ') }}, count(*) as n
from {{ model }}
group by all
having count(*) > 1
{% endtest %}

{% test unique_where(model, columns, condition) %}
select {{ columns | join(', ') }}, count(*) as n
from {{ model }}
where {{ condition }}
group by all
having count(*) > 1
{% endtest %}

{% test holds(model, condition) %}
select * from {{ model }}
where not coalesce({{ condition }}, true)
{% endtest %}

{% test patient_is_known(model) %}
select f.hospital_id, f.patient_key
from {{ model }} as f
anti join {{ ref('dim_patient') }} as p using (hospital_id, patient_key)
{% endtest %}
