"""The fixed-effect design matrix: declared factors and their coding, covariates, R's names and order.

Belongs here: coding of factors, columns of terms. Does not belong here:
reading the formula text (formula.py), patients and their covariance (patients.py, covariance.py).

A factor in a term is coded by its k - 1 contrasts when the term without it is also in the model (the
intercept counts), and by all k indicators otherwise, as is the first factor of a formula without intercept
(R, `terms.object`, attribute "factors"). Sum contrasts compare each level but the last with the mean of all
levels; treatment contrasts compare each level with the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analytics.mixed_model.formula import Formula, FormulaError, Node, Term, deparse, evaluate, names_in
from analytics.status import require_choice

CODINGS = ("sum", "treatment")

Columns = Mapping[str, np.ndarray]
"""Data by column: float values, or integer codes (-1 missing) for a declared factor."""


@dataclass(frozen=True)
class Factor:
    """A categorical column: levels in stated order and their coding."""

    name: str
    levels: tuple[str, ...]
    coding: str

    def contrasts(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """Coding matrix (levels x columns) and each column's suffix, as contr.sum and contr.treatment."""
        k = len(self.levels)
        if self.coding == "sum":
            return np.vstack([np.eye(k - 1), -np.ones(k - 1)]), tuple(str(i + 1) for i in range(k - 1))
        return np.eye(k)[:, 1:], self.levels[1:]

    def indicators(self) -> tuple[np.ndarray, tuple[str, ...]]:
        return np.eye(len(self.levels)), self.levels

    def describe(self) -> str:
        rule = (
            "sum contrasts, last level -1" if self.coding == "sum" else "treatment contrasts, first level 0"
        )
        return f"{self.name}: {rule} ({', '.join(self.levels)})"


@dataclass(frozen=True)
class FactorVariable:
    """A factor in the formula: a declared column, or `factor(x)` of a numeric one whose level values are
    ``at``.
    """

    factor: Factor
    source: str
    at: np.ndarray | None = None

    def codes(self, columns: Columns) -> np.ndarray:
        values = columns[self.source]
        if self.at is None:
            return values
        return np.searchsorted(self.at, values)


@dataclass(frozen=True)
class NumericVariable:
    """A numeric column or expression; ``center`` and ``scale`` hold what `scale(x)` learned from the data."""

    node: Node
    center: float = 0.0
    scale: float = 1.0

    def values(self, columns: Columns) -> np.ndarray:
        value = evaluate(self.node, columns)
        return value if (self.center, self.scale) == (0.0, 1.0) else (value - self.center) / self.scale


@dataclass(frozen=True)
class PolynomialVariable:
    """`poly(x, degree)`: orthogonal polynomials by their recurrence (Kennedy and Gentle 1980), or raw
    powers.
    """

    node: Node
    degree: int
    alpha: np.ndarray | None
    norm2: np.ndarray | None

    def values(self, columns: Columns) -> np.ndarray:
        x = evaluate(self.node, columns)
        if self.alpha is None or self.norm2 is None:
            return np.column_stack([x**k for k in range(1, self.degree + 1)])
        basis = [np.ones_like(x), x - self.alpha[0]]
        for k in range(1, self.degree):
            basis.append((x - self.alpha[k]) * basis[k] - self.norm2[k + 1] / self.norm2[k] * basis[k - 1])
        return np.column_stack(basis[1:]) / np.sqrt(self.norm2[2:])


Variable = FactorVariable | NumericVariable | PolynomialVariable


@dataclass(frozen=True)
class Design:
    """Everything needed to build the columns of the fixed effects, for the data or for a reference grid."""

    formula: Formula
    variables: Mapping[str, Variable]
    names: tuple[str, ...]
    assign: np.ndarray  # for each column its term: 0 the intercept, 1 ... as in term_labels
    term_labels: tuple[str, ...]

    def matrix(self, columns: Columns, n_rows: int) -> np.ndarray:
        """Design matrix (rows x columns), column-major."""
        blocks: dict[tuple[str, bool], np.ndarray] = {}
        out = np.empty((n_rows, len(self.names)), order="F")
        at = 0
        if self.formula.has_intercept:
            out[:, 0] = 1.0
            at = 1
        for term in self.formula.terms:
            parts = []
            for variable, full in _term_coding(self.formula, term, self.variables):
                key = (variable, full)
                if key not in blocks:
                    blocks[key] = _columns_of(self.variables[variable], full, columns, n_rows)
                parts.append(blocks[key])
            product = parts[0]
            for part in parts[1:]:
                product = np.concatenate([product * part[:, [j]] for j in range(part.shape[1])], axis=1)
            out[:, at : at + product.shape[1]] = product
            at += product.shape[1]
        return out

    def level_differences(self, number: int) -> np.ndarray:
        """Matrix that takes the sum-coded coefficients of a term to differences of its levels from the
        first.
        """
        matrix = np.eye(1)
        for name, full in _term_coding(self.formula, self.formula.terms[number - 1], self.variables):
            variable = self.variables[name]
            if isinstance(variable, FactorVariable) and not full:
                coding = Factor(name, variable.factor.levels, "sum").contrasts()[0]
                part = coding[1:] - coding[0]
            else:
                part = np.eye(len(_labels_of(name, variable, full)))
            matrix = np.kron(part, matrix)  # the first variable of a term varies fastest
        return matrix

    def factors(self) -> dict[str, Factor]:
        """Factors of the formula by the name of their data column."""
        return {v.source: v.factor for v in self.variables.values() if isinstance(v, FactorVariable)}

    def level_codes(self, column: str, columns: Columns) -> np.ndarray:
        """Codes of the factor that is made of a data column."""
        found = (v for v in self.variables.values() if isinstance(v, FactorVariable) and v.source == column)
        return next(found).codes(columns)

    def codings(self) -> list[str]:
        return list(dict.fromkeys(f.coding for f in self.factors().values()))

    def describe_coding(self) -> str:
        return "; ".join(f.describe() for f in self.factors().values()) or "no factors"


def build_design(formula: Formula, columns: Columns, factors: Mapping[str, Factor], contrasts: str) -> Design:
    """Learn the variables of ``formula`` (levels of `factor(x)`, `poly` and `scale`) from ``columns``."""
    response = formula.response
    variables = {
        name: _learn(name, node, columns, factors, contrasts)
        for name, node in formula.variables.items()
        if name != response
    }
    names, assign = [], []
    if formula.has_intercept:
        names.append("(Intercept)")
        assign.append(0)
    for index, term in enumerate(formula.terms, start=1):
        labels = [""]
        for i, (variable, full) in enumerate(_term_coding(formula, term, variables)):
            suffixes = _labels_of(variable, variables[variable], full)
            labels = [f"{a}:{b}" if i else b for b in suffixes for a in labels]
        names.extend(labels)
        assign.extend([index] * len(labels))
    if not names:
        raise FormulaError(f'fixed: "{formula.text}" has neither an intercept nor a term')
    return Design(formula, variables, tuple(names), np.array(assign), tuple(t.label for t in formula.terms))


def _term_coding(formula: Formula, term: Term, variables: Mapping[str, Variable]) -> list[tuple[str, bool]]:
    """For each variable of a term whether, as a factor, it takes all its indicators or its contrasts."""
    everything = frozenset(term.variables)
    first = None if formula.has_intercept else _first_factor(formula, variables)
    return [
        (v, (term, v) == first or (len(everything) > 1 and not formula.has_term(everything - {v})))
        for v in term.variables
    ]


def _first_factor(formula: Formula, variables: Mapping[str, Variable]) -> tuple[Term, str] | None:
    """The factor that takes the place of a missing intercept."""
    for term in formula.terms:
        for variable in term.variables:
            if isinstance(variables[variable], FactorVariable):
                return term, variable
    return None


def _columns_of(variable: Variable, full: bool, columns: Columns, n_rows: int) -> np.ndarray:
    if isinstance(variable, FactorVariable):
        coding, _ = variable.factor.indicators() if full else variable.factor.contrasts()
        return coding[variable.codes(columns)]
    values = variable.values(columns)
    if isinstance(variable, PolynomialVariable):
        return values
    return np.broadcast_to(values, (n_rows,)).reshape(n_rows, 1)


def _labels_of(name: str, variable: Variable, full: bool) -> list[str]:
    if isinstance(variable, FactorVariable):
        _, suffixes = variable.factor.indicators() if full else variable.factor.contrasts()
        return [name + s for s in suffixes]
    if isinstance(variable, PolynomialVariable):
        return [f"{name}{k}" for k in range(1, variable.degree + 1)]
    return [name]


def _learn(
    name: str, node: Node, columns: Columns, factors: Mapping[str, Factor], contrasts: str
) -> Variable:
    if node.kind == "name" and node.value in factors:
        return FactorVariable(factors[str(node.value)], str(node.value))
    if node.kind == "call" and node.value == "factor":
        return _learn_factor(name, node, columns, factors, contrasts)
    misplaced = [n for n in names_in(node) if n in factors]
    if misplaced:
        raise FormulaError(f'fixed: {name}: "{misplaced[0]}" is a factor and cannot stand in an expression')
    if node.kind == "call" and node.value == "poly":
        return _learn_polynomial(name, node, columns)
    if node.kind == "call" and node.value == "scale":
        values = evaluate(node.args[0], columns)
        return NumericVariable(node.args[0], float(values.mean()), float(values.std(ddof=1)))
    return NumericVariable(node)


def _learn_factor(
    name: str, node: Node, columns: Columns, factors: Mapping[str, Factor], contrasts: str
) -> FactorVariable:
    source = node.args[0]
    if source.kind != "name":
        raise FormulaError(f"fixed: {name}: factor() takes one column")
    column = str(source.value)
    if column in factors:
        return FactorVariable(factors[column], column)
    at = np.unique(columns[column])
    coding = contrasts if contrasts in CODINGS else "treatment"
    return FactorVariable(Factor(name, tuple(f"{v:.15g}" for v in at), coding), column, at)


def _learn_polynomial(name: str, node: Node, columns: Columns) -> PolynomialVariable:
    options = dict(node.keywords)
    degree_node = node.args[1] if len(node.args) > 1 else options.get("degree", Node("number", 1.0))
    if isinstance(degree_node.value, str) or degree_node.value < 1:
        raise FormulaError(f"fixed: {name}: the degree must be a whole number of at least 1")
    degree = int(degree_node.value)
    raw = options.get("raw")
    if raw is not None and deparse(raw) not in ("FALSE", "F"):
        return PolynomialVariable(node.args[0], degree, None, None)
    x = evaluate(node.args[0], columns)
    if degree >= len(np.unique(x)):
        raise FormulaError(f"fixed: {name}: the degree must be below the number of different values")
    alpha, norm2 = [], [1.0, float(len(x))]
    previous, current = np.zeros_like(x), np.ones_like(x)
    for k in range(degree):
        alpha.append(float((x * current * current).sum() / (current * current).sum()))
        ratio = norm2[k + 1] / norm2[k] if k else 0.0
        previous, current = current, (x - alpha[k]) * current - ratio * previous
        norm2.append(float((current * current).sum()))
    return PolynomialVariable(node.args[0], degree, np.array(alpha), np.array(norm2))


def read_columns(
    data: pd.DataFrame,
    names: Iterable[str],
    declared: Mapping[str, Sequence[object]],
    contrasts: str | Mapping[str, str],
) -> tuple[dict[str, np.ndarray], dict[str, Factor]]:
    """Take columns out of a frame: codes for declared factors and text, floats for numbers; NaN and -1 are
    missing.
    """
    columns: dict[str, np.ndarray] = {}
    factors: dict[str, Factor] = {}
    for name in names:
        series = data[name]
        if name in declared or not _is_numeric(series):
            coding = contrasts if isinstance(contrasts, str) else contrasts.get(name, "treatment")
            require_choice(coding, CODINGS, "contrasts")
            levels = _levels(series, declared.get(name))
            columns[name] = _codes(series, name, levels)
            factors[name] = Factor(name, levels, coding)
        else:
            columns[name] = _finite(series, name)
    return columns, factors


def _is_numeric(series: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series)


def _finite(series: pd.Series, name: str) -> np.ndarray:
    values = series.to_numpy(dtype=float, na_value=np.nan)
    n_infinite = int(np.isinf(values).sum())
    if n_infinite:
        raise ValueError(
            f'data: "{name}" holds {n_infinite} infinite values; make them missing or remove the rows'
        )
    return values


def _label(value: object) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:.15g}"
    return str(value)


def _levels(series: pd.Series, declared: Sequence[object] | None) -> tuple[str, ...]:
    if declared is not None:
        levels = tuple(_label(v) for v in declared)
        if len(set(levels)) < len(levels):
            raise ValueError(f"factors: levels of {series.name} repeat: {', '.join(levels)}")
        return levels
    if isinstance(series.dtype, pd.CategoricalDtype):
        return tuple(_label(v) for v in series.cat.categories)
    return tuple(sorted({_label(v) for v in series.dropna().unique()}))


def _codes(series: pd.Series, name: str, levels: tuple[str, ...]) -> np.ndarray:
    codes, uniques = pd.factorize(series)
    position = {level: i for i, level in enumerate(levels)}
    lookup = np.array([position.get(_label(u), -2) for u in uniques] + [-1])
    found = lookup[codes]
    n_unknown = int((found == -2).sum())
    if n_unknown:
        raise ValueError(
            f'factors: "{name}" has {n_unknown} rows whose value is not among its levels '
            f"({', '.join(levels)}); declare the level or remove the rows"
        )
    return found
