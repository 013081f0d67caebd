"""R formulas of survival models, ``Surv(time, event) ~ a + log(b) * c + strata(d)``, as arguments of ours.

Belongs here: reading the formula of a case and preparing its data the way R's model.frame does.
Does not belong here: any fit.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from analytics.cox.terms import Node, numbers_of, parse_term

TIME, EVENT, ENTRY = ".time", ".event", ".entry"


@dataclass(frozen=True)
class SurvivalFormula:
    """``terms`` as R orders them; columns in ``strata``; ``cluster`` and ``frailty`` with its options."""

    response: list[str]
    terms: list[str]
    strata: list[str] = field(default_factory=list)
    cluster: str | None = None
    frailty: str | None = None
    frailty_options: dict[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """Every column that the formula names, as R's all.vars."""
        names: dict[str, None] = {}
        for text in [*self.response, *self.terms]:
            for node in parse_term(text):
                _names(node, names)
        extra = [*self.strata, *filter(None, [self.cluster, self.frailty])]
        return list(dict.fromkeys([*names, *extra]))


def read_formula(text: str) -> SurvivalFormula:
    """Parse ``Surv(…) ~ …`` with + - : * ^ and parentheses; strata(), cluster(), frailty() are set apart."""
    left, right = text.split("~")
    response = _arguments(re.fullmatch(r"\s*Surv\((.*)\)\s*", left)[1])
    response = [re.sub(r"^\s*\w+\s*=(?!=)", "", argument).strip() for argument in response]
    terms: list[tuple[str, ...]] = []
    for sign, part in _split_signed(right):
        for term in _expand(part):
            if sign == "+" and frozenset(term) not in map(frozenset, terms):
                terms.append(term)
            elif sign == "-":
                terms = [kept for kept in terms if frozenset(kept) != frozenset(term)]
    special = {"strata": [], "cluster": [], "frailty": []}
    kept = []
    for term in terms:
        match = (
            re.fullmatch(r"(strata|cluster|frailty)(?:\.gamma)?\((.*)\)", term[0]) if len(term) == 1 else None
        )
        if match:
            special[match[1]] += _arguments(match[2])
        elif term not in (("1",), ("0",)):
            kept.append(term)
    order = {name: i for i, name in reversed(list(enumerate(part for term in terms for part in term)))}
    kept = [tuple(sorted(term, key=order.__getitem__)) for term in sorted(kept, key=len)]
    columns, options = _options(special["frailty"])
    strata, _ = _options(special["strata"])
    cluster, _ = _options(special["cluster"])
    return SurvivalFormula(
        response,
        [":".join(term) for term in kept],
        strata,
        (cluster or [None])[0],
        (columns or [None])[0],
        options,
    )


def with_response(data: pd.DataFrame, formula: SurvivalFormula) -> pd.DataFrame:
    """``data`` with columns TIME, EVENT and, for three arguments, ENTRY, coded as R's Surv codes them."""
    values = [numbers_of(parse_term(text)[0], data) for text in formula.response]
    event = values[-1]
    if np.nanmax(event) == 2:  # Surv: 1 censored, 2 dead
        event = event - 1
    event = np.where(np.isin(event, (0, 1)), event, np.nan)
    frame = data.assign(**{TIME: values[-2], EVENT: event})
    if len(values) == 3:
        frame[ENTRY] = values[0]
        frame.loc[~(frame[ENTRY] < frame[TIME]), TIME] = (
            np.nan
        )  # "Stop time must be > start time, NA created"
    return frame


def as_read_by_r(case: dict[str, Any], data: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """``data`` with empty cells of undeclared text columns as the level "", for so read.csv leaves them."""
    declared = case.get("factors") or []
    text = [c for c in columns if c in data and data[c].dtype == object and c not in declared]
    return data.assign(**{c: data[c].fillna("") for c in text})


def r_factors(case: dict[str, Any], data: pd.DataFrame, columns: list[str]) -> dict[str, list[Any]]:
    """Levels of the factors: as the case declares, else sorted values of text and boolean columns."""
    declared = case.get("factor_levels") or {}
    names = case.get("factors") or []
    names = [names] if isinstance(names, str) else list(names)
    levels: dict[str, list[Any]] = {}
    for name in names:
        given = declared.get(name)
        levels[name] = list(given) if given else r_sorted(data[name].dropna().unique().tolist())
    for name in columns:
        if name in data and name not in levels and data[name].dtype == object:
            levels[name] = r_sorted(data[name].dropna().unique().tolist())
    return {name: _as_column(values, data[name]) for name, values in levels.items() if name in data}


def r_sorted(values: Iterable[Any]) -> list[Any]:
    """Levels in R's order, as ICU collates: space, punctuation, symbols, digits, letters; case comes last."""
    return sorted(values, key=_collation) if any(isinstance(v, str) for v in values) else sorted(values)


def _collation(value: Any) -> tuple[Any, ...]:
    text = unicodedata.normalize("NFD", str(value))
    base = [c for c in text if unicodedata.category(c) != "Mn"]
    rank = {"Z": 0, "P": 1, "S": 2, "N": 3, "L": 4}
    primary = [(rank.get(unicodedata.category(c)[0], 5), c.lower()) for c in base]
    return primary, len(text) - len(base), [c.isupper() for c in base]


def _as_column(levels: list[Any], column: pd.Series) -> list[Any]:
    """Levels are text in a case; in a numeric column they are numbers."""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return [float(level) for level in levels]
    if pd.api.types.is_bool_dtype(column):
        return [str(level).upper() == "TRUE" for level in levels]
    return [str(level) for level in levels]


def _names(node: Node, names: dict[str, None]) -> None:
    if node.kind == "name":
        names[node.value] = None
    for child in node.children:
        _names(child, names)


def _options(arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """Positional arguments, and named ones with quotes stripped."""
    named = dict(re.split(r"\s*=\s*", a, maxsplit=1) for a in arguments if re.match(r"^\s*[\w.]+\s*=[^=]", a))
    return (
        [a for a in arguments if not re.match(r"^\s*[\w.]+\s*=[^=]", a)],
        {key.strip(): value.strip().strip("'\"") for key, value in named.items()},
    )


def _expand(text: str) -> list[tuple[str, ...]]:
    """The terms of a product of * and : , with (a + b)^2."""
    text = text.strip()
    crossed = _split(text, "*")
    if len(crossed) > 1:
        sides = [_expand(side) for side in crossed]
        return _dedupe(
            [
                _joined(*choice)
                for size in range(1, len(sides) + 1)
                for chosen in combinations(sides, size)
                for choice in _choices(chosen)
            ]
        )
    interacted = _split(text, ":")
    if len(interacted) > 1:
        return _dedupe([_joined(*choice) for choice in _choices([_expand(side) for side in interacted])])
    power = re.fullmatch(r"\((.*)\)\s*\^\s*(\d+)", text)
    if power:
        inner = _expand(f"({power[1]})")
        return _dedupe(
            [_joined(*chosen) for size in range(1, int(power[2]) + 1) for chosen in combinations(inner, size)]
        )
    if text.startswith("(") and text.endswith(")") and _closes_at_end(text):
        return _dedupe([term for _, part in _split_signed(text[1:-1]) for term in _expand(part)])
    if re.match(r"^(strata|cluster|frailty)", text):
        return [(text,)]
    return [(parse_term(text)[0].text,)]


def _choices(sides: Any) -> list[tuple[tuple[str, ...], ...]]:
    chosen: list[tuple[tuple[str, ...], ...]] = [()]
    for side in sides:
        chosen = [(*before, term) for before in chosen for term in side]
    return chosen


def _joined(*terms: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for term in terms for part in term))


def _dedupe(terms: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return list({frozenset(term): term for term in reversed(terms)}.values())[::-1]


def _closes_at_end(text: str) -> bool:
    depth = 0
    for i, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return i == len(text) - 1
    return False


def _split(text: str, operator: str) -> list[str]:
    """Split at an operator outside parentheses."""
    parts, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == operator and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def _split_signed(text: str) -> list[tuple[str, str]]:
    parts = []
    for i, added in enumerate(_split(text, "+")):
        for j, part in enumerate(_split(added, "-")):
            if part.strip():
                parts.append(("-" if j else "+", part.strip()))
            elif i + j == 0:
                continue
    return parts


def _arguments(text: str) -> list[str]:
    return [part.strip() for part in _split(text, ",")]
