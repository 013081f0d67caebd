"""A page in Chinese is Chinese: every visible run of Latin letters on every page is of a kind that a Chinese
reader expects in that script.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from orchestration.diff.changes import PatientChange, ValueChange
from orchestration.diff.told import told_patients, told_values
from orchestration.pages import language
from orchestration.pages.application import application
from orchestration.pages.listed import PAGES
from orchestration.pages.shell import OPENED
from orchestration.pages.words import worded
from orchestration.registry.folder import Registry, load_registry
from orchestration.resources import point_at
from tests.registries import release_query

FURTHER = (
    "/compare?by=msa", "/compare?by=sex&variable=concept:ferritin", "/compare?by=age&variable=event:dysphagia",
    "/compare?variable=ifn_gamma", "/courses?by=sex", "/time-to-event?by=sex", "/time-to-event?endpoint=own&event=relapse",
    "/cohort?analysis=endpoint:relapse", "/cohort?analysis=table:I", "/cohort?analysis=model:cmas_anova",
    "/data?by=delivery&variable=ifn_gamma", "/patient?hospital=zjfah",
)  # fmt: skip
# What stays in Latin letters. Anything else that a page shows in them fails the test.
ALLOWED = {
    "methods and people": (
        r"Mann|Whitney|Welch|Student|Levene|Brown|Forsythe|Kolmogorov|Smirnov|Kruskal|Wallis|Fisher|Freeman|Halton|Yates"
        r"|Hodges|Lehmann|Benjamini|Hochberg|Yekutieli|Holm|Hommel|Bonferroni|holm|hochberg|hommel|bonferroni|Wald"
        r"|Satterthwaite|Kenward|Roger|Greenhouse|Geisser|Cox|Firth|Efron|Breslow|Fine|Gray|Andersen|Gill|Peto|Prentice"
        r"|Tarone|Ware|Gehan|Fleming|Harrington|Kaplan|Meier|Gottron|Bohan|Peter|Lazarevic|logrank|log|rank|sqrt|containment|mid"
    ),
    "symbols and abbreviations": r"CI|SD|SE|df|CSV|XLSX|LOINC|UTC|SQL|[A-Z]{2,}\d*[A-Za-z]?|[A-Z]\d{1,2}|[IVX]+|vs",
    "genes, cells and antibodies": (
        r"IL|TNF|IFN|Ig[GAM]|CD\d+|NK|Anti|NXP2|MDA5|TIF1[G]?|Mi|Jo|Ro|SAE|Cys|Scl|La|Ku|dsDNA|cN1A|AST|ALT|HEp|Ki"
    ),
    "units": r"mg|kg|mL|dL|uL|pg|ug|ng|mm|umol|mmol|ml|Cel|fL|min|GB|nmol|pmol|HPF",
    "names of the registry's own": r"zjch|zjfah|nxp2|Myositis registry \(synthetic example\)|Children's Hospital \(synthetic\)|First Affiliated Hospital \(synthetic\)",
    "files, columns and commands": r"\w+_\w+|xlsx|relapse|comparator|csv|Parquet|sha256|myositis|names|run|docs|Dagster|DuckDB|English|raw|r[0-9a-f]{12}",
    "as a hospital sent it": r"Negative|Positive|m2",
    "types of SQL": r"varchar|bigint|double|boolean|date|integer|timestamp|hugeint|decimal|smallint|with time zone|zone|time|with",
}  # fmt: skip
KINDS = re.compile("|".join(f"(?:{kind})" for kind in ALLOWED.values()))
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_']+")
UNSEEN = ("script", "style", "code", "pre", "textarea")
OF_CHARTS = (
    "title",
    "text",
    "group",
    "pair",
    "visit",
    "variable",
    "row",
    "state",
    "shown",
    "told",
    "label",
    "limit",
)


class Visible(HTMLParser):
    """The texts that a page shows, those of its charts included; not what is code or marked as English."""

    def __init__(self) -> None:
        super().__init__()
        self.within: list[tuple[str, bool]] = []
        self.texts: list[str] = []
        self.charts: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag not in ("br", "input", "link", "meta", "img"):
            hidden = tag in UNSEEN or given.get("lang") == "en"
            self.within.append(("chart" if given.get("type") == "application/json" else tag, hidden))
        self.texts += [given[k] or "" for k in ("title", "aria-label", "label") if given.get(k)]

    def handle_endtag(self, tag: str) -> None:
        while self.within and self.within.pop()[0] not in (tag, "chart"):
            pass

    def handle_data(self, data: str) -> None:
        if self.within and self.within[-1][0] == "chart":
            self.charts.append(data)
        elif not any(hidden for _, hidden in self.within):
            self.texts.append(" ".join(data.split()))


def of_chart(part: Any, key: str = "") -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            yield from of_chart(value, name)
    elif isinstance(part, list):
        for value in part:
            yield from of_chart(value, key)
    elif isinstance(part, str) and key in OF_CHARTS:
        yield part


def left_in_latin(text: str) -> list[str]:
    """The words of a text that are of no allowed kind."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:]+|\b(?:release|results|quality)\.\w+", "", text)
    for own in ALLOWED["names of the registry's own"].split("|")[3:]:
        text = re.sub(own, "", text)
    return [word for word in WORD.findall(text) if not KINDS.fullmatch(word)]


@pytest.fixture(scope="module")
def pages(shipped_run: Registry) -> TestClient:
    point_at(shipped_run)
    app = application(lambda: load_registry(shipped_run.folder), Starlette())  # type: ignore[arg-type]
    return TestClient(app, headers={"accept-language": "zh"})


@pytest.fixture
def chinese() -> Iterator[None]:
    before = language._current.set("zh")
    yield
    language._current.reset(before)


def test_every_page_in_chinese_is_chinese(pages: TestClient, shipped_run: Registry) -> None:
    hospital, patient = release_query(
        shipped_run, "select hospital_id, patient_key from release.dim_patient order by all limit 1"
    )[0]
    addresses = [
        "/", "/none", *(page.listed.address for page in PAGES), *FURTHER,
        f"/patient?hospital={hospital}&patient={patient}",
    ]  # fmt: skip
    found: dict[str, list[str]] = {}
    for address in addresses:
        seen = Visible()
        seen.feed(pages.get(address).text)
        texts = [*seen.texts, *(t for chart in seen.charts for t in of_chart(json.loads(chart)))]
        left = sorted({text for text in texts if left_in_latin(text)})
        if left:
            found[address] = left
    assert found == {}


@pytest.mark.usefixtures("chinese")
def test_every_sentence_of_the_results_is_recognised(shipped_run: Registry) -> None:
    """Also those that a page shows for other choices than the test above makes."""
    OPENED.close()
    said = [
        text
        for query in (
            "select text from results.finding", "select distinct criterion from results.cohort_member",
            "select distinct method from results.model", "select distinct censor_reason from release.fct_time_to_event",
            "select distinct note from results.group_comparison", "select distinct note from results.survival_median",
        )
        for (text,) in release_query(shipped_run, query)
        if text
    ]  # fmt: skip
    labels = [row for (row,) in release_query(shipped_run, "select label from results.study_group")]
    labels += [row for (row,) in release_query(shipped_run, "select title from results.model")]
    assert len(said) > 40
    for text in said:
        for label in sorted(labels, key=len, reverse=True):
            text = text.replace(label, "组")  # a page has the label of its own language there
        assert left_in_latin(worded(text)) == [], text


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize("n", [1, 3])
def test_what_changed_between_releases_is_told_in_chinese(n: int) -> None:
    told = [
        told_patients(PatientChange("nxp2", "zjch", "added", "", "", n, ("zjch/2026-03-31",), ())),
        told_patients(PatientChange("", "zjch", "removed", "", "", n, (), ("4",))),
        told_patients(
            PatientChange("nxp2", "zjch", "regrouped", "组一", "组二", n, ("zjch/2026-03-31",), ())
        ),
        told_values(ValueChange("value", "corrected", n, 1, (), ("4",))),
        told_values(ValueChange("antibody result", "added", n, 2, ("zjch/2026-03-31",), ())),
    ]
    assert {text: worded(text) for text in told if left_in_latin(worded(text))} == {}


@pytest.mark.usefixtures("chinese")
def test_a_text_is_worded_as_a_whole_or_not_at_all() -> None:
    assert worded("with 3 of 5 values") == "有 5 个值中的 3 个"
    assert worded("Children's Hospital (synthetic)") == "Children's Hospital (synthetic)"
    assert worded("Ferritin, something new") == "Ferritin, something new"
    assert worded("zjch/2023-06-30") == "zjch/2023-06-30"
