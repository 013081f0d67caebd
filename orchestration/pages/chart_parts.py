"""What the charts of Compare, Courses and Time to event share: scales, colours, intervals, tips.

Does not belong here: a chart (`compare_charts.py`, `course_charts.py`, `time_charts.py`), or any number that
is not in the rows already; a place beside its neighbours (so that points do not hide each other) is not one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from analytics.words.disclosure import known
from orchestration.pages.language import gettext
from orchestration.pages.questions import Answered, numbers_table

Rows = Iterable[Mapping[str, Any]]
SCALES = {"none": "linear", "log": "log", "log1p": "symlog", "sqrt": "sqrt"}
RATIOS = ("odds_ratio", "geometric_mean_ratio", "risk_ratio")
GOLDEN = 0.618034  # its multiples spread evenly, so neighbours do not hide each other
HEIGHT = 340
PANEL = {"width": 300, "height": 220}
SHAPES = {"below": "triangle-down", "above": "triangle-up"}
SIDEWAYS = {
    "below": ("triangle-left", "left"),
    "above": ("triangle-right", "right"),
}  # shape, side of the text
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"


@dataclass(frozen=True)
class Chart:
    id: str
    caption: str
    spec: dict[str, Any]
    table: dict[str, list[Any]]


def charts(*found: Chart | None) -> list[Chart]:
    return [replace(chart, spec=drawable(chart.spec)) for chart in found if chart is not None]


ACROSS = {"labelAngle": 0, "labelLimit": 150}


def forest(
    id: str, caption: str, rows: list[dict[str, Any]], name: str, label: str, *, is_ratio: bool
) -> Chart:
    """Estimates with their intervals below each other, and the line of no difference. An end that does not
    exist is drawn as none; on a logarithmic axis only what is above 0 is drawn.
    """
    drawn = [r for r in rows if isfinite(r["estimate"]) and (not is_ratio or r["estimate"] > 0)]
    whole = [r for r in drawn if is_whole(r["low"], r["high"]) and (not is_ratio or r["low"] > 0)]
    x = {
        "type": "quantitative",
        "title": label,
        "scale": scale_of("log" if is_ratio else "linear"),
    }
    y = {"field": name, "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 230}}
    spec = {
        "$schema": SCHEMA,
        "width": "container",
        "height": {"step": 30},
        "layer": [
            {
                "data": {"values": [{"none": 1 if is_ratio else 0}]},
                "mark": {"type": "rule", "color": "#5b6570", "strokeDash": [4, 3]},
                "encoding": {"x": {**x, "field": "none"}},
            },
            {
                "data": {"values": whole},
                "mark": {"type": "rule", "strokeWidth": 1.8},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y},
            },
            {
                "data": {"values": drawn},
                "mark": {"type": "point", "filled": True, "size": 70, "color": "#1d2329"},
                "encoding": {
                    "x": {**x, "field": "estimate"},
                    "y": y,
                    "tooltip": [tip(name, gettext("Comparison")), tip("told", label)],
                },
            },
        ],
    }
    columns = {
        name: gettext("Comparison"),
        "estimate": label,
        "low": gettext("95%% from"),
        "high": gettext("to"),
    }
    return Chart(id, caption, spec, numbers_table(columns, rows))


def is_whole(low: float | None, high: float | None) -> bool:
    return known(low) and known(high) and isfinite(low) and isfinite(high)


def scale_of(kind: str) -> dict[str, Any]:
    return {"type": kind} if kind == "log" else {"type": kind, "zero": False}


def interval_of(row: Mapping[str, Any], estimate: str) -> dict[str, Any]:
    low, high = row.get("ci_low"), row.get("ci_high")
    told = f"{row[estimate]:.4g}"
    if known(low) and known(high):
        told += f" ({low:.4g} – {high:.4g})"
    return {"estimate": row[estimate], "low": low, "high": high, "told": told}


def drawable(part: Any) -> Any:
    """A specification without infinite numbers, which JSON does not have: they are drawn as none."""
    if isinstance(part, dict):
        return {key: drawable(value) for key, value in part.items()}
    if isinstance(part, list):
        return [drawable(value) for value in part]
    return None if isinstance(part, float) and not isfinite(part) else part


def on_scale(label: str, transform: str) -> str:
    return label if transform == "none" else f"{transform}({label})"


def colour_of(answer: Answered, *, legend: bool = True) -> dict[str, Any]:
    colours = answer.colours()
    return {
        "field": "group",
        "type": "nominal",
        "title": None,
        "sort": list(colours),
        "scale": {"domain": list(colours), "range": list(colours.values())},
        **({"legend": {"columns": 2, "symbolOpacity": 1}} if legend else {"legend": None}),
    }


def tip(field: str, title: str, form: str = "") -> dict[str, Any]:
    kind = {"type": "quantitative", "format": form} if form else {"type": "nominal"}
    return {"field": field, "title": title, **kind}


def texts(lines: Sequence[str]) -> str:
    """A list of texts in Vega's expressions."""
    return "[" + ", ".join("'" + line.replace("\\", "").replace("'", "’") + "'" for line in lines) + "]"
