"""What somebody chose on the page *Time to event*, as a study of one endpoint.

Does not belong here: choosing groups (`chosen.py`), the page (`time_to_event.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from analytics.declared_tests import TIME_TO_EVENT, statistical_tests
from analytics.study.analyses import SurvivalAnalysis
from analytics.study.groups_and_variables import ORIGINS, Endpoint
from analytics.study.parts import Adjustment
from orchestration.pages.address import NotOffered, Query
from orchestration.pages.chosen import BY_STUDY, OWN, Chosen, given, grouping, is_same, study_of, study_with
from orchestration.pages.language import gettext
from orchestration.pages.offered import CODED, Offer, slug

STRATA = ("hospital_id", "sex", "onset_group")
AT_RISK_STEPS = 6
FEW_PATIENTS = 5_000  # with more, Firth's intervals take seconds, and groups have enough events without them


TIME_KEYS = (
    "study", "endpoint", "by", "group", "cut", "event", "competing", "origin", "horizon", "truncation",
    "strata",
    "weights", "adjust", "for", "grouped", "of", *(f"among_{column}" for column in CODED),
)  # fmt: skip


def time_to_event(query: Query, offer: Offer) -> Chosen:
    """Curves, tests, restricted means, hazard ratios and incidence of one endpoint."""
    study = study_of(query, offer)
    query = query.fresh("for", study.study if study else "", *(k for k in TIME_KEYS if k != "study"))
    analyses = {spec.endpoint: spec for spec in study.survival} if study else {}
    endpoints = dict(study.endpoints) if study else {}
    if not endpoints and not offer.outcomes:
        raise NotOffered(
            gettext("This release has no event with a day. Add a delivery with events, then myositis run."),
            404,
        )
    first = OWN if query.states("event") else next(iter([*analyses, *endpoints]), OWN)
    named = query.one("endpoint", [*endpoints, OWN], first)
    if query.states("endpoint"):
        made_for = ("event", "competing", "origin", "horizon", "truncation", "strata", "weights")
        query = query.fresh("of", named, *made_for)
    base = endpoints.get(named)
    analysis = analyses.get(named)
    usual = analysis.groups if analysis else next((a.groups for a in analyses.values()), [])
    groups = grouping(query, offer, study, usual, named)
    endpoint = _endpoint(query, offer, base)
    horizon = endpoint["horizon_months"]
    is_base = base is not None and is_same(base, Endpoint.model_validate(endpoint), *Endpoint.model_fields)
    name = named if is_base else _endpoint_id(endpoint)
    spec: dict[str, Any] = {
        "endpoint": name,
        "title": analysis.title if analysis and is_base else f"{endpoint['label']} within {horizon:g} months",
        "groups": groups.chosen,
        "at_risk_months": [round(horizon * i / AT_RISK_STEPS, 2) for i in range(AT_RISK_STEPS + 1)],
        "adjust": query.one("adjust", get_args(Adjustment), analysis.adjust if analysis else "holm"),
        "weights": query.one(
            "weights", statistical_tests(TIME_TO_EVENT), analysis.weights if analysis else "log_rank"
        ),
        "strata": query.several("strata", STRATA, analysis.strata if analysis else ()),
        "restricted_mean_months": horizon,
    }
    if analysis and is_base:
        kept = ("at_risk_months", "restricted_mean_months", "method", "trend", "pairwise")
        spec |= {key: getattr(analysis, key) for key in kept}
        if spec["strata"] or spec["weights"] != "log_rank":
            spec["method"] = "asymptotic"
        spec["trend"] = spec["trend"] and not spec["strata"]
    made = study_with(
        spec["title"], study, groups, {}, endpoints={name: endpoint}, survival=[given(spec)],
        **_models_of(name, endpoint, spec, offer.patients),
    )  # fmt: skip
    is_stated = (
        analysis is not None
        and study is not None
        and is_base
        and groups.by == BY_STUDY
        and is_same(analysis, made.survival[0], *SurvivalAnalysis.model_fields)
    )
    return Chosen(made, groups, study.study if is_stated and study else None, named)


def _endpoint(query: Query, offer: Offer, base: Endpoint | None) -> dict[str, Any]:
    usual = list(base.events) if base else [next(iter(offer.outcomes), "")]
    known = {*offer.events, *usual, *(base.competing if base else ())}
    events = query.several("event", sorted(known), usual)
    against = ["death"] if "death" in known and "death" not in events else []
    competing = query.several("competing", [*sorted(known), "none"], base.competing if base else against)
    competing = [event for event in competing if event not in (*events, "none")]
    origins = [*ORIGINS, *(visit for visit in offer.visits if visit not in ORIGINS)]
    label = base.label if base and events == usual else " or ".join(offer.events.get(e, e) for e in events)
    found: dict[str, Any] = {
        "label": label,
        "events": events,
        "competing": competing,
        "origin": query.one("origin", origins, base.origin if base else "baseline"),
        "horizon_months": query.number("horizon", base.horizon_months if base else 36.0, 1, 600),
        "left_truncation": query.one(
            "truncation", ("yes", "no"), "yes" if base is None or base.left_truncation else "no"
        )
        == "yes",
    }
    if base and base.counted_from_months and base.counted_from_months <= found["horizon_months"]:
        found["counted_from_months"] = base.counted_from_months
    return found


def _endpoint_id(endpoint: Mapping[str, Any]) -> str:
    """A name that no endpoint of the study has, because the marts hold one time for each name."""
    counted = "" if endpoint["left_truncation"] else " all"
    return slug(
        f"{' or '.join(endpoint['events'])} {endpoint['origin']} {endpoint['horizon_months']:g}{counted}"
    )


def _models_of(
    name: str, endpoint: Mapping[str, Any], spec: Mapping[str, Any], patients: int
) -> dict[str, Any]:
    """Hazard ratios, in a small registry by Firth's penalty too, and incidence where events compete."""
    parts: dict[str, Any] = {}
    if len(spec["groups"]) > 1:
        shared = {"endpoint": name, "groups": spec["groups"], "terms": ["group"], "strata": spec["strata"]}
        parts["cox"] = [
            {"model_id": "hazard_ratios", "title": "Hazard ratios (Cox)", **shared},
        ]
        if patients <= FEW_PATIENTS:
            firth = {
                "model_id": "hazard_ratios_firth",
                "title": "Hazard ratios (Firth)",
                "method": "firth_cox",
            }
            parts["cox"].append({**firth, **shared})
    if endpoint["competing"]:
        parts["competing_risks"] = [
            {
                "model_id": "incidence",
                "title": "Cumulative incidence",
                "endpoint": name,
                "groups": spec["groups"],
            }
        ]
    return parts
