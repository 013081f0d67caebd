"""Every number of a study's results as it is printed or drawn, one by one, with the place where it stands.

Belongs here: which quantities of each table of results a reader sees, and the text of each. Does not belong
here: the tables as they are laid out (`tables.py`, `model_tables.py`), comparing two releases
(`orchestration/diff/`).

Rows of single patients (`trajectory_patient`, `norm_patient`) are no numbers of the study, and what the study
file states (labels, norms) is no number either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from analytics.printed.model_tables import printed_table_number
from analytics.printed.table_cells import estimate_ci, ratio_ci
from analytics.study.frames import Record, StudyFrames, grouped
from analytics.words.disclosure import known
from analytics.words.formatting import NOT_AVAILABLE, format_number, format_p
from analytics.words.wording import opened, status_words, term_words, test_words

Text = Callable[[Record], str]


@dataclass(frozen=True)
class PrintedNumber:
    """One number. ``key`` tells it apart within its study; ``row`` is the row of results that holds it."""

    table: str
    key: tuple[str, ...]
    place: str  # Table II; Cox model of relapse
    subject: str  # IgA; Month 12
    whom: str  # the group, or the groups compared
    quantity: str  # the column of results that it comes from
    called: str  # p, adj. p, mean ± SD
    text: str
    row: Record

    @property
    def key_of_all(self) -> tuple[str, ...]:
        return self.table, *self.key


@dataclass(frozen=True)
class _Kind:
    """How the rows of a table of results are printed: what tells rows apart, and the quantities."""

    keys: tuple[str, ...]
    quantities: Mapping[str, tuple[str, Text]]
    subject: tuple[str, ...] = ()


def _count(column: str) -> Text:
    return lambda row: format_number(row.get(column), 0) if known(row.get(column)) else ""


def _p(column: str) -> Text:
    return lambda row: format_p(row[column]) if known(row.get(column)) else ""


def _number(column: str, decimals: int) -> Text:
    return lambda row: format_number(row.get(column), decimals) if known(row.get(column)) else ""


def _estimate(row: Record) -> str:
    text = estimate_ci(row)
    return status_words(row.get("status") or "ok") if text == NOT_AVAILABLE else text


def _effect(row: Record) -> str:
    if not known(row.get("effect")):
        return ""
    if str(row.get("effect_kind") or "").endswith("ratio"):
        return ratio_ci(row["effect"], row.get("ci_low"), row.get("ci_high"))
    return estimate_ci(row | {"estimate": row["effect"]})


def _hazard(row: Record) -> str:
    return ratio_ci(row.get("hazard_ratio"), row.get("ci_low"), row.get("ci_high"))


def _median(row: Record) -> str:
    if not known(row.get("median")):
        return status_words(row.get("status") or "ok") or "not reached"
    ends = [format_number(row[c], 1) if known(row.get(c)) else "not reached" for c in ("ci_low", "ci_high")]
    return f"{format_number(row['median'], 1)} ({ends[0]} to {ends[1]})"


def _share(column: str) -> Text:
    return lambda row: estimate_ci(row | {"estimate": row.get(column)}) if known(row.get(column)) else ""


def _sensitivity(row: Record) -> str:
    return str(row.get("display") or "") or (estimate_ci(row) if known(row.get("estimate")) else "")


ESTIMATED = ("estimate (95% CI)", _estimate)
P, ADJUSTED = ("p", _p("p_value")), ("adj. p", _p("p_adjusted"))
KINDS: Mapping[str, _Kind] = {
    "study_group": _Kind(("group_id",), {"n": ("patients", _count("n"))}),
    "cohort_flow": _Kind(("analysis", "step", "group_id", "of"), {"n": ("patients", _count("n"))}, ("step",)),
    "baseline_summary": _Kind(
        ("table_id", "variable", "group_id"),
        {
            "display": ("summary", lambda r: str(r.get("display") or "")),
            "n": ("n", _count("n")),
        },
        ("variable",),
    ),
    "group_comparison": _Kind(
        ("table_id", "variable", "group_a", "group_b"),
        {
            "p_value": ("p", lambda r: str(r.get("display") or "") or _p("p_value")(r)),
            "p_adjusted": ADJUSTED,
            "effect": ("effect (95% CI)", _effect),
        },
        ("variable",),
    ),
    "model": _Kind(
        ("model_id",),
        {
            "n_patients": ("patients", _count("n_patients")),
            "n": ("values", _count("n")),
            "n_events": ("events", _count("n_events")),
            "status": ("fit", lambda r: status_words(r.get("status") or "ok") or "ok"),
        },
    ),
    "mixed_model_term": _Kind(
        ("model_id", "term", "test"),
        {"statistic": ("statistic", _number("statistic", 3)), "p_value": P},
        ("term", "test"),
    ),
    "mixed_model_parameter": _Kind(
        ("model_id", "parameter"), {"estimate": ESTIMATED, "p_value": P}, ("parameter",)
    ),
    "visit_contrast": _Kind(
        ("model_id", "visit", "group_a", "group_b"),
        {"estimate": ("difference (95% CI)", _estimate), "p_value": P, "p_adjusted": ADJUSTED},
        ("visit",),
    ),
    "marginal_mean": _Kind(
        ("model_id", "visit", "group_id"), {"estimate": ("mean (95% CI)", _estimate)}, ("visit",)
    ),
    "trajectory_mean": _Kind(
        ("response", "visit", "group_id"),
        {"mean": ("mean (95% CI)", _share("mean")), "n": ("n", _count("n"))},
        ("visit",),
    ),
    "survival_curve": _Kind(("endpoint", "group_id"), {"survival": ("curve", lambda r: str(r["curve"]))}),
    "survival_at_risk": _Kind(
        ("endpoint", "group_id", "time"), {"at_risk": ("at risk", _count("at_risk"))}, ("time",)
    ),
    "survival_median": _Kind(
        ("endpoint", "group_id"),
        {
            "n": ("patients", _count("n")),
            "events": ("events", _count("events")),
            "median": ("median, months (95% CI)", _median),
        },
    ),
    "log_rank": _Kind(
        ("endpoint", "scope", "group_a", "group_b"),
        {"statistic": ("χ²", _number("statistic", 3)), "p_value": P, "p_adjusted": ADJUSTED},
        ("scope",),
    ),
    "cox_term": _Kind(
        ("model_id", "term"),
        {
            "hazard_ratio": ("hazard ratio (95% CI)", _hazard),
            "p_value": P,
            "ph_p_value": ("p, proportional hazards", _p("ph_p_value")),
        },
        ("term",),
    ),
    "restricted_mean": _Kind(
        ("endpoint", "scope", "group_a", "group_b"),
        {"estimate": ("months (95% CI)", _estimate), "p_value": P, "p_adjusted": ADJUSTED},
        ("scope",),
    ),
    "cumulative_incidence": _Kind(
        ("model_id", "cause", "group_id"), {"incidence": ("curve", lambda r: str(r["curve"]))}, ("cause",)
    ),
    "gray_test": _Kind(
        ("model_id", "cause"), {"statistic": ("χ²", _number("statistic", 2)), "p_value": P}, ("cause",)
    ),
    "sensitivity": _Kind(
        ("analysis_id", "label", "subject", "group_a", "group_b", "visit", "variant", "of"),
        {
            "estimate": ("estimate", _sensitivity),
            "p_value": P,
            "p_adjusted": ADJUSTED,
            "count": ("count", _count("count")),
            "n": ("n", _count("n")),
        },
        ("label", "variant"),
    ),
    "sensitivity_question": _Kind(
        ("analysis_id",), {"answer": ("answer", lambda r: str(r.get("answer") or ""))}
    ),
    "finding": _Kind(("topic", "of"), {"text": ("sentence", lambda r: str(r.get("text") or ""))}, ("topic",)),
    "reproduction": _Kind(
        ("cell", "quantity", "variable", "term", "group_id", "group_a", "group_b", "of"),
        {"computed": ("computed", lambda r: str(r.get("computed") or ""))},
        ("variable", "term", "quantity"),
    ),
}
WITH_REASON = ("not in a group", "not counted", "censored")
_CURVES = {"survival_curve": "survival", "cumulative_incidence": "incidence"}


def printed_numbers(study: StudyFrames) -> Iterator[PrintedNumber]:
    """Every number, in the order of the tables of results."""
    for table, kind in KINDS.items():
        for row in _rows(study, table, kind):
            key = tuple(_key(row.get(c)) for c in kind.keys)
            place, subject = _place(study, table, row), _subject(study, table, kind, row)
            for quantity, (called, text) in kind.quantities.items():
                yield PrintedNumber(
                    table,
                    (*key, quantity),
                    place,
                    subject,
                    _whom(study, row),
                    quantity,
                    called,
                    text(row),
                    row,
                )


def _rows(study: StudyFrames, table: str, kind: _Kind) -> list[Record]:
    """Rows that their keys tell apart: a curve is one row, and rows of equal keys are numbered (``of``)."""
    rows = study.rows(table)
    if column := _CURVES.get(table):
        return [found[0] | {"curve": _curve(found, column)} for _, found in grouped(rows, *kind.keys)]
    if table == "cohort_flow":  # the reason may hold a number of values
        return [r | {"of": re.sub(r"\d+", "", str(r.get("reason") or ""))} for r in rows]
    if "of" not in kind.keys:
        return rows
    others = [c for c in kind.keys if c != "of"]
    return [r | {"of": i} for _, found in grouped(rows, *others) for i, r in enumerate(found)]


def _curve(rows: list[Record], column: str) -> str:
    """A drawn curve in a few words: each step with its height."""
    steps = [r for r in sorted(rows, key=lambda r: float(r["time"])) if r.get("events")]
    last = max(rows, key=lambda r: float(r["time"]))
    events = sum(int(r["events"] or 0) for r in rows)
    end = f"{format_number(last[column], 3)} at {format_number(last['time'], 1, keep_zeros=False)} months"
    at = ", ".join(format_number(r["time"], 1, keep_zeros=False) for r in steps)
    return f"{events} events" + (f" (at {at})" if at else "") + f"; {end}"


def _key(value: object) -> str:
    return "" if value is None else str(value)


def _place(study: StudyFrames, table: str, row: Record) -> str:
    """Where a reader finds the number."""
    if row.get("table_id") and table in ("baseline_summary", "group_comparison"):
        return f"Table {row['table_id']}"
    if table == "reproduction":
        return "Compared with the publication"
    if row.get("model_id"):
        number = printed_table_number(row["model_id"])
        title = next((m.get("title") for m in study.rows("model", model_id=row["model_id"])), None)
        return (f"Table {number}, " if number else "") + str(title or opened(row["model_id"]))
    if row.get("analysis_id"):
        return f"Sensitivity, {opened(row['analysis_id'])}"
    if table == "cohort_flow":
        return f"Who is in it, {_analysis(study, row.get('analysis'))}"
    if row.get("endpoint"):
        return study.endpoint_label(row["endpoint"])
    if row.get("response"):
        return study.variable_label(row["response"])
    return {"study_group": "Groups", "finding": "Findings"}.get(table, opened(table))


def _analysis(study: StudyFrames, name: object) -> str:
    titles = [m.get("title") for m in study.rows("model", model_id=name)]
    if titles and titles[0]:
        return str(titles[0])
    return study.endpoint_label(name) if name in study.endpoints else opened(name)


def _subject(study: StudyFrames, table: str, kind: _Kind, row: Record) -> str:
    """What the number is about, in the words of the study."""
    said = []
    for column in kind.subject:
        value = row.get(column)
        if value is None or value == "":
            continue
        if column == "variable":
            said.append(study.variable_label(value))
        elif column == "term":
            said.append(
                study.readable(term_words(value)) if table != "cox_term" else study.readable(str(value))
            )
        elif column == "test":
            said.append(test_words(value))
        elif column == "parameter":
            said.append(study.readable(str(value)))
        elif column == "time":
            said.append(f"month {format_number(float(value), 1, keep_zeros=False)}")
        else:
            said.append(opened(value) if column != "label" else str(value))
    if table == "cohort_flow" and row.get("step") in WITH_REASON:
        said.append(str(row.get("reason") or ""))
    return ", ".join(said)


def _whom(study: StudyFrames, row: Record) -> str:
    if row.get("group_a") and row.get("group_b"):
        return study.pair_label(row["group_a"], row["group_b"])
    group = row.get("group_id") or row.get("group_a")
    return study.group_label(group) if group else ""
