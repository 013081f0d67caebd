"""Times to an event, as every analysis of them reads them.

Belongs here: turning columns of a frame into checked arrays (time, event, entry, labels), what counts as
missing, which times are the same time.
Does not belong here: any estimate.

A subject is at risk at time t when ``entry < t <= time``: a subject who enters at t is not yet at risk at t;
a subject who leaves at t still is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics.door import as_numbers, named_values
from analytics.status import require_columns

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Times that differ only by rounding are one time: sqrt(machine epsilon), as survival::aeqSurv.
SAME_TIME = float(np.sqrt(np.finfo(float).eps))


@dataclass(frozen=True)
class Outcome:
    """Times and events of the complete rows. ``rows`` are their positions in the frame that was given."""

    time: FloatArray
    event: BoolArray
    entry: FloatArray | None
    rows: IntArray
    n_missing: int

    @property
    def n(self) -> int:
        return len(self.time)

    @property
    def n_events(self) -> int:
        return int(self.event.sum())


def read_outcome(
    data: pd.DataFrame, time: str, event: str, entry: str | None = None, complete: Iterable[str] = ()
) -> Outcome:
    """Read ``time`` (any unit), ``event`` (0/1 or false/true) and ``entry`` (same unit) of ``data``.

    Rows with a missing value in these or in the columns ``complete`` are left out and counted.
    ValueError: an unknown column, a column that is not numeric, an infinite time, an event that is neither
    0 nor 1, a negative time, an entry that is not before its time.
    """
    needed = [time, event, *([entry] if entry else []), *complete]
    require_columns(data, needed)
    used = data[list(dict.fromkeys(needed))]
    rows = np.flatnonzero(used.notna().all(axis=1).to_numpy())
    kept = used if len(rows) == len(data) else used.iloc[rows]
    times = numeric_column(kept, time, "time")
    events = event_column(kept, event, "event")
    entries = numeric_column(kept, entry, "entry") if entry else None
    _refuse_impossible_times(times, entries, time, entry)
    times, entries = align_times(times, entries)
    return Outcome(times, events, entries, rows, int(len(data) - len(rows)))


def numeric_column(data: pd.DataFrame, column: str, argument: str) -> FloatArray:
    """``column`` as floats; text, dates and infinite values are refused."""
    series = as_numbers(data[column])
    if series is None:
        found = named_values(data[column])
        raise ValueError(f'{argument}: expected numbers in "{column}"; found {found}')
    values = series.to_numpy(dtype=float)
    if np.isinf(values).any():
        raise ValueError(
            f'{argument}: expected finite numbers in "{column}"; found {int(np.isinf(values).sum())} infinite'
        )
    return values


def event_column(data: pd.DataFrame, column: str, argument: str) -> BoolArray:
    """``column`` as booleans; anything but 0 and 1 is refused."""
    values = numeric_column(data, column, argument)
    others = ~np.isin(values, (0.0, 1.0))
    if others.any():
        raise ValueError(
            f'{argument}: expected 0 (censored) or 1 (event) in "{column}"; '
            f"found other values in {int(others.sum())} rows"
        )
    return values == 1.0


def group_codes(
    data: pd.DataFrame, column: str, levels: Sequence[object] | None, argument: str = "group"
) -> tuple[IntArray, list[object]]:
    """Codes 0.. of ``column`` in the order of ``levels``; without levels in the order of their values.

    A value outside ``levels`` gets -1: its row takes no part. ValueError when a level is named twice.
    """
    if levels is None:
        levels = sorted(data[column].dropna().unique().tolist(), key=lambda value: (str(type(value)), value))
    levels = list(levels)
    if len(set(levels)) != len(levels):
        raise ValueError(f"{argument}: expected each level once; found {levels}")
    codes = pd.Categorical(data[column], categories=levels).codes.astype(np.int64)
    return codes, levels


def stratum_codes(data: pd.DataFrame, columns: str | Sequence[str] | None) -> tuple[IntArray, list[str]]:
    """Codes 0.. and labels ("a=1, b=2") of the strata that the columns form together, in sorted order."""
    if columns is None:
        return np.zeros(len(data), dtype=np.int64), [""]
    columns = [columns] if isinstance(columns, str) else list(columns)
    if len(columns) == 1:  # the common case, and much the faster
        codes, levels = group_codes(data, columns[0], None, "strata")
        return codes, [f"{columns[0]}={level}" for level in levels]
    keys = data.groupby(columns, sort=True, observed=True)
    labels = [", ".join(f"{c}={v}" for c, v in zip(columns, values)) for values in keys.groups]
    return keys.ngroup().to_numpy(dtype=np.int64), labels


def align_times(time: FloatArray, entry: FloatArray | None) -> tuple[FloatArray, FloatArray | None]:
    """Give times that differ by less than SAME_TIME (absolutely, or relative to their mean) one value.

    0.1 + 0.2 and 0.3 are the same day of follow-up. If they counted as two days, a tie would be lost.
    """
    both = time if entry is None else np.concatenate([entry, time])
    values, where = np.unique(both, return_inverse=True)
    if len(values) < 2:
        return time, entry
    gaps = np.diff(values)
    tied = (gaps <= SAME_TIME) | (gaps / np.mean(np.abs(values)) <= SAME_TIME)
    if not tied.any():
        return time, entry
    first = np.concatenate([[True], ~tied])
    aligned = values[first][np.cumsum(first) - 1][where]
    return (aligned, None) if entry is None else (aligned[len(entry) :], aligned[: len(entry)])


def confidence_quantile(confidence: float) -> float:
    """The normal quantile of a two-sided interval. ValueError unless 0 < confidence < 1."""
    from scipy.special import ndtri

    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number between 0 and 1; found {confidence}")
    return float(ndtri(0.5 + confidence / 2))


def _refuse_impossible_times(
    time: FloatArray, entry: FloatArray | None, time_column: str, entry_column: str | None
) -> None:
    if (time < 0).any():
        raise ValueError(
            f'time: expected times of 0 or more in "{time_column}"; found {int((time < 0).sum())} negative'
        )
    if entry is not None and (entry >= time).any():
        raise ValueError(
            f'entry: expected "{entry_column}" before "{time_column}" in every row; '
            f"found {int((entry >= time).sum())} rows where it is not"
        )
