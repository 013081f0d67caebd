"""Competing risks: identities with simpler estimates, and cmprsk's numbers on a small table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analytics.competing_risks import cause_specific_cox, cumulative_incidence, fine_gray, gray_test
from analytics.cox import cox
from analytics.survival import kaplan_meier

SIXTEEN = pd.DataFrame(
    {
        "time": [1, 2, 2, 3, 4, 4, 5, 6, 7, 8, 9, 9, 10, 11, 12, 12],
        "cause": [1, 2, 1, 0, 1, 2, 0, 1, 2, 1, 0, 1, 2, 0, 1, 0],
        "group": ["a", "b"] * 8,
        "x": [1, 0, 1, 1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1],
    }
)


def test_incidence_at_times_agrees_with_cuminc():
    at = cumulative_incidence(SIXTEEN, "time", "cause", "group").at([3, 6, 12])

    table = at.pivot(index=["cause", "group_id"], columns="time", values=["incidence", "std_error"])
    assert table["incidence"].values.ravel().tolist() == pytest.approx(
        [0.25, 0.375, 0.609375, 0, 7 / 48, 0.4375, 0, 0, 0.390625, 0.125, 13 / 48, 13 / 48]
    )
    variances = (table["std_error"].values ** 2).ravel().tolist()
    assert variances[:3] == pytest.approx([0.0271045918367347, 0.0344476332199547, 0.1294229036015447])
    assert variances[6:9] == pytest.approx([0, 0, 0.0744912629765448])


def test_incidence_of_all_causes_and_survival_add_up_to_1():
    curve = cumulative_incidence(SIXTEEN, "time", "cause").curve

    total = curve.groupby("time")["incidence"].sum().to_numpy()
    survival = kaplan_meier(SIXTEEN.assign(event=SIXTEEN["cause"] > 0), "time", "event").curve["survival"]
    assert (total + survival).tolist() == pytest.approx([1] * len(total))


def test_with_one_cause_incidence_is_one_minus_kaplan_meier():
    data = SIXTEEN.assign(cause=SIXTEEN["cause"].clip(upper=1), time=np.arange(1, 17))

    curve = cumulative_incidence(data, "time", "cause").curve

    km = kaplan_meier(data, "time", "cause").curve
    assert curve["incidence"].tolist() == pytest.approx((1 - km["survival"]).tolist())
    assert curve["std_error"][0] == pytest.approx(1 / 16)  # one event of sixteen at risk


def test_curves_are_unknown_beyond_a_groups_follow_up():
    at = cumulative_incidence(SIXTEEN, "time", "cause", "group").at([13])

    assert at["incidence"].isna().all()
    assert at["at_risk"].tolist() == [0, 0, 0, 0]


def test_grays_test_agrees_with_cuminc_with_and_without_strata_and_weight():
    plain = gray_test(SIXTEEN, "time", "cause", "group").summary
    weighted = gray_test(SIXTEEN, "time", "cause", "group", strata="x", rho=1).summary

    assert plain["statistic"].tolist() == pytest.approx([0.31978944477769611, 0.00261504618441128])
    assert plain["p_value"].tolist() == pytest.approx([0.5717342084009802, 0.959215936641585])
    assert weighted["statistic"].tolist() == pytest.approx([0.51632710447252, 0.024908976406601])


def test_fine_gray_agrees_with_crr():
    fit = fine_gray(SIXTEEN, "time", "cause", 1, ["x"])

    assert fit.coefficients[0] == pytest.approx(0.80240228807641, rel=1e-9)
    assert fit.terms["std_error"][0] == pytest.approx(0.709276438741289, rel=1e-9)
    assert fit.loglik == pytest.approx(-15.7462578825685)
    assert (fit.n_events, fit.n_competing) == (7, 4)


def test_without_competing_events_fine_gray_estimates_are_coxs():
    data = SIXTEEN[SIXTEEN["cause"] != 2]

    fit = fine_gray(data, "time", "cause", 1, ["x"])

    plain = cox(data, "time", "cause", ["x"], ties="breslow")
    assert fit.coefficients[0] == pytest.approx(plain.coefficients[0], rel=1e-9)


def test_cause_specific_cox_censors_the_other_causes():
    fit = cause_specific_cox(SIXTEEN, "time", "cause", 2, ["x"])

    censored = cox(SIXTEEN.assign(event=SIXTEEN["cause"] == 2), "time", "event", ["x"])
    assert fit.coefficients[0] == censored.coefficients[0]
    assert fit.n_events == 4


def test_causes_can_be_words():
    words = SIXTEEN.assign(cause=SIXTEEN["cause"].map({0: "none", 1: "relapse", 2: "death"}))

    curve = cumulative_incidence(words, "time", "cause", censored="none", causes=["relapse", "death"]).curve
    fit = fine_gray(words, "time", "cause", "relapse", ["x"], censored="none")

    assert curve["cause"].unique().tolist() == ["relapse", "death"]
    assert fit.coefficients[0] == pytest.approx(0.80240228807641, rel=1e-9)


def test_a_group_without_subjects_is_left_out_and_named():
    test = gray_test(SIXTEEN, "time", "cause", "group", levels=["a", "b", "c"])

    assert test.groups == ["a", "b"]
    assert test.summary["df"].tolist() == [1, 1]
    assert test.note == "Without a subject, left out: c."


def test_no_events_of_a_cause_is_a_status():
    data = SIXTEEN.assign(cause=0)

    assert cumulative_incidence(data, "time", "cause").status == "no_events"
    assert gray_test(data, "time", "cause", "group").status == "no_events"
    assert fine_gray(data, "time", "cause", 1, ["x"]).terms["status"].tolist() == ["no_events"]


def test_a_separated_cause_is_a_monotone_likelihood():
    fit = fine_gray(SIXTEEN.assign(z=(SIXTEEN["cause"] != 1).astype(int)), "time", "cause", 1, ["z"])

    assert fit.status == "monotone_likelihood"
    assert "z runs to infinity" in fit.note


def test_a_model_in_which_nothing_varies_and_a_frame_without_rows_are_statuses():
    constant = fine_gray(SIXTEEN.assign(z=1.0), "time", "cause", 1, ["z"])

    assert (constant.status, constant.note) == ("not_estimable", "z does not vary.")
    assert cumulative_incidence(SIXTEEN[:0], "time", "cause", "group").at([1]).empty
    assert cause_specific_cox(SIXTEEN[:0], "time", "cause", 1, ["x"]).status == "not_estimable"


def test_an_unknown_cause_is_an_error_that_lists_those_there_are():
    with pytest.raises(ValueError, match="cause: expected one of \\[1, 2\\]; found 3"):
        cause_specific_cox(SIXTEEN, "time", "cause", 3, ["x"])
    with pytest.raises(
        ValueError, match='expected 0 \\(censored\\) or one of \\[1\\] in "cause"; found \\[2\\]'
    ):
        cumulative_incidence(SIXTEEN, "time", "cause", causes=[1])
