"""Strata of times to an event: the tests against R, and what a study that names strata gets.

The numbers of R are printed by `tests/reference/R/stratified_log_rank.R` (R 4.2.2, survival 3.5-3) on
survival's data set veteran, which stands in the reference case cox_veteran_ties.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from analytics import kaplan_meier, log_rank
from analytics.printed.strata_table import survival_strata_table
from analytics.study.frames import StudyFrames
from tests.unit import small_study

VETERAN = pd.read_csv(Path(__file__).parents[1] / "reference" / "cases" / "cox_veteran_ties" / "data.csv")
CELLS = ["squamous", "smallcell", "adeno", "large"]
GROUPS = ["young", "old"]
SURVIVAL = {"endpoint": "relapse", "title": "Relapse", "groups": GROUPS, "at_risk_months": [0, 12]}
COX = {
    "model_id": "cox",
    "title": "Cox",
    "endpoint": "relapse",
    "groups": GROUPS,
    "terms": ["group"],
    "strata": ["hospital_id"],
}


@pytest.mark.parametrize(("stratum", "statistic", "p_value", "expected"), [
    ("prior", 23.784607803668, 2.77046426451264e-05, [46.4477664926996, 30.3722436930826, 16.2145306376865, 34.9654591765313]),
    ("trt", 22.7821199353378, 4.48336907606213e-05, [45.1818373946892, 30.6371388922492, 16.3743103990983, 35.8067133139633]),
])  # fmt: skip
def test_the_stratified_log_rank_test_is_survdiffs(
    stratum: str, statistic: float, p_value: float, expected: list[float]
):
    found = log_rank(VETERAN, "time", "status", "celltype", levels=CELLS, strata=stratum)
    row = found.summary.iloc[0]
    assert (row["statistic"], row["df"], row["p_value"]) == (
        pytest.approx(statistic),
        3,
        pytest.approx(p_value),
    )
    by_group = found.counts.set_index("group_id")["expected"]
    # R lists the cell types as large's factor does: squamous, smallcell, adeno, large
    np.testing.assert_allclose(sorted(by_group), sorted(expected))
    assert row["method"] == "log-rank, 2 strata"


def test_strata_of_two_columns_are_their_combinations():
    found = log_rank(VETERAN, "time", "status", "trt", strata=["prior", "celltype"]).summary.iloc[0]
    assert (found["statistic"], found["p_value"]) == (
        pytest.approx(0.449464727370377),
        pytest.approx(0.502589256442843),
    )


def test_a_study_gets_tests_and_curves_within_its_strata():
    results = small_study.results(survival=[SURVIVAL | {"strata": ["sex"]}])
    data = _times()
    expected = log_rank(data, "time", "event", "group", levels=GROUPS, strata="sex", pairwise=True).summary
    pd.testing.assert_series_equal(results["log_rank"]["statistic"], expected["statistic"])
    assert results["log_rank"]["method"].tolist() == ["log-rank, 2 strata"] * 2
    curves = results["survival_by_stratum"]
    assert curves["stratum"].unique().tolist() == ["sex female", "sex male"]
    for (stratum, group), mine in curves.groupby(["stratum", "group_id"]):
        alone = kaplan_meier(
            data[(data["sex"] == stratum.removeprefix("sex ")) & (data["group"] == group)], "time", "event"
        )
        np.testing.assert_allclose(mine["survival"], alone.curve["survival"])
        assert mine["at_risk"].tolist() == alone.curve["at_risk"].tolist()
    without = small_study.results(survival=[SURVIVAL])
    pd.testing.assert_frame_equal(results["survival_curve"], without["survival_curve"])
    assert without["survival_by_stratum"].empty


def test_the_exact_test_knows_no_strata():
    with pytest.raises(ValidationError, match="the exact log-rank test cannot use strata"):
        small_study.study(survival=[SURVIVAL | {"strata": ["sex"], "method": "exact"}])


def test_a_stratum_that_tells_the_group_is_named_in_words():
    """Young are all of North Hospital, old of South Hospital: within a hospital nobody can be compared."""
    for method in ("cox", "firth_cox"):
        model = small_study.results(cox=[COX | {"method": method}])["model"].iloc[0]
        assert model["status"] == "not_estimable"
        assert (
            "In these data every patient of North Hospital is Young; every patient of South Hospital is Old."
            in model["note"]
        )
        assert "groupold" not in model["note"]
        assert '"Old" has one value within each of the 2 strata' in model["note"]


def _times() -> pd.DataFrame:
    """The invented patients' times as the test reads them, from the tables and not through the study."""
    frames = small_study.frames()
    rows = frames["dim_patient"].merge(frames["fct_time_to_event"], on=list(small_study.KEYS))
    rows = rows[rows["endpoint"] == "relapse"]
    return pd.DataFrame({
        "time": rows["time_months"].astype(float), "event": rows["is_event"].astype(int), "sex": rows["sex"],
        "group": rows["onset_group"].map({"juvenile": "young", "adult": "old"}),
    })  # fmt: skip


def test_strata_are_printed_with_patients_and_events():
    results = small_study.results(survival=[SURVIVAL | {"strata": ["sex"]}])
    frames = {name: frame.assign(study_id="small", release_id="r1") for name, frame in results.items()}
    table = survival_strata_table(StudyFrames("small", frames), "relapse")
    data = _times()
    counted = data.groupby(["sex", "group"])["event"].agg(["size", "sum"])
    expected = {
        (f"Sex {s}", g.title()): (str(n), str(e))
        for (s, g), n, e in zip(counted.index, counted["size"], counted["sum"])
    }
    assert {(r.group, r.cells["group"]): (r.cells["n"], r.cells["events"]) for r in table.rows} == expected
