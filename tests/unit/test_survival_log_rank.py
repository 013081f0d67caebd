"""Log-rank tests: against hand sums, brute force over permutations, and an independent library."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from lifelines.statistics import multivariate_logrank_test

from analytics.survival import log_rank, log_rank_trend, permutation_log_rank
from analytics.survival.permutation import log_rank_scores

EIGHT = pd.DataFrame(
    {
        "time": [1, 2, 3, 3, 4, 5, 6, 7],
        "event": [1, 1, 1, 0, 1, 0, 1, 1],
        "group": ["a", "b", "a", "a", "b", "b", "a", "b"],
    }
)


def cohort(n: int = 90, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b", "c"], n)
    time = np.ceil(rng.exponential(10, n) * np.where(group == "a", 1.6, 1.0))
    return pd.DataFrame(
        {"time": time, "event": rng.random(n) < 0.7, "group": group, "site": rng.choice(["x", "y"], n)}
    )


def test_observed_and_expected_events_of_eight_patients_are_the_sums_over_risk_sets():
    fit = log_rank(EIGHT, "time", "event", "group")

    # deaths at 1, 2, 3, 4, 6, 7 with (in a, at risk): (4, 8), (3, 7), (3, 6), (1, 4), (1, 2), (0, 1)
    expected = 4 / 8 + 3 / 7 + 3 / 6 + 1 / 4 + 1 / 2 + 0
    variance = sum(p * (1 - p) for p in (4 / 8, 3 / 7, 3 / 6, 1 / 4, 1 / 2))
    assert fit.counts["observed"].tolist() == [3, 3]
    assert fit.counts["expected"].tolist() == pytest.approx([expected, 6 - expected])
    assert fit.summary["statistic"][0] == pytest.approx((3 - expected) ** 2 / variance)
    assert fit.summary["df"][0] == 1


@pytest.mark.parametrize(
    ("weights", "options", "name", "theirs"),
    [
        ("log_rank", {}, None, {}),
        ("gehan_breslow", {}, "wilcoxon", {}),
        ("tarone_ware", {}, "tarone-ware", {}),
        ("fleming_harrington", {"rho": 1.0, "gamma": 0.5}, "fleming-harrington", {"p": 1.0, "q": 0.5}),
    ],
)
def test_weighted_tests_of_three_groups_agree_with_lifelines(weights, options, name, theirs):
    data = cohort()

    ours = log_rank(data, "time", "event", "group", weights=weights, **options).summary.iloc[0]

    other = multivariate_logrank_test(data["time"], data["group"], data["event"], weightings=name, **theirs)
    assert ours["statistic"] == pytest.approx(other.test_statistic, rel=1e-9)
    assert ours["p_value"] == pytest.approx(other.p_value, rel=1e-9)


def test_peto_weights_are_the_product_of_one_less_events_over_one_more_than_at_risk():
    data = EIGHT[EIGHT["time"] <= 3]

    ours = log_rank(data, "time", "event", "group", weights="peto_peto").summary.iloc[0]

    # four patients: deaths at 1 (a), 2 (b), 3 (a of a, a censored); weights 4/5, 3/5, 2/5
    weight = np.cumprod([4 / 5, 3 / 4, 2 / 3])
    in_a, at_risk = np.array([3, 2, 2]), np.array([4, 3, 2])
    difference = (weight * (np.array([1, 0, 1]) - in_a / at_risk)).sum()
    variance = (weight**2 * in_a / at_risk * (1 - in_a / at_risk)).sum()
    assert ours["statistic"] == pytest.approx(difference**2 / variance)


def test_stratified_test_adds_differences_and_covariances_of_the_strata():
    data = cohort()[lambda d: d["group"] != "c"]

    both = log_rank(data, "time", "event", "group", strata="site").summary.iloc[0]

    parts = [log_rank(part, "time", "event", "group") for _, part in data.groupby("site")]
    differences = [p.counts["observed"][0] - p.counts["expected"][0] for p in parts]
    variances = [d**2 / p.summary["statistic"][0] for d, p in zip(differences, parts)]
    assert both["statistic"] == pytest.approx(sum(differences) ** 2 / sum(variances))
    assert both["method"] == "log-rank, 2 strata"


def test_pairs_are_tested_in_their_own_rows_and_adjusted_together():
    data = cohort()

    pairs = log_rank(data, "time", "event", "group", pairwise=True, adjust="bonferroni").summary[1:]

    alone = log_rank(data[data["group"].isin(["a", "c"])], "time", "event", "group").summary.iloc[0]
    assert [(r.group_a, r.group_b) for r in pairs.itertuples()] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert pairs["statistic"].iloc[1] == pytest.approx(alone["statistic"])
    assert pairs["p_adjusted"].tolist() == pytest.approx(np.minimum(3 * pairs["p_value"], 1).tolist())


def test_trend_over_two_groups_is_the_log_rank_test():
    trend = log_rank_trend(EIGHT, "time", "event", "group", levels=["a", "b"])

    assert trend.statistic == pytest.approx(log_rank(EIGHT, "time", "event", "group").summary["statistic"][0])


def test_exact_p_counts_every_choice_of_the_first_group():
    time, event = EIGHT["time"].to_numpy(float), EIGHT["event"].to_numpy() == 1
    first = (EIGHT["group"] == "a").to_numpy()
    scores = log_rank_scores(time, event)

    test = permutation_log_rank(time, event, first)

    distance = abs(scores[first].sum() - 4 * scores.mean())
    sums = np.array([scores[list(chosen)].sum() for chosen in combinations(range(8), 4)])
    share = np.mean(np.abs(sums - 4 * scores.mean()) >= distance - 1e-12)
    assert test.p_value == pytest.approx(share, abs=1e-15)
    assert log_rank(EIGHT, "time", "event", "group", method="exact").summary["p_value"][0] == test.p_value


def test_tied_events_share_the_mean_of_their_scores():
    scores = log_rank_scores(np.array([2.0, 2.0, 3.0]), np.array([True, True, False]))

    # one after the other: 1/3 - 1 and 1/3 + 1/2 - 1; the censored one has 1/3 + 1/2
    assert scores.tolist() == pytest.approx([-5 / 12, -5 / 12, 5 / 6])


def test_exact_test_of_three_groups_is_asymptotic_overall_and_exact_in_pairs():
    data = cohort(30)

    summary = log_rank(data, "time", "event", "group", pairwise=True, method="exact").summary

    assert summary["method"].tolist() == ["log-rank", *["log-rank, exact permutation"] * 3]
    assert "this one, of 3, is asymptotic" in summary["note"][0]


def test_an_exact_distribution_that_is_too_large_says_so():
    rng = np.random.default_rng(1)
    time, event = rng.permutation(60).astype(float), np.ones(60, dtype=bool)

    test = permutation_log_rank(time, event, np.arange(60) < 30)

    assert (test.status, np.isnan(test.p_value)) == ("not_estimable", True)
    assert "use the asymptotic test" in test.note


def test_one_group_and_no_events_are_statuses():
    one = log_rank(EIGHT.assign(group="a"), "time", "event", "group", levels=["a", "b"])
    none = log_rank(EIGHT.assign(event=0), "time", "event", "group")

    assert (one.status, one.note) == (
        "too_few_groups",
        "A comparison needs two groups with subjects. Without a subject: b.",
    )
    assert (none.status, none.note) == ("no_events", "None of the 8 rows has an event.")


def test_groups_never_at_risk_together_cannot_be_compared():
    data = pd.DataFrame(
        {"entry": [0, 0, 5, 5], "time": [1, 2, 6, 7], "event": [1, 1, 1, 1], "group": ["a", "a", "b", "b"]}
    )

    fit = log_rank(data, "time", "event", "group", entry="entry")

    assert fit.status == "not_estimable"


def test_exact_with_strata_is_refused():
    with pytest.raises(ValueError, match='"exact" expects no strata'):
        log_rank(EIGHT, "time", "event", "group", strata="time", method="exact")
