"""The flow is the layout: a layer reads the one before it, or its own."""

from __future__ import annotations

import ast
from pathlib import Path

from orchestration.registry.folder import Registry
from orchestration.warehouse import dbt
from orchestration.warehouse.lineage import read_lineage
from orchestration.warehouse.trace_lineage import trace_models

ROOT = Path(__file__).parents[2]
MAY_READ = {
    "staging": {"raw", "staging", "seed"},
    "intermediate": {"raw", "staging", "intermediate", "seed"},  # raw: the registry's rules, never entity rows
    "marts": {"raw", "intermediate", "marts", "seed"},
    "quality": {"raw", "staging", "intermediate", "quality", "seed"},
}
RULES = ("registry_", "current_load")
LEDGER = ("delivery", "delivery_change", "delivery_file", "source_table", "source_finding", "rejected_line")


def test_models_read_the_layer_before_or_their_own(shipped_run: Registry) -> None:
    manifest = dbt.read_manifest()
    breaks = []
    for node in manifest["nodes"].values():
        if node["resource_type"] != "model":
            continue
        for parent in node["depends_on"]["nodes"]:
            layer = _layer(manifest, parent)
            name = parent.split(".")[-1]
            allowed = layer in MAY_READ[node["schema"]]
            if layer == "raw" and node["schema"] != "staging":
                allowed = name.startswith(RULES) or (node["schema"] == "quality" and name in LEDGER)
            if node["name"] == "int_built_patient":
                allowed = layer in ("marts", "intermediate")  # the mark that marts stand: it must come after them
            if not allowed:
                breaks.append((node["name"], parent))
    assert breaks == []


def _layer(manifest: dict, unique_id: str) -> str:
    if unique_id.startswith("source."):
        return "raw"
    if unique_id.startswith("seed."):
        return "seed"
    return manifest["nodes"][unique_id]["schema"]


def test_every_join_of_a_model_on_a_patient_names_the_hospital_or_sender(shipped_run: Registry) -> None:
    for path in (ROOT / "dbt_project" / "models").rglob("*.sql"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "using (patient_key" in line.replace("  ", " "):
                raise AssertionError(f"{path.name}: {line.strip()}")


def test_analytics_imports_nothing_of_the_flow() -> None:
    """Pure functions: no orchestration, no Dagster, no database, no environment."""
    forbidden = {"orchestration", "dagster", "duckdb", "os", "expectations", "dbt"}
    for path in (ROOT / "analytics").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else (
                [node.module or ""] if isinstance(node, ast.ImportFrom) else [])
            assert not [n for n in names if n.split(".")[0] in forbidden], f"{path.name}: {names}"


def test_only_resources_reads_the_environment() -> None:
    readers = set()
    for path in (ROOT / "orchestration").rglob("*.py"):
        if "os.environ" in path.read_text(encoding="utf-8") or "os.getenv" in path.read_text(encoding="utf-8"):
            readers.add(path.name)
    assert readers <= {"resources.py"}


def test_every_model_and_column_is_described(shipped_run: Registry) -> None:
    import duckdb

    manifest = dbt.read_manifest()
    with duckdb.connect(str(shipped_run.warehouse), read_only=True) as connection:
        for node in manifest["nodes"].values():
            if node["resource_type"] != "model":
                continue
            assert "One row per" in node["description"], node["name"]
            relation = f"{node['schema']}.{node['alias']}"
            columns = {c[0] for c in connection.execute(f"describe {relation}").fetchall()}
            described = {name for name, c in node["columns"].items() if c["description"]}
            assert columns == described, (node["name"], columns ^ described)


def test_the_column_lineage_that_dagster_shows_is_that_of_the_sql(shipped_run: Registry) -> None:
    """After a change of the models: make lineage."""
    assert read_lineage() == trace_models(shipped_run, dbt.read_manifest())
