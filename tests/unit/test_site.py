"""The static site: the numbers of the public report as pages from disk, and what a folder of others gets."""

from __future__ import annotations

import os
import re
from pathlib import Path

import duckdb
import pytest

from orchestration.pages import site
from orchestration.pages.site import MARKER, NotOurs, render_site, write_site
from orchestration.registry.folder import Registry
from orchestration.report import write as write_report
from orchestration.report.public import public_release, render_public
from orchestration.report.published import read_published
from orchestration.report.write import NothingToReport
from tests.unit.report_fixture import RELEASE, make_release
from tests.unit.test_cli import call
from tests.unit.test_loading import make_registry


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry whose current release has one study."""
    made = make_registry(tmp_path / "registry")
    made.releases.mkdir()
    make_release(made.releases / f"{RELEASE}.duckdb", small=True)
    manifest = f'{{"release_id": "{RELEASE}", "rows": {{"results.study": 1}}}}'
    (made.releases / f"{RELEASE}.json").write_text(manifest)
    (made.releases / "current.duckdb").symlink_to(f"{RELEASE}.duckdb")
    return made


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_link_leads_to_a_file_of_the_folder_and_nothing_elsewhere_is_asked_for(
    registry: Registry, tmp_path: Path
) -> None:
    first = write_site(registry, tmp_path / "website")
    pages = sorted(first.parent.rglob("*.html"))
    assert first in pages and len(pages) > 4
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert RELEASE in text and "Synthetic data. Nobody on this page exists" in text
        assert "<script" not in text and "default-src 'none'" in text
        for link in re.findall(r'(?:href|src)="([^"#][^"]*)"', text):
            assert link.startswith("data:") or (page.parent / link).resolve().is_file(), link


def test_the_site_prints_the_tables_of_the_public_report_and_no_others(tmp_path: Path) -> None:
    release = make_release(tmp_path / "r.duckdb", small=True)
    (tmp_path / "site").mkdir()
    render_site(public_release(release), tmp_path / "site")
    render_public(release, tmp_path / "public")
    tables = {
        f"nxp2/{k}": v for k, v in files(tmp_path / "public").items() if k.startswith(("tables", "figures"))
    }
    found = {
        k: v for k, v in files(tmp_path / "site").items() if k.startswith(("nxp2/tables", "nxp2/figures"))
    }
    assert found == tables and tables


def in_chinese(release: Path) -> Path:
    """The release with a Chinese name for the study and for each of its groups."""
    with duckdb.connect(str(release)) as connection:
        connection.execute("alter table results.study add column title_zh varchar default '研究'")
        connection.execute("alter table results.study_group add column label_zh varchar")
        connection.execute("update results.study_group set label_zh = label || '组'")
    return release


def cells(page: Path) -> list[str]:
    """The numbers in the tables of a page."""
    tables = re.findall(r"<table.*?</table>", page.read_text(encoding="utf-8"), re.DOTALL)
    return re.findall(r"\d+\.?\d*", " ".join(re.sub(r"<[^>]+>", " ", table) for table in tables))


def test_a_study_with_chinese_names_has_pages_in_both_languages_with_the_same_numbers(tmp_path: Path) -> None:
    release = in_chinese(make_release(tmp_path / "r.duckdb", small=True))
    (tmp_path / "site").mkdir()
    render_site(public_release(release), tmp_path / "site")
    english = [p for p in sorted((tmp_path / "site").rglob("*.html")) if not p.name.endswith(".zh.html")]
    assert len(english) > 4
    for page in english:
        other = page.with_suffix(".zh.html")
        text = other.read_text(encoding="utf-8")
        assert '<html lang="zh">' in text and f'href="{page.name}"' in text
        assert f'href="{other.name}"' in page.read_text(encoding="utf-8")
        assert sorted(cells(other)) == sorted(cells(page)), page
        for link in re.findall(r'(?:href|src)="([^"#][^"]*)"', text):
            assert link.startswith("data:") or (other.parent / link).resolve().is_file(), link
    assert "组</span>" in (tmp_path / "site" / "nxp2" / "index.zh.html").read_text(encoding="utf-8")


def test_a_study_named_in_english_alone_has_no_page_in_chinese(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    render_site(public_release(make_release(tmp_path / "r.duckdb", small=True)), tmp_path / "site")
    assert not list((tmp_path / "site").rglob("*.zh.html"))


def test_the_numbers_of_each_figure_stand_below_it_and_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    render_site(public_release(make_release(tmp_path / "r.duckdb", small=True)), tmp_path / "site")
    pages = "".join(p.read_text(encoding="utf-8") for p in (tmp_path / "site" / "nxp2").glob("*.html"))
    figures = [p.stem for p in (tmp_path / "site" / "nxp2" / "figures").glob("*.svg")]
    assert figures
    for figure in figures:
        assert f'id="{figure}_numbers-figure"' in pages.partition(f'id="{figure}-figure"')[2], figure
        assert (tmp_path / "site" / "nxp2" / "tables" / f"{figure}_numbers.csv").is_file()


def test_no_page_shows_a_course_of_a_single_patient(tmp_path: Path) -> None:
    release = make_release(tmp_path / "r.duckdb")
    with duckdb.connect(str(release)) as connection:
        connection.execute("update results.trajectory_patient set value = 31415.9265 + line")
    (tmp_path / "site").mkdir()
    render_site(public_release(release), tmp_path / "site")
    assert not [
        name for name, data in files(tmp_path / "site").items() if b"31415" in data or b"31416" in data
    ]


def test_fewer_than_five_new_patients_wait_on_the_site_too(registry: Registry, tmp_path: Path) -> None:
    write_site(registry, tmp_path / "one")
    file = registry.releases / f"{RELEASE}.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("update release.release_info set release_id = 'rnew'")
        connection.execute("update results.study_group set n = n + 3 where group_id = 'nxp2_jdm'")
    write_site(registry, tmp_path / "two")
    about = (tmp_path / "two" / "nxp2" / "index.html").read_text(encoding="utf-8")
    assert f"are those of release <code>{RELEASE}</code>" in about
    tables = [{k: v for k, v in files(tmp_path / n).items() if k.endswith(".csv")} for n in ("one", "two")]
    assert tables[0] == tables[1]


def test_the_ledger_knows_what_becomes_visible_before_it_does(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process killed at the rename leaves a record without an output, never an output without a record."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for module, write in (
        (site, lambda: write_site(registry, tmp_path / "website")),
        (write_report, lambda: write_report.write_public_report(registry)),
    ):
        registry.published_ledger.unlink(missing_ok=True)
        monkeypatch.setattr(module, "put_folder_in_place", killed)
        with pytest.raises(KeyboardInterrupt):
            write()
        assert read_published(registry.published_ledger)["nxp2"].release_id == RELEASE
        assert not (tmp_path / "website").exists() and not (registry.public / RELEASE).exists()


def test_a_folder_with_other_content_stays_as_it_is(registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "website"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(
        NotOurs, match="holds something else, which would be lost; name a new or an empty folder"
    ):
        write_site(registry, folder)
    assert files(folder) == {"thesis.txt": b"mine"}
    (folder / "thesis.txt").unlink()
    write_site(registry, folder)  # an empty folder is filled, and our own is replaced
    (folder / "stale.html").write_text("of an earlier release")
    write_site(registry, folder)
    assert MARKER in files(folder) and "stale.html" not in files(folder)


def test_nothing_half_written_stays(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "_write_files", lambda *_: (_ for _ in ()).throw(OSError(28, os.strerror(28))))
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(OSError):
        write_site(registry, tmp_path / "website")
    assert sorted(os.listdir(tmp_path)) == before
    assert not registry.published_ledger.exists()


def test_what_cannot_be_written_is_told(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(NotOurs, match="make it first"):
        write_site(registry, tmp_path / "gone" / "website")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotOurs, match="is no folder; name a new one"):
        write_site(registry, tmp_path / "file")
    (registry.releases / "current.duckdb").unlink()
    with pytest.raises(NothingToReport, match="no site: there is no release yet"):
        write_site(registry, tmp_path / "website")


def test_the_command_names_the_first_page(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ("--registry", str(registry.folder))
    code, out, _ = call("site", str(tmp_path / "website"), *at, capsys=capsys)
    assert (code, out.strip()) == (0, f"written  {tmp_path}/website/index.html")
    code, _, err = call("site", str(registry.folder), *at, capsys=capsys)
    assert (code, "holds something else" in err) == (2, True)
