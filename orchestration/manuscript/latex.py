"""Tables as LaTeX with booktabs, and a document that holds them.

Belongs here: escaping, columns and headers; the look is in `templates/*.tex.j2`. Does not belong here: what
stands in a table (`analytics/printed/`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from analytics.printed.printed_table import (
    Cell,
    Column,
    PrintedTable,
    Row,
    footnotes,
    marks_of,
    with_minus,
)

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).resolve().parent / "templates"
MOST_LETTERS = 34  # of a text that stays on one line
TEXT_COLUMN, LABEL_COLUMN = "5.2cm", "4.6cm"
ALIGNMENTS = {"left": "l", "right": "r", "center": "c"}
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$",
    "±": r"$\pm$", "×": r"$\times$", "−": "$-$", "≤": r"$\leq$", "≥": r"$\geq$", "∞": r"$\infty$",
    "–": "--", "—": "---", "μ": r"$\mu$", "µ": r"$\mu$", "°": r"$^\circ$", "·": r"$\cdot$", "√": r"$\surd$",
    "‘": "`", "’": "'", "“": "``", "”": "''", "…": r"\ldots{}", "›": r"$\rangle$", "→": r"$\to$",
    "≈": r"$\approx$",
}  # fmt: skip
_RAISED = dict(zip("⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "+-0123456789", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta",
    "θ": "theta",
    "κ": "kappa", "λ": "lambda", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi",
    "χ": "chi", "ψ": "psi", "ω": "omega", "Δ": "Delta", "Σ": "Sigma", "Φ": "Phi", "Ω": "Omega",
}  # fmt: skip
_CHINESE = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]")


def to_latex(table: PrintedTable, comment: str) -> str:
    """The table as a `longtable`, which repeats its header on each page; ``comment`` is its first line."""
    columns = table.shown_columns
    spanners, rules = _spanners(columns)
    return (
        _environment()
        .get_template("table.tex.j2")
        .render(
            comment=_flat(comment),
            is_wide=table.is_wide,
            columns="".join(_column(table, c) for c in columns),
            n=len(columns),
            title=escaped(table.title),
            spanners=spanners,
            spanner_rules=rules,
            labels=" & ".join(_stacked(rf"\textbf{{{escaped(c.label)}}}", c.second, "b") for c in columns),
            rows=_rows(table),
            notes=[(mark, escaped(text)) for mark, text in footnotes(table)],
        )
    )


def to_latex_document(
    texts: Mapping[str, str],
    methods: Sequence[tuple[str, str]],
    tables: Sequence[str],
    figures: Sequence[tuple[str, str]],
    comment: str,
) -> str:
    """A document that inputs files of tables and includes figures: (file, words)."""
    told = " ".join([*texts.values(), *(t for pair in methods for t in pair), *(w for _, w in figures)])
    return (
        _environment()
        .get_template("manuscript.tex.j2")
        .render(
            comment=_flat(comment),
            has_chinese=bool(_CHINESE.search(told)),
            title=escaped(texts["title"]),
            note=escaped(texts["note"]),
            methods=[(escaped(topic), escaped(text)) for topic, text in methods],
            tables=tables,
            figures=[{"file": file, "words": escaped(words)} for file, words in figures],
        )
    )


def escaped(text: str) -> str:
    """Text as LaTeX sets it, with letters that its first fonts lack as mathematics."""
    return "".join(map(_letter, with_minus(_flat(text))))


def _letter(letter: str) -> str:
    if letter in _SPECIAL:
        return _SPECIAL[letter]
    if letter in _RAISED:
        return rf"\textsuperscript{{{_RAISED[letter]}}}"
    if letter in _LOWERED:
        return rf"$_{{{_LOWERED[letter]}}}$"
    return rf"$\{_GREEK[letter]}$" if letter in _GREEK else letter


def _flat(text: str) -> str:
    return " ".join(text.split())


def _column(table: PrintedTable, column: Column) -> str:
    """A long text breaks into lines; numbers do not."""
    longest = max((len(row.cell(column.key).text) for row in table.rows), default=0)
    if longest <= MOST_LETTERS:
        return ALIGNMENTS[column.align]
    width = LABEL_COLUMN if column is table.shown_columns[0] else TEXT_COLUMN
    return rf">{{\raggedright\arraybackslash}}p{{{width}}}"


def _spanners(columns: Sequence[Column]) -> tuple[str, str]:
    """The cells of a header above the header, and the rule below each; empty without spanners."""
    if not any(c.spanner for c in columns):
        return "", ""
    cells, rules, i = [], [], 0
    while i < len(columns):
        end = i + 1
        while columns[i].spanner and end < len(columns) and columns[end].spanner == columns[i].spanner:
            end += 1
        spanner = columns[i].spanner
        cells.append(rf"\multicolumn{{{end - i}}}{{c}}{{\textbf{{{escaped(spanner)}}}}}" if spanner else "")
        rules += [rf"\cmidrule(lr){{{i + 1}-{end}}}"] if spanner else []
        i = end
    return " & ".join(cells), "".join(rules)


def _rows(table: PrintedTable) -> list[str]:
    rows, group = [], ""
    for row in table.rows:
        if row.group != group:
            group = row.group
            rows += (
                [rf"\multicolumn{{{len(table.shown_columns)}}}{{@{{}}l}}{{\textbf{{{escaped(group)}}}}}"]
                if group
                else []
            )
        rows.append(" & ".join(_cell(table, row, c) for c in table.shown_columns))
    return rows


def _cell(table: PrintedTable, row: Row, column: Column) -> str:
    cell: Cell = row.cell(column.key)
    marks = ",".join(marks_of(table, cell))
    text = escaped(cell.text)
    text = rf"\emph{{{text}}}" if cell.alert and text else text
    text += rf"\textsuperscript{{{marks}}}" if marks else ""
    is_indented = column is table.shown_columns[0] and (row.indent or bool(row.group))
    text = rf"\quad {text}" if is_indented else text
    # a row that begins with a bracket or a star would be taken for the option of the row before
    return _stacked(text, cell.small, "t") if cell.small else ("{}" if text[:1] in "[*" else "") + text


def _stacked(text: str, second: str, at: str) -> str:
    if not second:
        return text
    return rf"\begin{{tabular}}[{at}]{{@{{}}l@{{}}}}{text}\\ {escaped(second)}\end{{tabular}}"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
