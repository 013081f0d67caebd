"""Read an R-like model formula into terms, and evaluate the variables that it names.

Belongs here: the grammar (`+ - * / : ^ %in%`, `1`, `0`), the functions a formula may call, and how R names
and orders terms. Does not belong here: contrasts and design columns (design.py).

Why not patsy or formulaic, which are installed: both evaluate arbitrary Python found in the formula, and a
formula comes from a study's YAML; both name and order columns differently from R, so that a result could
not be laid beside R's. The functions below are the whole language. Source of the rules: Chambers and Hastie
(1992), Statistical Models in S, chapter 2; R's terms.formula.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d][\w.]*)|`(?P<quoted>[^`]+)`"
    r'|"(?P<text>[^"]*)"|(?P<op>%in%|\*\*|[-+*/:^~(),=]))'
)
_BINARY = {"~": 1, "+": 2, "-": 2, "*": 3, "/": 3, "%in%": 4, ":": 5, "^": 7}
_SIGN = 6
_FUNCTIONS = {
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "exp": np.exp,
    "expm1": np.expm1,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sin": np.sin,
    "cos": np.cos,
}
CALLS = (*_FUNCTIONS, "I", "factor", "poly", "scale")
_ALIASES = {"as.factor": "factor", "C": "factor"}


class FormulaError(ValueError):
    """A formula that cannot be read: says where, what was found and what is allowed."""


@dataclass(frozen=True)
class Node:
    """One node of a parsed formula: a name, a number, an operator or a call."""

    kind: str  # name, number, op, call
    value: str | float  # a float for a number only
    args: tuple[Node, ...] = ()
    keywords: tuple[tuple[str, Node], ...] = ()


@dataclass(frozen=True)
class Term:
    """A set of variables whose product is one term; empty means the intercept."""

    variables: tuple[str, ...]

    @property
    def label(self) -> str:
        return ":".join(self.variables) if self.variables else "(Intercept)"


@dataclass(frozen=True)
class Formula:
    """A parsed formula: the response (or None), terms in R's order without the intercept, and every
    variable by its text.
    """

    text: str
    response: str | None
    has_intercept: bool
    terms: tuple[Term, ...]
    variables: Mapping[str, Node]

    def has_term(self, variables: frozenset[str]) -> bool:
        return (
            self.has_intercept
            if not variables
            else any(frozenset(t.variables) == variables for t in self.terms)
        )

    def columns(self) -> tuple[str, ...]:
        """Names of all data columns read, in order of appearance."""
        found: dict[str, None] = {}
        for node in self.variables.values():
            found.update(dict.fromkeys(names_in(node)))
        return tuple(found)


def parse_formula(text: str) -> Formula:
    """Parse ``text`` such as ``"log(ck) ~ group * visit"`` or, without a response, ``"group * visit"``."""
    tree = _Parser(text).parse()
    response = None
    variables: dict[str, Node] = {}
    if tree.kind == "op" and tree.value == "~":
        if len(tree.args) == 2:
            response = deparse(tree.args[0])
            variables[response] = tree.args[0]
        tree = tree.args[-1]
    predictors: dict[str, Node] = {}
    terms = list(dict.fromkeys(_expand(tree, predictors, text)))
    order = {name: i for i, name in enumerate(predictors)}
    named = [tuple(sorted(t, key=order.__getitem__)) for t in terms if t and t != _NO_INTERCEPT]
    named.sort(key=len)  # stable: R orders terms by degree, then by appearance
    has_intercept = _NO_INTERCEPT not in terms
    used = {v for t in named for v in t}
    variables.update({k: v for k, v in predictors.items() if k in used})
    return Formula(text, response, has_intercept, tuple(Term(t) for t in named), variables)


_NO_INTERCEPT = frozenset({"\0no intercept"})


def _expand(node: Node, variables: dict[str, Node], text: str) -> list[frozenset[str]]:
    """Terms of a formula node, as sets of variable texts; a list without duplicates, in order of
    appearance.
    """
    if node.kind == "number":
        if node.value not in (0.0, 1.0):
            raise FormulaError(f'fixed: "{text}": a number may only be 0 or 1 here, found {node.value:g}')
        return [frozenset()] if node.value == 1.0 else [_NO_INTERCEPT]
    if node.kind in ("name", "call"):
        name = deparse(node)
        variables.setdefault(name, node)
        return [frozenset({name})]
    operator = node.value
    if operator == "-" and len(node.args) == 1:
        return _remove([], _expand(node.args[0], variables, text))
    if operator == "+" and len(node.args) == 1:
        return _expand(node.args[0], variables, text)
    if operator == "^":
        return _power(node, variables, text)
    left = _expand(node.args[0], variables, text)
    right = _expand(node.args[1], variables, text)
    if operator == "+":
        return _add(left, right)
    if operator == "-":
        return _remove(left, right)
    if operator == ":":
        return _cross(left, right)
    if operator == "*":
        return _add(_add(left, right), _cross(left, right))
    if operator == "/":
        return _add(left, [frozenset().union(*left) | r for r in right])
    if operator == "%in%":
        return [a | frozenset().union(*right) for a in left]
    raise FormulaError(f'fixed: "{text}": "{operator}" cannot stand here')


def _add(left: list[frozenset[str]], right: list[frozenset[str]]) -> list[frozenset[str]]:
    return list(dict.fromkeys([t for t in left if not (t == _NO_INTERCEPT and frozenset() in right)] + right))


def _remove(left: list[frozenset[str]], right: list[frozenset[str]]) -> list[frozenset[str]]:
    kept = [t for t in left if t not in right]
    return [*kept, _NO_INTERCEPT] if frozenset() in right and _NO_INTERCEPT not in kept else kept


def _cross(left: list[frozenset[str]], right: list[frozenset[str]]) -> list[frozenset[str]]:
    return list(dict.fromkeys(a | b for a, b in itertools.product(left, right)))


def _power(node: Node, variables: dict[str, Node], text: str) -> list[frozenset[str]]:
    exponent = node.args[1]
    if isinstance(exponent.value, str) or exponent.value != int(exponent.value) or exponent.value < 1:
        raise FormulaError(
            f'fixed: "{text}": the power of a formula must be a whole number; for a square write I(x^2)'
        )
    base = _expand(node.args[0], variables, text)
    terms = base
    for _ in range(int(exponent.value) - 1):
        terms = _add(terms, _cross(terms, base))
    return terms


class _Parser:
    """Precedence climbing over the operators of an R formula."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._tokenize(text))
        self.position = 0

    def _tokenize(self, text: str) -> Iterator[tuple[str, str]]:
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise FormulaError(f'fixed: "{text}": cannot read "{text[at:].strip()}"')
            at = match.end()
            kind = match.lastgroup or ""
            value = match.group(kind)
            yield ("op", "^") if value == "**" else (kind, value)

    def parse(self) -> Node:
        if not self.tokens:
            raise FormulaError('fixed: the formula is empty; expected for example "group * visit"')
        node = self._expression(0)
        if self.position < len(self.tokens):
            raise FormulaError(f'fixed: "{self.text}": unexpected "{self.tokens[self.position][1]}"')
        return node

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.position] if self.position < len(self.tokens) else ("end", "the end")

    def _take(self, expected: str | None = None) -> tuple[str, str]:
        token = self._peek()
        if expected is not None and token != ("op", expected):
            raise FormulaError(f'fixed: "{self.text}": expected "{expected}", found "{token[1]}"')
        self.position += 1
        return token

    def _expression(self, floor: int) -> Node:
        left = self._prefix()
        while True:
            kind, value = self._peek()
            strength = _BINARY.get(value, 0) if kind == "op" else 0
            if strength <= floor:
                return left
            self._take()
            right = self._expression(strength - 1 if value == "^" else strength)
            left = Node("op", value, (left, right))

    def _prefix(self) -> Node:
        kind, value = self._take()
        if kind == "number":
            return Node("number", float(value))
        if kind == "text":
            return Node("text", value)
        if kind == "op" and value in "+-":
            return Node("op", value, (self._expression(_SIGN),))
        if kind == "op" and value == "~":
            return Node("op", "~", (self._expression(_BINARY["~"]),))
        if kind == "op" and value == "(":
            node = self._expression(0)
            self._take(")")
            return node
        if kind in ("name", "quoted"):
            if kind == "name" and self._peek() == ("op", "("):
                return self._call(value)
            return Node("name", value)
        raise FormulaError(f'fixed: "{self.text}": expected a variable, found "{value}"')

    def _call(self, name: str) -> Node:
        name = _ALIASES.get(name, name)
        if name not in CALLS:
            raise FormulaError(
                f'fixed: "{self.text}": unknown function "{name}"; there are {", ".join(CALLS)}'
            )
        self._take("(")
        args: list[Node] = []
        keywords: list[tuple[str, Node]] = []
        while self._peek() not in (("op", ")"), ("end", "the end")):
            following = (
                self.tokens[self.position + 1] if self.position + 1 < len(self.tokens) else ("end", "")
            )
            if self._peek()[0] == "name" and following == ("op", "="):
                key = self._take()[1]
                self._take("=")
                keywords.append((key, self._expression(0)))
            else:
                args.append(self._expression(0))
            if self._peek() == ("op", ","):
                self._take()
        self._take(")")
        if not args:
            raise FormulaError(f'fixed: "{self.text}": {name}() needs a variable')
        return Node("call", name, tuple(args), tuple(keywords))


def names_in(node: Node) -> tuple[str, ...]:
    """Data columns that a node reads."""
    if node.kind == "name":
        return () if node.value in ("TRUE", "FALSE") else (str(node.value),)
    return tuple(dict.fromkeys(n for a in node.args for n in names_in(a)))


def deparse(node: Node) -> str:
    """The text of a node as R writes it: ``I(t^2)``, ``log(x + 1)``, ``poly(t, 2)``."""
    if node.kind == "number":
        return f"{node.value:.15g}"
    if node.kind == "name":
        return str(node.value)
    if node.kind == "text":
        return f'"{node.value}"'
    if node.kind == "call":
        parts = [deparse(a) for a in node.args] + [f"{k} = {deparse(v)}" for k, v in node.keywords]
        return f"{node.value}({', '.join(parts)})"
    texts = [_in_brackets(a, node) for a in node.args]
    if len(texts) == 1:
        return f"{node.value}{texts[0]}"
    space = "" if node.value in ("^", ":", "/") else " "
    return f"{texts[0]}{space}{node.value}{space}{texts[1]}"


def _in_brackets(argument: Node, parent: Node) -> str:
    looser = argument.kind == "op" and _BINARY[str(argument.value)] < _BINARY[str(parent.value)]
    return f"({deparse(argument)})" if looser else deparse(argument)


def evaluate(node: Node, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Value of an arithmetic node on numeric columns; names must be keys of ``columns``."""
    if node.kind == "number":
        return np.asarray(float(node.value))
    if node.kind == "name":
        return columns[str(node.value)]
    values = [evaluate(a, columns) for a in node.args]
    with np.errstate(all="ignore"):
        if node.kind == "call":
            return _call_value(node, values)
        if len(values) == 1:
            return -values[0] if node.value == "-" else values[0]
        return _ARITHMETIC[str(node.value)](*values)


_ARITHMETIC = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.power}


def _call_value(node: Node, values: list[np.ndarray]) -> np.ndarray:
    if node.value == "I":
        return values[0]
    if node.value == "log" and len(values) == 2:
        return np.log(values[0]) / np.log(values[1])
    if node.value in _FUNCTIONS:
        return _FUNCTIONS[str(node.value)](values[0])
    raise FormulaError(f"fixed: {node.value}() cannot stand inside another function")
