"""What a sender's mapping file may say: which file feeds which entity, column by column, ours: theirs.

Belongs here: the pydantic models of `hospitals/<sender>.yml`. Does not belong here: reading files (`exports/`), loading
them (`raw.py`), interpreting values (dbt).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from orchestration.exports import ReadSpec

ASKED = "?"  # what a draft writes for a column that a person must name
ID_PATTERN = r"^[a-z][a-z0-9_]*$"
Id = Annotated[str, Field(pattern=ID_PATTERN)]
OffsetUnit = Literal["minutes", "hours", "days", "weeks", "months", "years"]
Population = Literal["children", "adults", "all"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(Strict):
    """What a cell must hold: one of some texts, or none of them; null is a blank cell."""

    texts: tuple[str | None, ...]
    is_negated: bool = False

    @model_validator(mode="before")
    @classmethod
    def short_form(cls, value: object) -> object:
        negated = isinstance(value, dict) and set(value) == {"not"}
        texts = value["not"] if negated else value
        texts = texts if isinstance(texts, list) else [texts]
        if not texts or not all(t is None or isinstance(t, str) for t in texts):
            raise ValueError(
                'give a text, null for a blank cell, a list of these, or {not: …} with one of them; put numbers in quotes: "1"'
            )
        return {"texts": tuple(texts), "is_negated": negated}


_TEXTS = {"anyOf": [{"type": ["string", "null"]}, {"type": "array", "items": {"type": ["string", "null"]}}]}
_CONDITION_SCHEMA = {
    "anyOf": [*_TEXTS["anyOf"], {"type": "object", "properties": {"not": _TEXTS}, "required": ["not"],
                                 "additionalProperties": False}]
}
_WHERE_SCHEMA = {"type": "object", "additionalProperties": _CONDITION_SCHEMA}
Where = dict[str, Annotated[Condition, WithJsonSchema(_CONDITION_SCHEMA)]]


FORMAT_NAMES = ("excel", "excel_1904", "japanese_era")
DIRECTIVES = "YymdjbBHIMSfpz"


def _date_formats(value: list[str] | None) -> list[str] | None:
    """The formats, or ValueError for the first that cannot be read."""
    for text in value or []:
        if text in FORMAT_NAMES:
            continue
        found = re.findall(r"%-?(.?)", text)
        if unknown := [d for d in found if d not in (*DIRECTIVES, "%")]:
            raise ValueError(f'"{text}": no %{unknown[0]} in a date format; known: {" ".join("%" + d for d in DIRECTIVES)}')
        if not {"Y", "y"} & set(found):
            raise ValueError(
                f'"{text}" is no date format: it has no year; write it with %Y, %m, %d, for example %d/%m/%Y,'
                f" or name one of {', '.join(FORMAT_NAMES)}"
            )
    return value


DateFormats = Annotated[list[str], AfterValidator(_date_formats)]


def _kind_of_source(value: object) -> str | None:
    return {str: "str", list: "list", dict: "ColumnSource", ColumnSource: "ColumnSource"}.get(type(value))


NO_SOURCE = "give a column's name (a number in quotes), a list of columns, or {column: …, …}"
_CHOICE = Discriminator(_kind_of_source, custom_error_type="no_source", custom_error_message=NO_SOURCE)
Alternative = Annotated[Annotated[str, Tag("str")] | Annotated["ColumnSource", Tag("ColumnSource")], _CHOICE]


class ColumnSource(Strict):
    """Where one of our fields comes from: a column, the first filled of several, or a constant."""

    column: Annotated[Annotated[str, Tag("str")] | Annotated[list[Alternative], Tag("list")], _CHOICE] | None = Field(
        None, description="Their column; of a list, the first that is filled."
    )
    constant: str | None = Field(None, description="A text that stands for every row.")
    unit: str | None = Field(None, description="Of a wide value: the unit its column is in.")
    offset_unit: OffsetUnit | None = Field(None, description="Of an offset: what it counts.")
    part: str | None = Field(
        None, description="A regular expression with one group, which is taken; a text that it does not fit stays whole."
    )
    when: Where = Field(default_factory=dict, description="Only of rows in which these columns hold these texts.")
    dates: DateFormats | None = Field(None, description="Of a date: its formats, instead of the export's `dates`.")
    missing: list[str] = Field(default_factory=list, description="Texts of this column that mean: not known.")

    @model_validator(mode="before")
    @classmethod
    def short_form(cls, value: object) -> object:
        if (kind := _kind_of_source(value)) is None:
            raise ValueError(NO_SOURCE)
        return value if kind == "ColumnSource" else {"column": value}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        whole = handler(core_schema)
        return {"anyOf": [*whole["properties"]["column"]["anyOf"][0]["oneOf"], whole]}

    @model_validator(mode="after")
    def one_source(self) -> ColumnSource:
        if (self.column is None) == (self.constant is None):
            raise ValueError("give either column or constant")
        if any(not isinstance(a, str) and (a.dates is not None or a.missing) for a in self.alternatives):
            raise ValueError("dates and missing are of the field; write them beside its list of columns, not inside")
        return self

    @field_validator("part")
    @classmethod
    def one_group(cls, value: str | None) -> str | None:
        try:
            groups = 1 if value is None else re.compile(value).groups
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        if groups != 1 or re.search(r"\(\?<?[=!]|\\[1-9]", value or ""):
            raise ValueError('give a regular expression with one group in parentheses, as "Patient/([^/]+)", without look-around')
        return value

    @property
    def alternatives(self) -> tuple[str | ColumnSource, ...]:
        if self.column is None:
            return ()
        return (self.column,) if isinstance(self.column, str) else tuple(self.column)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it takes texts from."""
        return tuple(c for a in self.alternatives for c in ((a,) if isinstance(a, str) else a.columns))

    @property
    def columns_asked(self) -> tuple[str, ...]:
        """The columns that ``when`` looks at."""
        inner = (c for a in self.alternatives if not isinstance(a, str) for c in a.columns_asked)
        return tuple(dict.fromkeys([*self.when, *inner]))


def is_named(column: str, names: list[str], columns: Collection[str]) -> bool:
    """Whether ``names`` (columns, or patterns in which ``*`` stands for any text) name ``column``.

    A name that is the name of a column means that column alone, stars and all.
    """
    return column in names or any(
        "*" in name and name not in columns and re.fullmatch(re.escape(name).replace(r"\*", ".*"), column, re.DOTALL)
        for name in names
    )


def is_date(field: str) -> bool:
    return field.endswith(("_date", "_on"))


class Entity(Strict):
    """Fields that every entity may carry."""

    patient_id: ColumnSource | None = None
    visit_id: ColumnSource | None = None
    hospital_id: ColumnSource | None = Field(None, description="A network's export: the column that names the hospital.")

    @model_validator(mode="after")
    def someone(self) -> Entity:
        if self.patient_id is None and self.visit_id is None:
            raise ValueError("needs patient_id (or visit_id, when visits name the patient)")
        return self

    @model_validator(mode="after")
    def formats_of_dates(self) -> Entity:
        for name, source in [*self.fields(), *(getattr(self, "values", None) or {}).items()]:
            if source.dates is not None and not is_date(name):
                raise ValueError(f"{name} is no date; dates belong to fields such as visit_date or observed_on")
        return self

    def fields(self) -> Iterator[tuple[str, ColumnSource]]:
        for name in type(self).model_fields:
            source = getattr(self, name)
            if isinstance(source, ColumnSource):
                yield name, source

    def sources(self) -> Iterator[tuple[tuple[str, ...], ColumnSource]]:
        """Each source with the key under which it stands."""
        for name, source in self.fields():
            yield (name,), source

    def columns(self) -> Iterator[str]:
        for _, source in self.sources():
            yield from source.columns
            yield from source.columns_asked


class WideEntity(Entity):
    """An entity that may also come one column per concept: ``values`` holds ours: theirs."""

    values: dict[Id, ColumnSource] | None = None

    def sources(self) -> Iterator[tuple[tuple[str, ...], ColumnSource]]:
        yield from super().sources()
        for name, source in (self.values or {}).items():
            yield ("values", name), source


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
    comparator: ColumnSource | None = Field(
        None, description="Their column of `<` or `>`, where it stands apart from the value."
    )
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

# where the fields lie in schema raw; of a wide row, the name and the content of a cell
RAW_NAMES = {
    "concept": "concept_source", "value": "value_text", "unit": "unit_source", "unit_2": "unit_source_2",
    "antibody": "antibody_source", "result": "result_text", "assay": "assay_source", "event": "event_source",
    "status": "status_text", "treatment": "treatment_source", "patient_id": "patient_key", "visit_id": "visit_key",
    "comparator": "comparator_source",
}
WIDE_NAMES = {
    "observations": ("concept_source", "value_text"),
    "antibodies": ("antibody_source", "result_text"),
    "events": ("event_source", "status_text"),
}


class CodeList(Strict):
    """A file of the delivery that says what the codes of other files mean: one row per code, or one per field."""

    file: str = Field(description="Name or pattern inside the delivery folder; a delivery may come without it.")
    code: str | None = Field(None, description="One row per code: its column of codes …")
    label: str | None = Field(None, description="… and its column of what they mean.")
    columns: list[str] = Field(default_factory=list, description="One row per code: the columns that hold such codes.")
    field: str | None = Field(None, description="One row per field (REDCap's data dictionary): its column of field names …")
    choices: str | None = Field(None, description="… and its column of choices, `1, Yes | 2, No`.")

    @model_validator(mode="after")
    def one_shape(self) -> CodeList:
        by_code = (self.code is not None, self.label is not None, bool(self.columns))
        by_field = (self.field is not None, self.choices is not None)
        if not ((all(by_code) and not any(by_field)) or (all(by_field) and not any(by_code))):
            raise ValueError("give code, label and columns (one row per code), or field and choices (one row per field)")
        return self


class Export(ReadSpec):
    """One table of a delivery: a file (and sheet) and the entities that its rows feed."""

    name: Id | None = Field(None, description="What another mapping calls it: `like: labs`.")
    like: Id | None = Field(None, description="An export of the mapping that this one is like; what stands here goes before.")
    file: str = Field(description="Name or pattern (`labs_*.csv`) inside the delivery folder.")
    optional: bool = Field(False, description="A delivery may come without it.")
    where: Annotated[list[Where], WithJsonSchema({"anyOf": [_WHERE_SCHEMA, {"type": "array", "items": _WHERE_SCHEMA}]})] = Field(
        default_factory=list,
        description="The rows that it takes: those whose columns hold these texts; of a list of such, any.",
    )
    identifiers: list[str] = Field(
        default_factory=list, description="Columns that never pass ingestion; `*` stands for any text."
    )
    ignored: list[str] = Field(
        default_factory=list, description="Columns that are known and not wanted; `*` stands for any text."
    )
    undecided: list[str] = Field(
        default_factory=list, description="Columns of a draft that nobody has decided yet; until then no delivery is taken."
    )
    optional_columns: list[str] = Field(
        default_factory=list, description="Mapped columns that may be absent, and then count as blank; `*` stands for any text."
    )
    code_lists: list[CodeList] = Field(
        default_factory=list, description="Files that say what codes mean; the meaning takes the code's place."
    )
    dates: DateFormats | None = Field(None, description="Date formats of this table, instead of the file's `dates`.")
    decimal: Literal[".", ","] | None = Field(None, description="Decimal mark of this table, instead of the file's.")
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

    @property
    def is_ignored(self) -> bool:
        """Rows that are known and not wanted."""
        return not any(True for _ in self.entities())

    def columns_asked(self) -> Iterator[str]:
        for alternative in self.where:
            yield from alternative

    @field_validator("where", mode="before")
    @classmethod
    def one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, dict) else value

    @model_validator(mode="after")
    def accounts(self) -> Export:
        if not any(True for _ in self.entities()) and not self.ignored == ["*"] and not self.undecided:
            raise ValueError(f"feeds no entity; name at least one of {', '.join(ENTITIES)}, or ignored: ['*']")
        mapped = {c for _, e in self.entities() for c in e.columns()}
        both = sorted(c for c in mapped if is_named(c, self.identifiers, mapped))
        allowed = {c for _, e in self.entities() for s in (e.patient_id, e.visit_id) if s for c in s.columns}
        linked = set(self.patients.link_by.values()) if self.patients else set()
        if leaked := [c for c in both if c not in allowed | linked]:
            raise ValueError(
                "identifiers may feed only patient_id, visit_id and link_by; also mapped: "
                + ", ".join(leaked)
            )
        if loose := sorted(c for c in linked if not is_named(c, self.identifiers, mapped)):
            raise ValueError(
                "a column of link_by is an identifier; list it under identifiers too: " + ", ".join(loose)
            )
        return self


class HospitalEntry(Strict):
    name: str
    population: Population = "all"


class Codes(Strict):
    """A sender's own words, theirs: ours. What is absent here is looked up in the shipped catalogue."""

    concepts: dict[str, Id | None] = Field(
        default_factory=dict,
        description="null: known and not wanted. `\"*\": null`: nor is any other name that the catalogue does not know.",
    )
    results: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description="By test (their name; of a wide table our concept; `*` for any) their text: what it means, which is"
        " a number, a limit such as `<0.5`, a grade such as `2+`, or a code such as `positive`.",
    )
    missing: dict[str, list[str]] = Field(
        default_factory=dict, description="By test (as under results) the texts that mean: not known, such as -1."
    )
    units: dict[str, str] = Field(default_factory=dict, description="their spelling: UCUM")
    antibodies: dict[str, Id | None] = Field(default_factory=dict)
    events: dict[str, Id | None] = Field(default_factory=dict)
    treatments: dict[str, Id | None] = Field(default_factory=dict)
    assays: dict[str, Id] = Field(default_factory=dict)
    sex: dict[str, Literal["female", "male", "unknown"]] = Field(default_factory=dict)
    comparators: dict[str, Literal["<", "<=", "=", ">=", ">"]] = Field(default_factory=dict)
    event_status: dict[str, Literal["present", "absent", "unknown"]] = Field(default_factory=dict)
    follow_up_status: dict[str, Literal["followed", "lost", "died", "transferred", "unknown"]] = Field(
        default_factory=dict
    )

    @field_validator("*")
    @classmethod
    def any_other(cls, value: dict, info) -> dict:
        if info.field_name not in ("results", "missing") and value.get("*") is not None:
            raise ValueError('"*" is any name that nobody knows; it can only be null (not wanted)')
        return value


class ChangesAllowed(Strict):
    """How much of what a sender said before a delivery may change: of each test, antibody, event or treatment, and of each
    other table, a share of the rows known."""

    changed: float = Field(0.02, ge=0, le=1, description="Share of the known rows that may say something else.")
    gone: float = Field(0.02, ge=0, le=1, description="Share of the known rows that may be missing, where all are to be sent.")
    rows: int = Field(5, ge=0, description="So many rows may always change or go.")

    def sentence(self, what: Literal["changed", "gone"], known: int) -> str:
        share = getattr(self, what)
        return f"{max(self.rows, int(share * known)):,} ({share:.1%} of the known rows, or {self.rows} rows where that is more)"


class Mapping(Strict):
    """hospitals/<sender>.yml"""

    sender: Id
    name: str
    like: Id | None = Field(
        None, description="Another hospital, or redcap, fhir_r4, fhir_r4_bundle, omop_cdm_5_4: its mapping holds where this one is silent."
    )
    population: Population = "all"
    hospitals: dict[str, HospitalEntry] | None = Field(
        None, description="A network's hospitals, by the code in its hospital_id column; others get the code as name."
    )
    expected_every: str | None = Field(
        None, pattern=r"^[1-9]\d* (day|week|month|year)s?$", description="A delivery is due so long after the last one."
    )
    kind: Literal["incremental", "full"] = Field(
        "incremental", description="full: a delivery replaces all that this sender sent before."
    )
    dates: DateFormats = Field(
        default_factory=lambda: ["%Y-%m-%d"],
        description=f"Date formats, strptime, or {', '.join(FORMAT_NAMES)}. One without a day (`%Y-%m`) reads partial dates.",
    )
    two_digit_year_pivot: int | None = Field(
        None, ge=0, le=99, description="Of `%y`: the last year of this century; 30 makes 30 2030 and 31 1931."
    )
    missing: list[str] = Field(default_factory=list, description="Texts that mean: not known.")
    decimal: Literal[".", ","] | None = Field(
        None, description="Decimal mark. Without it 1.5 is read, and 1,234, which may be either, is not."
    )
    unlisted_events: Literal["unknown", "absent"] = Field(
        "unknown", description="What it means when no row names an event."
    )
    rejected_rows_allowed: float = Field(
        0.05, ge=0, le=1, description="Share of a table's rows that may be rejected before the delivery is refused."
    )
    changes_allowed: ChangesAllowed = Field(
        default_factory=ChangesAllowed, description="How much of what is known a delivery may change before it is refused."
    )
    codes: Codes = Field(default_factory=Codes)
    exports: list[Export] = Field(min_length=1)

    @model_validator(mode="after")
    def pivot_stated(self) -> Mapping:
        two_digit = [f for *_, formats in self.date_fields() for f in formats if "%y" in f]
        if two_digit and self.two_digit_year_pivot is None:
            raise ValueError(
                f'"{two_digit[0]}" has a year of two digits; state two_digit_year_pivot, the last two-digit year of this'
                " century"
            )
        return self

    def date_fields(self) -> Iterator[tuple[Export, str, list[str]]]:
        """Each date of each export with its formats: its own, else the export's, else the file's."""
        for export in self.exports:
            for _, entity in export.entities():
                for field, source in entity.fields():
                    if is_date(field):
                        yield export, field, source.dates or export.dates or self.dates

    @property
    def is_network(self) -> bool:
        return any(e.hospital_id is not None for x in self.exports for _, e in x.entities())

    def export_id(self, export: Export) -> str:
        return f"{self.sender}/{self.exports.index(export) + 1}"
