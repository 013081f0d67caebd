"""What the tests of a build look at: the rows of touched patients, or everything."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from orchestration.database.warehouse_file import warehouse
from orchestration.registry.folder import Registry
from orchestration.resources import point_at
from orchestration.warehouse import dbt
from orchestration.warehouse.build import failure_sentence
from tests.registries import copy_as_it_stands, query

SEX_TEST = "accepted_values_dim_patient_sex"


@pytest.fixture
def built(shipped_folder: Path, tmp_path: Path) -> Registry:
    return copy_as_it_stands(shipped_folder, tmp_path / "registry")


def _failed(results: list[dbt.NodeResult]) -> list[str]:
    return [
        r.unique_id.split(".")[2].split("__")[0]
        for r in results
        if r.resource_type == "test" and r.status in ("fail", "error")
    ]


def _change(registry: Registry, *statements: str) -> None:
    point_at(registry)
    with warehouse(registry.warehouse) as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_fault_in_a_touched_patients_rows_is_found_and_found_again_until_it_is_gone(
    built: Registry,
) -> None:
    patient = query(built, "select min(patient_key) from marts.dim_patient")[0][0]
    _change(
        built,
        f"update staging.stg_patients set sex = 'robot' where patient_key = '{patient}'",
        f"update intermediate.int_built_patient set patient_version = 'another' where patient_key = '{patient}'",
    )
    for _ in range(2):
        results = dbt.build(built, full_refresh=False, with_seeds=False)
        assert _failed(results) == [SEX_TEST]
        assert query(built, "select patient_key from intermediate.int_touched_patient") == [(patient,)]


def test_an_untouched_patients_rows_are_left_to_dbt_test(built: Registry) -> None:
    _change(
        built,
        "update marts.dim_patient set sex = 'robot' where patient_key = (select min(patient_key) from marts.dim_patient)",
    )
    assert _failed(dbt.build(built, full_refresh=False, with_seeds=False)) == []
    assert _failed(dbt.test(built, "dim_patient")) == [SEX_TEST]


def test_a_full_refresh_looks_at_every_row(built: Registry) -> None:
    """Every patient is made from the altered word, and tested whole: the compiled test names no touched
    patient.
    """
    _change(
        built,
        "update intermediate.sex_codes set sex = 'robot' where sex = 'female'",
        "update raw.registry_code set code = 'robot' where kind = 'sex' and code = 'female'",
    )
    assert _failed(dbt.build(built, full_refresh=True, with_seeds=False)) == [SEX_TEST]
    compiled = next(dbt.target(built).rglob(f"compiled/**/{SEX_TEST}*.sql")).read_text()
    assert "int_touched_patient" not in compiled


def test_a_key_that_names_no_patient_is_tested_over_the_whole_table(built: Registry) -> None:
    with duckdb.connect(str(built.warehouse)) as connection:
        connection.execute("insert into marts.fct_visit select * from marts.fct_visit limit 1")
    point_at(built)
    assert _failed(dbt.build(built, full_refresh=False, with_seeds=False)) == ["unique_fct_visit_visit_key"]


def test_the_tables_tested_by_patient_are_kept_by_patient() -> None:
    nodes = dbt.read_manifest()["nodes"].values()
    kept = {n["alias"] for n in nodes if "forget_touched" in json.dumps(n["config"].get("pre-hook", []))}
    macro = (
        (dbt.DBT_PROJECT / "macros" / "incremental.sql")
        .read_text()
        .split("kept_by_patient = [")[1]
        .split("]")[0]
    )
    listed = {word.strip("' ") for word in macro.replace("\n", "").split(",") if word.strip()}
    tested = {(n.get("attached_node") or "").split(".")[-1] for n in nodes if n["resource_type"] == "test"}
    assert listed == kept & tested


def test_what_duckdb_quotes_of_a_value_is_not_told(built: Registry) -> None:
    """A model that breaks on a value: the sentence of the failure says where and why, and leaves the value
    out.
    """
    _change(
        built,
        "update raw.registry_setting set value = 'secret 4711'",
        "update intermediate.int_built_patient set patient_version = 'another'"
        " where patient_key = (select min(patient_key) from intermediate.int_built_patient)",
    )
    failed = [r for r in dbt.build(built, full_refresh=False, with_seeds=False) if not r.passed]
    assert any("secret 4711" in r.message for r in failed)
    told = failure_sentence(failed)
    assert (
        "int_observations_at_visits error" in told
        and "Conversion Error: Could not convert string …" in told
        and " behind it left out" in told
    )
    assert "4711" not in told and "secret" not in told
