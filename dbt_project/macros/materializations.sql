{#
How a model becomes a table or a view, in place of dbt-duckdb's own ways, which serve every warehouse: those write an increment twice (a
temporary table, then the rows), and build beside a table and rename. DuckDB replaces in one transaction, hooks included.
#}

{% materialization incremental, adapter="duckdb" -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is none or existing.is_view or should_full_refresh() -%}
        {{ return(replaced('table')) }}
    {%- endif -%}
    {{ return(made('insert into ' ~ this ~ ' by name (' ~ compiled_code ~ '\n)', 'table')) }}
{%- endmaterialization %}

{% materialization table, adapter="duckdb" -%} {{ return(replaced('table')) }} {%- endmaterialization %}

{% materialization view, adapter="duckdb" -%} {{ return(replaced('view')) }} {%- endmaterialization %}

{% macro replaced(type) -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing and existing.type != type -%}{%- do adapter.drop_relation(existing) -%}{%- endif -%}
    {{ return(made('create or replace ' ~ type ~ ' ' ~ this ~ ' as (' ~ compiled_code ~ '\n)', type)) }}
{%- endmacro %}

{% macro made(sql, type) -%}
    {{ run_hooks(pre_hooks) }}
    {%- call statement('main') -%} {{ sql }} {%- endcall -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [this.incorporate(type=type)]}) }}
{%- endmacro %}
