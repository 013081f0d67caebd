"""Times and causes, as every analysis of competing risks reads them.

Belongs here: reading a column of cause codes.
Does not belong here: any estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analytics.levels import listed_values
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

    Without ``causes``, the causes are the sorted codes found. ValueError: a code that is neither ``censored``
    nor a cause; or ``censored`` never occurs, and the codes are text while ``censored`` is not, or one of the
    codes says that it means censored.
    """
    require_columns(data, [time, event])
    codes = data[event]
    found = sorted(
        (c for c in codes.dropna().unique().tolist() if c != censored), key=lambda c: (str(type(c)), c)
    )
    if causes is None and found and not (codes == censored).any():
        _refuse_unnamed_censoring(found, censored, event)
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


CENSOR_WORDS = (
    "0",
    "censored",
    "censor",
    "cens",
    "none",
    "no event",
    "alive",
    "event-free",
    "lost",
    "lost to follow-up",
)


def _refuse_unnamed_censoring(found: Sequence[object], censored: object, event: str) -> None:
    """Text codes beside a ``censored`` that is no text, or a code that says "censored": one of them would
    count as a cause.
    """
    texts = [c for c in found if isinstance(c, str)]
    named = [c for c in texts if c.strip().casefold() in CENSOR_WORDS]
    if named or (texts and not isinstance(censored, str)):
        likely = named[0] if named else texts[0]
        raise ValueError(
            f'censored: {censored!r} never occurs in "{event}", whose values are {listed_values(found)}; '
            f'name the one that means censored, as censored="{likely}", or list all causes'
        )


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
