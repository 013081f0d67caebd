"""From terms such as "age", "log(ck)", "group:visit" to the columns of a design matrix, as R's model.matrix.

Belongs here: the language of terms, treatment coding, names of columns.
Does not belong here: any fit. An expression is parsed, never evaluated as code.

A term is one or more expressions joined by ":". An expression is a column, a number, arithmetic (+ - * / ^),
a comparison, or a call of one of FUNCTIONS. A column named in ``factors`` is coded by indicators of its
levels but the first, its reference; so are booleans, with reference false, and ``factor(x)``, with its lowest
value as reference. In an interaction, if the model does not contain the rest of the term without an
expression (the margin), that expression gets an indicator for every level, as in R.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analytics.door import is_yes_no
from analytics.status import require_columns
from analytics.survival.outcome import FloatArray, IntArray

FUNCTIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "I": lambda value: value,
    "as.numeric": lambda value: value,
    "scale": lambda value: (value - value.mean()) / value.std(ddof=1),
}
FACTOR_FUNCTIONS = ("factor", "as.factor")
TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|`(?P<quoted>[^`]+)`"
    r"|(?P<name>[^\W\d][\w.]*|\.[^\W\d][\w.]*)|(?P<op>==|!=|<=|>=|[-+*/^<>():]))"
)
COMPARISONS = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    ">": np.greater,
    "<=": np.less_equal,
    ">=": np.greater_equal,
}
ARITHMETIC = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.power}

Factors = Mapping[str, Sequence[object]]


@dataclass(frozen=True)
class Design:
    """``x`` (n, p) with ``names``; ``terms`` and, by column, the term and its ``variable`` and ``level``."""

    x: FloatArray
    names: list[str]
    terms: list[str]
    term_of: list[int]
    labels: list[str]


@dataclass(frozen=True)
class Node:
    """A parsed expression: ``kind`` name, number, call, compare or arithmetic; ``text`` as R prints it."""

    kind: str
    text: str
    value: str = ""
    children: tuple[Node, ...] = field(default=())


@dataclass(frozen=True)
class _Coded:
    """One expression's columns, with indicator coding if it is a factor."""

    columns: FloatArray
    suffixes: list[str]
    is_factor: bool
    codes: IntArray | None = None
    levels: Sequence[object] = ()


def columns_of(terms: Sequence[str]) -> list[str]:
    """The columns of data that the terms read, in order. ValueError on a term that does not parse."""
    names: dict[str, None] = {}
    for term in terms:
        for node in parse_term(term):
            _collect(node, names)
    return list(names)


def build_design(data: pd.DataFrame, terms: Sequence[str], factors: Factors | None = None) -> Design:
    """Evaluate ``terms`` on complete rows of ``data``; duplicate terms count once.

    ValueError: an unknown column, text without levels in ``factors``, a value that is not finite.
    """
    factors = factors or {}
    parsed = {":".join(node.text for node in parse_term(term)): parse_term(term) for term in terms}
    margins: set[frozenset[str]] = {frozenset(node.text for node in nodes) for nodes in parsed.values()} | {
        frozenset()
    }
    blocks: list[FloatArray] = []
    names: list[str] = []
    term_of: list[int] = []
    cache: dict[str, _Coded] = {}
    for index, nodes in enumerate(parsed.values()):
        columns, labels = np.ones((len(data), 1)), [""]
        texts = [node.text for node in nodes]
        for node in nodes:
            if node.text not in cache:
                cache[node.text] = _code(node, data, factors)
            coded = cache[node.text]
            margin = frozenset(text for text in texts if text != node.text)
            part, suffixes = coded.columns, coded.suffixes
            if coded.is_factor and margin not in margins:
                part, suffixes = _every_level(coded)
            # the first expression's levels vary fastest, as in R
            width = part.shape[1] * columns.shape[1]
            columns = (part[:, :, None] * columns[:, None, :]).reshape(len(data), width)
            labels = [
                f"{before}{':' if before else ''}{node.text}{suffix}"
                for suffix in suffixes
                for before in labels
            ]
        blocks.append(columns)
        names += labels
        term_of += [index] * len(labels)
    x = np.concatenate(blocks, axis=1) if blocks else np.zeros((len(data), 0))
    _refuse_non_finite(x, names)
    labels_of_terms = list(parsed)
    return Design(x, names, labels_of_terms, term_of, [labels_of_terms[i] for i in term_of])


def parse_term(term: str) -> list[Node]:
    """The expressions of a term, split at ":"."""
    parser = _Parser(term)
    nodes = [parser.comparison()]
    while parser.take(":"):
        nodes.append(parser.comparison())
    parser.expect_end()
    return nodes


class _Parser:
    """Recursive descent over one term; ``take`` consumes an operator when it is next."""

    def __init__(self, text: str) -> None:
        self.text, self.position = text, 0

    def comparison(self) -> Node:
        left = self.sum()
        for operator in COMPARISONS:
            if self.take(operator):
                right = self.sum()
                return Node("compare", f"{left.text} {operator} {right.text}", operator, (left, right))
        return left

    def sum(self) -> Node:
        return self._chain(self.product, ("+", "-"), " {} ")

    def product(self) -> Node:
        node = self.power()
        while True:
            operator = next((o for o in ("*", "/") if self.take(o)), None)
            if operator is None:
                return node
            right = self.power()
            between = " * " if operator == "*" else "/"  # R's deparse spaces one and not the other
            node = Node("arithmetic", f"{node.text}{between}{right.text}", operator, (node, right))

    def power(self) -> Node:
        if self.take("-"):
            inner = self.power()
            return Node("arithmetic", f"-{inner.text}", "-", (Node("number", "0", "0"), inner))
        base = self.atom()
        if self.take("^"):
            exponent = self.power()
            return Node("arithmetic", f"{base.text}^{exponent.text}", "^", (base, exponent))
        return base

    def atom(self) -> Node:
        match = TOKEN.match(self.text, self.position)
        if match is None or (match["op"] and match["op"] != "("):
            raise self.fault()
        self.position = match.end()
        if match["number"]:
            return Node("number", _number_text(match["number"]), match["number"])
        if match["op"]:
            inner = self.comparison()
            self.require(")")
            return Node("call", f"({inner.text})", "I", (inner,))
        name = match["quoted"] or match["name"]
        if not match["quoted"] and self.take("("):
            if name not in FUNCTIONS and name not in FACTOR_FUNCTIONS:
                known = ", ".join([*FUNCTIONS, *FACTOR_FUNCTIONS])
                raise ValueError(f'terms: no function "{name}" in "{self.text}". There are: {known}')
            inner = self.comparison()
            self.require(")")
            return Node("call", f"{name}({inner.text})", name, (inner,))
        return Node("name", f"`{name}`" if match["quoted"] else name, name)

    def _chain(self, part: Callable[[], Node], operators: Sequence[str], between: str) -> Node:
        node = part()
        while True:
            operator = next((o for o in operators if self.take(o)), None)
            if operator is None:
                return node
            right = part()
            node = Node(
                "arithmetic", f"{node.text}{between.format(operator)}{right.text}", operator, (node, right)
            )

    def take(self, operator: str) -> bool:
        match = TOKEN.match(self.text, self.position)
        if match is None or match["op"] != operator:
            return False
        self.position = match.end()
        return True

    def require(self, operator: str) -> None:
        if not self.take(operator):
            raise self.fault(f'"{operator}"')

    def expect_end(self) -> None:
        if self.text[self.position :].strip():
            raise self.fault('":" or the end')

    def fault(self, expected: str = "a column, a number or a function") -> ValueError:
        found = self.text[self.position :].strip() or "the end"
        return ValueError(f'terms: cannot read "{self.text}": expected {expected}; found "{found}"')


def _number_text(text: str) -> str:
    value = float(text)
    return f"{value:.15g}"


def _collect(node: Node, names: dict[str, None]) -> None:
    if node.kind == "name":
        names[node.value] = None
    for child in node.children:
        _collect(child, names)


def _code(node: Node, data: pd.DataFrame, factors: Factors) -> _Coded:
    if node.kind == "name":
        require_columns(data, [node.value])
        if node.value in factors:
            return _factor(data[node.value], list(factors[node.value]))
        if is_yes_no(data[node.value]):
            return _boolean(data[node.value].to_numpy(dtype=bool))
    if node.kind == "call" and node.value in FACTOR_FUNCTIONS:
        inner = node.children[0]
        series = data[inner.value] if inner.kind == "name" else pd.Series(numbers_of(inner, data))
        declared = factors.get(inner.value) if inner.kind == "name" else None
        return _factor(series, list(declared) if declared is not None else sorted(series.unique().tolist()))
    if node.kind == "compare":
        return _boolean(numbers_of(node, data).astype(bool))
    values = numbers_of(node, data)
    return _Coded(values[:, None], [""], is_factor=False)


def numbers_of(node: Node, data: pd.DataFrame) -> FloatArray:
    """Evaluate a parsed expression by row; comparisons give 0 and 1. ValueError where a column is text."""
    if node.kind == "number":
        return np.full(len(data), float(node.value))
    if node.kind == "name":
        require_columns(data, [node.value])
        series = data[node.value]
        if is_yes_no(series):
            return series.to_numpy(dtype=bool).astype(float)
        if not pd.api.types.is_numeric_dtype(series):
            values = sorted(map(str, series.dropna().unique()))[:3]
            raise ValueError(
                f'terms: expected numbers in "{node.value}"; found {series.dtype}. To use it as '
                f'groups, declare factors={{"{node.value}": [reference, …]}} ({", ".join(values)}, …)'
            )
        return series.to_numpy(dtype=float)
    if node.kind == "call" and node.value in FACTOR_FUNCTIONS:
        raise ValueError(f'terms: "{node.text}" is a factor; it cannot be part of arithmetic')
    parts = [numbers_of(child, data) for child in node.children]
    with np.errstate(divide="ignore", invalid="ignore"):
        if node.kind == "compare":
            return COMPARISONS[node.value](*parts).astype(float)
        if node.kind == "arithmetic":
            return ARITHMETIC[node.value](*parts)
        return FUNCTIONS[node.value](*parts)


def _factor(series: pd.Series, levels: list[object]) -> _Coded:
    codes = pd.Categorical(series, categories=levels).codes.astype(np.int64)
    if (codes < 0).any():
        raise ValueError(
            f'factors: {int((codes < 0).sum())} rows of "{series.name}" have a value outside its '
            f"levels {levels}"
        )
    indicators = (codes[:, None] == np.arange(1, len(levels))).astype(float)
    return _Coded(indicators, [_level_text(level) for level in levels[1:]], True, codes, levels)


def _boolean(values: np.ndarray) -> _Coded:
    codes = values.astype(np.int64)
    return _Coded(codes[:, None].astype(float), ["TRUE"], True, codes, ["FALSE", "TRUE"])


def _every_level(coded: _Coded) -> tuple[FloatArray, list[str]]:
    assert coded.codes is not None
    indicators = (coded.codes[:, None] == np.arange(len(coded.levels))).astype(float)
    return indicators, [_level_text(level) for level in coded.levels]


def _level_text(level: object) -> str:
    if isinstance(level, (bool, np.bool_)):
        return "TRUE" if level else "FALSE"
    if isinstance(level, (float, np.floating)):
        return f"{float(level):.15g}"
    return str(level)


def _refuse_non_finite(x: FloatArray, names: Sequence[str]) -> None:
    wrong = ~np.isfinite(x)
    if wrong.any():
        faults = [f'"{name}" ({int(count)} rows)' for name, count in zip(names, wrong.sum(axis=0)) if count]
        raise ValueError(f"terms: expected finite values; found others in {', '.join(faults)}")
