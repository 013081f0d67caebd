"""The vocabulary of outcomes that every estimate carries, and the checks that arguments share.

Belongs here: status words, and functions that refuse a wrong argument with one sentence.
Does not belong here: any statistics.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import pandas as pd

OK = "ok"
SINGULAR = "singular"  # a variance or correlation sits on its boundary
NOT_CONVERGED = "not_converged"
NOT_ESTIMABLE = "not_estimable"  # the data cannot answer: rank, aliasing, no observations
NO_VARIANCE = "no_variance"
TOO_FEW_GROUPS = "too_few_groups"
TOO_FEW_OBSERVATIONS = "too_few_observations"
TOO_FEW_EVENTS = "too_few_events"  # estimable, yet fewer than 5 events per parameter
NO_EVENTS = "no_events"
MONOTONE_LIKELIHOOD = "monotone_likelihood"  # separation: a coefficient runs to infinity

STATUSES = frozenset(
    {
        OK,
        SINGULAR,
        NOT_CONVERGED,
        NOT_ESTIMABLE,
        NO_VARIANCE,
        TOO_FEW_GROUPS,
        TOO_FEW_OBSERVATIONS,
        TOO_FEW_EVENTS,
        NO_EVENTS,
        MONOTONE_LIKELIHOOD,
    }
)


def require_columns(frame: pd.DataFrame, columns: Iterable[str], argument: str = "data") -> None:
    """Raise ValueError naming the argument, the missing columns, those there are and the nearest name."""
    columns = list(columns)
    have = [str(c) for c in frame.columns]
    missing = [c for c in columns if c not in frame.columns]
    if not missing:
        _refuse_columns_alike(frame, columns, argument)
        return
    faults = []
    for column in missing:
        near = difflib.get_close_matches(column, have, n=1)
        faults.append(f'"{column}"' + (f' (did you mean "{near[0]}"?)' if near else ""))
    raise ValueError(f"{argument}: no column {', '.join(faults)}. Its columns: {', '.join(have)}")


def _refuse_columns_alike(frame: pd.DataFrame, columns: Iterable[str], argument: str) -> None:
    """Raise ValueError where a name that is asked for leads to two columns."""
    if frame.columns.is_unique:
        return
    alike = set(frame.columns[frame.columns.duplicated()])
    twice = [f'"{c}"' for c in dict.fromkeys(columns) if c in alike]
    if twice:
        raise ValueError(
            f"{argument}: {', '.join(twice)} is the name of two columns, so which is meant cannot be told; "
            "rename one or leave it out"
        )


def require_choice(value: str, choices: Sequence[str], argument: str) -> None:
    """Raise ValueError when ``value`` is not one of ``choices``, naming the nearest."""
    if value in choices:
        return
    near = difflib.get_close_matches(str(value), choices, n=1)
    hint = f' Did you mean "{near[0]}"?' if near else ""
    raise ValueError(f'{argument}: expected one of {", ".join(choices)}; found "{value}".{hint}')
