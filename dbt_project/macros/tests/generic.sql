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
select hospital_id, patient_key
from {{ model }}
anti join {{ ref('dim_patient') }} using (hospital_id, patient_key)
{% endtest %}
