"""Statements of a paper, judged by small tables that a reader can check by eye."""

from __future__ import annotations

import pandas as pd
import pytest

from analytics.paper.published import Limits, Measure, PrintedStatement, Statements
from analytics.paper.statements import (
    CONTRADICTED,
    DOES_NOT_HOLD,
    HOLDS,
    NOT_JUDGED,
    Evidence,
    Verdict,
    judge,
)

VISITS = ("baseline", "month_3", "month_6")
STATED = Statements(
    limits={"ck": Limits(low=40, high=200, source="a laboratory")},
    measures={
        "fall": Measure(measure="fall", visits=["baseline", "month_3"], with_endpoint="lower"),
        "level": Measure(measure="level", visits=["month_3"], with_endpoint="lower"),
    },
    first={"relapses": ["a"]},
)


def statement(
    kind: str, variables: str = "score", groups: str = "a", visits: str = "all", name: str = "s"
) -> PrintedStatement:
    kind, _, contradicts = kind.partition("contradicts ")
    parts = [tuple(part for part in text.split(";") if part) for text in (variables, groups, visits)]
    return PrintedStatement(2, name, "Results", "words", *parts, kind or "contradicts", contradicts or None)


def courses(variable: str = "score", **groups: list[list[float | None]]) -> pd.DataFrame:
    """One list per patient: the value at each visit."""
    rows = [
        (group, f"{group}{i}", variable, visit, value)
        for group, patients in groups.items()
        for i, course in enumerate(patients)
        for visit, value in zip(VISITS, course, strict=False)
    ]
    return pd.DataFrame(rows, columns=["group_id", "patient", "variable", "visit", "value"]).astype(
        {"value": float}
    )


def evidence(values: pd.DataFrame | None = None, **others: pd.DataFrame) -> Evidence:
    empty = {
        "outcomes": pd.DataFrame(columns=["group_id", "patient", "endpoint", "happened"]),
        "relapses": pd.DataFrame(
            columns=["group_id", "patient", "ck", "ck_before", "cmas", "cmas_before", "has_rash"]
        ),
        "terms": pd.DataFrame(columns=["model_id", "term", "p_value"]),
        "summaries": pd.DataFrame(columns=["table_id", "variable", "group_id", "display"]),
    }
    values = courses() if values is None else values
    return Evidence(values=values, visits=VISITS, labels={"a": "A", "b": "B"}, **(empty | others))


def verdict(of: PrintedStatement, *arguments, **others) -> str:
    return judge(of, evidence(*arguments, **others), STATED).verdict


@pytest.mark.parametrize(
    ("patients", "expected"),
    [
        ([[1, 2, 3], [2, 3, 4], [3, 4, 5]], HOLDS),
        ([[1, 2, 2], [2, 3, 3], [3, 4, 4]], HOLDS),  # it stays where it has come to
        ([[1, 3, 2], [2, 4, 3], [3, 5, 4]], DOES_NOT_HOLD),  # back again at the last visit
        ([[1, 1, 1], [2, 2, 2], [3, 3, 3]], DOES_NOT_HOLD),  # nothing moves
        ([[1, 0, 0], [2, 1, 1], [3, 90, 90]], DOES_NOT_HOLD),  # the mean rises, the median does not
        ([[1, 2, None], [2, 3, 4], [3, 4, 5], [9, None, None]], HOLDS),  # who has both visits is compared
    ],
)
def test_a_group_rises_when_mean_and_median_never_fall_and_end_higher(patients: list, expected: str) -> None:
    assert verdict(statement("rises"), courses(a=patients)) == expected
    upside_down = [[None if v is None else -v for v in course] for course in patients]
    assert verdict(statement("falls"), courses(a=upside_down)) == expected


def test_where_the_patients_seen_at_both_visits_go_the_other_way_than_all_the_sentence_says_so() -> None:
    """The patient with 9 is not seen again: the mean of all falls, that of the others rises."""
    found = judge(
        statement("rises", visits="baseline;month_3"), evidence(courses(a=[[1, 2], [2, 3], [9]])), STATED
    )
    assert found.verdict == HOLDS
    assert "; the 2 patients with both visits go 1.50 → 2.50 from baseline to month_3" in found.found


def test_each_group_of_a_course_has_to_show_it() -> None:
    up, down = [[1, 2, 3], [2, 3, 4]], [[3, 2, 1], [4, 3, 2]]
    assert verdict(statement("rises", groups="a;b"), courses(a=up, b=up)) == HOLDS
    assert verdict(statement("rises", groups="a;b"), courses(a=up, b=down)) == DOES_NOT_HOLD


def test_a_course_that_ends_at_full_score_may_have_its_median_there_from_the_start() -> None:
    found = judge(statement("rises"), evidence(courses(a=[[52, 52, 52], [52, 52, 52], [20, 30, 40]])), STATED)
    assert found.verdict == HOLDS
    assert found.found == "In A the mean goes 41.3 → 44.7 → 48.0 (median 52.0 → 52.0 → 52.0)."


def test_the_sentence_of_two_visits_counts_who_rises() -> None:
    found = judge(
        statement("rises", visits="baseline;month_3"), evidence(courses(a=[[1, 2], [2, 3], [3, 3]])), STATED
    )
    assert found == Verdict(
        HOLDS,
        "In A the mean goes 2.00 → 2.67 (median 2.00 → 3.00); 2 of 3 patients with both values rise"
        " (Wilcoxon's signed-rank test, p = 0.500).",
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([100] * 10, HOLDS),
        ([100] * 9 + [201], HOLDS),
        ([100] * 8 + [201, 39], DOES_NOT_HOLD),
        ([40, 200], HOLDS),
    ],
)
def test_normal_is_nine_of_ten_within_the_limits(values: list[float], expected: str) -> None:
    course = courses("ck", a=[[None, value] for value in values])
    assert verdict(statement("normal", "ck", visits="month_3"), course) == expected


@pytest.mark.parametrize(("later", "expected"), [(140, HOLDS), (160, DOES_NOT_HOLD), (250, DOES_NOT_HOLD)])
def test_stable_is_normal_with_medians_near_each_other(later: float, expected: str) -> None:
    course = courses("ck", a=[[5000, 100, later]] * 3)
    assert verdict(statement("stable", "ck", visits="month_3;month_6"), course) == expected


@pytest.mark.parametrize(
    ("a", "b", "below", "significantly"),
    [
        ([1, 2, 3], [11, 12, 13], HOLDS, HOLDS),
        ([1, 2, 30], [11, 12, 33], HOLDS, DOES_NOT_HOLD),
        ([1, 2, 60], [11, 12, 13], DOES_NOT_HOLD, DOES_NOT_HOLD),  # the median is below, the mean is not
        ([11, 12, 13], [1, 2, 3], DOES_NOT_HOLD, DOES_NOT_HOLD),
    ],
)
def test_a_group_is_below_when_mean_and_median_are(a: list, b: list, below: str, significantly: str) -> None:
    values = courses(a=[[v] for v in a], b=[[v] for v in b])

    def of(kind: str, groups: str = "a;b") -> str:
        return verdict(statement(kind, groups=groups, visits="baseline"), values)

    assert (of("below"), of("below_significantly")) == (below, significantly)
    assert of("above", "b;a") == below


def test_below_at_every_visit_names_the_visit_at_which_it_is_not() -> None:
    values = courses(a=[[1, 5, 1]] * 2, b=[[2, 4, 2]] * 2)
    found = judge(statement("below", groups="a;b"), evidence(values), STATED)
    assert found.verdict == DOES_NOT_HOLD
    assert found.found.endswith(" Not so at month_3.")


@pytest.mark.parametrize(
    ("group", "interaction", "expected"),
    [(0.2, 0.7, HOLDS), (0.2, 0.04, DOES_NOT_HOLD), (0.01, 0.7, DOES_NOT_HOLD)],
)
def test_no_difference_is_two_terms_without_significance(
    group: float, interaction: float, expected: str
) -> None:
    terms = pd.DataFrame(
        {"model_id": "m_score", "term": ["group", "group_by_time"], "p_value": [group, interaction]}
    )
    found = judge(statement("no_difference", groups="a;b"), evidence(terms=terms), STATED, "m_{}".format)
    assert found.verdict == expected
    assert found.found.startswith(f"The mixed model of score gives p = {group:.3f} for the group")


def outcomes(*happened: float | None) -> pd.DataFrame:
    return pd.DataFrame(
        [("a", f"a{i}", "relapse", flag) for i, flag in enumerate(happened)],
        columns=["group_id", "patient", "endpoint", "happened"],
    )


def test_an_association_compares_the_stated_measure_by_outcome() -> None:
    """Who relapses keeps 90 % of the first CK, who does not 10 %; the last patient's outcome is not known."""
    values = courses(
        "ck", a=[[1000, 900 + i] for i in range(5)] + [[1000, 100 + i] for i in range(5)] + [[1000, 1]]
    )
    happened = outcomes(1, 1, 1, 1, 1, 0, 0, 0, 0, 0, None)
    of = statement("association", "ck;relapse", visits="", name="fall")
    found = judge(of, evidence(values, outcomes=happened), STATED)
    assert found == Verdict(
        HOLDS,
        (
            "The fall of ck from baseline to month_3 is 10 % (median) in the 5 patients of A with relapse and 90 % in the 5"
            " without (Mann-Whitney, p = 0.008)."
        ),
    )
    turned = outcomes(0, 0, 0, 0, 0, 1, 1, 1, 1, 1, None)
    assert verdict(of, values, outcomes=turned) == DOES_NOT_HOLD
    assert verdict(of, values.iloc[:4], outcomes=happened) == NOT_JUDGED  # nobody without relapse is left
    level = statement("association", "ck;relapse", visits="", name="level")
    assert verdict(level, values, outcomes=happened) == DOES_NOT_HOLD  # the level is higher, lower was stated


def relapses(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(
        rows, columns=["group_id", "patient", "ck", "ck_before", "cmas", "cmas_before", "has_rash"]
    )


MUSCLE, SYSTEMIC, SKIN = (900, 100, 40, 41, False), (100, 100, 35, 40, True), (100, 100, 40, 41, True)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a", 1, *MUSCLE), ("a", 2, *SYSTEMIC), ("a", 3, *SKIN), ("b", 4, *SKIN)], HOLDS),
        ([("a", 1, *MUSCLE), ("a", 2, *SKIN), ("b", 4, *SKIN)], DOES_NOT_HOLD),  # half is not mainly
        ([("a", 1, *MUSCLE), ("b", 4, *SYSTEMIC)], DOES_NOT_HOLD),  # the others' show in muscle too
        ([("a", 1, 250, 200, None, None, False), ("b", 4, *SKIN)], DOES_NOT_HOLD),  # CK hardly rises
    ],
)
def test_the_kind_of_a_relapse_is_what_is_measured_at_it(rows: list[tuple], expected: str) -> None:
    of = statement("kind of relapse", "relapse", "all", "", name="relapses")
    assert verdict(of, relapses=relapses(*rows)) == expected


def test_a_statement_that_the_papers_own_table_denies_says_what_the_release_gives() -> None:
    summaries = pd.DataFrame(
        [
            ("I", "relapse", "a", "9 (60.00)"),
            ("I", "relapse", "b", "1 (8.33)"),
            ("II", "relapse", "a", "9 (60.00)"),
        ],
        columns=["table_id", "variable", "group_id", "display"],
    )
    found = judge(
        statement("contradicts Table I (8.33 %)", "relapse", "a;b", ""), evidence(summaries=summaries), STATED
    )
    assert found == Verdict(
        CONTRADICTED, "Table I (8.33 %) says otherwise. The release gives 9 (60.00) in A and 1 (8.33) in B."
    )


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (statement("rises"), "no patient of A has score at baseline and month_3"),
        (
            statement("normal", "score"),
            "paper.yml does not say under statements.limits what is normal of score",
        ),
        (statement("below", groups="a;b"), "A has no score at baseline"),
        (statement("no_difference", groups="a;b"), "the release has no p value of term group in model score"),
        (
            statement("association", "score;relapse", visits=""),
            "paper.yml does not say under statements.measures",
        ),
        (statement("kind of relapse", "relapse", "all", ""), "paper.yml does not say under statements.first"),
        (
            statement("kind of relapse", "relapse", "all", "", "relapses"),
            "no relapse at which anything was measured",
        ),
        (statement("contradicts Table I"), "the release has nothing of what Table I prints of it"),
    ],
)
def test_what_the_release_lacks_is_not_judged_and_says_what(of: PrintedStatement, said: str) -> None:
    found = judge(of, evidence(), STATED)
    assert found.verdict == NOT_JUDGED
    assert said in found.found
