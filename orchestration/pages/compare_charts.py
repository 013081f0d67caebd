"""The charts of page Compare: Vega-Lite specifications from rows of results, and the table beside each.

Does not belong here: what charts of other pages need too (`chart_parts.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analytics.words.disclosure import known
from analytics.words.wording import effect_words
from orchestration.pages.chart_parts import (
    ACROSS,
    GOLDEN,
    HEIGHT,
    RATIOS,
    SCALES,
    SCHEMA,
    SHAPES,
    SIDEWAYS,
    Chart,
    colour_of,
    forest,
    interval_of,
    scale_of,
    tip,
)
from orchestration.pages.language import gettext
from orchestration.pages.questions import Answered, numbers_table
from orchestration.pages.words import worded


def values_by_group(answer: Answered) -> Chart | None:
    """Each value as a point, or a density of many; what lies beyond a limit as a mark at the limit."""
    row = answer.chosen.study.tables[0].rows[0]
    label = answer.study.label_with_unit(row.variable)
    points = [
        {
            "group": answer.label(p["group_id"]),
            "known": p["known"],
            "at": p["upper"] if p["known"] == "below" else p["lower"],
            "to": p["upper"] if p["known"] == "between" else None,
            "n": p["n"],
            "told": _told_of(p),
            "beside": (i * GOLDEN) % 1,
        }
        for i, p in enumerate(answer.drawn.get("distribution_point", []))
    ]
    density = [
        {"group": answer.label(d["group_id"]), "value": d["value"], "density": d["density"], "n": d["n"]}
        for d in answer.drawn.get("distribution_density", [])
    ]
    if not points and not density:
        return None
    scale = SCALES[row.transform]
    spec = (
        _densities(answer, points, density, label, scale)
        if density
        else _points(answer, points, label, scale)
    )
    columns = {"group": gettext("Group"), "told": label, "n": gettext("Patients")}
    told = [*points]
    if density:
        columns = {
            "group": gettext("Group"),
            "value": label,
            "density": gettext("Density"),
            "n": gettext("Values"),
        }
        told = [*density, *({"group": p["group"], "value": p["told"], "n": p["n"]} for p in points)]
    caption = gettext("%(variable)s by group", variable=label)
    if any(p["known"] != "value" for p in points):
        caption += gettext(
            "; a triangle stands at a detection limit and points to where the value lies, which is not known"
        )
    return Chart("values", caption, spec, numbers_table(columns, told))


def _told_of(point: Mapping[str, Any]) -> str:
    low, high = point["lower"], point["upper"]
    words = {"below": f"< {high:g}" if known(high) else "", "above": f"> {low:g}" if known(low) else ""}
    if point["known"] == "between":
        return f"{low:g} – {high:g}"
    return words.get(point["known"], f"{low:g}" if known(low) else "")


def _points(answer: Answered, points: list[dict[str, Any]], label: str, scale: str) -> dict[str, Any]:
    encoding = {
        "x": {
            "field": "group",
            "type": "nominal",
            "title": None,
            "sort": list(answer.colours()),
            "axis": ACROSS,
        },
        "xOffset": {"field": "beside", "type": "quantitative", "scale": {"domain": [-0.6, 1.6]}},
        "color": colour_of(answer, legend=False),
        "tooltip": [tip("group", gettext("Group")), tip("told", label)],
    }
    y = {"field": "at", "type": "quantitative", "title": label, "scale": scale_of(scale)}
    kinds = {point["known"] for point in points}
    return {
        "$schema": SCHEMA,
        "width": "container",
        "height": HEIGHT,
        "data": {"values": points},
        "encoding": encoding,
        "layer": [
            {
                "transform": [{"filter": "datum.known == 'value'"}],
                "mark": {"type": "point", "filled": True, "opacity": 0.7, "size": 36},
                "encoding": {"y": y},
            },
            *(
                {
                    "transform": [{"filter": f"datum.known == '{end}'"}],
                    "mark": {
                        "type": "point",
                        "shape": shape,
                        "filled": False,
                        "size": 60,
                        "strokeWidth": 1.6,
                    },
                    "encoding": {"y": y},
                }
                for end, shape in SHAPES.items()
                if end in kinds
            ),
            *(
                {
                    "transform": [{"filter": "datum.known == 'between'"}],
                    "mark": {"type": "rule", "strokeDash": [3, 2]},
                    "encoding": {"y": y, "y2": {"field": "to"}},
                }
                for _ in kinds & {"between"}
            ),
            *_middles(answer, label, scale),
        ],
    }


def _middles(answer: Answered, label: str, scale: str) -> list[dict[str, Any]]:
    """Median and quartiles, or the mean, as the table has them; on another scale the table alone has them."""
    if scale != "linear":
        return []
    rows = []
    for s in answer.study.rows("baseline_summary"):
        middle, low, high = (s.get("median"), s.get("q1"), s.get("q3"))
        if s.get("kind") == "mean_sd":
            middle = low = high = s.get("mean")
        if known(middle) and known(low) and known(high):
            rows.append({"group": answer.label(s["group_id"]), "middle": middle, "low": low, "high": high})
    y = {"type": "quantitative", "title": label}
    shared = {
        "xOffset": {"value": {"expr": "bandwidth('x') * 0.9"}},
        "tooltip": None,
        "color": {"value": "#1d2329"},
    }
    return [
        {
            "data": {"values": rows},
            "mark": {"type": "rule", "strokeWidth": 1.6},
            "encoding": {**shared, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        {
            "data": {"values": rows},
            "mark": {"type": "point", "shape": "diamond", "filled": True, "size": 70},
            "encoding": {**shared, "y": {**y, "field": "middle"}},
        },
    ]


def _densities(
    answer: Answered, points: list[dict[str, Any]], density: list[dict[str, Any]], label: str, scale: str
) -> dict[str, Any]:
    x = {"type": "quantitative", "title": label, "scale": scale_of(scale)}
    colour = colour_of(answer, legend=False)
    panels = []
    for group in answer.colours():
        mine = [d for d in density if d["group"] == group]
        bounds = [p for p in points if p["group"] == group]
        n = max((d["n"] for d in mine), default=0)
        panels.append(
            {
                "title": {
                    "text": gettext("%(group)s: %(n)d measured", group=group, n=n),
                    "anchor": "start",
                    "fontSize": 12,
                },
                "width": 620,
                "height": 116,
                "layer": [
                    {
                        "data": {"values": mine},
                        "mark": {"type": "area", "opacity": 0.5, "line": True},
                        "encoding": {
                            "x": {**x, "field": "value"},
                            "y": {
                                "field": "density",
                                "type": "quantitative",
                                "title": None,
                                "axis": None,
                                "scale": {"range": [116, 26]},
                            },
                            "color": colour,
                        },
                    },
                    *(layer for end in SIDEWAYS for layer in _limits(bounds, end, x, colour, label)),
                ],
            }
        )
    return {"$schema": SCHEMA, "vconcat": panels, "resolve": {"scale": {"x": "shared"}}}


def _limits(
    bounds: list[dict[str, Any]], end: str, x: dict[str, Any], colour: dict[str, Any], label: str
) -> list[dict[str, Any]]:
    """A triangle at each limit, which points along the axis, and how many lie beyond it."""
    mine = [{**p, "count": f"{p['told']}: {p['n']:,}"} for p in bounds if p["known"] == end]
    if not mine:
        return []
    shape, side = SIDEWAYS[end]
    place = {"x": {**x, "field": "at"}, "color": colour, "tooltip": [tip("count", label)]}
    triangle = {"type": "point", "shape": shape, "filled": False, "size": 90, "strokeWidth": 1.6}
    text = {"type": "text", "align": side, "dx": 10 if side == "left" else -10, "fontSize": 11}
    data = {"data": {"values": mine}}
    return [
        {**data, "mark": triangle, "encoding": {**place, "y": {"value": 12}}},
        {
            **data,
            "mark": text,
            "encoding": {
                **place,
                "color": {"value": "#1d2329"},
                "y": {"value": 12},
                "text": {"field": "count"},
            },
        },
    ]


def shares_by_group(answer: Answered) -> Chart | None:
    """The share of each group, with its number."""
    rows = [
        {
            "group": answer.label(s["group_id"]),
            "percent": s["percent"],
            "count": s["count"],
            "n": s["n"],
            "told": f"{s['count']:g} / {s['n']:g}" if known(s["count"]) else "",
        }
        for s in answer.study.rows("baseline_summary", kind="count_percent")
    ]
    rows = [row for row in rows if known(row["percent"])]
    if not rows:
        return None
    name = answer.study.variable_label(answer.chosen.study.tables[0].rows[0].variable)
    order = list(answer.colours())
    x = {"field": "percent", "type": "quantitative", "title": gettext("Percent of those known")}
    spec = {
        "$schema": SCHEMA,
        "width": "container",
        "height": {"step": 44},
        "data": {"values": rows},
        "encoding": {
            "y": {
                "field": "group",
                "type": "nominal",
                "title": None,
                "sort": order,
                "axis": {"labelLimit": 240},
            },
            "x": {**x, "scale": {"domain": [0, 100]}},
        },
        "layer": [
            {"mark": {"type": "bar", "height": 22}, "encoding": {"color": colour_of(answer, legend=False)}},
            {"mark": {"type": "text", "align": "left", "dx": 6}, "encoding": {"text": {"field": "told"}}},
        ],
    }
    columns = {
        "group": gettext("Group"),
        "count": gettext("Yes"),
        "n": gettext("Known"),
        "percent": gettext("Percent"),
    }
    caption = gettext("%(variable)s: share of each group", variable=name)
    return Chart("values", caption, spec, numbers_table(columns, rows))


def effects(answer: Answered) -> Chart | None:
    """The effect of each pair with its interval."""
    rows = [
        {
            "pair": worded(answer.study.pair_label(c["group_a"], c["group_b"])),
            **interval_of(c, "effect"),
            "kind": c["effect_kind"],
        }
        for c in answer.study.rows("group_comparison")
        if c.get("group_a") and known(c.get("effect"))
    ]
    if not rows:
        return None
    kind = str(rows[0]["kind"])
    effect = worded(effect_words(kind))
    caption = gettext("Effect with its 95%% interval, first group against the second: %(kind)s", kind=effect)
    return forest("effects", caption, rows, "pair", effect, is_ratio=kind in RATIOS)
