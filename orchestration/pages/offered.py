"""What a release offers to ask about: groups, variables, visits, events, each with a name for readers.

Belongs here: reading names and values of a release. Does not belong here: what an address asks for
(`chosen.py`), patients' values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from analytics.study.file import Study
from analytics.words.wording import opened
from orchestration.pages.language import marked

Rows = Callable[[str], list[tuple[Any, ...]]]
CODED = {
    "msa": marked("Antibody"),
    "onset_group": marked("Age at onset"),
    "sex": marked("Sex"),
    "hospital_id": marked("Hospital"),
}


@dataclass(frozen=True)
class Measured:
    """A concept that the release has values of."""

    label: str
    unit: str
    is_bounded: bool  # whether some value lies beyond a detection limit


@dataclass(frozen=True)
class Offer:
    """All ids are in the order in which they are shown."""

    release_id: str
    studies: Mapping[str, Study]
    visits: Mapping[str, float]  # nominal months
    values: Mapping[str, Mapping[str, str]]  # of each coded column, its values and their labels
    concepts: Mapping[str, Measured]
    events: Mapping[str, str]
    outcomes: Mapping[str, str]  # events that happen on a day: what an endpoint can be made of
    definitions: Mapping[str, str]
    patients: int = 0


def offer_of(rows: Rows, studies: Mapping[str, Study]) -> Offer:
    """``rows`` answers a query on the release; ``studies`` are the registry's."""
    hospitals: dict[str, str] = dict(
        rows("select hospital_id, hospital_name from release.dim_hospital order by 1")
    )
    values = {column: _labels(column, _values(rows, column), hospitals) for column in CODED}
    held = {study for (study,) in rows("select distinct study_id from results.study")}
    events = rows(
        "select event_id, any_value(category) as category, count(*) filter (where status = 'present' and"
        " time_days is not null) as dated from release.fct_event join release.event_types using (event_id)"
        " group by event_id order by event_id"
    )
    return Offer(
        release_id=rows("select release_id from release.release_info")[0][0],
        studies={name: study for name, study in studies.items() if name in held},
        visits=dict(rows("select scheduled_visit, nominal_month from release.visit_schedule order by 2")),
        values=values,
        concepts={
            concept: Measured(label or opened(concept), unit or "", bool(bounded))
            for concept, label, unit, bounded in rows(
                "select concept_id, any_value(concept_name), any_value(c.unit_canonical),"
                " count(comparator) > 0 from release.fct_observation join release.dim_concept as c"
                " using (concept_id) where value_canonical is not null or comparator is not null"
                " group by concept_id order by concept_id"
            )
        },
        events={event: opened(event) for event, _, _ in events},
        outcomes={event: opened(event) for event, _, dated in events if dated},
        definitions=dict(
            rows("select definition_id, definition_name from release.dim_definition order by definition_id")
        ),
        patients=rows("select count(*) from release.dim_patient")[0][0],
    )


def slug(text: str) -> str:
    """An id that a study file takes."""
    found = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return found if found[:1].isalpha() else f"g_{found}"


def _values(rows: Rows, column: str) -> list[str]:
    table = "dim_antibody_status" if column == "msa" else "dim_patient"
    return [
        value
        for value, _ in rows(
            f"select {column}, count(*) from release.{table} where {column} is not null"
            " group by 1 order by 2 desc, 1"
        )
    ]


def _labels(column: str, values: list[str], hospitals: Mapping[str, str]) -> dict[str, str]:
    if column == "hospital_id":
        return {value: hospitals.get(value) or value for value in values}
    if column == "msa":
        return {value: value if value != "negative" else "No specific antibody" for value in values}
    return {value: opened(value) for value in values}
