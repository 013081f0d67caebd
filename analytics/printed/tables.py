"""Baseline tables as a journal prints them: a row per variable, a column per group, p values per comparison.

Belongs here: which number of Table I or II stands where, with which footnote. Does not belong here: any
estimate (results hold them), tables of models (`model_tables.py`) and of how the numbers came to be
(`provenance_tables.py`), how a table becomes HTML or CSV (`printed_table.py`).

A number whose status is not `ok` is set in the alert style with a footnote that says why; where there is no
number, the status stands in its place.
"""

from __future__ import annotations

from analytics.printed.printed_table import Cell, Column, PrintedTable, Row
from analytics.printed.table_cells import (
    ADJUSTED,
    P_VALUE,
    adjustment_notes,
    effect_shape,
    effect_text,
    file_name,
    numbered,
    p_cell,
)
from analytics.study.frames import Record, StudyFrames, by_position, grouped, is_ok
from analytics.words.disclosure import count_text, known
from analytics.words.formatting import NOT_AVAILABLE, format_estimate_ci, format_p
from analytics.words.wording import effect_words, short_test, status_words, test_words

ALL_GROUPS = "all_groups"


def baseline_tables(study: StudyFrames) -> list[PrintedTable]:
    """Tables I, II, …: a row per variable, a column per group, p, adjusted p and effect per comparison."""
    ids = [r["table_id"] for r in by_position(study.rows("study_table"))] or study.distinct(
        "baseline_summary", "table_id"
    )
    return [
        baseline_table(study, table_id)
        for table_id in ids
        if study.rows("baseline_summary", table_id=table_id)
    ]


def baseline_table(study: StudyFrames, table_id: str) -> PrintedTable:
    summaries = by_position(study.rows("baseline_summary", table_id=table_id))
    comparisons = study.rows("group_comparison", table_id=table_id)
    groups = study.in_order([r["group_id"] for r in summaries])
    pairs = study.pairs("group_comparison", table_id=table_id)
    by_pair = {(r["variable"], r.get("group_a"), r.get("group_b")): r for r in comparisons}
    has_overall = any(not r.get("group_a") for r in comparisons)
    rows = []
    for (variable,), found in grouped(summaries, "variable"):
        cells = _summary_cells(study, variable, {r["group_id"]: r for r in found})
        for pair in pairs:
            row = by_pair.get((variable.partition(":")[0], *pair))
            cells |= _comparison_cells(study, "__".join(pair), row or {})
        if has_overall:
            row = by_pair.get((variable.partition(":")[0], None, None))
            cells |= _comparison_cells(study, ALL_GROUPS, row or {})
        of_variable = [r for r in comparisons if r["variable"] == variable.partition(":")[0]]
        cells["test"] = _tests_of(of_variable)
        cells["effect_is"] = ", ".join(dict.fromkeys(filter(None, map(effect_shape, of_variable))))
        rows.append(Row(cells))
    spanners = {"__".join(pair): study.pair_label(*pair) for pair in pairs} | (
        {ALL_GROUPS: "All groups"} if has_overall else {}
    )
    columns = [Column("variable", "Variable"), *_group_columns(study, groups), *_comparison_columns(spanners)]
    if spanners:
        columns += [Column("test", "test"), Column("effect_is", "effect is a")]
    title = next((r["title"] for r in study.rows("study_table", table_id=table_id)), "")
    return PrintedTable(
        f"{study.study_id}_table_{file_name(table_id)}",
        numbered(table_id, title),
        tuple(columns),
        tuple(rows),
        notes=_baseline_notes(study, comparisons),
    )


def _summary_cells(study: StudyFrames, variable: str, found: dict[str, Record]) -> dict[str, Cell | str]:
    label = study.label_with_unit(variable)
    cells: dict[str, Cell | str] = {
        "variable": f"{label}, n (%)" if any(map(_is_count, found.values())) else label
    }
    for group, row in found.items():
        n, missing = row.get("n"), row.get("n_missing") or 0
        known_n = count_text(n) if known(n) else ""
        text = str(row.get("display") or NOT_AVAILABLE)
        cells[f"{group}_n"] = known_n
        second = _n_equals(known_n) if missing and known_n else ""
        cells[group] = Cell(text, second, study.remarks(row), alert=not is_ok(row))
    return cells


def _n_equals(text: str) -> str:
    """``n = 15``, and ``n > 13`` where the number is masked."""
    return f"n {text[0]} {text[1:]}" if text[:1] in "<>" else f"n = {text}"


def _is_count(row: Record) -> bool:
    return known(row.get("count"))


def _comparison_cells(study: StudyFrames, key: str, row: Record) -> dict[str, Cell | str]:
    if not row:
        return {f"{key}_{part}": "" for part in ("p", "adjusted", "effect", "second", "test", "status")}
    p_text = str(row.get("display") or format_p(row.get("p_value")))
    effect = effect_text(row)
    ok = is_ok(row)
    if not ok and p_text == NOT_AVAILABLE:
        p_text = status_words(row["status"])
    return {
        f"{key}_p": p_cell(row.get("p_value"), p_text, study.remarks(row), alert=not ok),
        f"{key}_adjusted": p_cell(row.get("p_adjusted")),
        f"{key}_effect": effect,
        f"{key}_second": _second_effect(row),
        f"{key}_test": test_words(row.get("test")),
        f"{key}_status": str(row.get("status") or ""),
    }


def _tests_of(rows: list[Record]) -> str:
    return ", ".join(dict.fromkeys(short_test(r.get("test")) for r in rows if short_test(r.get("test"))))


def _test_notes(rows: list[Record]) -> tuple[str, ...]:
    """The short name of each test, its name, and the effect that goes with it."""
    said = {
        short_test(r.get("test")): test_words(r.get("test"))
        + (f" ({e})" if (e := effect_words(r.get("effect_kind"))) else "")
        for r in sorted(rows, key=lambda r: bool(effect_words(r.get("effect_kind"))))
        if short_test(r.get("test"))
    }
    return (
        ("Tests and their effects: " + "; ".join(f"{short}, {words}" for short, words in said.items()) + ".",)
        if said
        else ()
    )


def _second_effect(row: Record) -> str:
    """The effect that results hold beside the printed one, for the CSV: ``-0.71 (-0.92 to -0.31)``."""
    if not known(row.get("second_effect")):
        return ""
    text = format_estimate_ci(row["second_effect"], row.get("second_ci_low"), row.get("second_ci_high"))
    return f"{text} {effect_words(row.get('second_effect_kind'))}"


def _group_columns(study: StudyFrames, groups: list[str]) -> list[Column]:
    columns = []
    for group in groups:
        n = (study.groups.get(group) or {}).get("n")
        second = _n_equals(count_text(n)) if known(n) else ""
        columns += [
            Column(group, study.group_label(group), second, wraps=False),
            Column(f"{group}_n", f"{study.group_label(group)}, n", csv_only=True),
        ]
    return columns


def _comparison_columns(spanners: dict[str, str]) -> list[Column]:
    columns = []
    for key, spanner in spanners.items():
        columns += [
            Column(f"{key}_p", P_VALUE, spanner=spanner, align="right"),
            Column(f"{key}_adjusted", ADJUSTED, spanner=spanner, align="right"),
            Column(f"{key}_effect", "effect (CI)", spanner=spanner, align="right"),
            Column(f"{key}_second", "second effect (CI)", spanner=spanner, csv_only=True),
            Column(f"{key}_test", "test", spanner=spanner, csv_only=True),
            Column(f"{key}_status", "status", spanner=spanner, csv_only=True),
        ]
    return columns


def _baseline_notes(study: StudyFrames, comparisons: list[Record]) -> tuple[str, ...]:
    notes = [
        "Mean ± SD, median (first quartile, third quartile) or n (%). Where values are missing, n is the"
        " number known."
    ]
    if comparisons:
        notes += [
            *_test_notes(comparisons),
            "Effects compare the first group with the second, with 95% confidence intervals. A difference "
            "is first minus second, and 0 means none; a ratio is first over second, and 1 means none.",
        ]
    if study.is_public:
        notes += [
            "Numbers of patients are rounded to 5, and percentages are of rounded numbers; what rests on a "
            "small number is not shown.",
            "Means and medians are rounded to the digits of their spread. Intervals are made from the printed"
            " numbers.",
        ]
    if any(not r.get("group_a") for r in comparisons):
        notes.append(
            "All groups: one test of all of them together. Its effect is a share of 1 and has no "
            "direction; its p values are adjusted among themselves."
        )
    return (*notes, *adjustment_notes(comparisons))
