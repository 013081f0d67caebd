"""From an address to a study: the choices that the question pages share, as the record of a study file.

Belongs here: the groups and variables that somebody can choose, and the study that answers the choices. Does
not belong here: reading an address (`address.py`), the choices of one page (`compare_choices.py`,
`course_choices.py`, `time_choices.py`), what a release offers (`offered.py`), computing
(`results/on_the_spot.py`), the pages.

When a study file of the release already asks the same, the choice is `stated`, and the page reads its numbers
from the results. Any other choice is exploratory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from analytics.study.file import Study
from analytics.study.groups_and_variables import Group, Variable
from orchestration.pages.address import NotOffered, Query
from orchestration.pages.language import gettext
from orchestration.pages.offered import CODED, Offer, slug
from orchestration.pages.words import worded

MOST_GROUPS = 8
BY_STUDY = "study"
OWN = "own"  # a model or an endpoint that the study does not state
STUDY_ID = "exploratory"
LIMITS = ("exclude", "limit", "half_limit", "bounds")


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
    """The study that answers the choices. ``stated`` names the part of a study that the choices began with;
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
        f"# Chosen on the pages of release {release_id}. To make it a study of the registry: write this "
        "file to\n"
        f"# studies/{study.study}.yml, give it a name and a title of its own, then myositis check and "
        "myositis run.\n"
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
    """The groups that the address asks for; ``default`` are the groups of the study's part ``of_part`` that
    the address asks about.
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
        raise NotOffered(
            gettext("No patient of this release belongs to such a group. Choose other groups."), 404
        )
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
    """The id and the record of a variable; detection limits are treated as the address says."""
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


# the study that answers them


def study_with(
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
        raise refusal_of(error) from None


def refusal_of(error: ValidationError) -> NotOffered:
    said = "; ".join(str(fault.get("ctx", {}).get("error", fault["msg"])) for fault in error.errors())
    return NotOffered(gettext("These choices do not go together: %(why)s.", why=said.rstrip(".")))


def given(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if value is not None}


def is_same(one: Any, other: Any, *fields: str) -> bool:
    return all(getattr(one, field) == getattr(other, field) for field in fields)
