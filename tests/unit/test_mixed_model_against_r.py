"""Mixed models against R beyond the reference cases: intervals, residuals, treatment coding, Tukey,
likelihood ratio.

Golden numbers: golden/mixed_model.json, made by tests/reference/R/mixed_model_golden.R (versions stated
there). nlme and lme4 stop at their own tolerance, so 1e-5 relative is the agreement to ask for, and less
where R differentiates numerically.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analytics.mixed_model import MixedModelFit, fit_mixed_model, likelihood_ratio

GOLDEN = json.loads((Path(__file__).parent / "golden" / "mixed_model.json").read_text(encoding="utf-8"))
CASES = Path(__file__).parents[1] / "reference" / "cases"
PBC_FACTORS = {"trt": ["placebo", "D-penicillamine"], "time": ["v1", "v2", "v3", "v4", "v5"]}


def read_case(name: str) -> pd.DataFrame:
    return pd.read_csv(CASES / name / "data.csv")


@pytest.fixture(scope="module")
def orthodont() -> MixedModelFit:
    return fit_mixed_model(
        read_case("lmm_ri_ar1_orthodont_missing"),
        "distance",
        "Sex * age_f",
        "Subject",
        serial="ar1",
        serial_time="visit",
        factors={"Sex": ["Male", "Female"], "age_f": [8, 10, 12, 14]},
    )


@pytest.fixture(scope="module")
def pbc_treatment() -> MixedModelFit:
    return fit_mixed_model(
        read_case("lmm_ris_pbcseq_5visits"),
        "logbili",
        "trt * time",
        "id",
        slope="years",
        contrasts="treatment",
        factors=PBC_FACTORS,
    )


def intervals(fit: MixedModelFit, parameter: str) -> list[float]:
    row = fit.parameters.set_index("parameter").loc[parameter]
    return [row["ci_low"], row["estimate"], row["ci_high"]]


def test_intervals_of_variance_parameters_are_those_of_nlme(orthodont: MixedModelFit) -> None:
    for parameter, golden in GOLDEN["orthodont_ar1"]["intervals"].items():
        np.testing.assert_allclose(intervals(orthodont, parameter), golden, rtol=1e-5)


def test_intervals_with_a_random_slope_are_those_of_nlme() -> None:
    fit = fit_mixed_model(
        read_case("lmm_ris_quad_sleepstudy"), "Reaction", "Days + Days2", "Subject", slope="Days"
    )
    for parameter, golden in GOLDEN["sleep_slope"].items():
        np.testing.assert_allclose(intervals(fit, parameter), golden, rtol=1e-4)


@pytest.mark.parametrize("kind", ["residual", "pearson", "normalized", "residual_marginal"])
def test_residuals_are_those_of_nlme(orthodont: MixedModelFit, kind: str) -> None:
    np.testing.assert_allclose(
        orthodont.residuals()[kind], GOLDEN["orthodont_ar1"][kind], rtol=1e-4, atol=1e-5
    )


def test_predicted_random_effects_are_those_of_nlme(orthodont: MixedModelFit) -> None:
    np.testing.assert_allclose(
        orthodont.random_effects()["(Intercept)"],
        GOLDEN["orthodont_ar1"]["random_effects"],
        rtol=1e-5,
        atol=1e-6,
    )


def test_treatment_contrasts_name_and_estimate_as_r(pbc_treatment: MixedModelFit) -> None:
    golden = GOLDEN["pbc_treatment"]
    assert list(pbc_treatment.coefficients.index) == golden["coef_names"]
    np.testing.assert_allclose(pbc_treatment.coefficients, golden["fixef"], rtol=1e-6, atol=1e-8)


def test_wald_chi_square_follows_the_coding_as_car(pbc_treatment: MixedModelFit) -> None:
    table = pbc_treatment.terms("wald_chi_square").set_index("term")
    for term, chisq in GOLDEN["pbc_treatment"]["chisq"].items():
        assert table.loc[term, "statistic"] == pytest.approx(chisq, rel=1e-5)
    assert table.loc["trt", "note"] == "treatment contrasts: effect at time = v1"


@pytest.mark.parametrize("test", ["satterthwaite", "kenward_roger"])
def test_f_tests_do_not_follow_the_coding_as_lmertest(pbc_treatment: MixedModelFit, test: str) -> None:
    table = pbc_treatment.terms(f"{test}_f").set_index("term")
    for term, golden in GOLDEN["pbc_treatment"][test].items():
        assert table.loc[term, "statistic"] == pytest.approx(golden["F"], rel=1e-5)
        assert table.loc[term, "df_den"] == pytest.approx(golden["ddf"], rel=2e-5)


def test_tukey_contrasts_of_visits_are_those_of_emmeans(pbc_treatment: MixedModelFit) -> None:
    golden = GOLDEN["pbc_treatment"]["tukey"]
    table = pbc_treatment.contrasts("time", by="trt", adjust="tukey", family="within")
    assert [f"{a} - {b}" for a, b in zip(table["group_a"], table["group_b"])] == golden["contrast"]
    assert list(table["visit"]) == golden["trt"]
    np.testing.assert_allclose(table["estimate"], golden["estimate"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(table["std_error"], golden["se"], rtol=1e-5)
    np.testing.assert_allclose(table["df"], golden["df"], rtol=2e-5)
    np.testing.assert_allclose(table["p_adjusted"], golden["p"], rtol=1e-3, atol=1e-6)


def test_marginal_means_with_kenward_roger_are_those_of_emmeans(pbc_treatment: MixedModelFit) -> None:
    golden = GOLDEN["pbc_treatment"]["means_kenward_roger"]
    table = pbc_treatment.marginal_means("time", "trt", df="kenward_roger")
    assert list(zip(table["trt"], table["time"])) == list(zip(golden["trt"], golden["time"]))
    for ours, theirs in [
        ("mean", "mean"),
        ("std_error", "se"),
        ("df", "df"),
        ("ci_low", "lower"),
        ("ci_high", "upper"),
    ]:
        np.testing.assert_allclose(table[ours], golden[theirs], rtol=1e-5)


def test_likelihood_ratio_of_the_interaction_is_that_of_lme4() -> None:
    data, golden = read_case("lmm_ris_pbcseq_5visits"), GOLDEN["pbc_likelihood_ratio"]
    smaller, larger = (
        fit_mixed_model(data, "logbili", fixed, "id", slope="years", method="ml", factors=PBC_FACTORS)
        for fixed in ("trt + time", "trt * time")
    )
    row = likelihood_ratio(smaller, larger).iloc[0]
    assert row["statistic"] == pytest.approx(golden["chisq"], rel=1e-6)
    assert row["df"] == golden["df"]
    assert row["p_value"] == pytest.approx(golden["p"], rel=1e-6)
    assert [row["aic_smaller"], row["aic_larger"]] == pytest.approx(golden["AIC"], rel=1e-9)


def test_a_formula_with_transforms_and_indicators_gives_the_columns_of_r() -> None:
    golden = GOLDEN["pbc_formula"]
    fit = fit_mixed_model(
        read_case("lmm_ris_pbcseq_5visits"),
        "logbili",
        "trt + log(albumin) + poly(years, 2):trt",
        "id",
        contrasts="treatment",
        factors={"trt": PBC_FACTORS["trt"]},
    )
    assert list(fit.coefficients.index) == golden["coef_names"]
    np.testing.assert_allclose(fit.coefficients, golden["fixef"], rtol=1e-5)
    np.testing.assert_allclose(np.sqrt(np.diagonal(fit.covariance)), golden["se"], rtol=1e-5)
