"""The page *Patient*: one patient on one time axis, and each value with its source cell.

Belongs here: finding a patient by hospital and by what was seen, and what is shown of one. Does not belong
here: any estimate, and any way to find a patient by an identifier: there is none in a release.

Only a registry that says `patient_pages: true` has this page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestration.pages.language import gettext
from orchestration.pages.patient_charts import antibody, number_text, strips, treatment, understood
from orchestration.pages.shell import Released, Shell, Told
from orchestration.pages.studies import StudyNames, studies_of
from orchestration.pages.words import named, opened, worded
from orchestration.registry.folder import Registry

Row = dict[str, Any]
SHOWN = 200  # patients in a list
RESULTS_AT_FIRST = ("cmas", "mmt8", "ck")
OF_PATIENT = "where hospital_id = $hospital and patient_key = $patient"
# what a patient can be found by: the word in the address, and the patients of each
SEEN = {
    "antibody": "select hospital_id, patient_key, antibody_id as item from release.fct_antibody_result "
    "where is_positive",
    "event": "select hospital_id, patient_key, event_id as item from release.fct_event "
    "where status = 'present'",
    "treatment": "select hospital_id, patient_key, treatment_id as item from release.fct_treatment",
    "definition": "select hospital_id, patient_key, definition_id as item from release.fct_definition "
    "where status = 'met'",
}
VOCABULARY = {"antibody": "antibodies", "event": "events", "treatment": "treatments"}
GROUPS = (
    "select hospital_id, patient_key, study_id || '/' || group_id as item from results.cohort_member"
    " where kind = 'cohort' and group_id is not null"
)


@dataclass(frozen=True)
class Facts:
    """All that a release holds of one patient."""

    patient: Row
    visits: list[Row]
    results: list[Row]
    antibodies: list[Row]
    treatments: list[Row]
    events: list[Row]
    follow_up: list[Row]
    endpoints: list[Row]
    definitions: list[Row]
    analyses: list[Row]
    studies: dict[str, StudyNames]


def is_shown(registry: Registry) -> bool:
    return registry.file.patient_pages


def routes(shell: Shell) -> list[Route]:
    def show(request: Request) -> Response:
        if not is_shown(shell.registry()):
            sentence = gettext(
                "Pages of single patients are closed in this registry. Whoever looks after the registry "
                "can open them with patient_pages: true in registry.yml."
            )
            raise Told(sentence, 403)
        with shell.released(request) as released:
            if request.query_params.get("patient"):
                return _one(shell, request, released)
            return _list(shell, request, released)

    return [Route("/patient", show)]


# finding a patient


def _list(shell: Shell, request: Request, released: Released) -> Response:
    hospital, seen = (request.query_params.get(key, "") for key in ("hospital", "seen"))
    hospitals = [
        (r["hospital_id"], r["hospital_name"] or r["hospital_id"])
        for r in released.rows("select hospital_id, hospital_name from release.dim_hospital order by 1")
    ]
    options = _seen_options(released)
    if hospital and hospital not in dict(hospitals):
        raise Told(gettext("There is no hospital of this name. Choose one of the list at /patient."), 404)
    if seen and seen not in dict(options):
        raise Told(gettext("Nothing of this name was seen. Choose from the list at /patient."), 404)
    found = _found(released, hospital, seen)
    return shell.page(
        request,
        "patients.html.j2",
        hospitals=[("", gettext("all")), *hospitals],
        hospital=hospital,
        seen_options=[("", gettext("anything")), *options],
        seen=seen,
        found=found[:SHOWN],
        more=max(len(found) - SHOWN, 0),
        names=dict(hospitals),
    )


def _ways(released: Released) -> dict[str, str]:
    return SEEN | ({"group": GROUPS} if released.has("results.cohort_member") else {})


def _seen_options(released: Released) -> list[tuple[str, str]]:
    """Everything that was seen in somebody, with the number of patients."""
    words = {
        "antibody": gettext("antibody"),
        "event": gettext("sign or event"),
        "treatment": gettext("treatment"),
        "definition": gettext("definition met"),
        "group": gettext("group"),
    }
    groups = _group_labels(released)
    options = []
    for kind, rows in _ways(released).items():
        for r in released.rows(
            f"select item, count(distinct hospital_id || '|' || patient_key) as n from ({rows})"
            " where item is not null group by 1 order by 1"
        ):
            options.append(
                (f"{kind}:{r['item']}", f"{words[kind]}: {_called(kind, r['item'], groups)} ({r['n']})")
            )
    return options


def _group_labels(released: Released) -> dict[str, str]:
    return {
        f"{study.study_id}/{group}": label
        for study in studies_of(released)
        for group, label in study.groups.items()
    }


def _called(kind: str, item: str, groups: Mapping[str, str]) -> str:
    if kind == "group":
        return groups.get(item, item)
    return named(VOCABULARY[kind], item) if kind in VOCABULARY else opened(item)


def _found(released: Released, hospital: str, seen: str) -> list[Row]:
    """The patients of the list, in an order without meaning."""
    kind, _, item = seen.partition(":")
    ways = _ways(released)
    groups = (
        "select hospital_id, patient_key, list(distinct study_id || '/' || group_id order by 1) as groups"
        " from results.cohort_member where kind = 'cohort' and group_id is not null group by all"
        if "group" in ways
        else "select null::varchar as hospital_id, null::varchar as patient_key, null::varchar[] as groups "
        "limit 0"
    )
    where = ["($hospital = '' or p.hospital_id = $hospital)"]
    parameters: dict[str, object] = {"hospital": hospital}
    if seen:
        where.append(
            f"exists (from ({ways[kind]}) as s where s.hospital_id = p.hospital_id"
            " and s.patient_key = p.patient_key and s.item = $item)"
        )
        parameters["item"] = item
    labels = _group_labels(released)
    rows = released.rows(
        f"""
        select
            p.hospital_id, p.patient_key, g.groups, a.msa, p.onset_group,
            count(v.visit_key) as visits, max(v.time_days - p.baseline_days) / 30.4375 as months
        from release.dim_patient as p
        left join release.dim_antibody_status as a using (hospital_id, patient_key)
        left join release.fct_visit as v using (hospital_id, patient_key)
        left join ({groups}) as g using (hospital_id, patient_key)
        where {" and ".join(where)}
        group by all order by 1, 2
        """,
        parameters,
    )
    return [
        r
        | {
            "groups": ", ".join(labels.get(group, group) for group in r["groups"] or ()),
            "onset_group": opened(r["onset_group"]),
        }
        for r in rows
    ]


# one patient


def _one(shell: Shell, request: Request, released: Released) -> Response:
    wanted: dict[str, object] = {k: request.query_params.get(k, "") for k in ("hospital", "patient")}
    facts = _facts(released, wanted)
    concepts = {r["concept_id"]: worded(r["concept_name"]) for r in facts.results if r["number"] is not None}
    asked = [c for c in request.query_params.getlist("result") if c in concepts]
    chosen = asked or [c for c in RESULTS_AT_FIRST if c in concepts] or list(concepts)[:2]
    return shell.page(
        request,
        "patient.html.j2",
        wanted=wanted,
        facts=facts,
        concepts=concepts,
        chosen=chosen,
        strips=strips(facts, chosen),
        tables=_tables(facts, chosen),
    )


def _facts(released: Released, wanted: dict[str, object]) -> Facts:
    """Raises Told if there is no such patient."""

    def rows(query: str) -> list[Row]:
        return [_with_source(row) for row in released.rows(query, wanted)]

    people = rows(
        "select p.*, a.msa, a.decided_by, a.conflict, h.hospital_name from release.dim_patient as p"
        " left join release.dim_antibody_status as a using (hospital_id, patient_key)"
        f" left join release.dim_hospital as h using (hospital_id) {OF_PATIENT}"
    )
    if not people:
        sentence = gettext(
            "There is no such patient in this release. Choose one of the list at /patient; a patient who "
            "was withdrawn or erased is gone."
        )
        raise Told(sentence, 404)
    start = people[0]["baseline_days"] or 0.0
    analyses = (
        rows(
            "select study_id, kind, analysis, step, criterion, decided_date_iso, is_counted, group_id"
            f" from results.cohort_member {OF_PATIENT} order by study_id, position"
        )
        if released.has("results.cohort_member")
        else []
    )
    ranges = (
        "reference_low, reference_high"
        if _has_ranges(released)
        else ("null::double as reference_low, null::double as reference_high")
    )
    return Facts(
        people[0],
        rows(
            f"select *, (time_days - {start}) / 30.4375 as month from release.fct_visit {OF_PATIENT} "
            "order by time_days"
        ),
        rows(
            "select o.observation_key, o.sender_id, o.concept_id, c.concept_name, o.observed_date_iso, "
            "o.scheduled_visit,"
            " o.is_visit_value, o.value_text, o.unit_source, o.comparator, o.value_canonical, o.value_code,"
            " o.unit_canonical, o.conversion_rule, o.is_derived, o.correction_id, o.delivery_id, "
            "o.source_file,"
            " o.source_sheet, o.source_row, o.source_column,"
            f" coalesce(o.value_canonical, o.upper_limit, o.lower_limit) as number, {ranges},"
            f" (o.time_days - {start}) / 30.4375 as month"
            " from release.fct_observation as o left join release.dim_concept as c using (concept_id)"
            f" {OF_PATIENT} order by c.concept_name, o.time_days, o.observation_key"
        ),
        rows(
            f"select *, (time_days - {start}) / 30.4375 as month "
            f"from release.fct_antibody_result {OF_PATIENT}"
            " order by antibody_id, time_days"
        ),
        rows(
            f"select *, (time_days - {start}) / 30.4375 as month, "
            f"(stop_days - {start}) / 30.4375 as stop_month"
            f" from release.fct_treatment {OF_PATIENT} order by time_days, treatment_id"
        ),
        rows(
            f"select *, (time_days - {start}) / 30.4375 as month from release.fct_event {OF_PATIENT}"
            " order by event_category, event_id, time_days"
        ),
        rows(
            f"select *, (last_seen_days - {start}) / 30.4375 as month from release.fct_follow_up {OF_PATIENT}"
        ),
        rows(f"select * from release.fct_time_to_event {OF_PATIENT} order by endpoint"),
        rows(
            "select f.*, d.definition_name, d.rule, d.source from release.fct_definition as f"
            f" left join release.dim_definition as d using (definition_id, version) {OF_PATIENT} "
            "order by definition_id"
        ),
        analyses,
        {study.study_id: study for study in studies_of(released)},
    )


def _has_ranges(released: Released) -> bool:
    """Whether the release holds the ranges that laboratories sent; an older one does not."""
    return bool(
        released.rows(
            "select 1 from information_schema.columns where table_schema = 'release'"
            " and table_name = 'fct_observation' and column_name = 'reference_high'"
        )
    )


def _with_source(row: Row) -> Row:
    """The row with the place of its cell: delivery, file, sheet, row, column."""
    if not row.get("source_file"):
        return row | {"from_cell": gettext("computed from other results") if row.get("is_derived") else ""}
    parts = [f"{row['sender_id']}/{row['delivery_id']}", str(row["source_file"])]
    if row.get("source_sheet"):
        parts.append(gettext("sheet %(name)s", name=row["source_sheet"]))
    parts.append(gettext("row %(number)s", number=row["source_row"]))
    if row.get("source_column"):
        parts.append(gettext("column %(name)s", name=row["source_column"]))
    if row.get("correction_id"):
        parts.append(gettext("corrected by record %(name)s", name=row["correction_id"]))
    return row | {"from_cell": ", ".join(parts)}


@dataclass(frozen=True)
class Shown:
    """A table of the page: an id, a heading, columns, rows; each row has the id of its cell in the
    address.
    """

    id: str
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, tuple[object, ...]]]


def _tables(facts: Facts, chosen: Sequence[str]) -> list[Shown]:
    source, day = gettext("Source cell"), gettext("Day")
    tables = [
        Shown(
            "results",
            gettext("Results"),
            (gettext("Result"), day, gettext("Visit"), gettext("As sent"), gettext("Understood as"),
            gettext("Rule"), source),
            [
                (
                    f"cell-{r['observation_key']}",
                    (worded(r["concept_name"]), r["observed_date_iso"], opened(r["scheduled_visit"]),
                    _sent(r), understood(r),
                     opened(r["conversion_rule"]), r["from_cell"]),
                )
                for r in facts.results
                if r["concept_id"] in chosen
            ],
        ),
        Shown(
            "visits",
            gettext("Visits"),
            (day, gettext("Visit"), gettext("Month"), source),
            [(f"cell-{r['visit_key']}", (r["visit_date_iso"], _visit(r), _month(r["month"]), r["from_cell"]))
             for r in facts.visits],
        ),
        Shown(
            "antibodies",
            gettext("Antibodies"),
            (gettext("Antibody"), day, gettext("Assay"), gettext("As sent"), gettext("Understood as"),
            gettext("Rule"), source),
            [
                (
                    f"cell-{r['antibody_result_key']}",
                    (antibody(r), r["tested_date_iso"], opened(r["assay_id"]), r["result_text"],
                     opened(r["result"]), opened(r["positivity_rule"]), r["from_cell"]),
                )
                for r in facts.antibodies
            ],
        ),
        Shown(
            "treatments",
            gettext("Treatments"),
            (gettext("Treatment"), gettext("From"), gettext("To"), gettext("Dose"), source),
            [
                (
                    f"cell-{r['treatment_key']}",
                    (treatment(r), r["start_date_iso"], r["stop_date_iso"],
                     " ".join(str(v) for v in (number_text(r["dose"]), r["dose_unit"]) if v), r["from_cell"]),
                )
                for r in facts.treatments
            ],
        ),
        Shown(
            "events",
            gettext("Signs and events"),
            (gettext("Sign or event"), gettext("Kind"), day, gettext("State"), source),
            [
                (
                    f"cell-{r['event_key']}",
                    (named("events", r["event_id"]), opened(r["event_category"]), r["event_date_iso"],
                    opened(r["status"]), r["from_cell"]),
                )
                for r in facts.events
            ],
        ),
        Shown(
            "follow-up",
            gettext("Last seen"),
            (day, gettext("State"), source),
            [("", (r["last_seen_date_iso"], opened(r["status"]), r["from_cell"])) for r in facts.follow_up],
        ),
        Shown(
            "endpoints",
            gettext("Endpoints"),
            (gettext("Endpoint"), gettext("Months"), gettext("Reached"), gettext("Why not")),
            [("",
            (_endpoint(facts, r["endpoint"]), _month(r["time_months"]), r["is_event"],
            worded(r["censor_reason"] or "")))
             for r in facts.endpoints],
        ),
        Shown(
            "definitions",
            gettext("Definitions, with the inputs that decided"),
            (gettext("Definition"), gettext("State"), gettext("Criteria met"), gettext("Inputs used"),
            gettext("Inputs missing"),
             gettext("Rule")),
            [
                (
                    f"definition-{r['definition_id']}",
                    (worded(r["definition_name"]), _state(r), _listed(r["criteria_met"]),
                    _listed(r["inputs_used"]),
                     _listed(r["inputs_missing"]), worded(r["rule"] or "")),
                )
                for r in facts.definitions
            ],
        ),
        Shown(
            "analyses",
            gettext("Analyses"),
            (gettext("Study"), gettext("Analysis"), gettext("Group"), gettext("Counted"),
            gettext("Criterion"), day),
            [
                ("",
                (r["study_id"], _analysis(facts, r),
                facts.studies[r["study_id"]].groups.get(r["group_id"], ""), r["is_counted"],
                worded(r["criterion"] or ""), r["decided_date_iso"]))
                for r in facts.analyses
            ],
        ),
    ]  # fmt: skip
    return [table for table in tables if table.rows]


def _analysis(facts: Facts, row: Row) -> str:
    study = facts.studies[row["study_id"]]
    titles = {"table": study.tables, "endpoint": study.endpoints}.get(row["kind"], study.models)
    return titles.get(row["analysis"]) or opened(row["analysis"])


def _endpoint(facts: Facts, endpoint: str) -> str:
    labels = [s.endpoints[endpoint] for s in facts.studies.values() if endpoint in s.endpoints]
    return labels[0] if labels else opened(endpoint)


def _sent(row: Row) -> str:
    return " ".join(str(v) for v in (row["value_text"], row["unit_source"]) if v is not None)


def _month(number: float | None) -> str:
    return "" if number is None else f"{number:.1f}"


def _visit(row: Row) -> str:
    return opened(row["scheduled_visit"]) if row["is_scheduled"] else gettext("unscheduled")


def _state(row: Row) -> str:
    """``met (definite), 8.6 to 16.2``: unknown inputs leave a range."""
    parts = [opened(row["status"])]
    level, most = row["level"], row["level_at_most"]
    if level or most:
        reached = worded(level) if level else gettext("none")
        parts.append(f"({reached} – {worded(most)})" if most and most != level else f"({reached})")
    if row["value"] is not None:
        most = row["value_at_most"]
        parts.append(
            number_text(row["value"])
            + (f" – {number_text(most)}" if most not in (None, row["value"]) else "")
        )
    return " ".join(parts)


def _listed(text: str | None) -> str:
    """Ids of the catalogue in a list, ``ck, proximal_muscle_weakness``, as names."""
    return ", ".join(worded(code.replace("_", " ")) for code in (text or "").split(", "))
