"""What a study could have said: each kind of analysis on eight patients, its rows and its sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analytics.study.results import run_study
from analytics.study.sensitivity import QUESTIONS
from analytics.study.sensitivity.rows import COLUMNS
from analytics.survival.permutation import permutation_log_rank, permutation_log_rank_k
from analytics.words.wording import listed
from tests.unit import small_study

GROUPS = ["young", "old"]
VISITS = ["baseline", "month_6", "month_12"]
SURVIVAL = {"endpoint": "relapse", "title": "R", "groups": GROUPS, "restricted_mean_months": 36}
RECURRENT = {"model_id": "ag", "title": "All", "endpoint": "relapse", "groups": GROUPS, "terms": ["group"]}
COX = {"model_id": "cox", "title": "First", "endpoint": "relapse", "groups": GROUPS, "terms": ["group"]}
MIXED = {
    "model_id": "m", "title": "M", "response": "score", "groups": GROUPS, "visits": VISITS, "random": "intercept",
    "serial": "none", "beside": ["kenward_roger_f"],
}  # fmt: skip
NORM = {"from_age": 4, "below_age": 5, "mean": 46.6, "sd": 2.3, "n": 28, "source": "Somebody 2013"}


def ask(kind: str, **keys: Any) -> tuple[pd.DataFrame, pd.Series, dict[str, pd.DataFrame]]:
    """Rows of the one analysis, its question with the answer, all results."""
    parts = {"survival": [SURVIVAL], "cox": [COX], "recurrent_events": [RECURRENT], "mixed_models": [MIXED]}
    found = small_study.results(**parts, sensitivity=[{"analysis_id": "asked", "kind": kind, **keys}])
    return found["sensitivity"], found["sensitivity_question"].iloc[0], found


def shown(rows: pd.DataFrame, columns: str, digits: int = 3) -> list[tuple[Any, ...]]:
    chosen = rows[columns.split()].round(digits).astype(object)
    return list(chosen.where(chosen.notna(), None).itertuples(index=False, name=None))


def test_comparisons_are_adjusted_over_all_tables_together() -> None:
    rows, question, _ = ask("multiplicity", tables=["I"], adjust=["holm"])
    assert shown(rows, "label variant estimate p_value beside") == [
        ("Score: Young vs Old", "as_printed", 18.5, 0.008, "group_comparison I score young old"),
        ("Score: Young vs Old", "standardised", 2.407, None, "group_comparison I score young old"),
        ("Score: Young vs Old", "adjusted_holm", None, 0.031, "group_comparison I score young old"),
        ("Marker: Young vs Old", "as_printed", 3.2, 0.027, "group_comparison I marker young old"),
        ("Marker: Young vs Old", "standardised", 1.0, None, "group_comparison I marker young old"),
        ("Marker: Young vs Old", "adjusted_holm", None, 0.08, "group_comparison I marker young old"),
    ]
    assert question["answer"] == (
        "2 of 4 comparisons have p below 0.05; 0 would by chance alone if no groups differed. After Holm over all of them 1 remain."
    )


def test_a_factor_that_the_group_tells_cannot_be_adjusted_for() -> None:
    rows, question, _ = ask("confounding", groups=GROUPS, factors=["hospital_id", "sex"], outcome="score")
    counts = rows[rows["part"] == "who is where"]
    assert shown(counts, "label variant count n") == [
        ("Hospital: North Hospital", "young", 4.0, 4), ("Hospital: North Hospital", "old", 0.0, 4),
        ("Hospital: South Hospital", "young", 0.0, 4), ("Hospital: South Hospital", "old", 4.0, 4),
        ("Sex: female", "young", 2.0, 4), ("Sex: female", "old", 2.0, 4),
        ("Sex: male", "young", 2.0, 4), ("Sex: male", "old", 2.0, 4),
    ]  # fmt: skip
    adjusted = rows[rows["variant"] == "adjusted"]
    assert shown(adjusted, "label estimate status") == [
        ("Score with hospital: Young vs Old", None, "not_estimable"),
        ("Score with sex: Young vs Old", 18.5, "ok"),
    ]
    assert question["answer"] == (
        "Hospital: Young 4 North Hospital; Old 4 South Hospital. Sex: Young 2 female and 2 male; Old 2 female and 2 male."
        " Young and Old have no hospital in common: no adjustment can take these apart."
    )


def test_ages_that_do_not_meet_are_told_by_their_ends() -> None:
    rows, question, _ = ask("confounding", groups=GROUPS, factors=["age_at_onset_years"], outcome="score")
    assert shown(rows.head(2), "variant display n") == [
        ("young", "3.0 to 9.0", 4),
        ("old", "40.0 to 60.0", 4),
    ]
    assert "Young and Old have no age at onset (years) in common" in question["answer"]
    assert "a line is carried on" in rows.loc[rows["variant"] == "adjusted", "note"].iloc[0]


def test_a_score_is_judged_by_the_norm_of_the_age_it_was_measured_at() -> None:
    rows, question, found = ask(
        "norm_for_age",
        variable="score",
        groups=["young"],
        visits=["baseline", "month_12"],
        full_score=52,
        norms=[NORM],
    )
    # a is 3.5 years old at baseline, b 4.25, c 6.25, d 10; below 46.6 - 1.96 * 2.3 = 42.1 is below the norm
    assert shown(found["norm_patient"], "line visit age_years value place") == [
        (1, "baseline", 3.5, 30.0, "younger"), (2, "baseline", 4.25, 44.0, "within"),
        (3, "baseline", 6.25, 35.0, "below"), (4, "baseline", 10.0, 50.0, "open"),
        (1, "month_12", 4.5, 40.0, "below"), (2, "month_12", 5.25, 47.0, "open"), (3, "month_12", 7.25, 42.0, "below"),
    ]  # fmt: skip
    assert shown(rows, "visit variant count n") == [
        ("baseline", "below", 1.0, 4), ("baseline", "within", 1.0, 4), ("baseline", "open", 1.0, 4),
        ("baseline", "younger", 1.0, 4), ("month_12", "below", 2.0, 3), ("month_12", "within", 0.0, 3),
        ("month_12", "open", 1.0, 3), ("month_12", "younger", 0.0, 3),
    ]  # fmt: skip
    assert shown(found["norm_band"], "from_age below_age lower upper full_score") == [
        (4.0, 5.0, 42.092, 51.108, 52.0)
    ]
    assert question["answer"].startswith(
        "Healthy people from 4 to under 5 years average 46.6 of 52; Score below 42.1 is below their norm. At"
        " baseline below"
        " the norm for age: Young 1 of 4. 1 patient is of that age and 1 younger,"
    )


def test_from_the_age_of_the_full_score_less_is_below_the_norm() -> None:
    _, _, found = ask(
        "norm_for_age",
        variable="score",
        groups=["young"],
        visits=["baseline"],
        full_score=52,
        norms=[NORM],
        full_from_age=9,
    )
    assert found["norm_patient"]["place"].tolist() == ["younger", "within", "below", "below"]


def test_a_difference_is_given_without_and_with_the_covariate() -> None:
    rows, question, _ = ask(
        "adjusted_difference", variable="score", groups=GROUPS, reference="young", covariates=["female"]
    )
    assert shown(rows, "label variant estimate df status beside") == [
        ("Young vs Old", "unadjusted", 18.5, 6.0, "ok", "group_comparison I score young old"),
        ("Young vs Old", "adjusted", 18.5, 5.0, "ok", "group_comparison I score young old"),
        ("Female per unit", "adjusted", -9.5, 5.0, "ok", None),
    ]
    assert question["answer"] == (
        "Score, differences of means in 8 patients: Young vs Old 18.5 unadjusted, 18.5 (10.9 to 26.1) adjusted for female."
    )


def test_hidden_values_are_shown_as_counted_and_as_bounds() -> None:
    rows, question, _ = ask("detection_limits", tables=["I"])
    assert shown(rows, "variant display estimate estimate_kind p_value status") == [
        ("first_printed", "3.5 (2.75, 4.25)", None, None, None, "ok"),
        ("first_as_bounds", "3.5 (2.75, 4.25)", None, None, None, "ok"),
        ("second_printed", "0.1 (0.1, 0.2)", None, None, None, "ok"),
        ("second_as_bounds", "<0.1 (<0.1, 0.13–0.2)", None, None, None, "ok"),
        ("as_printed", None, 3.2, "hodges_lehmann_shift", 0.027, "ok"),
        ("peto_prentice", None, 36.968, "geometric_mean_ratio", 0.011, "ok"),
        ("gehan", None, None, "probability_greater_bounds", 0.018, "ok"),
    ]
    assert question["answer"].startswith(
        "1 row of the tables holds values beyond a detection limit (3 below one); most of all Marker 3 of 4 (Old, Table I)."
        " None of 1 comparison"
    )


def test_the_exact_log_rank_test_stands_beside_the_approximate_one() -> None:
    rows, question, _ = ask(
        "log_rank_variants", endpoint="relapse", groups=GROUPS, variants=["exact", "peto"]
    )
    assert shown(rows.tail(3), "label variant p_value count n method") == [
        ("Young vs Old", "as_printed", 0.32, 3.0, 8, "log-rank"),
        ("Young vs Old", "exact", 0.371, 3.0, 8, "log-rank, exact permutation"),
        ("Young vs Old", "peto", 0.257, 3.0, 8, "Peto-Peto"),
    ]
    assert question["answer"] == (
        "3 events in 8 patients; few of them: Old 1 event and Young 2 events. Every comparison stays on the"
        " same side of"
        " p = 0.05 whichever way it is tested."
    )


def test_drawn_permutations_of_two_groups_come_near_all_of_them() -> None:
    time = np.array([3.0, 12, 9, 36, 36, 20, 24, 36])
    event = np.array([1, 0, 1, 0, 0, 0, 1, 0], dtype=bool)
    first = np.array([1, 1, 1, 1, 0, 0, 0, 0], dtype=bool)
    exact = permutation_log_rank(time, event, first)
    drawn = permutation_log_rank_k(time, event, first.astype(int), 20_000, 1)
    assert drawn.statistic == pytest.approx(exact.statistic)
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.01)
    assert permutation_log_rank_k(time, event, np.zeros(8, dtype=int), 99, 1).status == "too_few_groups"
    assert permutation_log_rank_k(time, event & False, first.astype(int), 99, 1).status == "no_events"


def test_differences_of_restricted_means_stand_beside_the_log_rank_test() -> None:
    rows, question, _ = ask("restricted_mean", endpoint="relapse")
    assert shown(rows, "part label variant estimate p_value") == [
        ("means", "Young", "mean_months", 21.0, None),
        ("means", "Old", "mean_months", 32.0, None),
        ("differences", "Young vs Old", "difference_months", -11.0, 0.182),
        ("differences", "Young vs Old", "log_rank", None, 0.32),
    ]
    assert question["answer"] == (
        "Of the first 36 months the groups spend on average 21.0 to 32.0 free of the event. Every interval of a difference holds 0."
    )


def test_models_stand_side_by_side_by_term() -> None:
    rows, question, _ = ask("compare_models", models=["cox", "ag"])
    assert shown(rows, "label variant estimate estimate_kind status") == [
        ("Old vs Young", "cox", 0.305, "hazard_ratio", "too_few_events"),
        ("Old vs Young", "ag", 0.24, "rate_ratio", "too_few_events"),
    ]
    assert question["answer"] == (
        "No term changes sides of p = 0.05 between these models and tests. Ratios, with the outermost ends"
        " of their"
        " intervals: Old vs Young 0.24 to 0.30 (0.026 to 3.6). Read with care: First (too few events) and"
        " All (too few"
        " events)."
    )


def test_tests_of_a_mixed_model_stand_side_by_side() -> None:
    rows, _, _ = ask("compare_models", models=["m"])
    assert shown(rows.head(2), "label variant") == [
        ("Intercept", "m:wald_chi_square"),
        ("Intercept", "m:kenward_roger_f"),
    ]
    assert rows["display"].str.match(r"(χ²|F) [\d.]+, df ").all()


def test_the_lost_are_compared_with_the_retained_and_bound_the_endpoint() -> None:
    rows, question, _ = ask(
        "lost_to_follow_up",
        endpoint="relapse",
        groups=GROUPS,
        reference="young",
        variables=["score", "female"],
    )
    of_lost = rows[rows["part"] == "lost against retained"]
    assert shown(of_lost[of_lost["variant"] != "lost_minus_retained"], "label variant display count n") == [
        ("Score", "lost", "44 (44, 44)", None, 1), ("Score", "retained", "35 (32.5, 42.5)", None, 3),
        ("Female", "lost", None, 0.0, 1), ("Female", "retained", None, 2.0, 3),
    ]  # fmt: skip
    bounds = rows[rows["part"] == "bounds"]
    assert bounds["beside"].iloc[0] == "group_comparison I relapse young old"
    assert shown(bounds, "label variant display p_value") == [
        ("Proportion: Young vs Old", "as_the_table_counts", "2/3 vs 1/4", 0.486),
        ("Proportion: Young vs Old", "observed", "2/3 vs 1/4", 0.486),
        ("Proportion: Young vs Old", "all_had_it", "3/4 vs 1/4", 0.486),
        ("Proportion: Young vs Old", "none_had_it", "2/4 vs 1/4", 1.0),
        ("Proportion: Young vs Old", "reference_had_it", "3/4 vs 1/4", 0.486),
        ("Proportion: Young vs Old", "others_had_it", "2/4 vs 1/4", 1.0),
        ("Log-rank: Young vs Old", "observed", None, 0.32),
        ("Log-rank: Young vs Old", "all_had_it", None, 0.118),
        ("Log-rank: Young vs Old", "none_had_it", None, 0.433),
        ("Log-rank: Young vs Old", "reference_had_it", None, 0.118),
        ("Log-rank: Young vs Old", "others_had_it", None, 0.433),
        ("Log-rank: all groups", "observed", None, 0.32),
        ("Log-rank: all groups", "all_had_it", None, 0.118),
        ("Log-rank: all groups", "none_had_it", None, 0.433),
        ("Log-rank: all groups", "reference_had_it", None, 0.118),
        ("Log-rank: all groups", "others_had_it", None, 0.433),
    ]
    assert question["answer"] == (
        "Lost before 36 months: 1 of 4 Young. As observed, and if all of them had the event when last "
        "seen, none within the horizon, or only those of one side of each comparison, no comparison "
        "changes sides of p = 0.05. Whichever of the lost had the event, the difference of proportions "
        "lies as follows: Young vs Old: between 0.25 and 0.50, with p at or above 0.05 in every way."
    )
    tipping = rows[rows["part"] == "tipping point"]
    assert shown(tipping, "label variant display p_value") == [
        ("Young vs Old: 0 of 1 lost of the first", "of_the_second:0", "0.25", 1.0),
        ("Young vs Old: 1 of 1 lost of the first", "of_the_second:0", "0.50", 0.486),
    ]
    assert "The opposite extremes bound a difference of proportions" in question["cannot_say"]


def test_missing_values_are_counted_by_variable_and_visit() -> None:
    rows, question, _ = ask("missing_values", tables=["I"], models=["m"])
    counted = rows[rows["count"] > 0]
    assert shown(counted, "part label variant count n visit") == [
        ("Table I", "Relapse", "young", 1.0, 4, "baseline"),
        ("M", "Month 12", "young", 1.0, 4, "month_12"),
    ]
    assert question["answer"] == (
        "Table I: 1 of 4 variables lack a value. M: 1 of 24 values are missing, 7 of 8 patients have every"
        " visit (who misses"
        " a visit does not come back)."
    )


def test_imputed_differences_stand_beside_those_of_whom_was_seen() -> None:
    rows, question, _ = ask(
        "multiple_imputation",
        variable="score",
        groups=GROUPS,
        reference="young",
        visits=VISITS,
        shifts=[-10],
        imputations=5,
    )
    assert rows["variant"].tolist()[:4] == ["seen_then", "mixed_model", "imputed", "imputed_shifted:-10"]
    seen, _, imputed, shifted = rows["estimate"][:4]
    assert seen == pytest.approx(43 - 30.75)  # 40, 47, 42 against 30, 33, 29, 31
    assert shifted == pytest.approx(imputed - 10 / 4)  # one of four imputed values, ten lower
    assert rows["n"].tolist()[:4] == [7, 23, 8, 8]
    assert question["answer"].startswith(
        "Score at month 12 is missing for 1 of 8 patients. In the 4 ways tried the difference"
    )


def test_the_tipping_point_is_the_smallest_shift_that_changes_the_verdict() -> None:
    """Each shift that a row calls a tipping point is on the other side of 0.05, and the step before it is
    not.
    """
    keys = {"variable": "score", "groups": GROUPS, "reference": "young", "visits": VISITS, "imputations": 5}
    rows, question, _ = ask("multiple_imputation", **keys)
    at_zero = rows.loc[rows["variant"] == "imputed", "p_value"].iloc[0] < 0.05
    tips = rows[rows["note"].str.startswith("Tipping point")]
    assert len(tips) == 2
    for variant, p_value in zip(tips["variant"], tips["p_value"]):
        shift = float(variant.partition(":")[2])
        before, _, _ = ask(
            "multiple_imputation", **keys, shifts=[round(shift - 0.1 * (1 if shift > 0 else -1), 10)]
        )
        assert (p_value < 0.05) != at_zero
        assert (
            before.loc[before["variant"].str.startswith("imputed_shifted"), "p_value"].iloc[0] < 0.05
        ) == at_zero
        assert f"{shift:+g}".replace("-", "−") in question["answer"]


def test_a_study_that_asks_nothing_has_empty_tables_of_the_same_shape() -> None:
    found = small_study.results()
    assert {t: len(found[t]) for t in ("sensitivity", "sensitivity_question", "norm_band", "norm_patient")} == {
        "sensitivity": 0, "sensitivity_question": 0, "norm_band": 0, "norm_patient": 0,
    }  # fmt: skip
    assert found["sensitivity"].columns.tolist() == list(COLUMNS)


def test_every_kind_has_a_question() -> None:
    from typing import get_args

    from analytics.study.sensitivity_keys import Sensitivity

    kinds = {get_args(m.model_fields["kind"].annotation)[0] for m in get_args(get_args(Sensitivity)[0])}
    assert kinds == set(QUESTIONS)


def test_a_long_list_is_cut_and_says_how_much_is_left() -> None:
    assert listed([]) == "none"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(list("abcdefgh"), most=3) == "a, b and 6 more"


@pytest.mark.parametrize("hospitals", [["north"], ["south"], []])
def test_no_analysis_breaks_on_groups_that_a_withdrawal_has_emptied(hospitals: list[str]) -> None:
    """One hospital can be all of a group, and the only one all of a registry."""
    asked = {"analysis_id": "gaps", "kind": "missing_values", "tables": ["I"], "models": ["m"]}
    parts = {"mixed_models": [MIXED], "survival": [SURVIVAL], "cox": [COX], "sensitivity": [asked]}
    frames = {
        name: frame[frame["hospital_id"].isin(hospitals)] if "hospital_id" in frame else frame
        for name, frame in small_study.frames().items()
    }
    found = run_study(small_study.study(**parts), frames)
    answer = found["sensitivity_question"].iloc[0]["answer"]
    assert ("no patient is in its groups" in answer) == (not hospitals)
