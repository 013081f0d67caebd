"""How a reader meets the analyses beside the printed ones: headings, cells, figures."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest

from analytics.printed.norm_figure import norm_figure
from analytics.printed.printed_table import PrintedTable, to_csv
from analytics.printed.ratio_figure import ratio_figure
from analytics.printed.sensitivity_tables import NOTES, TITLES, questions
from analytics.study.file import Study
from analytics.study.frames import StudyFrames
from analytics.study.results import stamp
from analytics.study.sensitivity import QUESTIONS
from analytics.study.sensitivity_keys import Sensitivity
from tests.unit import small_study
from tests.unit.test_sensitivity import COX, GROUPS, NORM, RECURRENT, SURVIVAL

README = Path(__file__).parents[2] / "registry" / "studies" / "README.md"
ASKED = [
    {"analysis_id": "all", "kind": "multiplicity", "tables": ["I"], "adjust": ["holm"]},
    {
        "analysis_id": "lost", "kind": "lost_to_follow_up", "endpoint": "relapse", "groups": GROUPS,
        "reference": "young", "variables": ["female"],
    },
    {"analysis_id": "hidden", "kind": "detection_limits", "tables": ["I"], "question": "And the limits?"},
    {"analysis_id": "models", "kind": "compare_models", "models": ["cox", "ag"]},
    {
        "analysis_id": "norm", "kind": "norm_for_age", "variable": "score", "groups": ["young"],
        "visits": ["baseline"], "full_score": 52, "norms": [NORM],
    },
]  # fmt: skip


@cache
def study() -> StudyFrames:
    found = small_study.results(
        survival=[SURVIVAL], cox=[COX], recurrent_events=[RECURRENT], sensitivity=ASKED
    )
    return StudyFrames("small", stamp(found, "small", "r1"))


def tables() -> dict[str, PrintedTable]:
    return {t.name: t for q in questions(study()) for t in q.tables}


def row(table: PrintedTable, label: str) -> list[str]:
    """A row as it is printed: each cell with its second line in brackets."""
    (found,) = [r for r in table.rows if r.cell("label").text == label]
    cells = [found.cell(c.key) for c in table.columns]
    return [f"{c.text} [{c.small}]" if c.small else c.text for c in cells]


def test_a_question_is_the_kinds_unless_the_study_words_it() -> None:
    assert [(q.analysis_id, q.question) for q in questions(study())] == [
        ("all", QUESTIONS["multiplicity"]),
        ("lost", QUESTIONS["lost_to_follow_up"]),
        ("hidden", "And the limits?"),
        ("models", QUESTIONS["compare_models"]),
        ("norm", QUESTIONS["norm_for_age"]),
    ]


def test_variants_are_columns_and_what_is_compared_rows() -> None:
    table = tables()["small_all"]
    assert [c.label for c in table.columns if not c.csv_only] == [
        "Comparison", "As printed", "Standardised effect", "adj. p, Holm",
    ]  # fmt: skip
    assert row(table, "Score: Young vs Old") == [
        "Score: Young vs Old", "18.5 (6.9 to 30.1) [p 0.008]", "2.41 (0.57 to 4.16) Hedges' g", "0.031",
        "group_comparison I score young old",
    ]  # fmt: skip


def test_a_hidden_value_is_printed_as_a_bound_beside_the_number_that_stood_for_it() -> None:
    cells = row(tables()["small_hidden"], "Marker: Young vs Old")
    assert cells[3:5] == ["0.1 (0.1, 0.2)", "<0.1 (<0.1, 0.13–0.2)"]
    assert cells[7] == "P 1.00 to 1.00 [p 0.018]"


def test_models_head_their_columns_by_title() -> None:
    table = tables()["small_models"]
    assert [c.label for c in table.columns[:3]] == ["Comparison", "First", "All"]
    assert row(table, "Old vs Young")[1].startswith("0.30 (0.03 to ")
    assert any("too few events" in note.lower() for note in table.marks)


def test_parts_of_an_analysis_are_tables_of_their_own() -> None:
    assert {n for n in tables() if n.startswith("small_lost")} == {
        "small_lost_bounds", "small_lost_lost_against_retained", "small_lost_tipping_point",
    }  # fmt: skip
    assert row(tables()["small_lost_lost_against_retained"], "Female")[1:3] == ["0 of 1", "2 of 3"]
    printed = row(tables()["small_lost_bounds"], "Proportion: Young vs Old")
    assert printed[1] == "2/3 vs 1/4 [p 0.486]"  # as the table counts
    assert printed[2].startswith("2/3 vs 1/4 [0.42 (")
    tipping = tables()["small_lost_tipping_point"]
    assert [c.label for c in tipping.columns] == ["What", "0 of the second's lost had it"]
    assert row(tipping, "Young vs Old: 1 of 1 lost of the first")[1] == "0.50 [p 0.486]"


def test_the_csv_says_which_printed_number_a_row_stands_beside() -> None:
    head, first, *_ = to_csv(tables()["small_all"]).splitlines()
    assert head.endswith('"Stands beside, in schema results"')
    assert first.endswith("group_comparison I score young old")


def test_figures_say_in_words_what_they_draw() -> None:
    norm, ratios = norm_figure(study(), "norm"), ratio_figure(study(), "models")
    assert norm.description == "4 patients by age and Score; 1 lie below the norm for their age."
    assert ratios.description.startswith("Old vs Young, First: 0.30 (0.03 to ")
    assert ratio_figure(study(), "all") is None
    assert norm_figure(study(), "all") is None
    assert b"<svg" in norm.render("svg") and b"<svg" in ratios.render("svg")


@pytest.mark.parametrize("words", [NOTES, TITLES, QUESTIONS])
def test_every_kind_has_its_words(words: dict[str, str]) -> None:
    kinds = {get_args(m.model_fields["kind"].annotation)[0] for m in get_args(get_args(Sensitivity)[0])}
    assert set(words) == kinds


def test_the_readme_of_studies_names_every_key_and_kind() -> None:
    text = README.read_text(encoding="utf-8")
    keys = set(Study.model_fields) - {"study", "title", "description", "origin"}
    assert {name for name in [*keys, *QUESTIONS] if f"`{name}`" not in text} == set()


def test_counts_that_make_up_a_group_print_with_its_size() -> None:
    rows = {"label": "Young", "variant": ["below", "within", "open"], "count": [2, 9, 7], "n": 18}
    table = pd.DataFrame(rows).assign(
        analysis_id="n", kind="norm_for_age", part="baseline", position=range(3)
    )
    asked = pd.DataFrame(
        [{"analysis_id": "n", "kind": "norm_for_age", "position": 0, "question": "?", "answer": "!"}]
    )
    frames = {"sensitivity": table, "sensitivity_question": asked.assign(cannot_say="")}
    (plain,) = questions(StudyFrames("s", frames))[0].tables
    assert row(plain, "Young")[1:] == ["2 of 18", "9 of 18", "7 of 18"]
