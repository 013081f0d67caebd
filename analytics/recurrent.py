"""Recurrent events: Andersen-Gill and Prentice-Williams-Peterson models, with errors robust by patient.

Belongs here: putting a patient's intervals in order for each model.
Does not belong here: the fit (analytics.cox), a random effect per patient (analytics.frailty).

Data have one row per patient and interval (start, stop], with 1 where the interval ends in an event. A
patient's intervals follow each other; covariates may change from one to the next.

| model          | at risk of the k-th event           | clock                | a ratio compares       |
|----------------|-------------------------------------|----------------------|------------------------|
| Andersen-Gill  | everyone under observation          | since entry          | rates of any event     |
| PWP total time | who has had k-1; a stratum for each | since entry          | rates of the next one  |
| PWP gap time   | who has had k-1; a stratum for each | since the last event | rates of the next one  |

Andersen and Gill 1982; Prentice, Williams and Peterson 1981; robust variance Lin and Wei 1989.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analytics.cox import CoxFit
from analytics.cox.data import prepare
from analytics.cox.fit import fit_prepared
from analytics.cox.terms import Factors, columns_of
from analytics.door import takes_any_frame
from analytics.status import require_choice, require_columns
from analytics.survival.outcome import FloatArray, confidence_quantile, event_column, numeric_column

ORDER, ENTRY, TIME = "\0order", "\0entry", "\0time"
CLOCKS = ("total", "gap")


@takes_any_frame
def andersen_gill(
    data: pd.DataFrame,
    start: str,
    stop: str,
    event: str,
    patient: str,
    terms: Sequence[str],
    factors: Factors | None = None,
    strata: str | Sequence[str] | None = None,
    ties: str = "efron",
    confidence: float = 0.95,
) -> CoxFit:
    """Ratios of the rate of events, whatever their number before; arguments as for ``cox``.

    ValueError: intervals of a patient that overlap, and what ``cox`` refuses.
    """
    confidence_quantile(confidence)
    event_numbers(data, start, stop, event, patient)
    rows = prepare(data, stop, event, terms, factors, start, strata, patient, ties)
    return fit_prepared(rows, confidence, method="Andersen-Gill")


@takes_any_frame
def prentice_williams_peterson(
    data: pd.DataFrame,
    start: str,
    stop: str,
    event: str,
    patient: str,
    terms: Sequence[str],
    factors: Factors | None = None,
    clock: str = "total",
    max_events: int | None = None,
    ties: str = "efron",
    confidence: float = 0.95,
) -> CoxFit:
    """Ratios of the rate of the next event, given the number before; one stratum per number.

    ``clock`` "total" runs since entry, "gap" since the last event. ``max_events`` leaves out the time at risk
    of later events, whose strata hold too few patients. ValueError as for ``andersen_gill``.
    """
    confidence_quantile(confidence)
    require_choice(clock, CLOCKS, "clock")
    if max_events is not None and max_events < 1:
        raise ValueError(f"max_events: expected 1 or more; found {max_events}")
    ordered = event_numbers(data, start, stop, event, patient)
    frame = data[list(dict.fromkeys([start, stop, event, patient, *columns_of(terms)]))].assign(
        **{ORDER: ordered["number"], ENTRY: data[start], TIME: data[stop]}
    )
    if clock == "gap":
        frame[ENTRY] -= ordered["last_event"]
        frame[TIME] -= ordered["last_event"]
    if max_events is not None:
        frame = frame[~(frame[ORDER] > max_events)]
    rows = prepare(frame, TIME, event, terms, factors, ENTRY, ORDER, patient, ties)
    return fit_prepared(rows, confidence, method=f"Prentice-Williams-Peterson, {clock} time")


def event_numbers(data: pd.DataFrame, start: str, stop: str, event: str, patient: str) -> pd.DataFrame:
    """By row of ``data``: ``number`` of the event it is at risk of (1, 2, …) and time of the ``last_event``.

    Before the first event ``last_event`` is the patient's first start. Incomplete rows get NaN.
    """
    require_columns(data, [start, stop, event, patient])
    complete = data[[start, stop, event, patient]].notna().all(axis=1).to_numpy()
    rows = data[complete]
    begins, ends = numeric_column(rows, start, "start"), numeric_column(rows, stop, "stop")
    happened = event_column(rows, event, "event")
    order = np.lexsort((ends, begins, rows[patient].astype("category").cat.codes))
    frame = pd.DataFrame(
        {
            "patient": rows[patient].to_numpy()[order],
            "start": begins[order],
            "stop": ends[order],
            "event": happened[order],
        }
    )
    by_patient = frame.groupby("patient", sort=False, observed=True)
    _refuse_overlaps(frame, by_patient["stop"].shift(), patient)
    before = by_patient["event"].cumsum() - frame["event"]
    at_event = frame["stop"].where(frame["event"]).groupby(frame["patient"], sort=False).ffill()
    last = at_event.groupby(frame["patient"], sort=False).shift()
    last = last.fillna(by_patient["start"].transform("first"))
    numbers: FloatArray = np.full((len(data), 2), np.nan)
    numbers[np.flatnonzero(complete)[order]] = np.column_stack([before + 1, last])
    return pd.DataFrame(numbers, columns=["number", "last_event"], index=data.index)


def _refuse_overlaps(frame: pd.DataFrame, previous_stop: pd.Series, patient: str) -> None:
    overlapping = (frame["start"] < previous_stop - 1e-9 * previous_stop.abs()).sum()
    if overlapping:
        raise ValueError(
            f'start: expected the intervals of a "{patient}" to follow each other; '
            f"found {int(overlapping)} that begin before the one before has ended"
        )
