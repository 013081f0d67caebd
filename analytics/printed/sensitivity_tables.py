"""The analyses beside the printed ones, as a reader meets them: a question, a sentence, tables side by side.

Belongs here: which number of `results.sensitivity` stands where. Does not belong here: any estimate or
sentence (`analytics/study/sensitivity/` has made them), figures (`norm_figure.py`, `ratio_figure.py`).

Rows of a table are what is compared, columns the variants: two ways to count, two models, two groups.
"""

from __future__ import annotations

from dataclasses import dataclass

from analytics.printed.printed_table import Cell, Column, PrintedTable, Row
from analytics.printed.table_cells import estimate_ci, file_name, ratio_ci
from analytics.study.frames import Record, StudyFrames, by_position, grouped, is_ok
from analytics.words.disclosure import count_text, known
from analytics.words.formatting import NOT_AVAILABLE, format_number, format_p
from analytics.words.wording import adjustment_words, effect_words, opened, status_words, test_words

VARIANTS = {
    "as_printed": "As printed",
    "standardised": "Standardised effect",
    "exact": "Exact permutation",
    "peto": "Peto–Peto weights",
    "tarone_ware": "Tarone–Ware weights",
    "mean_months": "Mean months (95% CI)",
    "difference_months": "Difference, months",
    "log_rank": "Log-rank",
    "first_printed": "First group, as printed",
    "first_as_bounds": "First group, as bounds",
    "second_printed": "Second group, as printed",
    "second_as_bounds": "Second group, as bounds",
    "gehan": "Gehan",
    "peto_prentice": "Peto–Prentice",
    "unadjusted": "Unadjusted",
    "adjusted": "Adjusted",
    "below": "Below the norm",
    "within": "Within the norm",
    "open": "No norm decides",
    "younger": "Younger than any norm",
    "no_age": "Age not known",
    "observed": "As observed",
    "as_the_table_counts": "As the table counts",
    "all_had_it": "If all lost had it",
    "none_had_it": "If none lost had it",
    "reference_had_it": "If only the first group's lost had it",
    "others_had_it": "If only the other groups' lost had it",
    "lost_minus_retained": "Difference",
    "seen_then": "Those seen then",
    "mixed_model": "Mixed model",
}
NOTES = {
    "multiplicity": "First group minus second, or first over second, with 95% intervals; small type: p.",
    "detection_limits": (
        "As printed: Hodges–Lehmann shift. Peto–Prentice: ratio of geometric means (log-normal). Gehan:"
        " between which"
        " probabilities that the first group's value is the greater the limits leave the truth."
    ),
    "confounding": "Adjusted: least squares, the factor beside the group. A range: least and greatest value.",
    "lost_to_follow_up": (
        "Numeric: median (quartiles), Hodges–Lehmann shift, exact Mann–Whitney. Yes or no: number, odds "
        "ratio, Fisher. Extremes: patients with the event, risk difference, Fisher's p; log-rank χ² and p. "
        "Tipping point: difference of proportions, first group minus second, and Fisher's p."
    ),
    "compare_models": "Tests: statistic and df; ratios: estimate and 95% interval; small type: p.",
    "log_rank_variants": "p; small type: χ² and df. The exact test of three groups or more draws "
    "permutations.",
    "missing_values": "Number missing of the patients of the group.",
    "multiple_imputation": (
        "Difference of means (95% CI), first group minus second; shifts move imputed values of the first "
        "group."
    ),
    "adjusted_difference": "Difference of means (95% CI), first group minus second.",
    "restricted_mean": "Area under the curve up to the horizon; 95% intervals; small type, p, then adjusted.",
    "norm_for_age": "Patients with a value at the visit.",
}
TITLES = {
    "multiplicity": "Comparisons with a small p value, adjusted over all tables",
    "compare_models": "Models and tests side by side",
    "log_rank_variants": "Log-rank tests side by side",
    "restricted_mean": "Restricted mean times",
    "detection_limits": "As printed, and with limits as bounds",
    "confounding": "What goes with the group",
    "adjusted_difference": "Without and with adjustment",
    "norm_for_age": "Scores against the norm",
    "lost_to_follow_up": "The lost",
    "missing_values": "Missing values",
    "multiple_imputation": "Ways to count the missing",
}
RATIOS = {
    "odds_ratio",
    "risk_ratio",
    "hazard_ratio",
    "subdistribution_hazard_ratio",
    "rate_ratio",
    "geometric_mean_ratio",
}


@dataclass(frozen=True)
class Question:
    """One analysis on the page."""

    analysis_id: str
    kind: str
    question: str
    answer: str
    cannot_say: str
    tables: list[PrintedTable]


def questions(study: StudyFrames) -> list[Question]:
    """Every analysis of the study, in its order."""
    return [
        Question(
            q["analysis_id"],
            q["kind"],
            str(q["question"]),
            str(q["answer"]),
            str(q["cannot_say"] or ""),
            _tables(study, q),
        )
        for q in by_position(study.rows("sensitivity_question"))
    ]


def _tables(study: StudyFrames, question: Record) -> list[PrintedTable]:
    rows = by_position(study.rows("sensitivity", analysis_id=question["analysis_id"]))
    several = len({r.get("part") for r in rows}) > 1
    if question["kind"] in ("missing_values", "multiplicity", "detection_limits") or not several:
        return [_table(study, question, "", rows)] if rows else []
    return [_table(study, question, str(part or ""), found) for (part,), found in grouped(rows, "part")]


def _table(study: StudyFrames, question: Record, part: str, rows: list[Record]) -> PrintedTable:
    variants = list(dict.fromkeys(r["variant"] for r in rows))
    beside = [str(r["beside"]) for r in rows if r.get("beside")]
    columns = [
        Column("label", "Comparison" if beside else "What"),
        *(_column(study, str(v)) for v in variants),
    ]
    printed, counts = [], _counts(rows)
    for (section, label), found in grouped(rows, "part", "label"):
        cells: dict[str, Cell | str] = {"label": study.in_words(label)}
        cells |= {r["variant"]: _cell(study, r, counts) for r in found}
        cells["beside"] = next((str(r["beside"]) for r in found if r.get("beside")), "")
        printed.append(Row(cells, group="" if part or not section else str(section)))
    if beside:
        columns.append(Column("beside", "Stands beside, in schema results", csv_only=True))
    name = f"{study.study_id}_{question['analysis_id']}" + (f"_{file_name(part)}" if part else "")
    return PrintedTable(
        name,
        opened(part) if part else TITLES[question["kind"]],
        tuple(columns),
        tuple(printed),
        notes=(NOTES[question["kind"]],),
        group_label="Part",
    )


def _column(study: StudyFrames, variant: str) -> Column:
    """A variant in words: a group, a model's test under its title, a shift, an adjustment, or a word of its
    own.
    """
    name, _, rest = variant.partition(":")
    model = next(iter(study.rows("model", model_id=name)), None)
    if name in study.groups:
        label = study.group_label(name)
    elif model and rest:
        return Column(variant, test_words(rest), spanner=str(model["title"]), align="right")
    elif model:
        label = str(model["title"])
    elif name == "of_the_second":
        label = f"{rest} of the second's lost had it"
    elif name == "imputed_shifted":
        label = f"Imputed, shifted by {float(rest):+g}"
    elif name.startswith("adjusted_"):
        label = f"adj. p, {adjustment_words(name.removeprefix('adjusted_'))}"
    else:
        label = VARIANTS.get(name, opened(variant))
    return Column(variant, label, align="right")


def _cell(study: StudyFrames, row: Record, counts: dict[int, str]) -> Cell:
    """The number or text, p in small type; where there is none, the status with its reason."""
    p_value = format_p(row["p_value"]) if known(row.get("p_value")) else ""
    first = [str(row.get("display") or ""), _estimate(row), counts.get(row["position"], "")]
    parts = [text for text in first if text]
    if not parts and not p_value:
        words = "" if is_ok(row) else status_words(row["status"])
        return Cell(words or NOT_AVAILABLE, notes=study.remarks(row), alert=bool(words))
    if parts:
        text, small = parts[0], [*parts[1:2], f"p {p_value}" if p_value else ""]
    else:
        text, small = p_value, [_statistic(row)]
    if known(row.get("p_adjusted")):
        small.append(f"adj. {format_p(row['p_adjusted'])}")
    return Cell(text, ", ".join(s for s in small if s), study.remarks(row), alert=not is_ok(row))


def _estimate(row: Record) -> str:
    kind = row.get("estimate_kind")
    if kind == "probability_greater_bounds" and known(row.get("ci_low")):
        return f"P {format_number(row['ci_low'], 2)} to {format_number(row['ci_high'], 2)}"
    if not known(row.get("estimate")):
        return ""
    if kind in RATIOS:
        return ratio_ci(row["estimate"], row.get("ci_low"), row.get("ci_high"))
    words = (
        f" {effect_words(kind)}"
        if kind in ("hedges_g", "rank_biserial", "risk_difference") and not row.get("display")
        else ""
    )
    return f"{estimate_ci(row)}{words}"


def _counts(rows: list[Record]) -> dict[int, str]:
    """``3 of 18`` by position, of rows that count patients."""
    return {
        r["position"]: f"{count_text(r['count'])} of {count_text(r.get('n'))}"
        for r in rows
        if known(r.get("count"))
        and not (known(r.get("p_value")) or known(r.get("estimate")) or r.get("display"))
    }


def _statistic(row: Record) -> str:
    if not known(row.get("statistic")) or not known(row.get("df")):
        return ""
    return f"χ² {format_number(row['statistic'], 2)}, df {format_number(row['df'], 0)}"
