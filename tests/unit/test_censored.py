"""Values below a detection limit: regression, summaries, ratios, comparisons.

R's numbers for the regression are in tests/reference. Numbers quoted here are from R 4.2.2, survival
3.5-3, on the data of the case left_censored_lod_pbc_copper with t = 1 + max(upper) - upper and e = 1 -
below: quantile(survfit(Surv(t, e) ~ 1, conf.type = "log-log"), .5) by trt, and survdiff(Surv(t, e) ~
sex, rho = 1).
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analytics.censored.groups import censored_two_groups, gehan_scores
from analytics.censored.likelihood import LOGISTIC, NORMAL, SMALLEST_EXTREME, Bounds, Problem, evaluate
from analytics.censored.regression import censored_regression, known_bounds
from analytics.censored.summary import Bounded, quantile_bounds, ratio_bounds, summarise_censored
from analytics.groups.two_groups import mann_whitney
from tests.reference.run import CASES, read_csv

COPPER = read_csv(CASES / "left_censored_lod_pbc_copper" / "data.csv")
N = np.nan


def bounds(rows, group=None):
    frame = pd.DataFrame(rows, columns=["lower", "upper"], dtype=float)
    return frame if group is None else frame.assign(group_id=list(group))


LAWS = {
    "normal": (NORMAL, stats.norm),
    "logistic": (LOGISTIC, stats.logistic),
    "extreme": (SMALLEST_EXTREME, stats.gumbel_l),
}


@pytest.mark.parametrize("law", LAWS)
def test_likelihood_and_its_derivatives_are_those_of_the_distribution(law):
    standard, distribution = LAWS[law]
    lower = np.array([0.3, -np.inf, 1.1, -0.4, 2.0])
    upper = np.array([0.3, 0.2, np.inf, 0.9, 2.5])
    x = np.column_stack([np.ones(5), [0.0, 1.0, 2.0, -1.0, 0.5]])
    problem = Problem(Bounds(lower, upper), x, standard, np.array([0, 1, 0, 1, 1]))
    parameters = np.array([0.2, -0.3, 0.1, 0.4])

    def by_hand(p):
        scale = np.exp(p[2:][problem.stratum])
        law_of = distribution(loc=x @ p[:2], scale=scale)
        exact = lower == upper
        mass = law_of.cdf(upper) - law_of.cdf(lower)
        return float(np.where(exact, law_of.logpdf(lower), np.log(np.where(exact, 1.0, mass))).sum())

    value, gradient, hessian = evaluate(problem, parameters)
    h = 1e-5
    steps = np.eye(4) * h
    numeric = [(by_hand(parameters + s) - by_hand(parameters - s)) / (2 * h) for s in steps]
    curvature = [
        [
            (evaluate(problem, parameters + s)[1][j] - evaluate(problem, parameters - s)[1][j]) / (2 * h)
            for j in range(4)
        ]
        for s in steps
    ]

    assert value == pytest.approx(by_hand(parameters), rel=1e-12)
    assert gradient == pytest.approx(numeric, rel=1e-7)
    assert hessian == pytest.approx(np.array(curvature), rel=1e-7)


def test_likelihood_is_finite_far_in_the_tails():
    far = Bounds(np.array([40.0, -np.inf, 39.0]), np.array([np.inf, -40.0, 39.5]))

    value, gradient, _ = evaluate(Problem(far, np.ones((3, 1)), NORMAL, np.zeros(3, dtype=int)), np.zeros(2))

    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_without_limits_the_log_normal_mean_is_the_mean_of_the_logs():
    values = [0.4, 1.2, 2.0, 5.5, 9.0]

    fit = censored_regression(bounds([(v, v) for v in values]))

    assert fit.coefficient("(Intercept)")["ratio"] == pytest.approx(stats.gmean(values))
    assert fit.scale[0] == pytest.approx(np.std(np.log(values)))
    assert (fit.n, fit.n_censored) == (5, 0)


def test_scale_of_the_unit_moves_the_intercept_and_nothing_else():
    fit = censored_regression(COPPER, "~ trt + stage")
    grams = COPPER.assign(lower=COPPER["lower"] / 1000, upper=COPPER["upper"] / 1000)

    scaled = censored_regression(grams, "~ trt + stage")

    moved = (scaled.summary["estimate"] - fit.summary["estimate"]).tolist()
    assert moved == pytest.approx([-math.log(1000), 0, 0, 0], abs=1e-9)
    assert scaled.summary["std_error"].tolist() == pytest.approx(fit.summary["std_error"].tolist())


def test_rows_of_which_nothing_is_known_are_dropped_and_counted():
    data = bounds([(1, 1), (2, 2), (N, 0.5), (3, 3), (N, N), (4, N)]).assign(age=[1.0, 2, 3, N, 5, 6])

    fit = censored_regression(data, "~ age")

    assert (fit.n, fit.n_censored, fit.n_missing) == (4, 2, 2)


@pytest.mark.parametrize("hidden", ["a", "b", "c"])
def test_a_group_entirely_below_its_limit_is_named_and_gets_no_estimate(hidden):
    rows = [(v, v) for v in (0.4, 1.1, 2.3, 0.9, 1.7, 3.1, 0.6, 2.9, 1.3)]
    data = bounds(rows, "aaabbbccc")
    data.loc[data["group_id"] == hidden, ["lower", "upper"]] = [N, 0.1]

    fit = censored_regression(data, "~ group_id")

    assert fit.status == "monotone_likelihood"
    runaway = set(fit.summary.loc[fit.summary["estimate"].isna(), "term"])
    assert runaway == ({"(Intercept)", "group_idb", "group_idc"} if hidden == "a" else {f"group_id{hidden}"})
    assert all(term in fit.note for term in runaway)


def test_aliased_columns_are_found_and_said():
    data = bounds([(1, 1), (2, 2), (3, 3), (N, 1), (4, 4)], "aabbb").assign(hospital=list("hhiii"))

    fit = censored_regression(data, "~ group_id + hospital")

    assert (fit.status, fit.note) == ("not_estimable", "aliased columns: hospitali = group_idb")
    assert np.isnan(fit.coefficient("hospitali")["estimate"])


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ([], "too_few_observations"),
        ([(N, N)], "too_few_observations"),
        ([(N, 0.1), (N, 0.1), (N, 0.2)], "not_estimable"),
        ([(2, 2), (2, 2), (2, 2)], "no_variance"),
        ([(2, 2)], "too_few_observations"),
    ],
)
def test_what_the_data_cannot_answer_is_a_status(rows, status):
    fit = censored_regression(bounds(rows))

    assert (fit.status, fit.log_likelihood) == (status, None)
    assert fit.note
    assert fit.summary["estimate"].isna().all()


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([(2, 1)], {}, "lower, upper: expected lower <= upper; found 1 rows"),
        ([(0, 0)], {}, "a log scale needs positive values; found 1 rows at or below 0"),
        ([(1, math.inf)], {}, "upper: expected finite numbers; found 1 infinite"),
        ([(1, 1)], {"distribution": "log-normal"}, 'Did you mean "lognormal"'),
        ([(1, 1)], {"formula": "lower ~ 1"}, "formula: expected the right side only"),
        ([(1, 1)], {"formula": "~ age"}, 'no column "age"'),
    ],
)
def test_a_wrong_argument_says_what_is_wrong(rows, options, message):
    with pytest.raises(ValueError, match=message):
        censored_regression(bounds(rows), **options)


def test_bounds_come_from_a_value_or_from_the_limits_beside_it():
    observed = pd.DataFrame(
        {"value_canonical": [2.5, N, N, N], "lower_limit": [N, N, 2000.0, N], "upper_limit": [N, 0.1, N, N]}
    )

    found = known_bounds(observed)

    assert found["lower"].tolist() == pytest.approx([2.5, N, 2000.0, N], nan_ok=True)
    assert found["upper"].tolist() == pytest.approx([2.5, 0.1, N, N], nan_ok=True)


def test_a_sample_quantile_lies_between_the_quantiles_of_the_bounds_whatever_is_hidden():
    low, high = np.array([0, 0, 0, 1.4, 2.0, 5.0]), np.array([0.1, 0.1, 3.0, 1.4, 2.0, np.inf])
    rng = np.random.default_rng(2)
    for p in (0.0, 0.25, 0.5, 0.75, 1.0):
        found = quantile_bounds(low, high, p)
        for _ in range(50):
            completed = low + rng.random(6) * (np.minimum(high, 50) - low)
            assert found.low - 1e-12 <= np.quantile(completed, p) <= found.high + 1e-12


@pytest.mark.parametrize(
    ("bounded", "printed"),
    [
        (Bounded(2.9, 2.9), "2.90"),
        (Bounded(0.0, 0.1), "<0.10"),
        (Bounded(2000.0, math.inf), ">2000.00"),
        (Bounded(0.05, 0.1), "0.05–0.10"),
        (Bounded(0.0, math.inf), "–"),
    ],
)
def test_a_bounded_number_never_prints_as_a_number(bounded, printed):
    assert bounded.display() == printed


def test_summary_prints_what_the_limits_leave_known():
    # the shape of the published adult cytokines: more than half at or below 0.10
    rows = [(N, 0.1)] * 6 + [(v, v) for v in (0.4, 0.9, 1.18, 2.0, 3.5)]

    row = summarise_censored(bounds(rows)).iloc[0]

    assert row["display"] == "<0.10 (<0.10, 1.04)"
    assert (row["n"], row["n_measured"], row["n_below"]) == (11, 5, 6)
    assert (row["median_low"], row["median_high"]) == (0.0, 0.1)
    assert math.isnan(row["km_median"])
    assert row["geometric_mean"] < 0.4


def test_kaplan_meier_median_of_turned_values_is_that_of_r():
    summary = summarise_censored(COPPER, group="trt", groups=("D-penicillamine", "placebo"))

    assert summary[["km_median", "km_low", "km_high"]].to_numpy().tolist() == [[73, 64, 79], [73, 58, 84]]


def test_log_normal_means_without_limits_are_the_usual_ones():
    values = np.array([0.4, 1.2, 2.0, 5.5, 9.0])

    row = summarise_censored(bounds([(v, v) for v in values])).iloc[0]

    sigma = np.std(np.log(values))
    assert row["geometric_mean"] == pytest.approx(stats.gmean(values))
    assert row["mean"] == pytest.approx(stats.gmean(values) * math.exp(sigma**2 / 2))
    assert row["mean_low"] < row["mean"] < row["mean_high"]


def test_limits_on_both_sides_have_no_kaplan_meier_median():
    row = summarise_censored(bounds([(N, 1), (2, 2), (3, 3), (4, 4), (5, N)])).iloc[0]

    assert row["display"] == "3.00 (2.00, 4.00)"
    assert math.isnan(row["km_median"])
    assert row["note"] == "limits on both sides: no Kaplan-Meier quantile"


def test_a_group_of_which_nothing_is_known_is_a_row_with_its_status():
    data = bounds([(1, 1), (2, 2), (N, N)], "aab")

    summary = summarise_censored(data, group="group_id", groups=("a", "b", "c"))

    assert summary["status"].tolist() == ["ok", "too_few_observations", "too_few_observations"]
    assert summary["display"].tolist() == ["1.50 (1.25, 1.75)", "–", "–"]
    assert summary["n_missing"].tolist() == [0, 1, 0]


def test_a_ratio_with_a_hidden_denominator_is_a_bound():
    data = pd.DataFrame(
        # il_10        ifn_gamma
        [
            [5.0, 5.0, 2.0, 2.0],
            [5.0, 5.0, N, 0.1],
            [N, 0.1, 2.0, 2.0],
            [N, 0.1, N, 0.1],
            [5.0, 5.0, N, N],
            [10, N, N, 0.1],
            [2, 4, 1, 2],
        ],
        columns=["a_low", "a_high", "b_low", "b_high"],
    )

    found = ratio_bounds(data, ("a_low", "a_high"), ("b_low", "b_high"))

    assert found["lower"].tolist() == pytest.approx([2.5, 50.0, N, N, N, 100.0, 1.0], nan_ok=True)
    assert found["upper"].tolist() == pytest.approx([2.5, N, 0.05, N, N, N, 4.0], nan_ok=True)


def test_peto_prentice_agrees_with_survdiff():
    by_arm = censored_two_groups(COPPER, group="trt", groups=("D-penicillamine", "placebo"))
    by_sex = censored_two_groups(COPPER, group="sex", groups=("f", "m"))

    assert by_arm.statistic == pytest.approx(0.1278266527734212)
    assert by_sex.statistic == pytest.approx(27.06687634392578)
    assert (by_arm.df, by_arm.effect_kind) == (1.0, "geometric_mean_ratio")
    assert by_arm.ci_low < by_arm.effect < by_arm.ci_high


def test_gehan_without_limits_is_mann_whitney():
    rng = np.random.default_rng(3)
    values = rng.integers(1, 12, 25).astype(float)
    data = bounds([(v, v) for v in values], ["a"] * 11 + ["b"] * 14).assign(value=values)
    plain = {"value": "value", "group": "group_id", "groups": ("a", "b")}

    gehan = censored_two_groups(data, group="group_id", groups=("a", "b"), method="gehan")
    exact = censored_two_groups(data, group="group_id", groups=("a", "b"), method="gehan_exact")
    probability = gehan.effect_of("probability_greater")

    assert gehan.p_value == pytest.approx(mann_whitney(data, **plain, continuity=False).p_value)
    assert exact.p_value == pytest.approx(mann_whitney(data, **plain, method="exact").p_value)
    u = mann_whitney(data, **plain).statistic
    assert (probability.ci_low, probability.ci_high) == pytest.approx((u / 154, u / 154))


def test_gehan_scores_count_only_pairs_that_are_known():
    low = np.array([0.0, 0.1, 0.1, 5.0, 2.0])
    high = np.array([0.1, 0.1, 0.4, np.inf, 2.0])
    exact = low == high

    def surely_above(i, j):
        return low[i] > high[j] or (low[i] == high[j] and not (exact[i] and exact[j]))

    pairs = list(itertools.permutations(range(5), 2))
    expected = [
        sum(int(surely_above(i, j)) - int(surely_above(j, i)) for k, j in pairs if k == i) for i in range(5)
    ]

    assert gehan_scores(low, high).tolist() == expected


@pytest.mark.parametrize("method", ["peto_prentice", "gehan", "gehan_exact"])
def test_censored_groups_that_cannot_be_compared_are_a_status(method):
    asked = {"group": "group_id", "groups": ("a", "b"), "method": method}

    hidden = censored_two_groups(bounds([(N, 1), (N, 2), (N, 1.5)], "aab"), **asked)
    absent = censored_two_groups(bounds([(1, 1), (2, 2)], "aa"), **asked)
    unknown = censored_two_groups(bounds([(1, 1), (N, N)], "ab"), **asked)

    assert [r.status for r in (hidden, absent, unknown)] == [
        "no_variance",
        "too_few_groups",
        "too_few_observations",
    ]
    assert [r.p_value for r in (hidden, absent, unknown)] == [None, None, None]


def test_peto_prentice_refuses_limits_on_both_sides_and_names_the_test_that_takes_them():
    data = bounds([(N, 1), (2, 2), (3, N), (4, 4)], "aabb")

    found = censored_two_groups(data, group="group_id", groups=("a", "b"))

    assert (found.status, found.note) == (
        "not_estimable",
        "some values lie above a limit or between two limits, which this test cannot use; use gehan",
    )
    assert censored_two_groups(data, group="group_id", groups=("a", "b"), method="gehan").status == "ok"


def test_a_group_below_its_limit_still_has_a_rank_test():
    data = bounds([(N, 0.1)] * 6 + [(v, v) for v in (1.0, 2, 3, 4, 5)], "aaaaaabbbbb")

    found = censored_two_groups(data, group="group_id", groups=("a", "b"))

    assert (found.status, found.effect) == ("ok", None)
    assert found.p_value < 0.01
    assert "no ratio of geometric means" in found.note
    assert found.effect_of("probability_greater").ci_high == 0.0
