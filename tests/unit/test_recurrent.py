"""Recurrent events: intervals in order, and three models against survival::coxph."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analytics.recurrent import andersen_gill, event_numbers, prentice_williams_peterson

RELAPSES = pd.DataFrame(
    {
        "patient": [1, 1, 2, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8, 8],
        "start": [0, 3, 0, 2, 6, 0, 0, 5, 0, 0, 4, 0, 0, 7],
        "stop": [3, 9, 2, 6, 8, 5, 5, 7, 10, 4, 11, 6, 7, 12],
        "event": [1, 0, 1, 1, 0, 0, 1, 1, 0, 1, 1, 1, 1, 0],
        "x": [1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0],
    }
)
ARGUMENTS = {"start": "start", "stop": "stop", "event": "event", "patient": "patient", "terms": ["x"]}


@pytest.mark.parametrize(
    ("fit", "coefficient", "robust_error"),
    [
        (andersen_gill(RELAPSES, **ARGUMENTS), 0.48166512428167, 0.45849359639672),
        (prentice_williams_peterson(RELAPSES, **ARGUMENTS), 2.08616946556889, 1.07477101086357),
        (prentice_williams_peterson(RELAPSES, **ARGUMENTS, clock="gap"), 1.95227324949948, 1.15661771625691),
    ],
    ids=["andersen_gill", "total_time", "gap_time"],
)
def test_models_agree_with_survival(fit, coefficient, robust_error):
    assert fit.coefficients[0] == pytest.approx(coefficient, rel=1e-9)
    assert fit.std_error[0] == pytest.approx(robust_error, rel=1e-9)


def test_rows_know_the_number_of_the_event_they_are_at_risk_of_and_when_the_last_one_was():
    shuffled = RELAPSES.sample(frac=1, random_state=1)

    found = event_numbers(shuffled, "start", "stop", "event", "patient").loc[RELAPSES.index]

    assert found["number"].tolist() == [1, 2, 1, 2, 3, 1, 1, 2, 1, 1, 2, 1, 1, 2]
    assert found["last_event"].tolist() == [0, 3, 0, 2, 6, 0, 0, 5, 0, 0, 4, 0, 0, 7]


def test_an_interval_split_without_an_event_keeps_its_number_and_its_clock():
    split = pd.DataFrame({"patient": [1, 1, 1], "start": [0, 2, 5], "stop": [2, 5, 9], "event": [0, 1, 1]})

    found = event_numbers(split, "start", "stop", "event", "patient")

    assert found.values.tolist() == [[1, 0], [1, 0], [2, 5]]


def test_later_events_can_be_left_out():
    fit = prentice_williams_peterson(RELAPSES, **ARGUMENTS, max_events=2)

    assert fit.n == 13  # patient 2's third row is at risk of a third event
    assert fit.method.startswith("Prentice-Williams-Peterson, total time")


def test_incomplete_rows_are_counted():
    data = RELAPSES.astype({"x": float}).assign(x=lambda d: d["x"].where(d.index != 5))

    assert andersen_gill(data, **ARGUMENTS).n_missing == 1


def test_overlapping_intervals_of_a_patient_are_refused():
    data = pd.concat([RELAPSES, RELAPSES[:1]])

    with pytest.raises(ValueError, match='intervals of a "patient" to follow each other; found 1'):
        andersen_gill(data, **ARGUMENTS)


def test_gap_time_of_the_first_event_starts_at_the_patients_own_first_start():
    late = RELAPSES.assign(start=RELAPSES["start"] + 100, stop=RELAPSES["stop"] + 100)

    fits = [prentice_williams_peterson(d, **ARGUMENTS, clock="gap") for d in (RELAPSES, late)]

    assert np.allclose(fits[0].coefficients, fits[1].coefficients, rtol=1e-10)
