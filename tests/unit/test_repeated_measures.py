"""Repeated-measures analysis of variance: known answers, complete cases, and what it says when it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analytics.mixed_model import fit_mixed_model
from analytics.repeated_measures import RepeatedMeasuresAnova, repeated_measures_anova

CASES = Path(__file__).parents[1] / "reference" / "cases"


def long(values: list[list[float]], groups: str) -> pd.DataFrame:
    """One row per patient and visit; NaN is a missed visit."""
    y = np.array(values)
    n, t = y.shape
    return pd.DataFrame(
        {
            "patient": np.repeat([f"p{i}" for i in range(n)], t),
            "group": np.repeat(list(groups), t),
            "visit": np.tile([f"v{k}" for k in range(t)], n),
            "y": y.ravel(),
        }
    )


VALUES = [[5, 6, 9], [4, 4, 7], [6, 8, 8], [3, 5, 9], [7, 7, 8], [8, 9, 8], [6, 7, 9], [9, 9, 8.5]]
DATA = long(VALUES, "aaaaabbb")


def anova(data: pd.DataFrame = DATA, **options: object) -> RepeatedMeasuresAnova:
    return repeated_measures_anova(data, "y", options.pop("group", "group"), "visit", **options)


def test_two_visits_are_the_t_tests_of_sums_and_differences() -> None:
    result = anova(visits=["v0", "v2"])
    y = np.array(VALUES)[:, [0, 2]]
    terms = result.terms.set_index("term")
    between = stats.ttest_ind(y[:5].sum(axis=1), y[5:].sum(axis=1))
    interaction = stats.ttest_ind(y[:5, 1] - y[:5, 0], y[5:, 1] - y[5:, 0])
    assert terms.loc["group", "statistic"] == pytest.approx(between.statistic**2)
    assert terms.loc["group", "p_value"] == pytest.approx(between.pvalue)
    assert terms.loc["group:visit", "statistic"] == pytest.approx(interaction.statistic**2)
    assert np.isnan(result.mauchly_w)


def test_a_visit_effect_weighs_groups_equally_whatever_their_size() -> None:
    y = np.array(VALUES)[:, [0, 2]]
    d = y[:, 1] - y[:, 0]
    mean = (d[:5].mean() + d[5:].mean()) / 2
    variance = (((d[:5] - d[:5].mean()) ** 2).sum() + ((d[5:] - d[5:].mean()) ** 2).sum()) / 6
    expected = mean**2 / (variance * (1 / 5 + 1 / 3) / 4)
    assert anova(visits=["v0", "v2"]).terms.set_index("term").loc["visit", "statistic"] == pytest.approx(
        expected
    )


def test_one_group_has_the_effect_of_visit_alone() -> None:
    result = anova(group=None)
    y = np.array(VALUES)
    ss = 8 * ((y.mean(axis=0) - y.mean()) ** 2).sum()
    assert result.terms["term"].tolist() == ["(Intercept)", "visit"]
    assert result.terms.set_index("term").loc["visit", "sum_of_squares"] == pytest.approx(ss)
    assert result.strata["term"].tolist() == ["Residuals", "visit", "Residuals"]


def test_compound_symmetry_makes_both_epsilons_no_less_than_one() -> None:
    basis = np.array([[1, -1, 0], [1, 1, -2], [0, 0, 0]]) / np.sqrt([[2], [6], [1]])
    scores = np.array([[1, 0], [-1, 0], [0, 1], [0, -1.0]])
    values = scores @ basis[:2] + np.array([[4.0], [1.0], [2.0], [9.0]])
    result = anova(long(values.tolist(), "aaaa"), group=None)
    visit = result.terms.set_index("term").loc["visit"]
    assert visit["gg_epsilon"] == pytest.approx(1.0)
    assert visit["hf_epsilon"] > 1.0
    assert visit["p_hf"] == pytest.approx(visit["p_value"])
    assert result.mauchly_w == pytest.approx(1.0)


def test_epsilon_is_at_least_one_over_the_number_of_contrasts() -> None:
    values = [[0, k, 10 * k + 0.01 * k * k] for k in range(1, 8)]
    visit = anova(long(values, "aaaaaaa"), group=None).terms.set_index("term").loc["visit"]
    assert 0.5 <= visit["gg_epsilon"] < 0.51


def test_patients_who_miss_a_visit_are_left_out_and_counted() -> None:
    with_gaps = pd.concat(
        [
            DATA,
            long([[5, np.nan, 6]], "a").assign(patient="q"),
            long([[1, 2, 3]], "b").assign(patient="r").iloc[:2],
        ]
    )
    result = anova(with_gaps)
    assert (result.n, result.n_incomplete) == (8, 2)
    assert result.note == "2 patients without a value at every visit are left out"
    pd.testing.assert_frame_equal(result.terms, anova().terms)


def test_visits_beyond_those_asked_for_do_not_make_a_patient_incomplete() -> None:
    extra = pd.concat([DATA, DATA.iloc[[0]].assign(visit="v9")])
    assert anova(extra, visits=["v0", "v1", "v2"]).n == 8
    assert (anova(extra).n, anova(extra).status) == (1, "too_few_groups")


def test_row_order_and_the_order_of_visits_do_not_matter() -> None:
    shuffled = anova(DATA.sample(frac=1, random_state=3), visits=["v2", "v0", "v1"])
    pd.testing.assert_frame_equal(shuffled.terms, anova().terms)
    assert shuffled.mauchly_p == pytest.approx(anova().mauchly_p)


def test_the_interval_of_eta_squared_inverts_the_noncentral_f() -> None:
    group = anova().terms.set_index("term").loc["group"]
    for end, tail in (("eta_ci_low", 0.975), ("eta_ci_high", 0.025)):
        eta = group[end]
        noncentrality = eta / (1 - eta) * (group["df_num"] + group["df_den"] + 1)
        probability = stats.ncf.cdf(
            group["statistic"], group["df_num"], group["df_den"], max(noncentrality, 1e-12)
        )
        assert probability == pytest.approx(tail, abs=1e-6) or eta == 0.0
    assert group["eta_ci_low"] <= group["partial_eta_squared"] <= group["eta_ci_high"]


def test_means_are_those_of_the_complete_patients() -> None:
    row = anova().means.set_index(["group", "visit"]).loc[("b", "v0")]
    values = np.array([8.0, 6.0, 9.0])
    half = stats.t.ppf(0.975, 2) * values.std(ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(
        row[["n", "mean", "ci_low"]].astype(float), [3, values.mean(), values.mean() - half]
    )


def test_on_complete_data_a_random_intercept_gives_the_same_f_for_group_by_visit() -> None:
    case = json.loads((CASES / "rm_anova_orthodont" / "case.json").read_text(encoding="utf-8"))
    data = pd.read_csv(CASES / "rm_anova_orthodont" / "data.csv")
    classical = repeated_measures_anova(data, "distance", "Sex", "age", "Subject", case["time_levels"])
    mixed = fit_mixed_model(data, "distance", "Sex * age", "Subject", factors={"age": case["time_levels"]})
    assert mixed.terms().set_index("term").loc["Sex:age", "statistic"] == pytest.approx(
        classical.terms.set_index("term").loc["group:visit", "statistic"], rel=1e-9
    )


CANNOT = {
    "all missing": (DATA.assign(y=np.nan), "too_few_observations", "y: no value at any of the visits"),
    "no complete patient": (
        DATA.drop_duplicates("patient"),
        "too_few_observations",
        "one visit: nothing is repeated",
    ),
    "one patient a group": (
        long([[1, 2, 3], [3, 2, 5]], "ab"),
        "too_few_observations",
        "2 patients have a value at every visit, for 2",
    ),
    "no variance": (DATA.assign(y=1.0), "no_variance", "all values are equal"),
    "a visit twice": (
        pd.concat([DATA, DATA.iloc[[4]]]),
        "not_estimable",
        "more than one row for patient p1 at visit v1 (1 such rows)",
    ),
    "one group": (
        DATA[DATA["group"] == "a"],
        "too_few_groups",
        "group: one group (a) has complete patients; test the visits alone with group=None",
    ),
    "two groups": (
        DATA.assign(group=["a", "b"] * 12),
        "not_estimable",
        "group: a patient is in more than one group",
    ),
}


@pytest.mark.parametrize("case", CANNOT, ids=str)
def test_data_that_cannot_answer_give_a_status_and_a_row_per_term(case: str) -> None:
    data, status, sentence = CANNOT[case]
    result = anova(data)
    assert result.status == status
    assert sentence in result.note
    assert result.summary["term"].tolist() == ["(Intercept)", "group", "visit", "group:visit"]
    assert result.summary["p_value"].isna().all()
    assert set(result.summary["status"]) == {status}


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match='no column "grup"'):
        anova(group="grup")
    with pytest.raises(ValueError, match="infinite"):
        anova(DATA.assign(y=np.inf))
