"""What a mapping file may say of one entity: our fields, and the hospital's columns that feed them.

Belongs here: the pydantic models of patients, visits, observations and the other entities, and of the source
of a field. Does not belong here: which file feeds an entity (`mapping.py`), the SQL of a source
(`cell_sql.py`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from yaml_files.strict import Id, Strict

ASKED = "?"  # a draft writes this for a column that a person must name
FREE_TEXTS = ("visit_label", "cut_off", "detail", "dose", "reason")  # what people typed; it may name a person
OffsetUnit = Literal["minutes", "hours", "days", "weeks", "months", "years"]


class Condition(Strict):
    """What a cell must hold: one of some texts, or none of them; null is a blank cell."""

    texts: tuple[str | None, ...]
    is_negated: bool = False

    @model_validator(mode="before")
    @classmethod
    def short_form(cls, value: Any) -> object:
        negated = isinstance(value, dict) and set(value) == {"not"}
        texts = value["not"] if negated else value
        texts = texts if isinstance(texts, list) else [texts]
        if not texts or not all(t is None or isinstance(t, str) for t in texts):
            raise ValueError(
                "give a text, null for a blank cell, a list of these, or {not: …} with one of them; put "
                'numbers in quotes: "1"'
            )
        return {"texts": tuple(texts), "is_negated": negated}


_TEXTS = {"anyOf": [{"type": ["string", "null"]}, {"type": "array", "items": {"type": ["string", "null"]}}]}
_CONDITION_SCHEMA = {
    "anyOf": [
        *_TEXTS["anyOf"],
        {"type": "object", "properties": {"not": _TEXTS}, "required": ["not"], "additionalProperties": False},
    ]
}
WHERE_SCHEMA = {"type": "object", "additionalProperties": _CONDITION_SCHEMA}
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
            raise ValueError(
                f'"{text}": no %{unknown[0]} in a date format; known: {" ".join("%" + d for d in DIRECTIVES)}'
            )
        if not {"Y", "y"} & set(found):
            raise ValueError(
                f'"{text}" is no date format: it has no year; write it with %Y, %m, %d, for example %d/%m/%Y,'
                f" or name one of {', '.join(FORMAT_NAMES)}"
            )
    return value


DateFormats = Annotated[list[str], AfterValidator(_date_formats)]


def _kind_of_source(value: object) -> str | None:
    kinds: dict[type, str] = {str: "str", list: "list", dict: "ColumnSource", ColumnSource: "ColumnSource"}
    return kinds.get(type(value))


NO_SOURCE = "give a column's name (a number in quotes), a list of columns, or {column: …, …}"
_CHOICE = Discriminator(_kind_of_source, custom_error_type="no_source", custom_error_message=NO_SOURCE)
Alternative = Annotated[Annotated[str, Tag("str")] | Annotated["ColumnSource", Tag("ColumnSource")], _CHOICE]


class ColumnSource(Strict):
    """Where one of our fields comes from: a column, the first filled of several, or a constant."""

    column: (
        Annotated[Annotated[str, Tag("str")] | Annotated[list[Alternative], Tag("list")], _CHOICE] | None
    ) = Field(None, description="The hospital's column; of a list of columns, the first that is filled.")
    constant: str | None = Field(None, description="A text that stands for every row.")
    unit: str | None = Field(None, description="For a column of values: their unit.")
    offset_unit: OffsetUnit | None = Field(None, description="For an offset: what it counts.")
    part: str | None = Field(
        None,
        description="A regular expression with one group, whose text is taken; a text that does not match "
        "is kept whole.",
    )
    when: Where = Field(
        default_factory=dict, description="Only of rows in which these columns hold these texts."
    )
    dates: DateFormats | None = Field(
        None, description="For a date: its formats, instead of the export's `dates`."
    )
    day_and_month: Literal["as_written", "exchanged"] | None = Field(
        None,
        description="For a date in a column that looks as if a spreadsheet had exchanged day and month: "
        "whether it did.",
    )
    missing: list[str] = Field(default_factory=list, description="Texts of this column that mean: not known.")
    release: bool = Field(
        False,
        exclude=True,  # what is read stays the same: the deliveries need not be read again
        description=f"For {', '.join(FREE_TEXTS)}: whether its texts enter releases word for word.",
    )

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
        if any(
            not isinstance(a, str) and (a.dates or a.day_and_month or a.missing) for a in self.alternatives
        ):
            raise ValueError(
                "dates, day_and_month and missing belong to the field; write them beside its list of "
                "columns, not inside"
            )
        if any(not isinstance(a, str) and a.release for a in self.alternatives):
            raise ValueError("release belongs to the field; write it beside its list of columns, not inside")
        return self

    @field_validator("part")
    @classmethod
    def one_group(cls, value: str | None) -> str | None:
        try:
            groups = 1 if value is None else re.compile(value).groups
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        if groups != 1 or re.search(r"\(\?<?[=!]|\\[1-9]", value or ""):
            raise ValueError(
                'give a regular expression with one group in parentheses, as "Patient/([^/]+)", without '
                "look-around"
            )
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
        """The columns on whose texts ``when`` depends."""
        inner = (c for a in self.alternatives if not isinstance(a, str) for c in a.columns_asked)
        return tuple(dict.fromkeys([*self.when, *inner]))


def is_named(column: str, names: list[str], columns: Collection[str]) -> bool:
    """Whether ``names`` (columns, or patterns in which ``*`` stands for any text) name ``column``.

    An entry that equals the name of a column means only that column, even if it contains stars.
    """
    return column in names or any(
        "*" in name
        and name not in columns
        and re.fullmatch(re.escape(name).replace(r"\*", ".*"), column, re.DOTALL)
        for name in names
    )


def is_date(field: str) -> bool:
    return field.endswith(("_date", "_on"))


class Entity(Strict):
    """Fields that every entity may carry."""

    patient_id: ColumnSource | None = None
    visit_id: ColumnSource | None = None
    hospital_id: ColumnSource | None = Field(
        None, description="A network's export: the column that names the hospital."
    )

    @model_validator(mode="after")
    def someone(self) -> Entity:
        if self.patient_id is None and self.visit_id is None:
            raise ValueError("needs patient_id (or visit_id, when visits name the patient)")
        return self

    @model_validator(mode="after")
    def formats_of_dates(self) -> Entity:
        for name, source in [*self.fields(), *(getattr(self, "values", None) or {}).items()]:
            stated = [key for key in ("dates", "day_and_month") if getattr(source, key) is not None]
            if stated and not is_date(name):
                raise ValueError(
                    f"{name} is no date; {stated[0]} belongs to fields such as visit_date or observed_on"
                )
        return self

    @model_validator(mode="after")
    def only_free_texts_are_released(self) -> Entity:
        for name, source in [*self.fields(), *(getattr(self, "values", None) or {}).items()]:
            if source.release and name not in FREE_TEXTS:
                raise ValueError(
                    f"{name} is in every release as it was understood; release belongs to "
                    f"{', '.join(FREE_TEXTS)}"
                )
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
    origin_date: ColumnSource | None = Field(
        None, description="Day 0 of the patient. Default: the first visit."
    )
    age_at_onset: ColumnSource | None = Field(None, description="Years.")
    disease_duration: ColumnSource | None = Field(None, description="Months from onset to baseline.")
    diagnosis: ColumnSource | None = None
    link_by: dict[Id, str] = Field(
        default_factory=dict,
        description="Identifiers by which the same patient is recognised at another hospital, as kind: "
        "column. Mappings that use the same kind (`national_id`) are compared by keyed hashes; "
        "the identifier itself is dropped.",
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
    reference_high: ColumnSource | None = Field(
        None,
        description="The upper reference limit, where it stands in a column of its own.",
    )
    reference_unit: ColumnSource | None = Field(
        None,
        description="The unit of `reference_high`, where it has one of its own; else that of the result.",
    )
    other_codes: ColumnSource | None = Field(
        None,
        description="Further codes of the test: each column of the list is tried; two codes of two tests "
        "reject the row.",
    )
    other_names: ColumnSource | None = Field(
        None,
        description="Further names of the test, which are tried where no code is known: two names of two "
        "tests reject the row.",
    )

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
    scale: Literal["class", "intensity"] | None = Field(
        None,
        description="What numbers of a blot are: classes 0 to 4 (0, +, ++, +++), or intensities of its "
        "bands.",
    )

    @model_validator(mode="after")
    def long_or_wide(self) -> Antibodies:
        long = self.antibody is not None and self.result is not None
        if long == bool(self.values):
            raise ValueError(
                "give antibody and result (one row per test), or values (one column per antibody)"
            )
        return self


class Events(WideEntity):
    event_date: ColumnSource | None = None
    event_offset: ColumnSource | None = None
    event: ColumnSource | None = None
    other_codes: ColumnSource | None = Field(
        None,
        description="Further codes of the event: each column of the list is tried; two codes of two events "
        "reject the row.",
    )
    other_names: ColumnSource | None = Field(
        None,
        description="Further names of the event, which are tried where no code is known: two names of two "
        "events reject the row.",
    )
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
    "concept": "concept_source",
    "value": "value_text",
    "unit": "unit_source",
    "unit_2": "unit_source_2",
    "antibody": "antibody_source",
    "result": "result_text",
    "assay": "assay_source",
    "event": "event_source",
    "status": "status_text",
    "treatment": "treatment_source",
    "patient_id": "patient_key",
    "visit_id": "visit_key",
    "comparator": "comparator_source",
}
WIDE_NAMES = {
    "observations": ("concept_source", "value_text"),
    "antibodies": ("antibody_source", "result_text"),
    "events": ("event_source", "status_text"),
}
