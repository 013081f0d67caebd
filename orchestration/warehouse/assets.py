"""Layers staging, intermediate and marts (and schema quality): the dbt project as assets, and the gate behind
it.

Belongs here: one dbt build as one Dagster op, what dbt did as Dagster events, row thresholds per delivery.
Does not belong here: running dbt (`dbt.py`), the models (`dbt_project/`).
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets

from orchestration.raw.assets import raw_asset
from orchestration.raw.lineage import FILES, told_to_dagster
from orchestration.raw.partitions import show_ledger
from orchestration.registry.folder import Registry
from orchestration.resources import current_registry
from orchestration.running.checks import check_marts
from orchestration.running.gate import GateRefused
from orchestration.running.helper import Helper
from orchestration.running.refusals import BuildRefusal
from orchestration.running.runs import POOL, mark_alive, wait_for_writers
from orchestration.warehouse import dbt
from orchestration.warehouse.build import build, failure_sentence
from orchestration.warehouse.correction_cells import CorrectionsRefused
from orchestration.warehouse.lineage import read_lineage

log = logging.getLogger("myositis")


class Translator(DagsterDbtTranslator):
    """Names asset keys and groups by layer. A model that reads a raw table depends on the raw asset of every
    sender; one that reads a rule of the registry depends on the files that people write.
    """

    def __init__(self, senders: list[str]) -> None:
        super().__init__(
            DagsterDbtTranslatorSettings(enable_asset_checks=True, enable_duplicate_source_asset_keys=True)
        )
        self.senders = senders

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        return dg.AssetKey(
            [_layer(dbt_resource_props), dbt_resource_props.get("alias") or dbt_resource_props["name"]]
        )

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return _layer(dbt_resource_props)

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Mapping[str, Any], unique_id: str, project: Any
    ) -> dg.AssetCheckSpec | None:
        """Leaves out tests of seeds: this project's own tests run them, a registry's build does not."""
        if (manifest["nodes"][unique_id].get("attached_node") or "").startswith("seed."):
            return None
        return super().get_asset_check_spec(asset_spec, manifest, unique_id, project)

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        deps = [d for d in spec.deps if d.asset_key.path[0] != "source"]
        sources = [d.asset_key.path[-1] for d in spec.deps if d.asset_key.path[0] == "source"]
        if any(source.startswith("registry_") for source in sources):
            deps.append(dg.AssetDep(dg.AssetKey(FILES.split("."))))
        if any(not source.startswith("registry_") for source in sources):
            deps += [
                dg.AssetDep(dg.AssetKey(["raw", sender]), partition_mapping=dg.AllPartitionMapping())
                for sender in self.senders
            ]
        return spec.replace_attributes(deps=deps)


def _layer(props: Mapping[str, Any]) -> str:
    if props["resource_type"] == "source":
        return "source"
    return "catalogue" if props["resource_type"] == "seed" else props["schema"]


def warehouse_assets(registry: Registry, helper: Helper) -> dg.AssetsDefinition:
    manifest = dbt.read_manifest()
    translator = Translator(list(registry.mappings))
    raw = [raw_asset(sender, m.name, helper) for sender, m in registry.mappings.items()]

    @dbt_assets(manifest=manifest, dagster_dbt_translator=translator, name="warehouse", pool=POOL)
    def models(context: dg.AssetExecutionContext) -> Iterator[Any]:
        mark_alive(current_registry(), context.run_id)
        wait_for_writers(current_registry())
        try:
            results, counts = build(current_registry())
        except CorrectionsRefused as refusal:
            raise GateRefused(BuildRefusal(str(refusal))) from refusal
        failed = [r for r in results if not r.passed]
        show_ledger(current_registry(), context.instance, raw)
        if not failed:
            helper.start_early(check_marts, current_registry())
        yield from _events(context, manifest, translator, results, counts)
        if failed:
            raise GateRefused(BuildRefusal(failure_sentence(failed)))

    return models


def _events(
    context: dg.AssetExecutionContext,
    manifest: Mapping[str, Any],
    translator: Translator,
    results: list[dbt.NodeResult],
    counts: Mapping[str, int],
) -> Iterator[Any]:
    """One materialization per model built, one check result per test run; they hold counts only."""
    wanted = {key.to_user_string(): key for key in context.selected_asset_keys}
    checks = {(c.asset_key, c.name) for c in context.selected_asset_check_keys}
    lineage = read_lineage()
    senders = list(current_registry().mappings)
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
                        **(
                            {"dagster/column_lineage": told_to_dagster(lineage[table], senders)}
                            if table in lineage
                            else {}
                        ),
                    },
                )
        elif result.resource_type == "test":
            check = _check_key(manifest, node, translator)
            if check is not None and (check.asset_key, check.name) in checks:
                yield dg.AssetCheckResult(
                    asset_key=check.asset_key,
                    check_name=check.name,
                    passed=result.status == "pass",
                    severity=dg.AssetCheckSeverity.WARN
                    if result.status == "warn"
                    else dg.AssetCheckSeverity.ERROR,
                    metadata={"failures": result.failures or 0},
                )


def _check_key(
    manifest: Mapping[str, Any], node: Mapping[str, Any], translator: Translator
) -> dg.AssetCheckKey | None:
    from dagster_dbt.asset_utils import get_asset_check_key_for_test

    return get_asset_check_key_for_test(manifest, translator, node["unique_id"], project=None)
