"""The charts of page Time to event: Vega-Lite specifications from rows of results, and the table beside each.

Does not belong here: what charts of other pages need too (`chart_parts.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analytics.study.frames import grouped
from analytics.words.disclosure import known
from orchestration.pages.chart_parts import SCHEMA, Chart, colour_of, forest, interval_of, tip
from orchestration.pages.language import gettext
from orchestration.pages.questions import Answered, numbers_table
from orchestration.pages.words import opened, worded


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
        tip("group", gettext("Group")), tip("time", gettext("Months"), ".1f"),
        tip("free", gettext("Without the event"), ".1%"),
        tip("at_risk", gettext("At risk")), tip("events", gettext("Events")),
        tip("censored", gettext("Censored")),
    ]  # fmt: skip
    colour = colour_of(answer)
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
        "%(endpoint)s: share without it by group. A small line is a patient who left. Choose a group in "
        "the legend to see its 95%% interval, which the table has too",
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
        "mark": {"type": "line", "interpolate": "step-after", "clip": True, "strokeWidth": 2,
        "point": {"size": 20}},
        "encoding": {
            "x": {"field": "time", "type": "quantitative", "title": label,
            "scale": {"domain": [0, endpoint.horizon_months]}},
            "y": {"field": "share", "type": "quantitative", "title": share, "axis": {"format": ".0%"},
            "scale": {"domainMin": 0}},
            "color": colour_of(answer),
            "strokeDash": {"field": "cause", "type": "nominal", "sort": list(causes.values()), "title": None},
            "detail": {"field": "cause"},
            "tooltip": [tip("group", gettext("Group")), tip("cause", gettext("Event")),
            tip("time", label, ".1f"), tip("share", share, ".1%")],
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
        title = next((worded(m["title"]) for m in answer.study.rows("model", model_id=model)), opened(model))
        rows = [
            {"pair": _term(answer, term), **interval_of(term, "hazard_ratio")}
            for term in terms
            if known(term.get("hazard_ratio")) and term["hazard_ratio"] > 0
        ]
        if rows:
            caption = gettext("%(model)s: ratios with 95%% intervals", model=title)
            found.append(
                forest(f"ratios-{model}", caption, rows, "pair", gettext("Hazard ratio"), is_ratio=True)
            )
    return found


def _term(answer: Answered, term: Mapping[str, Any]) -> str:
    group = answer.study.group_of_term(term["term"])
    if group and term.get("reference"):
        return worded(answer.study.pair_label(group, term["reference"]))
    return worded(answer.study.readable(str(term["term"])))


def _origin(answer: Answered) -> str:
    endpoint = answer.chosen.study.endpoints[answer.chosen.study.survival[0].endpoint]
    return worded(endpoint.origin.replace("_", " "))
