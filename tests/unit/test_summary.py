"""The summary for clinicians: what it says of sound numbers, and its silence on those that are not."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analytics.printed.summary import summary
from analytics.study.frames import StudyFrames

GROUPS = [{"group_id": "a", "label": "Anti-A", "n": 18}, {"group_id": "b", "label": "Anti-B", "n": 12}]
PAIR = {"group_a": "a", "group_b": "b"}
TABLES: dict[str, list[dict[str, Any]]] = {
    "study_group": GROUPS,
    "study_variable": [{"variable": "ck", "label": "CK", "unit": "U/L"}, {"variable": "cmas", "label": "CMAS"}],
    "study_endpoint": [{"endpoint": "relapse", "label": "Relapse", "horizon_months": 36}],
    "study_table": [{"table_id": "I", "title": "Groups", "position": 0}],
    "group_comparison": [
        PAIR
        | {"table_id": "I", "variable": v, "p_value": p, "p_adjusted": q, "adjustment": "BH", "status": "ok"}
        | {"effect": 300.0, "ci_low": 100.0, "ci_high": 500.0, "effect_kind": "hodges_lehmann_shift"}
        for v, p, q in (("ck", 0.0004, 0.003), ("cmas", 0.04, 0.08))
    ],
    "mixed_model_term": [
        {"model_id": m, "response": r, "term": "group_by_time", "test": t, "p_value": p, "status": "ok"}
        for m, r, t, p in (("m1", "ck", "wald", 0.0001), ("m1", "ck", "f", 0.2), ("m2", "cmas", "wald", 0.5))
    ],
    "visit_contrast": [
        PAIR | {"model_id": "m1", "response": "ck", "visit": v, "status": "ok"}
        | {"estimate": e, "ci_low": e - 5, "ci_high": e + 5}
        for v, e in (("baseline", 20.0), ("month_6", 10.0), ("month_24", 2.0))
    ],
    "survival_median": [
        {"endpoint": "relapse", "group_id": g, "n": n, "events": e, "status": "ok"}
        for g, n, e in (("a", 18, 9), ("b", 12, 0))
    ],
    "log_rank": [{"endpoint": "relapse", "scope": "overall", "p_value": 0.02, "status": "ok"}],
    "finding": [{"topic": "confounding", "text": "…"}, {"topic": "size", "text": "…"}],
}  # fmt: skip


def said(**changed: list[dict[str, Any]]) -> dict[str, str]:
    frames = {name: pd.DataFrame(rows) for name, rows in (TABLES | changed).items() if rows}
    return dict(summary(StudyFrames("s", frames)))


def without_numbers(table: str, status: str) -> list[dict[str, Any]]:
    numbers = ("p_value", "p_adjusted", "effect", "ci_low", "ci_high", "estimate")
    return [r | {"status": status} | {c: None for c in numbers if c in r} for r in TABLES[table]]


def test_six_sentences_say_the_numbers_of_results() -> None:
    assert said() == {
        "Who": "30 patients in 2 groups: Anti-A (18) and Anti-B (12).",
        "At baseline": "2 of the 2 comparisons in Table I have p below 0.05, 1 after adjustment for their number"
        " (Benjamini–Hochberg); the clearest is CK (U/L), Anti-A vs Anti-B, Hodges–Lehmann shift 300 (100 to 500),"
        " adjusted p 0.003.",
        "Over time": "The groups' courses differ in CK (p <0.001); no difference of courses shows in CMAS (p 0.500)"
        " (group × time).",
        "How far apart": "The model puts the difference in CK (U/L), Anti-A vs Anti-B, at 20.0 (15.0 to 25.0) at"
        " baseline and 2.00 (-3.00 to 7.00) at month 24 (95% confidence intervals).",
        "Time to event": "Relapse was recorded within 36 months in 9 of 18 Anti-A and 0 of 12 Anti-B; log-rank test"
        " of all groups, p 0.020.",
        "How sure": "None of the 11 estimates carries a doubt of its method; read them with what is said below on"
        " confounding and size.",
    }


def test_what_is_not_estimable_enters_no_sentence_but_the_count_of_doubts() -> None:
    tables = ("group_comparison", "visit_contrast", "log_rank")
    found = said(**{table: without_numbers(table, "not_estimable") for table in tables})
    assert "At baseline" not in found and "How far apart" not in found
    assert found["Time to event"].endswith("0 of 12 Anti-B.")
    assert found["How sure"].startswith("6 of 11 estimates carry a doubt (not estimable)")


def test_a_doubt_about_a_model_is_told_in_place_of_its_p_value() -> None:
    doubtful = [{"model_id": "m1", "kind": "mixed_model", "status": "not_converged", "note": ""}]
    found = said(model=doubtful)
    assert found["Over time"] == (
        "No difference of courses shows in CMAS (p 0.500); the model of CK is in doubt (group × time)."
    )
    assert "How far apart" not in found


def test_nothing_left_after_adjustment_is_said_so() -> None:
    rows = [r | {"p_adjusted": 0.2} for r in TABLES["group_comparison"]]
    assert said(group_comparison=rows)["At baseline"] == (
        "2 of the 2 comparisons in Table I have p below 0.05, none after adjustment for their number"
        " (Benjamini–Hochberg)."
    )


def test_an_unadjusted_table_says_that_it_is() -> None:
    rows = [r | {"p_adjusted": None} for r in TABLES["group_comparison"]]
    assert said(group_comparison=rows)["At baseline"].endswith("p below 0.05, not adjusted for their number.")


def test_a_study_without_results_has_no_summary() -> None:
    assert summary(StudyFrames("s", {})) == []
