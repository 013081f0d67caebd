{#- Adds the registry's own rows (`concepts/<seed>.csv`), if there are any, after dbt has loaded a seed. -#}
{% macro and_the_registrys_own() %}
    {%- set own = adapter.get_relation(
        database=this.database, schema='raw', identifier='registry_addition_' ~ this.identifier)
        if execute -%}
    {%- if own -%} insert into {{ this }} by name select * from {{ own }} {%- else -%} select 1 {%- endif -%}
{% endmacro %}
