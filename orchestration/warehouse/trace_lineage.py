"""Traces the models' column lineage from their SQL (`make lineage`).

Does not belong here: reading the traced lineage (`lineage.py`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import duckdb

from orchestration.raw.lineage import Lineage, Source
from orchestration.registry.folder import Registry
from orchestration.warehouse.dbt import target
from orchestration.warehouse.lineage import FILE

NOT_TRACED = {"int_touched_patient"}  # its SQL differs between a first build and later ones

Schema = dict[str, dict[str, dict[str, str]]]  # type of a column by layer, table and column


def trace_models(registry: Registry, manifest: dict[str, Any]) -> Lineage:
    """Trace every model of a registry that has been built, from the model's compiled SQL and the columns of
    the tables.
    """
    schema: Schema = {}
    with duckdb.connect(str(registry.warehouse), read_only=True) as connection:
        for layer, table, column, kind in connection.execute(
            "select table_schema, table_name, column_name, data_type from information_schema.columns "
            "order by all"
        ).fetchall():
            schema.setdefault(layer, {}).setdefault(table, {})[column] = kind
    compiled = target(registry) / "compiled" / manifest["metadata"]["project_name"]
    seeds = {
        f"{node['schema']}.{node['alias']}": f"catalogue.{node['alias']}"
        for node in manifest["nodes"].values()
        if node["resource_type"] == "seed"
    }
    return {
        f"{node['schema']}.{node['alias']}": _named(
            _trace((compiled / node["original_file_path"]).read_text(), schema), seeds
        )
        for _, node in sorted(manifest["nodes"].items())
        if node["resource_type"] == "model" and node["name"] not in NOT_TRACED
    }


def _named(traced: dict[str, list[Source]], seeds: dict[str, str]) -> dict[str, list[Source]]:
    """The traced columns, with a table of the catalogue under the name of its asset."""
    return {
        column: sorted([seeds.get(table, table), source] for table, source in sources)
        for column, sources in traced.items()
    }


def _trace(sql: str, schema: Schema) -> dict[str, list[list[str]]]:
    """Each output column, with the columns of tables from which it is made."""
    from sqlglot import exp, parse_one
    from sqlglot.lineage import lineage
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope

    tree = parse_one(sql, dialect="duckdb")
    for named in tree.find_all(exp.Table):
        named.set("catalog", None)
    tree = qualify(
        tree, schema=dict(schema), dialect="duckdb", validate_qualify_columns=False, identify=False
    )
    assert isinstance(tree, exp.Query)  # every model is a query
    scope = build_scope(tree)
    traced = {}
    # trimmed selects are for labels of a graph: copying every select for every column took nine tenths of the
    # time
    for column in tree.named_selects:
        sources = {
            (f"{node.expression.db}.{node.expression.name}", node.name.split(".")[-1].strip('"'))
            for node in lineage(
                column, tree, schema, scope=scope, dialect="duckdb", copy=False, trim_selects=False
            ).walk()
            if isinstance(node.expression, exp.Table) and node.expression.db
        }
        traced[column] = [list(s) for s in sorted(sources)]
    return traced


def main(folder: Path) -> None:
    """Build ``folder``'s registry if need be, and write the lineage of its models."""
    from orchestration.registry.folder import load_registry
    from orchestration.resources import point_at
    from orchestration.warehouse import dbt
    from orchestration.warehouse.build import build

    registry = load_registry(folder)
    point_at(registry)
    build(registry)
    text = json.dumps(
        trace_models(registry, dbt.read_manifest()), indent=1, sort_keys=True, ensure_ascii=False
    )
    FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
