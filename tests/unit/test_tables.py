"""What stands in a table: display texts, remarks, small cells, headings, HTML and CSV."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pandas as pd
import pytest

from analytics.printed.model_tables import (
    contrast_table,
    cox_table,
    log_rank_table,
    model_term_tables,
    survival_summary_table,
)
from analytics.printed.printed_table import Cell, Column, PrintedTable, Row, notes_of, to_csv, to_html
from analytics.printed.provenance_tables import (
    check_table,
    cohort_flow_table,
    delivery_table,
    rejected_table,
    reproduction_summary,
    reproduction_table,
    statement_table,
)
from analytics.printed.tables import baseline_table
from analytics.study.frames import StudyFrames

GROUPS = [
    {"group_id": "a", "label": "NXP2⁺ JDM", "n": 18, "position": 0},
    {"group_id": "b", "label": "MDA5⁺ JDM", "n": 12, "position": 1},
]
VARIABLES = [
    {"variable": "ck", "label": "CK", "unit": "U/L", "position": 0},
    {"variable": "relapse", "label": "Relapse", "unit": None, "position": 1},
]


def study(**tables: list[dict[str, Any]]) -> StudyFrames:
    tables = {"study_group": GROUPS, "study_variable": VARIABLES, **tables}
    return StudyFrames("s", {name: pd.DataFrame(rows) for name, rows in tables.items()})


def summary(variable: str, group: str, display: str, n: int, **more: Any) -> dict[str, Any]:
    row = {
        "table_id": "I",
        "position": 0,
        "variable": variable,
        "group_id": group,
        "display": display,
        "n": n,
    }
    return row | {"n_missing": 0, "count": None, "status": "ok", "note": ""} | more


def comparison(variable: str, **more: Any) -> dict[str, Any]:
    row = {"table_id": "I", "variable": variable, "group_a": "a", "group_b": "b", "test": "fisher"}
    row |= {"p_value": 0.03, "p_adjusted": 0.06, "effect": 1.4, "ci_low": 0.56, "ci_high": 3.64}
    return row | {"effect_kind": "odds_ratio", "display": "0.030", "status": "ok", "note": ""} | more


def texts(table: PrintedTable, *keys: str) -> list[list[str]]:
    return [[row.cell(key).text for key in keys] for row in table.rows]


def test_a_baseline_row_prints_displays_p_values_and_effect() -> None:
    table = baseline_table(
        study(
            baseline_summary=[
                summary("ck", "a", "3792 (893, 5126)", 18),
                summary("ck", "b", "180 (59, 284)", 12),
            ],
            group_comparison=[
                comparison(
                    "ck",
                    test="mann_whitney",
                    effect_kind="hodges_lehmann_shift",
                    effect=3601.2,
                    ci_low=704.4,
                    ci_high=4811.7,
                    display="<0.001",
                    p_adjusted=0.0004,
                )
            ],
        ),
        "I",
    )
    keys = ("variable", "a", "b", "a__b_p", "a__b_adjusted", "a__b_effect", "test")
    assert texts(table, *keys) == [
        ["CK (U/L)", "3792 (893, 5126)", "180 (59, 284)", "<0.001", "<0.001", "3601 (704 to 4812)", "MW"]
    ]
    assert [(c.label, c.second) for c in table.shown_columns[1:3]] == [
        ("NXP2⁺ JDM", "n = 18"),
        ("MDA5⁺ JDM", "n = 12"),
    ]
    assert {c.spanner for c in table.shown_columns[3:6]} == {"NXP2⁺ JDM vs MDA5⁺ JDM"}
    assert any("MW, Mann–Whitney (Hodges–Lehmann shift)" in note for note in table.notes)


def test_the_number_known_is_printed_where_values_are_missing() -> None:
    table = baseline_table(
        study(
            baseline_summary=[
                summary("relapse", "a", "9 (60.00)", 15, count=9, n_missing=3),
                summary("relapse", "b", "1 (8.33)", 12, count=1),
            ]
        ),
        "I",
    )
    assert [table.rows[0].cell(g).small for g in "ab"] == ["n = 15", ""]
    assert table.rows[0].cell("variable").text == "Relapse, n (%)"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"status": "too_few_observations", "note": "2 values"}, "0.030"),
        ({"status": "not_estimable", "note": "2 values", "p_value": None, "display": None}, "not estimable"),
    ],
)
def test_a_status_that_is_not_ok_stands_at_the_number_with_its_note(more: dict[str, Any], text: str) -> None:
    table = baseline_table(
        study(
            baseline_summary=[summary("ck", "a", "1", 18), summary("ck", "b", "2", 12)],
            group_comparison=[comparison("ck", **more)],
        ),
        "I",
    )
    cell = table.rows[0].cell("a__b_p")
    assert (cell.text, cell.alert) == (text, True)
    assert cell.notes[0].endswith("2 values") and cell.notes[0].lower().startswith(
        more["status"].replace("_", " ")
    )
    assert f'<sup class="mark"><a href="#{table.name}-note-a"' in to_html(table)
    assert notes_of(table)[0] == ("a", cell.notes[0] + ".")


def test_a_level_of_a_category_is_named_and_compared_as_its_variable() -> None:
    rows = [summary("relapse:late", g, "6 (50.00)", 12, count=6) for g in "ab"]
    table = baseline_table(study(baseline_summary=rows, group_comparison=[comparison("relapse")]), "I")
    assert texts(table, "variable", "a__b_p") == [["Relapse: late, n (%)", "0.030"]]


def term(model: str, test: str, name: str = "group", **more: Any) -> dict[str, Any]:
    row = {
        "model_id": model,
        "response": "ck",
        "term": name,
        "test": test,
        "statistic": 3.63712,
        "df_num": 1.0,
    }
    return row | {"df_den": None, "p_value": 0.0565, "status": "ok", "note": ""} | more


def test_printed_models_stand_in_their_table_by_their_first_test_and_everything_else_after() -> None:
    frames = study(
        mixed_model_term=[
            term("table_iii_ck", "wald_chi_square"),
            term("table_iii_ck", "satterthwaite_f", df_den=27.94),
            term("log_ck", "satterthwaite_f", df_den=28.0),
        ]
    )
    printed, further = model_term_tables(frames, printed=True), model_term_tables(frames, printed=False)
    assert [t.title for t in printed] == ["Table III. Mixed models, type III tests (Wald chi-square)"]
    assert texts(printed[0], "term", "statistic", "df", "p") == [["Group", "3.637", "1", "0.057"]]
    assert [texts(t, "statistic", "df") for t in further] == [[["3.637", "1, 27.9"], ["3.637", "1, 28"]]]


def test_a_contrast_names_its_pair_once_when_there_is_only_one() -> None:
    row = {
        "model_id": "m",
        "response": "ck",
        "visit": "month_3",
        "group_a": "a",
        "group_b": "b",
        "estimate": -11.92,
    }
    row |= {
        "std_error": 3.3,
        "df": 61.25,
        "ci_low": -18.6,
        "ci_high": -5.24,
        "p_value": 0.001,
        "p_adjusted": 0.004,
    }
    frames = study(visit_contrast=[row | {"status": "singular", "note": "slope variance 0"}])
    table = contrast_table(frames, ["m"])
    assert table is not None and table.title == "NXP2⁺ JDM vs MDA5⁺ JDM: differences at each visit"
    assert texts(table, "visit", "estimate", "df", "p_adjusted") == [
        ["Month 3", "-11.9 (-18.6 to -5.2)", "61.3", "0.004"]
    ]
    assert table.rows[0].cell("estimate").alert
    assert "−11.9 (−18.6 to −5.2)" in to_html(table)


def test_hazard_ratios_name_the_group_that_they_are_against() -> None:
    row = {
        "model_id": "c",
        "endpoint": "relapse",
        "hazard_ratio": 0.111,
        "ci_low": 0.01,
        "ci_high": float("inf"),
    }
    row |= {"statistic": -2.1, "p_value": 0.036, "ph_p_value": 0.4, "status": "ok", "note": ""}
    curve = [{"endpoint": "relapse", "group_id": g, "time": 1.0, "survival": 1.0} for g in "ab"]
    table = cox_table(
        study(cox_term=[row | {"term": "groupb"}, row | {"term": "ck"}], survival_curve=curve), "relapse"
    )
    assert table is not None
    assert texts(table, "term", "hazard_ratio", "ph") == [
        ["MDA5⁺ JDM vs NXP2⁺ JDM", "0.11 (0.01 to ∞)", "0.400"],
        ["CK", "0.11 (0.01 to ∞)", "0.400"],
    ]


def test_numbers_of_a_model_that_is_not_ok_carry_its_status_once() -> None:
    row = {"model_id": "c", "endpoint": "relapse", "term": "ck", "hazard_ratio": 1.01, "ci_low": 0.96}
    row |= {"ci_high": 1.06, "statistic": 0.1, "p_value": 0.7, "ph_p_value": None, "status": "ok", "note": ""}
    model = {"model_id": "c", "kind": "cox", "title": "Firth", "method": "Firth-penalised Cox", "n": 42}
    model |= {
        "n_patients": 42,
        "n_events": 16,
        "status": "too_few_events",
        "note": "16 events for 4 parameters",
    }
    table = cox_table(study(cox_term=[row], model=[model]), "relapse")
    assert table is not None and table.rows[0].cell("hazard_ratio").alert
    assert notes_of(table) == [
        ("a", "Too few events: 16 events for 4 parameters."),
        ("", "Firth: 42 patients, 16 events, Firth-penalised Cox."),
    ]


def test_log_rank_prints_the_overall_test_and_the_pairs() -> None:
    rows = [
        {
            "endpoint": "relapse",
            "scope": "overall",
            "group_a": None,
            "group_b": None,
            "statistic": 19.14,
            "df": 3,
            "p_value": 0.00026,
            "p_adjusted": None,
            "status": "ok",
            "note": "",
        },
        {
            "endpoint": "relapse",
            "scope": "pairwise",
            "group_a": "a",
            "group_b": "b",
            "statistic": 4.7,
            "df": 1,
            "p_value": 0.03,
            "p_adjusted": 0.09,
            "status": "ok",
            "note": "",
        },
    ]
    table = log_rank_table(study(log_rank=rows), "relapse")
    assert table is not None
    assert texts(table, "comparison", "statistic", "df", "p", "p_adjusted") == [
        ["All groups", "19.140", "3", "<0.001", ""],
        ["NXP2⁺ JDM vs MDA5⁺ JDM", "4.700", "1", "0.030", "0.090"],
    ]


def test_a_median_that_is_not_reached_is_said_in_words() -> None:
    rows = [
        {
            "endpoint": "relapse",
            "group_id": "a",
            "n": 18,
            "events": 9,
            "median": 27.0,
            "ci_low": 11.0,
            "ci_high": None,
            "status": "ok",
            "note": "",
        },
        {
            "endpoint": "relapse",
            "group_id": "b",
            "n": 12,
            "events": 0,
            "median": None,
            "ci_low": None,
            "ci_high": None,
            "status": "no_events",
            "note": 'Group "b" has no event.',
        },
    ]
    table = survival_summary_table(study(survival_median=rows), "relapse")
    assert table is not None
    assert texts(table, "group", "events", "median") == [
        ["NXP2⁺ JDM", "9", "27.0 (11.0 to not reached)"],
        ["MDA5⁺ JDM", "0", "not reached"],
    ]
    assert table.rows[1].cell("median").notes == ('No events: group "MDA5⁺ JDM" has no event.',)


def test_cohort_flow_merges_what_groups_share() -> None:
    rows = [
        ("cohort", "registered", None, 40, "patients in the release"),
        ("cohort", "in a group", "a", 18, "NXP2⁺ JDM"),
        ("cohort", "in a group", "b", 12, "MDA5⁺ JDM"),
        ("ck", "counted", "a", 17, "with a value (80 values)"),
        ("ck", "counted", "b", 12, "with a value (60 values)"),
        ("ck", "not counted", "a", 1, "without a value"),
        ("ck", "not counted", "b", 0, "without a value"),
    ]
    flow = [
        {"analysis": a, "step": s, "group_id": g, "n": n, "reason": r, "position": i}
        for i, (a, s, g, n, r) in enumerate(rows)
    ]
    table = cohort_flow_table(study(cohort_flow=flow))
    assert table is not None
    assert [row.group for row in table.rows] == ["Cohort", "Cohort", "CK", "CK"]
    assert texts(table, "step", "a", "b", "all") == [
        ["Registered: patients in the release", "", "", "40"],
        ["In a group", "18", "12", ""],
        ["Counted: with a value", "17", "12", ""],
        ["Not counted: without a value", "1", "0", ""],
    ]
    assert table.rows[2].cell("a").small == "80 values"


def test_deliveries_and_rejections_stand_under_the_name_of_their_hospital() -> None:
    names = {"h1": "第一医院", "h2": "Second"}
    delivery = {
        "sender_id": "h1",
        "delivery_id": "2024",
        "state": "accepted",
        "files": 2,
        "rows_in": 2310,
        "rows_accepted": 2301,
        "rows_rejected": 9,
        "content_sha256": "0123456789abcdef",
        "reason": None,
    }
    refused = delivery | {
        "sender_id": "h2",
        "state": "refused",
        "rows_accepted": None,
        "reason": "no sheet 1",
    }
    table = delivery_table([delivery, refused], names)
    assert table is not None and [row.group for row in table.rows] == ["第一医院", "Second"]
    assert ",2310,2301,9," in to_csv(table)
    assert texts(table, "rows_in", "rows_accepted", "rows_rejected", "sha") == [
        ["2,310", "2,301", "9", "0123456789ab"],
        ["2,310", "–", "9", "0123456789ab"],
    ]
    assert [row.cell("state").alert for row in table.rows] == [False, True]
    rejected = [
        {
            "sender_id": "h1",
            "delivery_id": "2024",
            "source_file": "a.xlsx",
            "source_sheet": "检验",
            "rule": rule,
            "column_name": "结果",
            "rows": n,
        }
        for rule, n in (("bad_date", 2), ("not_a_number", 6))
    ]
    found = rejected_table(rejected, names)
    assert found is not None
    assert texts(found, "rule", "rows", "source") == [
        ["Not a number", "6", "a.xlsx › 检验"],
        ["Bad date", "2", "a.xlsx › 检验"],
    ]


def test_checks_are_counted_and_those_that_failed_are_named() -> None:
    check = {
        "suite": "marts",
        "layer": "marts",
        "table_name": "fct_event",
        "column_name": "status",
        "hospital_id": "h1",
        "severity": "blocking",
        "observed": "0",
        "threshold": "0",
        "passed": True,
        "waived": False,
        "note": "",
    }
    failed = check | {
        "expectation": "known codes",
        "severity": "warning",
        "observed": "3",
        "passed": False,
        "note": "Why.",
    }
    table = check_table([check | {"expectation": "not null"}, failed], {"h1": "First"})
    assert table is not None
    assert texts(table, "check", "held", "where", "severity", "observed") == [
        ["Marts", "1 of 2", "", "", ""],
        ["known codes", "did not hold", "fct_event.status, First", "warns", "3"],
    ]
    assert table.rows[1].cell("check").notes == ("Why.",)


def test_reproduction_counts_by_table_and_lists_what_differs() -> None:
    row = {
        "table_id": "I",
        "variable": "ck",
        "group_id": "a",
        "printed": "3792 (893, 5126)",
        "agrees": True,
        "reason": None,
    }
    rows = [
        row | {"computed": row["printed"]},
        row | {"group_id": "b", "printed": "180", "computed": "181", "agrees": False, "reason": "rounding"},
    ]
    frames = study(reproduction=rows)
    counts, differing = reproduction_summary(frames), reproduction_table(frames, agrees=False)
    assert counts is not None and differing is not None
    assert texts(counts, "table", "values", "agree", "differ") == [
        ["Table I", "2", "1", "1"],
        ["All", "2", "1", "1"],
    ]
    assert texts(differing, "cell", "printed", "computed", "reason") == [
        ["CK, MDA5⁺ JDM", "180", "181", "rounding"]
    ]


def test_a_value_that_agrees_within_a_tolerance_says_so() -> None:
    row = {"table_id": "III", "quantity": "chi_square", "variable": "ck", "term": "group", "printed": "3.64"}
    within = {
        "computed": "3.66",
        "agrees": True,
        "agreement": "within 0.05",
        "reason": "whole numbers",
        "note": "",
    }
    differs = {
        "computed": "9.99",
        "agrees": False,
        "agreement": "differs",
        "reason": "not explained",
        "note": "3 of 4",
    }
    rows = [row | within, row | differs]
    agreeing = reproduction_table(study(reproduction=rows), agrees=True)
    differing = reproduction_table(study(reproduction=rows), agrees=False)
    assert agreeing is not None and differing is not None
    assert agreeing.rows[0].cell("computed").notes == ("Agrees within 0.05: whole numbers",)
    assert texts(differing, "cell", "computed", "reason") == [
        ["CK, Group, χ²", "9.99", "not explained; 3 of 4"]
    ]


def test_statements_have_a_table_of_their_own() -> None:
    value = {"table_id": "I", "quantity": "summary", "variable": "ck", "cell": "I/ck/a"} | {
        "printed": "180",
        "computed": "180",
        "agrees": True,
        "reason": "",
    }
    said = {"table_id": "statements", "quantity": "statement", "variable": "ck", "printed": "CK falls"}
    rows = [
        value,
        said | {"cell": "Results/s1", "computed": "3 of 4 fall.", "agrees": True, "agreement": "holds"},
        said
        | {
            "cell": "Discussion/s2",
            "computed": "1 of 4 falls.",
            "agrees": False,
            "agreement": "does not hold",
        },
    ]
    judged = statement_table(study(reproduction=rows))
    assert judged is not None
    assert texts(judged, "where", "statement", "verdict", "found") == [
        ["Results", "CK falls", "holds", "3 of 4 fall."],
        ["Discussion", "CK falls", "does not hold", "1 of 4 falls."],
    ]
    denied = statement_table(study(reproduction=rows), holds=False)
    assert denied is not None and texts(denied, "verdict") == [["does not hold"]]
    counts, values = (
        reproduction_summary(study(reproduction=rows)),
        reproduction_table(study(reproduction=rows)),
    )
    assert counts is not None and values is not None
    assert texts(counts, "table", "values") == [["Table I", "1"], ["All", "1"]]
    assert len(values.rows) == 1
    assert statement_table(study(reproduction=[value])) is None


NASTY = PrintedTable(
    "t",
    "Nasty",
    (
        Column("name", "Name <b>"),
        Column("x", "x", spanner="A & B", align="right"),
        Column("y", "y", csv_only=True),
    ),
    (
        Row(
            {
                "name": "<script>alert(1)</script>",
                "x": Cell("-1.5", "n = 3", ("see <i>below</i>",)),
                "y": "=1+1",
            },
            group="G <1>",
        ),
        Row({"name": "@sum", "x": Cell("2"), "y": "-0.5"}, group="G <1>"),
    ),
)


def test_html_escapes_every_text_and_heads_every_cell() -> None:
    page = to_html(NASTY)
    assert "<script" not in page and "&lt;script&gt;" in page and "<b>" not in page and "A &amp; B" in page
    ids = set(re.findall(r' id="([^"]+)"', page))
    headers = re.findall(r'<td[^>]* headers="([^"]+)"', page)
    assert len(headers) == 2 and all(set(h.split()) <= ids for h in headers)
    assert page.count("<td") == len(headers)
    assert all("scope=" in th for th in re.findall(r"<th [^>]*>", page))
    assert page.startswith('<table aria-labelledby="t-title"') and "<style" not in page
    assert notes_of(NASTY) == [("a", "see &lt;i&gt;below&lt;/i&gt;.")]


def test_csv_has_one_header_line_every_column_and_no_formula() -> None:
    rows = list(csv.reader(io.StringIO(to_csv(NASTY, "synthetic data"))))
    assert rows == [
        ["Group", "Name <b>", "A & B: x", "y", "Footnotes", "Data"],
        ["G <1>", "<script>alert(1)</script>", "-1.5 [n = 3]", "'=1+1", "see <i>below</i>", "synthetic data"],
        ["G <1>", "'@sum", "2", "-0.5", "", "synthetic data"],
    ]
