"""What the charts of the questions hold: limits as limits, and nothing that JSON does not have."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from analytics.study.distribution import distribution
from analytics.study.frames import StudyFrames, records
from analytics.study.results import run_study
from orchestration.pages import compare_charts
from orchestration.pages.address import Query
from orchestration.pages.chart_parts import charts
from orchestration.pages.chosen import Chosen, Grouping
from orchestration.pages.offered import Offer
from orchestration.pages.questions import Answered
from tests.unit import small_study

OFFER = Offer("r0", {}, {"baseline": 0.0}, {}, {}, {}, {}, {})


def answered(row: dict[str, Any], **changed: pd.DataFrame) -> Answered:
    """The page's answer for one row of the small study's table."""
    table = {**small_study.STUDY["tables"][0], "rows": [row]}
    cohort = small_study.cohort(tables=[table])
    study = cohort.study
    found = run_study(study, small_study.frames()) | changed
    drawn = distribution(cohort, study.tables[0], study.tables[0].rows[0])
    chosen = Chosen(study, Grouping("study", study.groups, list(study.groups), "study:I"))
    rows = {name: records(frame) for name, frame in drawn.items()}
    return Answered(Query({}), OFFER, chosen, StudyFrames("small", found), rows)


MARKER = {"variable": "marker", "summary": "median_iqr", "test": "mann_whitney"}


def test_a_censored_value_is_a_triangle_at_its_limit_and_never_a_point() -> None:
    chart = compare_charts.values_by_group(answered(MARKER))
    assert chart is not None
    points = chart.spec["data"]["values"]
    assert sorted((p["known"], p["at"], p["told"]) for p in points if p["group"] == "Old") == [
        ("below", 0.1, "< 0.1"),
        ("below", 0.1, "< 0.1"),
        ("below", 0.1, "< 0.1"),
        ("value", 0.5, "0.5"),
    ]
    drawn = {
        layer["transform"][0]["filter"]: layer["mark"]
        for layer in chart.spec["layer"]
        if "transform" in layer
    }
    assert drawn["datum.known == 'value'"]["filled"] is True
    below = drawn["datum.known == 'below'"]
    assert (below["shape"], below["filled"]) == ("triangle-down", False)
    assert ["Old", "< 0.1", 1] in chart.table["rows"] and ["Old", 0.1, 1] not in chart.table["rows"]


def test_an_end_that_does_not_exist_is_told_in_the_table_and_not_drawn() -> None:
    compared = pd.DataFrame(
        [
            {
                "table_id": "I", "variable": "female", "group_a": "young", "group_b": "old", "effect": 2.0,
                "effect_kind": "odds_ratio", "ci_low": 0.1, "ci_high": float("inf"), "status": "ok", "note": "",
            }
        ]
    )  # fmt: skip
    row = {"variable": "female", "summary": "count_percent", "test": "fisher"}
    (chart,) = charts(compare_charts.effects(answered(row, group_comparison=compared)))
    assert "Infinity" not in json.dumps(chart.spec, allow_nan=False)
    assert chart.table["rows"] == [["Young vs Old", 2.0, 0.1, "∞"]]
    points, rules = chart.spec["layer"][2]["data"]["values"], chart.spec["layer"][1]["data"]["values"]
    assert (len(points), rules) == (1, [])


def test_a_group_keeps_its_colour_whichever_others_are_shown() -> None:
    answer = answered(MARKER)
    alone = Grouping("study", answer.chosen.grouping.offered, ["old"], "study:I")
    other = Answered(answer.query, OFFER, Chosen(answer.chosen.study, alone), answer.study, {})
    assert other.colours()["Old"] == answer.colours()["Old"]
