"""What the numbers can say: each rule speaks where its numbers ask for it, and says no more than they do."""

from __future__ import annotations

import pandas as pd
import pytest

from analytics.study.cohort import build_cohort
from analytics.study.findings import CONTROLS, find
from analytics.study.parts import Adjustment
from tests.unit import small_study

MODEL = {
    "model_id": "m", "title": "M", "response": "score", "groups": ["young", "old"], "visits": ["baseline", "month_6"],
    "serial": "none",
}  # fmt: skip


def _texts(results: dict[str, pd.DataFrame], topic: str, **parts: object) -> list[str]:
    found = find(small_study.cohort(mixed_models=[MODEL], **parts), results)
    return found.loc[found["topic"] == topic, "text"].tolist()


def _comparisons(p_values: list[float | None], adjusted: list[float | None]) -> pd.DataFrame:
    return pd.DataFrame({"table_id": "I", "p_value": p_values, "p_adjusted": adjusted})


def test_failing_adjustment_is_not_called_chance():
    results = {
        "group_comparison": _comparisons([0.001, 0.03, 0.04, 0.5, None], [0.004, 0.06, 0.06, 0.5, None])
    }
    (said,) = _texts(results, "multiplicity")
    assert said == (
        "Table I: 3 of 4 p values are below 0.05, where about 0.2 would be if no group differed; 1 remains "
        "below it after adjustment (Benjamini–Hochberg). The adjustment keeps the expected share of false "
        "findings among those that remain at 5% at most. That the other 2 do not remain shows neither that "
        "they are chance nor that they are not."
    )


def test_every_adjustment_that_a_study_can_name_says_what_it_controls():
    assert set(CONTROLS) | {"none"} == set(Adjustment.__args__)  # without one, as many remain as there were


@pytest.mark.parametrize(
    ("sd", "said"), [([2.0, 0.5, 3.0], "in 2 of 3 groups' visits"), ([0.5, 0.5, 0.5], "")]
)
def test_a_wide_spread_is_counted_and_not_called_many(sd: list[float], said: str):
    means = pd.DataFrame({"response": "score", "group_id": ["young", "young", "old"], "mean": 1.0, "sd": sd})
    elsewhere = pd.DataFrame({"response": ["score"], "group_id": ["another"], "mean": [1.0], "sd": [9.0]})
    found = _texts(
        {"group_comparison": _comparisons([], []), "trajectory_mean": pd.concat([means, elsewhere])}, "scale"
    )
    assert [said in text for text in found] == ([True] if said else [])


def test_a_mean_that_can_be_negative_says_nothing_about_its_spread():
    means = pd.DataFrame({"response": "score", "group_id": ["young"], "mean": [-1.0], "sd": [2.0]})
    assert _texts({"group_comparison": _comparisons([], []), "trajectory_mean": means}, "scale") == []


def test_a_value_that_no_patient_has_is_told_with_the_values_seen():
    """A mistyped `equals:` counted 0 of everybody, and nothing said so."""
    diagnosed = {"label": "Dermatomyositis", "source": "patient.diagnosis", "equals": "DM"}
    rare = {"label": "Rare", "where": {"onset_group": ["juvenile", "late"]}}
    nothing = {"group_comparison": _comparisons([], [])}
    parts = {
        "variables": small_study.STUDY["variables"] | {"dm": diagnosed},
        "groups": small_study.STUDY["groups"] | {"rare": rare},
    }
    assert _texts(nothing, "values not seen", **parts) == [
        'Rare asks for onset_group "late", which no patient of this release has, so it counts nobody. Values of onset_group'
        ' in this release: "adult", "juvenile".',
        'Dermatomyositis asks for diagnosis "DM", which no patient of this release has, so it counts nobody. Values of'
        ' diagnosis in this release: "dm".',
    ]
    assert _texts(nothing, "values not seen") == []


def test_a_group_whose_time_never_began_is_told_so():
    frames = small_study.frames()
    gone = frames["fct_time_to_event"].assign(time_months=None, is_event=False, outcome_known=False)
    analysis = {"endpoint": "relapse", "title": "Relapse", "groups": ["young", "old"]}
    cohort = build_cohort(
        small_study.study(survival=[analysis], tables=[]), frames | {"fct_time_to_event": gone}
    )
    told = find(cohort, {}).query("topic == 'follow-up'")["text"].tolist()
    assert len(told) == 2 and all("(their time never began)" in text for text in told)


def test_values_that_stay_bounds_are_not_said_to_be_half_the_limit():
    marker = {"label": "Marker", "censored": "bounds"}
    row = {"variable": "marker", "summary": "median_iqr", "test": "peto_prentice"}
    table = {**small_study.STUDY["tables"][0], "rows": [row]}
    parts = {"variables": small_study.STUDY["variables"] | {"marker": marker}, "tables": [table]}
    (text,) = find(small_study.cohort(**parts), small_study.results(**parts)).query(
        "topic == 'detection limits'"
    )["text"]
    assert text.startswith("Table I, Marker: 3 of 8 values lie beyond a detection limit. They stay bounds")
