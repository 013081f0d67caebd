"""What of a release shows a relapse: the values and signs of its day, and the last before."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd

from analytics.paper.statement_evidence import _relapses
from analytics.study.frames import records

PATIENT = {"hospital_id": "h", "patient_key": "1"}


def cohort(events: list[tuple], observations: list[tuple]) -> SimpleNamespace:
    """One member; events as (event, day, status), observations as (concept, day, value)."""
    members = pd.DataFrame([PATIENT | {"patient": "h|1", "group_id": "a"}])
    fct_event = pd.DataFrame([PATIENT | {"event_id": e, "time_days": d, "status": s} for e, d, s in events])
    fct_observation = pd.DataFrame(
        [
            PATIENT | {"concept_id": c, "time_days": d, "value_canonical": v, "observation_key": f"{c}{d}"}
            for c, d, v in observations
        ]
    )
    study = SimpleNamespace(endpoints={"relapse": SimpleNamespace(events=["relapse"])})
    return SimpleNamespace(
        study=study, members=members, frames={"fct_event": fct_event, "fct_observation": fct_observation}
    )


def test_a_relapse_shows_in_the_nearest_values_and_is_compared_with_the_last_before() -> None:
    found = _relapses(
        cohort(
            [
                ("relapse", 300.0, "present"),
                ("relapse", 100.0, "present"),
                ("heliotrope_rash", 101.0, "present"),
            ],
            [
                ("ck", 0.0, 5000.0),
                ("ck", 90.0, 150.0),
                ("ck", 99.0, 900.0),
                ("ck", 110.0, 400.0),
                ("ck", 300.0, 7000.0),
                ("cmas", 0.0, 30.0),
                ("cmas", 131.0, 20.0),
            ],
        ),
        "relapse",
    )
    assert records(found) == [
        {
            "group_id": "a",
            "patient": "h|1",
            "ck": 900.0,
            "ck_before": 150.0,
            "cmas": None,
            "cmas_before": 30.0,
            "has_rash": True,
        }
    ]


def test_a_sign_that_was_not_there_or_long_ago_is_no_rash_of_the_relapse() -> None:
    relapse = ("relapse", 100.0, "present")
    for sign in (
        ("heliotrope_rash", 100.0, "absent"),
        ("heliotrope_rash", 0.0, "present"),
        ("dysphagia", 100.0, "present"),
    ):
        assert not _relapses(cohort([relapse, sign], [("ck", 100.0, 1.0)]), "relapse")["has_rash"].any(), sign
