"""docs/sql-questions.md: each question is answered by the release that ships, and five answers are worked out
again without SQL.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from orchestration.database.asking import Bounds, locked, the_one_select
from orchestration.registry.folder import Registry

GUIDE = Path(__file__).parents[2] / "docs" / "sql-questions.md"
SECTION = re.compile(
    r"^## (\d+)\. ([^\n]+\?)\n\n((?:(?!\n## ).)+?)\n\n```sql\n(.+?)\n```\n", re.MULTILINE | re.DOTALL
)
NEEDED = (
    "dim_patient", "dim_antibody_status", "dim_concept", "fct_observation", "fct_time_to_event", "fct_treatment", "fct_visit",
)  # fmt: skip
Frames = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def answers(shipped_run: Registry) -> dict[int, pd.DataFrame]:
    """Every answer, by the number of its question, as `myositis sql` asks for it."""
    found = {}
    with closing(locked(shipped_run.releases / "current.duckdb", Bounds(), "/dev/null")) as connection:
        for number, _, _, query in SECTION.findall(GUIDE.read_text(encoding="utf-8")):
            the_one_select(query)
            found[int(number)] = connection.execute(query).df()
    return found


@pytest.fixture(scope="module")
def tables(shipped_run: Registry) -> Frames:
    """The facts, in which an answer can be looked up without SQL."""
    with closing(locked(shipped_run.releases / "current.duckdb", Bounds(), "/dev/null")) as connection:
        return {name: connection.execute(f"from release.{name}").df() for name in NEEDED}


def test_there_are_twenty_questions_and_each_has_a_sentence_and_its_sql() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    numbers = [int(number) for number, *_ in SECTION.findall(text)]
    assert numbers == list(range(1, 21)) and text.count("\n## ") == 20


def test_no_answer_is_empty(answers: dict[int, pd.DataFrame]) -> None:
    assert {number: len(answer) for number, answer in answers.items() if answer.empty} == {}
    hollow = {n: list(a.columns[a.isna().all()]) for n, a in answers.items() if a.isna().all().any()}
    assert hollow.pop(20) == ["source_sheet"]  # the highest values stand in text files, which have no sheets
    assert hollow == {}


def test_the_share_below_the_detection_limit_is_that_of_the_comparators(
    answers: dict[int, pd.DataFrame], tables: Frames
) -> None:
    results = tables["fct_observation"].merge(
        tables["dim_concept"][["concept_id", "concept_name", "category"]]
    )
    results = results[results["category"] == "cytokine"]
    below = results["comparator"].isin(["<", "<="])
    expected = below.groupby(results["concept_name"]).agg(["size", "sum", "mean"])
    found = answers[5].set_index("concept_name").loc[expected.index]
    assert found["results"].tolist() == expected["size"].tolist()
    assert found["below"].tolist() == expected["sum"].tolist()
    assert found["share_below"].tolist() == pytest.approx(expected["mean"].tolist(), abs=0.00051)
    assert found["below"].sum() > 0


def test_the_course_of_cmas_is_that_of_the_observations(
    answers: dict[int, pd.DataFrame], tables: Frames
) -> None:
    keys = ["hospital_id", "patient_key"]
    children = tables["dim_patient"][tables["dim_patient"]["onset_group"] == "juvenile"][keys]
    values = tables["fct_observation"]
    values = values[
        (values["concept_id"] == "cmas") & values["is_visit_value"] & values["scheduled_visit"].notna()
    ]
    values = values.merge(children, on=keys).merge(tables["dim_antibody_status"][[*keys, "msa"]], on=keys)
    expected = values.groupby(["msa", "scheduled_visit"])["value_canonical"].agg(["count", "mean", "std"])
    found = answers[7].set_index(["msa", "scheduled_visit"]).loc[expected.index]
    assert len(answers[7]) == len(expected)
    assert found["n"].tolist() == expected["count"].tolist()
    assert found["mean"].tolist() == pytest.approx(expected["mean"].tolist(), abs=0.0051)
    assert found["sd"].tolist() == pytest.approx(expected["std"].tolist(), abs=0.0051)


def test_glucocorticoids_at_a_visit_are_the_courses_whose_days_hold_it(
    answers: dict[int, pd.DataFrame], tables: Frames
) -> None:
    courses = tables["fct_treatment"]
    courses = courses[courses["treatment_id"].isin(["glucocorticoid", "prednisone", "prednisolone"])]
    seen = tables["fct_visit"][tables["fct_visit"]["is_scheduled"]]

    def takes(visit: pd.Series) -> bool:
        own = courses[
            (courses["hospital_id"] == visit["hospital_id"])
            & (courses["patient_key"] == visit["patient_key"])
        ]
        is_on = (own["start_date"] <= visit["visit_date"]) & ~(own["stop_date"] < visit["visit_date"])
        return bool(is_on.any())

    expected = seen.apply(takes, axis=1).groupby(seen["scheduled_visit"]).agg(["size", "sum"])
    found = answers[11].set_index("scheduled_visit").loc[expected.index]
    assert found["seen"].tolist() == expected["size"].tolist()
    assert found["takes"].tolist() == expected["sum"].tolist()


def test_the_rate_of_relapse_is_events_over_the_time_to_them(
    answers: dict[int, pd.DataFrame], tables: Frames
) -> None:
    keys = ["hospital_id", "patient_key"]
    times = tables["fct_time_to_event"].merge(tables["dim_antibody_status"][[*keys, "msa"]], on=keys)
    times = times.merge(tables["dim_patient"][[*keys, "onset_group"]], on=keys)
    expected = times.groupby(["msa", "onset_group"]).agg(
        events=("is_event", "sum"), months=("time_months", "sum")
    )
    found = answers[14].set_index(["msa", "onset_group"]).loc[expected.index]
    assert found["relapses"].tolist() == expected["events"].tolist()
    per_100_years = 1200 * expected["events"] / expected["months"]
    assert found["per_100_years"].tolist() == pytest.approx(per_100_years.tolist(), abs=0.051)


def test_the_median_of_il_4_counts_a_result_at_the_limit_as_the_limit(
    answers: dict[int, pd.DataFrame], tables: Frames
) -> None:
    keys = ["hospital_id", "patient_key"]
    values = tables["fct_observation"]
    values = values[
        (values["concept_id"] == "il_4")
        & (values["scheduled_visit"] == "baseline")
        & values["is_visit_value"]
    ]
    values = values.merge(tables["dim_patient"][[*keys, "onset_group"]], on=keys)
    values = values.merge(tables["dim_antibody_status"][[*keys, "msa"]], on=keys)
    values["number"] = values["value_canonical"].fillna(values["upper_limit"])
    expected = values.groupby(["msa", "onset_group"])["number"].agg(["count", "median"])
    found = answers[6].set_index(["msa", "onset_group"]).loc[expected.index]
    assert found["n"].tolist() == expected["count"].tolist()
    assert found["median_pg_ml"].tolist() == pytest.approx(expected["median"].tolist())
