"""What leaves the house: which rows and columns, the page and its files."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from analytics.public import PublicStudy, public_study
from analytics.study.frames import StudyFrames
from analytics.words.disclosure import Rounding
from analytics.words.formatting import Public
from orchestration.report.public import public_sections, render_public
from orchestration.report.published import Publication, keep_published, may_follow, read_published
from tests.unit.report_fixture import make_release
from tests.unit.test_report_page import Page, rows_of

Row = dict[str, Any]
GROUPS = [
    {"group_id": "a", "label": "A", "n": 18, "position": 0},
    {"group_id": "b", "label": "B", "n": 12, "position": 1},
    {"group_id": "c", "label": "C", "n": 6, "position": 2},
]
VARIABLES = [
    {"variable": "ck", "label": "CK", "unit": "U/L", "source": "observation", "position": 0},
    {"variable": "rash", "label": "Rash", "unit": None, "source": "event", "position": 1},
    {"variable": "female", "label": "Female", "unit": None, "source": "patient.sex", "position": 2},
    {"variable": "male", "label": "Male", "unit": None, "source": "patient.sex", "position": 3},
    {"variable": "relapse", "label": "Relapse", "unit": None, "source": "endpoint", "position": 4},
]


def public(**tables: list[Row]) -> PublicStudy:
    frames = {"study_group": GROUPS, "study_variable": VARIABLES, **tables}
    return public_study(StudyFrames("s", {k: pd.DataFrame(v) for k, v in frames.items()}), Rounding(5))


def summary(variable: str, group: str, n: int, count: int | None = None, **more: Any) -> Row:
    shown = f"{count} (50.00)" if count is not None else more.get("display")
    numbers = dict.fromkeys(("mean", "sd", "median", "q1", "q3"))
    row = {"table_id": "I", "variable": variable, "group_id": group, "n": n, "n_missing": 0, "position": 0}
    return {**row, **numbers, "count": count, "display": shown, "status": "ok", "note": ""} | more


def comparison(variable: str, group: str = "b", **more: Any) -> Row:
    row = {"table_id": "I", "variable": variable, "group_a": "a", "group_b": group, "position": 0}
    numbers = {"p_value": 0.03, "p_adjusted": 0.06, "effect": -11.9, "ci_low": -18.3, "ci_high": -5.5}
    return row | numbers | {"test": "welch_t", "effect_kind": "mean_difference", "status": "ok"} | more


def shown(study: PublicStudy, table: str, *columns: str) -> list[list[str | None]]:
    return [[None if r.get(c) is None else str(r[c]) for c in columns] for r in study.rows(table)]


def test_counts_are_rounded_and_percentages_are_of_rounded_counts() -> None:
    study = public(baseline_summary=[summary("rash", "a", 18, 9), summary("rash", "b", 12, 3)])
    assert shown(study, "baseline_summary", "display", "n") == [["10 (50)", "20"], ["<8", "10"]]
    assert [str(g["n"]) for g in study.groups.values()] == ["20", "10", "<8"]


def test_a_small_group_has_no_statistic_and_is_compared_with_none() -> None:
    numbers = {"mean": 31.33, "sd": 11.8, "display": "31.33 ± 11.80"}
    study = public(
        baseline_summary=[summary("ck", g, n, **numbers) for g, n in (("a", 18), ("b", 12), ("c", 6))],
        group_comparison=[comparison("ck"), comparison("ck", "c")],
    )
    assert shown(study, "baseline_summary", "display") == [["31 ± 12"], ["31 ± 12"], ["not shown"]]
    assert shown(study, "group_comparison", "p_value", "p_adjusted", "effect") == [
        ["<0.05", "≥0.05", "0 (-10 to 10)"],
        ["not shown", "not shown", "not shown"],
    ]


def test_a_doubtful_number_is_not_shown_and_its_status_and_note_stay_inside() -> None:
    doubt = {"status": "no_events", "note": "nobody in B relapsed"}
    study = public(
        baseline_summary=[
            summary("ck", g, n, mean=3.0, sd=1.0, display="3 ± 1") for g, n in (("a", 18), ("b", 12))
        ],
        group_comparison=[comparison("ck", **doubt)],
    )
    assert shown(study, "group_comparison", "p_value", "effect") == [["not shown", "not shown"]]
    assert not any("nobody" in str(frame.to_dict()) for frame in study.frames.values())
    assert not any("status" in frame.columns for frame in study.frames.values())


def test_of_levels_that_make_up_a_whole_the_most_frequent_alone_leaves() -> None:
    rows = [summary(v, g, 18, k) for v, k in (("rash:no", 9), ("rash:yes", 8)) for g in "ab"]
    rows += [summary("female", "a", 18, 10), summary("male", "a", 18, 8)]
    study = public(baseline_summary=rows)
    assert dict.fromkeys(
        (r["variable"], r["display"]) for r in study.rows("baseline_summary") if r["display"] != "not shown"
    ) == dict.fromkeys([("rash:no", "10 (50)"), ("female", "10 (50)")])


def test_a_count_of_an_endpoint_has_no_denominator() -> None:
    (row,) = public(baseline_summary=[summary("relapse", "a", 15, 9, n_missing=3)]).rows("baseline_summary")
    assert (row["display"], row.get("n")) == ("10", None)


def test_the_flow_keeps_who_counts_and_loses_totals_reasons_and_the_rest() -> None:
    steps = [("registered", None, 36), ("in a group", "a", 18), ("counted", "a", 17), ("not counted", "a", 1)]
    flow = [
        {"analysis": "ck", "step": s, "group_id": g, "n": n, "reason": "x (85 values)", "position": i}
        for i, (s, g, n) in enumerate(steps)
    ]
    assert shown(public(cohort_flow=flow), "cohort_flow", "step", "n", "reason") == [
        ["in a group", "20", ""],
        ["counted", "15", ""],
    ]


def survival(events: dict[str, int]) -> dict[str, list[Row]]:
    sizes = {"a": 18, "b": 12, "c": 6}
    pairs = [("a", "b"), ("a", "c")]
    term = {"model_id": "cox", "endpoint": "relapse", "reference": "a", "p_value": 0.2, "status": "ok"}
    return {
        "study_endpoint": [{"endpoint": "relapse", "label": "Relapse"}],
        "survival_median": [
            {"endpoint": "relapse", "group_id": g, "n": sizes[g], "events": e, "median": 31.44}
            for g, e in events.items()
        ],
        "log_rank": [
            {"endpoint": "relapse", "scope": "pairwise", "group_a": a, "group_b": b, "statistic": 4.9}
            | {"p_value": 0.027, "p_adjusted": 0.1, "status": "ok", "method": "log-rank"}
            for a, b in pairs
        ],
        "model": [{"model_id": "cox", "kind": "cox", "title": "Cox", "method": "Cox, 17 events", "status": "ok"}],
        "cox_term": [
            term | {"term": f"group{g}", "variable": "group", "hazard_ratio": 0.8932, "ci_low": 0.3, "ci_high": 2.5}
            for g in "bc"
        ],
    }  # fmt: skip


def test_a_group_of_few_events_has_no_test_and_no_ratio() -> None:
    study = public(**survival({"a": 9, "b": 8, "c": 1}))
    assert shown(study, "survival_median", "events") == [["10"], ["10"], ["<8"]]
    assert shown(study, "log_rank", "p_value", "p_adjusted", "statistic") == [
        ["<0.05", None, None],
        ["not shown", None, None],
    ]
    assert shown(study, "cox_term", "hazard_ratio") == [["0.9 (0.4 to 2)"], ["not shown"]]
    assert shown(study, "model", "method") == [["Cox"]]


def test_a_model_of_which_nothing_leaves_is_not_named() -> None:
    study = public(**survival({"a": 9, "b": 2, "c": 1}))
    assert study.rows("cox_term") == study.rows("model") == study.rows("log_rank") == []


def test_a_public_study_holds_no_count_but_its_text() -> None:
    study = public(baseline_summary=[summary("rash", "a", 18, 9)], **survival({"a": 9, "b": 8, "c": 1}))
    held = {(t, c): v for t, frame in study.frames.items() for c in ("n", "events", "count", "at_risk")
            if c in frame for v in frame[c]}  # fmt: skip
    assert held and all(isinstance(value, Public) for value in held.values())
    assert not {"finding", "sensitivity", "reproduction", "trajectory_patient", "norm_patient"} & set(
        study.frames
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("public")
    render_public(make_release(folder / "release.duckdb", synthetic=False, small=True), folder / "out")
    return folder / "out"


def test_the_public_page_says_what_it_rounds_and_holds_no_sentence_about_results(out: Path) -> None:
    page = Page(out / "report.html")
    for said in ("For publication", "One below 8 prints as <8", "What is rounded, and what is left out"):
        assert said in page.text, said
    for inside in ("Not for publication", "Two groups have one relapse each", "one event in one", "2,310",
                   "0.489", "No adult", "too few", "64"):  # fmt: skip
        assert inside not in page.text, inside
    assert page.source.count('class="alert"') == 0
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    assert {h[1:] for h in page.all("href") if h.startswith("#")} <= set(ids)


def test_no_file_of_a_public_report_prints_a_number_of_patients_that_is_not_rounded(out: Path) -> None:
    assert [(r["Patients"], r["Events"]) for r in rows_of(out / "tables" / "nxp2_relapse_survival.csv")] == [
        ("20", "10"), ("10", "<8"), ("10", "<8"), ("20", "<8"),
    ]  # fmt: skip
    for table in (out / "tables").glob("nxp2_table_i*.csv"):
        for row in rows_of(table):
            known = {text for name, text in row.items() if name.endswith(", n")}
            assert known <= {"20", "15", "10", "<8", ""}, (table.name, row["Variable"], known)
            counts = [text.partition(" (")[0] for text in row.values() if re.fullmatch(r"\d+ \(\d+\)", text)]
            assert all(int(c) % 5 == 0 for c in counts)
    svg = (out / "figures" / "nxp2_relapse_curve.svg").read_text(encoding="utf-8")
    assert "MDA5" not in svg, "a group with one event has no curve"


def test_the_same_release_gives_the_same_public_bytes(tmp_path: Path) -> None:
    release = make_release(tmp_path / "release.duckdb", small=True)
    digests = [
        {
            f.name: hashlib.sha256(f.read_bytes()).hexdigest()
            for f in render_public(release, tmp_path / folder)
        }
        for folder in ("one", "two")
    ]
    assert digests[0] == digests[1]


def published(folder: Path, n: int, release_id: str, ledger: Path) -> Page:
    """The public page of a release in which the first group has ``n`` patients, and a mean of its own."""
    release = make_release(folder / f"{release_id}.duckdb", small=True)
    with duckdb.connect(str(release)) as connection:
        connection.execute(f"update release.release_info set release_id = '{release_id}'")
        connection.execute(f"update results.study_group set n = {n} where group_id = 'nxp2_jdm'")
        connection.execute(f"update results.baseline_summary set n = {n}, count = {n - 8} where count = 9")
    render_public(release, folder / release_id, ledger=ledger)
    return Page(folder / release_id / "report.html")


def test_fewer_than_five_new_patients_wait_for_more(tmp_path: Path) -> None:
    ledger = tmp_path / "private" / "published.json"
    first = published(tmp_path, 19, "r1", ledger)
    second = published(tmp_path, 23, "r2", ledger)
    assert "are those of release r1" in second.text and "are those of release" not in first.text
    tables = [{f.name: f.read_bytes() for f in (tmp_path / r / "tables").iterdir()} for r in ("r1", "r2")]
    assert tables[0] == tables[1]
    third = published(tmp_path, 24, "r3", ledger)
    assert "are those of release" not in third.text
    assert (tmp_path / "r3" / "tables" / "nxp2_table_i.csv").read_bytes() != tables[0]["nxp2_table_i.csv"]
    assert ledger.stat().st_mode & 0o777 == 0o600 and ledger.parent.stat().st_mode & 0o777 == 0o700


def test_a_report_keeps_its_distance_from_every_earlier_one(tmp_path: Path) -> None:
    """A reader may have kept the report of 19; 18 patients beside it would show one."""
    ledger = tmp_path / "published.json"
    for n, may in ((19, True), (24, True), (18, False), (19, True), (14, True), (20, False)):
        now = Publication(f"r{n}", {"g": n}, PublicStudy("s", {}, ""))
        last = read_published(ledger).get("s")
        assert (last is None or may_follow(last, now)) is may, n
        if may:
            keep_published(ledger, {"s": now})


def test_sections_are_made_of_a_public_study_alone() -> None:
    assert public_sections.__annotations__["study"] == "PublicStudy"
