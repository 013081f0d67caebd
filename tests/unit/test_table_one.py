"""The baseline table: a small frame in, the two frames out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analytics.baseline.table_one import COMPARISON_COLUMNS, SUMMARY_COLUMNS, VariableSpec, table_one
from analytics.multiplicity import adjust_p_values

GROUPS = ("nxp2", "mda5", "tif1g")
PAIRS = [("nxp2", "mda5"), ("nxp2", "tif1g")]

PATIENTS = pd.DataFrame(
    [
        # group    age   ck      dysphagia stage
        ("nxp2", 8.0, 3792.0, 1.0, "a"),
        ("nxp2", 4.0, 893.0, 1.0, "b"),
        ("nxp2", 9.0, 5126.0, 0.0, "b"),
        ("nxp2", 5.0, np.nan, np.nan, "c"),
        ("mda5", 7.0, 180.0, 0.0, "a"),
        ("mda5", 6.0, 59.5, 0.0, "a"),
        ("mda5", 2.0, 284.0, 0.0, "b"),
        ("tif1g", 3.0, 189.0, 0.0, "c"),
        ("tif1g", 5.0, 63.0, 1.0, None),
        ("other", 40.0, 1.0, 1.0, "z"),
    ],
    columns=["group_id", "age", "ck", "dysphagia", "stage"],
)
AGE = VariableSpec("age", "mean_sd", "student_t", tests={"tif1g": "welch_t"})
CK = VariableSpec("ck", "median_iqr", "mann_whitney_exact")
DYSPHAGIA = VariableSpec("dysphagia", "count_percent", "fisher")


def build(*specs, **options):
    return table_one(
        PATIENTS, specs, group="group_id", groups=GROUPS, comparisons=PAIRS, table_id="I", **options
    )


def test_summary_has_one_row_per_variable_and_group():
    summary, _ = build(AGE, CK, DYSPHAGIA)

    assert tuple(summary.columns) == SUMMARY_COLUMNS
    assert summary[["variable", "group_id", "n", "n_missing", "display"]].to_numpy().tolist() == [
        ["age", "nxp2", 4, 0, "6.50 ± 2.38"],
        ["age", "mda5", 3, 0, "5.00 ± 2.65"],
        ["age", "tif1g", 2, 0, "4.00 ± 1.41"],
        ["ck", "nxp2", 3, 1, "3792 (2342.5, 4459)"],
        ["ck", "mda5", 3, 0, "180 (119.75, 232)"],
        ["ck", "tif1g", 2, 0, "126 (94.5, 157.5)"],
        ["dysphagia", "nxp2", 3, 1, "2 (66.67)"],
        ["dysphagia", "mda5", 3, 0, "0 (0.00)"],
        ["dysphagia", "tif1g", 2, 0, "1 (50.00)"],
    ]


def test_comparison_has_one_row_per_variable_and_pair_with_the_declared_test():
    _, comparison = build(AGE, CK, DYSPHAGIA)

    assert tuple(comparison.columns) == COMPARISON_COLUMNS
    assert comparison[
        ["variable", "group_a", "group_b", "test", "effect_kind", "second_effect_kind"]
    ].to_numpy().tolist() == [
        ["age", "nxp2", "mda5", "student_t", "mean_difference", "hedges_g"],
        ["age", "nxp2", "tif1g", "welch_t", "mean_difference", "hedges_g"],
        ["ck", "nxp2", "mda5", "mann_whitney_exact", "hodges_lehmann_shift", "rank_biserial"],
        ["ck", "nxp2", "tif1g", "mann_whitney_exact", "hodges_lehmann_shift", "rank_biserial"],
        ["dysphagia", "nxp2", "mda5", "fisher", "odds_ratio", "risk_difference"],
        ["dysphagia", "nxp2", "tif1g", "fisher", "odds_ratio", "risk_difference"],
    ]
    assert comparison.loc[2, ["n_a", "n_b", "n", "n_missing", "p_value", "display"]].tolist() == [
        3,
        3,
        6,
        1,
        0.1,
        "0.100",
    ]


@pytest.mark.parametrize(
    ("family", "members"),
    [
        ("table", [[0, 1, 2, 3, 4, 5]]),
        ("pair", [[0, 2, 4], [1, 3, 5]]),
        ("variable", [[0, 1], [2, 3], [4, 5]]),
    ],
)
def test_p_values_are_adjusted_within_the_declared_family(family, members):
    _, comparison = build(AGE, CK, DYSPHAGIA, adjust="holm", family=family)

    for rows in members:
        expected = adjust_p_values(comparison["p_value"][rows], "holm")
        assert comparison["p_adjusted"][rows].tolist() == pytest.approx(expected.tolist())
    assert comparison["adjustment"].unique().tolist() == ["holm"]


def test_declared_families_are_named_by_the_variables():
    specs = [
        VariableSpec("age", "mean_sd", "welch_t", family="demography"),
        VariableSpec("ck", "median_iqr", "mann_whitney", family="enzymes"),
    ]

    _, comparison = build(*specs, family="declared", adjust="bonferroni")

    assert comparison["family"].tolist() == ["demography", "demography", "enzymes", "enzymes"]
    assert comparison["p_adjusted"].tolist() == pytest.approx([min(1, 2 * p) for p in comparison["p_value"]])


def test_all_levels_of_a_category_are_summarised_and_tested_together():
    spec = VariableSpec("stage", "count_percent", "fisher", levels=("a", "b", "c"))

    summary, comparison = build(spec)

    assert summary[["variable", "group_id", "display"]].to_numpy().tolist()[:3] == [
        ["stage:a", "nxp2", "1 (25.00)"],
        ["stage:a", "mda5", "2 (66.67)"],
        ["stage:a", "tif1g", "0 (0.00)"],
    ]
    assert comparison["variable"].tolist() == ["stage", "stage"]
    assert comparison["effect_kind"].tolist() == ["cramers_v", "cramers_v"]


def test_a_text_level_counts_against_all_others():
    summary, comparison = build(VariableSpec("stage", "count_percent", "fisher", level="b"))

    assert summary["display"].tolist() == ["2 (50.00)", "1 (33.33)", "0 (0.00)"]
    assert comparison["n_b"].tolist() == [3, 1]


def test_a_comparison_without_answer_is_a_row_with_its_status():
    patients = PATIENTS.assign(ck=PATIENTS["ck"].where(PATIENTS["group_id"] != "mda5"))

    summary, comparison = table_one(patients, [CK], group="group_id", groups=GROUPS, comparisons=PAIRS)

    assert comparison[["status", "display"]].to_numpy().tolist() == [
        ["too_few_observations", "–"],
        ["ok", "0.200"],
    ]
    assert np.isnan(comparison.loc[0, "p_adjusted"])
    assert comparison.loc[1, "p_adjusted"] == comparison.loc[1, "p_value"]
    assert summary.loc[1, ["n", "display", "status", "note"]].tolist() == [
        0,
        "–",
        "too_few_observations",
        "no ck is known in mda5",
    ]


def test_a_variable_without_a_test_is_summarised_only():
    summary, comparison = build(VariableSpec("age", "mean_sd"))

    assert (len(summary), len(comparison)) == (3, 0)
    assert tuple(comparison.columns) == COMPARISON_COLUMNS


def test_stated_decimals_keep_their_zeros():
    summary, _ = build(
        VariableSpec("ck", "median_iqr", decimals=1), VariableSpec("age", "mean_sd", decimals=0)
    )

    assert summary["display"].tolist()[:4] == [
        "3792.0 (2342.5, 4459.0)",
        "180.0 (119.8, 232.0)",
        "126.0 (94.5, 157.5)",
        "7 ± 2",
    ]


def test_columns_have_the_same_types_whatever_the_rows_hold():
    full, full_comparison = build(AGE, DYSPHAGIA)
    empty, empty_comparison = table_one(
        PATIENTS[:0], [AGE, DYSPHAGIA], group="group_id", groups=GROUPS, comparisons=PAIRS
    )

    assert full.dtypes.equals(empty.dtypes)
    assert full_comparison.dtypes.equals(empty_comparison.dtypes)
    assert empty_comparison["status"].unique().tolist() == ["too_few_groups"]


def test_a_quartile_below_the_detection_limit_is_a_bound_and_no_number():
    values = {"nxp2": [2.9, 1.95, 3.65, 2.0, 4.0], "adult": [0.1, 0.1, 0.1, 0.4, 1.18], "empty": [np.nan]}
    data = pd.DataFrame([(g, v) for g, vs in values.items() for v in vs], columns=["group_id", "upper"])
    data["lower"] = data["upper"].where(data["upper"] > 0.1)
    spec = VariableSpec("il_4", "median_iqr", "peto_prentice", bounds=("lower", "upper"))

    summary, comparison = table_one(
        data,
        [spec],
        group="group_id",
        groups=tuple(values),
        comparisons=[("nxp2", "adult"), ("nxp2", "empty")],
    )

    assert summary["display"].tolist() == ["2.9 (2, 3.65)", "<0.1 (<0.1, 0.4)", "–"]
    assert summary["note"].tolist() == [
        "",
        "3 of 5 lie beyond a detection limit",
        "no il_4 is known in empty",
    ]
    assert summary["median"].tolist() == pytest.approx([2.9, np.nan, np.nan], nan_ok=True)
    assert comparison[["test", "status", "effect_kind"]].to_numpy().tolist() == [
        ["peto_prentice", "ok", "geometric_mean_ratio"],
        ["peto_prentice", "too_few_observations", None],
    ]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "ck", "kind": "median"}, r'variable ck: kind: expected one of .*Did you mean "median_iqr"'),
        (
            {"name": "ck", "kind": "median_iqr", "test": "fisher"},
            r"variable ck \(median_iqr\): test: expected one of mann_whitney",
        ),
        (
            {"name": "x", "kind": "count_percent", "test": "welch_t"},
            r"variable x \(count_percent\): test: expected one of fisher",
        ),
        (
            {"name": "x", "kind": "mean_sd", "levels": ("a",)},
            "levels can be summarised as count_percent only",
        ),
        (
            {"name": "x", "kind": "mean_sd", "bounds": ("a", "b")},
            "bounds can be summarised as median_iqr only",
        ),
        (
            {"name": "x", "kind": "median_iqr", "bounds": ("a", "b"), "test": "welch_t"},
            "expected one of peto_prentice",
        ),
        (
            {"name": "x", "kind": "count_percent", "test": "fisher_mid_p", "levels": ("a", "b")},
            "fisher_mid_p compares one level with all others",
        ),
    ],
)
def test_a_wrong_variable_says_what_is_wrong(spec, message):
    with pytest.raises(ValueError, match=message):
        VariableSpec(**spec)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"adjust": "holms"}, 'adjust: expected one of .*Did you mean "holm"'),
        ({"family": "tables"}, 'Did you mean "table"'),
        ({"family": "declared"}, 'family is "declared", but no family is given for age'),
    ],
)
def test_a_wrong_argument_says_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        build(AGE, **options)


def test_a_comparison_of_an_unknown_group_and_a_repeated_variable_are_errors():
    with pytest.raises(ValueError, match='comparisons: expected one of nxp2, mda5, tif1g; found "mda4"'):
        table_one(PATIENTS, [AGE], group="group_id", groups=GROUPS, comparisons=[("nxp2", "mda4")])
    with pytest.raises(ValueError, match="variables: age is listed twice"):
        build(AGE, AGE)
    with pytest.raises(ValueError, match=r'no column "agee" \(did you mean "age"\?\)'):
        build(VariableSpec("agee", "mean_sd"))
