"""Two groups or more compared by how often something occurs.

Belongs here: Fisher's exact test, mid-p and chi-square on frames, with odds ratio, risk difference and
Cramér's V. Does not belong here: their arithmetic (``fisher_exact.py``, ``fisher_network.py``,
``pearson.py``, ``proportions.py``), paired data.

With ``level`` the table is two groups by yes and no, the effect is the odds ratio of the first group
against the second and the risk difference is beside it. Without it every level counts, and the effect
is Cramér's V.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analytics.comparison import (
    CONFIDENCE,
    Categories,
    Effect,
    KGroupTest,
    TwoGroupTest,
    categories,
    check_confidence,
    check_pair,
    counted_level,
    with_disagreement,
)
from analytics.door import takes_any_frame
from analytics.groups import fisher_exact, fisher_network, pearson
from analytics.groups.effect_sizes import cramers_v
from analytics.groups.proportions import risk_difference
from analytics.status import NO_VARIANCE, NOT_ESTIMABLE, OK

SMALL_EXPECTED = 5.0  # Cochran 1954: chi-square's distribution is doubtful with expected counts below


@takes_any_frame
def fisher(
    data: pd.DataFrame,
    *,
    value: str,
    group: str,
    groups: Sequence[Any],
    level: Any = None,
    levels: Sequence[Any] | None = None,
    confidence: float = CONFIDENCE,
) -> TwoGroupTest:
    """Fisher's exact test, two-sided by probability: 2 x 2, and exact for any number of levels.

    2 x 2: conditional maximum likelihood odds ratio with exact interval, zero cells included; then the risk
    difference (Newcombe). More levels: every table counted (``fisher_network.py``), never sampled.
    """
    return _compare(
        "fisher", "Fisher's exact test", _fisher_answer, data, value, group, groups, level, levels, confidence
    )


@takes_any_frame
def fisher_mid_p(
    data: pd.DataFrame,
    *,
    value: str,
    group: str,
    groups: Sequence[Any],
    level: Any = None,
    levels: Sequence[Any] | None = None,
    confidence: float = CONFIDENCE,
) -> TwoGroupTest:
    """Fisher's test with half the chance of the observed table: less conservative; mid-p interval of the odds
    ratio."""
    return _compare(
        "fisher_mid_p",
        "Fisher's mid-p test",
        _mid_p_answer,
        data,
        value,
        group,
        groups,
        level,
        levels,
        confidence,
    )


@takes_any_frame
def chi_square(
    data: pd.DataFrame,
    *,
    value: str,
    group: str,
    groups: Sequence[Any],
    level: Any = None,
    levels: Sequence[Any] | None = None,
    confidence: float = CONFIDENCE,
) -> TwoGroupTest:
    """Pearson's chi-square without correction. A note tells of expected counts below 5."""
    return _compare(
        "chi_square",
        "chi-square test",
        _chi_square_answer,
        data,
        value,
        group,
        groups,
        level,
        levels,
        confidence,
    )


@takes_any_frame
def chi_square_yates(
    data: pd.DataFrame,
    *,
    value: str,
    group: str,
    groups: Sequence[Any],
    level: Any = None,
    levels: Sequence[Any] | None = None,
    confidence: float = CONFIDENCE,
) -> TwoGroupTest:
    """Chi-square of a 2 x 2 table with Yates's continuity correction."""
    return _compare(
        "chi_square_yates",
        "chi-square test, Yates's correction",
        _yates_answer,
        data,
        value,
        group,
        groups,
        level,
        levels,
        confidence,
    )


@takes_any_frame
def fisher_k(
    data: pd.DataFrame,
    *,
    value: str,
    group: str,
    groups: Sequence[Any],
    levels: Sequence[Any] | None = None,
    confidence: float = CONFIDENCE,
) -> KGroupTest:
    """Fisher, Freeman & Halton's exact test over two groups or more. Effect: Cramér's V."""
    return _compare_k(
        "fisher_k",
        "Fisher-Freeman-Halton exact test",
        _fisher_answer,
        data,
        value,
        group,
        groups,
        levels,
        confidence,
    )


@takes_any_frame
def chi_square_k(
    data: pd.DataFrame,
    *,
    value: str,
    group: str,
    groups: Sequence[Any],
    levels: Sequence[Any] | None = None,
    confidence: float = CONFIDENCE,
) -> KGroupTest:
    """Pearson's chi-square over two groups or more. Effect: Cramér's V."""
    return _compare_k(
        "chi_square_k", "chi-square test", _chi_square_answer, data, value, group, groups, levels, confidence
    )


def _compare(
    name: str,
    method: str,
    answer: Callable[..., dict[str, Any]],
    data: pd.DataFrame,
    value: str,
    group: str,
    groups: Sequence[Any],
    level: Any,
    levels: Sequence[Any] | None,
    confidence: float,
) -> TwoGroupTest:
    check_confidence(confidence)
    check_pair(groups)
    counted = (
        _yes_no(data, value, group, groups, level)
        if level is not None
        else categories(data, value, group, groups, levels)
    )
    sizes = counted.counts.sum(axis=0)
    empty = TwoGroupTest(
        name,
        method,
        str(groups[0]),
        str(groups[1]),
        int(sizes[0]),
        int(sizes[1]),
        counted.n_missing,
        confidence=confidence,
    )
    table = counted.counts.T  # rows: groups; columns: levels
    status, note = _what_is_wrong(counted, table, value)
    if status != OK:
        return replace(empty, status=status, note=note, **_risks(table, confidence, level, status))
    effects = _effects(table, confidence, mid=name == "fisher_mid_p")
    return with_disagreement(
        replace(
            empty,
            effect=effects[0].estimate,
            effect_kind=effects[0].kind,
            ci_low=effects[0].ci_low,
            ci_high=effects[0].ci_high,
            more_effects=tuple(effects[1:]),
            **answer(table),
        )
    )


def _compare_k(
    name: str,
    method: str,
    answer: Callable[..., dict[str, Any]],
    data: pd.DataFrame,
    value: str,
    group: str,
    groups: Sequence[Any],
    levels: Sequence[Any] | None,
    confidence: float,
) -> KGroupTest:
    check_confidence(confidence)
    counted = categories(data, value, group, groups, levels)
    empty = KGroupTest(
        name,
        method,
        tuple(map(str, groups)),
        tuple(map(int, counted.counts.sum(axis=0))),
        counted.n_missing,
        confidence=confidence,
    )
    table = counted.counts.T
    status, note = _what_is_wrong(counted, table, value)
    if status != OK:
        return replace(empty, status=status, note=note)
    effect = _association(table, confidence)
    return replace(
        empty,
        effect=effect.estimate,
        effect_kind=effect.kind,
        ci_low=effect.ci_low,
        ci_high=effect.ci_high,
        **answer(table),
    )


def _yes_no(data: pd.DataFrame, value: str, group: str, groups: Sequence[Any], level: Any) -> Categories:
    """Counts of ``level`` and of everything else. Raises ValueError where the level never occurs in the
    column.
    """
    counted = categories(data, value, group, groups)
    chosen = counted_level(data[value], level, value)
    yes = np.array([item in chosen for item in counted.levels], dtype=bool)
    table = np.stack([counted.counts[yes].sum(axis=0), counted.counts[~yes].sum(axis=0)])
    return replace(counted, levels=(level, f"not {level}"), counts=table)


def _what_is_wrong(counted: Categories, table: np.ndarray, value: str) -> tuple[str, str]:
    if counted.status != OK:
        return counted.status, counted.note
    if (table.sum(axis=0) > 0).sum() < 2:
        only = counted.levels[int(np.argmax(table.sum(axis=0)))]
        return NO_VARIANCE, f"everybody has the same {value} ({only}): there is nothing to compare"
    return OK, ""


def _risks(table: np.ndarray, confidence: float, level: Any, status: str) -> dict[str, Any]:
    """The risk difference, which is known even where all patients agree and the odds ratio is not."""
    if status != NO_VARIANCE or level is None:
        return {}
    return {"more_effects": (_risk_difference(table, confidence),)}


def _effects(table: np.ndarray, confidence: float, mid: bool) -> list[Effect]:
    if table.shape != (2, 2):
        return [_association(table, confidence)]
    return [
        fisher_exact.odds_ratio(table, confidence, mid),
        _risk_difference(table, confidence),
        _association(table, confidence),
    ]


def _risk_difference(table: np.ndarray, confidence: float) -> Effect:
    (a, b), (c, d) = table.tolist()
    return risk_difference(a, a + b, c, c + d, confidence)


def _association(table: np.ndarray, confidence: float) -> Effect:
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    statistic, _, _ = pearson.pearson(table)
    n_rows, n_columns = table.shape
    return cramers_v(statistic, int(table.sum()), n_rows, n_columns, confidence)


def _fisher_answer(table: np.ndarray) -> dict[str, Any]:
    if table.shape == (2, 2):
        return {"p_value": fisher_exact.two_sided_p(table)}
    try:
        return {"p_value": fisher_network.exact_p(table)}
    except fisher_network.TooLarge as error:
        note = (
            f"this {table.shape[0]} x {table.shape[1]} table of {int(table.sum())} observations is too large "
            f"to count exactly ({error}); use chi_square"
        )
        return {"status": NOT_ESTIMABLE, "note": note}


def _mid_p_answer(table: np.ndarray) -> dict[str, Any]:
    _need_two_by_two(table, "fisher_mid_p")
    return {"p_value": fisher_exact.mid_p(table)}


def _chi_square_answer(table: np.ndarray) -> dict[str, Any]:
    return _chi_square_fields(table, yates=False)


def _yates_answer(table: np.ndarray) -> dict[str, Any]:
    _need_two_by_two(table, "chi_square_yates")
    return _chi_square_fields(table, yates=True)


def _chi_square_fields(table: np.ndarray, yates: bool) -> dict[str, Any]:
    table = table[:, table.sum(axis=0) > 0]
    statistic, df, p_value = pearson.pearson(table, yates)
    expected = pearson.expected_counts(table)
    small = int((expected < SMALL_EXPECTED).sum())
    note = (
        f"{small} of {expected.size} expected counts are below 5; use fisher, which is exact" if small else ""
    )
    return {"statistic": statistic, "df": float(df), "p_value": p_value, "note": note}


def _need_two_by_two(table: np.ndarray, name: str) -> None:
    if table.shape != (2, 2):
        raise ValueError(
            f"level: {name} is for a 2 x 2 table; found {table.shape[1]} levels. Name the one that counts"
        )
