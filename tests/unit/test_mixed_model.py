"""What a mixed model is and says: small data with known answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analytics.mixed_model import (
    MixedModelFit,
    fit_mixed_model,
    likelihood_ratio,
    normal_quantiles,
    outlying_patients,
    outlying_visits,
)


def visits(
    n: int = 30,
    phi: float = 0.4,
    intercept: float = 1.0,
    slope: float = 0.0,
    missing: float = 0.1,
    seed: int = 1,
) -> pd.DataFrame:
    """Two groups at visits 0 to 4, AR(1) residuals of variance 1."""
    rng = np.random.default_rng(seed)
    lag = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    noise = rng.standard_normal((n, 5)) @ np.linalg.cholesky(phi**lag).T
    effects = rng.standard_normal((n, 2)) * [np.sqrt(intercept), np.sqrt(slope)]
    y = noise + effects[:, :1] + effects[:, 1:] * np.arange(5)
    patient, visit = np.nonzero(rng.random((n, 5)) > missing)
    return pd.DataFrame(
        {
            "patient": [f"p{i:02d}" for i in patient],
            "group": np.where(patient % 2, "b", "a"),
            "visit": [f"v{k}" for k in visit],
            "visit_index": visit,
            "months": 6.0 * visit,
            "y": y[patient, visit],
        }
    )


def dense_log_likelihood(fit: MixedModelFit, data: pd.DataFrame, x: np.ndarray) -> float:
    """Log-likelihood of the whole response as one normal vector, at the estimates (ML)."""
    z = np.ones((len(data), 1))
    if fit.spec.slope:
        z = np.column_stack([z, data[fit.spec.slope]])
    covariance = z @ fit.random_covariance.to_numpy() @ z.T
    distance = np.abs(np.subtract.outer(data["visit_index"].to_numpy(), data["visit_index"].to_numpy()))
    residual = np.eye(len(data)) if fit.phi is None else fit.phi ** distance.astype(float)
    same = data["patient"].to_numpy()[:, None] == data["patient"].to_numpy()
    covariance = np.where(same, covariance + fit.sigma**2 * residual, 0.0)
    return float(stats.multivariate_normal.logpdf(data["y"], x @ fit.coefficients.to_numpy(), covariance))


def test_a_balanced_random_intercept_has_the_estimates_of_analysis_of_variance() -> None:
    y = np.array([[3.0, 5.0, 4.0], [8.0, 9.0, 7.0], [1.0, 2.0, 3.0], [6.0, 5.0, 7.0]])
    data = pd.DataFrame({"patient": np.repeat(list("wxyz"), 3), "y": y.ravel()})
    fit = fit_mixed_model(data, "y", "1")
    within = ((y - y.mean(axis=1, keepdims=True)) ** 2).sum() / 8
    between = 3 * ((y.mean(axis=1) - y.mean()) ** 2).sum() / 3
    assert fit.sigma**2 == pytest.approx(within, rel=1e-10)
    assert fit.random_covariance.iloc[0, 0] == pytest.approx((between - within) / 3, rel=1e-10)
    assert fit.coefficients["(Intercept)"] == pytest.approx(5.0)
    assert fit.fixed_effects()["df"][0] == pytest.approx(3.0)
    assert (fit.n_obs, fit.n_patients, fit.status) == (12, 4, "ok")


@pytest.mark.parametrize("slope", [None, "visit_index"])
def test_the_likelihood_is_that_of_a_normal_vector_with_phi_squared_over_a_skipped_visit(
    slope: str | None,
) -> None:
    data = visits(missing=0.3, slope=0.2)
    fit = fit_mixed_model(data, "y", "visit_index", slope=slope, serial="ar1", method="ml")
    x = np.column_stack([np.ones(len(data)), data["visit_index"]])
    assert fit.log_likelihood == pytest.approx(dense_log_likelihood(fit, data, x), rel=1e-12)


def test_a_negative_serial_correlation_is_found() -> None:
    fit = fit_mixed_model(visits(n=80, phi=-0.6), "y", "group * visit", serial="ar1")
    assert fit.status == "ok"
    assert -0.75 < fit.phi < -0.4


def test_continuous_correlation_is_that_at_distance_one_in_any_unit() -> None:
    data = visits(n=60, phi=0.6).assign(days=lambda d: d["months"] * 30.0)
    by_month, by_day, by_visit = (
        fit_mixed_model(data, "y", "group", serial=serial, serial_time=time)
        for serial, time in (("car1", "months"), ("car1", "days"), ("ar1", "visit_index"))
    )
    assert by_day.phi**30 == pytest.approx(by_month.phi, rel=1e-8)
    assert by_month.phi**6 == pytest.approx(by_visit.phi, rel=1e-8)
    assert by_day.log_likelihood == pytest.approx(by_visit.log_likelihood, abs=1e-9)


def test_a_random_intercept_without_variance_is_singular_and_named() -> None:
    data = visits(n=40, phi=0.0, intercept=0.0, seed=3)
    fit = fit_mixed_model(data, "y", "group")
    assert fit.status == "singular"
    assert fit.note == "the variance of the random intercept is estimated as zero"
    least_squares = np.linalg.lstsq(
        np.column_stack([np.ones(len(data)), np.where(data["group"] == "a", 1, -1)]), data["y"], rcond=None
    )[0]
    np.testing.assert_allclose(fit.coefficients, least_squares, rtol=1e-10)


def test_a_degenerate_slope_is_singular_and_no_less_likely_than_no_slope() -> None:
    data = visits(n=25, phi=0.3, slope=0.0, seed=10)
    with_slope = fit_mixed_model(data, "y", "group * visit", slope="months", serial="ar1")
    without = fit_mixed_model(data, "y", "group * visit", serial="ar1")
    assert with_slope.status == "singular"
    assert "their covariance is singular" in with_slope.note
    assert np.linalg.eigvalsh(with_slope.random_covariance)[0] == pytest.approx(0.0, abs=1e-12)
    assert with_slope.log_likelihood >= without.log_likelihood - 1e-9
    assert with_slope.parameters.set_index("parameter").loc["sd months", ["ci_low", "ci_high"]].isna().all()
    assert set(with_slope.terms()["status"]) == {"singular"}


def test_a_continuous_correlation_that_vanishes_is_singular_and_zero() -> None:
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"patient": np.repeat(range(30), 4), "t": np.tile([0.0, 1.0, 2.0, 3.5], 30)})
    alternating = np.tile([1.0, -1.0, 1.0, -1.0], 30)
    data["y"] = alternating * np.repeat(rng.normal(size=30), 4) + rng.normal(size=120)
    fit = fit_mixed_model(data, "y", "t", serial="car1", serial_time="t")
    assert (fit.status, fit.phi) == ("singular", 0.0)
    assert fit.log_likelihood == pytest.approx(fit_mixed_model(data, "y", "t").log_likelihood, abs=1e-9)


def test_variance_parameters_that_the_data_cannot_tell_apart_are_said() -> None:
    data = visits(n=60, missing=0.0).query("visit_index < 2")
    fit = fit_mixed_model(data, "y", "group * visit", serial="ar1")
    assert fit.status == "singular"
    assert "do not determine all covariance parameters" in fit.note
    simpler = fit_mixed_model(data, "y", "group * visit")
    assert fit.log_likelihood == pytest.approx(simpler.log_likelihood, abs=1e-7)


def test_a_group_confounded_with_a_hospital_is_said_and_what_can_be_estimated_is() -> None:
    data = visits().assign(hospital=lambda d: np.where(d["group"] == "a", "north", "south"))
    fit = fit_mixed_model(data, "y", "group * visit + hospital", serial="ar1")
    plain = fit_mixed_model(data, "y", "group * visit", serial="ar1")
    assert fit.status == "not_estimable"
    assert "hospital cannot be told from group (column hospital1 = group1)" in fit.note
    terms = fit.terms("wald_chi_square").set_index("term")
    assert terms.loc[["group", "hospital"], "status"].tolist() == ["not_estimable", "not_estimable"]
    assert terms.loc["group:visit", "statistic"] == pytest.approx(
        plain.terms("wald_chi_square").set_index("term").loc["group:visit", "statistic"]
    )
    assert fit.coefficients[["group1", "hospital1"]].isna().all()
    assert fit.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-8)


def test_a_visit_without_one_group_leaves_the_other_visits_contrasts() -> None:
    data = visits().query("not (group == 'b' and visit == 'v4')")
    fit = fit_mixed_model(data, "y", "group * visit", serial="ar1")
    table = fit.contrasts("group", by="visit").set_index("visit")
    assert table["status"].to_dict() == dict.fromkeys(["v0", "v1", "v2", "v3"], "ok") | {
        "v4": "not_estimable"
    }
    assert table.loc["v4", ["estimate", "p_value", "p_adjusted"]].isna().all()
    assert "group:visit cannot be told from" in table.loc["v4", "note"]


def test_a_declared_level_without_rows_is_named() -> None:
    levels = {"visit": ["v0", "v1", "v2", "v3", "v4", "v5"]}
    fit = fit_mixed_model(visits(), "y", "group + visit", factors=levels)
    assert fit.status == "not_estimable"
    assert fit.note.startswith("visit has no complete row at level v5")


def test_a_term_test_is_the_same_in_both_codings_for_f_and_for_the_interaction() -> None:
    fits = [fit_mixed_model(visits(), "y", "group * visit", contrasts=c) for c in ("sum", "treatment")]
    sums, treatments = (f.terms("satterthwaite_f").set_index("term") for f in fits)
    columns = ["statistic", "df_num", "df_den", "p_value"]
    pd.testing.assert_frame_equal(
        sums.loc[["group", "visit", "group:visit"], columns],
        treatments.loc[["group", "visit", "group:visit"], columns],
    )
    wald = [f.terms("wald_chi_square").set_index("term")["statistic"] for f in fits]
    assert wald[0]["group:visit"] == pytest.approx(wald[1]["group:visit"])
    assert wald[0]["group"] != pytest.approx(wald[1]["group"], rel=1e-3)


def test_contrasts_at_values_of_a_covariate_follow_the_fitted_lines() -> None:
    fit = fit_mixed_model(visits(), "y", "group * months", slope="months", contrasts="treatment")
    table = fit.contrasts("group", by="months", at={"months": [0.0, 12.0]})
    b = fit.coefficients
    np.testing.assert_allclose(table["estimate"], [-b["groupb"], -b["groupb"] - 12 * b["groupb:months"]])
    assert table["visit"].tolist() == [0.0, 12.0]


def test_marginal_means_average_other_factors_equally_and_covariates_at_their_mean() -> None:
    data = visits().assign(age=lambda d: 20.0 + d["patient"].str[1:].astype(int))
    fit = fit_mixed_model(data, "y", "group + visit + age", contrasts="treatment")
    b = fit.coefficients
    others = b[[f"visitv{k}" for k in range(1, 5)]].sum() / 5 + b["age"] * data["age"].mean()
    means = fit.marginal_means("group").set_index("group")["mean"]
    np.testing.assert_allclose(
        means[["a", "b"]], [b["(Intercept)"] + others, b["(Intercept)"] + b["groupb"] + others]
    )


def test_holm_within_a_visit_adjusts_over_its_pairs_only() -> None:
    data = visits(n=45).assign(group=lambda d: "g" + (d["patient"].str[1:].astype(int) % 3).astype(str))
    fit = fit_mixed_model(data, "y", "group * visit", serial="ar1")
    table = fit.contrasts("group", by="visit", adjust="bonferroni", family="within")
    np.testing.assert_allclose(table["p_adjusted"], np.minimum(1, 3 * table["p_value"]))
    over_all = fit.contrasts("group", by="visit", adjust="bonferroni")
    np.testing.assert_allclose(over_all["p_adjusted"], np.minimum(1, 15 * over_all["p_value"]))
    chosen = fit.contrasts("group", by="visit", pairs=[("g2", "g0")])
    assert chosen[["group_a", "group_b"]].drop_duplicates().values.tolist() == [["g2", "g0"]]


def test_residuals_and_predicted_effects_add_up_to_the_response() -> None:
    data = visits().sample(frac=1.0, random_state=0).reset_index(drop=True)
    fit = fit_mixed_model(data, "y", "group * visit", slope="months", serial="ar1")
    table = fit.residuals()
    assert table["row"].tolist() == list(range(len(data)))
    assert table["patient"].tolist() == data["patient"].tolist()
    np.testing.assert_allclose(table["fitted"] + table["residual"], data["y"])
    effects = fit.random_effects().set_index("patient").loc[data["patient"]]
    predicted = effects["(Intercept)"].to_numpy() + effects["months"].to_numpy() * data["months"]
    np.testing.assert_allclose(table["fitted"], table["fitted_marginal"] + predicted, atol=1e-9)


def test_normalized_marginal_residuals_have_the_length_of_the_quadratic_form() -> None:
    fit = fit_mixed_model(visits(), "y", "group", serial="ar1", method="ml")
    assert (fit.residuals()["normalized_marginal"] ** 2).sum() == pytest.approx(fit.n_obs, rel=1e-9)


def test_a_gross_error_and_an_odd_patient_are_found() -> None:
    data = visits(n=60, phi=0.0, seed=8)
    row = data.index[data["patient"] == "p07"][0]
    data.loc[row, "y"] += 30.0
    fit = fit_mixed_model(data, "y", "group")
    assert outlying_visits(fit)["row"].tolist() == [row]
    assert outlying_patients(fit)["patient"].tolist() == ["p07"]


def test_normal_quantiles_use_the_plotting_positions_of_r() -> None:
    table = normal_quantiles(pd.Series([3.0, 1.0, 2.0]))
    assert table["sample"].tolist() == [1.0, 2.0, 3.0]
    np.testing.assert_allclose(table["theoretical"], stats.norm.ppf((np.array([1, 2, 3]) - 0.375) / 3.25))


def test_information_criteria_count_every_parameter() -> None:
    fit = fit_mixed_model(visits(), "y", "group * visit", slope="months", serial="ar1", method="ml")
    assert fit.n_parameters == 10 + 3 + 1 + 1
    assert fit.aic == pytest.approx(-2 * fit.log_likelihood + 30)
    assert fit.bic == pytest.approx(-2 * fit.log_likelihood + 15 * np.log(fit.n_obs))


def test_a_likelihood_ratio_of_a_variance_says_that_it_is_conservative() -> None:
    data = visits(slope=0.3)
    larger, smaller = (fit_mixed_model(data, "y", "group * visit", slope=s) for s in ("months", None))
    row = likelihood_ratio(smaller, larger).iloc[0]
    assert row["df"] == 2
    assert row["statistic"] == pytest.approx(2 * (larger.log_likelihood - smaller.log_likelihood))
    assert "conservative" in row["note"]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"fixed": "group"}, {"fixed": "group + visit"}, 'fit with method="ml"'),
        ({"fixed": "group", "method": "ml"}, {"fixed": "group"}, "one fit is by REML and one by ML"),
        ({"fixed": "group"}, {"fixed": "group"}, "the larger fit must have more parameters"),
    ],
)
def test_fits_that_a_likelihood_ratio_cannot_compare_are_refused(
    first: dict, second: dict, message: str
) -> None:
    fits = [fit_mixed_model(visits(), "y", **options) for options in (first, second)]
    with pytest.raises(ValueError, match=message):
        likelihood_ratio(*fits)


def test_kenward_roger_is_refused_with_serial_correlation_and_by_ml() -> None:
    with pytest.raises(ValueError, match='Use "satterthwaite"'):
        fit_mixed_model(visits(), "y", "group", serial="ar1").terms("kenward_roger_f")
    with pytest.raises(ValueError, match='Fit with method="reml"'):
        fit_mixed_model(visits(), "y", "group", method="ml").contrasts("group", df="kenward_roger")


def test_the_method_names_estimator_structure_and_coding() -> None:
    fit = fit_mixed_model(visits(), "y", "group * visit", slope="months", serial="ar1")
    assert fit.method == (
        "linear mixed model, REML, random intercept and slope (months), AR1 over visits, sum contrasts"
    )
    assert fit.coding.startswith("group: sum contrasts, last level -1 (a, b); visit: sum contrasts")
    assert set(fit.parameters["kind"]) == {"fixed", "variance", "correlation", "residual"}
