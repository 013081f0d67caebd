"""What every comparison of groups returns, and how a frame becomes samples.

Belongs here: result records, the split of a frame into groups, the checks of its arguments.
Does not belong here: any test or estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd

from analytics.door import as_numbers, is_yes_no, named_values
from analytics.levels import counted_values, listed_values
from analytics.status import OK, TOO_FEW_GROUPS, TOO_FEW_OBSERVATIONS, require_columns

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Effect:
    """An estimate with its interval. An estimate or an end that the data do not give is ``None``."""

    kind: str
    estimate: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    method: str = ""


NO_EFFECT = Effect("none", None)


@dataclass(frozen=True)
class TwoGroupTest:
    """A comparison of two groups: first group minus second, or first over second.

    ``df`` is the test's degrees of freedom (the numerator's of an F test, whose other is ``df_den``);
    ``ties`` counts observations that share their value with another; ``more_effects`` are further
    effect sizes of the same data.
    """

    test: str
    method: str
    group_a: str
    group_b: str
    n_a: int
    n_b: int
    n_missing: int
    statistic: float | None = None
    df: float | None = None
    df_den: float | None = None
    p_value: float | None = None
    effect: float | None = None
    effect_kind: str | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    confidence: float = CONFIDENCE
    ties: int | None = None
    status: str = OK
    note: str = ""
    more_effects: tuple[Effect, ...] = ()

    @property
    def n(self) -> int:
        return self.n_a + self.n_b

    @property
    def effects(self) -> tuple[Effect, ...]:
        """The effect reported, then the others."""
        first = Effect(self.effect_kind or "none", self.effect, self.ci_low, self.ci_high, self.method)
        return (first, *self.more_effects)

    def effect_of(self, kind: str) -> Effect:
        """The effect called ``kind``; ValueError names those there are."""
        for effect in self.effects:
            if effect.kind == kind:
                return effect
        raise ValueError(f'kind: expected one of {", ".join(e.kind for e in self.effects)}; found "{kind}"')

    @property
    def summary(self) -> pd.DataFrame:
        """One row with every field but ``more_effects``."""
        return _one_row(self, without=("more_effects",))


@dataclass(frozen=True)
class KGroupTest:
    """A comparison of two or more groups; ``n_by_group`` is in the order of ``groups``."""

    test: str
    method: str
    groups: tuple[str, ...]
    n_by_group: tuple[int, ...]
    n_missing: int
    statistic: float | None = None
    df: float | None = None
    df_den: float | None = None
    p_value: float | None = None
    effect: float | None = None
    effect_kind: str | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    confidence: float = CONFIDENCE
    ties: int | None = None
    status: str = OK
    note: str = ""

    @property
    def n(self) -> int:
        return sum(self.n_by_group)

    @property
    def summary(self) -> pd.DataFrame:
        """One row with every field; ``groups`` and ``n_by_group`` as text."""
        return _one_row(self, without=())


def _one_row(result: Any, without: Sequence[str]) -> pd.DataFrame:
    row = {f.name: getattr(result, f.name) for f in fields(result) if f.name not in without}
    row = {
        key: ", ".join(map(str, value)) if isinstance(value, tuple) else value for key, value in row.items()
    }
    return pd.DataFrame([row])


@dataclass(frozen=True)
class Samples:
    """The values of each group, with missing ones dropped and counted, and what is wrong with the values, if
    anything.

    ``n_missing`` counts rows of these groups without a value, and ``n_without_group`` rows that may belong to
    any.
    """

    groups: tuple[Any, ...]
    values: tuple[np.ndarray, ...]
    n_missing: int
    status: str = OK
    note: str = ""
    n_without_group: int = 0

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(values) for values in self.values)

    @property
    def pair(self) -> tuple[str, str, int, int]:
        """Of two groups: both names, then both sizes, in the order in which a ``TwoGroupTest`` has them."""
        (group_a, group_b), (n_a, n_b) = self.groups, self.sizes
        return str(group_a), str(group_b), n_a, n_b

    @property
    def pooled(self) -> np.ndarray:
        return np.concatenate(self.values) if self.values else np.array([])

    @property
    def ties(self) -> int:
        return count_ties(self.pooled)


@dataclass(frozen=True)
class Categories:
    """Counts of each level (rows) in each group (columns), missing ones dropped and counted as in
    ``Samples``.
    """

    groups: tuple[Any, ...]
    levels: tuple[Any, ...]
    counts: np.ndarray
    n_missing: int
    status: str = OK
    note: str = ""
    unexpected: tuple[Any, ...] = field(default=())
    n_without_group: int = 0


NULLS = {"odds_ratio": 1.0, "hodges_lehmann_shift": 0.0}  # effects whose interval need not follow the p value


def with_disagreement(found: TwoGroupTest) -> TwoGroupTest:
    """``found``, with a note where its p value and its interval are on different sides of the level.

    Fisher's p adds up tables by their probability, but the interval of the odds ratio inverts two one-sided
    tests. The interval of a shift moves the values, which changes the ties. So near the level, p value and
    interval can disagree.
    """
    null = NULLS.get(str(found.effect_kind))
    if null is None or found.p_value is None or found.ci_low is None or found.ci_high is None:
        return found
    level = 1 - found.confidence
    holds_null = found.ci_low <= null <= found.ci_high
    if (found.p_value < level) != holds_null:
        return found
    said = (
        f"p is {'below' if found.p_value < level else 'not below'} {level:.2g} and the interval "
        f"{'holds' if holds_null else 'leaves out'} {null:g}: test and interval follow different rules and "
        "can disagree this near the limit"
    )
    return replace(found, note="; ".join(filter(None, (found.note, said))))


def count_ties(values: np.ndarray) -> int:
    """How many observations share their value with at least one other."""
    _, counts = np.unique(values, return_counts=True)
    return int(counts[counts > 1].sum())


def samples(data: pd.DataFrame, value: str, group: str, groups: Sequence[Any], minimum: int = 1) -> Samples:
    """The numbers of ``value`` in each of ``groups``.

    ``minimum`` is the least number of observations that each group needs; with fewer the result has a status.
    Rows of other groups are ignored; rows without a group count as missing. Raises ValueError for an unknown
    column, repeated groups, text, and infinite values.
    """
    check_groups(groups)
    require_columns(data, [value, group])
    numbers = numeric(data[value], value)
    labels = data[group].to_numpy(dtype=object)
    n_without_group = int(pd.isna(labels).sum())
    found, n_missing = [], n_without_group
    for label in groups:
        inside = numbers[labels == label]
        known = inside[~np.isnan(inside)]
        n_missing += len(inside) - len(known)
        found.append(known)
    present = [bool((labels == label).any()) for label in groups]
    status, note = _enough(groups, present, [len(values) for values in found], minimum, value, group)
    return Samples(tuple(groups), tuple(found), n_missing, status, note, n_without_group)


def categories(
    data: pd.DataFrame, value: str, group: str, groups: Sequence[Any], levels: Sequence[Any] | None = None
) -> Categories:
    """How often each of ``levels`` occurs in each of ``groups``.

    Without ``levels``: those that occur, sorted. Raises ValueError for an unknown column and for a
    value that is not among the declared levels (it would be lost silently).
    """
    check_groups(groups)
    require_columns(data, [value, group])
    labels = data[group].to_numpy(dtype=object)
    inside = np.isin(labels, list(groups)) if len(labels) else np.zeros(0, dtype=bool)
    n_without_group = int(pd.isna(labels).sum())
    values = data[value].to_numpy(dtype=object)
    known = ~pd.isna(values)
    if levels is None:
        levels = sorted({item for item in values[inside & known]}, key=lambda item: (str(type(item)), item))
    undeclared = inside & known & ~np.isin(values, list(levels))
    if undeclared.any():
        raise ValueError(
            f"{value}: {int(undeclared.sum())} rows hold a value that is not among the declared levels "
            f"{', '.join(map(str, levels))}: {listed_values(values[undeclared])}; declare it as a level, "
            "or map it to one first"
        )
    counts = np.array(
        [[int(((values == level) & (labels == label)).sum()) for label in groups] for level in levels],
        dtype=np.int64,
    ).reshape(len(levels), len(groups))
    sizes = counts.sum(axis=0)
    present = [bool((labels == label).any()) for label in groups]
    status, note = _enough(groups, present, sizes, 1, value, group)
    n_missing = int((inside & ~known).sum()) + n_without_group
    return Categories(
        tuple(groups), tuple(levels), counts, n_missing, status, note, n_without_group=n_without_group
    )


def counted_level(column: pd.Series, level: Any, name: str) -> frozenset[Any]:
    """The values of a whole column that are ``level`` (`levels.py`); ValueError where it never occurs."""
    declared = column.cat.categories.tolist() if isinstance(column.dtype, pd.CategoricalDtype) else ()
    return counted_values(column.dropna().unique().tolist(), level, name, declared)


def numeric(column: pd.Series, name: str) -> np.ndarray:
    """A column as floats, NaN where missing. Text is an error, and so is infinity, because nobody measures
    it.
    """
    found = as_numbers(column)
    if found is None or is_yes_no(column):
        raise ValueError(
            f"{name}: expected numbers; found {_not_numbers(column)}. For yes or no and for categories use "
            "a test of counts"
        )
    numbers = found.to_numpy(dtype=float, na_value=np.nan)
    infinite = int(np.isinf(numbers).sum())
    if infinite:
        raise ValueError(
            f"{name}: expected finite numbers; found {infinite} infinite. Does a division by zero make them?"
        )
    return numbers


def _not_numbers(column: pd.Series) -> str:
    """The type of a column that holds other things than numbers, and some of these."""
    if is_yes_no(column):
        return "booleans"
    if column.dtype != object:
        return f"{column.dtype} ({named_values(column)})"
    others = column[
        column.map(lambda item: isinstance(item, (str, bool)) or not isinstance(item, Number))
        & column.notna()
    ]
    return f"{len(others)} other value{'s' if len(others) != 1 else ''} ({named_values(others)})"


def check_groups(groups: Sequence[Any]) -> None:
    if isinstance(groups, str) or len(groups) < 2 or len(set(groups)) != len(groups):
        raise ValueError(f"groups: expected at least two different group ids in order; found {groups!r}")


def check_pair(groups: Sequence[Any]) -> None:
    check_groups(groups)
    if len(groups) != 2:
        raise ValueError(f"groups: expected two group ids, first and second; found {len(groups)}: {groups!r}")


def check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number between 0 and 1, as 0.95; found {confidence!r}")


def _enough(
    groups: Sequence[Any], present: Sequence[bool], sizes: Sequence[int], minimum: int, value: str, group: str
) -> tuple[str, str]:
    absent = [str(label) for label, there in zip(groups, present, strict=True) if not there]
    if absent:
        return TOO_FEW_GROUPS, f"no row has {group} {' or '.join(absent)}: nothing to compare with"
    short = [f"{label} has {size}" for label, size in zip(groups, sizes, strict=True) if size < minimum]
    if short:
        need = "an observation" if minimum == 1 else f"{minimum} observations"
        return TOO_FEW_OBSERVATIONS, f"{value} needs {need} in each group: {', '.join(short)}"
    return OK, ""
