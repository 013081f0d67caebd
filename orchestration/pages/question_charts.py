"""Vega-Lite specifications of the pages Compare, Courses and Time to event, from rows of results.

Belongs here: marks, scales, what a pointer tells, and the table beside each chart. Does not belong here: any
number that is not in the rows already; a place beside its neighbours (so that points do not hide each other)
is not one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from analytics.study.distribution import MOST_COURSES
from analytics.study.frames import grouped
from analytics.words.disclosure import known
from analytics.words.wording import effect_words, opened
from orchestration.pages.language import gettext, worded
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
    return [replace(chart, spec=_drawable(chart.spec)) for chart in found if chart is not None]


# Compare


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
            "axis": _ACROSS,
        },
        "xOffset": {"field": "beside", "type": "quantitative", "scale": {"domain": [-0.6, 1.6]}},
        "color": _colour(answer, legend=False),
        "tooltip": [_tip("group", gettext("Group")), _tip("told", label)],
    }
    y = {"field": "at", "type": "quantitative", "title": label, "scale": _scale(scale)}
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
    x = {"type": "quantitative", "title": label, "scale": _scale(scale)}
    colour = _colour(answer, legend=False)
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
    place = {"x": {**x, "field": "at"}, "color": colour, "tooltip": [_tip("count", label)]}
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
            {"mark": {"type": "bar", "height": 22}, "encoding": {"color": _colour(answer, legend=False)}},
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
            "pair": answer.study.pair_label(c["group_a"], c["group_b"]),
            **_interval(c, "effect"),
            "kind": c["effect_kind"],
        }
        for c in answer.study.rows("group_comparison")
        if c.get("group_a") and known(c.get("effect"))
    ]
    if not rows:
        return None
    kind = str(rows[0]["kind"])
    caption = gettext(
        "Effect with its 95%% interval, first group against the second: %(kind)s", kind=effect_words(kind)
    )
    return _forest("effects", caption, rows, "pair", effect_words(kind), is_ratio=kind in RATIOS)


# Courses


def courses(answer: Answered) -> Chart | None:
    """A panel for each group: single courses, the model's means where they are on the same scale, and the
    number of values under each visit.
    """
    model = answer.chosen.study.mixed_models[0]
    label = answer.study.label_with_unit(model.response)
    visits = set(model.visits)
    lines = [r for r in answer.study.rows("trajectory_patient") if r["visit"] in visits]
    lines = [r for r in lines if r["group_id"] in model.groups and known(r["value"])]
    if model.transform == "log":
        lines = [r for r in lines if r["value"] > 0]
    if not lines:
        return None
    months = {r["visit"]: r["nominal_month"] for r in lines}
    means = _means(answer, months) if model.transform == "none" else []
    ends = [m[end] for m in means for end in ("low", "high") if known(m[end])]
    low, high = min([*(r["value"] for r in lines), *ends]), max([*(r["value"] for r in lines), *ends])
    scale = {"type": SCALES[model.transform], "domain": [low, high], "nice": True, "zero": False}
    numbers = {(r["group_id"], r["visit"]): r["n"] for r in answer.study.rows("trajectory_mean")}
    panels = []
    for i, group in enumerate(model.groups):
        mine = [r for r in lines if r["group_id"] == group]
        panels.append(
            _course_panel(
                answer, i, group, mine, [m for m in means if m["id"] == group], scale, label, months
            )
        )
    counted = [
        {
            "group": answer.label(group),
            "visit": opened(visit),
            "n": numbers.get((group, visit), 0),
            **next(
                ({"mean": m["estimate"], "low": m["low"], "high": m["high"]} for m in means if m["id"] == group and m["visit_id"] == visit),
                {},
            ),
        }
        for group in model.groups
        for visit in model.visits
    ]  # fmt: skip
    columns = {"group": gettext("Group"), "visit": gettext("Visit"), "n": gettext("Values")}
    if means:
        columns |= {"mean": gettext("Mean of the model"), "low": gettext("95%% from"), "high": gettext("to")}
    caption = gettext("%(variable)s over visits: each thin line is a patient", variable=label)
    if means:
        caption += gettext("; the thick line is the mean that the model estimates, with its 95%% interval")
    spec = {"$schema": SCHEMA, "concat": panels, "columns": 2, "spacing": 24}
    return Chart("courses", caption, spec, numbers_table(columns, counted))


def _means(answer: Answered, months: Mapping[str, float]) -> list[dict[str, Any]]:
    return [
        {
            "id": m["group_id"],
            "group": answer.label(m["group_id"]),
            "visit_id": m["visit"],
            "visit": opened(m["visit"]),
            "month": months[m["visit"]],
            **_interval(m, "estimate"),
        }
        for m in answer.study.rows("marginal_mean")
        if m["visit"] in months and known(m["estimate"])
    ]


def _course_panel(
    answer: Answered,
    number: int,
    group: str,
    lines: list[dict[str, Any]],
    means: list[dict[str, Any]],
    scale: dict[str, Any],
    label: str,
    months: Mapping[str, float],
) -> dict[str, Any]:
    """A pointer on a line, or a tap, brings the line forward."""
    name = answer.label(group)
    colour = answer.colours()[name]
    numbers = {r["visit"]: r["n"] for r in answer.study.rows("trajectory_mean", group_id=group)}
    is_wide = max(numbers.values(), default=0) >= 1_000  # then neighbours stand on two heights
    at = {
        month: [f"{month:g}", *([""] if is_wide and i % 2 else []), f"n {numbers.get(visit, 0)}"]
        for i, (visit, month) in enumerate(sorted(months.items(), key=lambda item: item[1]))
    }
    words = " : ".join(f"datum.value == {month:g} ? {_texts(told)}" for month, told in at.items())
    x = {
        "field": "month",
        "type": "quantitative",
        "title": gettext("Months since baseline; below, the number of values"),
        "scale": {"domain": [min(months.values()), max(months.values())], "padding": 14},
        "axis": {
            "values": sorted(months.values()),
            "labelExpr": f"{words} : ''",
            "grid": False,
            "labelOverlap": False,
            **_ACROSS,
        },
    }
    y = {"type": "quantitative", "title": label if number % 2 == 0 else None, "scale": scale}
    drawn = [
        {
            "line": r["line"],
            "month": r["nominal_month"],
            "value": r["value"],
            "visit": opened(r["visit"]),
            "limit": gettext("at a detection limit") if r.get("is_censored") else "",
        }
        for r in lines
    ]
    hover = f"course_{number}"
    near = {"param": hover, "empty": False}
    tips = [_tip("visit", gettext("Visit")), _tip("value", label), _tip("limit", " ")]
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": drawn},
            "params": [
                {
                    "name": hover,
                    "select": {
                        "type": "point",
                        "fields": ["line"],
                        "on": "pointerover",
                        "clear": "pointerout",
                    },
                }
            ],
            "mark": {"type": "line", "point": {"size": 18}, "color": colour},
            "encoding": {
                "x": x,
                "y": {**y, "field": "value"},
                "detail": {"field": "line"},
                "opacity": {"condition": {**near, "value": 1}, "value": 0.3},
                "strokeWidth": {"condition": {**near, "value": 2.5}, "value": 0.9},
                "tooltip": tips,
            },
        },
        {
            "data": {"values": [d for d in drawn if d["limit"]]},
            "mark": {"type": "point", "shape": "triangle-down", "filled": False, "size": 50, "color": colour},
            "encoding": {"x": x, "y": {**y, "field": "value"}, "tooltip": tips},
        },
    ]
    if means:
        spot = [_tip("visit", gettext("Visit")), _tip("told", gettext("Mean of the model"))]
        layers += [
            {
                "data": {"values": means},
                "mark": {"type": "rule", "color": "#1d2329", "strokeWidth": 1.6},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
            },
            {
                "data": {"values": means},
                "mark": {"type": "line", "color": "#1d2329", "strokeWidth": 2.4, "point": {"color": "#1d2329", "size": 40}},
                "encoding": {"x": x, "y": {**y, "field": "estimate"}, "tooltip": spot},
            },
        ]  # fmt: skip
    drawn_lines = len({r["line"] for r in lines})
    title = gettext("%(group)s: %(n)d patients drawn", group=name, n=drawn_lines)
    if drawn_lines >= MOST_COURSES:
        title = gettext("%(group)s: the first %(n)d patients drawn", group=name, n=drawn_lines)
    return {
        **PANEL,
        "title": {"text": title, "color": colour, "anchor": "start", "fontSize": 13},
        "layer": layers,
    }


def model_means(answer: Answered) -> Chart | None:
    """The model's means with intervals, all groups together, on the model's scale."""
    model = answer.chosen.study.mixed_models[0]
    schedule = {visit: answer.offer.visits.get(visit, float(i)) for i, visit in enumerate(model.visits)}
    means = _means(answer, schedule)
    if not means:
        return None
    label = _on_scale(answer.study.label_with_unit(model.response), model.transform)
    order = [opened(visit) for visit in model.visits]
    x = {"field": "visit", "type": "ordinal", "sort": order, "title": None, "axis": _ACROSS}
    beside = {"xOffset": {"field": "group", "sort": list(answer.colours()), "scale": {"paddingOuter": 2}}}
    spec = {
        "$schema": SCHEMA,
        "width": "container",
        "height": 280,
        "data": {"values": means},
        "encoding": {"x": x, "color": _colour(answer), **beside},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 1.6},
                "encoding": {
                    "y": {"field": "low", "type": "quantitative", "title": label, "scale": {"zero": False}},
                    "y2": {"field": "high"},
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60},
                "encoding": {
                    "y": {"field": "estimate", "type": "quantitative", "title": label},
                    "shape": {"field": "group", "type": "nominal", "sort": list(answer.colours()), "title": None},
                    "tooltip": [_tip("group", gettext("Group")), _tip("visit", gettext("Visit")), _tip("told", label)],
                },
            },
        ],
    }  # fmt: skip
    columns = {
        "group": gettext("Group"),
        "visit": gettext("Visit"),
        "estimate": label,
        "low": gettext("95%% from"),
        "high": gettext("to"),
    }
    return Chart(
        "means",
        gettext("Means that the model estimates, with 95%% intervals"),
        spec,
        numbers_table(columns, means),
    )


def contrasts(answer: Answered) -> Chart | None:
    """Differences between groups at each visit."""
    model = answer.chosen.study.mixed_models[0]
    rows = [
        {
            "pair": f"{opened(c['visit'])}: {answer.study.pair_label(c['group_a'], c['group_b'])}",
            **_interval(c, "estimate"),
        }
        for c in answer.study.rows("visit_contrast")
        if c["visit"] in model.visits and known(c["estimate"])
    ]
    if not rows:
        return None
    label = _on_scale(answer.study.label_with_unit(model.response), model.transform)
    caption = gettext("Differences between groups at each visit, with 95%% intervals")
    return _forest(
        "contrasts", caption, rows, "pair", gettext("Difference of %(what)s", what=label), is_ratio=False
    )


# Time to event


def curves(answer: Answered) -> Chart | None:
    """Kaplan-Meier curves, their intervals, censored times, and the numbers at risk below."""
    spec_of = answer.chosen.study.survival[0]
    groups = [g for g in spec_of.groups if answer.study.rows("survival_curve", group_id=g)]
    if not groups:
        return None
    horizon = answer.chosen.study.endpoints[spec_of.endpoint].horizon_months
    steps: list[dict[str, Any]] = []
    for group in groups:
        name = answer.label(group)
        steps.append({"group": name, "time": 0.0, "free": 1.0, "low": 1.0, "high": 1.0})
        steps += [
            {
                "group": name,
                "time": r["time"],
                "free": r["survival"],
                "low": r["ci_low"] if known(r["ci_low"]) else r["survival"],
                "high": r["ci_high"] if known(r["ci_high"]) else r["survival"],
                "at_risk": r["at_risk"],
                "events": r["events"],
                "censored": r["censored"],
            }
            for r in answer.study.rows("survival_curve", group_id=group)
        ]
    risk = [
        {"group": answer.label(r["group_id"]), "time": r["time"], "at_risk": r["at_risk"]}
        for r in answer.study.rows("survival_at_risk")
        if r["group_id"] in groups
    ]
    label = gettext("Months since %(origin)s", origin=_origin(answer))
    order = list(answer.colours())
    x = {
        "field": "time",
        "type": "quantitative",
        "title": label,
        "scale": {"domain": [0, horizon]},
        "axis": {"values": list(spec_of.at_risk_months), "grid": False},
    }
    y = {
        "field": "free",
        "type": "quantitative",
        "title": gettext("Share without the event"),
        "scale": {"domain": [0, 1]},
        "axis": {"format": ".0%"},
    }
    focus = {"condition": {"param": "focus", "value": 1}, "value": 0.15}
    tips = [
        _tip("group", gettext("Group")), _tip("time", gettext("Months"), ".1f"), _tip("free", gettext("Without the event"), ".1%"),
        _tip("at_risk", gettext("At risk")), _tip("events", gettext("Events")), _tip("censored", gettext("Censored")),
    ]  # fmt: skip
    colour = _colour(answer)
    top = {
        "width": 620,
        "height": 320,
        "data": {"values": steps},
        "encoding": {"x": x, "color": colour},
        "layer": [
            {
                "params": [
                    {"name": "focus", "select": {"type": "point", "fields": ["group"]}, "bind": "legend"}
                ],
                "mark": {"type": "area", "interpolate": "step-after", "clip": True},
                "encoding": {
                    "y": {**y, "field": "low"},
                    "y2": {"field": "high"},
                    "opacity": {"condition": {"param": "focus", "empty": False, "value": 0.18}, "value": 0},
                },
            },
            {
                "mark": {"type": "line", "interpolate": "step-after", "clip": True, "strokeWidth": 2},
                "encoding": {
                    "y": y,
                    "opacity": focus,
                    "strokeDash": {"field": "group", "type": "nominal", "sort": order, "title": None},
                },
            },
            {
                "transform": [{"filter": "datum.censored > 0"}],
                "mark": {"type": "tick", "orient": "vertical", "size": 9, "thickness": 1.2},
                "encoding": {"y": y, "opacity": focus},
            },
            {
                "mark": {"type": "point", "size": 120, "opacity": 0, "filled": True},
                "encoding": {"y": y, "tooltip": tips},
            },
        ],
    }
    bottom = {
        "width": 620,
        "height": {"step": 20},
        "title": {"text": gettext("At risk"), "anchor": "start", "fontSize": 12},
        "data": {"values": risk},
        "mark": {"type": "text"},
        "encoding": {
            "x": {**x, "axis": None, "title": None},
            "y": {
                "field": "group", "type": "nominal", "sort": order, "title": None,
                "axis": {"domain": False, "ticks": False, "labelLimit": 160, "offset": 16},
            },
            "text": {"field": "at_risk", "type": "quantitative"},
            "color": {**colour, "legend": None},
        },
    }  # fmt: skip
    spec = {
        "$schema": SCHEMA,
        "vconcat": [top, bottom],
        "resolve": {"scale": {"color": "shared", "x": "shared"}},
        "spacing": 8,
    }
    columns = {
        "group": gettext("Group"),
        "time": label,
        "at_risk": gettext("At risk"),
        "events": gettext("Events"),
        "censored": gettext("Censored"),
        "free": gettext("Without the event"),
        "low": gettext("95%% from"),
        "high": gettext("to"),
    }
    caption = gettext(
        "%(endpoint)s: share without it by group. A small line is a patient who left. Choose a group in the legend"
        " to see its 95%% interval, which the table has too",
        endpoint=answer.study.endpoint_label(spec_of.endpoint),
    )
    return Chart("curves", caption, spec, numbers_table(columns, steps))


def incidence(answer: Answered) -> Chart | None:
    """Cumulative incidence of the event and of what competes with it."""
    spec_of = answer.chosen.study.survival[0]
    endpoint = answer.chosen.study.endpoints[spec_of.endpoint]
    causes = {"event": worded(endpoint.label), "competing": gettext("Competing event")}
    rows: list[dict[str, Any]] = []
    for (group, cause), found in grouped(answer.study.rows("cumulative_incidence"), "group_id", "cause"):
        if group not in spec_of.groups:
            continue
        shared = {"group": answer.label(group), "cause": causes.get(str(cause), opened(cause))}
        rows.append({**shared, "time": 0.0, "share": 0.0, "low": None, "high": None})
        rows += [
            {**shared, "time": r["time"], "share": r["incidence"], "low": r["ci_low"], "high": r["ci_high"]}
            for r in found
            if known(r.get("incidence"))
        ]
    if not rows:
        return None
    label = gettext("Months since %(origin)s", origin=_origin(answer))
    share = gettext("Cumulative incidence")
    spec = {
        "$schema": SCHEMA,
        "width": "container",
        "height": 300,
        "data": {"values": rows},
        "mark": {"type": "line", "interpolate": "step-after", "clip": True, "strokeWidth": 2, "point": {"size": 20}},
        "encoding": {
            "x": {"field": "time", "type": "quantitative", "title": label, "scale": {"domain": [0, endpoint.horizon_months]}},
            "y": {"field": "share", "type": "quantitative", "title": share, "axis": {"format": ".0%"}, "scale": {"domainMin": 0}},
            "color": _colour(answer),
            "strokeDash": {"field": "cause", "type": "nominal", "sort": list(causes.values()), "title": None},
            "detail": {"field": "cause"},
            "tooltip": [_tip("group", gettext("Group")), _tip("cause", gettext("Event")), _tip("time", label, ".1f"), _tip("share", share, ".1%")],
        },
    }  # fmt: skip
    columns = {
        "group": gettext("Group"), "cause": gettext("Event"), "time": label, "share": share,
        "low": gettext("95%% from"), "high": gettext("to"),
    }  # fmt: skip
    caption = gettext("Cumulative incidence where other events come first")
    return Chart("incidence", caption, spec, numbers_table(columns, rows))


def hazard_ratios(answer: Answered) -> list[Chart]:
    """The ratios of each model, groups against the first."""
    found = []
    for (model,), terms in grouped(answer.study.rows("cox_term"), "model_id"):
        title = next((str(m["title"]) for m in answer.study.rows("model", model_id=model)), opened(model))
        rows = [
            {"pair": _term(answer, term), **_interval(term, "hazard_ratio")}
            for term in terms
            if known(term.get("hazard_ratio")) and term["hazard_ratio"] > 0
        ]
        if rows:
            caption = gettext("%(model)s: ratios with 95%% intervals", model=title)
            found.append(
                _forest(f"ratios-{model}", caption, rows, "pair", gettext("Hazard ratio"), is_ratio=True)
            )
    return found


def _term(answer: Answered, term: Mapping[str, Any]) -> str:
    group = answer.study.group_of_term(term["term"])
    if group and term.get("reference"):
        return answer.study.pair_label(group, term["reference"])
    return answer.study.readable(str(term["term"]))


def _origin(answer: Answered) -> str:
    endpoint = answer.chosen.study.endpoints[answer.chosen.study.survival[0].endpoint]
    return endpoint.origin.replace("_", " ")


# what charts share

_ACROSS = {"labelAngle": 0, "labelLimit": 150}


def _forest(
    id: str, caption: str, rows: list[dict[str, Any]], name: str, label: str, *, is_ratio: bool
) -> Chart:
    """Estimates with their intervals below each other, and the line of no difference. An end that does not
    exist is drawn as none; on a logarithmic axis only what is above 0 is drawn.
    """
    drawn = [r for r in rows if isfinite(r["estimate"]) and (not is_ratio or r["estimate"] > 0)]
    whole = [r for r in drawn if _is_whole(r["low"], r["high"]) and (not is_ratio or r["low"] > 0)]
    x = {
        "type": "quantitative",
        "title": label,
        "scale": _scale("log" if is_ratio else "linear"),
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
                    "tooltip": [_tip(name, gettext("Comparison")), _tip("told", label)],
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


def _is_whole(low: float | None, high: float | None) -> bool:
    return known(low) and known(high) and isfinite(low) and isfinite(high)


def _scale(kind: str) -> dict[str, Any]:
    return {"type": kind} if kind == "log" else {"type": kind, "zero": False}


def _interval(row: Mapping[str, Any], estimate: str) -> dict[str, Any]:
    low, high = row.get("ci_low"), row.get("ci_high")
    told = f"{row[estimate]:.4g}"
    if known(low) and known(high):
        told += f" ({low:.4g} – {high:.4g})"
    return {"estimate": row[estimate], "low": low, "high": high, "told": told}


def _drawable(part: Any) -> Any:
    """A specification without infinite numbers, which JSON does not have: they are drawn as none."""
    if isinstance(part, dict):
        return {key: _drawable(value) for key, value in part.items()}
    if isinstance(part, list):
        return [_drawable(value) for value in part]
    return None if isinstance(part, float) and not isfinite(part) else part


def _on_scale(label: str, transform: str) -> str:
    return label if transform == "none" else f"{transform}({label})"


def _colour(answer: Answered, *, legend: bool = True) -> dict[str, Any]:
    colours = answer.colours()
    return {
        "field": "group",
        "type": "nominal",
        "title": None,
        "sort": list(colours),
        "scale": {"domain": list(colours), "range": list(colours.values())},
        **({"legend": {"columns": 2, "symbolOpacity": 1}} if legend else {"legend": None}),
    }


def _tip(field: str, title: str, form: str = "") -> dict[str, Any]:
    kind = {"type": "quantitative", "format": form} if form else {"type": "nominal"}
    return {"field": field, "title": title, **kind}


def _texts(lines: Sequence[str]) -> str:
    """A list of texts in Vega's expressions."""
    return "[" + ", ".join("'" + line.replace("\\", "").replace("'", "’") + "'" for line in lines) + "]"
