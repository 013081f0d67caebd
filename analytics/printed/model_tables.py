"""Tables of models and of time to event: terms, contrasts, means, parameters, log-rank, Cox.

Belongs here: which number of a model stands where, with which footnote. Does not belong here: any estimate,
baseline tables (`tables.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from analytics.printed.printed_table import Cell, Column, PrintedTable, Row
from analytics.printed.table_cells import (
    ADJUSTED,
    P_VALUE,
    adjustment_notes,
    estimate_ci,
    flagged,
    flagged_p,
    numbered,
    p_cell,
    ratio_ci,
)
from analytics.study.frames import Record, StudyFrames, grouped, is_ok
from analytics.words.disclosure import count_text, known
from analytics.words.formatting import (
    NOT_AVAILABLE,
    Public,
    decimals_for,
    format_estimate_ci,
    format_number,
    format_p,
)
from analytics.words.wording import PARAMETER_KINDS, opened, term_words, test_words

_PRINTED_MODEL = re.compile(r"^table_([ivx]+)_")
_F_TESTS = ("satterthwaite_f", "kenward_roger_f", "containment_f", "f")
_F_PREFIX = "anova_"
_FURTHER_EVENTS = ("fine_gray", "recurrent", "frailty")  # kinds of model whose ratios stand apart from Cox's


def model_term_tables(study: StudyFrames, printed: bool) -> list[PrintedTable]:
    """Tests of the terms of mixed models, a table per kind of test.

    ``printed`` chooses what stands in the publication's tables (models ``table_iii_<response>``, by the test
    that their rows begin with), or everything else.
    """
    found: dict[tuple[str, str], list[Record]] = {}
    for (model,), rows in grouped(of_models(study, study.rows("mixed_model_term")), "model_id"):
        number = printed_table_number(model)
        for row in rows:
            in_print = bool(number) and row.get("test") == rows[0].get("test")
            if in_print == printed:
                found.setdefault((number if in_print else "", str(row.get("test") or "")), []).append(row)
    return [_term_table(study, number, test, rows) for (number, test), rows in found.items()]


def printed_table_number(model_id: object) -> str:
    """``III`` of ``table_iii_cmas``: the table of the publication that the model is printed in."""
    match = _PRINTED_MODEL.match(str(model_id))
    return match.group(1).upper() if match else ""


def _term_table(study: StudyFrames, number: str, test: str, rows: list[Record]) -> PrintedTable:
    is_f = test in _F_TESTS or test.startswith(_F_PREFIX)
    columns = (
        Column("term", "Term"),
        Column("statistic", "F" if is_f else "χ²", align="right"),
        Column("df", "df", align="right"),
        Column("p", P_VALUE, align="right"),
    )
    printed = tuple(
        Row(
            {
                "term": term_words(row["term"]),
                "statistic": format_number(row.get("statistic"), 3),
                "df": _degrees(row),
                "p": flagged_p(study, row),
            },
            group=_model_label(study, row),
        )
        for row in rows
    )
    suffix = f"table_{number.lower()}" if number else f"terms_{test or 'test'}"
    title = f"mixed models, type III tests ({test_words(test)})" if test else "mixed models, type III tests"
    return PrintedTable(
        f"{study.study_id}_{suffix}",
        numbered(number, title),
        columns,
        printed,
        notes=model_notes(study, rows),
        group_label="Model",
    )


def contrast_table(study: StudyFrames, models: Sequence[str]) -> PrintedTable | None:
    """Differences between groups at each visit."""
    rows = [r for r in of_models(study, study.rows("visit_contrast")) if r["model_id"] in models]
    if not rows:
        return None
    pairs = list(dict.fromkeys((r["group_a"], r["group_b"]) for r in rows))
    printed = tuple(
        Row(
            {
                "visit": opened(row["visit"]),
                "pair": study.pair_label(row["group_a"], row["group_b"]),
                **_estimate_cells(study, row),
                "df": format_number(row.get("df"), 1, keep_zeros=False),
                "p": p_cell(row.get("p_value")),
                "p_adjusted": p_cell(row.get("p_adjusted")),
            },
            group=_model_label(study, row),
        )
        for row in rows
    )
    columns = (
        Column("visit", "Visit"),
        Column("pair", "Comparison", csv_only=len(pairs) == 1),
        Column("estimate", "Difference" if study.is_public else "Difference (95% CI)", align="right"),
        Column("std_error", "SE", align="right"),
        Column("df", "df", align="right"),
        Column("p", P_VALUE, align="right"),
        Column("p_adjusted", ADJUSTED, align="right"),
    )
    title = "Differences between groups at each visit"
    if len(pairs) == 1:
        title = f"{study.pair_label(*pairs[0])}: differences at each visit"
    name = "contrasts" if any(printed_table_number(m) for m in models) else "further_contrasts"
    return PrintedTable(
        f"{study.study_id}_{name}",
        title,
        columns,
        printed,
        notes=("Estimated marginal means of the model, first group minus second.", *adjustment_notes(rows)),
        group_label="Model",
    )


def marginal_mean_table(study: StudyFrames, models: Sequence[str]) -> PrintedTable | None:
    """Estimated marginal means: a row per visit, a column per group."""
    rows = [r for r in of_models(study, study.rows("marginal_mean")) if r["model_id"] in models]
    if not rows:
        return None
    groups = study.in_order([r["group_id"] for r in rows])
    printed = []
    for (_, _, visit), found in grouped(rows, "model_id", "response", "visit"):
        cells: dict[str, Cell | str] = {"visit": opened(visit)}
        for row in found:
            cells[row["group_id"]] = flagged(study, row, estimate_ci(row))
        printed.append(Row(cells, group=_model_label(study, found[0])))
    columns = (Column("visit", "Visit"), *(Column(g, study.group_label(g), align="right") for g in groups))
    name = "marginal_means" if any(printed_table_number(m) for m in models) else "further_marginal_means"
    return PrintedTable(
        f"{study.study_id}_{name}",
        "Means that the models estimate (95% CI)",
        columns,
        tuple(printed),
        group_label="Model",
    )


def parameter_table(study: StudyFrames, models: Sequence[str]) -> PrintedTable | None:
    """Every parameter of the mixed models, so that a reader can write the model down."""
    rows = [r for r in of_models(study, study.rows("mixed_model_parameter")) if r["model_id"] in models]
    if not rows:
        return None
    printed = tuple(
        Row(
            {
                "parameter": study.readable(str(row["parameter"])),
                "kind": PARAMETER_KINDS.get(row["kind"], opened(row["kind"])),
                **_estimate_cells(study, row),
                "p": p_cell(row.get("p_value")),
            },
            group=_model_label(study, row),
        )
        for row in rows
    )
    columns = (
        Column("parameter", "Parameter"),
        Column("kind", "Kind"),
        Column("estimate", "Estimate (95% CI)", align="right"),
        Column("std_error", "SE", align="right"),
        Column("p", P_VALUE, align="right"),
    )
    name = "parameters" if any(printed_table_number(m) for m in models) else "further_parameters"
    return PrintedTable(
        f"{study.study_id}_{name}", "Parameters of the mixed models", columns, printed, group_label="Model"
    )


def survival_summary_table(study: StudyFrames, endpoint: str) -> PrintedTable | None:
    """Patients, events and median time per group."""
    rows = study.rows("survival_median", endpoint=endpoint)
    if not rows:
        return None
    printed = tuple(
        Row(
            {
                "group": study.group_label(row["group_id"]),
                "n": count_text(row.get("n")),
                "events": count_text(row.get("events")),
                "median": flagged(study, row, _median_time(row), no_number="not reached"),
            }
        )
        for row in rows
    )
    columns = (
        Column("group", "Group"),
        Column("n", "Patients", align="right"),
        Column("events", "Events", align="right"),
        Column("median", "Median" if study.is_public else "Median, months (95% CI)", align="right"),
    )
    title = f"Events and median time: {study.endpoint_label(endpoint)}"
    return PrintedTable(f"{study.study_id}_{endpoint}_survival", title, columns, printed)


def log_rank_table(study: StudyFrames, endpoint: str) -> PrintedTable | None:
    """The overall test, then the pairs."""
    rows = study.rows("log_rank", endpoint=endpoint)
    if not rows:
        return None
    printed = tuple(
        Row(
            {
                "comparison": study.pair_label(row["group_a"], row["group_b"])
                if row.get("group_a")
                else "Trend over the groups"
                if row.get("scope") == "trend"
                else "All groups",
                "statistic": format_number(row.get("statistic"), 3),
                "df": format_number(row.get("df"), 0),
                "p": flagged_p(study, row),
                "p_adjusted": p_cell(row["p_adjusted"]) if known(row.get("p_adjusted")) else "",
            }
        )
        for row in rows
    )
    columns = (
        Column("comparison", "Comparison"),
        Column("statistic", "χ²", align="right"),
        Column("df", "df", align="right"),
        Column("p", P_VALUE, align="right"),
        Column("p_adjusted", ADJUSTED, align="right"),
    )
    return PrintedTable(
        f"{study.study_id}_{endpoint}_log_rank",
        f"Log-rank tests: {study.endpoint_label(endpoint)}",
        columns,
        printed,
        notes=adjustment_notes(rows),
    )


def cox_table(study: StudyFrames, endpoint: str) -> PrintedTable | None:
    """Hazard ratios; the test of proportional hazards stands beside each."""
    return _ratio_table(
        study, endpoint, f"Cox models: {study.endpoint_label(endpoint)}", "cox", further=False
    )


def further_ratio_table(study: StudyFrames, endpoint: str) -> PrintedTable | None:
    """Ratios of models that count competing events, or every event."""
    title = f"Models of competing and recurrent events: {study.endpoint_label(endpoint)}"
    return _ratio_table(study, endpoint, title, "further_events", further=True)


def _ratio_table(
    study: StudyFrames, endpoint: str, title: str, name: str, further: bool
) -> PrintedTable | None:
    apart = {m["model_id"] for m in study.rows("model") if m.get("kind") in _FURTHER_EVENTS}
    rows = [
        r
        for r in of_models(study, study.rows("cox_term", endpoint=endpoint))
        if (r["model_id"] in apart) == further
    ]
    if not rows:
        return None
    printed = tuple(
        Row(
            {
                "term": _cox_term(study, row, rows),
                "hazard_ratio": flagged(
                    study,
                    row,
                    ratio_ci(row.get("hazard_ratio"), row.get("ci_low"), row.get("ci_high")),
                ),
                "statistic": format_number(row.get("statistic"), 2),
                "p": p_cell(row.get("p_value")),
                "ph": p_cell(row.get("ph_p_value")),
            },
            group=_model_label(study, row),
        )
        for row in rows
    )
    columns = (
        Column("term", "Term"),
        Column("hazard_ratio", "Ratio (95% CI)" if further else "Hazard ratio (95% CI)", align="right"),
        Column("statistic", "Statistic", align="right"),
        Column("p", P_VALUE, align="right"),
        *(() if further else (Column("ph", "p, proportional hazards", align="right"),)),
    )
    return PrintedTable(
        f"{study.study_id}_{endpoint}_{name}",
        title,
        columns,
        printed,
        notes=model_notes(study, rows),
        group_label="Model",
    )


def incidence_table(study: StudyFrames, model_id: str) -> PrintedTable | None:
    """Cumulative incidence at its last time by group and cause, with Gray's test of each cause."""
    last = [
        max(found, key=lambda r: r["time"])
        for _, found in grouped(study.rows("cumulative_incidence", model_id=model_id), "cause", "group_id")
    ]
    if not last:
        return None
    tests = {r["cause"]: r for r in study.rows("gray_test", model_id=model_id)}
    events = {
        key: sum(r["events"] for r in found)
        for key, found in grouped(study.rows("cumulative_incidence", model_id=model_id), "cause", "group_id")
    }
    printed = tuple(
        Row(
            {
                "group": study.group_label(r["group_id"]),
                "events": count_text(events[r["cause"], r["group_id"]]),
                "incidence": flagged(
                    study,
                    r,
                    format_estimate_ci(r["incidence"], r.get("ci_low"), r.get("ci_high"), 2),
                ),
            },
            group=f"{opened(r['cause'])}: {_gray(tests.get(r['cause']))}",
        )
        for r in last
    )
    columns = (
        Column("group", "Group"),
        Column("events", "Events", align="right"),
        Column("incidence", "Cumulative incidence at the end (95% CI)", align="right"),
    )
    title = f"Cumulative incidence: {study.endpoint_label(last[0]['endpoint'])}"
    return PrintedTable(
        f"{study.study_id}_{model_id}_incidence", title, columns, printed, group_label="Cause"
    )


def _gray(row: Record | None) -> str:
    if row is None or not known(row.get("p_value")):
        return "no test"
    p = format_p(row["p_value"])
    return f"Gray's test χ² {format_number(row['statistic'], 2)}, df {format_number(row['df'], 0)}, p {p}"


def of_models(study: StudyFrames, rows: Sequence[Record]) -> list[Record]:
    """If the status of a model is not ok, its rows with status ok take over that status, because a doubt
    about the model is a doubt about its numbers.
    """
    models = {m["model_id"]: m for m in study.rows("model")}
    doubtful = {k: {"status": m["status"], "note": m.get("note")} for k, m in models.items() if not is_ok(m)}
    return [r | doubtful.get(r.get("model_id"), {}) if is_ok(r) else r for r in rows]


def _cox_term(study: StudyFrames, row: Record, rows: Sequence[Record]) -> str:
    """``MDA5⁺ JDM vs NXP2⁺ JDM``: a level of the groups against the one that has no row of its own."""
    level = study.group_of_term(row["term"])
    if level is None:
        return study.readable(str(row["term"]))
    if row.get("reference"):
        return study.pair_label(level, row["reference"])
    named = {study.group_of_term(r["term"]) for r in rows if r["model_id"] == row["model_id"]}
    others = [
        g for g in study.distinct("survival_curve", "group_id", endpoint=row["endpoint"]) if g not in named
    ]
    return study.pair_label(level, others[0]) if len(others) == 1 else study.group_label(level)


def model_notes(study: StudyFrames, rows: Sequence[Record]) -> tuple[str, ...]:
    """For each model of the rows: how many patients entered it, how it was fitted, and any remark that none
    of its rows has.
    """
    titles: dict[str, list[str]] = {}
    model_ids, said_already = dict.fromkeys(r["model_id"] for r in rows), study.remarks(*rows)
    for model_id in model_ids:
        for row in study.rows("model", model_id=model_id):
            parts = [
                f"{count_text(row['n_patients'])} patients" if known(row.get("n_patients")) else "",
                f"{row['n']:.0f} values"
                if known(row.get("n")) and str(row.get("kind")).startswith("mixed")
                else "",
                f"{count_text(row['n_events'])} events" if known(row.get("n_events")) else "",
                study.in_words(row.get("method")),
            ]
            said = ", ".join(p for p in parts if p)
            said = (
                ". ".join(p.rstrip(".") for p in (said, *(set(study.remarks(row)) - set(said_already))) if p)
                + "."
            )
            titles.setdefault(said, []).append(str(row.get("title") or opened(model_id)))
    return tuple(f"{'; '.join(names)}: {said}" for said, names in titles.items())


def _estimate_cells(study: StudyFrames, row: Record) -> dict[str, Cell | str]:
    se = row.get("std_error")
    return {
        "estimate": flagged(study, row, estimate_ci(row)),
        "std_error": format_number(se, decimals_for([se])),
    }


def _median_time(row: Record) -> str:
    """A median that exists without an upper limit: ``18.2 (9.1 to not reached)``."""
    if not known(row.get("median")):
        return NOT_AVAILABLE
    if isinstance(row["median"], Public):
        return row["median"].text
    ends = [
        format_number(row.get(c), 1) if known(row.get(c)) else "not reached" for c in ("ci_low", "ci_high")
    ]
    return f"{format_number(row['median'], 1)} ({ends[0]} to {ends[1]})"


def _degrees(row: Record) -> str:
    parts = [format_number(row[c], 1, keep_zeros=False) for c in ("df_num", "df_den") if known(row.get(c))]
    return ", ".join(parts) or NOT_AVAILABLE


def _model_label(study: StudyFrames, row: Record) -> str:
    for model in study.rows("model", model_id=row["model_id"]):
        if model.get("title"):
            return str(model["title"])
    return study.label_with_unit(row["response"]) if row.get("response") else opened(row["model_id"])
