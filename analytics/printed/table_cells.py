"""What cells of results tables share: numbers with their remarks, decimals, headings, names of adjustments.

Belongs here: small functions that more than one module of tables uses. Does not belong here: any table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from analytics.printed.printed_table import Cell
from analytics.study.frames import Record, StudyFrames, is_ok
from analytics.words.disclosure import known
from analytics.words.formatting import (
    NOT_AVAILABLE,
    Public,
    decimals_for,
    format_estimate_ci,
    format_number,
    format_p,
)
from analytics.words.wording import adjustment_words, effect_words, status_words

P_VALUE = "p"
ADJUSTED = "adj. p"
RATIO, DIFFERENCE = "ratio", "difference"
_RATIOS = ("odds_ratio", "risk_ratio", "hazard_ratio", "geometric_mean_ratio", "ratio")
_DIFFERENCES = (
    "mean_difference",
    "hodges_lehmann_shift",
    "risk_difference",
    "mean_absolute_deviation_difference",
)


def flagged(study: StudyFrames, row: Record, text: str, no_number: str = "") -> Cell:
    """The number with its remark; where there is none, its status."""
    ok = is_ok(row)
    if text == NOT_AVAILABLE:
        text = no_number or status_words(row.get("status") or "ok") or text
    return Cell(text, notes=study.remarks(row), alert=not ok)


def p_cell(
    p_value: float | Public | None, text: str = "", notes: tuple[str, ...] = (), alert: bool = False
) -> Cell:
    """A p value as it is printed, with its number where the number may be known."""
    number = p_value if not isinstance(p_value, Public) and known(p_value) else None
    return Cell(text or format_p(p_value), notes=notes, alert=alert, number=number)


def flagged_p(study: StudyFrames, row: Record) -> Cell:
    cell = flagged(study, row, format_p(row.get("p_value")))
    return p_cell(row.get("p_value"), cell.text, cell.notes, cell.alert)


def estimate_ci(row: Record) -> str:
    """``-11.92 (-18.60 to -5.24)``; three numbers with the decimals that their size asks for."""
    if isinstance(row.get("estimate"), Public):
        return str(row["estimate"])
    decimals = decimals_for([row.get("estimate"), row.get("ci_low"), row.get("ci_high")])
    return format_estimate_ci(row.get("estimate"), row.get("ci_low"), row.get("ci_high"), decimals)


def ratio_ci(estimate: float | Public | None, ci_low: float | None, ci_high: float | None) -> str:
    """``25.3 (2.66 to 1312)``: the ends of a ratio differ in size, so each has its own decimals."""
    if isinstance(estimate, Public):
        return estimate.text
    if not known(estimate):
        return NOT_AVAILABLE
    middle, low, high = (format_number(v, _decimals_of_ratio(v)) for v in (estimate, ci_low, ci_high))
    return f"{middle} ({low} to {high})"


def effect_text(row: Record) -> str:
    """The effect of a comparison with its interval, as its kind asks for."""
    effect, low, high = row.get("effect"), row.get("ci_low"), row.get("ci_high")
    if isinstance(effect, Public):
        return effect.text
    if effect_shape(row) == RATIO:
        return ratio_ci(effect, low, high)
    return format_estimate_ci(effect, low, high, decimals_for([effect, low, high]))


def effect_shape(row: Record) -> str:
    """Whether a comparison's effect is a difference, a ratio or another measure; empty without an effect."""
    kind = row.get("effect_kind")
    if not effect_words(kind):
        return ""
    return RATIO if kind in _RATIOS else DIFFERENCE if kind in _DIFFERENCES else effect_words(kind)


def _decimals_of_ratio(value: float | None) -> int:
    """Two at most, unless they would print a ratio as 0.00."""
    decimals = decimals_for([value])
    return decimals if known(value) and abs(value) < 0.005 else min(decimals, 2)


def adjustment_notes(rows: Sequence[Record]) -> tuple[str, ...]:
    """The name of the adjustment, where results state it."""
    names = dict.fromkeys(adjustment_words(r.get("adjustment")) for r in rows)
    names.pop("", None)
    return (f"Adjusted p: {', '.join(names)}.",) if names else ()


def numbered(number: str, title: str) -> str:
    """``Table III. Mixed models``; a title that begins with its number keeps it."""
    title = title[:1].upper() + title[1:]
    if not number or title.lower().startswith("table"):
        return title
    return f"Table {number}. {title}".rstrip(". ") if title else f"Table {number}"


def file_name(text: str) -> str:
    """A heading's text as a part of a file name and an anchor."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
