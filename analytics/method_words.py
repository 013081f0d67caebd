"""How a study's numbers were made, in sentences, from what results say of their methods.

Belongs here: collecting the `method` texts of results by analysis, and the sentences that hold for every
study. Does not belong here: describing a method that results do not name.
"""

from __future__ import annotations

from analytics.printed_table import several
from analytics.study_frames import Record, StudyFrames, grouped, is_ok
from analytics.wording import effect_words, opened, status_words, test_words


def methods(study: StudyFrames) -> list[tuple[str, str]]:
    """(Topic, sentences) for every analysis that the study has."""
    found = [
        ("Summaries", _summaries(study)),
        *_comparisons(study),
        *_models(study, "mixed", "mixed_model_term"),
        ("Survival curves", _of(study.rows("survival_curve"))),
        ("Log-rank tests", _of(study.rows("log_rank"))),
        *_models(study, "cox", "cox_term"),
        (
            "Missing values",
            "Every analysis leaves out patients without the values that it needs, and counts them: the"
            " tables give the number known, the cohort flow the reasons. Nothing is imputed unless a method"
            " says so.",
        ),
        ("Statuses", _statuses(study)),
        ("Small cells", _small_cells(study)),
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
    for (test, kind), rows in grouped(study.rows("group_comparison"), "test", "effect_kind"):
        if not test_words(test):
            continue
        how = several(r.get("method") for r in rows)
        effect = f"; effect: {effect_words(kind)} with its 95% interval" if effect_words(kind) else ""
        sentences.append(
            f"{test_words(test)[:1].upper()}{test_words(test)[1:]} test{f' ({how})' if how else ''}{effect}."
        )
    adjustments = several(
        r.get("adjustment") for r in study.rows("group_comparison") if r.get("adjustment") != "none"
    )
    if adjustments:
        sentences.append(f"Adjusted p values by {adjustments} over the comparisons of a table.")
    return [("Comparisons of groups", " ".join(sentences))]


def _models(study: StudyFrames, kind: str, term_table: str) -> list[tuple[str, str]]:
    """One entry per model; a model that results hold no description of is described by its rows."""
    described = [r for r in study.rows("model") if kind in str(r.get("kind") or "")]
    missing = [
        rows[0]
        for (model,), rows in grouped(study.rows(term_table), "model_id")
        if model not in {r["model_id"] for r in described}
    ]
    return [
        (f"Model: {r.get('title') or opened(r['model_id'])}", _model(study, r))
        for r in [*described, *missing]
    ]


def _model(study: StudyFrames, row: Record) -> str:
    parts = [str(row.get("method") or "").strip().rstrip(".")]
    if row.get("formula_text"):
        parts.append(f"Formula: {row['formula_text']}")
    tests = several(
        test_words(r.get("test")) for r in study.rows("mixed_model_term", model_id=row["model_id"])
    )
    if tests:
        parts.append(f"Terms are tested by {tests}")
    adjusted = several(
        r.get("adjustment")
        for r in study.rows("visit_contrast", model_id=row["model_id"])
        if r.get("adjustment") != "none"
    )
    if adjusted:
        parts.append(f"Contrasts at visits are adjusted by {adjusted}")
    parts += [remark.rstrip(".") for remark in study.remarks(row)]
    return ". ".join(p[:1].upper() + p[1:] for p in parts if p) + "."


def _of(rows: list[Record]) -> str:
    text = several(r.get("method") for r in rows)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _statuses(study: StudyFrames) -> str:
    tables = (
        "baseline_summary",
        "group_comparison",
        "mixed_model_term",
        "visit_contrast",
        "survival_median",
        "log_rank",
        "cox_term",
        "model",
    )
    words = dict.fromkeys(status_words(r["status"]) for t in tables for r in study.rows(t) if not is_ok(r))
    if not words:
        return "Every estimate on this page has the status ok."
    return (
        "An estimate that the data do not fully support is set in colour, with the reason below its table."
        f" Here: {', '.join(words)}."
    )


def _small_cells(study: StudyFrames) -> str:
    if not study.disclosure.masks:
        return ""
    k = study.disclosure.threshold
    return (
        f"Counts of patients below {k}, and those that would give one away, are not printed; effects and"
        " percentages of such counts neither, and their p values by class alone. Single patients, averages of"
        f" fewer than {k} and curves beyond the last {k} at risk are not drawn. The times of events can be"
        " read off a curve. Notes are cut to their status."
    )
