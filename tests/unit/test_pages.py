"""What stands on the first page, and what under /report/, without the door and without Dagster."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from orchestration.pages.application import application
from orchestration.raw.ingestion import ingest
from orchestration.registry.folder import Registry, load_registry
from orchestration.resources import point_at
from tests.unit.test_loading import MAPPING, make_registry


def pages(folder: Path) -> TestClient:
    dagster = Starlette(routes=[Route("/dagster/{path:path}", lambda _: PlainTextResponse("Dagster"))])
    return TestClient(application(lambda: load_registry(folder), dagster))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A delivery that is taken, one that is refused for a column, and one that is outstanding."""
    registry = make_registry(tmp_path_factory.mktemp("pages"))
    point_at(registry)
    for name, header in (("second", "id,name,sex,unheard of\n"), ("third", "id,name,sex\n")):
        folder = registry.landing / "north" / name
        folder.mkdir()
        (folder / "patients.csv").write_text(f"{header}3,Cora Example,F{',x' * header.count('unheard')}\n")
        (folder / "visits.csv").write_text("id,date,CK,ALT,remark\n")
    ingest(registry, "north", "first")
    ingest(registry, "north", "second")
    return registry


def test_the_first_page_tells_how_the_registry_stands(registry: Registry) -> None:
    text = pages(registry.folder).get("/").text
    assert "not for publication" in text
    assert '<td class="whole">first</td>' in text and '<td class="accepted">accepted</td>' in text
    assert "north/second stands refused" in text
    assert "north/third: 2 files, not taken yet" in text
    assert "There is no release yet" in text
    assert 'href="/dagster/asset-groups"' in text
    assert "/report/" not in text


def test_the_first_page_holds_no_patient_and_asks_nothing_elsewhere(registry: Registry) -> None:
    text = pages(registry.folder).get("/").text
    for word in ("Anna", "Bert", "Cora", "unheard of", "<script>", "http://", "https://", "style="):
        assert word not in text


def test_a_text_of_the_registry_is_no_markup(tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    settings = tmp_path / "registry.yml"
    settings.write_text(settings.read_text().replace("name: small", "name: <script>alert(1)</script>"))
    point_at(registry)
    text = pages(tmp_path).get("/").text
    assert "<script>" not in text and "&lt;script&gt;" in text


def test_a_faulty_file_is_told_in_place_of_the_situation(tmp_path: Path) -> None:
    make_registry(tmp_path)
    (tmp_path / "hospitals" / "north.yml").write_text(MAPPING.replace("sender:", "sendr:"))
    answer = pages(tmp_path)
    assert answer.get("/").status_code == 200
    assert "hospitals/north.yml" in answer.get("/").text


def test_a_report_is_read_only_and_nothing_beside_it_is_shown(registry: Registry, tmp_path: Path) -> None:
    registry = make_registry(tmp_path)
    assert pages(tmp_path).get("/report/").status_code == 404
    current = registry.reports / "r1"
    (current / "tables").mkdir(parents=True)
    (current / "replay").mkdir()
    (current / "report.html").write_text("a report")
    (current / "lineage.html").write_text("lineage")
    (current / "replay" / "rows.csv").write_text("rows")
    (registry.reports / "current").symlink_to("r1")
    client = pages(tmp_path)
    assert client.get("/report").text == "a report"
    assert client.get("/report/replay/rows.csv").status_code == 404
    assert client.get("/report/tables").status_code == 404
    assert client.put("/report/").status_code in (404, 405)
    assert "script-src 'none'" in client.get("/report/").headers["content-security-policy"]
    assert (
        "script-src 'unsafe-inline'" in client.get("/report/lineage.html").headers["content-security-policy"]
    )
    assert "Report</a>" in client.get("/").text


def test_dagster_stands_under_its_path(registry: Registry) -> None:
    assert pages(registry.folder).get("/dagster/runs").text == "Dagster"


def test_an_error_of_a_page_tells_nothing_of_its_text(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("Anna Example.csv")

    monkeypatch.setattr("orchestration.pages.looks.glance_at_situation", broken)
    client = TestClient(pages(registry.folder).app, raise_server_exceptions=False)
    answer = client.get("/")
    assert answer.status_code == 500 and "Anna" not in answer.text and "myositis status" in answer.text
