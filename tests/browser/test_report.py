"""The report in a real browser: no request, no error, readable at desktop and phone width."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.report.lineage import page as lineage_page
from orchestration.report.page import render_report
from tests.unit.report_fixture import make_release

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTHS = pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["desktop", "phone"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(
            f"no browser: none of {', '.join(BROWSERS)} is on the PATH, so the report was not opened in one"
        )
    from playwright.sync_api import sync_playwright

    os.environ.setdefault("NODE_NO_WARNINGS", "1")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    render_report(make_release(folder / "release.duckdb"), folder / "out")
    return folder / "out" / "report.html"


class Opened:
    """The report in a page of one size, with what the browser had to say about it."""

    def __init__(self, browser: Any, report: Path, size: tuple[int, int]) -> None:
        self.page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(report.as_uri())

    def ask(self, script: str) -> Any:
        return self.page.evaluate(script)


@WIDTHS
def test_the_report_opens_without_a_word_on_the_console_and_without_a_request(
    browser: Any, report: Path, size: tuple[int, int]
) -> None:
    opened = Opened(browser, report, size)
    opened.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    opened.page.mouse.wheel(0, 100000)
    assert opened.said == []
    assert [url for url in opened.asked if url != report.as_uri() and not url.startswith("data:")] == []


@WIDTHS
def test_the_page_never_scrolls_sideways_and_wide_tables_do_in_their_own_frame(
    browser: Any, report: Path, size: tuple[int, int]
) -> None:
    opened = Opened(browser, report, size)
    opened.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert opened.ask("document.documentElement.scrollWidth") <= size[0]
    outside = opened.ask(
        "[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, nav.contents') && !e.matches('.skip')"
        " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + '.' + e.className)"
    )
    assert outside == []
    frames = opened.ask(
        "[...document.querySelectorAll('.scroll')].map(e => [e.scrollWidth, e.clientWidth, e.tabIndex,"
        " e.scrollLeft = 40, e.scrollLeft])"
    )
    wide = [f for f in frames if f[0] > f[1] + 1]
    assert all(f[2] == 0 and f[4] > 0 for f in wide), (
        "a frame that is wider than the page must scroll, by keyboard too"
    )
    if size[0] < 600:
        assert wide, "Table I is wider than a phone"


@WIDTHS
def test_text_is_large_enough_and_every_figure_is_drawn(
    browser: Any, report: Path, size: tuple[int, int]
) -> None:
    opened = Opened(browser, report, size)
    small = opened.ask(
        "[...document.querySelectorAll('p, td, th, li, dd, dt, figcaption')]"
        ".filter(e => e.getClientRects().length && parseFloat(getComputedStyle(e).fontSize) < 12)"
        ".map(e => e.tagName + ' ' + getComputedStyle(e).fontSize + ' ' + e.textContent.slice(0, 40))"
    )
    assert small == []
    drawn = opened.ask(
        "[...document.querySelectorAll('figure.drawing svg')].filter(e => e.getClientRects().length).map(e => {"
        " const b = e.getBoundingClientRect(), f = e.closest('figure').getBoundingClientRect();"
        " const letters = [...e.querySelectorAll('text')].map(t => t.getBoundingClientRect().height);"
        " return [b.width - f.width, b.height, e.querySelectorAll('path').length, Math.min(...letters)] })"
    )
    assert len(drawn) == 4
    for beyond, height, paths, letters in drawn:
        assert abs(beyond) < 1, "a figure is as wide as its place on the page, and not cut off"
        assert height > 200 and paths > 20 and letters > 8


@WIDTHS
def test_the_contents_stay_in_sight_and_hide_no_heading_that_they_lead_to(
    browser: Any, report: Path, size: tuple[int, int]
) -> None:
    opened = Opened(browser, report, size)
    opened.page.locator("nav.contents a", has_text="Methods").click()
    bar, heading = opened.ask(
        "[document.querySelector('nav.contents').getBoundingClientRect(),"
        " document.querySelector('#nxp2-methods h2').getBoundingClientRect()].map(b => [b.top, b.bottom])"
    )
    assert bar[0] == 0 and heading[0] >= bar[1] and heading[1] < size[1]


def test_a_footnote_mark_leads_to_its_note_and_a_table_can_be_saved(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, (1280, 900))
    opened.page.locator("#nxp2_table_i-figure sup.mark a").first.click()
    assert opened.ask("location.hash") == "#nxp2_table_i-note-a"
    with opened.page.expect_download() as download:
        opened.page.locator("#nxp2_table_i-figure a.save").click()
    saved = Path(download.value.path()).read_bytes()
    assert saved == (report.parent / "tables" / "nxp2_table_i.csv").read_bytes()


def test_it_prints_with_folded_tables_open_and_without_navigation(browser: Any, report: Path) -> None:
    opened = Opened(browser, report, (1280, 900))
    opened.page.emulate_media(media="print")
    assert not opened.page.locator("nav.contents").is_visible()
    assert opened.page.locator("#nxp2_parameters-figure table").is_visible()
    assert len(opened.page.pdf(prefer_css_page_size=True)) > 50_000


LINEAGE = {
    "landing.north": {"visits.csv: CK <b>": []},
    "raw.observations": {"value_text": [["landing.north", "visits.csv: CK <b>"]]},
    "marts.fct_observation": {"value": [["raw.observations", "value_text"]], "is_derived": []},
    "report.table_i": {"Women": [["marts.fct_observation", "value"]]},
}


@WIDTHS
def test_the_way_of_a_chosen_column_is_shown_layer_by_layer(
    browser: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    path = tmp_path / "lineage.html"
    path.write_text(lineage_page(LINEAGE, "small · release r1", "Synthetic data"), encoding="utf-8")
    opened = Opened(browser, path, size)
    shown = "[...document.querySelectorAll('#way h3')].map(e => e.textContent)"
    assert opened.ask(shown) == ["report", "marts", "raw", "landing"]
    assert opened.page.get_by_role("link", name="visits.csv: CK <b>").is_visible()
    opened.page.get_by_label("Table").select_option("marts.fct_observation")
    opened.page.get_by_label("Direction").select_option("down")
    assert opened.page.get_by_text("Nothing is made of it.").is_visible()
    opened.page.get_by_label("Column").select_option("value")
    assert opened.ask(shown) == ["marts", "report"]
    opened.page.go_back()
    assert opened.page.get_by_label("Column").input_value() == "is_derived"
    assert opened.ask("document.documentElement.scrollWidth") <= size[0]
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith(("data:", path.as_uri()))] == []
