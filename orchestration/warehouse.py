"""Layers staging, intermediate and marts (and schema quality): the dbt project as assets, and the gate behind it.

Belongs here: one dbt build as one Dagster op, what dbt did as Dagster events, row thresholds per delivery. Does not
belong here: running dbt (`dbt.py`), the models (`dbt_project/`).
"""

import logging
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import dagster as dg
import duckdb
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets

from orchestration import dbt, second_process
from orchestration.checks import check_marts
from orchestration.correction_cells import CorrectionsRefused, resolve_corrections
from orchestration.database import BEING_BUILT, BUILT_BY_RULES, put_state, state, warehouse, write_rules
from orchestration.delivery_changes import compare_again
from orchestration.delivery_ledger import judged_by
from orchestration.lineage import read_lineage
from orchestration.raw import POOL
from orchestration.registry import Registry
from orchestration.resources import current_registry
from orchestration.runs import mark_alive, wait_for_writers
from orchestration.withdrawals import withdraw

log = logging.getLogger("myositis")

RULES_TOLD, ROWS_TOLD = 5, 10  # of a delivery that is refused for its rows

LAYERS = ("staging", "intermediate", "marts", "quality")


class Translator(DagsterDbtTranslator):
    """Asset keys and groups by layer; what reads a raw table depends on every sender's raw asset."""

    def __init__(self, senders: list[str]) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_asset_checks=True, enable_duplicate_source_asset_keys=True))
        self.senders = senders

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        return dg.AssetKey([_layer(dbt_resource_props), dbt_resource_props.get("alias") or dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return _layer(dbt_resource_props)

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Mapping[str, Any], unique_id: str, project: Any
    ) -> dg.AssetCheckSpec | None:
        """Tests of seeds belong to this project's own tests, not to a registry's build."""
        if (manifest["nodes"][unique_id].get("attached_node") or "").startswith("seed."):
            return None
        return super().get_asset_check_spec(asset_spec, manifest, unique_id, project)

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        deps = [d for d in spec.deps if d.asset_key.path[0] != "source"]
        if len(deps) < len(list(spec.deps)):
            deps += [
                dg.AssetDep(dg.AssetKey(["raw", sender]), partition_mapping=dg.AllPartitionMapping())
                for sender in self.senders
            ]
        return spec.replace_attributes(deps=deps)


def _layer(props: Mapping[str, Any]) -> str:
    if props["resource_type"] == "source":
        return "source"
    return "catalogue" if props["resource_type"] == "seed" else props["schema"]


def warehouse_assets(registry: Registry) -> dg.AssetsDefinition:
    manifest = dbt.read_manifest()
    translator = Translator(list(registry.mappings))

    @dbt_assets(manifest=manifest, dagster_dbt_translator=translator, name="warehouse", pool=POOL)
    def models(context: dg.AssetExecutionContext) -> Iterator[Any]:
        mark_alive(current_registry(), context.run_id)
        wait_for_writers(current_registry())
        try:
            results, counts = build(current_registry())
        except CorrectionsRefused as refusal:
            raise dg.Failure(str(refusal), allow_retries=False) from refusal
        failed = [r for r in results if not r.passed]
        if not failed:
            second_process.begin_early(check_marts, current_registry())
        yield from _events(context, manifest, translator, results, counts)
        if failed:
            raise dg.Failure(failure_sentence(failed), allow_retries=False)

    return models


def build(registry: Registry) -> tuple[list[dbt.NodeResult], dict[str, int]]:
    """Bring every model up to date with the loads in force; returns what each node did, and rows by table.

    The rules that the tables were built by are kept beside them: other rules, or a build that was cut short while it
    applied them, mean a full refresh. Corrections are found in the loads first: when one no longer holds, nothing is built. A
    delivery with more rejected rows than its hospital is allowed is put out of
    force, its predecessor back into force, and the touched patients are built again.
    """
    rules = dbt.project_digest() + registry.rules_digest()
    with warehouse(registry.warehouse) as connection:
        write_rules(connection, registry)
        fresh = state(connection, BUILT_BY_RULES) == rules
        if not fresh:
            put_state(connection, BUILT_BY_RULES, f"{BEING_BUILT} {rules}")
    log.info("models: %s", "what the new deliveries touch" if fresh else "all of them, for rules or models are new")
    _settle(registry)
    results = dbt.build(registry, full_refresh=not fresh, with_seeds=not fresh)
    while all(r.passed for r in results):
        with warehouse(registry.warehouse) as connection:
            connection.execute("delete from raw.registry_load_to_restage")
            if not refuse_over_threshold(connection, registry):
                put_state(connection, BUILT_BY_RULES, rules)
                return results, _row_counts(connection)
        _settle(registry)
        results = dbt.build(registry, full_refresh=False, with_seeds=False)
    with warehouse(registry.warehouse) as connection:
        return results, _row_counts(connection)


def _settle(registry: Registry) -> None:
    with warehouse(registry.warehouse) as connection:
        withdraw(connection, registry)
        compare_again(connection, registry)
        if faults := resolve_corrections(connection, registry):
            raise CorrectionsRefused(faults)


def refuse_over_threshold(connection: duckdb.DuckDBPyConnection, registry: Registry) -> int:
    """Put deliveries out of force whose share of rejected records exceeds what their mapping allows; returns how many."""
    over = connection.execute("""
        select t.sender_id, t.delivery_id, t.load_id, t.source_file, t.source_sheet, t.entity, t.records_counted,
            t.records + t.rows_malformed, s.rejected_rows_allowed
        from quality.source_table as t join raw.registry_sender as s using (sender_id)
        where t.records_counted > s.rejected_rows_allowed * (t.records + t.rows_malformed)
        order by all
    """).fetchall()
    loads = {row[2] for row in over}
    for load_id in sorted(loads):
        reasons = [
            f"{sender}/{delivery}/{file}{f' [{sheet}]' if sheet else ''}: {counted} of {records} records of {entity} rejected;"
            f" allowed {allowed:.1%}{_rules_hit(connection, load_id, file, sheet, entity)}"
            for sender, delivery, load, file, sheet, entity, counted, records, allowed in over if load == load_id
        ]
        sender, delivery = next((r[0], r[1]) for r in over if r[2] == load_id)
        connection.begin()
        connection.execute(
            "update raw.delivery set state = 'refused', reason = ? where load_id = ?", ["\n".join(reasons), load_id]
        )
        connection.execute(
            "update raw.delivery set state = 'accepted' where load_id = ("
            " select load_id from raw.delivery where sender_id = ? and delivery_id = ? and state = 'replaced'"
            " and load_id in (select load_id from raw.source_table)"  # its rows are still here
            " order by loaded_at desc limit 1)",
            [sender, delivery],
        )
        judged = judged_by(connection, sender, load_id, registry.records_digest(date.today(), sender))
        connection.execute("insert or replace into raw.delivery_decision values (?, ?)", [load_id, judged])
        connection.commit()
        log.warning("refused %s/%s: %s", sender, delivery, reasons[0])
    return len(loads)


def _rules_hit(connection: duckdb.DuckDBPyConnection, load_id: str, file: str, sheet: str | None, entity: str) -> str:
    """What to look for and where, a line per rule and column; no value. The refused rows are in no table afterwards."""
    hits = connection.execute(
        """
        select r.rule, r.column_name, count(*), list(distinct r.source_row order by r.source_row), any_value(k.expected), any_value(k.remedy)
        from quality.rejected_row as r join intermediate.rejection_rules as k using (rule)
        where r.load_id = ? and r.source_file = ? and r.source_sheet is not distinct from ?
            and coalesce(r.entity, ?) = ? and r.counts_against_threshold
        group by all order by 3 desc, 1, 2 limit ?
        """, [load_id, file, sheet, entity, entity, RULES_TOLD],
    ).fetchall()
    lines = []
    for rule, column, n, rows, expected, remedy in hits:
        more = f" and {len(rows) - ROWS_TOLD:,} more" if len(rows) > ROWS_TOLD else ""
        where = f'column "{column}", ' if column else ""
        numbers = ", ".join(str(row) for row in rows[:ROWS_TOLD])
        lines.append(f"\n  {rule} {n:,}: {where}row{'s' if len(rows) > 1 else ''} {numbers}{more}; expected {expected}; {remedy}")
    return "".join(lines)


def _row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    tables = connection.execute(
        "select table_schema || '.' || table_name from information_schema.tables"
        f" where table_schema in {LAYERS!r} and table_type = 'BASE TABLE'"
    ).fetchall()
    if not tables:
        return {}
    query = " union all ".join(f"select '{name}' as name, count(*) as n from {name}" for (name,) in tables)
    return dict(connection.execute(query).fetchall())


def _events(
    context: dg.AssetExecutionContext,
    manifest: Mapping[str, Any],
    translator: Translator,
    results: list[dbt.NodeResult],
    counts: Mapping[str, int],
) -> Iterator[Any]:
    """One materialization per model built, one check result per test run; counts only."""
    wanted = {key.to_user_string(): key for key in context.selected_asset_keys}
    checks = {(c.asset_key, c.name) for c in context.selected_asset_check_keys}
    lineage = read_lineage()
    for result in results:
        node = manifest["nodes"].get(result.unique_id)
        if node is None:
            continue
        if result.resource_type in ("model", "seed"):
            key = translator.get_asset_key(node)
            if result.passed and key.to_user_string() in wanted:
                table = f"{node['schema']}.{node.get('alias') or node['name']}"
                rows = counts.get(table)
                yield dg.MaterializeResult(
                    asset_key=key,
                    metadata={
                        "seconds": round(result.seconds, 3),
                        **({"dagster/row_count": rows} if rows is not None else {}),
                        **({"dagster/column_lineage": _column_lineage(lineage[table])} if table in lineage else {}),
                    },
                )
        elif result.resource_type == "test":
            key = _check_key(manifest, node, translator)
            if key is not None and (key.asset_key, key.name) in checks:
                yield dg.AssetCheckResult(
                    asset_key=key.asset_key,
                    check_name=key.name,
                    passed=result.status == "pass",
                    severity=dg.AssetCheckSeverity.WARN if result.status == "warn" else dg.AssetCheckSeverity.ERROR,
                    metadata={"failures": result.failures or 0},
                )


def _column_lineage(columns: Mapping[str, list[list[str]]]) -> dg.TableColumnLineage:
    return dg.TableColumnLineage({
        column: [dg.TableColumnDep(asset_key=table.split("."), column_name=source) for table, source in sources]
        for column, sources in columns.items()
    })


def _check_key(manifest: Mapping[str, Any], node: Mapping[str, Any], translator: Translator) -> dg.AssetCheckKey | None:
    from dagster_dbt.asset_utils import get_asset_check_key_for_test

    return get_asset_check_key_for_test(manifest, translator, node["unique_id"], project=None)


def failure_sentence(failed: list[dbt.NodeResult]) -> str:
    """Which models and tests failed, and why; those behind them were skipped, and are counted."""
    broken = [r for r in failed if r.status != "skipped"]
    told = [
        f"{r.unique_id.split('.')[2]} {r.status}"
        + (f" ({r.failures} rows)" if r.failures else f" ({_without_values(r.message)})" if r.message else "")
        for r in broken[:20]
    ]
    skipped = len(failed) - len(broken)
    return "dbt: " + "; ".join(told) + (f"; {skipped} models and tests behind it left out" if skipped else "")


def _without_values(message: str) -> str:
    """DuckDB quotes what it could not read, and that is a patient's value: the message up to there, numbers left out."""
    kept, *cut = re.split(r"['\"]|\n\s*LINE ", message, maxsplit=1)
    return " ".join(re.sub(r"(?<![\w.])\d[\d.]*", "#", kept).split()) + (" …" if cut else "")
