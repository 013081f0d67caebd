"""The pages of the explorer in a real browser: every page of the list, at desktop and phone width.

A page of the list is taken in by itself; `MORE` names further addresses of a page that are worth a look.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import duckdb
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from orchestration.pages.application import application
from orchestration.pages.door import Guarded, local_door
from orchestration.pages.listed import PAGES
from orchestration.registry.folder import Registry
from orchestration.resources import point_at
from tests.browser.test_report import BROWSERS, FLAGS

AXE = (Path(__file__).parent / "vendored" / "axe.min.js").read_text(encoding="utf-8")
DESKTOP, PHONE = (1280, 900), (390, 844)
VIEWS = pytest.mark.parametrize(
    ("size", "language"),
    [(DESKTOP, "en"), (PHONE, "en"), (PHONE, "zh")],
    ids=["desktop", "phone", "phone-zh"],
)
NAMES = [page.name for page in PAGES]
MORE = {
    "cohort": ["analysis=cohort:cohort&shown=out"],
    "data": ["by=delivery&variable=ifn_gamma&hospital=zjch"],
}  # fmt: skip
ADDRESSES = [
    "/", "/none", "/cohort?release=none",
    *(address for page in PAGES for address in (page.listed.address, *(
        f"{page.listed.address}?{query}" for query in MORE.get(page.name, ())
    ))),
]  # fmt: skip
SECONDS = 20_000
# what is wider than the window, and what a frame of its own cuts off though it need not
CUT_OFF = """
() => [...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.scroll, .drawing, script') && !e.matches('.skip, .skip *') && e.getClientRects().length)
  .filter(e => e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < -1)
  .map(e => e.tagName + '.' + e.className)
"""
CHARTS_CUT_OFF = """
() => [...document.querySelectorAll('.drawing')].filter(e => e.scrollWidth > e.clientWidth + 1)
  .map(e => `${e.dataset.spec}: ${e.scrollWidth} > ${e.clientWidth}`)
"""
CUT_SHORT = """
() => [...document.querySelectorAll('.drawing text')].map(e => e.textContent).filter(t => t.endsWith('…'))
"""
SERIOUS = """
async () => (await axe.run(document, {resultTypes: ['violations']})).violations
  .filter(v => ['serious', 'critical'].includes(v.impact))
  .map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target + ' ' + n.any.map(a => a.message)).join('; '))
"""

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, BROWSERS)), reason="no Chromium on this machine, and none could be installed"
)


@dataclass(frozen=True)
class Served:
    address: str
    token: str
    patient: str  # the query of a patient's page


@pytest.fixture(scope="module")
def served(shipped_run: Registry) -> Iterator[Served]:
    """The pages behind their door, in this process."""
    point_at(shipped_run)
    copied = Path(shutil.copy(shipped_run.releases / "current.duckdb", shipped_run.folder / "copied.duckdb"))
    with duckdb.connect(str(copied), read_only=True) as connection:
        row = connection.sql(
            "select hospital_id, patient_key from release.dim_patient order by all"
        ).fetchone()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    dagster = Starlette(routes=[Route("/dagster/{path:path}", lambda _: PlainTextResponse("Dagster"))])
    app = Guarded(application(lambda: shipped_run, dagster), local_door(port, "secret"))  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    assert row is not None
    yield Served(f"http://127.0.0.1:{port}", "secret", urlencode({"hospital": row[0], "patient": row[1]}))
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    os.environ.setdefault("NODE_NO_WARNINGS", "1")
    found = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield opened
        opened.close()


@dataclass
class Opened:
    """A page in a context of its own, with what the browser said and asked for."""

    page: Any
    said: list[str]
    asked: list[str]


@pytest.fixture
def opened(browser: Any, served: Served) -> Iterator[Callable[..., Opened]]:
    contexts: list[Any] = []

    def open_at(
        address: str, size: tuple[int, int] = DESKTOP, language: str = "en", **options: Any
    ) -> Opened:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, locale=language, **options
        )
        context.set_default_timeout(SECONDS)
        contexts.append(context)
        page, said, asked = context.new_page(), [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{served.address}/none?token={served.token}")
        said.clear()
        page.goto(served.address + address)
        if options.get("java_script_enabled", True):
            settle(page)
        return Opened(page, said, asked)

    yield open_at
    for context in contexts:
        context.close()


def settle(page: Any) -> None:
    """Every chart is drawn or has failed, and no part is on its way."""
    page.wait_for_function(
        "() => !document.querySelector('.htmx-request')"
        " && [...document.querySelectorAll('[data-spec]')].every(e => ['yes', 'failed'].includes(e.dataset.drawn))"
    )


@VIEWS
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_is_whole_at_each_width_and_open_to_everybody(
    opened: Callable[..., Opened], served: Served, address: str, size: tuple[int, int], language: str
) -> None:
    it = opened(address, size, language)
    page = it.page
    expected_failure = f"{served.address}{address}" if "none" in address else ""
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = {
        "said": [text for text in it.said if not (expected_failure and "404" in text)],
        "asked elsewhere": [url for url in it.asked if not url.startswith((f"{served.address}/", "data:"))],
        "not drawn": page.evaluate(
            "[...document.querySelectorAll('[data-spec]')].filter(e => e.dataset.drawn !== 'yes').map(e => e.dataset.spec)"
        ),
        "wider than the window": page.evaluate(
            "Math.max(0, document.documentElement.scrollWidth - innerWidth)"
        ),
        "cut off": page.evaluate(CUT_OFF),
        "charts cut off": page.evaluate(CHARTS_CUT_OFF),
        "told": [] if "none" in address else page.locator(".told").all_inner_texts(),
        "cut short": page.evaluate(CUT_SHORT),
        "language": [] if page.evaluate("document.documentElement.lang") == language else [language],
    }
    page.evaluate(AXE)
    found["serious"] = page.evaluate(SERIOUS)
    assert {what: told for what, told in found.items() if told} == {}


def test_the_page_of_a_patient_is_whole_too(opened: Callable[..., Opened], served: Served) -> None:
    for size in (DESKTOP, PHONE):
        test_a_page_is_whole_at_each_width_and_open_to_everybody(
            opened, served, f"/patient?{served.patient}", size, "en"
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_page_says_the_same_without_script(opened: Callable[..., Opened], name: str) -> None:
    address = next(page.listed.address for page in PAGES if page.name == name)
    page = opened(address, java_script_enabled=False).page
    assert page.locator("main h1").count() == 1
    assert page.locator("main table, main textarea").count() >= 1
    buttons = page.locator("main form button")
    if buttons.count():  # a list of one release has nothing to choose from
        buttons.first.click()
        assert page.locator("main h1").count() == 1 and address in page.url


def press_until(page: Any, selector: str, key: str = "Tab", most: int = 80) -> None:
    """Reach the element by keyboard alone, and see that the focus shows."""
    for _ in range(most):
        page.keyboard.press(key)
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            assert page.evaluate(
                "(() => { const s = getComputedStyle(document.activeElement);"
                " return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 1; })()"
            ), f"the focus on {selector} does not show"
            return
    raise AssertionError(f"{selector} is not reached by {most} times {key}")


def test_from_the_first_page_to_an_analysis_by_keyboard_alone(opened: Callable[..., Opened]) -> None:
    page = opened("/").page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    press_until(page, "nav a[href='/cohort']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cohort")
    settle(page)
    before = page.locator("#view h2").inner_text()
    press_until(page, "select[name=analysis]")
    with page.expect_response(lambda response: "/cohort?" in response.url):
        page.keyboard.press("ArrowDown")
    page.wait_for_function("before => document.querySelector('#view h2').innerText !== before", arg=before)
    settle(page)
    assert "analysis=" in page.url
    assert page.evaluate("document.activeElement.name") == "analysis"
    press_until(page, "#view summary")
    page.keyboard.press("Enter")
    assert page.locator("#view details[open] table").count() == 1
    shared = page.url
    page.reload()
    settle(page)
    assert page.url == shared and page.locator("#view h2").inner_text() != before


def test_single_courses_are_chosen_and_said_by_keyboard_alone(opened: Callable[..., Opened]) -> None:
    page = opened("/courses").page
    bright = "[...document.querySelectorAll('.drawing path')].filter(e => e.getAttribute('stroke-width') === '2.5').length > 0"
    assert not page.evaluate(bright)
    press_until(page, ".spoken select")
    page.keyboard.press("ArrowDown")
    said = page.locator(".spoken output")
    first = said.inner_text()
    assert re.match(r".+, patient 1 of \d+: Baseline \d", first), first
    page.wait_for_function(f"() => {bright}")
    page.keyboard.press("ArrowDown")
    assert said.inner_text() != first and "patient 2 of" in said.inner_text()
    page.wait_for_function(f"() => {bright}")
    page.keyboard.press("Home")
    assert said.inner_text() == ""
    page.wait_for_function(f"() => !({bright})")
    assert (
        said.evaluate("e => e.tagName") == "OUTPUT"
    )  # whose changes are said: role status, aria-live polite


def test_the_content_is_one_key_away(opened: Callable[..., Opened]) -> None:
    page = opened("/data").page
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    press_until(page, "main a[href='#codebook']")


def test_release_and_language_are_chosen_by_keyboard_alone(opened: Callable[..., Opened]) -> None:
    page = opened("/cohort").page
    press_until(page, "select[name=release]")
    page.keyboard.press("ArrowDown")
    press_until(page, ".about button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cohort?release=r*")
    press_until(page, "a[hreflang=zh]")
    page.keyboard.press("Enter")
    page.wait_for_url("**lang=zh*")
    assert page.evaluate("document.documentElement.lang") == "zh" and "release=r" in page.url


def test_back_leads_to_the_choice_before(opened: Callable[..., Opened]) -> None:
    page = opened("/cohort").page
    first = page.locator("#view h2").inner_text()
    page.select_option("select[name=analysis]", index=2)
    page.wait_for_function("first => document.querySelector('#view h2').innerText !== first", arg=first)
    page.go_back()
    page.wait_for_function("first => document.querySelector('#view h2')?.innerText === first", arg=first)
