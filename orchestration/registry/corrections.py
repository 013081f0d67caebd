"""What a sender's file of corrections may say: known source errors, accepted changes of known rows, and
withdrawn deliveries.

Belongs here: the pydantic models of `corrections/<sender>.yml`, and the check of their names against the
mapping. Does not belong here: finding the rows (`correction_cells.py`), applying the corrections
(dbt_project/macros/corrections.sql), asking the hospital (`queries/`).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import BeforeValidator, Field, field_validator, model_validator

from orchestration.files import write_atomically
from orchestration.registry.entities import RAW_NAMES, WIDE_NAMES, is_named
from orchestration.registry.mapping import Export, Mapping
from yaml_files.strict import Id, Strict
from yaml_files.yaml_file import line_of, nearest

KEYS = ("patient_id", "visit_id")
PSEUDONYM = r"^[0-9a-f]{32}$"
Status = Literal["open", "applied", "mended", "withdrawn"]
Cells = dict[str, str | None]
Delivery = Annotated[
    str, BeforeValidator(lambda name: name.isoformat() if isinstance(name, dt.date) else name)
]  # 2024-06-30 unquoted


class Match(Strict):
    """Which rows: by file, and within it by place, by pseudonym, by what their cells hold, or by all of
    these.
    """

    file: str = Field(description="Name or pattern (`labs_*.csv`) inside the delivery folder.")
    sheet: str | None = Field(None, description="Name or pattern of the worksheet.")
    delivery: Delivery | None = Field(
        None, description="Only this delivery. Default: every delivery, also later ones."
    )
    row: int | None = Field(
        None, ge=1, description="Row of the file, as quality.rejected_row names it; with delivery."
    )
    patient_key: str | None = Field(None, pattern=PSEUDONYM, description="The patient, as marts name them.")
    visit_key: str | None = Field(
        None, pattern=PSEUDONYM, description="The visit, where the hospital names visits."
    )
    cells: Cells = Field(
        default_factory=dict, description="The hospital's column, and the text that it holds."
    )

    @field_validator("cells", mode="before")
    @classmethod
    def texts(cls, value: object) -> object:
        return _texts(value)

    @model_validator(mode="after")
    def place_has_a_delivery(self) -> Match:
        if self.row is not None and self.delivery is None:
            raise ValueError("row needs delivery: in another delivery the same row is another one")
        return self


class Correction(Strict):
    """One known source error."""

    id: Id = Field(description="Never change it: marts name the correction by it.")
    match: Match
    expect: Cells = Field(
        min_length=1,
        description="The hospital's column, and the wrong text in it as sent. If the column no longer "
        "holds the text, the record fails.",
    )
    action: Literal["set", "drop", "reject"] = Field(
        "set",
        description="set: read value instead. drop: the row should not have been sent. reject: wrong, and "
        "no right value is known.",
    )
    value: Cells | None = Field(
        None,
        description="For action set: the hospital's column, and the right text as the hospital would write "
        "it; null for an empty cell.",
    )
    reason: str = Field(min_length=1, description="How we know.")
    reported: dt.date | None = Field(None, description="The day on which the hospital was told.")
    status: Status = Field(
        description="open: asked, nothing is changed yet. applied: in force. mended: later deliveries are "
        "right, earlier ones stay corrected. withdrawn: kept for the record."
    )

    @field_validator("expect", "value", mode="before")
    @classmethod
    def texts(cls, value: object) -> object:
        return _texts(value)

    @model_validator(mode="after")
    def consistent(self) -> Correction:
        if self.action != "set":
            if self.value is not None:
                raise ValueError(f"action {self.action} has no value; leave value out, or write action: set")
        elif self.value is None:
            if self.status in ("applied", "mended"):
                raise ValueError("action set needs value; without an answer yet write status: open")
        elif loose := [c for c in self.value if c not in self.expect]:
            raise ValueError(f'value sets "{loose[0]}"; write under expect the text that it holds now')
        elif all(_trimmed(self.expect[c]) == _trimmed(t) for c, t in self.value.items()):
            raise ValueError(
                "value and expect hold the same text, so nothing would change; correct one of them"
            )
        return self

    @property
    def acts(self) -> bool:
        return self.status in ("applied", "mended")

    def cells(self) -> Iterator[tuple[tuple[str, ...], str, str | None]]:
        """Each cell named: the key under which it stands, their column, the text."""
        for key, cells in (
            (("match", "cells"), self.match.cells),
            (("expect",), self.expect),
            (("value",), self.value or {}),
        ):
            for column, text in cells.items():
                yield key, column, text


class AcceptedChange(Strict):
    """A delivery that changes more known rows than allowed, and is right to."""

    delivery: Delivery
    content: str = Field(
        pattern=r"^[0-9a-f]{12,64}$",
        description="The start of the delivery's sha256, as the refusal gives it.",
    )
    owner: str = Field(min_length=1, description="Who answers for it.")
    reason: str = Field(min_length=1)


class WithdrawnDelivery(Strict):
    """A delivery that is not to count any more, whether its folder still lies in landing or not."""

    delivery: Delivery
    content: str = Field(
        pattern=r"^[0-9a-f]{12,64}$",
        description="The start of the delivery's sha256, as `myositis status` gives it.",
    )
    owner: str = Field(min_length=1, description="Who answers for it.")
    reason: str = Field(min_length=1)


class CorrectionFile(Strict):
    """corrections/<sender>.yml"""

    holds_values: ClassVar[bool] = True  # texts of patients: a fault in the file does not quote them

    sender: Id
    corrections: list[Correction] = Field(default_factory=list)
    accepted_changes: list[AcceptedChange] = Field(default_factory=list)
    withdrawn_deliveries: list[WithdrawnDelivery] = Field(default_factory=list)

    @field_validator("corrections")
    @classmethod
    def named_once(cls, value: list[Correction]) -> list[Correction]:
        ids = [c.id for c in value]
        if twice := sorted({i for i in ids if ids.count(i) > 1}):
            raise ValueError(f"these ids are listed twice: {', '.join(twice)}")
        return value

    def accepts(self, delivery: str, content_sha256: str) -> bool:
        return any(
            a.delivery == delivery and content_sha256.startswith(a.content) for a in self.accepted_changes
        )

    def withdraws(self, delivery: str, content_sha256: str) -> bool:
        return any(
            w.delivery == delivery and content_sha256.startswith(w.content) for w in self.withdrawn_deliveries
        )


@dataclass(frozen=True)
class Feed:
    """A field of a raw table that one of their columns fills; ``source_column`` tells the cells of a wide row
    apart.
    """

    export_id: str
    entity: str
    field: str
    source_column: str | None


def feeds(mapping: Mapping, exports: list[Export], column: str) -> list[Feed]:
    """The raw fields that ``column`` fills in ``exports``, without pseudonyms and a network's hospital."""
    found = []
    for export in exports:
        for name, entity in export.entities():
            for ours, source in entity.fields():
                if column in source.columns and ours not in (*KEYS, "hospital_id"):
                    found.append(Feed(mapping.export_id(export), name, RAW_NAMES.get(ours, ours), None))
            for source in (getattr(entity, "values", None) or {}).values():
                if column in source.columns:
                    found.append(Feed(mapping.export_id(export), name, WIDE_NAMES[name][1], column))
    return list(dict.fromkeys(found))


def exports_of(mapping: Mapping, match: Match) -> list[Export]:
    """The exports whose tables ``match`` may name."""
    return [
        x
        for x in mapping.exports
        if _may_meet(match.file, x.file)
        and (match.sheet is None or x.sheet is None or _may_meet(match.sheet, x.sheet))
    ]


def faults_of(file: CorrectionFile, mapping: Mapping, path: Path, shown_as: str) -> Iterator[str]:
    """Faults for what the records of a file name and the mapping does not know."""

    def place(number: int, key: tuple[str, ...]) -> str:
        return (
            f"{shown_as}:{line_of(path, ('corrections', number, *key))}: "
            f"corrections[{number}].{'.'.join(key)}"
        )

    yield from faults_of_records(file.corrections, mapping, place)


def faults_of_records(
    records: Sequence[Correction], mapping: Mapping, place: Callable[[int, tuple[str, ...]], str]
) -> Iterator[str]:
    """Faults for what records name and the mapping does not know; ``place`` words the place. No text of a
    cell is repeated.
    """
    for number, record in enumerate(records):
        exports = exports_of(mapping, record.match)
        if not any(True for x in exports for _ in x.entities()):
            files = list(
                dict.fromkeys(
                    x.file + (f" [{x.sheet}]" if x.sheet else "")
                    for x in mapping.exports
                    if any(x.entities())
                )
            )
            yield (
                f"{place(number, ('match', 'file'))}: no export of hospitals/{mapping.sender}.yml takes "
                "records from it. Its files: "
                f"{', '.join(files)}.{nearest(record.match.file, [x.file for x in mapping.exports])}"
            )
            continue
        for key, column, text in record.cells():
            where = place(number, (*key, column))
            if sentence := _column_fault(mapping, exports, column):
                yield f"{where}: {sentence}"
            elif (
                key != ("value",)
                and not _trimmed(text)
                and any(f.source_column for f in feeds(mapping, exports, column))
            ):
                yield (
                    f"{where}: an empty cell of a wide table gives no record, so there is nothing to "
                    "correct; ask the hospital to send the row again"
                )
            if text and looks_like_an_identifier(text):
                yield (
                    f"{where}: the text looks like an identity number, a telephone or an e-mail address; "
                    "identifiers are not kept: name the patient by patient_key, or the row by delivery and "
                    "row"
                )


def _column_fault(mapping: Mapping, exports: list[Export], column: str) -> str | None:
    if feeds(mapping, exports, column):
        return None
    keys = {
        c
        for x in exports
        for _, e in x.entities()
        for s in (e.patient_id, e.visit_id)
        if s
        for c in s.columns
    }
    if column in keys or any(is_named(column, x.identifiers, ()) for x in exports):
        return (
            f'"{column}" holds identifiers, which are not kept; name the patient by match.patient_key, or '
            "the row by match.delivery and match.row"
        )
    if any(is_named(column, [i for i in x.ignored if i != "*"], ()) for x in exports):
        return (
            f'"{column}" is ignored by hospitals/{mapping.sender}.yml and not kept; name the row by '
            "another column, or map this one"
        )
    known = list(
        dict.fromkeys(
            c for x in exports for _, e in x.entities() for c in e.columns() if feeds(mapping, exports, c)
        )
    )
    return (
        f'hospitals/{mapping.sender}.yml takes no column "{column}" from these files.{nearest(column, known)}'
        f" Its columns: {', '.join(known)}"
    )


def put_records(path: Path, sender: str, records: Sequence[Correction]) -> None:
    """Write records into a file of corrections, in one rename. A record replaces the one with its id, or is
    added at the end of the list.

    Every other line stays as it was written, comments included.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else f"sender: {sender}\n"
    for record in records:
        text = _with_record(text, record)
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    write_atomically(path, text, durable=True, mode=mode)


def put_statuses(path: Path, statuses: dict[str, Status]) -> None:
    """Write the status of records, by id, in one rename. No other character of the file changes."""
    text = path.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None  # an empty file of corrections is refused where a registry is read
    listed = next(value for key, value in root.value if key.value == "corrections")
    records = [{key.value: value for key, value in node.value} for node in listed.value]
    places = [(r["status"], statuses[r["id"].value]) for r in records if r["id"].value in statuses]
    for node, status in sorted(places, key=lambda place: -place[0].start_mark.index):
        text = text[: node.start_mark.index] + status + text[node.end_mark.index :]
    write_atomically(path, text, durable=True, mode=path.stat().st_mode & 0o777)


def _with_record(text: str, record: Correction) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None  # an empty file of corrections is refused where a registry is read
    lines = text.splitlines()
    entry = next(((key, value) for key, value in root.value if key.value == "corrections"), None)
    if entry is None:
        return "\n".join([*lines, "corrections:", *_as_yaml(record, 2)]) + "\n"
    key, listed = entry
    if not listed.value or listed.flow_style:  # `corrections: []`, or a list in one line: laid out anew
        old = [
            Correction.model_validate(yaml.SafeLoader("").construct_document(node)) for node in listed.value
        ]
        kept = [r for r in old if r.id != record.id]
        end = listed.end_mark.line + (listed.end_mark.column > 0)
        laid_out = [line for r in (*kept, record) for line in _as_yaml(r, 2)]
        return "\n".join([*lines[: key.start_mark.line], "corrections:", *laid_out, *lines[end:]]) + "\n"
    indent = listed.start_mark.column
    for node in listed.value:
        if any(k.value == "id" and v.value == record.id for k, v in node.value):
            return (
                "\n".join([*lines[: node.start_mark.line], *_as_yaml(record, indent), *lines[_end(node) :]])
                + "\n"
            )
    return (
        "\n".join(
            [*lines[: _end(listed.value[-1])], *_as_yaml(record, indent), *lines[_end(listed.value[-1]) :]]
        )
        + "\n"
    )


def _end(node: yaml.Node) -> int:
    """The line after the last value of a node; comments after it do not belong to the node."""
    while getattr(node, "flow_style", True) is False and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node.end_mark.line + (node.end_mark.column > 0)


def _as_yaml(record: Correction, indent: int) -> list[str]:
    """A record in the style of a file written by hand; every text of a cell in quotes."""
    kept = record.model_dump(mode="json", exclude_none=True)
    value: dict[str, Any] | None = record.value and {
        "value": dict(record.value)
    }  # an empty cell is written, not left out
    shown = kept | {"expect": dict(record.expect)} | (value or {})
    lines = [
        f"{key}: "
        f"{text if key in ('id', 'action', 'status', 'reported') else json.dumps(text, ensure_ascii=False)}"
        for key, text in shown.items()
    ]
    return [f"{' ' * indent}{'- ' if number == 0 else '  '}{line}" for number, line in enumerate(lines)]


@cache
def _identifier_pattern() -> re.Pattern[str]:
    from expectations import RAW_SUITE, load_suite

    pattern = load_suite(RAW_SUITE).parameters["identifier_like"].default
    assert pattern is not None  # the suite that ships states it
    return re.compile(pattern)


def looks_like_an_identifier(text: str) -> bool:
    """Whether a text fits the pattern by which the raw gate checks every delivery."""
    return _identifier_pattern().search(text) is not None


def _may_meet(one: str, other: str) -> bool:
    return fnmatch(one, other) or fnmatch(other, one)


def _trimmed(text: str | None) -> str:
    return (text or "").strip()


def _texts(value: Any) -> Any:
    """Cells must be texts as they were sent: YAML may already have changed how a number or a date
    was written.
    """
    if value is None:
        return value
    if not isinstance(value, dict):
        raise ValueError("expected the hospital's column and its text, as in {Result: '1.20'}")
    for column, text in value.items():
        if not isinstance(column, str) or not (text is None or isinstance(text, str)):
            raise ValueError(f'write column and text of "{column}" in quotes, exactly as they were sent')
    return value
