"""Restricted mean survival time: areas by hand, and what happens at the end of follow-up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analytics.survival import restricted_mean

SIX = pd.DataFrame(
    {"time": [2, 4, 6, 1, 3, 5], "event": [1, 0, 1, 1, 1, 0], "group": ["a", "a", "a", "b", "b", "b"]}
)


def test_area_under_the_steps_and_its_greenwood_error():
    fit = restricted_mean(SIX, "time", "event", tau=5, group="group")

    # a: 1 to 2, then 2/3 to 5; b: 1 to 1, 2/3 to 3, 1/3 to 5
    assert fit.summary["rmst"].tolist() == pytest.approx([2 + 2 / 3 * 3, 1 + 2 / 3 * 2 + 1 / 3 * 2])
    error_a = np.sqrt(2.0**2 * 1 / (3 * 2))
    error_b = np.sqrt(2.0**2 * 1 / (3 * 2) + (2 / 3) ** 2 * 1 / (2 * 1))
    assert fit.summary["std_error"].tolist() == pytest.approx([error_a, error_b])


def test_difference_is_the_first_group_less_the_second_with_independent_errors():
    fit = restricted_mean(SIX, "time", "event", tau=5, group="group")

    [row] = fit.differences.to_dict("records")
    assert (row["group_a"], row["group_b"]) == ("a", "b")
    assert row["difference"] == pytest.approx(4 - 3)
    assert row["std_error"] == pytest.approx(np.hypot(*fit.summary["std_error"]))


def test_pairs_with_the_first_put_it_second():
    data = pd.concat([SIX, SIX.assign(group="c")])

    differences = restricted_mean(data, "time", "event", tau=5, group="group", pairs="first").differences

    assert differences[["group_a", "group_b"]].values.tolist() == [["b", "a"], ["c", "a"]]


def test_a_horizon_beyond_follow_up_is_said():
    fit = restricted_mean(SIX, "time", "event", tau=8, group="group")

    assert fit.summary["note"][0] == ""  # the last of a had the event: its curve is at 0
    assert "ends at 5, before 8" in fit.summary["note"][1]
    assert fit.summary["rmst"][1] == pytest.approx(1 + 4 / 3 + 1 / 3 * 5)


def test_groups_without_an_event_have_no_error_and_no_test():
    data = pd.DataFrame({"time": [9, 9, 9], "event": [0, 0, 0], "group": ["a", "a", "b"]})

    fit = restricted_mean(data, "time", "event", tau=5, group="group")

    assert fit.summary["rmst"].tolist() == [5, 5]
    assert fit.differences["status"].tolist() == ["not_estimable"]


@pytest.mark.parametrize("tau", [0, -1, np.nan])
def test_a_horizon_that_is_no_time_is_refused(tau):
    with pytest.raises(ValueError, match="tau: expected a time above 0"):
        restricted_mean(SIX, "time", "event", tau=tau)
