"""The comparison of computed with expected numbers must be able to fail."""

from __future__ import annotations

import json
import math

import pytest

from tests.reference.compare import compare
from tests.reference.run import answer_case, blank, conform, main, to_json


def outcomes(expected, computed, family="two_sample", missing=None):
    return {leaf.key: leaf.outcome for leaf in compare(family, expected, computed, missing or {})}


@pytest.mark.parametrize(
    ("expected", "computed", "outcome"),
    [
        (2.0, 2.0 + 1e-8, "agrees"),
        (2.0, 2.0 + 1e-6, "differs"),
        (2.0, None, "missing"),
        (2.0, math.nan, "differs"),
        (None, None, "agrees"),
        (None, 2.0, "differs"),
        ("Inf", "Inf", "agrees"),
        ("Inf", 2.0, "differs"),
        ("0.5", 0.5, "agrees"),
        ("group a", "group b", "differs"),
        (True, False, "differs"),
        (0.0, 1e-14, "agrees"),
        (0.0, 1e-6, "differs"),
    ],
)
def test_a_quantity_agrees_only_within_its_tolerance(expected, computed, outcome):
    assert outcomes({"x": expected}, {"x": computed}) == {"x": outcome}


def test_a_missing_key_or_short_list_is_missing_not_passed_over():
    assert outcomes({"a": {"b": [1.0, 2.0]}}, {"a": {"b": [1.0]}}) == {"a.b.0": "agrees", "a.b.1": "missing"}
    assert outcomes({"a": {"b": 1.0}}, {}, missing={"a": "no reason"}) == {"a.b": "missing"}


def test_a_remark_is_not_a_quantity():
    assert outcomes({"odds_ratio_note": "one"}, {"odds_ratio_note": "two"}) == {
        "odds_ratio_note": "not_compared"
    }


def test_a_small_p_value_may_carry_the_error_of_its_statistic():
    assert outcomes({"p": 1e-9}, {"p": 1e-9 * (1 + 2e-6)}) == {"p": "agrees"}  # 1 - log p is 21.7
    assert outcomes({"p": 1e-9}, {"p": 1e-9 * (1 + 3e-6)}) == {"p": "differs"}
    assert outcomes({"x": 1e-9}, {"x": 1e-9 * (1 + 2e-3)}) == {"x": "differs"}
    assert outcomes({"p": 1e-30}, {"p": 2e-30}) == {"p": "agrees"}


def test_fisher_test_odds_ratios_are_compared_at_its_root_finder_s_tolerance():
    expected = {"odds_ratio_conditional_mle": 168.44, "odds_ratio_conditional_mle_precise": 168.6}

    found = outcomes(expected, {name: 168.601 for name in expected}, family="table")

    assert found == {"odds_ratio_conditional_mle": "agrees", "odds_ratio_conditional_mle_precise": "differs"}


def mixed_model(interior, log_likelihood=-10.0, fixef=1.0, sigma=2.0):
    return {
        "REML": {
            "converged": {"interior": interior, "logLik": log_likelihood, "fixef": [fixef], "sigma": sigma}
        }
    }


def test_a_boundary_fit_may_be_better_must_not_be_worse_and_must_say_so():
    expected = mixed_model(False)

    better = outcomes(expected, mixed_model(False, -9.0, 1.0005, 5.0), family="lmm")
    worse = outcomes(expected, mixed_model(True, -10.1, 1.1, 5.0), family="lmm")

    assert list(better.values()) == ["agrees", "agrees", "agrees", "not_compared"]
    assert list(worse.values()) == ["differs", "differs", "differs", "not_compared"]


def test_an_interior_fit_is_compared_in_everything():
    found = outcomes(mixed_model(True), mixed_model(True, -10.0 + 1e-6, 1.0 + 1e-5, 2.0 + 1e-5), family="lmm")

    assert list(found.values()) == ["agrees", "differs", "differs", "differs"]


def test_a_family_sees_keys_only():
    assert blank({"a": [1.0, {"b": "x"}], "c": True}) == {"a": [None, {"b": None}], "c": None}


def test_answers_take_the_shape_that_is_asked_for():
    assert conform({"a": [1.0], "extra": 2}, {"a": None, "b": [None]}) == {"a": 1.0, "b": [None]}
    assert conform({"a": 1.0}, {"a": [None]}) == {"a": [1.0]}
    assert to_json({"a": math.inf, "b": [math.nan, -math.inf]}) == {"a": "Inf", "b": [None, "-Inf"]}


def write_case(folder, family, expected):
    folder.mkdir()
    (folder / "case.json").write_text(json.dumps({"id_case": folder.name, "family": family}))
    (folder / "data.csv").write_text("p\n0.01\n0.2\n")
    (folder / "expected.json").write_text(json.dumps({"case": folder.name, "expected": expected}))


def test_the_runner_answers_with_the_expected_keys_and_names_what_is_missing(tmp_path, capsys):
    write_case(tmp_path / "adjust", "p_adjust", {"holm": [0.02, 0.2], "sidak": [0.0199, 0.2]})
    write_case(tmp_path / "unheard", "unheard_of", {"x": 1.0})

    code = main([str(tmp_path), "--out", str(tmp_path / "out"), "--check", "--verbose"])

    adjust, unheard = (
        json.loads((tmp_path / "out" / f"{name}.json").read_text()) for name in ("adjust", "unheard")
    )
    assert adjust["case"] == "adjust"
    assert adjust["computed"] == {"holm": [0.02, 0.2], "sidak": [None, None]}
    assert adjust["missing"] == {
        "sidak.0": "not computed by its family",
        "sidak.1": "not computed by its family",
    }
    assert unheard["computed"] == {"x": None}
    assert "no module tests/reference/families/unheard_of.py" in unheard["missing"]["x"]
    assert code == 1
    assert "0 of 2 cases agree in every quantity" in capsys.readouterr().out


def test_expected_values_do_not_reach_the_computation(tmp_path):
    write_case(tmp_path / "adjust", "p_adjust", {"holm": [0.7, 0.8]})

    answer = answer_case(tmp_path / "adjust")

    assert answer.computed == {"holm": [0.02, 0.2]}
    assert len(answer.disagreements) == 2


def test_a_folder_without_cases_is_an_error(tmp_path, capsys):
    assert main([str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "no case found" in capsys.readouterr().err
