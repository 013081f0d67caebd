"""Gamma frailty: against survival::coxph, and at its limits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analytics.cox import cox
from analytics.frailty import gamma_frailty

# eight patients, some relapsing again
RELAPSES = pd.DataFrame(
    {
        "patient": [1, 1, 2, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8, 8],
        "start": [0, 3, 0, 2, 6, 0, 0, 5, 0, 0, 4, 0, 0, 7],
        "stop": [3, 9, 2, 6, 8, 5, 5, 7, 10, 4, 11, 6, 7, 12],
        "event": [1, 0, 1, 1, 0, 0, 1, 1, 0, 1, 1, 1, 1, 0],
        "x": [1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0],
    }
)
ARGUMENTS = {"time": "stop", "event": "event", "patient": "patient", "terms": ["x"], "entry": "start"}


def clustered(variance: float, seed: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(60), 4)
    z = rng.gamma(1 / variance, variance, 60)[patient] if variance else 1.0
    x = rng.normal(size=240)
    time = rng.exponential(1 / (z * np.exp(0.7 * x)))
    return pd.DataFrame({"time": time, "event": time < 1.5, "patient": patient, "x": x}).assign(
        time=lambda d: d["time"].clip(upper=1.5)
    )


def test_fit_at_a_given_variance_agrees_with_survival():
    fit = gamma_frailty(RELAPSES, **ARGUMENTS, theta=0.5)

    assert fit.coefficients[0] == pytest.approx(0.481384020704541, rel=1e-5)  # coxph stops at about 1e-6
    assert np.sqrt(fit.covariance[0, 0]) == pytest.approx(0.878815782540018, rel=1e-6)
    assert fit.integrated_loglik == pytest.approx(-17.1073670713467, rel=1e-9)
    assert [fit.df["x"], fit.df["frailty"]] == pytest.approx([0.560728693668468, 1.98566609808901], rel=1e-5)
    assert fit.frailties["frailty"].tolist()[:3] == pytest.approx(
        [0.857228624545124, 1.179384422985671, 0.831293913906373], rel=1e-5
    )


def test_frailties_have_mean_1():
    fit = gamma_frailty(RELAPSES, **ARGUMENTS, theta=2.0)

    assert fit.frailties["frailty"].mean() == pytest.approx(1)


def test_a_variance_of_0_is_the_ordinary_model():
    fit = gamma_frailty(RELAPSES, **ARGUMENTS, theta=0.0)

    plain = cox(RELAPSES, "stop", "event", ["x"], entry="start")
    assert fit.coefficients[0] == pytest.approx(plain.coefficients[0], rel=1e-8)
    assert fit.loglik == pytest.approx(plain.loglik)


def test_the_variance_found_is_where_the_integrated_likelihood_is_greatest():
    data = clustered(0.8)
    arguments = {"time": "time", "event": "event", "patient": "patient", "terms": ["x"]}

    fit = gamma_frailty(data, **arguments)

    near = [
        gamma_frailty(data, **arguments, theta=fit.frailty_variance * f).integrated_loglik
        for f in (0.98, 1.02)
    ]
    assert fit.status == "ok"
    assert fit.integrated_loglik > max(near)
    assert near[0] == pytest.approx(near[1], abs=1e-4)
    assert fit.variance_test["p_value"] < 0.001


def test_the_search_of_survival_stops_short_of_the_maximum():
    data = clustered(0.8)
    arguments = {"time": "time", "event": "event", "patient": "patient", "terms": ["x"]}

    best, theirs = gamma_frailty(data, **arguments), gamma_frailty(data, **arguments, search="survival")

    assert theirs.integrated_loglik < best.integrated_loglik
    assert theirs.frailty_variance == pytest.approx(best.frailty_variance, rel=0.02)


def test_patients_that_do_not_differ_have_a_variance_on_its_boundary():
    fit = gamma_frailty(clustered(0.0, seed=8), "time", "event", "patient", ["x"])

    assert (fit.status, fit.frailty_variance) == ("singular", 0)
    assert "do not differ beyond their covariates" in fit.note


def test_what_an_ordinary_fit_cannot_answer_a_frailty_does_not_either():
    none = gamma_frailty(RELAPSES.assign(event=0), **ARGUMENTS)
    monotone = gamma_frailty(RELAPSES.assign(x=RELAPSES["event"]), **ARGUMENTS)

    assert (none.status, none.terms["status"].tolist()) == ("no_events", ["no_events"])
    assert monotone.status == "monotone_likelihood"


def test_a_negative_variance_is_refused():
    with pytest.raises(ValueError, match="theta: expected a variance of 0 or more; found -1"):
        gamma_frailty(RELAPSES, **ARGUMENTS, theta=-1)
