"""What a sender's mapping file may say: which file feeds which entity, column by column, ours: theirs.

Belongs here: the pydantic models of `hospitals/<sender>.yml`. Does not belong here: reading files (`exports/`), loading
them (`raw.py`), interpreting values (dbt).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from orchestration.exports import ReadSpec

ID_PATTERN = r"^[a-z][a-z0-9_]*$"
Id = Annotated[str, Field(pattern=ID_PATTERN)]
OffsetUnit = Literal["minutes", "hours", "days", "weeks", "months", "years"]
Population = Literal["children", "adults", "all"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnSource(Strict):
    """Where one of our fields comes from: a column, the first filled of several, or a constant."""

    column: str | list[str] | None = Field(None, description="Their column; of a list, the first that is filled.")
    constant: str | None = Field(None, description="A text that stands for every row.")
    unit: str | None = Field(None, description="Of a wide value: the unit its column is in.")
    offset_unit: OffsetUnit | None = Field(None, description="Of an offset: what it counts.")

    @model_validator(mode="after")
    def one_source(self) -> ColumnSource:
        if (self.column is None) == (self.constant is None):
            raise ValueError("give either column or constant")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        if self.column is None:
            return ()
        return (self.column,) if isinstance(self.column, str) else tuple(self.column)


def _as_source(value: object) -> object:
    return {"column": value} if isinstance(value, str | list) else value


class Entity(Strict):
    """Fields that every entity may carry."""

    patient_id: ColumnSource | None = None
    visit_id: ColumnSource | None = None
    hospital_id: ColumnSource | None = Field(None, description="A network's export: the column that names the hospital.")

    @field_validator("*", mode="before")
    @classmethod
    def short_form(cls, value: object, info) -> object:
        return value if info.field_name in ("values", "link_by") else _as_source(value)

    @model_validator(mode="after")
    def someone(self) -> Entity:
        if self.patient_id is None and self.visit_id is None:
            raise ValueError("needs patient_id (or visit_id, when visits name the patient)")
        return self

    def fields(self) -> Iterator[tuple[str, ColumnSource]]:
        for name in type(self).model_fields:
            source = getattr(self, name)
            if isinstance(source, ColumnSource):
                yield name, source

    def columns(self) -> Iterator[str]:
        for _, source in self.fields():
            yield from source.columns


class WideEntity(Entity):
    """An entity that may also come one column per concept: ``values`` holds ours: theirs."""

    values: dict[Id, ColumnSource] | None = None

    @field_validator("values", mode="before")
    @classmethod
    def short_values(cls, value: object) -> object:
        return {k: _as_source(v) for k, v in value.items()} if isinstance(value, dict) else value

    def columns(self) -> Iterator[str]:
        yield from super().columns()
        for source in (self.values or {}).values():
            yield from source.columns


class Patients(Entity):
    sex: ColumnSource | None = None
    birth_date: ColumnSource | None = None
    birth_year: ColumnSource | None = None
    onset_date: ColumnSource | None = None
    diagnosis_date: ColumnSource | None = None
    origin_date: ColumnSource | None = Field(None, description="Day 0 of the patient; else the first visit.")
    age_at_onset: ColumnSource | None = Field(None, description="Years.")
    disease_duration: ColumnSource | None = Field(None, description="Months from onset to baseline.")
    diagnosis: ColumnSource | None = None
    link_by: dict[Id, str] = Field(
        default_factory=dict,
        description="Identifiers that tell the same patient at another hospital, kind: column. Mappings that"
        " name a kind alike (`national_id`) are compared by keyed hashes; the identifier itself is dropped.",
    )

    def columns(self) -> Iterator[str]:
        yield from super().columns()
        yield from self.link_by.values()


class Visits(Entity):
    visit_date: ColumnSource | None = None
    visit_offset: ColumnSource | None = None
    visit_end_date: ColumnSource | None = None
    visit_end_offset: ColumnSource | None = None
    visit_label: ColumnSource | None = None


class Observations(WideEntity):
    observed_on: ColumnSource | None = None
    observed_offset: ColumnSource | None = None
    concept: ColumnSource | None = None
    value: ColumnSource | None = None
    unit: ColumnSource | None = None
    unit_2: ColumnSource | None = Field(None, description="A second unit column; a disagreement is flagged.")
    reference_range: ColumnSource | None = None

    @model_validator(mode="after")
    def long_or_wide(self) -> Observations:
        long = self.concept is not None and self.value is not None
        if long == bool(self.values):
            raise ValueError("give concept and value (one row per result), or values (one column per test)")
        return self


class Antibodies(WideEntity):
    tested_on: ColumnSource | None = None
    tested_offset: ColumnSource | None = None
    antibody: ColumnSource | None = None
    result: ColumnSource | None = None
    assay: ColumnSource | None = None
    cut_off: ColumnSource | None = None

    @model_validator(mode="after")
    def long_or_wide(self) -> Antibodies:
        long = self.antibody is not None and self.result is not None
        if long == bool(self.values):
            raise ValueError("give antibody and result (one row per test), or values (one column per antibody)")
        return self


class Events(WideEntity):
    event_date: ColumnSource | None = None
    event_offset: ColumnSource | None = None
    event: ColumnSource | None = None
    status: ColumnSource | None = Field(None, description="Yes or no; without it, a row says yes.")
    detail: ColumnSource | None = None

    @model_validator(mode="after")
    def long_or_wide(self) -> Events:
        if (self.event is not None) == bool(self.values):
            raise ValueError("give event (one row per event), or values (one column per event)")
        return self


class Treatments(Entity):
    treatment: ColumnSource
    start_date: ColumnSource | None = None
    start_offset: ColumnSource | None = None
    stop_date: ColumnSource | None = None
    stop_offset: ColumnSource | None = None
    dose: ColumnSource | None = None
    dose_unit: ColumnSource | None = None


class FollowUp(Entity):
    last_seen_date: ColumnSource | None = None
    last_seen_offset: ColumnSource | None = None
    status: ColumnSource | None = None
    reason: ColumnSource | None = None


ENTITIES: dict[str, type[Entity]] = {
    "patients": Patients,
    "visits": Visits,
    "observations": Observations,
    "antibodies": Antibodies,
    "events": Events,
    "treatments": Treatments,
    "follow_up": FollowUp,
}


class Export(ReadSpec):
    """One table of a delivery: a file (and sheet) and the entities that its rows feed."""

    file: str = Field(description="Name or pattern (`labs_*.csv`) inside the delivery folder.")
    optional: bool = Field(False, description="A delivery may come without it.")
    identifiers: list[str] = Field(default_factory=list, description="Columns that never pass ingestion.")
    ignored: list[str] = Field(default_factory=list, description="Columns that are known and not wanted.")
    dates: list[str] | None = Field(None, description="Date formats of this table, instead of the file's `dates`.")
    patients: Patients | None = None
    visits: Visits | None = None
    observations: Observations | None = None
    antibodies: Antibodies | None = None
    events: Events | None = None
    treatments: Treatments | None = None
    follow_up: FollowUp | None = None

    def entities(self) -> Iterator[tuple[str, Entity]]:
        for name in ENTITIES:
            entity = getattr(self, name)
            if entity is not None:
                yield name, entity

    @model_validator(mode="after")
    def accounts(self) -> Export:
        if not any(True for _ in self.entities()) and not self.ignored == ["*"]:
            raise ValueError(f"feeds no entity; name at least one of {', '.join(ENTITIES)}, or ignored: ['*']")
        mapped = {c for _, e in self.entities() for c in e.columns()}
        both = sorted(mapped & set(self.identifiers))
        allowed = {c for _, e in self.entities() for s in (e.patient_id, e.visit_id) if s for c in s.columns}
        linked = set(self.patients.link_by.values()) if self.patients else set()
        if leaked := [c for c in both if c not in allowed | linked]:
            raise ValueError(
                "identifiers may feed only patient_id, visit_id and link_by; also mapped: "
                + ", ".join(leaked)
            )
        if loose := sorted(linked - set(self.identifiers)):
            raise ValueError(
                "a column of link_by is an identifier; list it under identifiers too: " + ", ".join(loose)
            )
        return self


class HospitalEntry(Strict):
    name: str
    population: Population = "all"


class Codes(Strict):
    """A sender's own words, theirs: ours. What is absent here is looked up in the shipped catalogue."""

    concepts: dict[str, Id | None] = Field(default_factory=dict, description="null: known and not wanted.")
    units: dict[str, str] = Field(default_factory=dict, description="their spelling: UCUM")
    antibodies: dict[str, Id | None] = Field(default_factory=dict)
    events: dict[str, Id | None] = Field(default_factory=dict)
    treatments: dict[str, Id | None] = Field(default_factory=dict)
    assays: dict[str, Id] = Field(default_factory=dict)
    sex: dict[str, Literal["female", "male", "unknown"]] = Field(default_factory=dict)
    event_status: dict[str, Literal["present", "absent", "unknown"]] = Field(default_factory=dict)
    follow_up_status: dict[str, Literal["followed", "lost", "died", "transferred", "unknown"]] = Field(
        default_factory=dict
    )


class Mapping(Strict):
    """hospitals/<sender>.yml"""

    sender: Id
    name: str
    population: Population = "all"
    hospitals: dict[str, HospitalEntry] | None = Field(
        None, description="A network's hospitals, by the code in its hospital_id column; others get the code as name."
    )
    kind: Literal["incremental", "full"] = Field(
        "incremental", description="full: a delivery replaces all that this sender sent before."
    )
    dates: list[str] = Field(default_factory=lambda: ["%Y-%m-%d"], description="Date formats, strptime.")
    two_digit_year_pivot: int | None = Field(None, ge=0, le=99)
    missing: list[str] = Field(default_factory=list, description="Texts that mean: not known.")
    decimal: Literal[".", ","] = "."
    unlisted_events: Literal["unknown", "absent"] = Field(
        "unknown", description="What it means when no row names an event."
    )
    rejected_rows_allowed: float = Field(
        0.05, ge=0, le=1, description="Share of a table's rows that may be rejected before the delivery is refused."
    )
    codes: Codes = Field(default_factory=Codes)
    exports: list[Export] = Field(min_length=1)

    @field_validator("dates")
    @classmethod
    def formats(cls, value: list[str]) -> list[str]:
        for text in value:
            if text not in ("excel", "japanese_era") and not re.search(r"%[YymdBbjH]", text):
                raise ValueError(f'"{text}" is no date format; write it with %Y, %m, %d, for example %d/%m/%Y')
        return value

    @property
    def is_network(self) -> bool:
        return any(e.hospital_id is not None for x in self.exports for _, e in x.entities())

    def export_id(self, export: Export) -> str:
        return f"{self.sender}/{self.exports.index(export) + 1}"
