"""Events and median times within the strata of an analysis.

Belongs here: one table per endpoint. Does not belong here: the curves (`analytics/study/strata.py`).
"""

from __future__ import annotations

from analytics.printed.printed_table import Column, PrintedTable, Row
from analytics.study.frames import StudyFrames, grouped
from analytics.words.disclosure import known
from analytics.words.formatting import format_number


def survival_strata_table(study: StudyFrames, endpoint: str) -> PrintedTable | None:
    """Patients, events and median by stratum and group."""
    rows = study.rows("survival_by_stratum", endpoint=endpoint)
    if not rows:
        return None
    printed = tuple(
        Row(
            {
                "group": study.group_label(group),
                "n": str(int(mine[0]["n"])),
                "events": str(int(sum(r["events"] for r in mine))),
                "median": format_number(mine[0]["median"], 1)
                if known(mine[0].get("median"))
                else "not reached",
            },
            group=str(stratum)[:1].upper() + str(stratum)[1:],
        )
        for (stratum, group), mine in grouped(rows, "stratum", "group_id")
    )
    columns = (
        Column("group", "Group"),
        Column("n", "Patients", align="right"),
        Column("events", "Events", align="right"),
        Column("median", "Median, months", align="right"),
    )
    return PrintedTable(
        f"{study.study_id}_{endpoint}_strata",
        f"Within strata: {study.endpoint_label(endpoint)}",
        columns,
        printed,
        notes=("The log-rank tests compare groups within each stratum.",),
        group_label="Stratum",
    )
