"""Missing values: patterns, chained equations, Rubin's rules, sensitivity. R's pooled numbers are in
tests/reference.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analytics.missing.imputation import Shift, impute
from analytics.missing.missing_data import delta_sensitivity, missing_patterns
from analytics.missing.rubin import barnard_rubin_df, pool, pool_fits
from analytics.regression.linear_models import linear_model, logistic_model

N = np.nan
VISITS = pd.DataFrame(
    [("a", 1.0, 2.0, 3.0), ("a", 1.0, 2.0, N), ("b", 4.0, N, N), ("b", 5.0, N, N), ("b", 2.0, 2.0, 2.0)],
    columns=["group_id", "baseline", "month_6", "month_12"],
)


def drawn(n=120, seed=4):
    """y depends on x and group; y is missing more often where x is high, and score is yes or no."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    group = np.where(rng.random(n) < 0.5, "a", "b")
    y = 10 + 3 * x + 2 * (group == "b") + rng.normal(size=n)
    score = np.where(rng.random(n) < 1 / (1 + np.exp(-2 * x)), "yes", "no").astype(object)
    frame = pd.DataFrame({"x": x, "group_id": group, "y": y, "score": score})
    frame.loc[rng.random(n) < 1 / (1 + np.exp(-1.5 * x)), "y"] = N
    frame.loc[rng.random(n) < 0.2, "score"] = None
    return frame


METHODS = {"y": "pmm", "score": "logistic"}
ALSO = ("x", "group_id")


def test_patterns_list_what_is_missing_together_complete_first():
    found = missing_patterns(VISITS, ["baseline", "month_6", "month_12"])

    assert found.patterns.to_numpy().tolist() == [
        [True, True, True, 2, 40.0, 0],
        [True, False, False, 2, 40.0, 2],
        [True, True, False, 1, 20.0, 1],
    ]
    assert (found.n, found.n_complete, found.is_monotone) == (5, 2, True)


def test_missing_values_are_counted_by_variable_and_group():
    found = missing_patterns(VISITS, ["month_6", "month_12"], group="group_id").by_variable

    assert found[["variable", "group_id", "n", "n_missing"]].to_numpy().tolist() == [
        ["month_6", "a", 2, 0],
        ["month_6", "b", 3, 2],
        ["month_12", "a", 2, 1],
        ["month_12", "b", 3, 2],
    ]


def test_a_patient_who_comes_back_makes_a_pattern_that_is_not_monotone():
    returned = VISITS.assign(month_6=[2.0, N, N, N, 2.0], month_12=[3.0, 1.0, N, N, N])

    assert not missing_patterns(returned, ["baseline", "month_6", "month_12"]).is_monotone


def test_the_same_seed_gives_the_same_values_and_another_others():
    first, again, other = (impute(drawn(), METHODS, also=ALSO, m=2, iterations=2, seed=s) for s in (1, 1, 2))

    pd.testing.assert_frame_equal(first.long, again.long)
    assert not first.long.equals(other.long)
    assert not first.frames[0].equals(first.frames[1])


def test_observed_values_are_never_changed_and_no_hole_is_left():
    data = drawn()

    found = impute(data, METHODS, also=ALSO, m=3, iterations=2, seed=1)

    for frame in found.frames:
        assert frame.notna().all().all()
        pd.testing.assert_frame_equal(
            frame.where(data.notna()), data.where(data.notna(), N), check_dtype=False
        )
    assert found.n_missing == data[["y", "score"]].isna().sum().to_dict()
    assert set(found.trace.columns) == {"chain", "iteration", "variable", "mean", "sd"}


def test_matching_takes_values_that_were_seen_and_the_normal_model_does_not():
    data = drawn()
    seen = set(data["y"].dropna())

    matched = impute(data, METHODS, also=ALSO, m=1, iterations=3, seed=1).frames[0]["y"]
    normal = impute(data, METHODS | {"y": "norm"}, also=ALSO, m=1, iterations=3, seed=1).frames[0]["y"]

    assert set(matched) <= seen
    assert not set(normal) <= seen


@pytest.mark.parametrize("method", ["pmm", "norm"])
def test_imputation_removes_the_bias_of_complete_cases(method):
    # y is missing where it would be high: the observed mean is too low, the truth is 11
    data = drawn(n=600)

    found = impute(data, METHODS | {"y": method}, also=ALSO, m=10, iterations=5, seed=3)
    pooled = pool_fits([linear_model(frame, "y ~ 1") for frame in found.frames]).summary.iloc[0]

    assert data["y"].mean() < 10.2
    assert pooled["ci_low"] < 11 < pooled["ci_high"]


def test_categories_keep_their_labels_and_their_association():
    found = impute(drawn(n=600), METHODS, also=ALSO, m=10, iterations=5, seed=3)

    pooled = pool_fits([logistic_model(frame, "score ~ x") for frame in found.frames]).summary.set_index(
        "term"
    )

    assert set(found.frames[0]["score"]) == {"yes", "no"}
    assert pooled.loc["x", "ci_low"] < 2 < pooled.loc["x", "ci_high"]


def test_a_category_of_three_levels_is_imputed():
    rng = np.random.default_rng(1)
    x = rng.normal(size=300)
    stage = np.array(["i", "ii", "iii"], dtype=object)[
        np.digitize(x + 0.3 * rng.normal(size=300), [-0.5, 0.7])
    ]
    data = pd.DataFrame({"x": x, "stage": np.where(rng.random(300) < 0.3, None, stage)})

    frame = impute(data, {"stage": "logistic"}, also=("x",), m=1, iterations=1, seed=2).frames[0]

    assert (frame["stage"] == stage)[data["stage"].isna()].mean() > 0.7


def test_separation_does_not_stop_an_imputation():
    data = pd.DataFrame({"x": np.arange(20.0), "flag": [0.0] * 9 + [N] + [1.0] * 9 + [N]})

    frame = impute(data, {"flag": "logistic"}, also=("x",), m=5, iterations=1, seed=2)

    assert frame.status == "ok"
    assert frame.long["flag"].isin([0.0, 1.0]).all()


def test_a_variable_that_was_never_seen_stays_missing_and_is_named():
    data = drawn().assign(ferritin=N)

    found = impute(data, METHODS | {"ferritin": "pmm"}, also=ALSO, m=2, iterations=2, seed=1)

    assert (found.status, found.frames[0]["ferritin"].isna().all()) == ("not_estimable", True)
    assert found.note.startswith("ferritin: fewer than two different values")
    assert found.frames[0]["y"].notna().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"methods": {"y": "mean"}}, r"methods\[y\]: expected one of pmm, norm, logistic"),
        ({"methods": {"z": "pmm"}}, 'no column "z"'),
        (
            {"methods": {"y": "pmm"}, "also": ("score",)},
            r"also: expected complete columns; missing values in score \(",
        ),
        ({"methods": {"y": "pmm"}, "also": ("y",)}, "also: y is listed under both also and method"),
        ({"methods": {"score": "pmm"}}, "score: expected numbers"),
        ({"methods": {"y": "pmm"}, "m": 0}, "m: expected at least 1; found 0"),
        ({"methods": {"y": "pmm"}, "shifts": (Shift("x", 1.0),)}, 'shifts: expected one of y; found "x"'),
    ],
)
def test_a_wrong_argument_says_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        impute(drawn(), **{"seed": 1, **arguments})


def test_pooling_identical_estimates_keeps_their_variance():
    pooled = pool(np.full((5, 1), 2.0), np.full((5, 1), 0.25), ["x"], df_complete=20).summary.iloc[0]

    assert (pooled["estimate"], pooled["std_error"], pooled["between"], pooled["riv"]) == (2.0, 0.5, 0.0, 0.0)
    assert pooled["df"] == pytest.approx(barnard_rubin_df(5, np.array([0.0]), np.array([0.25]), 20)[0])
    assert 17 < pooled["df"] < 20


def test_total_variance_is_within_and_between():
    estimates, variances = np.array([[1.0], [2.0], [6.0]]), np.array([[1.0], [2.0], [3.0]])

    pooled = pool(estimates, variances, ["x"]).summary.iloc[0]

    assert pooled["total"] == pytest.approx(2.0 + (4 / 3) * 7.0)
    assert pooled["lambda"] == pytest.approx((4 / 3) * 7.0 / pooled["total"])
    assert pooled["df"] == pytest.approx(2 / pooled["lambda"] ** 2)


def test_a_term_that_one_imputation_cannot_estimate_is_named():
    pooled = pool(np.array([[1.0, 2.0], [1.0, N]]), np.ones((2, 2)), ["x", "z"])

    assert (pooled.status, pooled.note) == ("not_estimable", "not estimated in every imputation: z")


def test_a_fit_that_is_not_ok_is_told_in_the_pooled_one():
    separated = pd.DataFrame({"y": [0, 0, 0, 1, 1, 1], "x": [1.0, 2, 3, 4, 5, 6]})
    mixed = separated.assign(y=[0, 1, 0, 1, 0, 1])

    pooled = pool_fits([logistic_model(frame, "y ~ x") for frame in (mixed, separated, mixed)])

    assert pooled.status == "monotone_likelihood"
    assert pooled.note.startswith("1 of 3 imputations are not ok; imputation 2: the covariates separate")


@pytest.mark.parametrize("shape", [(1, 2), (2, 3)])
def test_pooling_needs_two_imputations_of_the_same_terms(shape):
    with pytest.raises(ValueError, match="expected two or more imputations by 2 terms"):
        pool(np.ones(shape), np.ones(shape), ["x", "z"])


def test_shifts_move_the_answer_in_their_direction_and_zero_is_plain_imputation():
    data = drawn()
    shifts = [-6.0, 0.0, 6.0]

    def fit(frame):
        return linear_model(frame, "y ~ 1")

    table = delta_sensitivity(
        data, {"y": "norm"}, fit, column="y", shifts=shifts, seed=5, also=ALSO, m=5, iterations=3
    )
    plain = impute(data, {"y": "norm"}, also=ALSO, m=5, iterations=3, seed=5)

    share = data["y"].isna().mean()
    estimates = table["estimate"].to_numpy()
    assert np.diff(estimates) == pytest.approx([6 * share, 6 * share])
    assert estimates[1] == pytest.approx(
        pool_fits([fit(frame) for frame in plain.frames]).summary["estimate"][0]
    )
    assert table["conclusion_changes"].tolist() == [False, False, False]


def test_a_shift_in_one_group_tips_the_comparison_and_says_where():
    data = drawn(n=300)

    table = delta_sensitivity(
        data,
        {"y": "norm"},
        lambda frame: linear_model(frame, "y ~ group_id + x"),
        column="y",
        shifts=[0, -2, -10],
        only_group=("group_id", "b"),
        seed=5,
        also=ALSO,
        m=5,
        iterations=3,
    )

    of_group = table[table["term"] == "group_idb"]
    assert of_group["estimate"].is_monotonic_decreasing
    assert of_group["conclusion_changes"].tolist() == [False, False, True]


def test_linear_and_logistic_models_without_answer_are_a_status():
    flat = pd.DataFrame({"y": [1, 1, 1, 1], "x": [1.0, 2, 3, 5]})

    assert logistic_model(flat, "y ~ x").status == "no_variance"
    assert linear_model(flat.iloc[:2], "y ~ x").status == "too_few_observations"
    assert (
        linear_model(flat.assign(y=[1.0, 2, 4, 4], z=[2.0, 4, 6, 10]), "y ~ x + z").note
        == "aliased columns: z = 2 x"
    )
    with pytest.raises(ValueError, match="expected an outcome of 0 and 1"):
        logistic_model(flat.assign(y=[0, 1, 2, 1]), "y ~ x")
    with pytest.raises(ValueError, match='formula: expected "outcome ~ terms"'):
        linear_model(flat, "~ x")
