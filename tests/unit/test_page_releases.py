"""The page *Releases*: the list, the difference of two as the terminal tells it, and what bad input gets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from orchestration.pages import releases
from orchestration.pages.application import application
from orchestration.registry.folder import load_registry
from tests.unit.small_release import make_release
from tests.unit.test_diff import NEW, delivered, without
from tests.unit.test_loading import make_registry


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry that keeps two releases that can be compared, and one that is damaged."""
    made = make_registry(tmp_path_factory.mktemp("registry"))
    for path in (
        make_release(made.releases, "r1", without("d")),
        make_release(made.releases, "r2", delivered("d"), loads=NEW),
        make_release(made.releases, "r3"),
    ):
        manifest = json.loads(path.with_suffix(".json").read_text())
        manifest |= {
            "synthetic": True,
            "checks": {"run": 2, "passed": 2},
            "deliveries": [{"sender_id": "north", "delivery_id": "2025-12-31"}],
            "rows": {"release.dim_patient": 8},
        }
        path.with_suffix(".json").write_text(json.dumps(manifest))
    (made.releases / "r3.duckdb").write_bytes(b"no database")
    (made.releases / "current.duckdb").symlink_to("r2.duckdb")
    return made.folder


@pytest.fixture(scope="module")
def pages(folder: Path) -> TestClient:
    app = application(lambda: load_registry(folder), Starlette())  # type: ignore[arg-type]
    return TestClient(app, raise_server_exceptions=False)


def test_the_list_says_what_each_release_was_made_from_and_compares_nothing(
    pages: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases, "_compared", lambda *_: pytest.fail("nobody asked for a comparison"))
    answer = pages.get("/releases")
    assert answer.status_code == 200
    assert "north/2025-12-31" in answer.text and "2 of 2 hold" in answer.text
    assert 'aria-current="page">Releases' in answer.text


def test_two_releases_are_told_as_the_terminal_tells_them(pages: TestClient) -> None:
    answer = pages.get("/releases?from=r1&to=r2&place=small: Table I")
    assert answer.status_code == 200
    row = (
        '<tr><th scope="row">Score, Young, summary</th><td>36.33 ± 7.09</td><td>39.75 ± 8.96</td>'
        "<td>1 patient added by north/2026-03-31</td></tr>"
    )
    assert row in answer.text and "1 patient of north added by north/2026-03-31" in answer.text
    sheet = pages.get("/releases/changes.csv?from=r1&to=r2")
    assert (
        "small,Table I,Score,Young,summary,36.33 ± 7.09,39.75 ± 8.96,1 patient added by north/2026-03-31"
        in sheet.text
    )


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [
        ("from=r9&to=r2", 404, "There is no release of this name to compare."),
        ("from=../r1&to=r2", 404, "There is no release of this name to compare."),
        ("release=../../secret", 404, "There is no release of this name. Choose one above"),
        ("from=r2&to=r2", 400, "Choose two different releases"),
        ("from=r1&to=r3", 409, "r3.duckdb cannot be opened: it is damaged"),
    ],
)
def test_what_cannot_be_compared_is_told_and_the_page_stays_up(
    pages: TestClient, query: str, status: int, sentence: str
) -> None:
    answer = pages.get(f"/releases?{query}")
    assert (answer.status_code, sentence in answer.text) == (status, True)
    assert pages.get("/releases").status_code == 200


def test_a_comparison_that_takes_too_long_is_stopped(
    pages: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases, "SECONDS", 0.05)
    answer = pages.get("/releases?from=r2&to=r1")
    assert answer.status_code == 504 and "myositis diff r2 r1" in answer.text
