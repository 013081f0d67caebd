"""How a study's numbers were made, in sentences, from what results say of their methods.

Belongs here: collecting the `method` texts of results by analysis, and the sentences that hold for every
study. Does not belong here: describing a method that results do not name.
"""

from __future__ import annotations

from analytics.printed.printed_table import several
from analytics.study.frames import Record, StudyFrames, grouped, is_ok
from analytics.words.wording import adjustment_words, effect_words, opened, status_words, test_words


def methods(study: StudyFrames) -> list[tuple[str, str]]:
    """(Topic, sentences) for every analysis that the study has."""
    found = [
        ("Summaries", _summaries(study)),
        *_comparisons(study),
        *_models(study, ("mixed_model", "repeated_measures"), "mixed_model_term"),
        ("Survival curves", _of(study.rows("survival_curve"))),
        ("Log-rank tests", _of(study.rows("log_rank"))),
        ("Restricted means", _of(study.rows("restricted_mean"))),
        (
            "Incidence of competing events",
            _of([*study.rows("cumulative_incidence"), *study.rows("gray_test")]),
        ),
        *_models(study, ("cox", "fine_gray", "recurrent", "frailty"), "cox_term"),
        (
            "Analyses beside the printed ones",
            "Each row of results.sensitivity names its method; random numbers come from the seed in the "
            "study file."
            if study.rows("sensitivity")
            else "",
        ),
        ("Missing values", _missing_values(study)),
        ("Statuses", "" if study.is_public else _statuses(study)),
    ]
    return [(topic, text) for topic, text in found if text]


def _summaries(study: StudyFrames) -> str:
    if not study.rows("baseline_summary"):
        return ""
    return (
        "Mean ± standard deviation, median (first and third quartile) or number (percent of those known), as"
        " the study file declares for each variable; halves are rounded away from zero."
    )


def _comparisons(study: StudyFrames) -> list[tuple[str, str]]:
    sentences = []
    for (test,), rows in grouped(study.rows("group_comparison"), "test"):
        if not test_words(test):
            continue
        how = several(r.get("method") for r in rows) or f"{test_words(test)} test"
        effect = several(effect_words(r.get("effect_kind")) for r in rows)
        sentences.append(_sentence(f"{how}; effect: {effect} with its 95% interval" if effect else how))
    adjusted = several(adjustment_words(r.get("adjustment")) for r in study.rows("group_comparison"))
    if adjusted:
        sentences.append(f"Adjusted p values: {adjusted}, over the comparisons of a table.")
    return [("Comparisons of groups", " ".join(sentences))]


def _models(study: StudyFrames, kinds: tuple[str, ...], term_table: str) -> list[tuple[str, str]]:
    """One entry per model; a model that results hold no description of is described by its rows."""
    described = [r for r in study.rows("model") if r.get("kind") in kinds]
    missing = [
        rows[0]
        for (model,), rows in grouped(study.rows(term_table), "model_id")
        if model not in {r["model_id"] for r in described}
    ]
    titles: dict[str, list[str]] = {}
    for row in [*described, *missing]:
        titles.setdefault(_model(study, row), []).append(str(row.get("title") or opened(row["model_id"])))
    return [("; ".join(named), text) for text, named in titles.items()]


def _model(study: StudyFrames, row: Record) -> str:
    parts = [study.in_words(row.get("method"))]
    rows = study.rows("mixed_model_term", model_id=row["model_id"])
    tests = several(test_words(r.get("test")) for r in rows)
    if tests:
        parts.append(f"Terms are tested by {tests}")
    rows = study.rows("visit_contrast", model_id=row["model_id"])
    adjusted = several(adjustment_words(r.get("adjustment")) for r in rows)
    if adjusted:
        parts.append(f"P values of differences at visits are adjusted after {adjusted}")
    if row.get("formula_text"):
        parts.append(f"Formula: {str(row['formula_text']).partition('~')[2].strip() or row['formula_text']}")
    return " ".join(_sentence(part) for part in (*parts, *study.remarks(row)) if part)


def _of(rows: list[Record]) -> str:
    return _sentence(several(r.get("method") for r in rows))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def _missing_values(study: StudyFrames) -> str:
    counted = (
        ""
        if study.is_public
        else ", and counts them: the tables give the number known, the cohort flow the reasons"
    )
    return (
        f"Every analysis leaves out patients without the values that it needs{counted}. Nothing is imputed "
        "unless a method says so."
    )


def _statuses(study: StudyFrames) -> str:
    tables = (
        "baseline_summary",
        "group_comparison",
        "mixed_model_term",
        "visit_contrast",
        "survival_median",
        "log_rank",
        "cox_term",
        "restricted_mean",
        "sensitivity",
        "model",
    )
    words = dict.fromkeys(status_words(r["status"]) for t in tables for r in study.rows(t) if not is_ok(r))
    if not words:
        return "Every estimate on this page has the status ok."
    return (
        "An estimate that the data do not fully support is set in colour, with the reason below its table."
        f" Here: {', '.join(words)}."
    )
