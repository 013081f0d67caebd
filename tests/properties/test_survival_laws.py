"""Laws of survival analysis over cohorts that hypothesis makes: what must not change, and what must how."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from analytics.competing_risks import cumulative_incidence, fine_gray, gray_test
from analytics.cox import CoxFit, cox
from analytics.recurrent import andersen_gill
from analytics.regression.firth import firth_cox
from analytics.survival import kaplan_meier, log_rank, restricted_mean

QUICK = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
SWAP = {"a": "b", "b": "a"}


@st.composite
def cohorts(draw: st.DrawFn, smallest: int = 12, largest: int = 45) -> pd.DataFrame:
    """Patients of groups a and b: whole times with ties, events, entry before time, covariate, cause."""
    n = draw(st.integers(smallest, largest))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    time = rng.integers(1, draw(st.sampled_from([6, 20, 400])), n).astype(float)
    event = rng.random(n) < draw(st.sampled_from([0.4, 0.8, 1.0]))
    return pd.DataFrame(
        {
            "time": time,
            "event": event.astype(int),
            "entry": np.floor(time * rng.random(n) * 0.9),
            "group": np.where(np.arange(n) % 2, "a", "b"),
            "x": np.round(rng.normal(size=n), 2),
            "site": rng.choice(["p", "q"], n),
            "cause": np.where(event, rng.integers(1, 3, n), 0),
        }
    )


def fitted(data: pd.DataFrame, terms: tuple[str, ...] = ("x", "group"), **options) -> CoxFit:
    """A Cox fit that has a maximum; cohorts without one are not what these laws are about."""
    fit = cox(data, "time", "event", list(terms), {"group": ["a", "b"]}, **options)
    assume(fit.status in ("ok", "too_few_events"))
    assume(np.abs(fit.coefficients).max() < 10)
    return fit


def close(a, b, tolerance: float = 1e-7) -> bool:
    return np.allclose(np.asarray(a, float), np.asarray(b, float), rtol=tolerance, atol=1e-9, equal_nan=True)


@QUICK
@given(cohorts(), st.booleans())
def test_a_survival_curve_never_rises_and_its_limits_enclose_it(data, late):
    curve = kaplan_meier(data, "time", "event", entry="entry" if late else None).curve

    assert (np.diff(curve["survival"]) <= 1e-15).all()
    inside = curve.dropna(subset=["ci_low"])
    assert ((inside["ci_low"] <= inside["survival"]) & (inside["survival"] <= inside["ci_high"])).all()
    assert (curve["events"] + curve["censored"]).sum() == len(data)


@QUICK
@given(cohorts(), st.integers(0, 99))
def test_row_order_does_not_matter(data, seed):
    shuffled = data.sample(frac=1, random_state=seed)

    assert kaplan_meier(data, "time", "event").curve.equals(kaplan_meier(shuffled, "time", "event").curve)
    assert close(*(log_rank(d, "time", "event", "group").summary["statistic"] for d in (data, shuffled)))
    fit = fitted(data, entry="entry")
    assert close(fitted(shuffled, entry="entry").coefficients, fit.coefficients)


@QUICK
@given(cohorts())
def test_adding_a_group_changes_no_other_groups_curve(data):
    more = pd.concat([data, data.assign(group="c", time=data["time"] * 2)])

    ours = [kaplan_meier(d, "time", "event", "group", levels=["a", "b"]).curve for d in (data, more)]

    assert ours[0].equals(ours[1])


@QUICK
@given(cohorts())
def test_swapping_the_labels_of_two_groups_keeps_tests_and_negates_effects(data):
    swapped = data.assign(group=data["group"].map(SWAP))

    tests = [log_rank(d, "time", "event", "group").summary["statistic"][0] for d in (data, swapped)]
    assert close(tests[0], tests[1])
    means = [restricted_mean(d, "time", "event", 5, "group").differences.iloc[0] for d in (data, swapped)]
    assert close(means[0]["difference"], -means[1]["difference"])
    assert close(means[0]["std_error"], means[1]["std_error"])
    fits = [fitted(d, ("group",)) for d in (data, swapped)]
    assert close(fits[0].coefficients, -fits[1].coefficients)
    assert close(fits[0].loglik, fits[1].loglik)


@QUICK
@given(cohorts(), st.sampled_from([0.1, 1 / 7, 30.4375, 365.25]))
def test_the_unit_of_time_scales_times_and_leaves_conclusions_alone(data, unit):
    other = data.assign(time=data["time"] * unit, entry=data["entry"] * unit)

    curves = [kaplan_meier(d, "time", "event") for d in (data, other)]
    assert close(curves[0].curve["survival"], curves[1].curve["survival"])
    assert close(curves[0].median["median"] * unit, curves[1].median["median"])
    means = [restricted_mean(d, "time", "event", tau).summary for d, tau in ((data, 5), (other, 5 * unit))]
    assert close(means[0][["rmst", "std_error"]] * unit, means[1][["rmst", "std_error"]])
    assert close(*(log_rank(d, "time", "event", "group").summary["p_value"] for d in (data, other)))
    assert close(*(fitted(d, entry="entry").coefficients for d in (data, other)))


@QUICK
@given(cohorts())
def test_only_the_order_of_times_matters_to_log_rank_and_cox(data):
    other = data.assign(time=np.log1p(data["time"]) ** 3)

    assert close(*(log_rank(d, "time", "event", "group").summary["statistic"] for d in (data, other)))
    assert close(*(fitted(d).coefficients for d in (data, other)))


@QUICK
@given(cohorts(), st.sampled_from([0.01, -3.0, 1000.0]), st.sampled_from([0.0, 50.0]))
def test_scaling_a_covariate_scales_its_coefficient_and_a_constant_changes_nothing(data, factor, constant):
    other = data.assign(x=data["x"] * factor + constant)

    fits = [fitted(d, strata="site") for d in (data, other)]

    assert close(fits[0].coefficients[0], fits[1].coefficients[0] * factor)
    assert close(fits[0].terms["p_value"], fits[1].terms["p_value"])
    assert close(fits[0].terms["ph_p_value"], fits[1].terms["ph_p_value"], 1e-6)
    assert close(fits[0].loglik, fits[1].loglik)


@QUICK
@given(cohorts(), st.floats(0.1, 0.9), st.sampled_from(["efron", "breslow", "exact"]))
def test_cutting_follow_up_in_two_intervals_changes_nothing(data, share, ties):
    start = data["entry"]
    middle = start + share * (data["time"] - start)
    first = data.assign(time=middle, event=0)
    cut = pd.concat([first, data.assign(entry=middle)])

    fits = [fitted(d, entry="entry", ties=ties) for d in (data, cut)]

    assert close(fits[0].coefficients, fits[1].coefficients)
    assert close(fits[0].covariance, fits[1].covariance)
    assert close(fits[0].loglik, fits[1].loglik)


@QUICK
@given(cohorts(), st.sampled_from(["efron", "breslow"]))
def test_residuals_keep_their_sums(data, ties):
    fit = fitted(data, entry="entry", ties=ties)

    assert abs(fit.residuals("martingale").sum()) < 1e-8
    assert np.abs(fit.residuals("score").sum()).max() < 1e-6
    assert np.abs(fit.residuals("schoenfeld").sum()).max() < 1e-6


@QUICK
@given(cohorts())
def test_without_ties_the_three_treatments_of_ties_agree(data):
    untied = data.assign(time=data["time"].rank(method="first"))

    fits = [fitted(untied, ties=ties) for ties in ("efron", "breslow", "exact")]

    assert close(fits[0].coefficients, fits[1].coefficients)
    assert close(fits[0].coefficients, fits[2].coefficients)
    assert close(fits[0].covariance, fits[2].covariance)


@QUICK
@given(cohorts())
def test_the_score_test_of_two_groups_with_breslow_ties_is_the_log_rank_test_without_ties(data):
    untied = data.assign(time=data["time"].rank(method="first"))

    fit = fitted(untied, ("group",), ties="breslow")

    assert close(fit.score_statistic, log_rank(untied, "time", "event", "group").summary["statistic"][0])


@QUICK
@given(cohorts(), st.integers(0, 99))
def test_the_name_of_a_patient_does_not_matter_to_robust_errors(data, seed):
    n = len(data)
    names = np.random.default_rng(seed).permutation(n)
    paired = data.assign(patient=np.arange(n) // 2)
    renamed = paired.assign(patient=names[paired["patient"]])

    fits = [fitted(d, cluster="patient") for d in (paired, renamed)]

    assert close(fits[0].std_error, fits[1].std_error)
    assert close(fits[0].concordance.std_error, fits[1].concordance.std_error)


@QUICK
@given(cohorts())
def test_andersen_gill_with_one_interval_each_is_cox_with_robust_errors(data):
    one_each = data.assign(patient=range(len(data)))
    fit = fitted(one_each, ("x",), entry="entry", cluster="patient")

    other = andersen_gill(one_each, "entry", "time", "event", "patient", ["x"])

    assert close(other.coefficients, fit.coefficients)
    assert close(other.std_error, fit.std_error)


@settings(QUICK, max_examples=8)
@given(cohorts(15, 25))
def test_firths_estimate_is_finite_whatever_the_data_and_negates_when_labels_swap(data):
    assume(data["event"].sum() >= 2)
    fits = [
        firth_cox(d, "time", "event", ["group"], {"group": ["a", "b"]})
        for d in (data, data.assign(group=data["group"].map(SWAP)))
    ]
    assume(not fits[0].aliased)

    assert np.isfinite(fits[0].coefficients).all()
    assert close(fits[0].coefficients, -fits[1].coefficients)
    assert close(fits[0].ci, -fits[1].ci[:, ::-1], 1e-6)
    assert fits[0].ci[0, 0] < fits[0].coefficients[0] < fits[0].ci[0, 1]


@QUICK
@given(cohorts())
def test_incidences_rise_and_add_up_with_survival_to_1(data):
    curve = cumulative_incidence(data, "time", "cause", causes=[1, 2]).curve

    assert (curve.groupby("cause")["incidence"].diff().dropna() >= -1e-15).all()
    survival = kaplan_meier(data, "time", "event").curve["survival"].to_numpy()
    assert close(curve.groupby("time")["incidence"].sum().to_numpy() + survival, np.ones(len(survival)))


@QUICK
@given(cohorts(20))
def test_renaming_causes_and_groups_keeps_grays_test_and_fine_gray(data):
    assume((data["cause"] == 1).sum() > 4)
    renamed = data.assign(cause=data["cause"].map({0: 0, 1: 7, 2: 5}), group=data["group"].map(SWAP))

    tests = [gray_test(d, "time", "cause", "group").summary.set_index("cause") for d in (data, renamed)]
    fits = [fine_gray(d, "time", "cause", cause, ["x"]) for d, cause in ((data, 1), (renamed, 7))]
    assume(fits[0].status in ("ok", "too_few_events"))

    assert close(tests[0].loc[1, "statistic"], tests[1].loc[7, "statistic"])
    assert close(fits[0].coefficients, fits[1].coefficients)
    assert close(fits[0].covariance, fits[1].covariance)
