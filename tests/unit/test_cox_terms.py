"""Terms of a model become the columns that R's model.matrix makes of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analytics.cox.terms import build_design, columns_of

DATA = pd.DataFrame(
    {
        "age": [30.0, 40, 50, 60],
        "sex": ["f", "m", "f", "m"],
        "arm": ["p", "p", "t", "u"],
        "ph.ecog": [0, 1, 2, 1],
    }
)
FACTORS = {"sex": ["f", "m"], "arm": ["p", "t", "u"]}


@pytest.mark.parametrize(
    ("terms", "names"),
    [
        (["age", "sex"], ["age", "sexm"]),
        (["log(age)", "I(age^2)", "age/10"], ["log(age)", "I(age^2)", "age/10"]),
        (["log( age+1 )"], ["log(age + 1)"]),
        (["age>40"], ["age > 40TRUE"]),
        (["factor(ph.ecog)"], ["factor(ph.ecog)1", "factor(ph.ecog)2"]),
        (["sex", "arm", "sex:arm"], ["sexm", "armt", "armu", "sexm:armt", "sexm:armu"]),
        (["age", "age:sex"], ["age", "age:sexm"]),
        (["age:sex"], ["age:sexf", "age:sexm"]),  # without its margin: a slope in every level
        (["sex", "sex:arm"], ["sexm", "sexf:armt", "sexm:armt", "sexf:armu", "sexm:armu"]),
        (["age", "age"], ["age"]),
    ],
)
def test_columns_are_named_as_in_r(terms, names):
    assert build_design(DATA, terms, FACTORS).names == names


def test_an_interaction_multiplies_its_columns_first_varying_fastest():
    design = build_design(DATA, ["sex", "arm", "sex:arm"], FACTORS)

    assert design.x[:, 3:].tolist() == [[0, 0], [0, 0], [0, 0], [0, 1]]
    assert [design.labels[j] for j in range(5)] == ["sex", "arm", "arm", "sex:arm", "sex:arm"]


def test_arithmetic_is_evaluated_with_the_usual_precedence():
    design = build_design(DATA, ["I(2 + age / 10 * 3 ^ 2 - -1)"])

    assert design.x[:, 0].tolist() == [2 + a / 10 * 9 + 1 for a in DATA["age"]]


def test_scale_centres_and_divides_by_the_standard_deviation():
    x = build_design(DATA, ["scale(age)"]).x[:, 0]

    assert (x.mean(), x.std(ddof=1)) == pytest.approx((0, 1))


def test_booleans_are_indicators_of_true():
    design = build_design(DATA.assign(old=DATA["age"] > 45), ["old"])

    assert (design.names, design.x[:, 0].tolist()) == (["oldTRUE"], [0, 0, 1, 1])


def test_columns_that_terms_read_are_listed_once():
    assert columns_of(["log(age):sex", "I(age + ph.ecog)", "`a b`"]) == ["age", "sex", "ph.ecog", "a b"]


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("log(age", 'cannot read "log\\(age": expected "\\)"; found "the end"'),
        ("lg(age)", 'no function "lg" in "lg\\(age\\)". There are: log, log2'),
        ("age age", 'cannot read "age age": expected ":" or the end; found "age"'),
        ("__import__(1)", 'no function "__import__"'),
        ("factor(arm) + 1", "is a factor; it cannot be part of arithmetic"),
        ("log(age - 30)", 'expected finite values; found others in "log\\(age - 30\\)" \\(1 rows\\)'),
    ],
)
def test_a_term_that_cannot_be_read_is_an_error_that_shows_where(term, message):
    with pytest.raises(ValueError, match=message):
        build_design(DATA, [term], FACTORS)


def test_a_value_outside_the_declared_levels_is_an_error():
    with pytest.raises(ValueError, match='1 rows of "arm" have a value outside its levels'):
        build_design(DATA, ["arm"], {"arm": ["p", "t"]})


def test_a_level_without_rows_is_a_column_of_zeros():
    design = build_design(DATA, ["arm"], {"arm": ["p", "t", "u", "v"]})

    assert np.array_equal(design.x[:, 2], np.zeros(4))
