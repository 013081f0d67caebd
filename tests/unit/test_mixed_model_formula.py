"""Formulas give R's terms, columns and names; what a formula may not hold is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analytics.mixed_model.dependence import find_dependence
from analytics.mixed_model.design import build_design, read_columns
from analytics.mixed_model.formula import FormulaError, parse_formula

GOLDEN = json.loads((Path(__file__).parent / "golden" / "mixed_model.json").read_text(encoding="utf-8"))
DATA = pd.DataFrame(GOLDEN["design_data"])


@pytest.mark.parametrize("coding", ["sum", "treatment"])
@pytest.mark.parametrize("golden", GOLDEN["designs"], ids=lambda g: g["formula"])
def test_design_columns_are_those_of_model_matrix(golden: dict, coding: str) -> None:
    formula = parse_formula(golden["formula"])
    columns, factors = read_columns(DATA, formula.columns(), {}, coding)
    design = build_design(formula, columns, factors, coding)
    assert list(design.names) == np.atleast_1d(golden[coding]["names"]).tolist()
    products = design.matrix(columns, len(DATA)).T @ np.arange(1, 25)
    np.testing.assert_allclose(products, golden[coding]["products"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("y ~ b + a:b", ["b", "b:a"]),
        ("y ~ a*b*c", ["a", "b", "c", "a:b", "a:c", "b:c", "a:b:c"]),
        ("y ~ (a + b)^2 + c", ["a", "b", "c", "a:b"]),
        ("y ~ a + b + a", ["a", "b"]),
        ("y ~ log( x+1 )", ["log(x + 1)"]),
    ],
)
def test_terms_come_in_the_order_of_r(text: str, terms: list[str]) -> None:
    assert [t.label for t in parse_formula(text).terms] == terms


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y ~ group *", 'expected a variable, found "the end"'),
        ("y ~ __import__(os)", 'unknown function "__import__"'),
        ("y ~ group ** 1.5", "power of a formula must be a whole number"),
        ("y ~ 2 * group", "a number may only be 0 or 1"),
        ("y ~ log(group", 'expected ")"'),
        ("y ~ x @ z", 'cannot read "@ z"'),
        ("", "the formula is empty"),
    ],
)
def test_a_formula_that_cannot_be_read_says_what_was_found(text: str, message: str) -> None:
    with pytest.raises(FormulaError) as error:
        parse_formula(text)
    assert message in str(error.value)


def test_a_column_with_a_space_is_written_in_backquotes() -> None:
    assert parse_formula("y ~ `visit month`").columns() == ("y", "visit month")


def test_dependence_names_the_aliased_column_and_what_it_equals() -> None:
    x = np.array([[1, 1, 0, 2], [1, 0, 1, 1], [1, 1, 0, 2], [1, 0, 1, 1], [1, 1, 0, 2.0]])
    found = find_dependence(x, ["(Intercept)", "adult", "child", "clinic"])
    assert found.kept.tolist() == [0, 1]
    assert found.relations == ("child = (Intercept) - adult", "clinic = (Intercept) + adult")


def test_a_sum_of_aliased_coefficients_can_be_estimable() -> None:
    x = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 1], [0, 1, 1.0]])
    found = find_dependence(x, ["a", "b", "c"])
    assert found.is_estimable(np.array([1.0, 0, 0]))
    assert found.is_estimable(np.array([0, 1.0, 1.0]))
    assert not found.is_estimable(np.array([0, 1.0, 0]))


def test_sum_contrasts_give_the_last_level_minus_one() -> None:
    columns, factors = read_columns(
        pd.DataFrame({"g": ["u", "v", "w"]}), ["g"], {"g": ["w", "u", "v"]}, "sum"
    )
    design = build_design(parse_formula("g"), columns, factors, "sum")
    assert design.names == ("(Intercept)", "g1", "g2")
    np.testing.assert_array_equal(design.matrix(columns, 3), [[1, 0, 1], [1, -1, -1], [1, 1, 0]])
    assert design.describe_coding() == "g: sum contrasts, last level -1 (w, u, v)"
