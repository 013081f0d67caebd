{#
How a model or a seed becomes a table or a view. These macros take the place of dbt-duckdb's own, which serve
every warehouse: they write an increment twice (a temporary table, then the rows), build a new table beside
the old one and rename it, and read a seed in Python before DuckDB reads it. Here DuckDB replaces the table in
one transaction, hooks included. `column_types` lists all columns of a seed, in the order of its file.
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

{% materialization seed, adapter="duckdb" -%}
    {#- dbt asks every seed for this result -#}
    {%- do store_result('agate_table', response='OK') -%}
    {%- set types = [] -%}
    {%- for name, type in config.get('column_types').items() -%}
        {%- do types.append("'" ~ name ~ "': '" ~ type ~ "'") -%}
    {%- endfor -%}
    {%- set file = "'" ~ adapter.get_seed_file_path(model) | replace("'", "''") ~ "'" -%}
    {%- set compiled = "select * from read_csv(" ~ file
        ~ ", header = true, delim = ',', quote = '\"', escape = '\"'"
        ~ ", columns = {" ~ types | join(', ') ~ "})" -%}
    {{ return(made('create or replace table ' ~ this ~ ' as (' ~ compiled ~ ')', 'table')) }}
{%- endmaterialization %}
