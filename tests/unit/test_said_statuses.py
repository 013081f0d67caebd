"""What the data cannot answer is a status: cases in which an estimate came with certainty, or NaN, and status
ok.
"""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest

from analytics import (
    censored_regression,
    cox_regression,
    cumulative_incidence,
    fine_gray,
    firth_cox,
    fit_mixed_model,
    kaplan_meier,
    mann_whitney,
    repeated_measures_anova,
    restricted_mean,
)

QUIET = pd.DataFrame({
    "group": list("aaaabbbb"), "time": [5, 9, 12, 14, 3, 6, 12, 13], "event": [0, 0, 0, 0, 1, 1, 0, 1],
})  # fmt: skip
# the first patient alone is at risk when they have the event; the others enter later
LATE = pd.DataFrame({
    "group": "a", "entry": [0, 2, 2, 3, 3], "time": [1, 5, 6, 7, 8], "event": [1, 0, 1, 0, 1], "cause": [1, 0, 2, 0, 1],
})  # fmt: skip


def test_a_mean_without_an_event_has_no_standard_error():
    found = restricted_mean(QUIET, "time", "event", 12, "group")
    quiet, other = found.summary.to_dict("records")
    assert (quiet["rmst"], quiet["status"]) == (12.0, "no_events")
    assert np.isnan([quiet["std_error"], quiet["ci_low"], quiet["ci_high"]]).all()
    assert quiet["note"].startswith('Group "a" has no event up to 12')
    assert (other["status"], other["std_error"] > 0) == ("ok", True)
    difference = found.differences.iloc[0]
    assert difference["difference"] == pytest.approx(12 - other["rmst"])
    assert (difference["status"], difference["note"]) == (
        "not_estimable",
        "No standard error of a, hence none of the difference.",
    )
    assert np.isnan(difference["p_value"])


def test_a_mean_after_one_event_of_everybody_has_no_standard_error():
    data = pd.DataFrame({"time": [4, 4, 4], "event": [1, 1, 1]})
    assert restricted_mean(data, "time", "event", 12).summary["status"].tolist() == ["no_variance"]


@pytest.mark.parametrize("answer", [
    lambda d: kaplan_meier(d, "time", "event", "group", entry="entry"),
    lambda d: cumulative_incidence(d, "time", "cause", "group", entry="entry"),
    lambda d: restricted_mean(d, "time", "event", 8, "group", entry="entry"),
])  # fmt: skip
def test_an_early_risk_set_of_one_gives_no_certainty(answer):
    found = answer(LATE)
    assert set(found.summary["status"]) == {"not_estimable"}
    assert found.status == "not_estimable"
    assert (
        'Group "a": at 1 the only one at risk had the event, before others entered'
        in found.summary["note"].iloc[0]
    )
    later = answer(LATE[LATE["time"] > 1])
    assert "before others entered" not in later.summary["note"].iloc[0]


@pytest.mark.parametrize(
    "codes", [("censored", "relapse", "death"), ("0", "1", "2"), ("Alive", "relapse", "death")]
)
def test_text_that_means_censored_is_no_cause(codes: tuple[str, str, str]):
    data = LATE.assign(cause=[codes[c] for c in LATE["cause"]])
    for answer in (
        lambda **k: cumulative_incidence(data, "time", "cause", **k), lambda **k: fine_gray(data, "time", "cause", codes[1], ["entry"], **k)
    ):  # fmt: skip
        with pytest.raises(
            ValueError, match=rf'censored: 0 never occurs in "cause", .* as censored="{codes[0]}"'
        ):
            answer()
    named = cumulative_incidence(data, "time", "cause", censored=codes[0])
    assert sorted(named.summary["cause"]) == sorted(codes[1:])


def test_everybody_with_an_event_needs_no_code_of_censoring():
    data = LATE.assign(cause=[1, 2, 2, 1, 1])
    assert cumulative_incidence(data, "time", "cause").summary["cause"].tolist() == [1, 2]


def test_fewer_patients_than_visits_leave_no_correction():
    """R's car 3.1-1 gives these F and p, and says "non-sphericity tests and corrections not available"."""
    y = [[1, 2, 3, 0, 2], [3, 2, 5, 4, 1], [2, 4, 3, 6, 5], [5, 7, 1, 2, 3]]
    rows = [(p, "abab"[p], v, y[p][v]) for p, v in itertools.product(range(4), range(5))]
    found = repeated_measures_anova(
        pd.DataFrame(rows, columns=["patient", "group", "visit", "value"]), "value", "group", "visit"
    )
    assert found.status == "too_few_observations"
    assert found.note.startswith(
        "4 patients in 2 groups leave 2 degrees of freedom for 4 contrasts between visits"
    )
    assert found.terms["statistic"].round(4).tolist() == [24.3203, 0.1634, 0.1492, 0.5249]
    assert found.terms["p_value"].round(5).tolist() == [0.03874, 0.72518, 0.95817, 0.72107]
    assert found.terms["p_gg"].isna().all()


def test_maximum_likelihood_says_whose_standard_errors_it_gives():
    rows = [(p, v, p % 3 + v + (p * v) % 5 / 3) for p, v in itertools.product(range(8), range(3))]
    data = pd.DataFrame(rows, columns=["patient", "visit", "value"])
    asked = {"response": "value", "fixed": "visit", "serial": "none"}
    assert (
        "nlme multiplies them by √(N/(N−p)), this does not"
        in fit_mixed_model(data, **asked, method="ml").method
    )
    assert "nlme" not in fit_mixed_model(data, **asked, method="reml").method


@pytest.mark.parametrize(
    "distribution", ["lognormal", "weibull", "exponential", "gaussian", "loglogistic", "logistic"]
)
@pytest.mark.parametrize("bounds", [
    ([None, 1, 2, 3, 4, None], [1, 1, 2, 3, None, 2]), ([0, 0, 1, 2, 3, 4], [1, 1, 1, 2, 3, 4]),
    ([0, 1, 2, 3, 10, 1e6], [1, 2, 5, 9, 1e6, 1e9]), ([1, 1, 1, 2, 2, 2], [1, 1, 1, 2, 2, 2]),
    ([1e-300, None, 1e-10, 1, 2, 3], [1e-300, 1e-5, 1e-10, 1, 2, 3]),
], ids=["open", "zero", "wide", "constant", "tiny"])  # fmt: skip
def test_interval_regression_leaks_no_warning_and_no_ok_without_errors(
    distribution: str, bounds: tuple[list, list]
):
    low, high = (pd.Series(b, dtype=float) for b in bounds)
    data = pd.DataFrame({"lower": low, "upper": high, "g": list("aaabbb"), "x": [1, 2, 3, 4, 5, 1e8]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for formula, scale_by in itertools.product(("~ 1", "~ g", "~ x"), (None, "g")):
            found = censored_regression(
                data, formula, distribution=distribution, factors={"g": ["a", "b"]}, scale_by=scale_by
            )
            if found.status == "ok":
                assert np.isfinite(found.summary["std_error"]).all()


def test_a_term_that_the_strata_tell_says_so():
    data = pd.DataFrame(
        {
            "time": [1, 2, 3, 4, 5, 6],
            "event": [1, 1, 0, 1, 1, 0],
            "site": list("nnnsss"),
            "group": list("aaabbb"),
        }
    )
    found = cox_regression(data, "time", "event", ["group"], {"group": ["a", "b"]}, strata="site")
    assert found.status == "not_estimable"
    assert '"groupb" has one value within each of the 2 strata' in found.note
    firth = firth_cox(data, "time", "event", ["group"], {"group": ["a", "b"]}, strata="site")
    assert '"groupb" has one value within each of the 2 strata' in firth.note


def test_text_in_place_of_numbers_is_named():
    data = pd.DataFrame({"group": list("aabb"), "x": ["1", "<0.10", 2, 3]})
    with pytest.raises(ValueError, match=r'x: expected numbers; found 2 other values \("1", "<0.10"\)'):
        mann_whitney(data, value="x", group="group", groups=("a", "b"))
    with pytest.raises(ValueError, match=r'time: expected numbers in "x"; found "1", "<0.10", 2, …'):
        kaplan_meier(data.assign(event=1), "x", "event")
