"""The drawings of one patient: strips below each other, all on the same axis of months since baseline.

Belongs here: what each strip shows, as Vega-Lite with its table. Does not belong here: reading the release,
the tables with source cells (`patient.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.pages.language import gettext
from orchestration.pages.words import named, opened, worded

if TYPE_CHECKING:
    from orchestration.pages.patient import Facts

Row = dict[str, Any]
Spec = dict[str, Any]
INK, MUTED, ALERT, BAND = "#1d2329", "#5b6570", "#9c3a00", "#dbe7f0"
LEFT = 120  # pixels left of each strip, so that all strips have one axis
ROW_HEIGHT = 20
ROWS = {"step": ROW_HEIGHT}  # a name that needs two lines makes the rows higher


@dataclass(frozen=True)
class Strip:
    id: str
    caption: str
    spec: Spec
    table: dict[str, Any]


def strips(facts: Facts, chosen: Sequence[str]) -> list[Strip]:
    """Visits, each chosen result, antibodies, treatments, signs and events; an empty strip is left out."""
    axis = _axis(facts)
    relapses = [
        {"month": r["month"], "day": r["event_date_iso"]}
        for r in facts.events
        if r["event_category"] == "relapse" and r["status"] == "present" and r["month"] is not None
    ]
    made = [_visits(facts, axis)]
    for concept in chosen:
        made.append(
            _result(concept, [r for r in facts.results if r["concept_id"] == concept], axis, relapses)
        )
    made += [_antibodies(facts, axis), _treatments(facts, axis), _events(facts, axis)]
    return [strip for strip in made if strip is not None]


def _axis(facts: Facts) -> Spec:
    """One axis for all: from the first to the last day of which anything is known."""
    rows = [
        *facts.visits,
        *facts.results,
        *facts.antibodies,
        *facts.treatments,
        *facts.events,
        *facts.follow_up,
    ]
    months = [r["month"] for r in rows if r["month"] is not None]
    months += [r["stop_month"] for r in facts.treatments if r["stop_month"] is not None]
    low, high = min([0.0, *months]), max([1.0, *months])
    edge = (high - low) * 0.02
    return {
        "field": "month",
        "type": "quantitative",
        "title": gettext("Months since baseline"),
        "scale": {"domain": [low - edge, high + edge], "nice": False, "zero": False},
    }


def _strip(
    id: str, caption: str, layers: list[Spec], height: int | Spec, columns: list[str], rows: list[list[Any]]
) -> Strip:
    spec = {"width": "container", "height": height, "layer": layers}
    return Strip(id, caption, spec, {"columns": columns, "rows": rows})


def _names(field: str) -> Spec:
    return {
        "field": field,
        "type": "nominal",
        "title": None,
        "axis": {"minExtent": LEFT, "maxExtent": LEFT, "labelLimit": LEFT - 10},
    }


def _relapses(relapses: list[Row], axis: Spec) -> list[Spec]:
    if not relapses:
        return []
    return [
        {
            "data": {"values": relapses},
            "mark": {"type": "rule", "color": ALERT, "strokeDash": [4, 3], "strokeWidth": 1.5},
            "encoding": {"x": axis, "tooltip": [{"field": "day", "title": gettext("Relapse")}]},
        }
    ]


def _visits(facts: Facts, axis: Spec) -> Strip | None:
    rows = [
        {
            "month": r["month"],
            "day": r["visit_date_iso"],
            "visit": opened(r["scheduled_visit"]) if r["is_scheduled"] else gettext("unscheduled"),
            "row": gettext("Visits"),
            "kind": bool(r["is_scheduled"]),
            "cell": f"#cell-{r['visit_key']}",
        }
        for r in facts.visits
        if r["month"] is not None
    ]
    if not rows:
        return None
    encoding = {
        "x": axis,
        "y": _names("row"),
        "href": {"field": "cell"},
        "color": {
            "field": "kind",
            "type": "nominal",
            "legend": None,
            "scale": {"domain": [True, False], "range": [INK, MUTED]},
        },
        "tooltip": [{"field": "visit", "title": gettext("Visit")}, {"field": "day", "title": gettext("Day")}],
    }
    layers = [
        {
            "data": {"values": rows},
            "mark": {"type": "tick", "thickness": 2, "height": 14},
            "encoding": encoding,
        }
    ]
    table = [[r["day"], r["visit"], round(r["month"], 1)] for r in rows]
    columns = [gettext("Day"), gettext("Visit"), gettext("Month")]
    return _strip("strip-visits", gettext("Visits"), layers, {"step": ROW_HEIGHT + 6}, columns, table)


def _result(concept: str, found: list[Row], axis: Spec, relapses: list[Row]) -> Strip | None:
    rows = [
        {
            "month": r["month"],
            "value": r["number"],
            "day": r["observed_date_iso"],
            "shown": understood(r),
            "known": _known(r["comparator"]),
            "cell": f"#cell-{r['observation_key']}",
        }
        for r in found
        if r["month"] is not None and r["number"] is not None
    ]
    if not rows:
        return None
    name, unit = worded(found[0]["concept_name"]), unit_text(found[0]["unit_canonical"])
    y = {
        "field": "value",
        "type": "quantitative",
        "title": None,  # the unit stands in the caption; a title would move the axis
        "scale": {"zero": False},
        "axis": {"minExtent": LEFT, "maxExtent": LEFT, "tickCount": 4, "format": ",~r"},
    }
    kinds = [_known(None), _known("<"), _known(">")]
    points = {
        "x": axis,
        "y": y,
        "href": {"field": "cell"},
        "shape": {
            "field": "known", "type": "nominal",
            "scale": {"domain": kinds, "range": ["circle", "triangle-down", "triangle-up"]},
            "legend": None if {r["known"] for r in rows} == {kinds[0]} else {"title": None},
        },
        "tooltip": [{"field": "shown", "title": name}, {"field": "day", "title": gettext("Day")}],
    }  # fmt: skip
    layers = [*_band(found, y), *_relapses(relapses, axis)]
    layers += [
        {"data": {"values": rows}, "mark": {"type": "line", "color": MUTED, "strokeWidth": 1},
        "encoding": {"x": axis, "y": y}},
        {"data": {"values": rows}, "mark": {"type": "point", "filled": True, "size": 60, "color": INK},
        "encoding": points},
    ]  # fmt: skip
    range_ = _range(found)
    caption = f"{name}, {unit}" if unit else str(name)
    if range_:
        caption += " · " + gettext("shaded: reference range as sent, %(range)s", range=_told_range(range_))
    if relapses:
        caption += " · " + gettext("dashed: relapse")
    columns = [gettext("Day"), gettext("Value"), gettext("Month")]
    table = [[r["day"], r["shown"], round(r["month"], 1)] for r in rows]
    return _strip(f"strip-{concept}", caption, layers, 110, columns, table)


def _known(comparator: str | None) -> str:
    if comparator in ("<", "<="):
        return gettext("below this limit")
    return gettext("above this limit") if comparator in (">", ">=") else gettext("measured")


def _range(found: list[Row]) -> tuple[float | None, float] | None:
    """The range that most results were sent with; laboratories change theirs."""
    sent = [(r["reference_low"], r["reference_high"]) for r in found if r["reference_high"] is not None]
    return max(sent, key=sent.count) if sent else None


def _told_range(range_: tuple[float | None, float]) -> str:
    low, high = range_
    return f"≤ {high:g}" if low is None else f"{low:g} – {high:g}"


def _band(found: list[Row], y: Spec) -> list[Spec]:
    range_ = _range(found)
    if range_ is None:
        return []
    band = [{"value": range_[0] or 0.0, "high": range_[1]}]
    encoding = {"y": y, "y2": {"field": "high"}}
    return [{"data": {"values": band}, "mark": {"type": "rect", "color": BAND}, "encoding": encoding}]


def _antibodies(facts: Facts, axis: Spec) -> Strip | None:
    positive, negative, other = gettext("positive"), gettext("negative"), gettext("not decided")
    rows = [
        {
            "month": r["month"],
            "row": antibody(r),
            "state": positive if r["is_positive"] else negative if r["is_positive"] is False else other,
            "day": r["tested_date_iso"],
            "assay": opened(r["assay_id"]),
            "cell": f"#cell-{r['antibody_result_key']}",
        }
        for r in facts.antibodies
        if r["month"] is not None
    ]
    return _dots("antibodies", gettext("Antibody tests"), rows, [positive, negative, other], axis)


def _events(facts: Facts, axis: Spec) -> Strip | None:
    present, absent, other = gettext("present"), gettext("absent"), gettext("not known")
    words = {"present": present, "absent": absent}
    rows = [
        {
            "month": r["month"],
            "row": named("events", r["event_id"]),
            "state": words.get(r["status"], other),
            "day": r["event_date_iso"],
            "cell": f"#cell-{r['event_key']}",
        }
        for r in facts.events
        if r["month"] is not None
    ]
    return _dots(
        "events", gettext("Signs and events, relapses among them"), rows, [present, absent, other], axis
    )


def _dots(id: str, caption: str, rows: list[Row], states: list[str], axis: Spec) -> Strip | None:
    """A row a thing, a dot a day: full where it was there, an empty ring where it was not."""
    if not rows:
        return None
    shape = {
        "field": "state",
        "type": "nominal",
        "title": None,
        "scale": {"domain": states, "range": ["circle", "circle", "cross"]},
    }
    encoding = {
        "x": axis,
        "y": _names("row"),
        "href": {"field": "cell"},
        "shape": shape,
        "fill": {"field": "state", "type": "nominal", "title": None,
        "scale": {"domain": states, "range": [INK, "#ffffff", "#ffffff"]}},
        "stroke": {"field": "state", "type": "nominal", "title": None,
        "scale": {"domain": states, "range": [INK, MUTED, MUTED]}},
        "tooltip": [{"field": f, "title": t} for f,
        t in (("row", caption), ("state", gettext("State")), ("day", gettext("Day")))],
    }  # fmt: skip
    layers = [{"data": {"values": rows}, "mark": {"type": "point", "size": 50}, "encoding": encoding}]
    table = [[r["row"], r["day"], r["state"]] for r in rows]
    return _strip(f"strip-{id}", caption, layers, ROWS, [caption, gettext("Day"), gettext("State")], table)


def _treatments(facts: Facts, axis: Spec) -> Strip | None:
    """A bar from start to stop; one without a stop goes on to the last day that the axis has, and fades."""
    end = axis["scale"]["domain"][1]
    rows = [
        {
            "month": r["month"],
            "until": r["stop_month"] if r["stop_month"] is not None else end,
            "row": treatment(r),
            "from": r["start_date_iso"],
            "to": r["stop_date_iso"] or gettext("not known"),
            "ends": r["stop_month"] is not None,
            "cell": f"#cell-{r['treatment_key']}",
        }
        for r in facts.treatments
        if r["month"] is not None
    ]
    if not rows:
        return None
    encoding = {
        "x": axis,
        "x2": {"field": "until"},
        "y": _names("row"),
        "href": {"field": "cell"},
        "opacity": {"condition": {"test": "datum.ends", "value": 0.9}, "value": 0.4},
        "tooltip": [
            {"field": "row", "title": gettext("Treatment")},
            {"field": "from", "title": gettext("From")},
            {"field": "to", "title": gettext("To")},
        ],
    }  # fmt: skip
    layers = [
        {
            "data": {"values": rows},
            "mark": {"type": "bar", "color": MUTED, "height": 12},
            "encoding": encoding,
        }
    ]
    caption = gettext("Treatments; a pale bar has no known end")
    table = [[r["row"], r["from"], r["to"]] for r in rows]
    return _strip(
        "strip-treatments",
        caption,
        layers,
        ROWS,
        [gettext("Treatment"), gettext("From"), gettext("To")],
        table,
    )


def understood(row: Row) -> str:
    """``70.032 U/L``, ``<0.1 pg/mL``: what the release makes of a cell."""
    number = row["number"]
    if number is None:
        return opened(row["value_code"])
    return f"{row['comparator'] or ''}{number_text(number)} {unit_text(row['unit_canonical'])}".rstrip()


def unit_text(unit: str | None) -> str:
    """A unit as people write it; UCUM sets what is no unit in braces: {score}."""
    return worded((unit or "").strip("{}"))


def antibody(row: Row) -> str:
    return named("antibodies", row["antibody_id"]) if row["antibody_id"] else str(row["antibody_source"])


def treatment(row: Row) -> str:
    return named("treatments", row["treatment_id"]) if row["treatment_id"] else str(row["treatment_source"])


def number_text(number: float | None) -> str:
    return "" if number is None else f"{number:.10g}"
