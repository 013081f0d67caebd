"""The flow is the layout: a layer reads the one before it, or its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from orchestration.registry.folder import Registry
from orchestration.warehouse import dbt
from orchestration.warehouse.lineage import read_lineage
from orchestration.warehouse.trace_lineage import trace_models
from tests.pipeline.patient_joins import unguarded

ROOT = Path(__file__).parents[2]
MAY_READ = {
    "staging": {"raw", "staging", "seed"},
    "intermediate": {
        "raw",
        "staging",
        "intermediate",
        "seed",
    },  # raw: the registry's rules, never entity rows
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
                allowed = layer in (
                    "marts",
                    "intermediate",
                )  # the mark that marts stand: it must come after them
            if not allowed:
                breaks.append((node["name"], parent))
    assert breaks == []


def _layer(manifest: dict, unique_id: str) -> str:
    if unique_id.startswith("source."):
        return "raw"
    if unique_id.startswith("seed."):
        return "seed"
    return manifest["nodes"][unique_id]["schema"]


def test_every_place_that_matches_patients_names_the_hospital_or_sender(shipped_run: Registry) -> None:
    compiled = dbt.target(shipped_run) / "compiled"
    models = sorted(compiled.rglob("models/**/*.sql"))
    assert {m.stem for m in models} >= {"dim_patient", "int_observations_at_visits", "fct_time_to_event"}
    assert {m.stem: found for m in models if (found := unguarded(m.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize(
    "clause",
    [
        "from a join b using (patient_key)",
        "from a join b using ( patient_key , concept_id)",
        "from a left join b on a.patient_key = b.patient_key",
        "from a left join b on b.concept_id = a.concept_id and b.patient_key = a.resolved_patient",
        "from a semi join b using (patient_key)",
        "from a anti join b using (patient_key)",
        "from a, b where a.patient_key = b.patient_key",
        "from a where exists (select 1 from b where b.patient_key = a.patient_key)",
        "from a where patient_key in (select patient_key from b)",
        "from a where patient_key not in (select patient_key from b)",
        "from a qualify row_number() over (partition by patient_key order by visit_date) = 1",
    ],
)
def test_a_join_on_the_patient_alone_is_seen_however_it_is_spelled(clause: str) -> None:
    assert len(unguarded(f"select a.x {clause}")) == 1
    with_hospital = (
        clause.replace("(patient_key)", "(hospital_id, patient_key)")
        .replace("( patient_key ,", "(sender_id, patient_key,")
        .replace("b.patient_key =", "b.hospital_id = a.hospital_id and b.patient_key =")
        .replace("a.patient_key =", "a.sender_id = b.sender_id and a.patient_key =")
        .replace("where patient_key", "where (hospital_id, patient_key)")
        .replace("select patient_key", "select (hospital_id, patient_key)")
        .replace("by patient_key", "by hospital_id, patient_key")
    )
    assert unguarded(f"select a.x {with_hospital}") == []


@pytest.mark.parametrize(
    "clause", ["count(*) from a group by patient_key", "distinct on (patient_key) x from a"]
)
def test_rows_that_are_gathered_by_the_patient_alone_are_seen(clause: str) -> None:
    assert len(unguarded(f"select {clause}")) == 1
    assert unguarded(f"select {clause.replace('patient_key', 'sender_id, patient_key')}") == []


def test_analytics_imports_nothing_of_the_flow() -> None:
    """Pure functions: no orchestration, no Dagster, no database, no environment."""
    forbidden = {"orchestration", "dagster", "duckdb", "os", "expectations", "dbt"}
    for path in (ROOT / "analytics").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
            )
            assert not [n for n in names if n.split(".")[0] in forbidden], f"{path.name}: {names}"


def test_only_resources_reads_the_environment() -> None:
    readers = set()
    for path in (ROOT / "orchestration").rglob("*.py"):
        if "os.environ" in path.read_text(encoding="utf-8") or "os.getenv" in path.read_text(
            encoding="utf-8"
        ):
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
