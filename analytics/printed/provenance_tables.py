"""How the numbers came to be, as printed tables: cohort flow, deliveries, refused rows, checks, reproduction.

Belongs here: tables about the making of results. Does not belong here: the results themselves (`tables.py`),
and the rules of the gate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from analytics.paper.reproduction import AS_PRINTED, STATEMENT, agreement
from analytics.printed.printed_table import Cell, Column, PrintedTable, Row, several
from analytics.study.frames import Record, StudyFrames, by_position, grouped
from analytics.words.disclosure import count_text, known
from analytics.words.formatting import NOT_AVAILABLE
from analytics.words.wording import SEVERITY_WORDS, opened, term_words

SHA_SHOWN = 12
FLOW_STEP_WORDS = (
    "registered",
    "not in a group",
    "in a group",
    "counted",
    "not counted",
    "with the event",
    "censored",
)
_DETAIL = re.compile(r"^(.*\S)\s*\(([^()]*)\)$")
QUANTITIES = {"chi_square": "χ²", "p_value": "p"}
STATE_ALERTS = ("refused", "rejected", "failed")


def cohort_flow_table(study: StudyFrames) -> PrintedTable | None:
    """Who counts for each analysis, step by step and why; counts of the whole cohort stand under "All"."""
    rows = study.rows("cohort_flow")
    if not rows:
        return None
    groups = study.in_order([r["group_id"] for r in rows if r.get("group_id")])
    printed = []
    for (analysis,), of_analysis in grouped(by_position(rows), "analysis"):
        steps: dict[tuple[str, str], dict[str, Cell | str]] = {}
        for row in of_analysis:
            reason, detail = _reason(study, row)
            cells = steps.setdefault((opened(row.get("step")), reason), {})
            cells[row.get("group_id") or "all"] = Cell(count_text(row.get("n")), small=detail)
        for (step, reason), cells in steps.items():
            label = f"{step}: {reason}" if reason else step
            printed.append(Row({"step": label, **cells}, group=analysis_label(study, analysis)))
    columns = [Column("step", "Step"), *(Column(g, study.group_label(g), align="right") for g in groups)]
    if any(not r.get("group_id") for r in rows):
        columns.append(Column("all", "All", align="right"))
    return PrintedTable(
        f"{study.study_id}_cohort_flow",
        "Who counts for each analysis, and why not",
        tuple(columns),
        tuple(printed),
        group_label="Analysis",
    )


def delivery_table(deliveries: Sequence[Record], names: Mapping[str, str]) -> PrintedTable | None:
    """Every delivery that the release was made from, under its hospital: rows in = accepted + rejected."""
    if not deliveries:
        return None
    columns: tuple[Column, ...] = (
        Column("delivery", "Delivery"),
        Column("state", "State"),
        Column("files", "Files", align="right"),
        Column("rows_in", "Rows in", align="right"),
        Column("rows_accepted", "Accepted", align="right"),
        Column("rows_rejected", "Rejected", align="right"),
        Column("sha", "SHA-256"),
        Column("reason", "Reason"),
    )
    if not any(r.get("reason") for r in deliveries):
        columns = columns[:-1]
    rows = tuple(
        Row(
            {
                "delivery": str(r.get("delivery_id") or ""),
                "state": Cell(str(r.get("state") or ""), alert=str(r.get("state")) in STATE_ALERTS),
                "files": _count(r.get("files")),
                **{c: _count(r.get(c)) for c in ("rows_in", "rows_accepted", "rows_rejected")},
                "sha": str(r.get("content_sha256") or "")[:SHA_SHOWN],
                "reason": str(r.get("reason") or ""),
            },
            group=_hospital(r, names),
        )
        for r in deliveries
    )
    return PrintedTable(
        "deliveries", "Deliveries: rows in = accepted + rejected", columns, rows, group_label="Hospital"
    )


def rejected_table(rejected: Sequence[Record], names: Mapping[str, str]) -> PrintedTable | None:
    """Why rows were refused, most frequent first; never what stood in them."""
    if not rejected:
        return None
    ordered = sorted(rejected, key=lambda r: -(r.get("rows") or 0))
    columns = (
        Column("rule", "Rule"),
        Column("rows", "Rows", align="right"),
        Column("column", "Column"),
        Column("source", "File and sheet"),
        Column("delivery", "Delivery"),
    )
    rows = tuple(
        Row(
            {
                "rule": opened(r.get("rule")),
                "rows": _count(r.get("rows")),
                "column": str(r.get("column_name") or ""),
                "source": " › ".join(str(r[c]) for c in ("source_file", "source_sheet") if r.get(c)),
                "delivery": str(r.get("delivery_id") or ""),
            },
            group=_hospital(r, names),
        )
        for _, found in grouped(ordered, "sender_id", "hospital_id")
        for r in found
    )
    return PrintedTable("rejected_rows", "Rows refused, by reason", columns, rows, group_label="Hospital")


def question_table(standings: Sequence[Record], names: Mapping[str, str]) -> PrintedTable | None:
    """The questions to each hospital about its rows: asked, answered, open, and for how long."""
    if not standings:
        return None
    counts = {
        "asked": "Asked",
        "answered": "Answered",
        "settled": "Settled by a later delivery",
        "open": "Open",
        "oldest_open_days": "Oldest open (days)",
        "median_days_to_answer": "Days to an answer (median)",
    }
    rows = tuple(
        Row(
            {
                "hospital": names.get(str(r["hospital"]), str(r["hospital"])),
                **{c: "" if r.get(c) is None else f"{r[c]:g}" for c in counts},
            }
        )
        for r in standings
    )
    columns = (
        Column("hospital", "Hospital"),
        *(Column(c, label, align="right") for c, label in counts.items()),
    )
    return PrintedTable("questions", "Questions to the hospitals about their rows", columns, rows)


def check_table(checks: Sequence[Record], names: Mapping[str, str]) -> PrintedTable | None:
    """Checks by layer and suite: how many held; those that did not, one by one."""
    if not checks:
        return None
    rows = []
    for (layer, suite), found in grouped(list(checks), "layer", "suite"):
        failed = [r for r in found if not r.get("passed")]
        held = Cell(f"{len(found) - len(failed)} of {len(found)}", alert=bool(failed))
        rows.append(Row({"check": opened(suite), "layer": str(layer or ""), "held": held}))
        rows += [
            Row(
                {
                    "check": Cell(
                        str(r.get("expectation") or ""), notes=(str(r["note"]),) if r.get("note") else ()
                    ),
                    "layer": str(layer or ""),
                    "held": Cell("waived" if r.get("waived") else "did not hold", alert=not r.get("waived")),
                    "where": ", ".join(filter(None, (_place(r), _hospital(r, names)))),
                    "severity": SEVERITY_WORDS.get(str(r.get("severity")), str(r.get("severity") or "")),
                    "observed": _as_text(r.get("observed")),
                    "threshold": _as_text(r.get("threshold")),
                },
                indent=True,
            )
            for r in failed
        ]
    columns: tuple[Column, ...] = (
        Column("check", "Check"),
        Column("layer", "Layer"),
        Column("held", "Held", align="right"),
        Column("where", "Where"),
        Column("severity", "A failure"),
        Column("observed", "Found", align="right"),
        Column("threshold", "Expected", align="right"),
    )
    if not any(r.indent for r in rows):
        columns = columns[:3]
    return PrintedTable("checks", "Checks that guarded this release", columns, tuple(rows))


def reproduction_summary(study: StudyFrames) -> PrintedTable | None:
    """Per printed table: values, how many agree, how many differ with a reason and without."""
    rows = [r for r in study.rows("reproduction") if r.get("quantity") != STATEMENT]
    if not rows:
        return None
    parts = [(_printed_table(table), found) for (table,), found in grouped(rows, "table_id")]
    printed = []
    for label, found in [*parts, ("All", rows)]:
        count = agreement(found)
        counts = {
            "values": count.total,
            "agree": count.agree,
            "differ": count.differ,
            "unexplained": count.unexplained,
        }
        printed.append(Row({"table": label, **{name: str(count) for name, count in counts.items()}}))
    columns = (
        Column("table", "Printed in"),
        Column("values", "Values", align="right"),
        Column("agree", "Agree", align="right"),
        Column("differ", "Differ", align="right"),
        Column("unexplained", "of them not explained", align="right"),
    )
    return PrintedTable(
        f"{study.study_id}_reproduction_summary",
        "Printed values and values recomputed from exports",
        columns,
        tuple(printed),
    )


def reproduction_table(study: StudyFrames, agrees: bool | None = None) -> PrintedTable | None:
    """One row per printed value, or only those that agree, or only those that differ."""
    rows = [
        r
        for r in study.rows("reproduction")
        if r.get("quantity") != STATEMENT and (agrees is None or bool(r.get("agrees")) == agrees)
    ]
    if not rows:
        return None
    columns = [
        Column("cell", "Cell"),
        Column("printed", "Printed", align="right"),
        Column("computed", "Computed", align="right"),
        *([] if agrees else [Column("agrees", "Agrees"), Column("reason", "Why not")]),
    ]
    printed = tuple(
        Row(
            {
                "cell": _reproduced_cell(study, r),
                "printed": str(r.get("printed") or NOT_AVAILABLE),
                "computed": Cell(_computed(r), notes=_tolerance(r)),
                "agrees": Cell("yes" if r.get("agrees") else "no", alert=not r.get("agrees")),
                "reason": "" if r.get("agrees") else _why_not(study, r),
            },
            group=_printed_table(r.get("table_id")),
        )
        for r in rows
    )
    suffix = {None: "", True: "_agreeing", False: "_differing"}[agrees]
    title = {None: "Every printed value", True: "Values that agree", False: "Values that differ, and why"}[
        agrees
    ]
    return PrintedTable(
        f"{study.study_id}_reproduction{suffix}", title, tuple(columns), printed, group_label="Printed in"
    )


def statement_table(study: StudyFrames, holds: bool | None = None) -> PrintedTable | None:
    """One row per statement of the text, or only those that hold, or only those that do not: the verdict and
    what was found.
    """
    rows = [
        r
        for r in study.rows("reproduction", quantity=STATEMENT)
        if holds is None or bool(r.get("agrees")) == holds
    ]
    if not rows:
        return None
    printed = tuple(
        Row(
            {
                "where": str(r.get("cell") or "").partition("/")[0],
                "statement": str(r.get("printed") or ""),
                "verdict": Cell(str(r.get("agreement") or ""), alert=not r.get("agrees")),
                "found": study.in_words(r.get("computed")),
            }
        )
        for r in rows
    )
    columns = (
        Column("where", "Printed in"),
        Column("statement", "Statement"),
        Column("verdict", "Verdict"),
        Column("found", "What was found"),
    )
    suffix = {None: "", True: "_holding", False: "_not_holding"}[holds]
    return PrintedTable(
        f"{study.study_id}_statements{suffix}", "Statements of the text, judged", columns, printed
    )


def _reason(study: StudyFrames, row: Record) -> tuple[str, str]:
    """The reason that a step's groups share, and what a group adds in parentheses (``85 values``)."""
    text = str(row.get("reason") or "").strip()
    if not row.get("group_id"):
        return text, ""
    if text == study.group_label(row["group_id"]):
        return "", ""
    match = _DETAIL.match(text)
    if not match:
        return text, ""
    return match.group(1), match.group(2)


def analysis_label(study: StudyFrames, analysis: object) -> str:
    """An analysis is called as a model, an endpoint, or by its own word."""
    for model in study.rows("model", model_id=analysis):
        if model.get("title"):
            return str(model["title"])
    known_endpoint = analysis in study.endpoints or analysis in study.variables
    return study.endpoint_label(analysis) if known_endpoint else opened(analysis)


def _hospital(row: Record, names: Mapping[str, str]) -> str:
    key = str(row.get("hospital_id") or row.get("sender_id") or "")
    return str(names.get(key, key))


def _count(value: object) -> str:
    """A count of rows or files with a comma between thousands; anything else as it is."""
    if value is None:
        return NOT_AVAILABLE
    return f"{int(value):,}" if not isinstance(value, str) and known(value) else str(value)


def _place(row: Record) -> str:
    return ".".join(str(row[c]) for c in ("table_name", "column_name") if row.get(c))


def _as_text(value: object) -> str:
    return "" if value is None else str(value)


def _printed_table(table_id: object) -> str:
    text = str(table_id or "")
    return f"Table {text}" if text.strip("IVX") == "" and text else opened(text)


def _reproduced_cell(study: StudyFrames, row: Record) -> str:
    labels: tuple[tuple[str, Callable[[object], str]], ...] = (
        ("variable", study.variable_label),
        ("term", term_words),
        ("group_id", study.group_label),
    )
    parts = [label(row[column]) for column, label in labels if row.get(column)]
    if row.get("group_a"):
        parts.append(study.pair_label(row["group_a"], row["group_b"]))
    parts.append(QUANTITIES.get(str(row.get("quantity")), ""))
    return ", ".join(filter(None, parts))


def _tolerance(row: Record) -> tuple[str, ...]:
    """In what sense a value agrees if it does not agree to the printed digits, and why."""
    if not row.get("agrees") or row.get("agreement") in (None, AS_PRINTED):
        return ()
    return (f"Agrees {row['agreement']}: {row['reason']}",)


def _why_not(study: StudyFrames, row: Record) -> str:
    """The reason, and what else is known of the computed value."""
    note = study.in_words(row.get("note"))
    return several([row.get("reason"), note])


def _computed(row: Record) -> str:
    return str(row.get("computed") if row.get("computed") is not None else NOT_AVAILABLE)
