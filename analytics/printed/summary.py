"""What a study found, for a clinician who reads nothing else: six sentences at most, each drawn from results.

Belongs here: which numbers the summary says, and in which words. Does not belong here: any estimate, and what
limits the numbers (`analytics/study/findings.py`).

A number whose status is not `ok` enters no sentence but the last one, which counts such numbers. Where there
is nothing to say, the sentence is left out. A p value at or above 0.05 is told as "no difference that these
numbers show", never as equality.
"""

from __future__ import annotations

from collections.abc import Sequence

from analytics.printed.model_tables import of_models, printed_table_number
from analytics.printed.table_cells import effect_text, estimate_ci, numbered
from analytics.study.frames import Record, StudyFrames, by_position, is_ok
from analytics.words.disclosure import known
from analytics.words.formatting import format_p
from analytics.words.wording import adjustment_words, effect_words, listed, opened, status_words

ALPHA = 0.05
ESTIMATES = (
    "baseline_summary",
    "group_comparison",
    "mixed_model_term",
    "visit_contrast",
    "survival_median",
    "log_rank",
    "cox_term",
)


def summary(study: StudyFrames) -> list[tuple[str, str]]:
    """(Topic, sentence), in the order of the page."""
    found = (
        ("Who", _who(study)),
        ("At baseline", _baseline(study)),
        ("Over time", _courses(study)),
        ("How far apart", _apart(study)),
        ("Time to event", _events(study)),
        ("How sure", _doubts(study)),
    )
    return [(topic, sentence) for topic, sentence in found if sentence]


def _who(study: StudyFrames) -> str:
    sizes = {g: int(row["n"]) for g, row in study.groups.items() if known(row.get("n"))}
    if not sizes:
        return ""
    groups = listed(f"{study.group_label(g)} ({n})" for g, n in sizes.items())
    several = len(sizes) > 1
    return f"{sum(sizes.values())} patients in {len(sizes)} group{'s' * several}: {groups}."


def _baseline(study: StudyFrames) -> str:
    """How many comparisons of the first table remain after adjustment, and the clearest of them."""
    tables = [r["table_id"] for r in by_position(study.rows("study_table"))]
    tables = tables or study.distinct("group_comparison", "table_id")
    pairs = [
        r
        for r in study.rows("group_comparison", table_id=tables[0] if tables else None)
        if r.get("group_a") and is_ok(r) and known(r.get("p_value"))
    ]
    if not pairs:
        return ""
    adjusted = [r for r in pairs if known(r.get("p_adjusted"))]
    low, left = _below(pairs, "p_value"), _below(adjusted, "p_adjusted")
    said = f"{low} of the {len(pairs)} comparisons in {numbered(str(tables[0]), '')} have p below {ALPHA:g}"
    if not adjusted:
        return f"{said}, not adjusted for their number."
    how = listed(dict.fromkeys(filter(None, (adjustment_words(r.get("adjustment")) for r in adjusted))))
    said += f", {left or 'none'} after adjustment for their number" + (f" ({how})" if how else "")
    return f"{said}; {_clearest(study, adjusted)}." if left else f"{said}."


def _below(rows: Sequence[Record], column: str) -> int:
    return sum(r[column] < ALPHA for r in rows)


def _clearest(study: StudyFrames, rows: Sequence[Record]) -> str:
    row = min(rows, key=lambda r: (r["p_adjusted"], r["p_value"]))
    effect = ""
    if all(known(row.get(c)) for c in ("effect", "ci_low", "ci_high")):
        effect = f", {effect_words(row.get('effect_kind'))} {effect_text(row)}"
    pair = study.pair_label(row["group_a"], row["group_b"])
    p = _p(row["p_adjusted"])
    return f"the clearest is {study.label_with_unit(row['variable'])}, {pair}{effect}, adjusted p {p}"


def _courses(study: StudyFrames) -> str:
    """Whether the groups' courses differ: the interaction of group and time of each printed model."""
    rows = _interactions(study)
    apart = [_course(study, r) for r in rows if is_ok(r) and r["p_value"] < ALPHA]
    alike = [_course(study, r) for r in rows if is_ok(r) and r["p_value"] >= ALPHA]
    open_ones = [study.variable_label(r["response"]) for r in rows if not is_ok(r)]
    parts = [
        f"the groups' courses differ in {listed(apart)}" if apart else "",
        f"no difference of courses shows in {listed(alike)}" if alike else "",
        f"the model of {listed(open_ones)} is in doubt" if open_ones else "",
    ]
    text = "; ".join(part for part in parts if part)
    return f"{text[:1].upper()}{text[1:]} (group × time)." if text else ""


def _interactions(study: StudyFrames) -> list[Record]:
    """The first test of each model, of those that a publication prints if there are any."""
    rows = [
        r
        for r in of_models(study, study.rows("mixed_model_term"))
        if r["term"] in ("group_by_time", "group_by_visit") and (known(r.get("p_value")) or not is_ok(r))
    ]
    printed = [r for r in rows if printed_table_number(r["model_id"])]
    return list({r["model_id"]: r for r in reversed(printed or rows)}.values())[::-1]


def _course(study: StudyFrames, row: Record) -> str:
    return f"{study.variable_label(row['response'])} (p {_p(row['p_value'])})"


def _apart(study: StudyFrames) -> str:
    """The first model's difference between its first two groups, at its first visit and its last."""
    rows = [
        r
        for r in of_models(study, study.rows("visit_contrast"))
        if is_ok(r) and all(known(r.get(c)) for c in ("estimate", "ci_low", "ci_high"))
    ]
    if not rows:
        return ""
    keys = ("model_id", "group_a", "group_b")
    same = [r for r in rows if all(r[k] == rows[0][k] for k in keys)]
    ends = [same[0], same[-1]] if len(same) > 1 else same
    said = listed(f"{estimate_ci(r)} at {opened(r['visit']).lower()}" for r in ends)
    label = study.label_with_unit(rows[0]["response"])
    pair = study.pair_label(rows[0]["group_a"], rows[0]["group_b"])
    return f"The model puts the difference in {label}, {pair}, at {said} (95% confidence intervals)."


def _events(study: StudyFrames) -> str:
    endpoint = next(iter(study.distinct("survival_median", "endpoint")), None)
    rows = [r for r in study.rows("survival_median", endpoint=endpoint) if _has_counts(r)]
    if not rows:
        return ""
    groups = study.in_order([r["group_id"] for r in rows])
    counts = {
        r["group_id"]: f"{int(r['events'])} of {int(r['n'])} {study.group_label(r['group_id'])}" for r in rows
    }
    horizon = (study.endpoints.get(str(endpoint)) or {}).get("horizon_months")
    within = f" within {horizon:g} months" if known(horizon) else ""
    said = f"{study.endpoint_label(endpoint)} was recorded{within} in {listed(counts[g] for g in groups)}"
    tests = study.rows("log_rank", endpoint=endpoint, scope="overall")
    tests = [r for r in tests if is_ok(r) and known(r.get("p_value"))]
    return f"{said}; log-rank test of all groups, p {_p(tests[0]['p_value'])}." if tests else f"{said}."


def _has_counts(row: Record) -> bool:
    return known(row.get("n")) and known(row.get("events"))


def _doubts(study: StudyFrames) -> str:
    rows = [r for t in ESTIMATES for r in of_models(study, study.rows(t))]
    if not rows:
        return ""
    doubtful = [r for r in rows if not is_ok(r)]
    kinds = listed(dict.fromkeys(status_words(r["status"]) for r in doubtful))
    said = (
        f"{len(doubtful)} of {len(rows)} estimates carry a doubt ({kinds})"
        if doubtful
        else f"None of the {len(rows)} estimates carries a doubt of its method"
    )
    topics = listed(dict.fromkeys(str(f["topic"]) for f in study.rows("finding") if f.get("topic")))
    return f"{said}; read them with what is said below on {topics}." if topics else f"{said}."


def _p(value: float) -> str:
    """``0.004``, and ``<0.001``."""
    return format_p(value)
