"""What every page of the explorer stands in: the release that is read, and what bad input gets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from orchestration.database.warehouse_file import WarehouseBusy
from orchestration.pages import application
from orchestration.pages.shell import Listed, Shell, as_json
from orchestration.registry.folder import load_registry
from tests.unit.test_loading import MAPPING, make_registry


def made(folder: Path, name: str, made_at: str) -> None:
    """A release with one table, and its manifest."""
    with duckdb.connect(str(folder / f"{name}.duckdb")) as connection:
        connection.execute(
            f"create schema release; create table release.release_info as select '{name}' as release_id"
        )
    (folder / f"{name}.json").write_text(
        json.dumps(
            {"release_id": name, "made_at": made_at, "synthetic": False, "checks": {"run": 2, "passed": 2}}
        )
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_registry(tmp_path)
    releases = tmp_path / "release"
    releases.mkdir(exist_ok=True)
    made(releases, "r1", "2026-01-01T00:00:00+00:00")
    made(releases, "r2", "2026-02-01T00:00:00+00:00")
    (releases / "current.duckdb").symlink_to("r2.duckdb")
    return tmp_path


Show = Callable[[Shell, Request], Response]


def info(shell: Shell, request: Request) -> Response:
    with shell.released(request) as released:
        return PlainTextResponse(str(released.rows("from release.release_info")))


def client(folder: Path, show: Show, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The application with one page that is made for a test."""

    class Probe:
        name = "probe"
        listed = Listed("/probe", "Probe")

        @staticmethod
        def routes(shell: Shell) -> list[Route]:
            return [Route("/probe", lambda request: show(shell, request))]

    monkeypatch.setattr(application, "PAGES", (Probe,))
    dagster = Starlette(routes=[Route("/dagster/{path:path}", lambda _: PlainTextResponse("Dagster"))])
    app = application.application(lambda: load_registry(folder), dagster)  # type: ignore[arg-type]
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(("query", "expected"), [("", "r2"), ("?release=", "r2"), ("?release=r1", "r1")])
def test_a_page_reads_the_release_of_its_address_and_else_the_current_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, query: str, expected: str
) -> None:
    assert client(folder, info, monkeypatch).get(f"/probe{query}").text == f"[{{'release_id': '{expected}'}}]"


@pytest.mark.parametrize("name", ["r3", "../release/r1", "current", "r1.duckdb", "/etc/passwd", "r1' or 1=1"])
def test_an_unknown_release_is_told_and_the_page_stays_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pages = client(folder, info, monkeypatch)
    answer = pages.get("/probe", params={"release": name})
    assert answer.status_code == 404
    assert "There is no release of this name." in answer.text and "</html>" in answer.text
    assert pages.get("/probe").status_code == 200


def test_without_a_release_the_remedy_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (folder / "release").iterdir():
        path.unlink()
    answer = client(folder, info, monkeypatch).get("/probe")
    assert answer.status_code == 404 and "Make one with: myositis run" in answer.text


@pytest.mark.parametrize("content", [b"", b"no database", None], ids=["empty", "text", "cut off"])
def test_a_damaged_release_is_told_and_another_can_be_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    path = folder / "release" / "r2.duckdb"
    path.write_bytes(path.read_bytes()[:9000] if content is None else content)
    pages = client(folder, info, monkeypatch)
    answer = pages.get("/probe")
    assert answer.status_code == 503 and "its file is damaged" in answer.text
    assert pages.get("/probe?release=r1").status_code == 200


def test_a_release_that_is_made_again_is_read_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = client(folder, info, monkeypatch)
    assert "r2" in pages.get("/probe").text
    again = folder / "release" / "again.duckdb"
    with duckdb.connect(str(again)) as connection:
        connection.execute(
            "create schema release; create table release.release_info as select 'new' as release_id"
        )
    again.replace(folder / "release" / "r2.duckdb")
    assert "new" in pages.get("/probe").text


def test_the_first_page_is_shown_while_a_run_holds_the_warehouse_and_a_release_is_open(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise WarehouseBusy("process 7 (myositis run) writes to it")

    with duckdb.connect(str(folder / "release" / "r2.duckdb")) as connection:
        connection.execute(
            "create schema quality; create schema raw;"
            " create table raw.delivery (sender_id text, delivery_id text, state text, reason text, loaded_at timestamp, load_id text)"
        )
    pages = client(folder, info, monkeypatch)
    assert pages.get("/probe").status_code == 200
    monkeypatch.setattr("orchestration.situation.read_situation", busy)
    answer = pages.get("/")
    assert answer.status_code == 200 and "process 7 (myositis run) writes to it" in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "copy release.release_info to '/tmp/x.csv'",
        "from read_text('/etc/passwd')",
        "create table t as select 1",
        "set memory_limit = '8GB'",
        "attach ':memory:' as other",
    ],
)
def test_a_page_can_do_nothing_but_read_its_release(
    folder: Path, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    def show(shell: Shell, request: Request) -> Response:
        with shell.released(request) as released:
            released.connection.execute(query)
        return PlainTextResponse("done")

    answer = client(folder, show, monkeypatch).get("/probe")
    assert answer.status_code in (409, 500) and "done" not in answer.text


def test_a_table_that_an_older_release_lacks_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def show(shell: Shell, request: Request) -> Response:
        with shell.released(request) as released:
            assert not released.has("results.study") and released.has("release.release_info")
            return PlainTextResponse(str(released.rows("from results.study")))

    answer = client(folder, show, monkeypatch).get("/probe")
    assert answer.status_code == 409 and "another version made it" in answer.text


@pytest.mark.parametrize(
    "address", ["/nothing", "/probe/x", "/static/x/pages.css", "/dagsterx", "/%2e%2e/etc/passwd"]
)
def test_an_address_made_by_hand_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    answer = client(folder, info, monkeypatch).get(address)
    assert answer.status_code == 404 and "There is no page at this address." in answer.text


def test_a_faulty_file_of_the_registry_is_told_on_every_page(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = client(folder, info, monkeypatch)
    (folder / "hospitals" / "north.yml").write_text(MAPPING.replace("sender:", "sendr:"))
    answer = pages.get("/probe")
    assert answer.status_code == 503 and "hospitals/north.yml" in answer.text


def test_the_layout_asks_nothing_elsewhere_and_runs_no_inline_script(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = client(folder, info, monkeypatch)
    answer = pages.get("/nothing")
    assert "http://" not in answer.text and "https://" not in answer.text and " style=" not in answer.text
    assert re.findall(r"<script(?![^>]* src=)", answer.text) == []
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy and "script-src 'self'" in policy
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text):
        assert pages.get(address).status_code == 200


def test_no_text_ends_the_element_that_holds_a_specification() -> None:
    text = "</script><!--&"
    assert "<" not in as_json({"title": text}) and json.loads(as_json({"title": text})) == {"title": text}


@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        ("", {}, "en"),
        ("", {"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}, "zh"),
        ("", {"accept-language": "de,fr"}, "en"),
        ("?lang=en", {"accept-language": "zh"}, "en"),
        ("", {"cookie": "language=zh"}, "zh"),
        ("?lang=tlh", {"cookie": "language=zh"}, "zh"),
    ],
)
def test_the_language_is_the_one_asked_for_else_the_one_kept_else_the_browsers(
    folder: Path, monkeypatch: pytest.MonkeyPatch, query: str, headers: dict[str, str], expected: str
) -> None:
    answer = client(folder, info, monkeypatch).get(f"/nothing{query}", headers=headers)
    assert f'<html lang="{expected}">' in answer.text
