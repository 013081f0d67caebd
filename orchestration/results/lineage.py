"""The column lineage of a release: from the marts that it copies to the results that are computed from it.

Belongs here: what `release/candidate.py` copies, and what `analytics` reads, as lineage. Does not belong
here: the lineage of the models and of the raw tables (`warehouse/lineage.py`), showing it (`report/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb

from analytics.study.columns_read import KEY, columns_read
from analytics.study.file import Study
from orchestration.raw.lineage import FILES, Lineage, Source
from orchestration.release.candidate import MARTS
from orchestration.release.free_texts import WITHHELD

# columns of results that the study file states; every other column is computed
STATED = frozenset({
    "study_id", "table_id", "variable", "label", "group_id", "group_a", "group_b", "model_id", "response",
    "endpoint", "analysis_id", "variant", "title", "description", "origin", "unit", "position", "source",
    "horizon_months", "question", "kind", "visit", "nominal_month", "term", "test", "method", "reference",
    "formula_text", "tau_months", "from_age", "below_age", "full_score",
})  # fmt: skip
PRINTED_BY_THE_PAPER = frozenset({"cell", "place", "part", "quantity", "printed", "line", "text", "known"})
MADE_OF_RESULTS = ("finding", "reproduction", "sensitivity_question")
COPIED_BESIDE = {
    "event_types": "catalogue.event_types",
    "visit_schedule": "raw.registry_visit_window",
    "fct_time_to_relapse": "release.fct_time_to_event",
}


def release_lineage(columns: Mapping[str, Iterable[str]], studies: Iterable[Study]) -> Lineage:
    """The lineage of every column of a release, by ``schema.table``; ``columns`` are those that it has."""
    found: Lineage = {}
    read = _read_by(studies)
    for table, names in columns.items():
        schema, name = table.split(".", 1)
        if schema == "release":
            found[table] = {c: _copied(name, c) for c in names}
        elif schema == "results":
            found[table] = {c: _computed(name, c, read, columns) for c in names}
        elif table == "quality.rejected_summary":
            origin = "quality.rejected_row"
            found[table] = {c: [[origin, c if c != "rows" else "source_row"]] for c in names}
        elif table == "quality.check_result":
            found[table] = {c: [] for c in names}
    return found


def _copied(table: str, column: str) -> list[Source]:
    """The column of the mart, or of the other table, that a column of schema release is a copy of."""
    if table in MARTS and column.endswith(
        WITHHELD
    ):  # says that a text was left out, and whose mapping did so
        return [[f"marts.{table}", column.removesuffix(WITHHELD)], [f"marts.{table}", "sender_id"]]
    if table in MARTS:
        return [[f"marts.{table}", column]]
    if table in COPIED_BESIDE:
        return [[COPIED_BESIDE[table], "is_event" if column == "is_relapse" else column]]
    return [[FILES, "registry.yml"]] if table == "release_info" else []


def _read_by(studies: Iterable[Study]) -> dict[str, list[Source]]:
    """The columns of the release behind each table of results, of all studies together, and the study files
    (under the empty name).
    """
    found: dict[str, set[tuple[str, str]]] = {"": set()}
    for study in studies:
        found[""].add((FILES, f"studies/{study.study}.yml"))
        for table, read in columns_read(study).items():
            found.setdefault(table, set()).update(
                (f"release.{c.table}", c.column) for c in read if c.column not in KEY
            )
    return {table: [list(source) for source in sorted(read)] for table, read in found.items()}


def _computed(
    table: str, column: str, read: Mapping[str, list[Source]], columns: Mapping[str, Iterable[str]]
) -> list[Source]:
    if column == "release_id":
        return [["release.release_info", "release_id"]]
    if table == "reproduction" and column in PRINTED_BY_THE_PAPER:
        return [[FILES, file.replace("studies/", "published/").removesuffix(".yml")] for _, file in read[""]]
    if table in MADE_OF_RESULTS and column not in STATED:
        others = sorted(t for t in columns if t.startswith("results.") and t[8:] not in MADE_OF_RESULTS)
        return [[t, c] for t in others for c in columns[t] if c in ("display", "p_value", "n", "count")]
    if column in STATED or table not in read:
        return read[""]
    return read[table]


def columns_of(release: Path) -> dict[str, list[str]]:
    """The columns of every table of a release or candidate file, by ``schema.table``."""
    found: dict[str, list[str]] = {}
    with duckdb.connect(str(release), read_only=True) as connection:
        for table, column in connection.execute(
            "select table_schema || '.' || table_name, column_name from information_schema.columns"
            " order by 1, ordinal_position"
        ).fetchall():
            found.setdefault(table, []).append(column)
    return found
