"""The report: what is written, that it asks for nothing outside itself, and that nothing goes unsaid."""

from __future__ import annotations

import csv
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from orchestration.report.page import ReportError, render_report
from tests.unit.report_fixture import RELEASE, make_release

TABLES = {
    "nxp2_cohort_flow",
    "nxp2_table_i",
    "nxp2_table_ii",
    "nxp2_table_iii",
    "nxp2_contrasts",
    "nxp2_marginal_means",
    "nxp2_parameters",
    "nxp2_relapse_survival",
    "nxp2_relapse_log_rank",
    "nxp2_relapse_cox",
    "nxp2_terms_satterthwaite_f",
    "nxp2_further_contrasts",
    "nxp2_further_marginal_means",
    "nxp2_further_parameters",
    "nxp2_reproduction_summary",
    "nxp2_reproduction_differing",
    "nxp2_reproduction_agreeing",
    "deliveries",
    "rejected_rows",
    "checks",
}
FIGURES = {"nxp2_cmas_course", "nxp2_ck_course", "nxp2_il_10_ifn_gamma_ratio_course", "nxp2_relapse_curve"}


class Page(HTMLParser):
    """Tags with their attributes, and the text in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(self.source)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, attribute: str) -> list[str]:
        return [attrs[attribute] for _, attrs in self.tags if attribute in attrs]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    render_report(make_release(folder / "release.duckdb"), folder / "out")
    return folder / "out"


@pytest.fixture(scope="module")
def page(rendered: Path) -> Page:
    return Page(rendered / "report.html")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    render_report(
        make_release(folder / "release.duckdb", threshold=5, synthetic=False, small=True), folder / "out"
    )
    return folder / "out"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_every_table_is_a_csv_and_every_figure_three_files(rendered: Path) -> None:
    written = {str(p.relative_to(rendered)) for p in rendered.rglob("*") if p.is_file()}
    assert written == {
        "report.html",
        ".report-files",
        *(f"tables/{t}.csv" for t in TABLES),
        *(f"figures/{f}.{kind}" for f in FIGURES for kind in ("svg", "png", "pdf")),
    }


def test_the_page_asks_for_nothing_outside_itself(page: Page) -> None:
    assert not {tag for tag, _ in page.tags} & {
        "script",
        "iframe",
        "object",
        "embed",
        "base",
        "audio",
        "video",
    }
    assert [a["href"] for tag, a in page.tags if tag == "link"] == ["data:,"]
    assert not page.all("src") and "@import" not in page.source
    assert all(target.startswith("#") for target in re.findall(r"url\(['\"]?([^)'\"]+)", page.source))
    links = [a["href"] for tag, a in page.tags if tag == "a"]
    assert all(link.startswith(("#", "data:text/csv;base64,", "figures/")) for link in links)
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_ids_are_unique_and_every_reference_leads_somewhere(page: Page, rendered: Path) -> None:
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    wanted = [
        i for a in ("aria-labelledby", "aria-describedby", "headers") for v in page.all(a) for i in v.split()
    ]
    wanted += [h[1:] for h in page.all("href") + page.all("xlink:href") if h.startswith("#")]
    assert set(wanted) <= set(ids)
    assert all((rendered / h).is_file() for h in page.all("href") if h.startswith("figures/"))


def test_headings_tables_and_figures_are_named_for_those_who_cannot_see(page: Page) -> None:
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == 1 and "h2" in tags and ("html", {"lang": "en"}) in page.tags
    assert all("aria-labelledby" in a for tag, a in page.tags if tag == "table")
    assert tags.count("table") == len(TABLES)
    assert all("scope" in a for tag, a in page.tags if tag == "th")
    drawings = [a for tag, a in page.tags if tag == "svg"]
    assert len(drawings) == 2 * len(FIGURES), "one for a page, one for a phone"
    assert all(a["role"] == "img" and a["aria-labelledby"] and a["aria-describedby"] for a in drawings)


def test_the_page_says_what_it_is_made_from(page: Page) -> None:
    for said in (
        RELEASE,
        "2026-02-14 09:00",
        "duckdb 1.5.5",
        "Myositis registry (synthetic example)",
        "2023-06-30",
        "All children come from one hospital",
        "7 of 18 against 5 of 20",
        "3 of 4 printed values agree",
        "What the study could have said",
        "share of patients with the concept",
        "Unknown unit",
        "linear mixed model, REML, random intercept and slope",
    ):
        assert said in page.text, said


def test_a_status_that_is_not_ok_is_seen_with_its_note(page: Page) -> None:
    assert page.source.count('class="alert"') > 10
    for note in (
        "ranks cannot tell the groups apart",
        "the search ends on the boundary",
        "one event in one of the groups",
        "the hazard ratio runs to 0",
    ):
        assert note in page.text, note


def test_synthetic_data_say_so_in_title_banner_footer_figures_and_csv(page: Page, rendered: Path) -> None:
    assert "<title>Synthetic data: " in page.source
    assert "Nobody on this page exists" in page.text and page.text.strip().endswith("synthetic data")
    assert all(
        r["Data"] == "synthetic data" for t in TABLES for r in rows_of(rendered / "tables" / f"{t}.csv")
    )
    assert all("synthetic data" in (rendered / "figures" / f"{f}.svg").read_text() for f in FIGURES)


def test_inside_the_house_nothing_is_masked_and_the_page_says_so(real: Path) -> None:
    page = Page(real / "report.html").text
    assert page.count("Not for publication") == 1 and "myositis report --public" in page
    assert page.strip().endswith("not for publication")
    assert [r["Events"] for r in rows_of(real / "tables" / "nxp2_relapse_survival.csv")] == [
        "9",
        "1",
        "6",
        "0",
    ]
    assert "one event in one of the groups" in page


def test_real_data_carry_no_synthetic_note(real: Path) -> None:
    source = (real / "report.html").read_text(encoding="utf-8")
    assert "Nobody on this page exists" not in source and "<title>Synthetic" not in source
    assert "Data" not in rows_of(real / "tables" / "nxp2_table_i.csv")[0]
    assert "synthetic data" not in (real / "figures" / "nxp2_relapse_curve.svg").read_text()


def test_the_same_release_gives_the_same_bytes(tmp_path: Path) -> None:
    release = make_release(tmp_path / "release.duckdb", small=True)
    before = hashlib.sha256(release.read_bytes()).hexdigest()
    digests = []
    for folder in ("one", "two"):
        files = render_report(release, tmp_path / folder, ["nxp2"])
        digests.append({f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files})
    assert digests[0] == digests[1]
    assert hashlib.sha256(release.read_bytes()).hexdigest() == before, "a report only reads its release"


def test_files_of_an_earlier_report_go_and_those_of_others_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    render_report(make_release(tmp_path / "one.duckdb", small=True), out)
    (out / "tables" / "mine.csv").write_text("kept")
    render_report(make_release(tmp_path / "two.duckdb", small=True, cox=False, reproduction=False), out)
    left = {p.name for p in (out / "tables").iterdir()}
    assert "mine.csv" in left and "nxp2_table_i.csv" in left
    assert not any("cox" in name or "reproduction" in name for name in left)
    assert not list(out.rglob("*.part"))


def test_what_a_release_lacks_is_left_out_not_an_error(tmp_path: Path) -> None:
    release = make_release(tmp_path / "release.duckdb", small=True, cox=False, reproduction=False)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{release}' as file; use file")
        for table in ("study_endpoint", "cohort_flow", "finding", "marginal_mean", "survival_at_risk"):
            connection.execute(f"drop table file.results.{table}")
        connection.execute(
            "drop schema file.quality cascade; alter table file.release.release_info drop column made_at"
        )
    render_report(release, tmp_path / "out")
    page = Page(tmp_path / "out" / "report.html")
    assert (
        "Who is in it" not in page.text
        and "Reproduction" not in page.text
        and "Course of CMAS" not in page.text
    )
    assert "Kaplan–Meier curves: Relapse" in page.text and "This release lists no deliveries." in page.text


def test_two_studies_share_a_page_without_sharing_ids(tmp_path: Path) -> None:
    release = make_release(tmp_path / "release.duckdb", small=True)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{release}' as file; use file")
        for (table,) in connection.execute(
            "select table_name from duckdb_tables() where schema_name = 'results'"
        ).fetchall():
            connection.execute(
                f"insert into file.results.{table}"
                f" select * replace ('second' as study_id) from file.results.{table}"
            )
    render_report(release, tmp_path / "both")
    page = Page(tmp_path / "both" / "report.html")
    ids = page.all("id")
    assert len(ids) == len(set(ids)) and "second_table_i-figure" in ids and "nxp2_table_i-figure" in ids
    render_report(release, tmp_path / "one", ["second"])
    assert "nxp2_table_i-figure" not in Page(tmp_path / "one" / "report.html").all("id")


def test_a_name_with_markup_is_text(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)> & 第一医院"
    render_report(make_release(tmp_path / "release.duckdb", small=True, hospital=name), tmp_path / "out")
    page = Page(tmp_path / "out" / "report.html")
    assert "img" not in [tag for tag, _ in page.tags] and name in page.text


@pytest.mark.parametrize(
    ("studies", "said"), [(["nxp3"], "no study nxp3 in this release; it has nxp2")], ids=["unknown study"]
)
def test_a_study_that_is_not_there_is_an_error_that_names_those_that_are(
    tmp_path: Path, studies: list[str], said: str
) -> None:
    with pytest.raises(ReportError, match=said):
        render_report(make_release(tmp_path / "release.duckdb", small=True), tmp_path / "out", studies)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_release_is_an_error_that_says_so(tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "other.duckdb")).close()
    with pytest.raises(ReportError, match=r"release\.release_info"):
        render_report(tmp_path / "other.duckdb", tmp_path / "out")
    with pytest.raises(ReportError, match="no such release file"):
        render_report(tmp_path / "none.duckdb", tmp_path / "out")


def test_a_long_list_of_refused_rows_is_short_on_the_page_and_whole_in_the_csv(tmp_path: Path) -> None:
    release = make_release(tmp_path / "release.duckdb", small=True)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{release}' as file; use file")
        connection.execute(
            "insert into file.quality.rejected_summary by name select 'h' || i as sender_id,"
            " 'd' as delivery_id, 'unknown_unit' as rule, 'f.csv' as source_file, i as rows"
            " from range(1, 101) t(i)"
        )
    render_report(release, tmp_path / "out")
    assert "The 60 most frequent of 103 reasons" in Page(tmp_path / "out" / "report.html").text
    assert len(rows_of(tmp_path / "out" / "tables" / "rejected_rows.csv")) == 103
