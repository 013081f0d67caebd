"""Page *Cohort*: who is in each analysis of a study and who is not, by which criterion, and when.

Belongs here: reading `results.cohort_member`. Does not belong here: deciding who counts (`analytics/study/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestration.pages.language import gettext, marked, ngettext
from orchestration.pages.shell import Released, Shell, Told
from orchestration.pages.studies import StudyNames, studies_of, study_asked

ADDRESS = "/cohort"
ROWS_SHOWN = 100
OUTSIDE = "#5b6570"  # who is in no group
MEMBERS = "results.cohort_member where study_id = $study and analysis = $analysis and kind = $kind"
# what the engine writes, for the catalogue
STEPS = (
    marked("in a group"), marked("not in a group"), marked("counted"), marked("not counted"),
    marked("with the event"), marked("with a competing event"), marked("censored"),
)  # fmt: skip
KINDS = {
    "cohort": marked("Groups of the study"),
    "table": marked("Table"),
    "endpoint": marked("Time to event"),
    "model": marked("Model"),
}
SHOWN = {
    "": marked("everybody"),
    "in": marked("who is counted"),
    "out": marked("who is not counted"),
}


@dataclass(frozen=True)
class Analysis:
    kind: str
    analysis: str
    title: str

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.analysis}"


@dataclass(frozen=True)
class Asked:
    """What the address asks for."""

    study: StudyNames
    analysis: Analysis
    shown: str
    page: int

    @property
    def parameters(self) -> dict[str, object]:
        return {
            "study": self.study.study_id,
            "analysis": self.analysis.analysis,
            "kind": self.analysis.kind,
        }


def routes(shell: Shell) -> list[Route]:
    def show(request: Request) -> Response:
        with shell.released(request) as released:
            studies = studies_of(released)
            study = study_asked(studies, request.query_params.get("study", ""))
            analyses = _analyses(released, study)
            asked = _asked(request, study, analyses)
            total = _total(released, asked)
            values = _by_group(released, asked)
            return shell.page(
                request,
                "cohort.html.j2",
                studies=[(s.study_id, s.title) for s in studies],
                analyses=[(a.key, a.title) for a in analyses],
                shown_options=[(key, gettext(label)) for key, label in SHOWN.items()],
                asked=asked,
                counts=_counts(released, asked),
                spec=_chart(values, asked.study),
                table={
                    "columns": [gettext("Group"), gettext("Step"), gettext("Patients")],
                    "rows": [[v["group"], v["counted"], v["n"]] for v in values],
                },
                patients=_patients(released, asked),
                total=total,
                told_total=ngettext("%(num)s patient", "%(num)s patients", total),
                is_patient_shown=any(
                    page.address == "/patient" and page.is_shown(shell.registry()) for page in shell.pages
                ),
                pages_of_rows=-(-total // ROWS_SHOWN),
                further=lambda page: _address(request, page),
            )

    return [Route(ADDRESS, show)]


def _analyses(released: Released, study: StudyNames) -> list[Analysis]:
    if not released.has("results.cohort_member"):
        raise Told(
            gettext(
                "Release %(release)s does not say who is in its analyses: an earlier version made it. "
                "Choose another release above, or make a new one with: myositis run",
                release=released.release_id,
            ),
            409,
        )
    rows = released.rows(
        "select kind, analysis from results.cohort_member where study_id = ? group by all "
        "order by min(position)",
        [study.study_id],
    )
    return [
        Analysis(row["kind"], row["analysis"], _title(study, row["kind"], row["analysis"])) for row in rows
    ]


def _title(study: StudyNames, kind: str, analysis: str) -> str:
    word = gettext(KINDS.get(kind, "Model"))
    if kind == "cohort":
        return word
    titles = {"table": study.tables, "endpoint": study.endpoints}.get(kind, study.models)
    name = f"{word} {analysis}" if kind == "table" else word
    return f"{name}: {titles.get(analysis, analysis)}"


def _asked(request: Request, study: StudyNames, analyses: list[Analysis]) -> Asked:
    if not analyses:
        raise Told(gettext("No patient is registered in this release, so there is nobody to show."), 404)
    key = request.query_params.get("analysis", "")
    found = next((a for a in analyses if a.key == key), None)
    if key and found is None and "study" not in request.query_params:
        raise Told(
            gettext("This study has no such analysis. Choose one from the list of this page: /cohort"), 404
        )
    shown = request.query_params.get("shown", "")
    page = request.query_params.get("page", "1")
    return Asked(
        study,
        found or analyses[0],
        shown if shown in SHOWN else "",
        int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 7 else 1,
    )


def _counts(released: Released, asked: Asked) -> list[dict[str, Any]]:
    """How many by group, step and criterion; the groups in the order of the study, who is outside last."""
    order = list(asked.study.groups)
    rows = released.rows(
        f"select group_id, step, is_counted, criterion, count(*) as n, min(decided_date_iso) as first_day,"
        f" max(decided_date_iso) as last_day from {MEMBERS} group by all order by n desc, criterion",
        asked.parameters,
    )
    place = {group: i for i, group in enumerate(order)}
    rows.sort(key=lambda row: (not row["is_counted"], place.get(row["group_id"], len(order))))
    return [row | {"group": asked.study.groups.get(row["group_id"], "")} for row in rows]


def _by_group(released: Released, asked: Asked) -> list[dict[str, Any]]:
    rows = released.rows(
        f"select group_id, is_counted, count(*) as n from {MEMBERS} group by all order by 1, 2 desc",
        asked.parameters,
    )
    return [
        {
            "group": asked.study.groups.get(row["group_id"]) or gettext("in no group"),
            "counted": gettext("counted") if row["is_counted"] else gettext("not counted"),
            "n": row["n"],
        }
        for row in rows
    ]


def _chart(values: list[dict[str, Any]], study: StudyNames) -> dict[str, Any]:
    """Patients by group, counted and not."""
    labels = [*study.groups.values(), gettext("in no group")]
    there = {value["group"] for value in values}
    yes, no = gettext("counted"), gettext("not counted")
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": "container",
        "height": {"step": 30},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": values},
        "mark": {"type": "bar", "stroke": "#1d2329", "strokeWidth": 0.5},
        "encoding": {
            "y": {
                "field": "group",
                "type": "nominal",
                "title": None,
                "sort": [label for label in labels if label in there],
            },
            "x": {
                "field": "n",
                "type": "quantitative",
                "title": gettext("patients"),
                "axis": {"tickMinStep": 1},
            },
            "color": {
                "field": "group",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": labels, "range": [*study.colours.values(), OUTSIDE]},
            },
            "fillOpacity": {
                "field": "counted",
                "type": "ordinal",
                "title": None,
                "scale": {"domain": [yes, no], "range": [0.9, 0.15]},
            },
            "tooltip": [
                {"field": "group", "title": gettext("Group")},
                {"field": "counted", "title": gettext("Step")},
                {"field": "n", "title": gettext("Patients")},
            ],
            "order": {"field": "counted", "sort": "ascending" if yes < no else "descending"},
        },
    }


def _which(asked: Asked) -> str:
    return {"in": " and is_counted", "out": " and not is_counted"}.get(asked.shown, "")


def _total(released: Released, asked: Asked) -> int:
    found = released.rows(f"select count(*) as n from {MEMBERS}{_which(asked)}", asked.parameters)
    return int(found[0]["n"])


def _patients(released: Released, asked: Asked) -> list[dict[str, Any]]:
    rows = released.rows(
        "select hospital_id, patient_key, group_id, step, criterion, decided_date_iso, decided_days "
        f"from {MEMBERS}"
        f"{_which(asked)} order by position limit {ROWS_SHOWN} offset $skipped",
        asked.parameters | {"skipped": (asked.page - 1) * ROWS_SHOWN},
    )
    return [row | {"group": asked.study.groups.get(row["group_id"], "")} for row in rows]


def _address(request: Request, page: int) -> str:
    kept = [(key, value) for key, value in request.query_params.multi_items() if key not in ("page", "lang")]
    return f"{ADDRESS}?{urlencode([*kept, ('page', str(page))])}"
