"""Groups by signs, definitions, numbers; values from a window or on a scale; times that begin elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from analytics.replay_r.claims import LATE_ENTRY, claims
from analytics.replay_r.script import Files, ReleaseIdentity, script
from analytics.study.cohort import build_cohort
from analytics.study.distribution import MOST_POINTS, distribution
from analytics.study.file import Study
from analytics.study.results import run_study
from tests.unit import small_study
from tests.unit.small_study import MONTH, STUDY

WINDOW = {"from_months": 1.0, "to_months": 13.0}


def grouped(conditions: dict[str, Any], frames: dict[str, pd.DataFrame] | None = None) -> set[str]:
    """The patients of a group with these conditions."""
    made = small_study.study(groups={"g": {"label": "G", **conditions}}, tables=[])
    members = build_cohort(made, frames or small_study.frames()).members
    return set(members["patient_key"])


def test_a_span_of_ages_counts_its_lower_end_and_not_its_upper() -> None:
    assert grouped({"within": {"age_at_onset_years": {"at_least": 4, "below": 9}}}) == {"b", "c"}
    assert grouped({"within": {"age_at_onset_years": {"below": 0}}}) == set()


def test_a_group_by_a_sign_holds_whom_it_is_known_of() -> None:
    frames = small_study.frames()
    assert grouped({"events": {"relapse": "present"}}, frames) == {"a", "c", "g"}
    # a hospital that lists only what happened says by silence that nothing did
    assert grouped({"events": {"relapse": "absent"}}, frames) == {"b", "d", "e", "f", "h"}
    silent = frames["dim_hospital"].assign(unlisted_events="unknown")
    assert grouped({"events": {"relapse": "absent"}}, frames | {"dim_hospital": silent}) == set()


def test_a_group_by_a_definition_leaves_out_whom_a_missing_input_could_change() -> None:
    rows = [
        ("north", "a", "met", "definite", "definite"),
        ("north", "b", "cannot_tell", None, "probable"),
        ("north", "c", "not_met", None, None),
    ]
    columns = ["hospital_id", "patient_key", "status", "level", "level_at_most"]
    frames = small_study.frames() | {
        "fct_definition": pd.DataFrame(rows, columns=columns).assign(definition_id="bohan_peter_1975")
    }
    assert grouped({"definitions": {"bohan_peter_1975": "met"}}, frames) == {"a"}
    assert grouped({"definitions": {"bohan_peter_1975": "not_met"}}, frames) == {"c"}
    assert grouped({"definitions": {"bohan_peter_1975": "probable"}}, frames) == {"a"}


def test_conditions_hold_together() -> None:
    conditions = {"where": {"sex": "female"}, "events": {"relapse": "present"}}
    assert grouped(conditions) == {"a", "c", "g"}
    assert grouped(conditions | {"within": {"age_at_onset_years": {"at_least": 5}}}) == {"c", "g"}


def in_window(take: str, rows: list[tuple[float, Any, float | None, float | None]]) -> list[Any]:
    """The value that a window takes of one patient's rows: month, value, lower and upper limit."""
    frames = small_study.frames()
    observations = pd.DataFrame(
        [
            {
                "hospital_id": "north",
                "patient_key": "a",
                "concept_id": "marker",
                "observation_key": str(i),
                "time_days": month * MONTH,
                "value_canonical": value,
                "comparator": None if low is None and high is None else "<" if high else ">",
                "lower_limit": low,
                "upper_limit": high,
                "scheduled_visit": None,
                "is_visit_value": False,
            }
            for i, (month, value, low, high) in enumerate(rows)
        ]
    )
    made = small_study.study(
        tables=[
            {
                "table_id": "I",
                "title": "Window",
                "window": {**WINDOW, "take": take},
                "groups": ["young", "old"],
                "reference": "young",
                "rows": [{"variable": "marker", "summary": "median_iqr", "test": "none"}],
            }
        ]
    )
    cohort = build_cohort(made, frames | {"fct_observation": observations})
    found = cohort.value("marker", made.tables[0].window or "").set_index("patient").loc["north|a"]
    return [found["value"], bool(found["is_censored"])]


def test_a_window_takes_the_value_that_it_names() -> None:
    rows = [(0.5, 99.0, None, None), (3.0, 4.0, None, None), (6.0, 9.0, None, None), (12.0, 2.0, None, None)]
    assert in_window("first", rows) == [4.0, False]
    assert in_window("last", rows) == [2.0, False]
    assert in_window("highest", rows) == [9.0, False]
    assert in_window("lowest", rows) == [2.0, False]


def test_a_bound_is_lowest_and_highest_by_its_limit_and_stays_a_bound() -> None:
    rows = [(3.0, None, 0.0, 0.5), (6.0, 1.0, None, None), (9.0, None, 8.0, None)]
    assert in_window("lowest", rows) == [0.5, True]
    assert in_window("highest", rows) == [8.0, True]


def test_a_row_on_the_log_scale_compares_logarithms_and_says_so() -> None:
    frames = small_study.frames()
    row = {"variable": "score", "summary": "mean_sd", "test": "student_t", "transform": "log"}
    table = {**STUDY["tables"][0], "rows": [row]}
    found = run_study(small_study.study(tables=[table]), frames)
    summary = found["baseline_summary"].set_index("group_id")
    assert summary.loc["young", "mean"] == pytest.approx(np.mean(np.log([30, 44, 35, 50])))
    assert set(found["group_comparison"]["note"]) == {"On the scale of the natural logarithm."}


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"groups": {"g": {"label": "G"}}}, "a group needs a condition"),
    (
        {"groups": {"g": {"label": "G", "within": {"age_at_onset_years": {"at_least": 3, "below": 3}}}}},
        "nobody is at least 3 and below 3",
    ),
    (
        {"tables": [{**STUDY["tables"][0], "window": {"from_months": 3, "to_months": 3}}]},
        "the window ends at month 3, not after its beginning",
    ),
    (
        {
            "tables": [
                {
                    **STUDY["tables"][0],
                    "rows": [{"variable": "female", "summary": "count_percent", "test": "fisher", "transform": "log"}],
                }
            ]
        },
        "transform log is for a mean or median",
    ),
    (
        {
            "endpoints": {"relapse": {**STUDY["endpoints"]["relapse"], "origin": "onset"}},
            "competing_risks": [
                {"model_id": "m", "title": "M", "endpoint": "relapse", "groups": ["young", "old"], "terms": ["group"]}
            ],
        },
        "Fine and Gray's model cannot take late entry into account",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "told"), FAULTS, ids=[told for _, told in FAULTS])
def test_a_choice_that_cannot_be_answered_is_refused_in_a_sentence(parts: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Study.model_validate(STUDY | parts)


def late(entries: dict[str, float]) -> dict[str, pd.DataFrame]:
    """The frames with times since onset: each patient enters after the months of disease before baseline."""
    frames = small_study.frames()
    times = frames["fct_time_to_event"]
    entry = times["patient_key"].map(entries).astype(float)
    shifted = times.assign(
        time_months=times["time_months"] + entry, entry_months=entry, origin_days=-entry * MONTH
    )
    return frames | {"fct_time_to_event": shifted}


SINCE_ONSET: dict[str, Any] = {
    "endpoints": {"relapse": {**STUDY["endpoints"]["relapse"], "origin": "onset", "horizon_months": 60}},
    "tables": [],
    "survival": [
        {"endpoint": "relapse", "title": "Relapse", "groups": ["young", "old"], "restricted_mean_months": 36}
    ],
    "cox": [{"model_id": "m", "title": "M", "endpoint": "relapse", "groups": ["young", "old"], "terms": ["group"]}],
    "competing_risks": [{"model_id": "i", "title": "I", "endpoint": "relapse", "groups": ["young", "old"]}],
}  # fmt: skip
ENTRIES = {"a": 6.0, "b": 3.0, "c": 3.0, "d": 12.0, "e": 6.0, "f": 6.0, "g": 6.0, "h": 6.0}


def test_nobody_is_at_risk_before_they_enter() -> None:
    found = run_study(small_study.study(**SINCE_ONSET), late(ENTRIES))
    young = found["survival_curve"].query("group_id == 'young'").set_index("time")
    # a relapses at month 9 after onset and c at month 12; b and c entered at 3, a at 6, d at 12
    assert young.loc[9.0, ["at_risk", "events"]].tolist() == [3, 1]
    assert young.loc[12.0, ["at_risk", "events"]].tolist() == [2, 1]
    gray = found["gray_test"].iloc[0]
    assert (gray["status"], bool(np.isnan(gray["p_value"]))) == ("not_estimable", True)
    assert found["study_endpoint"].loc[0, ["origin", "left_truncation"]].tolist() == ["onset", True]


def test_an_entry_of_zero_months_for_all_changes_no_number() -> None:
    parts = SINCE_ONSET | {"endpoints": STUDY["endpoints"]}
    plain = run_study(small_study.study(**parts), small_study.frames())
    entered = run_study(small_study.study(**parts), late(dict.fromkeys(ENTRIES, 0.0)))
    for table in ("survival_curve", "log_rank", "restricted_mean", "cox_term", "cumulative_incidence"):
        pd.testing.assert_frame_equal(plain[table], entered[table])


def test_the_replay_in_r_leaves_late_entry_out_and_says_so() -> None:
    found = run_study(small_study.study(**SINCE_ONSET), late(ENTRIES))
    told = claims(found)
    of_times = ("survival_curve", "survival_at_risk", "survival_median", "log_rank", "cox_term")
    assert not set(told.ours["result"]) & set(of_times)
    left_out = told.not_replayed[told.not_replayed["result"].isin(of_times)]
    assert set(left_out["reason"]) == {LATE_ENTRY}
    files = Files({}, {}, {"relapse": "times.csv"}, {})
    text = script(small_study.study(**SINCE_ONSET), ReleaseIdentity("r0"), files)
    assert 'survival_analysis("relapse"' not in text and 'cox_model("m"' not in text


def test_a_patient_last_seen_before_the_entry_does_not_count() -> None:
    frames = late(ENTRIES)
    times = frames["fct_time_to_event"]
    gone = times.assign(time_months=times["time_months"].where(times["patient_key"] != "b", 2.0))
    found = run_study(small_study.study(**SINCE_ONSET), frames | {"fct_time_to_event": gone})
    assert found["survival_median"].set_index("group_id").loc["young", "n"] == 3


def drawn(
    values: list[tuple[str, float | None, float | None]], transform: str = "none"
) -> dict[str, pd.DataFrame]:
    """The distribution of one marker: group's first letter of the onset, lower and upper limit."""
    frames = small_study.frames()
    patients = pd.DataFrame(
        {
            "hospital_id": "north",
            "patient_key": [str(i) for i in range(len(values))],
            "onset_group": [group for group, _, _ in values],
        }
    )
    observations = patients.assign(
        concept_id="marker",
        scheduled_visit="baseline",
        is_visit_value=True,
        value_canonical=[low if low == high else None for _, low, high in values],
        comparator=[None if low == high else "<" for _, low, high in values],
        lower_limit=[low for _, low, _ in values],
        upper_limit=[high for _, _, high in values],
    )
    people = patients.reindex(columns=frames["dim_patient"].columns).astype({"onset_group": str})
    status = patients[["hospital_id", "patient_key"]].assign(msa="A", has_conflict=False, decided_by="test")
    made = small_study.study()
    row = made.tables[0].rows[1].model_copy(update={"transform": transform})
    cohort = build_cohort(
        made,
        frames | {"dim_patient": people, "dim_antibody_status": status, "fct_observation": observations},
    )
    return distribution(cohort, made.tables[0], row)


def test_a_value_beyond_a_limit_is_drawn_at_the_limit_and_never_as_a_value() -> None:
    found = drawn(
        [("juvenile", 3.0, 3.0), ("juvenile", 0.0, 0.1), ("adult", 16_000.0, None), ("adult", 2.0, 5.0)]
    )["distribution_point"]
    told = found[["group_id", "known", "lower", "upper"]].astype(object).where(found.notna(), None)
    assert told.to_numpy().tolist() == [
        ["young", "value", 3.0, 3.0],
        ["young", "below", None, 0.1],
        ["old", "above", 16_000.0, None],
        ["old", "between", 2.0, 5.0],
    ]


def test_many_values_become_a_density_and_their_bounds_are_counted() -> None:
    many = [("juvenile", 1.0 + i % 97, 1.0 + i % 97) for i in range(MOST_POINTS)]
    found = drawn([*many, *[("juvenile", 0.0, 0.1)] * 7], transform="log")
    assert found["distribution_point"][["known", "upper", "n"]].to_numpy().tolist() == [["below", 0.1, 7]]
    density = found["distribution_density"]
    area = np.trapezoid(density["density"], np.log(density["value"]))
    assert density["value"].iloc[[0, -1]].tolist() == pytest.approx([1.0, 97.0])
    assert 0.9 < area <= 1.0


def test_a_value_that_the_scale_does_not_have_is_not_drawn() -> None:
    found = drawn([("juvenile", 0.0, 0.0), ("juvenile", 2.0, 2.0)], transform="log")["distribution_point"]
    assert found["lower"].tolist() == [2.0]
