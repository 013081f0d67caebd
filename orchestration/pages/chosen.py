"""From an address to a study: what somebody chose on a page, as the record that a study file gives.

Belongs here: which keys an address may have, their defaults, and the sentence for each that is wrong. Does
not belong here: what a release offers (`offered.py`), computing (`results/on_the_spot.py`), the pages.

A choice that a study file of the release states already is `stated`: its numbers stand in the results, and
are read there. Any other choice is exploratory.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from analytics.declared_tests import (
    BOUNDED,
    COUNT,
    MANY,
    MEASUREMENT,
    NO_TEST,
    TIME_TO_EVENT,
    TWO,
    statistical_tests,
)
from analytics.study.file import (
    ORIGINS,
    BaselineTable,
    Endpoint,
    Group,
    MixedModel,
    Study,
    SurvivalAnalysis,
    TableRow,
    Variable,
    Window,
)
from analytics.study.parts import Adjustment, Transform
from orchestration.pages.language import gettext
from orchestration.pages.offered import CODED, Offer, slug
from orchestration.pages.words import worded

MOST_GROUPS = 8
BY_STUDY = "study"
OWN = "own"  # of a model or an endpoint: not one that the study states
STUDY_ID = "exploratory"
TAKES = ("first", "last", "lowest", "highest")
LIMITS = ("exclude", "limit", "half_limit", "bounds")
STRATA = ("hospital_id", "sex", "onset_group")
AT_RISK_STEPS = 6
FEW_PATIENTS = 5_000  # beyond, Firth's intervals take seconds, and groups have events enough


class NotOffered(Exception):
    """An address asks for what there is not; the text says what there is. ``status`` is the answer's."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class Query:
    """The keys of an address, each with its values in their order. An empty value is the default."""

    values: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, items: Iterable[tuple[str, str]], known: Iterable[str]) -> Query:
        """Raises NotOffered for a key that the page does not know."""
        found: dict[str, list[str]] = {}
        names = [*known, "release", "lang"]
        for name, value in items:
            if name not in names:
                raise NotOffered(
                    gettext(
                        'This page has no choice "%(name)s".%(near)s Its choices: %(choices)s.',
                        name=name[:60], near=_near(name, names), choices=", ".join(names),
                    )
                )  # fmt: skip
            if value.strip():
                found.setdefault(name, []).append(value.strip())
        return cls({name: tuple(values) for name, values in found.items()})

    def one(self, name: str, choices: Iterable[str], default: str) -> str:
        value = self.values.get(name, (default,))[-1]
        return _known(name, value, [*choices])

    def several(self, name: str, choices: Iterable[str], default: Sequence[str]) -> list[str]:
        """In the order of ``choices``, so that the order of an address changes nothing."""
        offered = [*choices]
        wanted = {_known(name, value, offered) for value in self.values.get(name, default)}
        return [value for value in offered if value in wanted]

    def number(self, name: str, default: float | None, low: float, high: float) -> float | None:
        if name not in self.values:
            return default
        text = self.values[name][-1]
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise NotOffered(
                gettext(
                    '%(name)s: expected a number from %(low)g to %(high)g; found "%(found)s".',
                    name=name, low=low, high=high, found=text[:40],
                )
            )  # fmt: skip
        return value

    def fresh(self, stamp: str, now: str, *dependent: str) -> Query:
        """Without the choices that a form made for something else: ``stamp`` says what they were made for."""
        if self.values.get(stamp, (now,))[-1] == now:
            return self
        return Query({name: values for name, values in self.values.items() if name not in dependent})

    def states(self, *names: str) -> bool:
        return any(name in self.values for name in names)


@dataclass(frozen=True)
class Option:
    """One line of a list to choose from."""

    value: str
    label: str
    section: str = ""


@dataclass(frozen=True)
class Grouping:
    """The groups to choose from, those chosen, and whether a study states them."""

    by: str
    offered: Mapping[str, Group]
    chosen: list[str]
    stamp: str

    @property
    def groups(self) -> dict[str, Group]:
        return {name: self.offered[name] for name in self.chosen}


@dataclass(frozen=True)
class Chosen:
    """The study that answers the choices. ``stated`` names the part of a study that they began with;
    ``stated_in`` names the study if it asks the same.
    """

    study: Study
    grouping: Grouping
    stated_in: str | None = None
    stated: str = ""

    @property
    def is_exploratory(self) -> bool:
        return self.stated_in is None

    def as_file(self, release_id: str) -> str:
        """The YAML of a study file that asks the same."""
        return study_file(self.study, release_id)


def study_file(study: Study, release_id: str) -> str:
    content = study.model_dump(mode="json", exclude_defaults=True)
    told = (
        f"# Chosen on the pages of release {release_id}. To make it a study of the registry: write this file to\n"
        f"# studies/{study.study}.yml, give it a name and a title of its own, then myositis check and myositis run.\n"
    )
    return told + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


# groups


def by_options(offer: Offer) -> list[Option]:
    """What groups can be made by."""
    options = [Option(BY_STUDY, gettext("Groups of the study"))] if offer.studies else []
    options += [Option(column, gettext(label), gettext("Patients")) for column, label in CODED.items()]
    options.append(Option("age", gettext("Age at onset, cut at"), gettext("Patients")))
    options += [Option(f"event:{e}", label, gettext("Signs and events")) for e, label in offer.events.items()]
    options += [
        Option(f"definition:{d}", label, gettext("Definitions")) for d, label in offer.definitions.items()
    ]
    return options


def study_of(query: Query, offer: Offer) -> Study | None:
    if not offer.studies:
        return None
    return offer.studies[query.one("study", offer.studies, next(iter(offer.studies)))]


def grouping(
    query: Query, offer: Offer, study: Study | None, default: Sequence[str], of_part: str = ""
) -> Grouping:
    """The groups that the address asks for; ``default`` are those of the study's part that is asked about,
    which is called ``of_part``.
    """
    kinds = [option.value for option in by_options(offer)]
    by = query.one("by", kinds, kinds[0])
    stamp = f"{by}:{of_part}" if by == BY_STUDY else by
    query = query.fresh("grouped", stamp, "group", *(f"among_{column}" for column in CODED))
    offered = _offered_groups(by, query, offer, study)
    if by != BY_STUDY or not default:
        default = list(offered)[:MOST_GROUPS]
    chosen = query.several("group", offered, default)
    if len(chosen) > MOST_GROUPS:
        raise NotOffered(
            gettext(
                "%(n)d groups are too many for one figure; choose %(most)d at most.",
                n=len(chosen),
                most=MOST_GROUPS,
            )
        )
    if not chosen:
        raise NotOffered(gettext("Nobody in this release can be grouped so. Choose other groups."), 404)
    return Grouping(by, offered, chosen, stamp)


def _offered_groups(by: str, query: Query, offer: Offer, study: Study | None) -> dict[str, Group]:
    among = _among(query, offer)
    if by == BY_STUDY:
        assert study is not None  # the choice is offered only then
        if among:
            raise NotOffered(
                gettext("The groups of a study have their own conditions; leave among_… out of the address.")
            )
        return dict(study.groups)
    if by in CODED:
        groups: dict[str, dict[str, Any]] = {
            slug(value): {"label": label, "where": {by: value}} for value, label in offer.values[by].items()
        }
    elif by == "age":
        groups = _ages(query)
    else:
        kind, _, name = by.partition(":")
        states = ("present", "absent") if kind == "event" else ("met", "not_met")
        label = offer.events[name] if kind == "event" else offer.definitions[name]
        groups = {
            slug(f"{name}_{state}"): {
                "label": f"{label}: {state.replace('_', ' ')}",
                f"{kind}s": {name: state},
                "where": {},
            }
            for state in states
        }
    for group in groups.values():
        group["where"] = {**among, **group["where"]}
    return {name: Group.model_validate(group) for name, group in groups.items()}


def _ages(query: Query) -> dict[str, dict[str, Any]]:
    text = query.values.get("cut", ("18",))[-1]
    try:
        cuts = sorted({float(part) for part in text.replace(";", ",").split(",") if part.strip()})
    except ValueError:
        cuts = []
    if not cuts or len(cuts) >= MOST_GROUPS or not all(0 < cut <= 120 for cut in cuts):
        raise NotOffered(
            gettext(
                'cut: expected ages in years with commas between them, as 6,12,18; found "%(found)s".',
                found=text[:40],
            )
        )
    ends: list[tuple[float | None, float | None]] = [*zip([None, *cuts], [*cuts, None], strict=True)]
    return {
        _age_id(*span): {
            "label": _age_label(*span),
            "where": {},
            "within": {"age_at_onset_years": _span(*span)},
        }
        for span in ends
    }


def _age_id(low: float | None, high: float | None) -> str:
    return slug(f"age {'' if low is None else f'{low:g}'} to {'' if high is None else f'{high:g}'}")


def _age_label(low: float | None, high: float | None) -> str:
    if low is None:
        return f"Onset < {high:g} years"
    return f"Onset ≥ {low:g} years" if high is None else f"Onset {low:g} – < {high:g} years"


def _span(low: float | None, high: float | None) -> dict[str, float]:
    return {name: end for name, end in (("at_least", low), ("below", high)) if end is not None}


def _among(query: Query, offer: Offer) -> dict[str, str]:
    """Conditions that hold for every group that is made on the spot."""
    return {
        column: query.one(f"among_{column}", offer.values[column], "")
        for column in CODED
        if query.states(f"among_{column}")
    }


# variables


def variable_options(offer: Offer, study: Study | None) -> list[Option]:
    own = study.variables if study else {}
    options = [
        Option(name, worded(variable.label), gettext("Variables of the study"))
        for name, variable in own.items()
    ]
    options += [
        Option(f"concept:{c}", m.label, gettext("Measured values")) for c, m in offer.concepts.items()
    ]
    options += [
        Option(f"event:{e}", label, gettext("Signs and events, ever")) for e, label in offer.events.items()
    ]
    return options + [
        Option(f"definition:{d}", label, gettext("Definitions")) for d, label in offer.definitions.items()
    ]


def variable_of(named: str, query: Query, offer: Offer, study: Study | None) -> tuple[str, Variable]:
    """The id and the record of a variable; a measured one as the address says of detection limits."""
    kind, _, name = named.rpartition(":")
    if not kind:
        assert study is not None  # only a study's variables are offered without a kind
        variable = study.variables[name]
    elif kind == "concept":
        measured = offer.concepts[name]
        limits = "bounds" if measured.is_bounded else "exclude"
        variable = Variable(label=measured.label, unit=measured.unit, censored=limits)
    elif kind == "event":
        variable = Variable(label=offer.events[name], source="event", when="ever")
    else:
        variable = Variable(label=offer.definitions[name], source="definition")
    if query.states("limits"):
        limits = query.one("limits", LIMITS, variable.censored)
        variable = variable.model_copy(update={"censored": limits})
    return name, variable


def is_count(variable: Variable) -> bool:
    """Whether the variable is yes or no."""
    return variable.equals is not None or variable.source in ("event", "endpoint", "definition")


# Compare

COMPARE_KEYS = (
    "study", "table", "by", "group", "cut", "variable", "visit", "from", "to", "take", "limits", "transform",
    "summary", "test", "overall", "adjust", "for", "grouped", "of", *(f"among_{column}" for column in CODED),
)  # fmt: skip


def comparison(query: Query, offer: Offer) -> Chosen:
    """One row of a table: a variable compared between groups."""
    study = study_of(query, offer)
    query = query.fresh("for", study.study if study else "", *(k for k in COMPARE_KEYS if k != "study"))
    tables: dict[str, BaselineTable] = {table.table_id: table for table in study.tables} if study else {}
    base = tables[query.one("table", tables, next(iter(tables)))] if tables else None
    groups = grouping(query, offer, study, base.groups if base else [], base.table_id if base else "")
    options = [option.value for option in variable_options(offer, study)]
    if not options:
        raise NotOffered(
            gettext("This release has no values to compare. Add a delivery, then myositis run."), 404
        )
    first = base.rows[0].variable if base else options[0]
    named = query.one("variable", options, first)
    query = query.fresh("of", named, "test", "summary", "overall", "limits", "transform")
    name, variable = variable_of(named, query, offer, study)
    stated = next((r for r in base.rows if r.variable == named), None) if base else None
    if groups.by != BY_STUDY:
        base = None
    row = _row(name, variable, query, stated, len(groups.chosen))
    visit = query.one("visit", offer.visits, base.visit if base else next(iter(offer.visits), "baseline"))
    window = _window(query)
    table: dict[str, Any] = {
        "table_id": base.table_id if base else "1",
        "title": f"{variable.label}, {window.in_words if window else visit.replace('_', ' ')}",
        "visit": visit,
        "window": window,
        "groups": groups.chosen,
        "reference": base.reference if base and base.reference in groups.chosen else groups.chosen[0],
        "adjust": query.one("adjust", get_args(Adjustment), base.adjust if base else "holm"),
        "rows": [row],
    }
    made = _study(
        table["title"], study, groups, {name: variable}, tables=[_given(table)],
        endpoints=_endpoints_of(variable, name, study),
    )  # fmt: skip
    is_stated = (
        base is not None
        and study is not None
        and stated == made.tables[0].rows[0]
        and study.variables.get(named) == variable
        and _same(base, made.tables[0], "groups", "reference", "visit", "window", "adjust")
    )
    return Chosen(made, groups, study.study if is_stated and study else None, base.table_id if base else "")


def _row(
    name: str, variable: Variable, query: Query, stated: TableRow | None, n_groups: int
) -> dict[str, Any]:
    summaries = ("count_percent",) if is_count(variable) else ("median_iqr", "mean_sd")
    if variable.censored == "bounds" and not is_count(variable):
        summaries = ("median_iqr",)
    usual = stated.summary if stated and stated.summary in summaries else summaries[0]
    summary = query.one("summary", summaries, usual)
    fitting = [*tests_of(variable, summary), NO_TEST]
    of_all = [*overall_of(variable, summary, n_groups), NO_TEST]
    test = query.one("test", fitting, stated.test if stated and stated.test in fitting else fitting[0])
    default = stated.overall if stated else (of_all[0] if n_groups > 2 else NO_TEST)
    row: dict[str, Any] = {
        "variable": name,
        "transform": query.one("transform", get_args(Transform), stated.transform if stated else "none"),
        "summary": summary,
        "test": test,
        "overall": query.one("overall", of_all, default if default in of_all else NO_TEST),
    }
    if stated and stated.tests and not query.states("test"):
        row["tests"] = dict(stated.tests)
    return row


USUAL = {MEASUREMENT: "mann_whitney", COUNT: "fisher", BOUNDED: "peto_prentice"}


def tests_of(variable: Variable, summary: str) -> list[str]:
    """The tests of a pair that fit, the usual one first."""
    kind = _kind(variable, summary)
    return _usual_first(statistical_tests(kind, groups=TWO), USUAL[kind])


def overall_of(variable: Variable, summary: str, n_groups: int) -> list[str]:
    """The tests of all groups that fit."""
    kind = _kind(variable, summary)
    if kind == BOUNDED or n_groups < 2:
        return []
    return _usual_first(
        statistical_tests(kind, groups=MANY), "fisher_k" if kind == COUNT else "kruskal_wallis"
    )


def _kind(variable: Variable, summary: str) -> str:
    if summary == "count_percent":
        return COUNT
    return BOUNDED if variable.censored == "bounds" else MEASUREMENT


def _usual_first(tests: Iterable[str], usual: str) -> list[str]:
    return [usual, *(test for test in tests if test != usual)]


def _window(query: Query) -> Window | None:
    if not query.states("from", "to"):
        return None
    low, high = query.number("from", 0.0, -600, 600), query.number("to", 36.0, -600, 600)
    try:
        return Window.model_validate(
            {"from_months": low, "to_months": high, "take": query.one("take", TAKES, "first")}
        )
    except ValidationError as error:
        raise _refusal(error) from None


def _endpoints_of(variable: Variable, name: str, study: Study | None) -> dict[str, Endpoint]:
    """The endpoint that a variable reads."""
    if variable.source != "endpoint" or study is None:
        return {}
    return {variable.of or name: study.endpoints[variable.of or name]}


# Courses

COURSE_KEYS = (
    "study", "model", "by", "group", "cut", "variable", "visit", "limits", "transform", "random", "serial",
    "adjust", "for", "grouped", "of", *(f"among_{column}" for column in CODED),
)  # fmt: skip


def course(query: Query, offer: Offer) -> Chosen:
    """A mixed model of one variable over visits."""
    study = study_of(query, offer)
    query = query.fresh("for", study.study if study else "", *(k for k in COURSE_KEYS if k != "study"))
    models = {model.model_id: model for model in study.mixed_models} if study else {}
    about = query.values.get("variable", ("",))[-1]
    of_it = [model.model_id for model in models.values() if about in ("", model.response)]
    base = models.get(query.one("model", [*models, OWN], next(iter(of_it), OWN)))
    named_model = base.model_id if base else OWN
    if query.states("model"):
        query = query.fresh("of", named_model, "variable", "visit", "limits", "transform", "random", "serial")
    usual: list[str] = base.groups if base else next((m.groups for m in models.values()), [])
    groups = grouping(query, offer, study, usual, named_model)
    options = [option.value for option in measured_options(offer, study)]
    if not options:
        raise NotOffered(
            gettext("This release has no measured values. Add a delivery, then myositis run."), 404
        )
    named = query.one("variable", options, base.response if base else options[0])
    name, variable = variable_of(named, query, offer, study)
    if variable.censored == "bounds":  # a normal model needs a number
        variable = variable.model_copy(update={"censored": "limit"})
    visits = query.several("visit", offer.visits, base.visits if base else list(offer.visits))
    if len(visits) < 2:
        raise NotOffered(gettext("A course needs two visits or more; choose another visit, or open Compare."))
    is_base = base is not None and base.response == named
    spec: dict[str, Any] = {
        "model_id": base.model_id if base else "on_the_spot",
        "title": base.title if base and is_base else f"{variable.label} over visits",
        "response": name,
        "groups": groups.chosen,
        "visits": visits,
        "transform": query.one("transform", get_args(Transform), base.transform if base else "none"),
        "covariates": [c for c in base.covariates] if base and is_base else [],
        "random": query.one("random", ("intercept", "intercept_slope"), base.random if base else "intercept"),
        "serial": query.one("serial", ("none", "ar1", "car1"), base.serial if base else "none"),
        "adjust": query.one("adjust", get_args(Adjustment), base.adjust if base else "holm"),
    }
    for kept in ("slope", "method", "contrasts", "test", "beside"):
        if base:
            spec[kept] = getattr(base, kept)
    if spec["serial"] != "none":
        spec["beside"] = [t for t in spec.get("beside", ["satterthwaite_f"]) if t != "kenward_roger_f"]
        if spec.get("test") == "kenward_roger_f":
            spec["test"] = "satterthwaite_f"
    others = {c: study.variables[c] for c in spec["covariates"]} if study else {}
    made = _study(spec["title"], study, groups, {name: variable, **others}, mixed_models=[spec])
    model = made.mixed_models[0]
    is_stated = (
        base is not None
        and study is not None
        and groups.by == BY_STUDY
        and study.variables.get(named) == variable
        and _same(base, model, *(f for f in MixedModel.model_fields if f != "title"))
    )
    return Chosen(made, groups, study.study if is_stated and study else None, model.model_id)


def measured_options(offer: Offer, study: Study | None) -> list[Option]:
    """Variables with a value at every visit."""
    own = {n: v for n, v in study.variables.items() if v.source in ("observation", "ratio")} if study else {}
    options = [
        Option(name, worded(variable.label), gettext("Variables of the study"))
        for name, variable in own.items()
    ]
    return options + [
        Option(f"concept:{c}", m.label, gettext("Measured values")) for c, m in offer.concepts.items()
    ]


# Time to event

TIME_KEYS = (
    "study", "endpoint", "by", "group", "cut", "event", "competing", "origin", "horizon", "truncation", "strata",
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
    is_base = base is not None and _same(base, Endpoint.model_validate(endpoint), *Endpoint.model_fields)
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
    made = _study(
        spec["title"], study, groups, {}, endpoints={name: endpoint}, survival=[_given(spec)],
        **_models_of(name, endpoint, spec, offer.patients),
    )  # fmt: skip
    is_stated = (
        analysis is not None
        and study is not None
        and is_base
        and groups.by == BY_STUDY
        and _same(analysis, made.survival[0], *SurvivalAnalysis.model_fields)
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
    """A name of its own: the marts hold one time to each name, and the study has its own endpoint."""
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


# what the kinds of questions share


def _study(
    title: str, study: Study | None, groups: Grouping, variables: Mapping[str, Variable], **parts: Any
) -> Study:
    """Raises NotOffered if the choices do not go together."""
    made = {
        "study": STUDY_ID,
        "title": title,
        "groups": groups.groups,
        "one_row_per_person": bool(study and study.one_row_per_person),
        "variables": dict(variables)
        or {
            "age_at_onset": Variable(label="Age at onset", unit="years", source="patient.age_at_onset_years")
        },
        **parts,
    }
    try:
        return Study.model_validate(made)
    except ValidationError as error:
        raise _refusal(error) from None


def _refusal(error: ValidationError) -> NotOffered:
    said = "; ".join(str(fault.get("ctx", {}).get("error", fault["msg"])) for fault in error.errors())
    return NotOffered(gettext("These choices do not go together: %(why)s.", why=said.rstrip(".")))


def _given(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if value is not None}


def _same(one: Any, other: Any, *fields: str) -> bool:
    return all(getattr(one, field) == getattr(other, field) for field in fields)


def _known(name: str, value: str, choices: Sequence[str]) -> str:
    if value in choices:
        return value
    shown = ", ".join(choices[:20])
    if len(choices) > 20:
        shown += gettext(" and %(n)d more", n=len(choices) - 20)
    raise NotOffered(
        gettext(
            '%(name)s: there is no "%(value)s".%(near)s There is: %(choices)s.',
            name=name,
            value=value[:60],
            near=_near(value, choices),
            choices=shown or gettext("nothing"),
        ),
        404,
    )


def _near(value: str, choices: Sequence[str]) -> str:
    near = difflib.get_close_matches(value, choices, n=1)
    return gettext(' Did you mean "%(near)s"?', near=near[0]) if near else ""
