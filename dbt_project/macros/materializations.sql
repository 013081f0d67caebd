{#
How a model or a seed becomes a table or a view, in place of dbt-duckdb's own ways, which serve every warehouse: those write an increment
twice (a temporary table, then the rows), build beside a table and rename, and read a seed in Python before DuckDB does. DuckDB replaces in one
transaction, hooks included. A seed's columns are those of its `column_types`, all of them, in the file's order.
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
    {%- do store_result('agate_table', response='OK') -%} {#- which dbt asks every seed for -#}
    {%- set types = [] -%}
    {%- for name, type in config.get('column_types').items() -%}{%- do types.append("'" ~ name ~ "': '" ~ type ~ "'") -%}{%- endfor -%}
    {%- set file = "'" ~ adapter.get_seed_file_path(model) | replace("'", "''") ~ "'" -%}
    {%- set compiled = "select * from read_csv(" ~ file ~ ", header = true, delim = ',', quote = '\"', escape = '\"', columns = {" ~ types | join(', ') ~ "})" -%}
    {{ return(made('create or replace table ' ~ this ~ ' as (' ~ compiled ~ ')', 'table')) }}
{%- endmaterialization %}
