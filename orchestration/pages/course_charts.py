"""The charts of page Courses: Vega-Lite specifications from rows of results, and the table beside each.

Does not belong here: what charts of other pages need too (`chart_parts.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analytics.study.distribution import MOST_COURSES
from analytics.words.disclosure import known
from orchestration.pages.chart_parts import (
    ACROSS,
    PANEL,
    SCALES,
    SCHEMA,
    Chart,
    colour_of,
    forest,
    interval_of,
    on_scale,
    texts,
    tip,
)
from orchestration.pages.language import gettext
from orchestration.pages.questions import Answered, numbers_table
from orchestration.pages.words import opened, worded


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
                ({"mean": m["estimate"], "low": m["low"],
                "high": m["high"]} for m in means if m["id"] == group and m["visit_id"] == visit),
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
    spec = {
        "$schema": SCHEMA,
        "params": [{"name": _chosen(i), "value": None} for i in range(len(panels))],
        "concat": panels,
        "columns": 2,
        "spacing": 24,
        "usermeta": {"spoken": _spoken(answer)},
    }
    return Chart("courses", caption, spec, numbers_table(columns, counted))


def _chosen(panel: int) -> str:
    """The parameter that holds the line of a panel which was chosen by keyboard."""
    return f"chosen_{panel}"


def _spoken(answer: Answered) -> dict[str, Any]:
    """What `static/spoken.js` needs for the list of single courses."""
    groups = answer.chosen.study.mixed_models[0].groups
    return {
        "label": gettext("Single course"),
        "none": gettext("none chosen"),
        "course": gettext("patient %(n)s of %(of)s", n="{n}", of="{of}"),
        "panels": [{"name": answer.label(group), "parameter": _chosen(i)} for i, group in enumerate(groups)],
    }


def _means(answer: Answered, months: Mapping[str, float]) -> list[dict[str, Any]]:
    return [
        {
            "id": m["group_id"],
            "group": answer.label(m["group_id"]),
            "visit_id": m["visit"],
            "visit": opened(m["visit"]),
            "month": months[m["visit"]],
            **interval_of(m, "estimate"),
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
    words = " : ".join(f"datum.value == {month:g} ? {texts(told)}" for month, told in at.items())
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
            **ACROSS,
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
    is_chosen = {"test": f"datum.line === {_chosen(number)}"}
    tips = [tip("visit", gettext("Visit")), tip("value", label), tip("limit", " ")]
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
                "opacity": {"condition": [{**near, "value": 1}, {**is_chosen, "value": 1}], "value": 0.3},
                "strokeWidth": {
                    "condition": [{**near, "value": 2.5}, {**is_chosen, "value": 2.5}],
                    "value": 0.9,
                },
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
        spot = [tip("visit", gettext("Visit")), tip("told", gettext("Mean of the model"))]
        layers += [
            {
                "data": {"values": means},
                "mark": {"type": "rule", "color": "#1d2329", "strokeWidth": 1.6},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
            },
            {
                "data": {"values": means},
                "mark": {"type": "line", "color": "#1d2329", "strokeWidth": 2.4,
                "point": {"color": "#1d2329", "size": 40}},
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
    label = on_scale(answer.study.label_with_unit(model.response), model.transform)
    order = [opened(visit) for visit in model.visits]
    x = {"field": "visit", "type": "ordinal", "sort": order, "title": None, "axis": ACROSS}
    beside = {"xOffset": {"field": "group", "sort": list(answer.colours()), "scale": {"paddingOuter": 2}}}
    spec = {
        "$schema": SCHEMA,
        "width": "container",
        "height": 280,
        "data": {"values": means},
        "encoding": {"x": x, "color": colour_of(answer), **beside},
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
                    "shape": {"field": "group", "type": "nominal", "sort": list(answer.colours()),
                    "title": None},
                    "tooltip": [tip("group", gettext("Group")), tip("visit", gettext("Visit")),
                    tip("told", label)],
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
            "pair": f"{opened(c['visit'])}: {worded(answer.study.pair_label(c['group_a'], c['group_b']))}",
            **interval_of(c, "estimate"),
        }
        for c in answer.study.rows("visit_contrast")
        if c["visit"] in model.visits and known(c["estimate"])
    ]
    if not rows:
        return None
    label = on_scale(answer.study.label_with_unit(model.response), model.transform)
    caption = gettext("Differences between groups at each visit, with 95%% intervals")
    return forest(
        "contrasts", caption, rows, "pair", gettext("Difference of %(what)s", what=label), is_ratio=False
    )
