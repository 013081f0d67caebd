"""Layers release and results, as one step: the marts become a candidate file, every study's results are
written into it, and it is published in one rename.

Results without their release, or a release without its results, are of no use. Dagster may be asked for one
of these assets alone: the step then makes all of them, and tells Dagster of all of them. Belongs here: that
step, and what Dagster is told. Does not belong here: the candidate and its publication (`release/`), any
statistics (`analytics/`).
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from orchestration.raw.lineage import FILES, Source, told_columns, told_to_dagster
from orchestration.registry.folder import Registry
from orchestration.release.candidate import NotBuilt, ReleaseRefused, drop_candidate, make_candidate
from orchestration.release.identity import CURRENT as CURRENT_LINK
from orchestration.release.publication import NotWhole, forget_loads_out_of_force, publish
from orchestration.resources import current_registry
from orchestration.results.compute import TABLES, WrittenTable, compute_and_write
from orchestration.results.lineage import columns_of, release_lineage
from orchestration.running.gate import GateRefused
from orchestration.running.helper import Helper
from orchestration.running.refusals import BuildRefusal
from orchestration.running.runs import POOL, let_go, mark_alive, wait_for_writers, write_lock

log = logging.getLogger("myositis")

CANDIDATE = dg.AssetKey(["release", "candidate"])
CURRENT = dg.AssetKey(["release", "current"])
RESULTS = {name: dg.AssetKey(["results", name]) for name in TABLES}
MARTS_SUITE = "marts_suite"


def release_assets(deps: list[dg.AssetKey], helper: Helper) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="release",
        specs=[
            dg.AssetSpec(
                CANDIDATE,
                deps=[*deps, dg.AssetKey(FILES.split("."))],
                group_name="release",
                kinds={"duckdb"},
                description="The marts, copied into a file of their own once the marts suite holds.",
            ),
            *(
                dg.AssetSpec(
                    key,
                    deps=[CANDIDATE, dg.AssetKey(FILES.split("."))],
                    group_name="results",
                    kinds={"pandas", "duckdb"},
                    description=TABLES[name],
                )
                for name, key in RESULTS.items()
            ),
            dg.AssetSpec(
                CURRENT,
                deps=list(RESULTS.values()),
                group_name="release",
                kinds={"duckdb"},
                description="release/current.duckdb: what analysts, reports and other systems read.",
            ),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                MARTS_SUITE,
                asset=CANDIDATE,
                blocking=True,
                description="The Great Expectations suite expectations/marts.yml holds.",
            )
        ],
        can_subset=True,  # so that a click on one of them is taken for what it means: the whole release
        pool=POOL,
    )
    def release(context: dg.AssetExecutionContext) -> Iterator[Any]:
        registry = current_registry()
        mark_alive(registry, context.run_id)
        wait_for_writers(registry)
        try:
            made = _make(registry, helper)
        except ReleaseRefused as refusal:
            yield from _told(context, [_gate(passed=False, failed=len(refusal.reasons))])
            raise GateRefused(BuildRefusal(str(refusal))) from refusal
        except (NotBuilt, NotWhole) as refusal:
            raise GateRefused(BuildRefusal(str(refusal))) from refusal
        finally:
            let_go(write_lock(registry))
        yield from _told(context, [_gate(passed=True), *made])

    return release


def _make(registry: Registry, helper: Helper) -> list[dg.AssetMaterialization]:
    """Make and publish a release; returns what was made, in order. Whatever ends this, no candidate stays."""
    try:
        identity = make_candidate(registry, helper)
        written = helper.submit(compute_and_write, registry).result()
        log.info(
            "results: %d tables, %d rows, %d with a remark",
            len(written),
            sum(t.rows for t in written),
            sum(t.remarks for t in written),
        )
        manifest = publish(registry)
    finally:
        drop_candidate(registry)
    forget_loads_out_of_force(registry)
    held = columns_of((registry.releases / CURRENT_LINK).resolve())
    lineage = _lineage(registry, held)
    return [
        dg.AssetMaterialization(CANDIDATE, metadata={"release_id": identity, **lineage[CANDIDATE]}),
        *(_result(table, lineage[RESULTS[table.name]]) for table in written),
        dg.AssetMaterialization(
            CURRENT,
            metadata={
                **lineage[CURRENT],
                "release_id": manifest["release_id"],
                "sha256": manifest["sha256"],
                "tables": len(manifest["rows"]),
                "rows": sum(manifest["rows"].values()),
                "deliveries": len(manifest["deliveries"]),
            },
            tags={"dagster/data_version": manifest["release_id"]},
        ),
    ]


def _lineage(
    registry: Registry, held: Mapping[str, Sequence[str]]
) -> dict[dg.AssetKey, dict[str, dg.TableSchema | dg.TableColumnLineage]]:
    """The columns of each asset of a release, and what each is made of.

    A column of the two files is called by its table too: ``fct_visit.visit_date``.
    """
    traced = release_lineage(held, registry.studies.values())
    copied: dict[str, list[Source]] = {}
    published: dict[str, list[Source]] = {}
    found: dict[dg.AssetKey, dict[str, list[Source]]] = {key: {} for key in RESULTS.values()}
    for table, columns in held.items():
        schema, name = table.split(".", 1)
        sources = traced.get(table) or {c: [[table, c]] for c in columns}  # a copied table of schema quality
        if schema == "results":
            found[RESULTS[name]] = sources
        else:
            copied |= {f"{name}.{column}": of for column, of in sources.items()}
        origin = "release" if schema != "results" else "results"
        published |= {
            f"{name}.{column}": [[table, column] if origin == "results" else [f"release.{name}", column]]
            for column in columns
        }
    found |= {CANDIDATE: copied, CURRENT: published}
    return {
        key: {
            "dagster/column_schema": told_columns(columns),
            "dagster/column_lineage": told_to_dagster(columns, registry.mappings),
        }
        for key, columns in found.items()
    }


def _result(table: WrittenTable, lineage: Mapping[str, Any]) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        RESULTS[table.name],
        metadata={
            "dagster/row_count": table.rows,
            "preview": dg.MetadataValue.md(table.preview),
            **lineage,
        },
    )


def _gate(*, passed: bool, **metadata: int) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=CANDIDATE, check_name=MARTS_SUITE, passed=passed, metadata=metadata
    )


def _told(
    context: dg.AssetExecutionContext, events: list[dg.AssetMaterialization | dg.AssetCheckEvaluation]
) -> Iterator[Any]:
    """What was asked for as outputs of the step, the rest of the release as events beside them."""
    asked = context.selected_asset_keys
    for event in events:
        if isinstance(event, dg.AssetCheckEvaluation):
            if dg.AssetCheckKey(event.asset_key, event.check_name) in context.selected_asset_check_keys:
                yield dg.AssetCheckResult(
                    asset_key=event.asset_key,
                    check_name=event.check_name,
                    passed=event.passed,
                    metadata=event.metadata,
                )
            else:
                context.log_event(event)
        elif event.asset_key in asked:
            version = (event.tags or {}).get("dagster/data_version")
            yield dg.MaterializeResult(
                asset_key=event.asset_key,
                metadata=event.metadata,
                data_version=dg.DataVersion(version) if version else None,
            )
        else:
            context.log_event(event)
