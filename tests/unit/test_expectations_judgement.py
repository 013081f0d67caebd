"""What is said of counts: thresholds, hospitals, items, waivers. No database here."""

from __future__ import annotations

from datetime import date

import pytest

from expectations import gate
from expectations.judgement import Finding, judge
from expectations.suite import Rule, Suite, Waiver

TODAY = date(2024, 6, 1)
SUITE = {
    "suite": "marts",
    "layer": "marts",
    "schema": "marts",
    "description": "",
    "tables": ["dim_patient"],
}


def rule(**changes) -> Rule:
    stated = {
        "id": "sex_complete",
        "table": "dim_patient",
        "column": "sex",
        "expectation": "expect_column_values_to_not_be_null",
        "severity": "blocking",
        "means": "Sex is known.",
        "note": "one in ten.",
    }
    return Rule(**stated | changes)


def judged(finding: Finding, *waivers: Waiver, **changes):
    the_rule = rule(**changes)
    return judge(Suite(**SUITE, rules=[the_rule]), the_rule, "dim_patient", finding, waivers, TODAY)


def counted(*groups: tuple) -> Finding:
    """Groups as (hospital, concept, examined, unexpected), names that are None left out."""
    return Finding(
        groups=tuple(
            {
                "names": {k: v for k, v in (("hospital_id", hospital), ("concept_id", concept)) if v},
                "examined": examined,
                "unexpected": unexpected,
            }
            for hospital, concept, examined, unexpected in groups
        )
    )


def waiver(expires: str = "2024-12-31", **where) -> Waiver:
    return Waiver("sex_complete", "A. Keeper", "known gap", date.fromisoformat(expires), **where)


@pytest.mark.parametrize(
    ("examined", "unexpected", "passed", "observed"),
    [
        (20, 2, True, "2 of 20 (10.0 %)"),
        (20, 3, False, "3 of 20 (15.0 %)"),
        (10, 1, True, "1 of 10 (10.0 %)"),  # 0.9 * 10 is 9.000000000000002 in floating point
        (4, 4, True, "4 of 4, too few to judge"),
        (0, 0, True, "0 of 0"),
    ],
)
def test_a_share_is_held_against_its_threshold_where_enough_was_examined(
    examined, unexpected, passed, observed
):
    [result] = judged(counted((None, None, examined, unexpected)), mostly=0.9, at_least=5)

    assert (result.passed, result.observed) == (passed, observed)
    assert result.threshold == "at most 10 % where at least 5 are examined"


def test_each_hospital_gets_its_own_result():
    results = judged(counted(("south", None, 10, 5), ("north", None, 10, 0)), per="hospital", mostly=0.9)

    assert [(r.hospital_id, r.passed, r.observed) for r in results] == [
        ("north", True, "0 of 10 (0.0 %)"),
        ("south", False, "5 of 10 (50.0 %)"),
    ]


def test_the_items_of_a_hospital_are_judged_each_and_the_worst_are_named():
    findings = counted(*[("north", f"concept_{n}", 20, n) for n in range(10)])

    [result] = judged(findings, per="hospital", each="concept_id", mostly=0.9)

    assert result.observed == (
        "7 of 10 concepts: concept_9 9 of 20 (45.0 %), concept_8 8 of 20 (40.0 %),"
        " concept_7 7 of 20 (35.0 %), concept_6 6 of 20 (30.0 %), concept_5 5 of 20 (25.0 %), 2 more"
    )
    assert result.threshold == "at most 10 % of each"


def test_a_count_of_rows_is_a_number():
    [result] = judged(
        Finding(number=0, holds=False),
        expectation="expect_table_row_count_to_be_between",
        column=None,
        kwargs={"min_value": 1},
    )

    assert (result.observed, result.threshold, result.passed) == (0, "at least 1 rows", False)


def test_what_was_not_computed_fails_and_no_waiver_helps():
    [result] = judged(Finding(trouble="Catalog Error: no table"), waiver())

    assert (result.passed, result.waived, result.observed) == (False, False, "not computed")
    assert "Could not be computed: Catalog Error: no table." in result.note


@pytest.mark.parametrize(
    ("given", "waived", "said"),
    [
        (waiver(), True, "Waived by A. Keeper until 2024-12-31: known gap."),
        (waiver(hospital="north"), True, "Waived by A. Keeper until 2024-12-31: known gap."),
        (waiver(expires="2024-06-01"), True, "Waived by A. Keeper until 2024-06-01: known gap."),
        (waiver(expires="2024-05-31"), False, "The waiver of A. Keeper expired on 2024-05-31."),
        (waiver(hospital="south"), False, ""),
        (Waiver("other_rule", "A. Keeper", "known gap", date(2024, 12, 31)), False, ""),
    ],
)
def test_a_waiver_holds_for_its_rule_and_hospital_until_its_last_day(given, waived, said):
    [result] = judged(counted(("north", None, 10, 5)), given, per="hospital", mostly=0.9)

    assert (result.passed, result.waived) == (False, waived)
    assert result.note == f"Sex is known. Threshold: one in ten. {said}".strip()
    assert gate([result]) == ([] if waived else [result])


def test_a_waiver_of_one_item_leaves_the_others_standing():
    findings = counted(("north", "ck", 10, 9), ("north", "cmas", 10, 9))
    stated = {"per": "hospital", "each": "concept_id", "mostly": 0.9}

    [one] = judged(findings, waiver(item="ck"), **stated)
    [both] = judged(findings, waiver(item="ck"), waiver(item="cmas"), **stated)

    assert (one.waived, both.waived) == (False, True)


def test_a_waiver_that_is_no_longer_needed_is_said_to_be_so():
    [result] = judged(counted(("north", None, 10, 0)), waiver(hospital="north"), per="hospital")

    assert (result.passed, result.waived) == (True, False)
    assert "The waiver of A. Keeper is no longer needed here." in result.note


def test_the_gate_stops_for_blocking_failures_only():
    failed = counted((None, None, 10, 1))
    warned, waived = judged(failed, severity="warning"), judged(failed, waiver())
    results = [*judged(failed), *warned, *waived, *judged(counted())]

    assert gate(results) == results[:1]


def test_a_result_is_said_in_one_line():
    [result] = judged(counted(("north", None, 10, 5)), per="hospital", mostly=0.9)

    assert result.sentence() == (
        "marts.dim_patient.sex of hospital north: sex_complete: found 5 of 10 (50.0 %) unexpected,"
        " allowed at most 10 %. Sex is known. Threshold: one in ten."
    )
