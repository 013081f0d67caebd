"""Who is at risk at each event time, laid out so that every sum over risk sets is a few array operations.

Belongs here: the layout of risk sets and sums over them.
Does not belong here: any likelihood or test.

An event time within its stratum is a *block*. A row is at risk in the consecutive blocks
``first <= block < last`` of its stratum, namely those with entry < time of block <= time of row. Hence

- a sum over everyone at risk in a block is a difference of two sums accumulated from the last block
  backwards (``sum_at_risk``);
- a sum over the blocks in which a row is at risk is a difference of two sums accumulated forwards
  (``sum_over_blocks``).

Both cost time proportional to rows plus blocks, whatever the number at risk. Accumulating from the last time
backwards adds small risk sets before large ones. Where a difference must be taken (late entry, more than
one stratum) the sum is kept in extended precision, so that a risk set of a few among many keeps its digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytics.survival.outcome import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class RiskSets:
    """By block: ``time``, ``stratum``, ``events`` and ``stratum_end``, the first block of the next stratum.

    By row: ``row_start``, the first block of its stratum; ``first`` and ``last``, the blocks in which it is
    at risk; ``event_block``, the block of its event or -1.
    """

    time: FloatArray
    stratum: IntArray
    events: FloatArray
    stratum_end: IntArray
    row_start: IntArray
    first: IntArray
    last: IntArray
    event_block: IntArray
    late_entry: bool

    @property
    def n_blocks(self) -> int:
        return len(self.time)

    @property
    def event_rows(self) -> IntArray:
        """Rows with an event, ordered by block."""
        rows = np.flatnonzero(self.event_block >= 0)
        return rows[np.argsort(self.event_block[rows], kind="stable")]

    def sum_at_risk(self, values: FloatArray) -> FloatArray:
        """For each block the sum of ``values`` (by row, one or two dimensions) over who is at risk in it."""
        leaving = self._suffix_sums(self.last, values)
        if not self.late_entry:
            return leaving.astype(float, copy=False)
        waiting = self._suffix_sums(self.first, values)
        return (leaving - waiting).astype(float)

    def sum_events(self, values: FloatArray) -> FloatArray:
        """For each block the sum of ``values`` over the rows with an event in it."""
        rows = np.flatnonzero(self.event_block >= 0)
        return _totals(self.event_block[rows], values[rows], self.n_blocks)

    def sum_over_blocks(self, values: FloatArray) -> FloatArray:
        """For each row the sum of ``values`` (by block) over the blocks in which it is at risk."""
        exact = np.longdouble if self.late_entry or len(np.unique(self.stratum)) > 1 else float
        start = np.zeros((1, *values.shape[1:]), dtype=exact)
        running = np.concatenate([start, np.cumsum(values, axis=0, dtype=exact)])
        return (running[self.last] - running[self.first]).astype(float, copy=False)

    def _suffix_sums(self, end: IntArray, values: FloatArray) -> FloatArray:
        """Sum by block of the values of rows whose ``end`` lies beyond it, within the stratum."""
        rows = np.flatnonzero(end > self.row_start)
        if len(rows) == len(end):
            totals = _totals(end - 1, values, self.n_blocks)
        else:
            totals = _totals(end[rows] - 1, values[rows], self.n_blocks)
        single = self.n_blocks == 0 or self.stratum[0] == self.stratum[-1]
        exact = float if single and not self.late_entry else np.longdouble
        sums = np.cumsum(totals[::-1], axis=0, dtype=exact)[::-1]
        if single:
            return sums
        beyond = np.concatenate([sums, np.zeros((1, *sums.shape[1:]), dtype=exact)])
        return sums - beyond[self.stratum_end]


def risk_sets(
    time: FloatArray, event: BoolArray, entry: FloatArray | None = None, stratum: IntArray | None = None
) -> RiskSets:
    """Lay out the risk sets of rows with these times; ``stratum`` holds codes 0, 1, …"""
    if stratum is None or not stratum.any():
        return _one_stratum(time, event, entry)
    both = time if entry is None else np.concatenate([entry, time])
    values, ranks = np.unique(both, return_inverse=True)
    width = len(values) + 1
    time_rank = ranks if entry is None else ranks[len(entry) :]
    base = stratum * width
    keys, events = np.unique((base + time_rank)[event], return_counts=True)
    block_stratum = keys // width
    last = np.searchsorted(keys, base + time_rank, side="right")
    start = np.searchsorted(keys, base, side="left")
    first = start if entry is None else np.searchsorted(keys, base + ranks[: len(entry)], side="right")
    return RiskSets(
        time=values[keys % width],
        stratum=block_stratum,
        events=events.astype(float),
        stratum_end=np.searchsorted(block_stratum, block_stratum, side="right"),
        row_start=start,
        first=first,
        last=np.maximum(last, first),
        event_block=np.where(event, last - 1, -1),
        late_entry=bool((first > start).any()),
    )


def _one_stratum(time: FloatArray, event: BoolArray, entry: FloatArray | None) -> RiskSets:
    times, events = np.unique(time[event], return_counts=True)
    last = np.searchsorted(times, time, side="right")
    start = np.zeros(len(time), dtype=np.int64)
    first = start if entry is None else np.searchsorted(times, entry, side="right")
    blocks = len(times)
    return RiskSets(
        time=times,
        stratum=np.zeros(blocks, dtype=np.int64),
        events=events.astype(float),
        stratum_end=np.full(blocks, blocks, dtype=np.int64),
        row_start=start,
        first=first,
        last=np.maximum(last, first),
        event_block=np.where(event, last - 1, -1),
        late_entry=bool((first > start).any()),
    )


def _totals(index: IntArray, values: FloatArray, length: int) -> FloatArray:
    """Sums of ``values`` that share an ``index``."""
    if values.ndim == 1:
        return np.asarray(np.bincount(index, weights=values, minlength=length), dtype=float)
    columns = [np.bincount(index, weights=column, minlength=length) for column in values.T]
    return np.stack(columns, axis=1) if columns else np.zeros((length, 0))
