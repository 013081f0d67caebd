"""The Dagster UI of a registry in headless Chromium: every layer in the graph, no page error, no outside
request.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.warehouse import dbt
from tests.registries import shipped

CHROMIUM = next(
    (p for n in ("chromium", "chromium-browser", "google-chrome", "chrome") if (p := shutil.which(n))), None
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LAYERS = ("landing", "raw", "staging", "intermediate", "marts", "release", "results", "report")
START_SECONDS = 180

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine, and none could be installed"
)


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    registry = shipped(tmp_path_factory.mktemp("ui") / "registry")
    dbt.prepare_manifest()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (registry.folder / "ui.log").open("w")
    process = subprocess.Popen(
        [
            str(Path(sys.executable).parent / "myositis"),
            "ui",
            "--port",
            str(port),
            "--registry",
            str(registry.folder),
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                urllib.request.urlopen(address, timeout=5)
            except urllib.error.HTTPError as refused:
                assert refused.code == 401
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, Path(log.name).read_text()[-2000:]
                assert time.monotonic() < deadline, Path(log.name).read_text()[-2000:]
                time.sleep(0.5)
        yield re.findall(rf"{address}/\?token=\S+", Path(log.name).read_text())[0]
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        log.close()


def test_the_graph_shows_every_layer_without_error_or_outside_request(ui: str) -> None:
    from playwright.sync_api import sync_playwright

    at = ui.partition("/?")[0]
    errors: list[str] = []
    outside: list[str] = []
    refused: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "request",
            lambda r: (
                outside.append(r.url)
                if not r.url.startswith((at, "data:", "blob:", at.replace("http", "ws")))
                else None
            ),
        )
        page.on("console", lambda m: refused.append(m.text) if "Content Security Policy" in m.text else None)
        page.goto(ui, wait_until="load")
        assert page.url == f"{at}/"
        page.get_by_text("not for publication").first.wait_for()
        page.get_by_role("link", name="Dagster").click()
        page.goto(f"{at}/dagster/asset-groups", wait_until="domcontentloaded")
        for layer in LAYERS:
            page.get_by_text(layer, exact=True).first.wait_for(timeout=90_000)
        page.goto(f"{at}/dagster/automation", wait_until="domcontentloaded")
        page.get_by_text("new_deliveries").first.wait_for(timeout=60_000)
        browser.close()
    assert errors == []
    assert outside == []
    assert refused == []
