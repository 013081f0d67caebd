"""Kaplan-Meier curves, their limits, quantiles and numbers at risk, on tables checked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analytics.survival import kaplan_meier

SIX = pd.DataFrame({"time": [1, 2, 2, 3, 5, 6], "event": [1, 0, 1, 1, 0, 1]})


def test_curve_of_six_patients_is_the_product_of_conditional_survival():
    fit = kaplan_meier(SIX, "time", "event")

    assert fit.curve[["time", "at_risk", "events", "censored"]].values.tolist() == [
        [1, 6, 1, 0],
        [2, 5, 1, 1],
        [3, 3, 1, 0],
        [5, 2, 0, 1],
        [6, 1, 1, 0],
    ]
    assert fit.curve["survival"].tolist() == pytest.approx([5 / 6, 2 / 3, 4 / 9, 4 / 9, 0])
    greenwood = np.sqrt(np.cumsum([1 / 30, 1 / 20, 1 / 6]))
    assert fit.curve["std_error"].tolist()[:3] == pytest.approx(
        [5 / 6 * greenwood[0], 2 / 3 * greenwood[1], 4 / 9 * greenwood[2]]
    )
    hazard = [1 / 6, 1 / 6 + 1 / 5, 1 / 6 + 1 / 5 + 1 / 3]
    assert fit.curve["cumulative_hazard"].tolist()[:3] == pytest.approx(hazard)


def test_limits_are_on_the_log_log_scale_and_absent_where_survival_is_0():
    curve = kaplan_meier(SIX, "time", "event").curve

    theta = 1.959963984540054 * np.sqrt(1 / 30) / np.log(5 / 6)
    assert curve["ci_low"][0] == pytest.approx((5 / 6) ** np.exp(-theta))
    assert curve["ci_high"][0] == pytest.approx((5 / 6) ** np.exp(theta))
    assert curve["ci_low"][0] < curve["survival"][0] < curve["ci_high"][0]
    assert curve[["ci_low", "ci_high"]].iloc[-1].isna().all()


def test_plain_limits_stay_between_0_and_1():
    curve = kaplan_meier(SIX, "time", "event", ci="plain").curve

    assert curve["ci_high"][0] == 1.0
    assert curve["ci_low"].dropna().between(0, 1).all()


def test_median_is_the_first_time_at_or_below_one_half():
    [median] = kaplan_meier(SIX, "time", "event").median["median"]

    assert median == 3


def test_median_of_a_level_stretch_at_one_half_is_its_middle():
    data = pd.DataFrame({"time": [1, 2, 4, 9], "event": [1, 1, 1, 1]})

    [median] = kaplan_meier(data, "time", "event").median["median"]

    assert median == 3  # the curve is at 1/2 from 2 to 4


def test_quantiles_are_missing_where_the_curve_does_not_go():
    data = pd.DataFrame({"time": [1, 2, 3, 4], "event": [1, 0, 0, 0]})

    quantiles = kaplan_meier(data, "time", "event").quantiles([0.25, 0.5])

    assert quantiles["time"].tolist()[0] == pytest.approx((1 + 4) / 2)  # level at 3/4 to the end
    assert np.isnan(quantiles["time"].tolist()[1])


def test_each_group_has_its_own_curve_in_the_order_of_levels():
    data = SIX.assign(group=["b", "a", "a", "b", "b", "a"])

    fit = kaplan_meier(data, "time", "event", "group", levels=["b", "a"])

    alone = kaplan_meier(data[data["group"] == "b"], "time", "event")
    assert fit.summary["group_id"].tolist() == ["b", "a"]
    of_b = fit.curve[fit.curve["group_id"] == "b"].reset_index(drop=True).drop(columns="group_id")
    pd.testing.assert_frame_equal(of_b, alone.curve.drop(columns="group_id"))


def test_a_group_without_events_or_subjects_keeps_a_row_that_says_so():
    data = pd.DataFrame({"time": [3, 4, 5], "event": [0, 0, 1], "group": ["a", "a", "b"]})

    summary = kaplan_meier(data, "time", "event", "group", levels=["a", "b", "c"]).summary

    assert summary["status"].tolist() == ["no_events", "ok", "not_estimable"]
    assert 'Group "a" has no event' in summary["note"][0]
    assert 'Group "c" has no subject' in summary["note"][2]


def test_risk_table_counts_those_still_under_observation_just_before_each_time():
    table = kaplan_meier(SIX, "time", "event", times=[0, 2, 4, 7]).risk_table

    assert table["at_risk"].tolist() == [6, 5, 2, 0]
    assert table["survival"].tolist() == pytest.approx([1, 2 / 3, 4 / 9, 0])


def test_who_enters_late_is_at_risk_only_after_entry():
    data = pd.DataFrame({"entry": [0, 0, 2, 2], "time": [2, 5, 3, 5], "event": [1, 0, 1, 1]})

    fit = kaplan_meier(data, "time", "event", entry="entry", times=[0, 2, 2.5])

    assert fit.curve["at_risk"].tolist() == [2, 3, 2]  # at 2 the two late ones do not count yet
    assert fit.risk_table["at_risk"].tolist() == [2, 2, 3]


def test_times_that_differ_by_rounding_are_one_time():
    data = pd.DataFrame({"time": [0.1 + 0.2, 0.3, 1.0], "event": [1, 1, 0]})

    curve = kaplan_meier(data, "time", "event").curve

    assert curve["events"].tolist() == [2, 0]


def test_missing_values_are_left_out_and_counted():
    data = pd.DataFrame({"time": [1, np.nan, 3], "event": [1, 1, np.nan], "group": ["a", "a", "a"]})

    fit = kaplan_meier(data, "time", "event", "group")

    assert (fit.n, fit.n_missing) == (1, 2)


def test_no_complete_row_is_a_status_not_an_error():
    data = pd.DataFrame({"time": [np.nan, 2.0], "event": [1.0, np.nan]})

    fit = kaplan_meier(data, "time", "event", times=[0, 1])

    assert fit.status == "not_estimable"
    assert fit.curve.empty


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": [1, 2, 2, 3, 5, np.inf]}, 'expected finite numbers in "time"; found 1 infinite'),
        ({"time": [1, 2, 2, 3, 5, -6]}, "found 1 negative"),
        ({"event": [1, 0, 1, 1, 0, 2]}, "expected 0 \\(censored\\) or 1 \\(event\\)"),
        ({"time": list("abcdef")}, 'expected numbers in "time"'),
    ],
)
def test_a_column_that_cannot_be_read_is_an_error_that_names_it(change, message):
    with pytest.raises(ValueError, match=message):
        kaplan_meier(SIX.assign(**change), "time", "event")


def test_an_unknown_column_is_an_error_with_the_nearest_name():
    with pytest.raises(ValueError, match='no column "tme" \\(did you mean "time"\\?\\)'):
        kaplan_meier(SIX, "tme", "event")


def test_an_entry_after_its_time_is_an_error():
    with pytest.raises(ValueError, match="found 1 rows where it is not"):
        kaplan_meier(SIX.assign(entry=[0, 0, 0, 4, 0, 0]), "time", "event", entry="entry")
