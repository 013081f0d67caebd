"""What a manuscript says that results do not hold: hospitals, dates, sources of variables, the R script.

Belongs here: reading the registry's files and the release for it. Does not belong here: numbers of patients,
which come from results alone, what is said in which table (`contents.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from analytics.printed.codebook_table import Origin
from analytics.study.file import Study
from analytics.study.groups_and_variables import Variable
from orchestration.registry import catalogue
from orchestration.registry.entities import ColumnSource, Events, Observations
from orchestration.registry.folder import Registry
from orchestration.registry.mapping import Export
from orchestration.registry.mapping import Mapping as HospitalMapping

if TYPE_CHECKING:
    from analytics.study.cohort import Cohort

MOST_NAMED = 3  # words of a hospital for one concept
PATIENT_FIELDS = {  # a patient's column of ours: the fields of a mapping that it is made from
    "sex": ("sex",),
    "age_at_onset_years": ("age_at_onset", "birth_date", "birth_year", "onset_date"),
    "disease_duration_months": ("disease_duration", "onset_date", "origin_date"),
    "onset_group": ("age_at_onset", "birth_date", "birth_year", "onset_date"),
}


class StudyChanged(ValueError):
    """The study file is not the one that the release was computed from."""


@dataclass(frozen=True)
class Facts:
    """What the registry knows of a study beside its results."""

    hospitals: tuple[str, ...]  # that the study's patients come from
    registry_hospitals: tuple[str, ...]  # of the release: they tell of no patient of the study
    eligibility: Mapping[str, str]
    period: str  # exact days, for inside the house
    months: str  # the same by month
    origins: Mapping[str, Origin]
    replay: str  # the R script; it holds no number of a patient
    study_file: str
    study_sha256: str


def facts_of(registry: Registry, release: Path, study: Study) -> Facts:
    """Raises StudyChanged when the release's results are of another study file."""
    from analytics.replay_r import SCRIPT, replay
    from analytics.study.cohort import build_cohort
    from orchestration.report.replay import read_for_replay

    path = registry.folder / "studies" / f"{study.study}.yml"
    identity, frames, results = read_for_replay(release, study.study)
    cohort = build_cohort(study, frames)
    try:
        script = replay(cohort, results, identity)[SCRIPT]
    except ValueError as fault:
        raise StudyChanged(str(fault)) from fault
    days = _days(cohort)
    names = cohort.hospital_names
    there = sorted(set(cohort.members["hospital_id"]))
    return Facts(
        hospitals=tuple(names.get(h, h) for h in there),
        registry_hospitals=tuple(names.get(h, h) for h in sorted(frames["dim_hospital"]["hospital_id"])),
        eligibility=dict(_eligibility(study)),
        period=_period(days, lambda d: d.isoformat()),
        months=_period(days, lambda d: d.strftime("%Y-%m")),
        origins={name: _origin(registry, study, name, v) for name, v in study.variables.items()},
        replay=str(script),
        study_file=f"studies/{path.name}",
        study_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def _eligibility(study: Study) -> Iterator[tuple[str, str]]:
    for group in study.groups.values():
        conditions = (
            f"{column.replace('_', ' ')} {' or '.join([wanted] if isinstance(wanted, str) else wanted)}"
            for column, wanted in group.where.items()
        )
        yield group.label, ", ".join(conditions)


def _days(cohort: Cohort) -> tuple[date, date, date] | None:
    """The first and the last visit at baseline, and the last day on which anybody was seen."""
    import pandas as pd

    keys = ["hospital_id", "patient_key"]
    members = cohort.members[keys]
    visits = members.merge(cohort.frames["fct_visit"], on=keys)
    seen = members.merge(cohort.frames["fct_follow_up"], on=keys)
    first = pd.to_datetime(visits.loc[visits["nominal_month"] == 0, "visit_date"]).dropna()
    last = pd.to_datetime(pd.concat([visits["visit_date"], seen["last_seen_date"]])).dropna()
    if first.empty:
        return None
    return first.min().date(), first.max().date(), last.max().date()


def _period(days: tuple[date, date, date] | None, told: Callable[[date], str]) -> str:
    if days is None:
        return ""
    first, last, seen = map(told, days)
    return f"patients came between {first} and {last} and were seen until {seen}"


def _origin(registry: Registry, study: Study, name: str, variable: Variable) -> Origin:
    """Where a variable comes from, hospital by hospital."""
    of = variable.of or name
    kind, _, column = variable.source.partition(".")
    if variable.source == "observation":
        return Origin("result", _concept(of), _columns(registry, lambda e, m: _results(e, m, of)))
    if variable.source == "ratio":
        parts = [str(variable.numerator), str(variable.denominator)]
        return Origin(
            "ratio of results",
            " / ".join(map(_concept, parts)),
            _columns(registry, lambda e, m: [t for p in parts for t in _results(e, m, p)]),
        )
    if variable.source == "event":
        return Origin("event", of, _columns(registry, lambda e, m: _events(e, m, [of])))
    if variable.source == "endpoint":
        events = study.endpoints[of].events if of in study.endpoints else [of]
        said = f"{of}: {', '.join(events)}"
        return Origin("endpoint", said, _columns(registry, lambda e, m: _events(e, m, events)))
    if kind == "patient":
        value = f" = {variable.equals}" if variable.equals else ""
        return Origin("patient", column + value, _columns(registry, lambda e, _: _patient(e, column)))
    return Origin("definition", of, {})


def _concept(concept: str) -> str:
    found = catalogue.concepts().get(concept)
    return f"{concept} ({found['concept_name']})" if found else concept


def _columns(
    registry: Registry, columns_in: Callable[[Export, HospitalMapping], list[str]]
) -> dict[str, str]:
    """By the sender's name: file and columns, each once."""
    found: dict[str, str] = {}
    for mapping in registry.mappings.values():
        told = [
            f"{_place(export)}: {text}" for export in mapping.exports for text in columns_in(export, mapping)
        ]
        found[mapping.name] = "; ".join(dict.fromkeys(told))
    return found


def _place(export: Export) -> str:
    return f"{export.file} › {export.sheet}" if export.sheet else export.file


def _results(export: Export, mapping: HospitalMapping, concept: str) -> list[str]:
    return _named(export.observations, "concepts", "concept", "value", mapping.codes.concepts, [concept])


def _events(export: Export, mapping: HospitalMapping, events: list[str]) -> list[str]:
    return _named(export.events, "events", "event", "status", mapping.codes.events, events)


def _named(
    entity: Observations | Events | None,
    kind: str,
    name_field: str,
    value_field: str,
    own_words: Mapping[str, str | None],
    wanted: list[str],
) -> list[str]:
    """A wide table's column, or of a long one the column of values where the column of names says so."""
    if entity is None:
        return []
    if entity.values:
        return [
            _told(source)
            for key, source in entity.values.items()
            if key in wanted or catalogue.names(kind).get(catalogue.normal(key)) in wanted
        ]
    named, value = getattr(entity, name_field), getattr(entity, value_field)
    if named is None:
        return []
    words = [word for word, ours in own_words.items() if ours in wanted][:MOST_NAMED]
    says = " or ".join(f'"{word}"' for word in words) if words else "one of the catalogue's names"
    return [f"{_told(value) + ' where ' if value is not None else ''}{_told(named)} is {says}"]


def _patient(export: Export, column: str) -> list[str]:
    if export.patients is None:
        return []
    fields = PATIENT_FIELDS.get(column, (column,))
    found = [getattr(export.patients, field, None) for field in fields]
    told = [_told(source) for source in found if source is not None]
    return [", ".join(told)] if told else []


def _told(source: ColumnSource) -> str:
    return " or ".join(source.columns) or f'always "{source.constant}"'
