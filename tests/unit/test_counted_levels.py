"""What a count counts: levels as text, usual pairs, and a level that never occurs."""

from __future__ import annotations

import pandas as pd
import pytest

from analytics import VariableSpec, chi_square, fisher, fisher_mid_p, mann_whitney, table1, welch_t
from analytics.levels import PAIRS, counted_values

GROUPS = {"group": "group", "groups": ("a", "b")}


def _frame(yes: object, no: object, dtype: object = object) -> pd.DataFrame:
    """Group a: 3 of 4 yes, one unknown; group b: 1 of 3."""
    answers = pd.Series([yes, yes, yes, no, None, yes, no, no], dtype=dtype)
    return pd.DataFrame({"group": list("aaaaabbb"), "answer": answers})


def _printed(data: pd.DataFrame, **spec: object) -> list[str]:
    summary, _ = table1(
        data, [VariableSpec("answer", "count_percent", "fisher", **spec)], comparisons=[("a", "b")], **GROUPS
    )
    return summary["display"].tolist()


@pytest.mark.parametrize(("yes", "no"), [
    (True, False), (1, 0), (1.0, 0.0), *PAIRS, ("Yes", "No"), ("TRUE", "FALSE"), (" yes", "no "), ("Positive", "negative"),
])  # fmt: skip
def test_booleans_and_usual_pairs_are_understood(yes: object, no: object):
    data = _frame(yes, no)
    assert _printed(data) == ["3 (75.00)", "1 (33.33)"]
    assert fisher(data, value="answer", level=True, **GROUPS).p_value == pytest.approx(17 / 35)
    assert [fisher(data, value="answer", level=False, **GROUPS).effect] == [
        pytest.approx(1 / fisher(data, value="answer", level=True, **GROUPS).effect)
    ]


@pytest.mark.parametrize("dtype", ["string", "category"])
def test_text_of_any_type_is_counted(dtype: str):
    assert _printed(_frame("yes", "no", dtype)) == ["3 (75.00)", "1 (33.33)"]


def test_a_level_of_text_is_counted_as_it_is_written():
    assert _printed(_frame("III", "I"), level="III") == ["3 (75.00)", "1 (33.33)"]


@pytest.mark.parametrize("test", [fisher, fisher_mid_p, chi_square])
def test_a_level_that_never_occurs_is_an_error_that_lists_the_values_seen(test):
    said = r'answer: the level "IIl" never occurs; the values seen are "I", "III"\. Name one of them as level'
    with pytest.raises(ValueError, match=said):
        _printed(_frame("III", "I"), level="IIl")
    with pytest.raises(ValueError, match=said):
        test(_frame("III", "I"), value="answer", level="IIl", **GROUPS)


def test_a_mixture_of_pairs_is_no_pair():
    with pytest.raises(ValueError, match='the level True never occurs; the values seen are "0", "yes"'):
        _printed(_frame("yes", "0"))


def test_nobody_with_a_yes_is_a_count_of_0_and_no_error():
    assert _printed(_frame("no", "no")) == ["0 (0.00)", "0 (0.00)"]
    assert _printed(_frame(0, 0)) == ["0 (0.00)", "0 (0.00)"]


def test_a_declared_category_that_nobody_has_is_a_count_of_0():
    data = _frame("I", "II")
    data["answer"] = pd.Categorical(data["answer"], categories=["I", "II", "III"])
    assert _printed(data, level="III") == ["0 (0.00)", "0 (0.00)"]


def test_a_level_that_only_another_group_has_occurs():
    data = pd.DataFrame({"group": list("aabbc"), "answer": ["I", "I", "I", "I", "III"]})
    summary, _ = table1(data, [VariableSpec("answer", "count_percent", level="III")], **GROUPS)
    assert summary["display"].tolist() == ["0 (0.00)", "0 (0.00)"]


def test_nothing_known_says_nothing_about_a_level():
    assert counted_values([], "III", "stage") == frozenset()


def test_a_value_outside_declared_levels_is_named():
    with pytest.raises(ValueError, match='declared levels I, II: "III"'):
        fisher(_frame("III", "I"), value="answer", levels=("I", "II"), **GROUPS)


def test_a_row_without_a_group_counts_as_missing_in_tests_and_in_no_group_of_a_table():
    data = pd.DataFrame(
        {"group": ["a", "a", "b", "b", None], "x": [1.0, 2.0, 3.0, 4.0, 5.0], "answer": [1, 0, 1, 0, 1]}
    )
    for test in (mann_whitney, welch_t):
        assert test(data, value="x", **GROUPS).n_missing == 1
    assert fisher(data, value="answer", **GROUPS).n_missing == 1
    summary, _ = table1(
        data, [VariableSpec("x", "mean_sd"), VariableSpec("answer", "count_percent")], **GROUPS
    )
    assert summary["n_missing"].tolist() == [0, 0, 0, 0]


def test_mann_whitney_is_exact_where_r_is():
    """R 4.2.2: wilcox.test(c(1, 2, 3, 4), c(5, 6, 7, 8.5))$p.value is 2/70; with a tie it is the
    approximation.
    """
    data = pd.DataFrame({"group": list("aaaabbbb"), "x": [1, 2, 3, 4, 5, 6, 7, 8.5]})
    found = mann_whitney(data, value="x", **GROUPS)
    assert (found.test, found.p_value) == ("mann_whitney_exact", pytest.approx(2 / 70))
    assert mann_whitney(data.replace(5, 4), value="x", **GROUPS).test == "mann_whitney"
    assert mann_whitney(data, value="x", continuity=True, **GROUPS).test == "mann_whitney"
    many = pd.DataFrame({"group": ["a"] * 50 + ["b"] * 4, "x": [i * 1.25 for i in range(54)]})
    assert mann_whitney(many, value="x", **GROUPS).test == "mann_whitney"


def test_a_study_that_names_mann_whitney_gets_the_approximation_at_every_size():
    data = pd.DataFrame({"group": list("aaaabbbb"), "x": [1, 2, 3, 4, 5, 6, 7, 8.5]})
    _, compared = table1(
        data, [VariableSpec("x", "median_iqr", "mann_whitney")], comparisons=[("a", "b")], **GROUPS
    )
    assert compared["test"].tolist() == ["mann_whitney"]


def test_a_p_value_beside_an_interval_that_says_otherwise_has_a_note():
    """R 4.2.2: fisher.test(matrix(c(2, 7, 3, 0), 2)) gives p 0.0454545454545455, interval 0 to 1.3826 (its
    root search stops there).
    """
    data = pd.DataFrame({"group": ["a"] * 5 + ["b"] * 7, "yes": [True] * 2 + [False] * 3 + [True] * 7})
    found = fisher(data, value="yes", level=True, **GROUPS)
    assert (found.p_value, found.ci_low, found.ci_high) == (
        pytest.approx(1 / 22),
        0,
        pytest.approx(1.3825973, abs=1e-6),
    )
    assert found.note == (
        "p is below 0.05 and the interval holds 1: test and interval follow different rules and can "
        "disagree this near the limit"
    )
    assert fisher(data, value="yes", level=True, confidence=0.9, **GROUPS).note == ""


@pytest.mark.parametrize(("values", "kind", "display"), [
    ([0.0034, 0.0012, 0.0051], "mean_sd", "0.0032 ± 0.0020"),
    ([0.0034, 0.0012, 0.0051], "median_iqr", "0.0034 (0.0023, 0.0043)"),
    ([31.5, 12.25, 40.0], "mean_sd", "27.92 ± 14.22"),
    ([100.0, 100.002, 100.004], "mean_sd", "100.0020 ± 0.0020"),
])  # fmt: skip
def test_small_scales_keep_two_significant_digits(values: list[float], kind: str, display: str):
    data = pd.DataFrame({"group": ["a"] * 3 + ["b"] * 3, "x": values * 2})
    summary, _ = table1(data, [VariableSpec("x", kind)], **GROUPS)
    assert summary["display"].tolist() == [display] * 2
    declared, _ = table1(data, [VariableSpec("x", kind, decimals=1)], **GROUPS)
    assert declared["display"].iloc[0] != display
