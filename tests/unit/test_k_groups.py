"""Several groups of measurements. R's numbers are in tests/reference."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analytics.groups.k_groups import anova, brown_forsythe_k, kruskal_wallis, levene_k, pairwise, welch_anova
from analytics.groups.two_groups import brown_forsythe, mann_whitney, student_t, welch_t

ASKED = {"value": "ck", "group": "group_id", "groups": ("a", "b", "c")}
EVERY_TEST = [kruskal_wallis, anova, welch_anova, brown_forsythe_k, levene_k]


def frame(**groups):
    parts = [
        pd.DataFrame({"group_id": name, "ck": np.asarray(values, dtype=float)})
        for name, values in groups.items()
    ]
    return pd.concat(parts, ignore_index=True)


THREE = frame(a=[1, 4, 6, 20], b=[3, 3.5, 4, 4.5, 5], c=[9, 12, 4, np.nan])


@pytest.mark.parametrize(("k_test", "two_test"), [(anova, student_t), (welch_anova, welch_t)])
def test_with_two_groups_f_is_the_square_of_t(k_test, two_test):
    two = {"value": "ck", "group": "group_id", "groups": ("a", "b")}

    f, t = k_test(THREE, **two), two_test(THREE, **two)

    assert f.statistic == pytest.approx(t.statistic**2)
    assert f.p_value == pytest.approx(t.p_value)
    assert f.df_den == pytest.approx(t.df)


def test_spread_of_two_groups_agrees_with_the_two_group_test():
    two = {"value": "ck", "group": "group_id", "groups": ("a", "b")}

    assert brown_forsythe_k(THREE, **two).p_value == pytest.approx(brown_forsythe(THREE, **two).p_value)


@pytest.mark.parametrize("test", EVERY_TEST)
def test_a_group_without_values_is_left_out_and_named(test):
    data = pd.concat([THREE, frame(d=[np.nan, np.nan])])

    with_d = test(data, value="ck", group="group_id", groups=("a", "b", "c", "d"))
    without = test(THREE, **ASKED)

    assert with_d.statistic == pytest.approx(without.statistic)
    assert with_d.groups == ("a", "b", "c")
    assert with_d.note == "without d: no observation"
    assert with_d.n_missing == without.n_missing + 2


@pytest.mark.parametrize("test", EVERY_TEST)
def test_fewer_than_two_groups_with_values_is_a_status(test):
    found = test(frame(a=[1, 2, 3], b=[np.nan]), value="ck", group="group_id", groups=("a", "b"))

    assert (found.status, found.p_value) == ("too_few_groups", None)


@pytest.mark.parametrize("test", EVERY_TEST)
def test_values_that_are_all_the_same_are_a_status(test):
    found = test(frame(a=[5, 5, 5], b=[5, 5], c=[5, 5]), **ASKED)

    assert (found.status, found.p_value) == ("no_variance", None)


def test_one_value_in_each_group_leaves_no_variance_within():
    assert anova(frame(a=[1], b=[2], c=[4]), **ASKED).status == "too_few_observations"
    assert welch_anova(frame(a=[1, 2], b=[2], c=[4]), **ASKED).status == "too_few_observations"


def test_eta_squared_is_the_share_of_the_sum_of_squares_between_groups():
    values = THREE.dropna()
    means = values.groupby("group_id")["ck"].transform("mean")
    share = ((means - values["ck"].mean()) ** 2).sum() / ((values["ck"] - values["ck"].mean()) ** 2).sum()

    found = anova(THREE, **ASKED)

    assert found.effect == pytest.approx(share)
    assert found.ci_low <= found.effect <= found.ci_high


def test_pairwise_gives_each_pair_in_order_with_its_adjusted_p():
    table = pairwise(THREE, mann_whitney, **ASKED, adjust="bonferroni")

    assert table[["group_a", "group_b"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert table["p_adjusted"].tolist() == pytest.approx([min(1, 3 * p) for p in table["p_value"]])


def test_pairwise_keeps_a_pair_without_answer_as_a_row():
    table = pairwise(frame(a=[1, 2, 3], b=[4, 5, 9], c=[np.nan]), welch_t, **ASKED)

    assert table["status"].tolist() == ["ok", "too_few_observations", "too_few_observations"]
    assert table["p_adjusted"].isna().tolist() == [False, True, True]
