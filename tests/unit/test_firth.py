"""Firth's penalty: against firthmodels, a closed form, and R's own maximisation where entry is late."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from firthmodels import FirthCoxPH, FirthLogisticRegression

from analytics.regression.firth import firth_cox, firth_logistic

LATE = pd.DataFrame(
    {
        "entry": [0, 0, 0, 1, 0, 2, 0, 3, 0, 0, 4, 0],
        "time": [2, 3, 3, 4, 5, 5, 6, 7, 8, 9, 9, 10],
        "event": [1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 0],
        "x": [1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 0],
        "age": [50, 42, 61, 38, 45, 57, 49, 66, 53, 40, 44, 59],
    }
)


def cohort(n: int = 60, seed: int = 11) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.integers(0, 2, n)
    time = np.ceil(rng.exponential(np.exp(-0.8 * x - 0.4 * z)) * 10)
    return pd.DataFrame({"time": time, "event": rng.random(n) < 0.4, "x": x, "z": z})


def test_cox_agrees_with_firthmodels_in_estimates_tests_and_profile_limits():
    data = cohort()

    fit = firth_cox(data, "time", "event", ["x", "z"])

    other = FirthCoxPH(gtol=1e-8, xtol=1e-8, max_iter=500, max_halfstep=50, backend="numpy")
    other.fit(data[["x", "z"]].to_numpy(float), (data["event"].to_numpy(), data["time"].to_numpy(float)))
    other.lrt()
    assert fit.coefficients.tolist() == pytest.approx(other.coef_.tolist(), rel=1e-8)
    assert fit.p_value.tolist() == pytest.approx(other.lrt_pvalues_.tolist(), rel=1e-7)
    assert fit.ci.ravel().tolist() == pytest.approx(other.conf_int(method="pl").ravel().tolist(), rel=1e-4)


def test_logistic_agrees_with_firthmodels():
    data = cohort()

    fit = firth_logistic(data, "event", ["x", "z"])

    other = FirthLogisticRegression(gtol=1e-10, xtol=1e-12, max_iter=500)
    other.fit(data[["x", "z"]].to_numpy(float), data["event"].to_numpy())
    assert fit.coefficients.tolist() == pytest.approx([float(other.intercept_), *other.coef_], rel=1e-8)
    assert fit.terms["term"].tolist() == ["(Intercept)", "x", "z"]


def test_logistic_of_one_proportion_adds_half_an_event_to_each_side():
    data = pd.DataFrame({"event": [1, 1, 1, 0, 0, 0, 0, 0], "group": list("aaaabbbb")})

    fit = firth_logistic(data, "event", ["group"], {"group": ["a", "b"]})

    assert fit.coefficients[0] == pytest.approx(np.log(3.5 / 1.5))  # group a: 3 of 4
    assert fit.coefficients[1] == pytest.approx(np.log(0.5 / 4.5) - np.log(3.5 / 1.5))  # group b: 0 of 4
    assert fit.monotone == ["groupb"]
    assert np.isfinite(fit.ci).all()


def test_late_entry_agrees_with_a_maximisation_in_r():
    fit = firth_cox(LATE, "time", "event", ["x", "age"], entry="entry")

    assert fit.coefficients.tolist() == pytest.approx([0.9151045964760435, 0.0233418081744075], rel=1e-9)
    assert fit.std_error.tolist() == pytest.approx([0.834693656037954, 0.049740607720573], rel=1e-9)
    assert fit.penalised_loglik == pytest.approx(-8.82415037998903, rel=1e-12)
    limits = [-0.5811158204606742, 2.588446884927488, -0.0705562813672583, 0.119816158391593]
    assert fit.ci.ravel().tolist() == pytest.approx(limits, rel=1e-6)
    assert fit.statistic.tolist() == pytest.approx([1.446315100991978, 0.247017923494919], rel=1e-7)


def test_a_group_without_events_has_a_finite_estimate_and_is_named():
    data = cohort().assign(treated=lambda d: (~d["event"]).astype(int))

    fit = firth_cox(data, "time", "event", ["treated"])

    assert np.isfinite(fit.coefficients).all()
    assert np.isfinite(fit.ci).all()
    assert fit.monotone == ["treated"]
    assert "treated runs to infinity (monotone likelihood)" in fit.note
    assert fit.terms["note"].tolist() == ["unpenalised, it runs to infinity"]


def test_few_events_per_parameter_are_said_and_estimated_all_the_same():
    fit = firth_cox(LATE, "time", "event", ["x", "age"])

    assert fit.status == "too_few_events"
    assert fit.note == "7 events for 2 parameters, fewer than 5 each: the intervals say how little is known."


def test_strata_add_their_likelihoods():
    data = cohort().assign(site=lambda d: np.arange(len(d)) % 2)

    fit = firth_cox(data, "time", "event", ["x"], strata="site")

    shifted = data.assign(time=data["time"] + 500 * data["site"])
    assert firth_cox(shifted, "time", "event", ["x"], strata="site").coefficients[0] == pytest.approx(
        fit.coefficients[0], rel=1e-9
    )


def test_an_aliased_column_is_named_and_the_rest_estimated():
    fit = firth_cox(cohort().assign(twice=lambda d: 2 * d["x"]), "time", "event", ["x", "twice"])

    assert (fit.status, fit.aliased) == ("not_estimable", {"twice": ["x"]})
    assert fit.terms["status"].tolist() == ["ok", "not_estimable"]
    assert np.isnan(fit.coefficients[1])


def test_no_events_is_a_status_with_a_row_per_term():
    fit = firth_cox(cohort().assign(event=0), "time", "event", ["x", "z"])

    assert fit.terms["status"].tolist() == ["no_events", "no_events"]
    assert firth_logistic(cohort().assign(event=1), "event", ["x"]).status == "no_variance"


def test_a_model_in_which_nothing_varies_is_a_status():
    assert firth_cox(cohort().assign(z=1.0), "time", "event", ["z"]).terms["status"].tolist() == [
        "not_estimable"
    ]
