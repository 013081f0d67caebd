"""What a sender's mapping file may say: which file feeds which entity, column by column. Our field stands
left, the hospital's column right.

Belongs here: the pydantic models of `hospitals/<sender>.yml`. Does not belong here: entities and their fields
(`entities.py`), reading files (`exports/`), loading them (`raw/`), interpreting values (dbt).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from orchestration.exports import ReadSpec
from orchestration.exports.columns import without_place
from orchestration.registry.catalogue import LANGUAGES
from orchestration.registry.entities import (
    ENTITIES,
    FORMAT_NAMES,
    WHERE_SCHEMA,
    Antibodies,
    DateFormats,
    Entity,
    Events,
    FollowUp,
    Observations,
    Patients,
    Treatments,
    Visits,
    Where,
    is_date,
    is_named,
)
from yaml_files.strict import Id, Strict

Population = Literal["children", "adults", "all"]


PersonNumbers = Literal["blank_out", "reject", "keep"]
Language = Literal["de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "tr", "zh"]
# the source name of a field that a code list fills; no export has a column of this name
LOOKED_UP = "{code} → {label}"


class CodeList(Strict):
    """A file of the delivery that says what the codes of other files mean: one row per code, or one per
    field.
    """

    file: str = Field(
        description="Name or pattern inside the delivery folder; a delivery may come without it."
    )
    code: str | None = Field(None, description="One row per code: its column of codes …")
    label: str | None = Field(None, description="… and its column of what they mean,")
    labels: dict[str, str] = Field(
        default_factory=dict,
        description="or several of its columns, each with the field of ours that it fills: `{concept: "
        "name, unit: unit}`.",
    )
    columns: list[str] = Field(
        default_factory=list,
        description="For one row per code: the columns whose codes the file explains. With `labels` it is "
        "one column. Default: the column that `code` names.",
    )
    field: str | None = Field(
        None, description="One row per field (REDCap's data dictionary): its column of field names …"
    )
    choices: str | None = Field(None, description="… and its column of choices, `1, Yes | 2, No`.")

    @model_validator(mode="after")
    def one_shape(self) -> CodeList:
        by_code = (self.code is not None, self.label is not None, bool(self.columns))
        by_field = (self.field is not None, self.choices is not None)
        several = self.code is not None and bool(self.labels) and self.label is None and not any(by_field)
        if several and len(self.columns) > 1:
            raise ValueError(
                "with labels, name one column that holds the codes; write a list for each of several"
            )
        one_label = all(by_code) and not any(by_field)
        per_field = all(by_field) and not any(by_code)
        if not (several or (not self.labels and (one_label or per_field))):
            raise ValueError(
                "give code, label and columns (one row per code), code and labels (one row per code, for "
                "several fields), or field and choices (one row per field)"
            )
        return self

    @property
    def code_column(self) -> str | None:
        """With ``labels``: the column of the other table that holds the codes."""
        return (self.columns[0] if self.columns else self.code) if self.labels else None

    def own_columns(self) -> Iterator[str]:
        """The columns of the list itself."""
        yield from (
            c
            for c in (self.code, self.label, self.field, self.choices, *self.labels.values())
            if c is not None
        )

    def looked_up(self) -> Iterator[tuple[str, str, str]]:
        """(field of ours, what its source is called, column of the list) of each label."""
        for field, label in self.labels.items():
            yield field, LOOKED_UP.format(code=self.code_column, label=label), label


class Form(Strict):
    """Columns that are filled together. A system that exports 0 for an unticked box exports it for a form
    that nobody opened, too.
    """

    columns: list[str] = Field(
        min_length=1,
        description="The columns of the form; `*` stands for any text. Only their untouched texts are left "
        "out.",
    )
    answered_when: Annotated[
        list[Where], WithJsonSchema({"anyOf": [WHERE_SCHEMA, {"type": "array", "items": WHERE_SCHEMA}]})
    ] = Field(
        default_factory=list,
        description="Somebody filled the form in if these columns hold these texts (of a list of such, "
        "any), or if one of `columns` holds more than an untouched text.",
    )
    not_known_when: Annotated[
        list[Where], WithJsonSchema({"anyOf": [WHERE_SCHEMA, {"type": "array", "items": WHERE_SCHEMA}]})
    ] = Field(
        default_factory=list,
        description="The form says `not known` if these columns hold these texts; an untouched text is "
        "then no answer.",
    )
    untouched: list[str] = Field(
        default_factory=lambda: ["0"],
        min_length=1,
        description="What the file holds where nobody touched a column, before a code list replaces it.",
    )

    @field_validator("answered_when", "not_known_when", mode="before")
    @classmethod
    def one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, dict) else value

    def columns_asked(self) -> Iterator[str]:
        for alternative in (*self.answered_when, *self.not_known_when):
            yield from alternative


class RejectedRows(Strict):
    """How many rows of a table may be rejected before the whole delivery is refused: both must be
    exceeded.
    """

    share: float = Field(0.05, ge=0, le=1, description="Share of the table's rows.")
    rows: int = Field(3, ge=1, description="Fewer rejected rows than these never refuse a delivery.")

    @model_validator(mode="before")
    @classmethod
    def short_form(cls, value: object) -> object:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"share": value, "rows": 3 if value else 1}  # 0 allows none
        return value


class Export(ReadSpec):
    """One table of a delivery: a file (and sheet) and the entities that its rows feed."""

    name: Id | None = Field(
        None, description="The name by which another mapping refers to this export: `like: labs`."
    )
    like: Id | None = Field(
        None,
        description="The export that this one resembles, of the mapping that `like` above `exports` names. "
        "A key written here replaces the key there.",
    )
    file: str = Field(description="Name or pattern (`labs_*.csv`) inside the delivery folder.")
    optional: bool = Field(
        False, description="A delivery may come without it, or with its header and no rows."
    )
    may_be_empty: bool = Field(
        False, description="It must come, and may hold a header without rows: nothing new happened."
    )
    where: Annotated[
        list[Where], WithJsonSchema({"anyOf": [WHERE_SCHEMA, {"type": "array", "items": WHERE_SCHEMA}]})
    ] = Field(
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
        default_factory=list,
        description="Columns of a draft that nobody has decided yet; until then no delivery is taken.",
    )
    optional_columns: list[str] = Field(
        default_factory=list,
        description="Mapped columns that may be absent, and then count as blank; `*` stands for any text.",
    )
    code_lists: list[CodeList] = Field(
        default_factory=list,
        description="Files that say what codes mean; the meaning takes the code's place.",
    )
    forms: Annotated[
        Annotated[Literal["redcap"], Tag("str")] | Annotated[list[Form], Tag("list")],
        Discriminator(
            lambda value: type(value).__name__,
            custom_error_type="no_forms",
            custom_error_message="give a list of forms, each with its columns, or redcap",
        ),
    ] = Field(
        default_factory=list,
        description="Columns in which 0 is an answer only if somebody filled the form in; `redcap` takes "
        "them from the data dictionary and the order of the columns.",
    )
    dates: DateFormats | None = Field(
        None, description="Date formats of this table, instead of the file's `dates`."
    )
    ignore_case: bool | None = Field(
        None, description="Column names of this table are compared without case, instead of the file's."
    )
    person_numbers: PersonNumbers | None = Field(
        None, description="Numbers of persons in this table's texts, instead of the file's."
    )
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

    def stated_forms(self) -> list[Form]:
        """The forms that the mapping itself states."""
        return [] if isinstance(self.forms, str) else self.forms

    def looked_up(self) -> dict[str, CodeList]:
        """What is filled out of a code list, by what it is called as a source."""
        return {name: code_list for code_list in self.code_lists for _, name, _ in code_list.looked_up()}

    @model_validator(mode="before")
    @classmethod
    def fields_of_code_lists(cls, value: object) -> object:
        """Takes each field that a list's `labels` names from the list, in every entity that has the field and
        names no other source.
        """
        if not isinstance(value, dict) or not isinstance(value.get("code_lists"), list):
            return value
        value = dict(value)
        for given in value["code_lists"]:
            try:
                code_list = CodeList.model_validate(given)
            except ValueError:
                return value  # the fault is reported at its place
            for field, name, _ in code_list.looked_up():
                taken = False
                for entity, model in ENTITIES.items():
                    own = value.get(entity)
                    if isinstance(own, dict) and field in model.model_fields:
                        taken = True
                        if own.get(field) in (None, code_list.code_column, {"column": code_list.code_column}):
                            value[entity] = {**own, field: name}
                if not taken and not any(isinstance(value.get(entity), BaseModel) for entity in ENTITIES):
                    raise ValueError(f"code_lists: labels: no entity of this export has a field {field}")
        return value

    @model_validator(mode="after")
    def one_meaning(self) -> Export:
        """Two lists must not both replace the same code."""
        for i, one in enumerate(self.code_lists):
            for other in self.code_lists[i + 1 :]:
                both = [c for c in one.columns if c in other.columns]
                if (
                    both
                    and one.label
                    and other.label
                    and one.label != other.label
                    and (one.file, one.code) == (other.file, other.code)
                ):
                    raise ValueError(
                        f'code_lists: "{both[0]}" is explained twice, by {one.label} and by {other.label}; '
                        f"to fill several fields write one list: {{file: {one.file}, code: {one.code}, "
                        f"labels: {{field: {one.label}, other field: {other.label}}}}}"
                    )
        return self

    @field_validator("where", mode="before")
    @classmethod
    def one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, dict) else value

    @model_validator(mode="after")
    def accounts(self) -> Export:
        if not any(True for _ in self.entities()) and not self.ignored == ["*"] and not self.undecided:
            raise ValueError(
                f"feeds no entity; name at least one of {', '.join(ENTITIES)}, or ignored: ['*']"
            )
        mapped = {c for _, e in self.entities() for c in e.columns()}
        both = sorted(  # of two columns alike, "Name [2]" is a Name too
            c for c in mapped if any(is_named(n, self.identifiers, mapped) for n in (c, without_place(c)))
        )
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


def is_called(name: str, pattern: str, without_case: bool = False) -> bool:
    """Whether a pattern (`labs_*.csv`) names a file."""
    return fnmatchcase(name.lower(), pattern.lower()) if without_case else fnmatchcase(name, pattern)


class HospitalEntry(Strict):
    name: str
    population: Population = "all"


class Codes(Strict):
    """A sender's own words, theirs: ours. What is absent here is looked up in the shipped catalogue."""

    concepts: dict[str, Id | None] = Field(
        default_factory=dict,
        description='null: known and not wanted. `"*": null`: nor is any other name that the catalogue '
        "does not know.",
    )
    results: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description="By test, then by the hospital's text: what the text means, as a number, a limit such as "
        "`<0.5`, a grade such as `2+`, or a code such as `positive`. A test is the hospital's name; in "
        "a table with a column per test, our concept; `*` is any test.",
    )
    missing: dict[str, list[str]] = Field(
        default_factory=dict,
        description="By test (as under results): the texts that mean not known, such as -1.",
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
    def any_other(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if info.field_name not in ("results", "missing") and value.get("*") is not None:
            raise ValueError(
                '"*" is any name that the catalogue does not know; it can only be null (not wanted)'
            )
        return value


class ChangesAllowed(Strict):
    """How much of what a sender said before a delivery may change: of each test, antibody, event or
    treatment, and of each other table, a share of the rows known.
    """

    changed: float = Field(
        0.02, ge=0, le=1, description="Share of the known rows that a delivery may change."
    )
    gone: float = Field(
        0.02, ge=0, le=1, description="Share of the known rows that a full delivery may leave out."
    )
    rows: int = Field(5, ge=0, description="This many rows may always change or be left out.")

    def sentence(self, what: Literal["changed", "gone"], known: int) -> str:
        share = getattr(self, what)
        return (
            f"{max(self.rows, int(share * known)):,} ({share:.1%} of the known rows, or {self.rows} rows "
            "where that is more)"
        )


class Mapping(Strict):
    """hospitals/<sender>.yml"""

    sender: Id
    name: str
    like: Id | None = Field(
        None,
        description="Another hospital, or redcap, fhir_r4, fhir_r4_bundle, omop_cdm_5_4: its mapping "
        "applies where this one says nothing.",
    )
    population: Population = "all"
    language: Language | None = Field(
        None,
        description="The language of the hospital's words. It decides what a word means that has two "
        "meanings in two languages (M, PCR, TP).",
    )
    hospitals: dict[str, HospitalEntry] | None = Field(
        None,
        description="A network's hospitals, by the code in its hospital_id column; others get the code as "
        "name.",
    )
    expected_every: str | None = Field(
        None,
        pattern=r"^[1-9]\d* (day|week|month|year)s?$",
        description="A delivery is due this long after the last one.",
    )
    kind: Literal["incremental", "full"] = Field(
        "incremental", description="full: a delivery replaces all that this sender sent before."
    )
    dates: DateFormats = Field(
        default_factory=lambda: ["%Y-%m-%d"],
        description=f"Date formats, strptime, or {', '.join(FORMAT_NAMES)}. One without a day (`%Y-%m`) "
        "reads partial dates.",
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
    rejected_rows_allowed: RejectedRows = Field(
        default_factory=RejectedRows,
        description="How many of a table's rows may be rejected before the delivery is refused: a share, "
        "or {share: …, rows: …}.",
    )
    ignore_case: bool = Field(
        False, description="Column names are compared without case: PERSON_ID is person_id."
    )
    person_numbers: PersonNumbers = Field(
        "blank_out",
        description="What looks like a number of a person in a mapped text: taken out and reported, or the "
        "row rejected, or kept.",
    )
    changes_allowed: ChangesAllowed = Field(
        default_factory=ChangesAllowed,
        description="How much of what is known a delivery may change before it is refused.",
    )
    codes: Codes = Field(default_factory=Codes)
    exports: list[Export] = Field(min_length=1)

    @field_validator("language", mode="before")
    @classmethod
    def known_language(cls, value: object) -> object:
        if value is None or value in LANGUAGES:
            return value
        codes = {name.lower(): code for code, names in LANGUAGES.items() for name in (code, *names)}
        near = difflib.get_close_matches(
            str(value).lower().split("-")[0].split("_")[0], codes, n=1, cutoff=0.6
        )
        raise ValueError(
            f'no language of the catalogue: "{value}"; write one of '
            + ", ".join(f"{code} ({names[0]})" for code, names in LANGUAGES.items())
            + (f'. Did you mean "{codes[near[0]]}"?' if near else "")
        )

    @model_validator(mode="after")
    def pivot_stated(self) -> Mapping:
        two_digit = [f for *_, formats in self.date_fields() for f in formats if "%y" in f]
        if two_digit and self.two_digit_year_pivot is None:
            raise ValueError(
                f'"{two_digit[0]}" has a year of two digits; state two_digit_year_pivot, the last two-digit '
                "year of this century"
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

    def reads(self, export: Export, file: str) -> bool:
        """Whether an export's `file` names a file of a delivery."""
        return is_called(file, export.file, self.ignores_case(export))

    def ignores_case(self, export: Export) -> bool:
        """Whether the columns of an export are compared without case."""
        return self.ignore_case if export.ignore_case is None else export.ignore_case

    def person_numbers_of(self, export: Export) -> PersonNumbers:
        """How numbers of persons in an export's texts are treated."""
        return export.person_numbers or self.person_numbers

    def decimal_of(self, export: Export) -> str | None:
        """The decimal mark of an export: its own, else the file's; None if neither states one."""
        return export.decimal or self.decimal
