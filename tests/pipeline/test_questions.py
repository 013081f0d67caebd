"""Compare, Courses and Time to event on the shipped registry: what a page answers, and from where.

One release is built for all tests of the worker; nothing here builds another.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from orchestration.pages import chosen, compare_choices, course_choices, questions, time_choices
from orchestration.pages.address import Query
from orchestration.pages.application import application
from orchestration.pages.offered import Offer, offer_of
from orchestration.registry.folder import SHIPPED_REGISTRY, Registry, load_registry
from orchestration.resources import point_at
from orchestration.results import on_the_spot
from tests.registries import copy_as_it_stands, copy_registry

KEYS = ["hospital_id", "patient_key", "endpoint"]
Choose = Callable[[Query, Offer], chosen.Chosen]


@pytest.fixture(scope="module")
def registry(shipped_run: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A copy: the pages keep a release open in their own manner, and the engine opens a file in one only."""
    yield copy_as_it_stands(shipped_run.folder, tmp_path_factory.mktemp("questions") / "registry")
    point_at(shipped_run)


@pytest.fixture(scope="module")
def release(registry: Registry) -> Path:
    return (registry.releases / "current.duckdb").resolve()


@pytest.fixture(scope="module")
def copied(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release once more, for reading its results beside the pages."""
    return Path(shutil.copy(release, tmp_path_factory.mktemp("release")))


@pytest.fixture(scope="module")
def offer(shipped_run: Registry, copied: Path) -> Offer:
    with duckdb.connect(str(copied), read_only=True) as connection:
        return offer_of(lambda query: connection.execute(query).fetchall(), shipped_run.studies)


@pytest.fixture(scope="module")
def pages(registry: Registry) -> TestClient:
    point_at(registry)
    dagster = Starlette(routes=[Route("/dagster/{path:path}", lambda _: PlainTextResponse("Dagster"))])
    return TestClient(application(lambda: registry, dagster))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def results(copied: Path) -> Iterator[Callable[[str], pd.DataFrame]]:
    with duckdb.connect(str(copied), read_only=True) as connection:
        yield lambda table: connection.execute(f"select * from results.{table}").df()


def asked(choose: Choose, offer: Offer, keys: tuple[str, ...], **values: str | list[str]) -> chosen.Chosen:
    items = [
        (k, v) for k, several in values.items() for v in ([several] if isinstance(several, str) else several)
    ]
    return choose(Query.of(items, keys), offer)


def same(ours: pd.DataFrame, theirs: pd.DataFrame, keys: list[str], columns: list[str]) -> None:
    """The columns are equal to nine digits in the rows that the keys name."""
    left, right = (f.set_index(keys).sort_index()[columns] for f in (ours, theirs))
    numbers = {c: float for c in columns if pd.api.types.is_numeric_dtype(right[c])}
    left, right = left.astype(numbers), right.astype(numbers)
    assert len(left) > 0
    pd.testing.assert_frame_equal(left, right, check_dtype=False, rtol=1e-9)


def test_the_sql_of_the_mart_gives_the_same_times_from_a_release(shipped_run: Registry, copied: Path) -> None:
    with duckdb.connect(str(copied), read_only=True) as connection:
        ours = on_the_spot.times_to_events(connection, shipped_run.studies["nxp2"])
        theirs = connection.execute("select * from release.fct_time_to_event").df()
    assert len(theirs) == 62
    pd.testing.assert_frame_equal(
        ours.sort_values(KEYS, ignore_index=True)[theirs.columns.tolist()],
        theirs.sort_values(KEYS, ignore_index=True),
    )


# a choice on the spot equals the study's own results: the same groups and the same variable


@pytest.mark.parametrize(
    "variable", ["cmas", "ck", "female", "il_6", "macrophage_activation_syndrome", "relapse"]
)
def test_a_comparison_on_the_spot_equals_the_row_of_the_results(
    variable: str, offer: Offer, release: Path, results: Callable[[str], pd.DataFrame]
) -> None:
    choice = asked(compare_choices.comparison, offer, compare_choices.COMPARE_KEYS, variable=variable)
    assert choice.stated_in == "nxp2"
    found = questions.ANSWERS.ask(release, choice.study, on_the_spot.answer)
    for table, keys, columns in (
        ("baseline_summary", ["group_id"], ["n", "mean", "median", "q1", "q3", "count", "display"]),
        (
            "group_comparison",
            ["group_a", "group_b"],
            ["n_a", "n_b", "test", "p_value", "effect", "ci_low", "ci_high"],
        ),
    ):
        theirs = results(table).query("table_id == 'I' and variable == @variable")
        same(found[table], theirs, keys, columns)


@pytest.mark.parametrize("variable", ["ck", "il_6"])
def test_single_values_alone_are_those_of_the_whole_answer(
    variable: str, offer: Offer, release: Path
) -> None:
    """A page that has its numbers from the results asks for these alone."""
    study = asked(compare_choices.comparison, offer, compare_choices.COMPARE_KEYS, variable=variable).study
    alone = on_the_spot.single_values(release.resolve(), study)
    whole = on_the_spot.answer(release.resolve(), study)
    assert len(alone["distribution_point"])
    for name in ("distribution_point", "distribution_density"):
        pd.testing.assert_frame_equal(alone[name], whole[name])


def test_groups_by_antibody_and_age_equal_those_of_the_study(
    offer: Offer, release: Path, results: Callable[[str], pd.DataFrame]
) -> None:
    """The shipped groups are an antibody and an age at onset; both can be chosen without the study."""
    choice = asked(
        compare_choices.comparison, offer, compare_choices.COMPARE_KEYS, by="msa", group=["nxp2", "mda5"], among_onset_group="juvenile",
        variable="concept:ck", limits="exclude", test="mann_whitney",
    )  # fmt: skip
    assert choice.is_exploratory
    found = questions.ANSWERS.ask(release, choice.study, on_the_spot.answer)["group_comparison"].dropna(
        subset=["group_a"]
    )
    theirs = results("group_comparison").query(
        "table_id == 'I' and variable == 'ck' and group_b == 'mda5_jdm'"
    )
    numbers = ["p_value", "effect", "ci_low", "ci_high"]
    assert found[numbers].iloc[0].tolist() == pytest.approx(theirs[numbers].iloc[0].tolist(), rel=1e-9)


def test_a_course_on_the_spot_equals_the_model_of_the_results(
    offer: Offer, release: Path, results: Callable[[str], pd.DataFrame]
) -> None:
    choice = asked(course_choices.course, offer, course_choices.COURSE_KEYS, model="cmas_without_serial")
    assert (choice.stated_in, choice.stated) == ("nxp2", "cmas_without_serial")
    found = questions.ANSWERS.ask(release, choice.study, on_the_spot.answer)
    for table, keys, columns in (
        ("marginal_mean", ["group_id", "visit"], ["estimate", "ci_low", "ci_high"]),
        ("visit_contrast", ["group_a", "group_b", "visit"], ["estimate", "p_value", "p_adjusted"]),
        ("mixed_model_term", ["term", "test"], ["statistic", "p_value"]),
    ):
        same(found[table], results(table).query("model_id == 'cmas_without_serial'"), keys, columns)


def test_times_on_the_spot_equal_those_of_the_results(
    offer: Offer, release: Path, results: Callable[[str], pd.DataFrame]
) -> None:
    choice = asked(time_choices.time_to_event, offer, time_choices.TIME_KEYS, endpoint="relapse")
    assert choice.stated_in == "nxp2"
    found = questions.ANSWERS.ask(release, choice.study, on_the_spot.answer)
    for table, keys, columns in (
        ("survival_curve", ["group_id", "time"], ["at_risk", "events", "survival", "ci_low", "ci_high"]),
        ("survival_at_risk", ["group_id", "time"], ["at_risk", "survival"]),
        ("survival_median", ["group_id"], ["n", "events", "median"]),
        ("log_rank", ["scope", "group_a", "group_b"], ["statistic", "p_value", "p_adjusted"]),
        ("restricted_mean", ["scope", "group_a", "group_b"], ["estimate", "ci_low", "ci_high"]),
        ("cumulative_incidence", ["group_id", "cause", "time"], ["incidence", "ci_low", "ci_high"]),
    ):
        same(found[table], results(table), keys, columns)
    ours = found["cox_term"].query("model_id == 'hazard_ratios'")
    theirs = results("cox_term").query("model_id == 'relapse_cox'")
    same(ours, theirs, ["term"], ["hazard_ratio", "ci_low", "ci_high", "p_value"])


# the pages


DEFAULTS = {
    "/compare": ("Summary", "Tests", "Welch"),
    "/courses": ("CMAS over visits", "Table III. Mixed models"),
    "/time-to-event": (
        "Relapse within 36 months of baseline",
        "Log-rank tests",
        "Mean months without the event",
    ),
}


@pytest.mark.parametrize("address", DEFAULTS)
def test_a_page_opens_on_the_studys_first_question_and_says_which_release_it_read(
    address: str, pages: TestClient, offer: Offer
) -> None:
    answer = pages.get(address)
    assert answer.status_code == 200
    assert all(words in answer.text for words in DEFAULTS[address])
    assert "From the results of the study" in answer.text and 'class="exploratory"' not in answer.text
    assert offer.release_id in answer.text
    specs = re.findall(r'<script type="application/json" id="[^"]+">(.*?)</script>', answer.text, re.S)
    assert specs and all(json.loads(spec)["$schema"].startswith("https://vega.github.io/") for spec in specs)
    assert answer.text.count("<details><summary>The numbers as a table") == len(specs)


def test_the_numbers_of_a_page_are_those_of_the_results(
    pages: TestClient, results: Callable[[str], pd.DataFrame]
) -> None:
    text = unescape(pages.get("/compare?variable=ck").text)
    rows = results("group_comparison").query("table_id == 'I' and variable == 'ck'")
    assert len(rows) == 2 and all(f"<td>{p}</td>" in text for p in rows["display"])
    means = results("restricted_mean").query("scope == 'group'")
    text = pages.get("/time-to-event").text
    assert all(f"{m.estimate:.1f} ({m.ci_low:.1f} to {m.ci_high:.1f})" in text for m in means.itertuples())


EXPLORATORY = [
    "/compare?by=msa&variable=concept:il_6",
    "/compare?by=event:calcinosis_cutis&variable=ck&transform=log",
    "/compare?by=age&cut=6,12,18&variable=concept:ck&from=2&to=14&take=highest",
    "/compare?by=definition:eular_acr_2017&variable=event:dysphagia",
    "/compare?by=hospital_id&variable=definition:mas_2016",
    "/compare?variable=il_6&limits=bounds",
    "/courses?by=sex&variable=concept:ldh",
    "/courses?model=table_iii_ck&transform=sqrt&visit=baseline&visit=month_12",
    "/time-to-event?origin=onset&horizon=60",
    "/time-to-event?origin=first_treatment&truncation=no&weights=peto",
    "/time-to-event?origin=month_6&strata=sex",
    "/time-to-event?by=onset_group&event=interstitial_lung_disease",
]


@pytest.mark.parametrize("address", EXPLORATORY)
def test_a_choice_on_the_spot_is_marked_and_its_study_file_is_taken(
    address: str, pages: TestClient, tmp_path: Path
) -> None:
    answer = pages.get(address)
    assert answer.status_code == 200
    assert 'class="exploratory"' in answer.text
    found = re.search(r'<pre class="file"[^>]*>(.*?)</pre>', answer.text, re.S)
    assert found
    folder = copy_registry(SHIPPED_REGISTRY, tmp_path / "registry").folder
    (folder / "studies" / "exploratory.yml").write_text(unescape(found.group(1)), encoding="utf-8")
    assert load_registry(folder).studies["exploratory"].title


WRONG = {
    "/compare?variable=nope": (404, "There is: cmas,"),
    "/compare?varable=ck": (400, 'Did you mean &#34;variable&#34;?'),
    "/compare?by=msa&group=mda55": (404, "Did you mean &#34;mda5&#34;?"),
    "/compare?by=age&cut=a,b": (400, "expected ages in years"),
    "/compare?from=5&to=2": (400, "the window ends at month 2"),
    "/compare?variable=il_6&limits=bounds&transform=log": (400, "leave transform out"),
    "/compare?variable=ck&from=500&to=501": (404, "Choose another visit or window"),
    "/courses?visit=baseline": (400, "two visits or more"),
    "/courses?by=hospital_id&among_msa=MDA5&group=zjfah&variable=ck": (404, "Choose other visits"),
    "/time-to-event?horizon=abc": (400, "expected a number from 1 to 600"),
    "/time-to-event?origin=nowhere": (404, "There is: baseline, onset, first_treatment"),
    "/time-to-event?endpoint=nope": (404, "There is: relapse"),
    "/time-to-event?release=nope": (404, "There is no release of this name"),
}  # fmt: skip


@pytest.mark.parametrize("address", WRONG)
def test_an_address_that_asks_for_what_there_is_not_gets_a_sentence(address: str, pages: TestClient) -> None:
    status, told = WRONG[address]
    answer = pages.get(address)
    assert answer.status_code == status
    assert told in answer.text and "</nav>" in answer.text


def test_an_empty_group_is_named_and_the_others_are_answered(pages: TestClient) -> None:
    answer = pages.get("/compare?by=hospital_id&among_msa=MDA5&variable=ck")
    assert answer.status_code == 200
    assert "No patient of this release is in: First Affiliated Hospital" in answer.text


def test_choices_made_for_another_list_are_forgotten(offer: Offer) -> None:
    """A form sends all its fields: those made for other groups or another variable count no more."""
    left_over: dict[str, Any] = {
        "grouped": "study:I",
        "group": ["nxp2_jdm"],
        "of": "ck",
        "test": "mann_whitney",
    }
    choice = asked(
        compare_choices.comparison,
        offer,
        compare_choices.COMPARE_KEYS,
        by="sex",
        variable="female",
        **left_over,
    )
    assert set(choice.grouping.chosen) == {"female", "male"}
    assert choice.study.tables[0].rows[0].test == "fisher"


def test_another_beginning_of_time_is_an_endpoint_of_its_own_and_the_form_keeps_the_first(
    pages: TestClient, offer: Offer
) -> None:
    choice = asked(
        time_choices.time_to_event, offer, time_choices.TIME_KEYS, endpoint="relapse", origin="onset"
    )
    assert (choice.stated, list(choice.study.endpoints)) == ("relapse", ["relapse_onset_36"])
    text = pages.get("/time-to-event?origin=onset").text
    assert '<option value="relapse" selected>' in text and '<option value="onset" selected>' in text


def test_a_study_file_that_changed_since_the_release_states_nothing(
    pages: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "_sha256", lambda _: "another")
    answer = pages.get("/compare")
    assert answer.status_code == 200
    assert "Groups of the study" not in answer.text and 'class="exploratory"' in answer.text
