"""The static site in a real browser, from disk: both languages, at desktop and phone width."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from orchestration.pages.site import render_site
from orchestration.report.public import public_release
from tests.browser.test_pages import AXE, DESKTOP, PHONE, SERIOUS, browser
from tests.browser.test_report import BROWSERS
from tests.unit.report_fixture import make_release
from tests.unit.test_site import in_chinese

__all__ = ["browser"]
pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, BROWSERS)), reason="no Chromium on this machine, and none could be installed"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    release = in_chinese(make_release(folder / "r.duckdb", small=True))
    (folder / "site").mkdir()
    render_site(public_release(release), folder / "site")
    return folder / "site"


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_each_page_opens_from_disk_and_asks_nobody(browser: Any, site: Path, size: tuple[int, int]) -> None:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, bypass_csp=True)
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    found = {}
    for file in sorted(site.rglob("*.html")):
        page.goto(file.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        page.evaluate(AXE)
        wide = page.evaluate("Math.max(0, document.documentElement.scrollWidth - innerWidth)")
        found[file.name] = [*page.evaluate(SERIOUS), *([f"{wide} too wide"] if wide else [])]
    context.close()
    assert len(found) > 8 and {name: told for name, told in found.items() if told} == {}
    assert said == [] and [url for url in asked if not url.startswith(("file:", "data:"))] == []


def test_one_way_leads_from_the_first_page_to_a_curve_and_its_numbers_in_chinese(
    browser: Any, site: Path
) -> None:
    page = browser.new_context(locale="en").new_page()
    page.goto((site / "index.html").as_uri())
    page.click("a[hreflang=zh]")
    page.click("text=事件时间")
    assert page.evaluate("document.documentElement.lang") == "zh"
    page.click("summary:has-text('以表格显示数字')")
    assert page.locator("details[open] table").is_visible()
    assert "在险人数" in page.locator("details[open] table").inner_text()
