"""Page *Data*: which deliveries there are, what was refused, what was asked, and how whole the values are.

Belongs here: reading hospitals, completeness, distributions and the codebook from a release. Does not belong
here: how the registry stands (`situation.py`) and what hospitals were asked (`queries/`), which are read by
one look (`looks.py`).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestration.pages.language import gettext, marked, ngettext
from orchestration.pages.looks import Look
from orchestration.pages.shell import Released, Shell, Told
from orchestration.pages.words import opened, worded
from orchestration.raw.due import Due
from orchestration.situation import releases_of

ADDRESS = "/data"
STEP = 22  # height of one line of a chart, in pixels
SPREAD = 50  # from this ratio of the highest to the lowest drawn value on, an axis is logarithmic
INK, BAND, OUTER = "#1d2329", "#0072B2", "#5b6570"
SIDES = {"hospital": marked("Hospital"), "delivery": marked("Delivery")}
# what the engine and the catalogue write, for the catalogue of translations
KINDS = (
    marked("numeric"), marked("percent"), marked("ratio"), marked("score"), marked("titre"), marked("coded"),
    marked("text"),
)  # fmt: skip
STATES = (marked("accepted"), marked("refused"), marked("withdrawn"), marked("replaced"))

HOSPITALS = """
select h.hospital_id, h.hospital_name, h.sender_id, h.population, coalesce(p.patients, 0) as patients,
    coalesce(v.visits, 0) as visits, v.first_day, v.last_day, coalesce(o.n_values, 0) as n_values
from release.dim_hospital as h
left join (
    select hospital_id, count(*) as patients from release.dim_patient group by all
) as p using (hospital_id)
left join (
    select hospital_id, count(*) as visits, min(visit_date_iso) as first_day, max(visit_date_iso) as last_day
    from release.fct_visit group by all
) as v using (hospital_id)
left join (
    select hospital_id, count(*) as n_values from release.fct_observation group by all
) as o using (hospital_id)
order by h.hospital_id
"""
REJECTED = """
select sender_id, rule, coalesce(column_name, '') as column_name, cast(sum(rows) as bigint) as n
from quality.rejected_summary group by all order by n desc, sender_id, rule, column_name
"""
# A value beyond a detection limit is a value that was measured.
COMPLETENESS = """
with patients as (
    select scheduled_visit, count(*) as n from release.fct_visit
    where is_scheduled and ($hospital = '' or hospital_id = $hospital) group by all
),
filled as (
    select concept_id, scheduled_visit, count(*) as n from release.fct_observation
    where is_visit_value and ($hospital = '' or hospital_id = $hospital) group by all
)
select c.concept_id, c.concept_name, c.category, s.scheduled_visit, coalesce(f.n, 0) as n, p.n as of_n
from (select distinct concept_id from filled) as seen
join release.dim_concept as c using (concept_id)
cross join release.visit_schedule as s
join patients as p using (scheduled_visit)
left join filled as f on f.concept_id = c.concept_id and f.scheduled_visit = s.scheduled_visit
order by c.category, c.concept_name, s.nominal_month
"""
# A limit is no value: quantiles are those of the measured numbers, and what lies beyond a limit is counted.
DISTRIBUTION = """
select hospital_id, {delivery} as delivery_id, count(value_canonical) as n, count(comparator) as beyond,
    quantile_cont(value_canonical, [0.05, 0.25, 0.5, 0.75, 0.95]) as quantiles
from release.fct_observation where concept_id = $concept group by all order by hospital_id, delivery_id
"""
CODEBOOK = """
select c.*, o.n, o.beyond
from (
    select concept_id, count(*) as n, count(value_canonical) as measured, count(comparator) as beyond
    from release.fct_observation group by all
) as o
join release.dim_concept as c using (concept_id)
order by c.category, c.concept_name
"""
NUMBERS = """
select o.concept_id, c.concept_name, c.unit_canonical from (
    select concept_id from release.fct_observation where value_canonical is not null group by all
) as o join release.dim_concept as c using (concept_id) order by c.concept_name
"""


@dataclass(frozen=True)
class Rhythm:
    """Of one sender, whether its deliveries come as agreed."""

    sender: str
    every: str
    last: str
    due: str
    told: str
    is_overdue: bool


@dataclass(frozen=True)
class Asked:
    """What the address asks for: completeness at one hospital or all, the distribution of one variable."""

    hospital: str
    variable: str
    by: str


def routes(shell: Shell) -> list[Route]:
    def show(request: Request) -> Response:
        look = shell.looks.look()
        with ExitStack() as stack:
            context: dict[str, Any] = {"released": None}
            try:
                context = _of_release(stack.enter_context(shell.released(request)), request)
            except Told as told:
                if request.query_params.get("release") or releases_of(look.registry):
                    raise
                context["no_release"] = told.sentence
            return shell.page(request, "data.html.j2", **_as_it_stands(look, date.today()), **context)

    return [Route(ADDRESS, show)]


def _as_it_stands(look: Look, today: date) -> dict[str, Any]:
    situation = look.situation
    return {
        "held": situation.held,
        "deliveries": situation.deliveries,
        "outstanding": situation.outstanding,
        "refusals": [refusal.sentence() for refusal in situation.refusals],
        "rhythms": _rhythms(look, today),
        "questions": look.questions,
    }


def _rhythms(look: Look, today: date) -> list[Rhythm]:
    due = {found.sender: found for found in look.situation.due}
    accepted: dict[str, str] = {}
    for delivery in look.situation.deliveries:
        if delivery.state == "accepted":
            accepted[delivery.sender] = max(delivery.delivery, accepted.get(delivery.sender, ""))
    return [
        Rhythm(
            sender,
            mapping.expected_every or "",
            accepted.get(sender, ""),
            str(due[sender].day or "") if sender in due else "",
            _told_due(due.get(sender), mapping.expected_every, today),
            sender in due and due[sender].is_overdue(today),
        )
        for sender, mapping in look.registry.mappings.items()
    ]


def _told_due(due: Due | None, every: str | None, today: date) -> str:
    if every is None:
        return gettext("none agreed: expected_every of the mapping states one")
    if due is None:
        return gettext("not known while another process holds the warehouse")
    if due.day is None:
        return gettext("overdue: none was accepted yet")
    if not due.is_overdue(today):
        return gettext("in time")
    days = (today - due.day).days
    return ngettext("overdue by %(num)s day", "overdue by %(num)s days", days)


def _of_release(released: Released, request: Request) -> dict[str, Any]:
    hospitals = released.rows(HOSPITALS)
    variables = released.rows(NUMBERS)
    asked = _asked(request, hospitals, variables)
    complete = released.rows(COMPLETENESS, {"hospital": asked.hospital})
    spread = _distribution(released, asked)
    unit = next((v["unit_canonical"] or "" for v in variables if v["concept_id"] == asked.variable), "")
    name = next((worded(v["concept_name"]) for v in variables if v["concept_id"] == asked.variable), "")
    return {
        "released": released,
        "asked": asked,
        "hospitals": hospitals,
        "rejected": released.rows(REJECTED),
        "hospital_options": [("", gettext("all hospitals"))]
        + [(h["hospital_id"], h["hospital_name"] or h["hospital_id"]) for h in hospitals],
        "variable_options": [(v["concept_id"], worded(v["concept_name"])) for v in variables],
        "by_options": [(key, gettext(label)) for key, label in SIDES.items()],
        "completeness": _completeness_table(complete),
        "completeness_spec": _heat_map(complete),
        "distribution": _distribution_table(spread, asked.by, unit),
        "distribution_spec": _boxes(spread, f"{name} ({unit})" if unit else name),
        "distribution_name": name,
        "codebook": released.rows(CODEBOOK),
        "definitions": released.rows("from release.dim_definition order by definition_id, version")
        if released.has("release.dim_definition")
        else [],
    }


def _asked(request: Request, hospitals: list[dict[str, Any]], variables: list[dict[str, Any]]) -> Asked:
    """Raises Told for what the release does not hold."""
    query = request.query_params
    hospital, by = query.get("hospital", ""), query.get("by", "hospital")
    known = [v["concept_id"] for v in variables]
    variable = query.get("variable", "") or (known[0] if known else "")
    if hospital and hospital not in {h["hospital_id"] for h in hospitals}:
        raise Told(
            gettext(
                "This release has no hospital of this name. Choose one from the list of this page: /data"
            ),
            404,
        )
    if variable and variable not in known:
        raise Told(
            gettext("This release has no number of this name. Choose one from the list of this page: /data"),
            404,
        )
    return Asked(hospital, variable, by if by in SIDES else "hospital")


def _completeness_table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    visits = list(dict.fromkeys(row["scheduled_visit"] for row in rows))
    cells = {(row["concept_id"], row["scheduled_visit"]): row for row in rows}
    names = {row["concept_id"]: worded(row["concept_name"]) for row in rows}
    return {
        "columns": [gettext("Variable"), *map(opened, visits)],
        "rows": [
            [name, *(_told_share(cells[concept, visit]) for visit in visits)]
            for concept, name in names.items()
        ],
    }


def _told_share(row: dict[str, Any]) -> str:
    return f"{row['n']:,} / {row['of_n']:,} ({100 * row['n'] / row['of_n']:.0f} %)"


def _heat_map(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Share of the patients with the visit who have the value; the number stands in each field."""
    values = [
        {
            "variable": worded(row["concept_name"]),
            "visit": opened(row["scheduled_visit"]),
            "share": row["n"] / row["of_n"],
            "told": _told_share(row),
        }
        for row in rows
    ]
    axes = {
        "x": {
            "field": "visit",
            "type": "nominal",
            "title": None,
            "sort": list(dict.fromkeys(v["visit"] for v in values)),
            "axis": {"orient": "top", "labelAngle": -30},
        },
        "y": {
            "field": "variable",
            "type": "nominal",
            "title": None,
            "sort": list(dict.fromkeys(v["variable"] for v in values)),
        },
    }
    titles = {"variable": gettext("Variable"), "visit": gettext("Visit"), "told": gettext("Values")}
    tooltip = [{"field": field, "title": title} for field, title in titles.items()]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": "container",
        "height": {"step": STEP},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": values},
        "encoding": axes,
        "layer": [
            {
                "mark": {"type": "rect", "stroke": "#ffffff"},
                "encoding": {
                    "color": {
                        "field": "share",
                        "type": "quantitative",
                        "legend": None,
                        "scale": {"domain": [0, 1], "range": ["#f3f7fb", "#08457e"]},
                    },
                    "tooltip": tooltip,
                },
            },
            {
                "mark": {"type": "text", "fontSize": 11, "tooltip": None},
                "encoding": {
                    "text": {"field": "share", "type": "quantitative", "format": ".0%"},
                    "color": {
                        "condition": {"test": "datum.share > 0.5", "value": "#ffffff"},
                        "value": INK,
                    },
                },
            },
        ],
    }


def _distribution(released: Released, asked: Asked) -> list[dict[str, Any]]:
    if not asked.variable:
        return []
    delivery = "delivery_id" if asked.by == "delivery" else "''"
    rows = released.rows(DISTRIBUTION.format(delivery=delivery), {"concept": asked.variable})
    return [
        row | {"label": " / ".join(part for part in (row["hospital_id"], row["delivery_id"]) if part)}
        for row in rows
    ]


def _distribution_table(rows: list[dict[str, Any]], by: str, unit: str) -> dict[str, Any]:
    in_unit = f" ({unit})" if unit else ""
    return {
        "columns": [
            gettext(SIDES[by]),
            gettext("Numbers"),
            gettext("Beyond a detection limit"),
            gettext("5th percentile") + in_unit,
            gettext("Lower quartile"),
            gettext("Median"),
            gettext("Upper quartile"),
            gettext("95th percentile"),
        ],
        "rows": [
            [
                row["label"],
                row["n"],
                row["beyond"],
                *(_told_number(q) for q in row["quantiles"] or [None] * 5),
            ]
            for row in rows
        ],
    }


def _told_number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _boxes(rows: list[dict[str, Any]], title: str) -> dict[str, Any]:
    """Of each hospital or delivery the middle half, the median, and where 5 % and 95 % lie below."""
    names = ("low", "q1", "median", "q3", "high")
    values = [
        {"label": row["label"], "n": row["n"], "beyond": row["beyond"], **dict(zip(names, row["quantiles"]))}
        for row in rows
        if row["quantiles"]
    ]
    lowest = min((v["low"] for v in values), default=0)
    is_wide = lowest > 0 and max(v["high"] for v in values) / lowest >= SPREAD
    scale: dict[str, Any] = {"type": "log"} if is_wide else {"zero": False}
    shown = f"{title}, {gettext('logarithmic')}" if is_wide else title

    def along(field: str) -> dict[str, Any]:
        return {"field": field, "type": "quantitative", "title": shown, "scale": scale}

    titles = {
        "n": gettext("Numbers"), "beyond": gettext("Beyond a detection limit"),
        "low": gettext("5th percentile"),
        "q1": gettext("Lower quartile"), "median": gettext("Median"), "q3": gettext("Upper quartile"),
        "high": gettext("95th percentile"),
    }  # fmt: skip
    tooltip = [{"field": "label", "title": " "}, *({"field": f, "title": t} for f, t in titles.items())]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": "container",
        "height": {"step": STEP + 8},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": values},
        "encoding": {
            "y": {"field": "label", "type": "nominal", "title": None, "sort": None},
            "tooltip": tooltip,
        },
        "layer": [
            {
                "mark": {"type": "rule", "color": OUTER, "strokeWidth": 1.5},
                "encoding": {"x": along("low"), "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "bar", "height": 12, "color": BAND, "opacity": 0.75},
                "encoding": {"x": along("q1"), "x2": {"field": "q3"}},
            },
            {
                "mark": {"type": "tick", "color": INK, "thickness": 3, "size": 18},
                "encoding": {"x": along("median")},
            },
        ],
    }
