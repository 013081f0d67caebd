"""sqlfluff on the models' SQL as dbt compiled it: keywords in lower case, no ambiguous order, no CTE that
nothing reads.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.registry.folder import Registry
from orchestration.warehouse import dbt

ROOT = Path(__file__).parents[2]
TOO_DEEP = {  # sqlfluff stops at 600 levels; the texts' rules are nested deeper than that
    "int_treatments",
}
TOO_LONG = {  # sqlfluff skips files of over 20,000 bytes, for its parser takes minutes on them
    "int_antibody_results",
    "int_events",
    "int_observations",
    "quality_delivery_change",
    "quality_rejected_row",
    "stg_antibodies",
    "stg_events",
    "stg_follow_up",
    "stg_observations",
    "stg_patients",
    "stg_treatments",
    "stg_visits",
}


def models(registry: Registry) -> list[Path]:
    """The compiled SQL of each model; the tests' own lies beside it once they ran."""
    [compiled] = (dbt.target(registry) / "compiled").glob("*")
    nodes = dbt.read_manifest()["nodes"].values()
    return sorted(compiled / n["original_file_path"] for n in nodes if n["resource_type"] == "model")


@pytest.fixture(scope="module")
def linted(shipped_run: Registry) -> dict[str, list[dict]]:
    """What sqlfluff found, by model."""
    told = subprocess.run(
        [
            Path(sys.executable).with_name("sqlfluff"),
            "lint",
            "--format",
            "json",
            "--config",
            ROOT / ".sqlfluff",
            *models(shipped_run),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return {Path(file["filepath"]).stem: file["violations"] for file in json.loads(told.stdout)}


def test_compiled_sql_follows_the_rules_of_sqlfluff(linted: dict[str, list[dict]]) -> None:
    assert len(linted) > 40
    found = {
        model: [
            f"{v['code']} line {v['start_line_no']}: {v['description']}"
            for v in violations
            if v["code"] != "PRS"
        ]
        for model, violations in linted.items()
    }
    assert {model: sentences for model, sentences in found.items() if sentences} == {}


def test_the_models_that_sqlfluff_cannot_parse_are_those_named_here(
    shipped_run: Registry, linted: dict[str, list[dict]]
) -> None:
    unparsed = {model for model, violations in linted.items() if any(v["code"] == "PRS" for v in violations)}
    skipped = {p.stem for p in models(shipped_run) if p.stat().st_size > 20_000}
    assert unparsed == TOO_DEEP
    assert skipped == TOO_LONG
