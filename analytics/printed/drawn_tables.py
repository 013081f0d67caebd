"""The numbers that a figure draws, as a table: the form of the figure that is read aloud and copied.

Belongs here: courses and curves of groups. Does not belong here: drawing them (`course_figure.py`,
`survival_figure.py`), single patients.
"""

from __future__ import annotations

from analytics.printed.figures import StudyFigure
from analytics.printed.printed_table import Cell, Column, PrintedTable, Row
from analytics.study.frames import Record, StudyFrames, grouped
from analytics.words.disclosure import count_text, known
from analytics.words.formatting import NOT_AVAILABLE, format_estimate_ci, format_number
from analytics.words.wording import opened

MOST_DECIMALS = 2


def drawn_name(figure: StudyFigure) -> str:
    """The name of the table that goes with a figure."""
    return f"{figure.name}_numbers"


def course_numbers(study: StudyFrames, response: str, figure: StudyFigure) -> PrintedTable:
    """By visit and group the mean with its interval and the median with its quartiles."""
    rows = [r for r in study.rows("trajectory_mean", response=response) if known(r.get("mean"))]
    rows.sort(key=lambda r: r["nominal_month"])
    groups = study.in_order([r["group_id"] for r in rows])
    printed = [
        Row({"visit": opened(visit), **{r["group_id"]: _centres(r) for r in found}})
        for (visit,), found in grouped(rows, "visit")
    ]
    columns = (Column("visit", "Visit"), *(Column(g, study.group_label(g), align="right") for g in groups))
    notes = ("Mean (95% CI), and below it median (quartiles).",)
    return PrintedTable(drawn_name(figure), figure.title, columns, tuple(printed), notes=notes)


def curve_numbers(study: StudyFrames, endpoint: str, figure: StudyFigure) -> PrintedTable:
    """By time and group the share without the event, and how many were at risk."""
    left = {(r["group_id"], r["time"]): r for r in study.rows("survival_at_risk", endpoint=endpoint)}
    rows = [r for r in study.rows("survival_curve", endpoint=endpoint) if known(r.get("survival"))]
    groups = study.in_order([r["group_id"] for r in rows])
    rows.sort(key=lambda r: (groups.index(r["group_id"]), r["time"]))
    printed = [
        Row(
            {
                "time": format_number(r["time"], 1, keep_zeros=False),
                "free": format_number(100 * r["survival"], 1, keep_zeros=False),
                "at_risk": _at_risk(left.get((r["group_id"], r["time"]))),
            },
            group=study.group_label(r["group_id"]),
        )
        for r in rows
    ]
    columns = (
        Column("time", "Months"),
        Column("free", "Without the event, %", align="right"),
        Column("at_risk", "At risk", align="right"),
    )
    return PrintedTable(drawn_name(figure), figure.title, columns, tuple(printed), group_label="Group")


def _at_risk(row: Record | None) -> str:
    return "" if row is None else count_text(row.get("at_risk"))


def _centres(row: Record) -> Cell:
    return Cell(_range(row, "mean", "ci_low", "ci_high"), _range(row, "median", "q1", "q3"))


def _range(row: Record, centre: str, low: str, high: str) -> str:
    """The ends with the decimals of the middle: what is rounded says no more than it does."""
    if not known(row.get(centre)):
        return NOT_AVAILABLE
    decimals = len(f"{float(row[centre]):.10g}".partition(".")[2])
    return format_estimate_ci(row[centre], row.get(low), row.get(high), min(decimals, MOST_DECIMALS))
