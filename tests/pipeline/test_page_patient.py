"""The page *Patient*: found by what was seen, each value with its source cell, closed unless the registry
opens it.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from orchestration.pages.application import application
from orchestration.registry.folder import Registry, load_registry

SPEC = re.compile(r'<script type="application/json" id="strip-(\w+)-spec">(.*?)</script>', re.DOTALL)


def client(folder: Path) -> TestClient:
    app = application(lambda: load_registry(folder), Starlette())  # type: ignore[arg-type]
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def pages(shipped_run: Registry) -> TestClient:
    return client(shipped_run.folder)


def asked(registry: Registry, sql: str) -> list[tuple[Any, ...]]:
    """Rows of the release, which the pages keep open with a lock of their own."""
    with duckdb.connect() as connection:
        connection.execute(
            f"attach '{(registry.releases / 'current.duckdb').resolve()}' as file (read_only); use file"
        )
        return connection.execute(sql).fetchall()


def one(registry: Registry, where: str) -> dict[str, str]:
    """A patient who has a row of the release like this."""
    ((hospital, key),) = asked(
        registry, f"select hospital_id, patient_key from release.{where} order by all limit 1"
    )
    return {"hospital": hospital, "patient": key}


def specs(text: str) -> dict[str, Any]:
    return {name: json.loads(spec) for name, spec in SPEC.findall(text)}


def marks(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The values of a strip's last layer, which holds its marks."""
    return spec["layer"][-1]["data"]["values"]


def test_pages_of_patients_are_closed_unless_the_registry_opens_them(
    shipped_run: Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "registry"
    for name in ("hospitals", "studies", "published"):
        shutil.copytree(shipped_run.folder / name, folder / name)
    (folder / "release").symlink_to(shipped_run.releases)
    text = (shipped_run.folder / "registry.yml").read_text()
    (folder / "registry.yml").write_text(re.sub(r"(?m)^patient_pages:.*\n", "", text))
    closed = client(folder)
    patient = one(shipped_run, "dim_patient")
    for query in ({}, patient):
        answer = closed.get("/patient", params=query)
        assert answer.status_code == 403 and "patient_pages: true in registry.yml" in html.unescape(
            answer.text
        )
    assert 'href="/patient' not in closed.get("/releases").text


def test_patients_are_found_by_hospital_and_by_what_was_seen(
    pages: TestClient, shipped_run: Registry
) -> None:
    for seen, query in (
        ("event:relapse", "release.fct_event where event_id = 'relapse' and status = 'present'"),
        ("antibody:mda5", "release.fct_antibody_result where antibody_id = 'mda5' and is_positive"),
        ("treatment:ivig", "release.fct_treatment where treatment_id = 'ivig'"),
        ("definition:ild", "release.fct_definition where definition_id = 'ild' and status = 'met'"),
        ("group:nxp2/tif1g_jdm", "results.cohort_member where group_id = 'tif1g_jdm' and kind = 'cohort'"),
    ):
        for hospital in ("", "zjch"):
            keys = asked(shipped_run, f"select distinct hospital_id, patient_key from {query}")
            expected = sorted(key for at, key in keys if hospital in ("", at))
            text = pages.get("/patient", params={"seen": seen, "hospital": hospital}).text
            assert sorted(re.findall(r"patient=([0-9a-f]+)", text)) == expected
            assert f">{len(expected)} patient" in text


def test_every_value_stands_beside_its_source_cell(pages: TestClient, shipped_run: Registry) -> None:
    patient = one(shipped_run, "fct_observation where comparator is not null and source_column is not null")
    rows = asked(
        shipped_run,
        "select observation_key, concept_id, sender_id || '/' || delivery_id, source_file, source_row, source_column,"
        f" coalesce(value_text, '') from release.fct_observation where patient_key = '{patient['patient']}'"
        " and not is_derived and coalesce(value_canonical, upper_limit, lower_limit) is not null",
    )
    concepts = sorted({row[1] for row in rows})
    answer = pages.get("/patient", params=[*patient.items(), *(("result", c) for c in concepts)])
    found = dict(re.findall(r'<tr id="cell-([^"]+)">(.*?)</tr>', answer.text))
    for key, _, delivery, file, row, column, sent in rows:
        told = html.unescape(found[key])
        assert f"{delivery}, {file}" in told and f"row {row}, column {column}" in told and sent in told
    linked = {mark["cell"].removeprefix("#cell-") for c in concepts for mark in marks(specs(answer.text)[c])}
    assert {row[0] for row in rows} <= linked <= set(found)


def test_a_value_below_a_limit_is_drawn_as_a_limit(pages: TestClient, shipped_run: Registry) -> None:
    where = "from release.fct_observation where comparator = '<' and scheduled_visit is not null"
    ((hospital, key, concept),) = asked(
        shipped_run, f"select hospital_id, patient_key, concept_id {where} order by all limit 1"
    )
    answer = pages.get("/patient", params={"hospital": hospital, "patient": key, "result": concept})
    spec = specs(answer.text)[concept]
    limits = [mark for mark in marks(spec) if mark["shown"].startswith("<")]
    assert limits and {mark["known"] for mark in limits} == {"below this limit"}
    shape = spec["layer"][-1]["encoding"]["shape"]["scale"]
    assert dict(zip(shape["domain"], shape["range"]))["below this limit"] == "triangle-down"


def test_all_strips_share_one_axis_and_relapses_cross_the_results(
    pages: TestClient, shipped_run: Registry
) -> None:
    patient = one(
        shipped_run, "fct_event where event_id = 'relapse' and status = 'present' and hospital_id = 'zjch'"
    )
    found = specs(pages.get("/patient", params=patient).text)
    assert {"visits", "cmas", "ck", "antibodies", "treatments", "events"} <= found.keys()
    domains = {str(s["layer"][-1]["encoding"]["x"]["scale"]["domain"]) for s in found.values()}
    assert len(domains) == 1
    assert [layer for layer in found["ck"]["layer"] if layer["mark"]["type"] == "rule"]


def test_the_reference_range_of_the_laboratory_lies_behind_the_values(
    pages: TestClient, shipped_run: Registry
) -> None:
    patient = one(shipped_run, "fct_observation where concept_id = 'ck' and reference_low > 0")
    ((low, high),) = asked(
        shipped_run,
        "select distinct reference_low, reference_high from release.fct_observation"
        f" where concept_id = 'ck' and patient_key = '{patient['patient']}'",
    )
    (band, *_) = specs(pages.get("/patient", params=patient).text)["ck"]["layer"]
    assert (band["mark"]["type"], band["data"]["values"]) == ("rect", [{"value": low, "high": high}])


def test_a_definition_names_the_inputs_that_decided(pages: TestClient, shipped_run: Registry) -> None:
    patient = one(
        shipped_run, "fct_definition where definition_id = 'bohan_peter_1975' and inputs_missing is not null"
    )
    ((used, missing),) = asked(
        shipped_run,
        "select inputs_used, inputs_missing from release.fct_definition where definition_id = 'bohan_peter_1975'"
        f" and patient_key = '{patient['patient']}'",
    )
    (row,) = re.findall(
        r'<tr id="definition-bohan_peter_1975">(.*?)</tr>', pages.get("/patient", params=patient).text
    )
    assert used.replace("_", " ") in row and missing.replace("_", " ") in row


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"hospital": "zjch", "patient": "0" * 32}, "There is no such patient in this release."),
        ({"hospital": "zjch", "patient": "' or true --"}, "There is no such patient in this release."),
        ({"hospital": "elsewhere"}, "There is no hospital of this name."),
        ({"seen": "event:moon"}, "Nothing of this name was seen."),
        ({"seen": "name:Li"}, "Nothing of this name was seen."),
        ({"release": "r0"}, "There is no release of this name."),
    ],
)
def test_an_address_made_by_hand_is_told(pages: TestClient, query: dict[str, str], sentence: str) -> None:
    answer = pages.get("/patient", params=query)
    assert answer.status_code == 404 and sentence in answer.text
    assert pages.get("/patient").status_code == 200


def test_a_result_that_the_patient_does_not_have_is_left_out(
    pages: TestClient, shipped_run: Registry
) -> None:
    answer = pages.get("/patient", params=one(shipped_run, "dim_patient") | {"result": "moon"})
    assert answer.status_code == 200 and "moon" not in specs(answer.text)
