"""Times and causes, as every analysis of competing risks reads them.

Belongs here: reading a column of cause codes.
Does not belong here: any estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analytics.status import require_columns
from analytics.survival.outcome import BoolArray, FloatArray, IntArray, Outcome, read_outcome


@dataclass(frozen=True)
class Causes:
    """Complete rows: ``outcome`` of any event, ``cause`` code 0.. of each row's event (-1: censored)."""

    outcome: Outcome
    cause: IntArray
    labels: list[object]

    def of(self, chosen: BoolArray) -> Causes:
        o = self.outcome
        entry = None if o.entry is None else o.entry[chosen]
        kept = Outcome(o.time[chosen], o.event[chosen], entry, o.rows[chosen], o.n_missing)
        return Causes(kept, self.cause[chosen], self.labels)

    def position(self, cause: object) -> int:
        """The code of a cause. ValueError when no event has it."""
        if cause not in self.labels:
            raise ValueError(f"cause: expected one of {self.labels}; found {cause!r}")
        return self.labels.index(cause)


def read_causes(
    data: pd.DataFrame,
    time: str,
    event: str,
    censored: object = 0,
    causes: Sequence[object] | None = None,
    entry: str | None = None,
    complete: Sequence[str] = (),
) -> Causes:
    """Read ``event``, a column with ``censored`` or the cause of the event; ``causes`` in their order.

    Without ``causes`` they are the sorted codes found. ValueError: a code that is neither.
    """
    require_columns(data, [time, event])
    codes = data[event]
    found = sorted(
        (c for c in codes.dropna().unique().tolist() if c != censored), key=lambda c: (str(type(c)), c)
    )
    labels = found if causes is None else list(causes)
    unknown = [c for c in found if c not in labels]
    if unknown:
        raise ValueError(
            f'causes: expected {censored!r} (censored) or one of {labels} in "{event}"; found {unknown}'
        )
    happened = np.where(codes.isna(), np.nan, (codes != censored).astype(float))
    outcome = read_outcome(data.assign(**{"\0happened": happened}), time, "\0happened", entry, list(complete))
    position = pd.Categorical(codes.iloc[outcome.rows], categories=labels).codes.astype(np.int64)
    return Causes(outcome, position, labels)


def tabulate(causes: Causes) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Distinct times; number at risk (T,); events by cause (T, causes)."""
    outcome = causes.outcome
    times, where = np.unique(outcome.time, return_inverse=True)
    at_risk = outcome.n - np.searchsorted(np.sort(outcome.time), times)
    if outcome.entry is not None:
        entries = np.sort(outcome.entry)
        at_risk = at_risk - (outcome.n - np.searchsorted(entries, times))
    events = np.zeros((len(times), len(causes.labels)))
    happened = causes.cause >= 0
    np.add.at(events, (where[happened], causes.cause[happened]), 1.0)
    return times, at_risk.astype(float), events
