"""Cox regression on tables whose answers are known in closed form or printed in Therneau and Grambsch."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analytics.cox import cox

# Therneau and Grambsch 2000, appendix E: test data sets 1 and 2
SIX = pd.DataFrame({"time": [1, 1, 6, 6, 8, 9], "event": [1, 0, 1, 1, 0, 1], "x": [1, 1, 1, 0, 0, 0]})
TEN = pd.DataFrame(
    {
        "start": [1, 2, 5, 2, 1, 7, 3, 4, 8, 8],
        "stop": [2, 3, 6, 7, 8, 9, 9, 9, 14, 17],
        "event": [1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
        "x": [1, 0, 0, 1, 0, 1, 1, 1, 0, 0],
    }
)


def cohort(n: int = 120, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, age = rng.normal(size=n), np.round(rng.normal(45, 12, n))
    group = rng.choice(["a", "b", "c"], n)
    time = np.ceil(rng.exponential(np.exp(-0.5 * x - 0.6 * (group == "b"))) * 12)
    return pd.DataFrame(
        {
            "time": time,
            "event": rng.random(n) < 0.7,
            "x": x,
            "age": age,
            "group": group,
            "site": rng.choice(["p", "q"], n),
            "patient": rng.integers(0, n // 2, n),
        }
    )


def test_breslow_estimate_of_six_subjects_is_the_root_of_its_quadratic():
    fit = cox(SIX, "time", "event", ["x"], ties="breslow")

    ratio = (3 + np.sqrt(33)) / 2  # solves r^2 - 3r - 6 = 0
    loglik = 2 * np.log(ratio) - np.log(3 * ratio + 3) - 2 * np.log(ratio + 3)
    assert np.exp(fit.coefficients[0]) == pytest.approx(ratio, rel=1e-12)
    assert fit.loglik == pytest.approx(loglik, rel=1e-14)
    assert fit.covariance[0, 0] == pytest.approx(1.576868865789565, rel=1e-12)  # survival 3.5-3
    assert fit.score_statistic == pytest.approx(1.6)


def test_efron_estimate_of_six_subjects_agrees_with_survival():
    fit = cox(SIX, "time", "event", ["x"])

    assert fit.coefficients[0] == pytest.approx(1.676857485592897, rel=1e-12)
    assert (fit.loglik_null, fit.loglik) == pytest.approx((-4.276666119016055, -3.358974840263348), rel=1e-13)
    assert fit.residuals("martingale").tolist() == pytest.approx(
        [0.7191706793783621, -0.2808293206216378, -0.4383413587538496, 0.7310868650872959]
        + [-0.3655434325450853] * 2
    )
    assert fit.baseline_hazard()["cumulative_hazard"].tolist() == pytest.approx(
        [0.05250401271169552, 0.36554343254508526, 0.36554343254508526, 1.36554343254508526]
    )


@pytest.mark.parametrize(
    ("ties", "coefficient", "loglik", "variance"),
    [
        ("breslow", -0.08452608066130916, -9.38701511836633529, 0.63014587003454747),
        ("efron", -0.021105209580175213, -9.169166464724758825, 0.632306260657959807),
    ],
)
def test_intervals_of_ten_subjects_agree_with_survival(ties, coefficient, loglik, variance):
    fit = cox(TEN, "stop", "event", ["x"], entry="start", ties=ties)

    assert fit.coefficients[0] == pytest.approx(coefficient, rel=1e-10)
    assert fit.loglik == pytest.approx(loglik, rel=1e-13)
    assert fit.covariance[0, 0] == pytest.approx(variance, rel=1e-11)


def test_exact_ties_of_a_pair_are_a_choice_of_two_of_four():
    data = pd.DataFrame({"time": [2, 2, 5, 5], "event": [1, 1, 0, 0], "x": [1, 0, 1, 0]})

    fit = cox(data, "time", "event", ["x"], ties="exact")

    # log L(b) = b - log(1 + 4 e^b + e^2b), the pairs' sums of x being 0 (1), 1 (4) and 2 (1)
    assert fit.coefficients[0] == pytest.approx(0, abs=1e-12)
    assert fit.loglik == pytest.approx(-np.log(6))
    assert fit.covariance[0, 0] == pytest.approx(1 / (2 / 6))


def test_an_entry_at_an_event_time_is_not_at_risk_of_it():
    base = pd.DataFrame({"start": [0, 0, 0], "stop": [5, 7, 9], "event": [1, 1, 0], "x": [1, 0, 1]})
    entering = pd.DataFrame({"start": [5], "stop": [6], "event": [0], "x": [9]})

    with_it = cox(pd.concat([base, entering]), "stop", "event", ["x"], entry="start")

    assert with_it.loglik == cox(base, "stop", "event", ["x"], entry="start").loglik


def test_strata_share_coefficients_and_nothing_else():
    data = cohort()

    fit = cox(data, "time", "event", ["x"], strata="site")

    shifted = data.assign(time=data["time"] + 1000 * (data["site"] == "q"))
    again = cox(shifted, "time", "event", ["x"], strata="site")
    alone = [cox(part, "time", "event", ["x"]).loglik_null for _, part in data.groupby("site")]
    assert again.coefficients[0] == pytest.approx(fit.coefficients[0], rel=1e-10)
    assert fit.loglik_null == pytest.approx(sum(alone))
    assert fit.baseline_hazard()["stratum"].unique().tolist() == ["site=p", "site=q"]


def test_clusters_of_one_row_give_the_sandwich_and_duplicated_patients_change_nothing_but_n():
    data = cohort().assign(row=range(120))

    single = cox(data, "time", "event", ["x"], cluster="row", ties="breslow")
    doubled = cox(pd.concat([data, data]), "time", "event", ["x"], cluster="row", ties="breslow")

    dfbeta = single.residuals("dfbeta")["x"].to_numpy()
    assert single.robust[0, 0] == pytest.approx(dfbeta @ dfbeta)
    assert doubled.coefficients[0] == pytest.approx(single.coefficients[0], rel=1e-9)
    assert doubled.std_error[0] == pytest.approx(single.std_error[0], rel=1e-9)
    assert np.sqrt(doubled.covariance[0, 0]) == pytest.approx(np.sqrt(single.covariance[0, 0] / 2), rel=1e-9)


def test_table_of_terms_has_a_row_per_level_with_one_test_of_proportional_hazards_per_variable():
    fit = cox(cohort(), "time", "event", ["x", "group"], {"group": ["a", "b", "c"]})

    table = fit.terms
    z = fit.coefficients / np.sqrt(np.diag(fit.covariance))
    assert table["term"].tolist() == ["x", "groupb", "groupc"]
    assert table["hazard_ratio"].tolist() == pytest.approx(np.exp(fit.coefficients).tolist())
    assert table["statistic"].tolist() == pytest.approx(z.tolist())
    by_term = fit.proportional_hazards().set_index("term")["p_value"]
    assert table["ph_p_value"].tolist() == [by_term["x"], by_term["group"], by_term["group"]]
    assert by_term.index.tolist() == ["x", "group", "GLOBAL"]


def test_likelihood_ratio_of_a_term_is_twice_what_dropping_it_costs():
    data, factors = cohort(), {"group": ["a", "b", "c"]}

    tests = cox(data, "time", "event", ["x", "group"], factors).term_tests().set_index("term")

    full, without = (cox(data, "time", "event", t, factors).loglik for t in (["x", "group"], ["x"]))
    assert tests.loc["group", "statistic"] == pytest.approx(2 * (full - without))
    assert tests.loc["group", "df"] == 2


def test_a_hospital_that_is_also_the_age_group_is_named_as_aliased():
    data = cohort().assign(hospital=lambda d: np.where(d["site"] == "p", "children", "adults"))

    fit = cox(
        data,
        "time",
        "event",
        ["site", "hospital", "x"],
        {"site": ["p", "q"], "hospital": ["children", "adults"]},
    )

    assert fit.status == "not_estimable"
    assert fit.note == '"hospitaladults" cannot be told apart from "siteq".'
    assert fit.terms["status"].tolist() == ["ok", "not_estimable", "ok"]
    assert np.isnan(fit.coefficients[1])
    assert fit.tests["df"].tolist() == [2, 2, 2]


def test_a_covariate_that_is_constant_where_it_matters_is_named():
    data = cohort().assign(z=1.0)

    fit = cox(data, "time", "event", ["z", "x"])

    assert fit.note == '"z" does not vary among those at risk at any event.'


def test_a_group_without_events_is_a_monotone_likelihood_that_names_it():
    data = cohort().assign(treated=lambda d: (~d["event"]).astype(int))

    fit = cox(data, "time", "event", ["treated", "x"])

    assert (fit.status, fit.monotone) == ("monotone_likelihood", ["treated"])
    row = fit.terms.set_index("term").loc["treated"]
    assert row["hazard_ratio"] == 0
    assert np.isnan(row["ci_high"])
    assert "Use firth_cox" in fit.note
    assert fit.terms.set_index("term").loc["x", "status"] == "ok"


def test_exact_ties_can_be_monotone_where_efrons_are_not():
    assert cox(SIX, "time", "event", ["x"], ties="exact").status == "monotone_likelihood"
    assert cox(SIX, "time", "event", ["x"], ties="efron").status == "too_few_events"


def test_fewer_than_five_events_per_parameter_is_said():
    data = cohort().assign(event=lambda d: d["event"] & (d.index < 12))

    fit = cox(data, "time", "event", ["x", "age"])

    assert fit.status == "too_few_events"
    assert fit.note.startswith(f"{fit.n_events} events for 2 parameters")


def test_no_events_and_no_complete_rows_are_statuses_with_a_row_per_term():
    none = cox(cohort().assign(event=False), "time", "event", ["x", "age"])
    empty = cox(cohort().assign(x=np.nan), "time", "event", ["x"])

    assert (none.status, none.note) == ("no_events", "None of the 120 complete rows has an event.")
    assert none.terms["status"].tolist() == ["no_events", "no_events"]
    assert none.terms["hazard_ratio"].isna().all()
    assert (empty.status, empty.n_missing) == ("not_estimable", 120)


def test_rows_with_an_undeclared_level_take_no_part_and_are_counted():
    data = cohort()

    fit = cox(data, "time", "event", ["group"], {"group": ["a", "b"]})

    alone = cox(data[data["group"] != "c"], "time", "event", ["group"], {"group": ["a", "b"]})
    assert fit.coefficients[0] == alone.coefficients[0]
    assert fit.n_missing == (data["group"] == "c").sum()


def test_residuals_are_indexed_by_position_in_the_data_that_was_given():
    data = cohort()
    data.loc[[0, 5], "x"] = np.nan

    residuals = cox(data, "time", "event", ["x"]).residuals()

    assert residuals.index.tolist() == [i for i in range(120) if i not in (0, 5)]


@pytest.mark.parametrize("kind", ["martingale", "score", "schoenfeld"])
def test_residuals_sum_to_zero_at_the_maximum(kind):
    fit = cox(
        TEN.assign(age=[40, 35, 61, 22, 47, 53, 38, 60, 44, 41]), "stop", "event", ["x", "age"], entry="start"
    )

    assert np.abs(fit.residuals(kind).sum()).max() == pytest.approx(0, abs=1e-9)


def test_baseline_at_a_covariate_value_is_scaled_by_its_hazard_ratio():
    fit = cox(SIX, "time", "event", ["x"])

    ratio = fit.baseline_hazard({"x": 1})["cumulative_hazard"] / fit.baseline_hazard()["cumulative_hazard"]

    assert ratio.tolist() == pytest.approx([np.exp(fit.coefficients[0])] * 4)


def test_as_few_clusters_as_parameters_give_no_robust_errors_worth_having():
    fit = cox(cohort(), "time", "event", ["x", "age"], cluster="site")

    assert fit.status == "too_few_groups"
    assert fit.note.startswith("2 clusters for 2 parameters: robust errors need many more clusters")
    assert np.isnan(fit.tests.set_index("test").loc["wald", "statistic"])


def test_a_model_in_which_nothing_varies_has_a_row_that_says_so():
    fit = cox(cohort().assign(z=1.0), "time", "event", ["z"])

    assert fit.terms["status"].tolist() == ["not_estimable"]
    assert fit.loglik == fit.loglik_null


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"terms": []}, "terms: expected a list of one or more terms"),
        ({"terms": "x"}, "terms: expected a list of one or more terms; found 'x'"),
        ({"terms": ["group"]}, 'expected numbers in "group"; found object. To use it as groups'),
        ({"terms": ["agee"]}, 'no column "agee" \\(did you mean "age"\\?\\)'),
        ({"terms": ["x"], "ties": "Efron"}, 'ties: expected one of efron, breslow, exact; found "Efron"'),
        ({"terms": ["log(x)"]}, 'expected finite values; found others in "log\\(x\\)"'),
        ({"terms": ["x"], "confidence": 95}, "confidence: expected a number between 0 and 1; found 95"),
        ({"terms": ["x"], "cluster": "patient", "ties": "exact"}, "robust standard errors exist for ties"),
    ],
)
def test_a_wrong_argument_is_an_error_that_says_what_was_expected(arguments, message):
    with pytest.raises(ValueError, match=message):
        cox(cohort(), "time", "event", **arguments)
