"""Printed values beside results: one row each, agreeing by their digits, with a reason where they differ."""

from __future__ import annotations

import ast
from pathlib import Path

import pandas as pd
import pytest

from analytics.paper.printed_numbers import PrintedNumber
from analytics.paper.published import (
    Paper,
    PaperFile,
    PrintedAnalysis,
    PrintedP,
    PrintedStatement,
    PrintedSummary,
    PrintedTerm,
    parse_summary,
)
from analytics.paper.reproduction import (
    ADDED,
    COLUMNS,
    FEWER,
    Agreement,
    agreement,
    reproduce,
    statement_counts,
    statement_words,
)
from analytics.paper.statements import Evidence
from analytics.study.frames import records

ROOT = Path(__file__).parents[2]
NUMBER = PrintedNumber.parse
SUMMARY = {
    "table_id": "I",
    "variable": "age",
    "group_id": "a",
    "n": 10,
    "kind": "mean_sd",
    "status": "ok",
    "display": "shown",
    "mean": 31.33,
    "sd": 11.8,
    "median": 30.0,
    "q1": 20.0,
    "q3": 40.0,
    "count": None,
    "percent": None,
}
COMPARISON = {
    "table_id": "I",
    "variable": "age",
    "group_a": "a",
    "group_b": "b",
    "p_value": 0.0042,
    "status": "ok",
    "note": "",
}
TERM = {
    "model_id": "m_cmas",
    "term": "group",
    "test": "wald_chi_square",
    "statistic": 3.6371,
    "df_num": 1.0,
    "p_value": 0.05651,
    "status": "ok",
    "note": "",
}
LOG_RANK = {
    "endpoint": "relapse",
    "scope": "pairwise",
    "group_a": "a",
    "group_b": "b",
    "p_value": 0.031,
    "status": "ok",
    "note": "",
}


def results(**tables: dict) -> dict[str, pd.DataFrame]:
    return {name: pd.DataFrame([row]) for name, row in tables.items()}


def summary(printed: str = "31.33 ± 11.80", kind: str = "mean_sd", group: str = "a") -> PrintedSummary:
    return PrintedSummary(2, "I", "age", group, 10, kind, printed, parse_summary(kind, printed))


def p_value(printed: str = "0.004", pair: tuple[str, str] = ("a", "b")) -> PrintedP:
    return PrintedP(2, "I", "age", *pair, printed, NUMBER(printed))


def term(chi_square: str = "3.6371", p: str = "0.05651", df: int = 1) -> PrintedTerm:
    return PrintedTerm(2, "III", "cmas", "group", NUMBER(chi_square), df, NUMBER(p))


def analysis(printed: str = "0.03") -> PrintedAnalysis:
    return PrintedAnalysis(2, "text", "pair", "a", "b", printed, (NUMBER(printed),))


def paper(*rows, **file) -> Paper:
    kinds = {
        PrintedSummary: "summaries",
        PrintedP: "p_values",
        PrintedTerm: "terms",
        PrintedAnalysis: "analyses",
        PrintedStatement: "statements",
    }
    found = {name: tuple(r for r in rows if isinstance(r, kind)) for kind, name in kinds.items()}
    return Paper(
        "one",
        PaperFile(
            title="One", model_terms={"table": "III", "model": "m_{response}"} | file.pop("terms", {}), **file
        ),
        **found,
    )


def compared(printed: Paper, found: dict[str, pd.DataFrame]) -> list[tuple]:
    return [(r["cell"], r["computed"], r["agrees"], r["reason"]) for r in records(reproduce(printed, found))]


@pytest.mark.parametrize(
    ("row", "result", "expected"),
    [
        (summary(), {}, ("I/age/a", "31.33 ± 11.80", True, "")),
        (summary("31.33 ± 11.8"), {"sd": 11.84}, ("I/age/a", "31.33 ± 11.8", True, "")),
        (summary("31.33 ± 11.81"), {}, ("I/age/a", "31.33 ± 11.80", False, "not explained")),
        (summary("31.33"), {"sd": None}, ("I/age/a", "31.33", True, "")),
        (
            summary("30 (20, 40)", "median_iqr"),
            {"kind": "median_iqr", "q3": 40.4},
            ("I/age/a", "30 (20, 40)", True, ""),
        ),
        (
            summary("30 (20, 40.0)", "median_iqr"),
            {"kind": "median_iqr", "q3": 40.4},
            ("I/age/a", "30 (20, 40.4)", False, "not explained"),
        ),
        (
            summary("9 (60.00)", "count_percent"),
            {"kind": "count_percent", "count": 9, "percent": 50.0},
            ("I/age/a", "9 (50.00)", False, "not explained"),
        ),
        (
            summary("30 (20, 40)", "median_iqr"),
            {},
            ("I/age/a", "shown", False, "printed as median_iqr; the study file summarises it as mean_sd"),
        ),
        (
            summary(),
            {"mean": None, "status": "too_few_observations"},
            ("I/age/a", None, False, "not computed: too few observations"),
        ),
        (
            summary(group="c"),
            {},
            (
                "I/age/c",
                None,
                False,
                "results.baseline_summary has no row for table I, age, c: the study file does not ask for it",
            ),
        ),
    ],
)
def test_a_summary_agrees_when_each_of_its_numbers_prints_alike(
    row: PrintedSummary, result: dict, expected: tuple
) -> None:
    assert compared(paper(row), results(baseline_summary=SUMMARY | result)) == [expected]


@pytest.mark.parametrize(
    ("row", "result", "expected"),
    [
        (p_value(), {}, ("I/age/a:b", "0.004", True, "")),
        (p_value(pair=("b", "a")), {}, ("I/age/b:a", "0.004", True, "")),
        (p_value("0.005"), {}, ("I/age/a:b", "0.004", False, "not explained")),
        (p_value("<0.001"), {"p_value": 0.0004}, ("I/age/a:b", "<0.001", True, "")),
        (
            p_value(),
            {"p_value": None, "status": "no_variance"},
            ("I/age/a:b", None, False, "not computed: no variance"),
        ),
        (
            p_value(pair=("a", "c")),
            {},
            (
                "I/age/a:c",
                None,
                False,
                "results.group_comparison has no row for table I, age, a and c:"
                " the study file does not ask for it",
            ),
        ),
    ],
)
def test_a_p_value_agrees_when_it_prints_alike(row: PrintedP, result: dict, expected: tuple) -> None:
    assert compared(paper(row), results(group_comparison=COMPARISON | result)) == [expected]


def test_a_term_is_two_printed_values() -> None:
    found = compared(
        paper(term(), term("3.64", "0.06")),
        results(mixed_model_term=TERM | {"statistic": 3.7, "p_value": 0.0544}),
    )
    assert found == [
        ("III/cmas/group/chi_square", "3.7000", False, "not explained"),
        ("III/cmas/group/p", "0.05440", False, "not explained"),
        ("III/cmas/group/chi_square", "3.70", False, "not explained"),
        ("III/cmas/group/p", "0.05", False, "not explained"),
    ]
    (statistic, p) = compared(paper(term(df=4)), results(mixed_model_term=TERM))
    assert statistic[1:] == ("3.6371 on 1 df", False, "printed on 4 df; the model's term has 1")
    assert p[2]


def test_a_tolerance_holds_where_it_is_stated_and_says_so() -> None:
    within = {"within": {"cmas": {"chi_square": 0.05, "why": "whole numbers"}}}
    near = TERM | {"statistic": 3.68, "p_value": 0.05507}
    rows = records(reproduce(paper(term(), terms=within), results(mixed_model_term=near)))
    assert [(r["computed"], r["agrees"], r["agreement"], r["reason"]) for r in rows] == [
        ("3.6800", True, "within 0.05", "whole numbers"),
        ("0.05507", True, "as a chi-square within 0.05 gives", "whole numbers"),
    ]
    far = TERM | {"statistic": 3.69, "p_value": 0.05474}
    rows = records(reproduce(paper(term(), terms=within), results(mixed_model_term=far)))
    assert [(r["agrees"], r["agreement"]) for r in rows] == [(False, "differs"), (False, "differs")]


def test_a_number_of_the_text_is_looked_up_where_the_paper_file_says() -> None:
    def of(**lookup) -> tuple:
        asked = {"table": "log_rank", "where": {"endpoint": "relapse"}} | lookup
        return compared(paper(analysis(), analyses={"lookup": {"pair": asked}}), results(log_rank=LOG_RANK))[
            0
        ]

    assert of() == ("text/pair/a:b", "0.03", True, "")
    assert of(where={"endpoint": "death"})[3].startswith(
        "results.log_rank has no row for endpoint death, group_a a, group_b b"
    )
    assert of(where={"scoop": "overall"})[3] == "results.log_rank has no column scoop"
    assert of(values=["hazard_ratio"])[3] == "results.log_rank has no column hazard_ratio"


def test_a_known_reason_counts_as_differing_and_holds_for_the_value_that_it_names() -> None:
    def reason(**known) -> tuple:
        printed = paper(p_value("0.307"), known={"I/age/a:b": {"why": "known"} | known})
        return compared(printed, results(group_comparison=COMPARISON))[0][1:]

    assert reason() == ("0.004", False, "known")
    assert reason(computed="0.004") == ("0.004", False, "known")
    assert reason(computed="0.489") == ("0.004", False, "not explained")


@pytest.mark.parametrize(("n", "reason"), [(12, ADDED), (10, "not explained"), (8, FEWER)])
def test_a_value_that_differs_because_the_patients_are_others_says_so(n: int, reason: str) -> None:
    """A registry that goes on taking patients told of 153 values that they were not explained."""
    groups = pd.DataFrame({"group_id": ["a", "b"], "position": [0, 1], "label": ["A", "B"], "n": [n, 7]})
    held = results(baseline_summary=SUMMARY, group_comparison=COMPARISON, mixed_model_term=TERM)
    printed = paper(summary("30.00 ± 11.80"), p_value("0.307"), term(chi_square="9.99"))
    rows = records(reproduce(printed, held | {"study_group": groups}))
    assert [(r["cell"], r["agrees"], r["reason"]) for r in rows][:3] == [
        ("I/age/a", False, reason),
        ("I/age/a:b", False, reason),
        ("III/cmas/group/chi_square", False, reason),
    ]
    known = paper(summary("30.00 ± 11.80"), known={"I/age/a": {"why": "a misprint"}})
    (row,) = records(reproduce(known, held | {"study_group": groups}))
    assert row["reason"] == "a misprint"


def test_the_count_names_what_differs_because_patients_were_added() -> None:
    rows = [{"agrees": False, "reason": ADDED}] * 3 + [{"agrees": True, "reason": ""}]
    assert agreement(rows) == Agreement(1, 4, 0, added=3)
    assert agreement(rows).differ_words == (
        "3 differ, 0 of them not explained; 3 because patients were added since the study"
    )


def test_every_printed_value_has_a_row_and_every_differing_one_a_reason() -> None:
    printed = paper(
        summary(),
        summary(group="c"),
        p_value("0.9"),
        term(),
        analysis(),
        analyses={"lookup": {"pair": {"table": "log_rank"}}},
    )
    rows = records(reproduce(printed, results(baseline_summary=SUMMARY, group_comparison=COMPARISON)))
    assert [r["cell"] for r in rows] == list(printed.cells())
    assert [r["position"] for r in rows] == list(range(6))
    assert all(r["reason"] for r in rows if not r["agrees"])
    assert agreement(rows) == Agreement(1, 6, 1)


def test_a_statement_is_a_row_with_its_verdict_and_counts_apart_from_the_values() -> None:
    values = pd.DataFrame(
        [("a", "p", "age", "first", 1.0), ("a", "p", "age", "second", 2.0)],
        columns=["group_id", "patient", "variable", "visit", "value"],
    )
    none = pd.DataFrame()
    held_against = Evidence(values, none, none, none, none, ("first", "second"))
    said = [
        PrintedStatement(2, "s1", "Results", "age rises", ("age",), ("a",), ("all",), "rises"),
        PrintedStatement(3, "s2", "Results", "age falls", ("age",), ("a",), ("all",), "falls"),
    ]
    printed = paper(p_value(), *said, statements={})
    rows = records(reproduce(printed, results(group_comparison=COMPARISON), held_against))
    assert [
        (r["cell"], r["quantity"], r["printed"], r["agrees"], r["agreement"], r["reason"]) for r in rows
    ] == [
        ("I/age/a:b", "p_value", "0.004", True, "as printed", ""),
        ("Results/s1", "statement", "age rises", True, "holds", ""),
        ("Results/s2", "statement", "age falls", False, "does not hold", "does not hold"),
    ]
    assert rows[1]["computed"].startswith("In a the mean goes 1.00 → 2.00")
    assert agreement(rows) == Agreement(1, 1, 0)
    assert statement_counts(rows) == {"holds": 1, "does not hold": 1}
    assert statement_words(statement_counts(rows)) == "1 of 2 statements hold; 1 does not hold"
    assert statement_words(statement_counts(rows[:1])) == ""


def test_without_printed_numbers_there_are_no_rows_and_the_same_columns() -> None:
    empty, full = reproduce(None, {}), reproduce(paper(p_value()), results(group_comparison=COMPARISON))
    assert len(empty) == 0 and tuple(empty.columns) == COLUMNS
    assert empty.dtypes.astype(str).tolist() == full.dtypes.astype(str).tolist()


def test_results_are_made_without_the_printed_numbers() -> None:
    """Who may read them: the comparison and what shows it, the audit, and the layer that reads the folder."""
    shapes = {
        "analytics.paper.published",
        "analytics.paper.reproduction",
        "analytics.paper.printed_numbers",
        "orchestration.registry.published",
    }
    may = {
        "analytics/paper/published.py",
        "analytics/paper/reproduction.py",
        "analytics/paper/statements.py",  # judges the sentences that stand beside the numbers
        "analytics/paper/statement_evidence.py",
        "analytics/printed/provenance_tables.py",
        "orchestration/registry/published.py",
        "orchestration/registry/folder.py",
        "orchestration/results/compute.py",
        "orchestration/report/page.py",
        "orchestration/command/reproduce.py",
        "orchestration/command/audit.py",
        "orchestration/command/setup_commands.py",
    }
    readers = set()
    for path in [*(ROOT / "analytics").rglob("*.py"), *(ROOT / "orchestration").rglob("*.py")]:
        tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if "audit" not in path.parent.parts and any(
            isinstance(n, ast.ImportFrom) and n.module in shapes for n in tree
        ):
            readers.add(path.relative_to(ROOT).as_posix())
    assert readers == may
