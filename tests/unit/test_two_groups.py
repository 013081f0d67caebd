"""Two groups of measurements. Numbers of R are in tests/reference; here are rules, small tables and bad
input.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from analytics.comparison import Effect
from analytics.groups.rank_sum import exact_shift_interval, ordered_differences
from analytics.groups.two_groups import (
    brown_forsythe,
    kolmogorov_smirnov,
    levene,
    mann_whitney,
    student_t,
    welch_t,
)

PAIR = {"value": "ck", "group": "group_id", "groups": ("nxp2", "mda5")}
EVERY_TEST = [mann_whitney, student_t, welch_t, brown_forsythe, levene, kolmogorov_smirnov]


def frame(nxp2, mda5):
    values = [*nxp2, *mda5]
    return pd.DataFrame({"group_id": ["nxp2"] * len(nxp2) + ["mda5"] * len(mda5), "ck": values})


def every_split(values, n):
    """The rank sums of all ways to choose n of the values, by enumeration."""
    ranks = pd.Series(values).rank().to_numpy()
    return np.array([ranks[list(chosen)].sum() for chosen in itertools.combinations(range(len(values)), n)])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1, 2, 2, 5], [2, 3, 3, 3, 4]),
        ([7, 7, 9], [1, 2, 8, 9, 9, 10]),
        ([1.5, 2.5, 9], [0, 3, 4.5, 10]),
        ([1], [2, 2, 3]),
    ],
)
def test_exact_p_counts_every_split_of_the_pooled_values(a, b):
    sums = every_split([*a, *b], len(a))
    distance = np.abs(sums - sums.mean())
    observed = abs(pd.Series([*a, *b]).rank().to_numpy()[: len(a)].sum() - sums.mean())

    found = mann_whitney(frame(a, b), **PAIR, method="exact")

    assert found.p_value == pytest.approx((distance >= observed - 1e-9).mean(), rel=1e-12)


def test_exact_p_of_a_larger_sample_is_close_to_the_normal_one():
    rng = np.random.default_rng(5)
    data = frame(rng.integers(0, 40, 70), rng.integers(4, 44, 80))

    exact, normal = mann_whitney(data, **PAIR, method="exact"), mann_whitney(data, **PAIR)

    assert exact.status == "ok"
    assert exact.p_value == pytest.approx(normal.p_value, rel=0.02)


def test_exact_test_says_when_a_sample_is_too_large_to_count():
    rng = np.random.default_rng(5)

    found = mann_whitney(frame(rng.normal(size=2000), rng.normal(size=2000)), **PAIR, method="exact")

    assert (found.status, found.p_value) == ("not_estimable", None)
    assert "use mann_whitney" in found.note


def test_shift_is_the_median_of_all_pairwise_differences_without_forming_them(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=211).round(1), rng.normal(size=97).round(1)
    differences = np.sort(np.subtract.outer(a, b).ravel())
    monkeypatch.setattr("analytics.groups.rank_sum.ALL_PAIRS", 500)

    found = ordered_differences(a, b, (1, 5, 10_000, len(differences)))

    assert found == [differences[0], differences[4], differences[9_999], differences[-1]]


def test_small_samples_say_what_confidence_their_interval_reaches():
    found = mann_whitney(frame([1.0, 2.0], [3.0, 4.5]), **PAIR, method="exact")

    assert (found.ci_low, found.ci_high) == (-3.5, -1.0)
    assert found.note == "with 2 and 2 observations no interval reaches 95%; the one given reaches 66.7%"


def test_exact_interval_covers_by_its_stated_confidence():
    low, high, reached = exact_shift_interval(np.arange(6.0), np.arange(7.0) + 0.5, 0.95)

    assert (low, high) == (-3.5, 1.5)  # as wilcox.test(0:5, 0:6 + .5, conf.int = TRUE)
    assert reached == pytest.approx(0.9650349650349651)  # 1 - 2 pwilcox(6, 6, 7) in R


def test_first_minus_second_is_the_direction_of_every_effect():
    data = frame([10, 12, 14, 16], [1, 2, 4, 9])

    assert mann_whitney(data, **PAIR).effect == 9.5
    assert mann_whitney(data, **PAIR).more_effects[0].estimate == 1.0
    assert welch_t(data, **PAIR).effect == 9.0
    assert student_t(data, **PAIR).effect_of("hedges_g").estimate > 0


def test_rank_biserial_of_separated_groups_has_an_interval_with_width():
    effect = mann_whitney(frame([10, 12, 14, 16], [1, 2, 4, 9]), **PAIR).effect_of("rank_biserial")

    assert effect.ci_high == 1.0
    assert 0 < effect.ci_low < 0.9


def test_missing_values_are_dropped_and_counted_in_the_two_groups_and_where_no_group_is_known():
    data = pd.concat(
        [
            frame([1.0, np.nan, 3.0], [2.0, 5.0, np.nan]),
            pd.DataFrame({"group_id": ["tif1g", None], "ck": [np.nan, 4.0]}),
        ]
    )

    found = welch_t(data, **PAIR)

    assert (found.n_a, found.n_b, found.n, found.n_missing) == (2, 2, 4, 3)


def test_ties_are_counted():
    assert mann_whitney(frame([1, 2, 2], [2, 3]), **PAIR).ties == 3


@pytest.mark.parametrize("test", EVERY_TEST)
def test_an_absent_group_is_a_status(test):
    found = test(frame([1.0, 2.0, 3.0], []), **PAIR)

    assert (found.status, found.p_value) == ("too_few_groups", None)
    assert found.note == "no row has group_id mda5: nothing to compare with"


@pytest.mark.parametrize("test", EVERY_TEST)
def test_a_group_whose_values_are_all_missing_is_a_status(test):
    found = test(frame([1.0, 2.0, 3.0], [np.nan, np.nan]), **PAIR)

    assert (found.status, found.p_value, found.n_missing) == ("too_few_observations", None, 2)
    assert "mda5 has 0" in found.note


@pytest.mark.parametrize("test", [mann_whitney, student_t, welch_t, brown_forsythe, levene])
def test_values_that_are_all_the_same_are_a_status(test):
    found = test(frame([5.0, 5.0, 5.0], [5.0, 5.0]), **PAIR)

    assert (found.status, found.p_value) == ("no_variance", None)
    assert found.effect == 0.0


def test_student_allows_one_observation_in_a_group_and_welch_does_not():
    data = frame([1.0, 2.0, 4.0], [9.0])

    assert student_t(data, **PAIR).status == "ok"
    assert welch_t(data, **PAIR).status == "too_few_observations"


def test_brown_forsythe_is_the_t_test_of_absolute_deviations():
    a, b = np.array([1.0, 4.0, 6.0, 20.0]), np.array([3.0, 3.5, 4.0, 4.5, 5.0])
    spread = student_t(frame(np.abs(a - np.median(a)), np.abs(b - np.median(b))), **PAIR)

    found = brown_forsythe(frame(a, b), **PAIR)

    assert found.statistic == pytest.approx(spread.statistic**2)
    assert found.p_value == pytest.approx(spread.p_value)
    assert (found.df, found.df_den) == (1.0, 7.0)


@pytest.mark.parametrize(
    ("a", "b"), [([1, 2, 2, 5], [2, 3, 3, 3, 4]), ([1, 2, 3], [4, 5, 6, 7]), ([1, 1], [1, 1, 2])]
)
def test_smirnov_p_counts_every_split_of_the_pooled_values(a, b):
    pooled = np.array([*a, *b], dtype=float)

    def distance(chosen):
        first = np.isin(np.arange(len(pooled)), chosen)
        grid = np.unique(pooled)
        return max(abs((pooled[first] <= g).mean() - (pooled[~first] <= g).mean()) for g in grid)

    splits = list(itertools.combinations(range(len(pooled)), len(a)))
    observed = distance(tuple(range(len(a))))
    expected = np.mean([distance(chosen) >= observed - 1e-12 for chosen in splits])

    found = kolmogorov_smirnov(frame(a, b), **PAIR)

    assert found.statistic == pytest.approx(observed)
    assert found.p_value == pytest.approx(expected, rel=1e-12)


def test_unknown_column_names_the_nearest():
    with pytest.raises(ValueError, match=r'no column "ckk" \(did you mean "ck"\?\)'):
        mann_whitney(frame([1], [2]), value="ckk", group="group_id", groups=("nxp2", "mda5"))


def test_infinite_values_are_an_error_of_the_caller():
    with pytest.raises(ValueError, match="ck: expected finite numbers; found 1 infinite"):
        welch_t(frame([1.0, math.inf], [2.0, 3.0]), **PAIR)


def test_text_is_an_error_of_the_caller():
    with pytest.raises(
        ValueError, match='ck: expected numbers; found 4 other values ("<0.10"'.replace("(", "[(]")
    ):
        mann_whitney(frame(["<0.10", "1"], ["2", "3"]), **PAIR)


@pytest.mark.parametrize("groups", [("nxp2",), ("nxp2", "nxp2"), ("nxp2", "mda5", "tif1g"), "nxp2"])
def test_groups_must_be_two_different_ids(groups):
    with pytest.raises(ValueError, match="groups: expected"):
        mann_whitney(frame([1], [2]), value="ck", group="group_id", groups=groups)


def test_unknown_method_names_the_choices():
    with pytest.raises(
        ValueError, match=r'method: expected one of auto, asymptotic, exact; found "exakt"\. Did you mean'
    ):
        mann_whitney(frame([1], [2]), **PAIR, method="exakt")


def test_summary_is_one_row_of_plain_fields():
    row = welch_t(frame([1.0, 2.0, 4.0], [3.0, 6.0, 9.0]), **PAIR).summary

    assert len(row) == 1
    assert row.loc[0, ["test", "group_a", "group_b", "status"]].tolist() == ["welch_t", "nxp2", "mda5", "ok"]


def test_effect_of_an_unknown_kind_names_those_there_are():
    with pytest.raises(ValueError, match="kind: expected one of mean_difference, hedges_g, cohen_d"):
        welch_t(frame([1.0, 2.0], [3.0, 6.0]), **PAIR).effect_of("odds_ratio")


def test_an_effect_without_estimate_says_why():
    data = frame([1.0, 1.0], [2.0])

    assert student_t(data, **PAIR).status == "no_variance"
    assert student_t(frame([1.0, 2.0, 4.0], [9.0]), **PAIR).effect_of("cohen_d") == Effect(
        "cohen_d", None, method="needs two observations in each group"
    )
