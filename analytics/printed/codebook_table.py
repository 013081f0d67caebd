"""The codebook of a study: every variable with its concept, unit and source, and what is missing.

Belongs here: the table, and the share missing, which is computed from the numbers that the study's tables
print. Does not belong here: which columns of a hospital feed a variable
(`orchestration/manuscript/facts.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analytics.printed.printed_table import Column, PrintedTable, Row
from analytics.study.frames import Record, StudyFrames
from analytics.words.disclosure import NOT_PRINTED
from analytics.words.formatting import NOT_AVAILABLE, Public, format_number

MOST_HOSPITALS = 6  # with a column each


@dataclass(frozen=True)
class Origin:
    """Where a variable comes from: in the registry's words, and column by column of each hospital."""

    source: str  # observation, event, endpoint, …
    concept: str  # its id in the catalogue, and its name
    columns: Mapping[str, str]  # by the name of the hospital


def codebook_table(study: StudyFrames, origins: Mapping[str, Origin]) -> PrintedTable:
    """A row per variable of the study, in the study's order."""
    hospitals = list(dict.fromkeys(h for origin in origins.values() for h in origin.columns))
    apart = hospitals if len(hospitals) <= MOST_HOSPITALS else []
    rows = []
    for variable, record in study.variables.items():
        origin = origins.get(variable, Origin("", "", {}))
        together = "; ".join(f"{h}: {c}" for h, c in origin.columns.items())
        missing = {f"{g}_missing": share_missing(study, variable, g) for g in study.groups}
        rows.append(
            Row(
                {
                    "variable": variable,
                    "label": str(record.get("label") or variable),
                    "source": origin.source,
                    "concept": origin.concept,
                    "unit": str(record.get("unit") or ""),
                    **({h: origin.columns.get(h, "") for h in apart} if apart else {"columns": together}),
                    **missing,
                }
            )
        )
    sources = (
        [Column(h, h, spanner="Source columns") for h in apart]
        if apart
        else [Column("columns", "Source columns, by hospital")]
    )
    return PrintedTable(
        f"{study.study_id}_codebook",
        "Codebook",
        (
            Column("variable", "Variable"),
            Column("label", "Label"),
            Column("source", "Kind"),
            Column("concept", "Concept"),
            Column("unit", "Unit"),
            *sources,
            *(
                Column(f"{g}_missing", study.group_label(g), spanner="Missing, %", align="right")
                for g in study.groups
            ),
        ),
        tuple(rows),
        notes=_notes(study),
    )


def share_missing(study: StudyFrames, variable: str, group: str) -> str:
    """The percentage of a group without a value, as the first table that has the variable counts them.

    Of a public study it is made from the two numbers that its tables print, the group's and the row's, so it
    says no more than they do.
    """
    row = next((r for r in study.rows("baseline_summary", group_id=group) if _is_of(r, variable)), None)
    if row is None:
        return NOT_AVAILABLE
    if study.is_public:
        whole, found = (_printed(r.get("n")) for r in (study.groups[group], row))
        if whole is None or found is None:
            return NOT_PRINTED
        return f"{100 * (whole - found) / whole:.0f}"
    missing = row.get("n_missing") or 0
    whole = (row.get("n") or 0) + missing
    return format_number(100 * missing / whole, 1) if whole else NOT_AVAILABLE


def most_missing(study: StudyFrames, most: int = 5) -> list[str]:
    """``Ferritin 22.2 (NXP2⁺ JDM)``: the largest shares."""
    shares = [
        (float(share), study.variable_label(v), study.group_label(g), share)
        for v in study.variables
        for g in study.groups
        if _is_number(share := share_missing(study, v, g)) and float(share) > 0
    ]
    ordered = sorted(shares, key=lambda s: (-s[0], s[1], s[2]))
    return [f"{label} {share} % of {group}" for _, label, group, share in ordered[:most]]


def _is_of(row: Record, variable: str) -> bool:
    return str(row["variable"]).partition(":")[0] == variable


def _printed(count: object) -> int | None:
    return int(count.text) if isinstance(count, Public) and count.text.isdigit() else None


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _notes(study: StudyFrames) -> tuple[str, ...]:
    said = "Missing: of the patients of the group, at the visit of the first table that has the variable."
    rounded = "They are made from the rounded numbers of the tables."
    return (said, rounded) if study.is_public else (said,)
