"""Each statistical test is declared once: it can be named in a study, and its row is what its function
answers.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pandas as pd
import pytest
from pydantic import ValidationError

from analytics.comparison import KGroupTest, TwoGroupTest
from analytics.declared_tests import (
    BOUNDED,
    COMPLETE_COURSES,
    COUNT,
    MANY,
    MEASUREMENT,
    MODEL_TERM,
    NO_TEST,
    TESTS,
    TIME_TO_EVENT,
    TWO,
    StatisticalTest,
    declared,
    statistical_tests,
)
from analytics.frailty import gamma_frailty
from analytics.printed.tables import baseline_table
from analytics.study.events import event_intervals, times, with_terms
from analytics.study.frames import StudyFrames
from analytics.survival.log_rank import WEIGHTS, log_rank_trend
from analytics.words import wording
from tests.unit import small_study

GROUPS = ["young", "old"]
VISITS = ["baseline", "month_6", "month_12"]
SUMMARY = {MEASUREMENT: "mean_sd", COUNT: "count_percent", BOUNDED: "median_iqr"}
VARIABLE = {MEASUREMENT: "score", COUNT: "female", BOUNDED: "marker"}
NUMBERS = ("statistic", "df", "df_den", "p_value", "effect", "ci_low", "ci_high", "n", "n_missing")
REPOSITORY = Path(__file__).parents[2]


def names(tests: dict[str, StatisticalTest]) -> list[str]:
    return list(tests)


def study_of(response: str, **row: Any) -> dict[str, Any]:
    """The parts of a tiny study that names one test of a table."""
    censored = {"marker": {"label": "Marker", "censored": "bounds" if response == BOUNDED else "limit"}}
    shown = {"variable": VARIABLE[response], "summary": SUMMARY[response], "test": NO_TEST} | row
    return {
        "variables": small_study.STUDY["variables"] | censored,
        "tables": [small_study.STUDY["tables"][0] | {"rows": [shown]}],
    }


def frame_of(response: str) -> pd.DataFrame:
    """Group and value of each patient, or the bounds of the value."""
    cohort = small_study.cohort(**study_of(response))
    name = VARIABLE[response]
    values = cohort.bounds(name, "baseline") if response == BOUNDED else cohort.value(name, "baseline")
    return cohort.members[["patient", "group_id"]].merge(values, on="patient")


def number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


# each test from a study file


@pytest.mark.parametrize("name", names(statistical_tests(MEASUREMENT, COUNT, BOUNDED, groups=TWO)))
def test_a_test_of_two_groups_named_in_a_study_gives_the_row_of_its_function(name: str) -> None:
    test = declared(name)
    asked = {MEASUREMENT: {"value": "value"}, COUNT: {"value": "value", "level": 1.0}, BOUNDED: {}}[
        test.response
    ]
    found = small_study.results(**study_of(test.response, test=name))["group_comparison"]
    direct = test(frame_of(test.response), group="group_id", groups=("young", "old"), **asked)
    assert found[["test", "group_a", "group_b", "status"]].values.tolist() == [
        [name, "young", "old", direct.status]
    ]
    assert {c: number(found[c].iloc[0]) for c in NUMBERS} == {c: number(getattr(direct, c)) for c in NUMBERS}
    assert found["method"].iloc[0] == direct.method
    assert direct.effect_kind == test.effect
    assert direct.p_value is not None


@pytest.mark.parametrize("name", names(statistical_tests(MEASUREMENT, COUNT, groups=MANY)))
def test_a_test_of_all_groups_named_in_a_study_gives_the_row_of_its_function(name: str) -> None:
    test = declared(name)
    found = small_study.results(**study_of(test.response, overall=name))["group_comparison"]
    direct = test(frame_of(test.response), value="value", group="group_id", groups=("young", "old"))
    shown = found[["test", "group_a", "group_b", "n_a", "n_b", "family", "status"]].astype(object)
    assert shown.where(shown.notna(), None).values.tolist() == [
        [name, None, None, None, None, "overall", direct.status]
    ]
    assert {c: number(found[c].iloc[0]) for c in NUMBERS} == {c: number(getattr(direct, c)) for c in NUMBERS}
    assert (direct.effect_kind or "") == test.effect
    assert direct.p_value is not None


@pytest.mark.parametrize("name", names(statistical_tests(TIME_TO_EVENT)))
def test_a_test_of_curves_named_in_a_study_gives_the_row_of_its_function(name: str) -> None:
    spec = {"endpoint": "relapse", "title": "R", "groups": GROUPS, "weights": name}
    found = small_study.results(survival=[spec])["log_rank"].query("scope == 'overall'").iloc[0]
    data = times(small_study.cohort(), "relapse", GROUPS)
    direct = declared(name)(data, "time", "event", "group_id", levels=GROUPS).summary.iloc[0]
    columns = ["statistic", "df", "p_value", "method", "n", "events", "status"]
    assert found[columns].tolist() == direct[columns].tolist()


def test_a_trend_over_the_groups_is_a_row_of_log_rank() -> None:
    spec = {"endpoint": "relapse", "title": "R", "groups": GROUPS, "trend": True}
    found = small_study.results(survival=[spec])["log_rank"].query("scope == 'trend'").iloc[0]
    data = times(small_study.cohort(), "relapse", GROUPS)
    direct = log_rank_trend(data, "time", "event", "group_id", levels=GROUPS)
    assert found[["statistic", "df", "p_value", "method", "n", "events"]].tolist() == [
        direct.statistic, 1, direct.p_value, direct.method, 8, 3,
    ]  # fmt: skip
    assert found[["group_a", "group_b", "p_adjusted"]].isna().all()


@pytest.mark.parametrize("name", names(statistical_tests(MODEL_TERM)))
def test_a_test_of_a_models_terms_can_stand_beside_the_first(name: str) -> None:
    spec = {
        "model_id": "m", "title": "M", "response": "score", "groups": GROUPS, "visits": VISITS, "serial": "none",
        "random": "intercept", "beside": [name],
    }  # fmt: skip
    terms = small_study.results(mixed_models=[spec])["mixed_model_term"]
    of_test = terms[terms["test"] == name]
    assert of_test["term"].tolist() == ["intercept", "group", "time", "group_by_time"]
    assert of_test["p_value"].between(0, 1).all()


@pytest.mark.parametrize("name", names(statistical_tests(COMPLETE_COURSES)))
def test_a_test_of_complete_courses_is_written_under_its_id_in_results(name: str) -> None:
    spec = {
        "model_id": "a",
        "title": "A",
        "response": "score",
        "groups": GROUPS,
        "visits": VISITS,
        "test": name,
    }
    terms = small_study.results(repeated_measures=[spec])["mixed_model_term"]
    assert set(terms["test"]) == {declared(f"anova_{name}").result_id}


def test_a_gamma_frailty_named_in_a_study_gives_ratios_and_the_variance_of_its_function() -> None:
    spec = {
        "model_id": "own_risk", "title": "F", "endpoint": "relapse", "groups": GROUPS, "terms": ["group"],
        "method": "gamma_frailty",
    }  # fmt: skip
    found = small_study.results(recurrent_events=[spec])
    cohort = small_study.cohort()
    data = with_terms(cohort, event_intervals(cohort, "relapse", GROUPS), ["group"])
    direct = gamma_frailty(data, "stop", "event", "patient", ["group"], {"group": GROUPS}, entry="start")
    term = found["cox_term"].iloc[0]
    columns = [
        "term",
        "coefficient",
        "std_error",
        "hazard_ratio",
        "ci_low",
        "ci_high",
        "statistic",
        "p_value",
    ]
    assert term[columns].tolist() == direct.terms.iloc[0][columns].tolist()
    assert term[["model_id", "endpoint", "reference", "status"]].tolist() == [
        "own_risk",
        "relapse",
        "young",
        "ok",
    ]
    variance = found["mixed_model_parameter"].iloc[0]
    assert variance[["model_id", "response", "kind", "parameter", "estimate", "p_value"]].tolist() == [
        "own_risk", "relapse", "variance", "frailty", direct.frailty_variance, direct.variance_test["p_value"],
    ]  # fmt: skip
    model = found["model"].iloc[0]
    assert model[["kind", "method", "n", "n_patients", "n_events", "status"]].tolist() == [
        "frailty", "Cox with gamma frailty, efron ties", 11, 8, 4, "ok",
    ]  # fmt: skip
    assert model["note"] == "Variance of the frailty 0.551; against none chi-square 0.13, p 0.359"


# what a test of all groups leaves as it was


def test_tests_of_all_groups_change_no_p_value_of_a_pair() -> None:
    rows = small_study.STUDY["tables"][0]["rows"]
    overall = [r | {"overall": "fisher_k" if r["summary"] == "count_percent" else "anova"} for r in rows]
    table = small_study.STUDY["tables"][0] | {"rows": overall}
    before = small_study.results()["group_comparison"]
    after = small_study.results(tables=[table])["group_comparison"]
    pairs = after[after["group_a"].notna()][before.columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        pairs.dropna(axis=1, how="all"), before.dropna(axis=1, how="all"), check_dtype=False
    )
    assert after["group_a"].isna().sum() == len(rows)


def test_a_group_without_a_value_is_left_out_of_the_test_of_all_groups_and_named() -> None:
    groups = small_study.STUDY["groups"] | {
        "nobody": {"label": "Nobody", "where": {"onset_group": "juvenile", "sex": "unknown"}}
    }
    table = {
        **small_study.STUDY["tables"][0], "groups": ["young", "old", "nobody"],
        "rows": [{"variable": "score", "summary": "mean_sd", "test": "none", "overall": "kruskal_wallis"}],
    }  # fmt: skip
    row = small_study.results(groups=groups, tables=[table])["group_comparison"].iloc[0]
    assert (row["status"], row["n"], row["df"]) == ("ok", 8, 1)
    assert "without nobody: no observation" in row["note"]


# what the report says


def frames_of(**parts: Any) -> StudyFrames:
    return StudyFrames("small", small_study.results(**parts))


def test_the_table_prints_the_test_of_all_groups_in_columns_of_its_own() -> None:
    printed = baseline_table(frames_of(**study_of(MEASUREMENT, test="levene", overall="kruskal_wallis")), "I")
    [row] = printed.rows
    assert {c.spanner for c in printed.columns if c.spanner} == {"Young vs Old", "All groups"}
    assert row.cells["young__old_p"].text == "0.029"
    assert row.cells["all_groups_p"].text == "0.021"
    assert row.cells["test"] == "Levene, KW"
    notes = " ".join(printed.notes)
    assert "Levene, Levene's test of spread (difference of mean absolute deviations)" in notes
    assert "KW, Kruskal–Wallis (epsilon squared)" in notes
    assert "its p values are adjusted among themselves" in notes


@pytest.mark.parametrize("test", TESTS, ids=lambda t: t.result_id)
def test_every_test_has_words_for_a_sentence_and_for_a_narrow_column(test: StatisticalTest) -> None:
    assert (wording.test_words(test.result_id), wording.short_test(test.result_id)) == (test.name, test.short)
    assert len(test.short) <= 14
    assert test.sentence[0].islower()
    assert not test.sentence.endswith(".")


# the declarations themselves


def test_every_id_is_declared_once() -> None:
    assert len({test.id for test in TESTS}) == len(TESTS)
    assert len({test.result_id for test in TESTS}) == len(TESTS)
    of_tables = statistical_tests(MEASUREMENT, COUNT, BOUNDED).values()
    assert len({test.short for test in of_tables}) == len({test.name for test in of_tables}) == len(of_tables)


@pytest.mark.parametrize(
    "module", ["groups.two_groups", "groups.k_groups", "groups.counts", "censored.groups"]
)
def test_every_function_that_compares_groups_is_declared(module: str) -> None:
    found = import_module(f"analytics.{module}")
    public = {
        f"{module}:{name}"
        for name, thing in vars(found).items()
        if callable(thing) and not name.startswith("_") and getattr(thing, "__module__", "") == found.__name__
        and get_type_hints(thing).get("return") in (TwoGroupTest, KGroupTest)
    }  # fmt: skip
    assert public
    assert public <= {test.function for test in TESTS}


def test_every_weight_of_the_log_rank_test_is_declared() -> None:
    assert {t.options.get("weights", "log_rank") for t in statistical_tests(TIME_TO_EVENT).values()} == set(
        WEIGHTS
    )


@pytest.mark.parametrize("test", TESTS, ids=lambda t: t.result_id)
def test_every_test_is_replayed_in_r_or_says_why_not(test: StatisticalTest) -> None:
    assert (test.in_r is None) == bool(test.not_in_r)
    if test.in_r is None or test.response == MODEL_TERM:
        return
    defined = "\n".join(p.read_text("utf-8") for p in (REPOSITORY / "analytics" / "replay_r").glob("*.R"))
    function = test.in_r.call.partition("(")[0]
    assert re.search(rf"^{function} <- function\(", defined, re.MULTILINE)


def test_the_declarations_import_no_library() -> None:
    heavy = ("numpy", "scipy", "pandas", "pydantic", "statsmodels", "analytics.groups.two_groups")
    code = f"import sys, analytics.declared_tests; sys.exit(any(m in sys.modules for m in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_readme_of_studies_names_every_test() -> None:
    text = (REPOSITORY / "registry" / "studies" / "README.md").read_text("utf-8")
    assert [test.id for test in TESTS if f"`{test.id}`" not in text] == []


# what does not go together


@pytest.mark.parametrize(
    ("response", "row", "finding", "fitting"),
    [
        (MEASUREMENT, {"test": "fisher"}, "score: test fisher is not for summary mean_sd", TWO),
        (COUNT, {"overall": "anova"}, "female: overall anova is not for summary count_percent", MANY),
    ],
)
def test_a_test_that_does_not_fit_its_variable_is_refused(
    response: str, row: dict[str, str], finding: str, fitting: str
) -> None:
    expected = ", ".join(statistical_tests(response, groups=fitting))
    with pytest.raises(ValidationError) as fault:
        small_study.study(**study_of(response, **row))
    assert f"{finding}; expected {expected} or none" in str(fault.value)


def test_bounds_have_no_test_of_all_groups() -> None:
    with pytest.raises(ValidationError) as fault:
        small_study.study(**study_of(BOUNDED, test="gehan", overall="kruskal_wallis"))
    assert "marker: censored: bounds goes with summary median_iqr and test peto_prentice" in str(fault.value)
    assert "or none; found median_iqr, gehan, kruskal_wallis" in str(fault.value)


def test_a_test_of_all_groups_needs_two() -> None:
    table = study_of(MEASUREMENT, overall="anova")["tables"][0] | {"groups": ["young"]}
    with pytest.raises(ValidationError, match="overall anova needs two groups or more; the table has young"):
        small_study.study(tables=[table])


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"method": "exact", "weights": "peto"},
            "method: exact exists for weights: log_rank only; found peto",
        ),
        (
            {"groups": ["young"], "trend": True},
            "trend: a trend needs two groups or more, in their order; found one",
        ),
    ],
)
def test_a_test_of_curves_that_cannot_be_made_is_refused(more: dict[str, Any], sentence: str) -> None:
    spec = {"endpoint": "relapse", "title": "R", "groups": GROUPS} | more
    with pytest.raises(ValidationError, match=sentence):
        small_study.study(survival=[spec])
