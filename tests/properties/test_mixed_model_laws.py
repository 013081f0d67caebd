"""Laws of mixed models: what changes when data are relabelled, reordered, shifted or scaled, and what not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.mixed_model import MixedModelFit, fit_mixed_model

MODELS = [
    {"slope": None, "serial": "none"},
    {"slope": "months", "serial": "none"},
    {"slope": None, "serial": "ar1"},
    {"slope": "months", "serial": "ar1"},
    {"slope": None, "serial": "car1", "serial_time": "months"},
]
TESTS = ["statistic", "df_num", "p_value"]


@st.composite
def studies(draw: st.DrawFn) -> pd.DataFrame:
    """Two groups of patients at up to four visits, with a covariate; sizes and correlation drawn."""
    seed = draw(st.integers(0, 2**20))
    n = draw(st.integers(14, 30))
    phi = draw(st.sampled_from([-0.3, 0.0, 0.5]))
    rng = np.random.default_rng(seed)
    lag = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    noise = rng.standard_normal((n, 4)) @ np.linalg.cholesky(phi**lag).T
    effects = rng.standard_normal((n, 2)) * [1.5, 0.4]
    y = noise + effects[:, :1] + effects[:, 1:] * np.arange(4) + np.arange(4) * 0.3
    patient, visit = np.nonzero(rng.random((n, 4)) > 0.1)
    return pd.DataFrame(
        {
            "patient": patient,
            "group": np.where(patient % 2, "b", "a"),
            "visit": np.array(list("wxyz"))[visit],
            "visit_index": visit,
            "months": visit * 6.0,
            "age": 20.0 + patient,
            "y": y[patient, visit],
        }
    )


models = st.sampled_from(MODELS)
few = settings(max_examples=12, deadline=None)


def fit(
    data: pd.DataFrame, model: dict, fixed: str = "group * visit + age", **options: object
) -> MixedModelFit:
    return fit_mixed_model(data, options.pop("response", "y"), fixed, **model, **options)


def same_tests(
    one: MixedModelFit, other: MixedModelFit, rtol: float = 1e-5, test: str = "wald_chi_square"
) -> None:
    a, b = (f.terms(test).set_index("term")[TESTS] for f in (one, other))
    names = [t for t in a.index if t != "(Intercept)"]
    np.testing.assert_allclose(a.loc[names].astype(float), b.loc[names].astype(float), rtol=rtol, atol=1e-7)


@given(studies(), models, st.sampled_from([1e-3, 40.0, 1e6]))
@few
def test_scaling_the_response_scales_estimates_and_leaves_tests(
    data: pd.DataFrame, model: dict, scale: float
) -> None:
    one, other = fit(data, model), fit(data.assign(y=data["y"] * scale), model)
    assert one.status == other.status
    np.testing.assert_allclose(other.coefficients, one.coefficients * scale, rtol=1e-5, atol=1e-6 * scale)
    np.testing.assert_allclose(other.sigma, one.sigma * scale, rtol=1e-5)
    assert other.log_likelihood == pytest.approx(
        one.log_likelihood - (one.n_obs - 9) * np.log(scale), abs=1e-6
    )
    same_tests(one, other)


@given(studies(), models, st.sampled_from([-1e4, 3.0, 1e5]))
@few
def test_adding_a_constant_moves_the_intercept_only(data: pd.DataFrame, model: dict, constant: float) -> None:
    one, other = fit(data, model), fit(data.assign(y=data["y"] + constant), model)
    moved = other.coefficients.copy()
    moved["(Intercept)"] -= constant
    np.testing.assert_allclose(moved, one.coefficients, rtol=1e-5, atol=1e-5)
    assert other.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-5)
    same_tests(one, other, rtol=1e-4)


@given(studies(), models, st.randoms(use_true_random=False))
@few
def test_row_order_and_patient_names_do_not_matter(data: pd.DataFrame, model: dict, random) -> None:
    order = list(range(len(data)))
    random.shuffle(order)
    renamed = data.iloc[order].assign(patient=lambda d: "id" + (997 * d["patient"] % 1009).astype(str))
    one, other = fit(data, model), fit(renamed, model)
    np.testing.assert_allclose(other.coefficients, one.coefficients, rtol=1e-6, atol=1e-7)
    assert other.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-8)
    same_tests(one, other)


@given(studies(), models)
@few
def test_swapping_group_labels_negates_contrasts_and_leaves_tests(data: pd.DataFrame, model: dict) -> None:
    one = fit(data, model, factors={"group": ["a", "b"]})
    other = fit(data, model, factors={"group": ["b", "a"]})
    a, b = (f.contrasts("group", by="visit") for f in (one, other))
    assert a[["group_a", "group_b"]].values.tolist() == b[["group_b", "group_a"]].values.tolist()
    np.testing.assert_allclose(a["estimate"], -b["estimate"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(a["ci_low"], -b["ci_high"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(a[["std_error", "p_value"]], b[["std_error", "p_value"]], rtol=1e-4, atol=1e-7)
    same_tests(one, other)


@given(studies(), models, st.permutations("wxyz"))
@few
def test_the_order_of_visit_levels_leaves_likelihood_means_and_tests(
    data: pd.DataFrame, model: dict, levels: list[str]
) -> None:
    one, other = fit(data, model), fit(data, model, factors={"visit": levels})
    assert other.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-7)
    means = [f.marginal_means("group", "visit").set_index(["group", "visit"])["mean"] for f in (one, other)]
    np.testing.assert_allclose(means[1].loc[means[0].index], means[0], rtol=1e-5, atol=1e-6)
    same_tests(one, other)


@given(studies(), models)
@few
def test_coding_changes_neither_contrasts_nor_f_tests(data: pd.DataFrame, model: dict) -> None:
    one, other = fit(data, model), fit(data, model, contrasts="treatment")
    a, b = (f.contrasts("group", by="visit")[["estimate", "std_error", "df"]] for f in (one, other))
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    same_tests(one, other, test="satterthwaite_f")


@given(studies(), models, st.sampled_from([1 / 12, 30.4]))
@few
def test_the_unit_of_time_does_not_matter(data: pd.DataFrame, model: dict, unit: float) -> None:
    one, other = fit(data, model), fit(data.assign(months=data["months"] * unit), model)
    assert one.status == other.status
    assert other.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-7)
    if model["slope"]:
        d = one.random_covariance.to_numpy() / np.outer([1, unit], [1, unit])
        np.testing.assert_allclose(other.random_covariance, d, rtol=1e-4, atol=1e-7)
    same_tests(one, other)


@given(studies(), st.sampled_from(["reml", "ml"]))
@few
def test_a_richer_covariance_is_never_less_likely(data: pd.DataFrame, method: str) -> None:
    intercept, slope, serial, both = (fit(data, m, method=method).log_likelihood for m in MODELS[:4])
    assert min(slope, serial) >= intercept - 1e-7
    assert both >= max(slope, serial) - 1e-7


@given(studies(), models)
@few
def test_a_singular_fit_is_on_the_boundary_and_an_ok_fit_is_not(data: pd.DataFrame, model: dict) -> None:
    result = fit(data, model)
    smallest = np.linalg.eigvalsh(result.fitted.relative_d)[0]
    assert result.status in ("ok", "singular")
    if result.status == "ok":
        assert smallest > 0.0
        assert result.information.is_determined
    else:
        assert smallest < 1e-12 or result.fitted.optimum.at_limit or "do not determine" in result.note
