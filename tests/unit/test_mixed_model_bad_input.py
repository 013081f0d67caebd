"""What a mixed model answers when the data cannot, and what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analytics.mixed_model import MixedModelSpec, fit_mixed_model, fit_specification


def small() -> pd.DataFrame:
    """Three patients of group a, three of group b, at three visits."""
    y = [5.1, 4.0, 3.2, 6.0, 5.5, 3.9, 5.6, 4.9, 4.1, 4.4, 4.6, 4.2, 5.9, 5.0, 5.3, 5.2, 4.1, 4.6]
    return pd.DataFrame(
        {
            "patient": np.repeat([f"p{k}" for k in range(6)], 3),
            "group": np.repeat(["a", "b"], 9),
            "visit": ["v1", "v2", "v3"] * 6,
            "visit_index": [1, 2, 3] * 6,
            "y": y,
        }
    )


CASES = {
    "all missing": (
        lambda d: d.assign(y=np.nan),
        {},
        "too_few_observations",
        "no row has all of y, group, visit; all missing: y",
    ),
    "one group": (
        lambda d: d[d["group"] == "a"],
        {"factors": {"group": ["a", "b"]}},
        "too_few_groups",
        "group: one level has complete rows (only a)",
    ),
    "no variance": (lambda d: d.assign(y=3.0), {}, "no_variance", "y: all 18 values are equal"),
    "a perfect fit": (
        lambda d: d.assign(y=d["visit_index"] * 2.0 + (d["group"] == "a")),
        {},
        "no_variance",
        "the fixed effects reproduce every value exactly",
    ),
    "fewer rows than parameters": (
        lambda d: d.iloc[[0, 1, 5, 9, 10, 11, 17]],
        {"slope": "visit_index"},
        "too_few_observations",
        "7 complete rows for 10 parameters",
    ),
    "one patient": (
        lambda d: d[d["patient"] == "p1"],
        {"fixed": "visit_index"},
        "too_few_observations",
        "one patient",
    ),
    "one visit each": (
        lambda d: d[d["visit"] == "v1"],
        {"fixed": "group"},
        "not_estimable",
        "no patient has more than one complete row",
    ),
    "a visit twice": (
        lambda d: pd.concat([d, d.iloc[[4]]]),
        {"serial": "ar1"},
        "not_estimable",
        "more than one row for patient p1 at visit_index 2; keep one of each",
    ),
    "a slope without variation": (
        lambda d: d.assign(months=6.0),
        {"slope": "months"},
        "not_estimable",
        "slope: months has one value",
    ),
    "a logarithm of zero": (
        lambda d: d.assign(y=d["y"] - 3.2),
        {"response": "log(y)"},
        "not_estimable",
        "log(y) is not a number in 1 rows",
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_data_that_cannot_answer_give_a_status_a_sentence_and_rows(case: str) -> None:
    change, options, status, sentence = CASES[case]
    fit = fit_mixed_model(change(small()), **({"response": "y", "fixed": "group * visit"} | options))
    assert fit.status == status
    assert sentence in fit.note
    for table in (
        fit.terms(),
        fit.parameters,
        fit.contrasts("group", by="visit"),
        fit.marginal_means("group"),
    ):
        assert len(table) >= 1
        assert set(table["status"]) == {status}
        assert set(table["note"]) == {fit.note}
    assert fit.terms()["p_value"].isna().all()
    assert np.isnan(fit.log_likelihood)


def test_every_duplicate_beyond_three_is_counted() -> None:
    fit = fit_mixed_model(pd.concat([small(), small()]), "y", "group", serial="ar1")
    assert "p0 at visit_index 1; p0 at visit_index 2; p0 at visit_index 3 and 15 more" in fit.note


def test_repeated_rows_without_serial_correlation_are_replicates_and_said() -> None:
    fit = fit_mixed_model(pd.concat([small(), small().iloc[[4]].assign(y=5.0)]), "y", "group * visit")
    assert fit.status == "ok"
    assert fit.note == (
        "1 rows repeat another row of their patient in all fixed effects (first: patient p1) "
        "and count as replicates"
    )


def test_missing_rows_are_left_out_and_counted() -> None:
    data = small()
    data.loc[[2, 7], "y"] = np.nan
    data.loc[5, "group"] = None
    data.loc[9, "patient"] = None
    fit = fit_mixed_model(data, "y", "group")
    assert (fit.n_obs, fit.n_missing) == (14, 4)
    assert fit.residuals()["row"].tolist() == [k for k in range(18) if k not in (2, 5, 7, 9)]


REFUSED = {
    "unknown column": ({"fixed": "grup * visit"}, 'no column "grup" (did you mean "group"?)'),
    "unknown patient": ({"patient": "id"}, 'no column "id"'),
    "unknown serial": ({"serial": "ar2"}, 'serial: expected one of none, ar1, car1; found "ar2"'),
    "unknown method": ({"method": "mle"}, "method: expected one of reml, ml"),
    "unknown contrasts": ({"contrasts": "helmert"}, "contrasts: expected one of sum, treatment"),
    "undeclared level": (
        {"factors": {"visit": ["v1", "v2"]}},
        '"visit" has 6 rows whose value is not among its levels (v1, v2)',
    ),
    "repeated level": ({"factors": {"visit": ["v1", "v1", "v2"]}}, "levels of visit repeat"),
    "text response": (
        {"response": "group", "fixed": "visit"},
        'response: expected a column of numbers; "group"',
    ),
    "text slope": ({"slope": "visit"}, 'slope: expected a column of numbers; "visit"'),
    "no response": ({"response": None}, "response: expected a column or an expression"),
    "two responses": (
        {"fixed": "log(y) ~ group"},
        'response: "y" differs from the left side of fixed, "log(y)"',
    ),
    "fraction of a visit": (
        {"serial": "ar1", "serial_time": "y"},
        'serial_time: "y" must hold whole visit numbers for "ar1"; use serial="car1"',
    ),
    "factor in an expression": (
        {"fixed": "log(visit)"},
        '"visit" is a factor and cannot stand in an expression',
    ),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_a_wrong_argument_is_refused_with_what_was_found(case: str) -> None:
    options, sentence = REFUSED[case]
    with pytest.raises(ValueError) as error:
        fit_mixed_model(small(), **({"response": "y", "fixed": "group * visit"} | options))
    assert sentence in str(error.value)


def test_an_infinite_value_is_refused_and_counted() -> None:
    data = small()
    data.loc[[0, 4], "y"] = [np.inf, -np.inf]
    with pytest.raises(ValueError, match='data: "y" holds 2 infinite values'):
        fit_mixed_model(data, "y", "group")


def test_a_wrong_choice_in_a_table_is_refused() -> None:
    fit = fit_mixed_model(small(), "y", "group * visit_index")
    with pytest.raises(ValueError, match=r'test: expected one of .*found "wald"'):
        fit.terms("wald")
    with pytest.raises(ValueError, match='over: "hospital" is not a variable of the model'):
        fit.marginal_means("hospital")
    with pytest.raises(ValueError, match="say at which values"):
        fit.contrasts("group", by="visit_index")
    with pytest.raises(ValueError, match='"c" is not a level of group; its levels: a, b'):
        fit.contrasts("group", pairs=[("a", "c")])
    with pytest.raises(ValueError, match='use family="within"'):
        fit.contrasts("group", by="visit_index", at={"visit_index": [1, 2]}, adjust="tukey")


def test_no_value_of_a_patient_is_in_a_message() -> None:
    data = small().assign(visit=["secret"] * 18)
    with pytest.raises(ValueError) as error:
        fit_mixed_model(data, "y", "group * visit", factors={"visit": ["v1", "v2"]})
    assert "secret" not in str(error.value)


def test_a_response_may_have_any_name_and_a_model_may_be_declared_apart() -> None:
    data = small().rename(columns={"y": "IL-10/IFN γ"})
    fit = fit_specification(data, MixedModelSpec("IL-10/IFN γ", "group"))
    assert fit.status == "ok"
    assert set(fit.parameters["response"]) == {"IL-10/IFN γ"}


def test_nullable_and_categorical_columns_are_read_as_plain_ones() -> None:
    data = small()
    typed = data.assign(
        y=data["y"].astype("Float64"),
        visit_index=data["visit_index"].astype("Int64"),
        group=pd.Categorical(data["group"], categories=["b", "a"]),
    )
    plain = fit_mixed_model(data, "y", "group * visit_index", factors={"group": ["b", "a"]}, serial="ar1")
    fit = fit_mixed_model(typed, "y", "group * visit_index", serial="ar1")
    pd.testing.assert_series_equal(fit.coefficients, plain.coefficients)


@pytest.mark.parametrize("asked", ["information", "kenward_roger"])
def test_what_a_model_that_was_not_fitted_cannot_say_is_refused_with_its_note(asked: str) -> None:
    fit = fit_mixed_model(small().assign(y=np.nan), response="y", fixed="group * visit")
    with pytest.raises(ValueError, match=f"{asked}: the model was not fitted .too_few_observations: no row"):
        getattr(fit, asked)
