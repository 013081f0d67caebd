"""The results of one study as tables and figures read them: frames by name, labels.

Belongs here: looking up rows, labels and remarks. Does not belong here: reading a release
(`orchestration/`), what a table or figure looks like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from analytics import status
from analytics.study.noted_reads import noted
from analytics.words.disclosure import known
from analytics.words.wording import opened, status_words

Record = dict[str, Any]
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def records(frame: pd.DataFrame | None) -> list[Record]:
    """Rows as dictionaries; what is missing is None whatever its type."""
    if frame is None or frame.empty:
        return []
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


@dataclass(frozen=True)
class StudyFrames:
    """Frames of schema ``results`` filtered to one study; a table that the release lacks has no rows."""

    study_id: str
    frames: dict[str, pd.DataFrame]
    data_note: str = ""  # said in every figure and file that may be read apart from the report

    @property
    def is_public(self) -> bool:
        """Whether every number is one that may leave the house (`analytics/public/`)."""
        return False

    @cached_property
    def _records(self) -> dict[str, list[Record]]:
        return {name: noted(f"results.{name}", records(frame)) for name, frame in self.frames.items()}

    def rows(self, table: str, **where: object) -> list[Record]:
        """Rows of a table in which every stated column has the stated value."""
        return [r for r in self._records.get(table, []) if all(r.get(k) == v for k, v in where.items())]

    def distinct(self, table: str, column: str, **where: object) -> list[Any]:
        """The values of a column, in the order of their first row."""
        return list(
            dict.fromkeys(r.get(column) for r in self.rows(table, **where) if r.get(column) is not None)
        )

    @cached_property
    def study(self) -> Record:
        return next(iter(self.rows("study")), {"study_id": self.study_id, "title": self.study_id})

    @cached_property
    def groups(self) -> dict[str, Record]:
        """Groups by id, in the study's order."""
        return {r["group_id"]: r for r in sorted(self.rows("study_group"), key=_position)}

    @cached_property
    def variables(self) -> dict[str, Record]:
        return {r["variable"]: r for r in sorted(self.rows("study_variable"), key=_position)}

    @cached_property
    def endpoints(self) -> dict[str, Record]:
        return {r["endpoint"]: r for r in self.rows("study_endpoint")}

    def group_label(self, group_id: object) -> str:
        return self._label(self.groups, group_id)

    def variable_label(self, variable: object) -> str:
        return self._label(self.variables, variable)

    def endpoint_label(self, endpoint: object) -> str:
        return (
            self._label(self.endpoints, endpoint)
            if endpoint in self.endpoints
            else self.variable_label(endpoint)
        )

    def label_with_unit(self, variable: Any) -> str:
        """``CK (U/L)``; a unit that the label states already is not said twice."""
        label, unit = self.variable_label(variable), (self.variables.get(variable) or {}).get("unit")
        return label if not unit or str(unit) in label else f"{label} ({unit})"

    def in_order(self, group_ids: list[str]) -> list[str]:
        """Groups in the study's order, those that it does not state last."""
        place = {g: i for i, g in enumerate(self.groups)}
        return sorted(dict.fromkeys(group_ids), key=lambda g: place.get(g, len(place)))

    def pairs(self, table: str, **where: object) -> list[tuple[str, str]]:
        """Pairs of groups compared, in the order of the study's groups."""
        place = {g: i for i, g in enumerate(self.groups)}
        found = dict.fromkeys(
            (r["group_a"], r["group_b"]) for r in self.rows(table, **where) if r.get("group_a")
        )
        return sorted(found, key=lambda pair: [place.get(g, len(place)) for g in pair])

    def pair_label(self, group_a: object, group_b: object) -> str:
        return f"{self.group_label(group_a)} vs {self.group_label(group_b)}"

    def readable(self, term: str) -> str:
        """A term of a model with the ids of groups and variables replaced by their labels."""
        return _WORD.sub(lambda m: self._labels_of_ids.get(m.group(0), m.group(0)), term)

    def in_words(self, sentence: object) -> str:
        """A sentence with ids replaced by labels; an id that is an English word too stays, unless quoted."""
        text = "" if sentence is None else str(sentence).strip()
        quoted = re.sub(r'"(\w+)"', lambda m: f'"{self._labels_of_ids.get(m.group(1), m.group(1))}"', text)
        return _WORD.sub(
            lambda m: self._labels_of_ids.get(m.group(0), m.group(0)) if "_" in m.group(0) else m.group(0),
            quoted,
        )

    @cached_property
    def _labels_of_ids(self) -> dict[str, str]:
        labels = {v: self.variable_label(v) for v in self.variables}
        labels |= {g: self.group_label(g) for g in self.groups}
        return labels | {f"group{g}": f"Group {self.group_label(g)}" for g in self.groups}

    def group_of_term(self, term: object) -> str | None:
        """The group of a coefficient called ``groupmda5_jdm`` (R's manner), ``group[mda5_jdm]`` or the id."""
        match = re.fullmatch(r"(?:group)?(?:\[T?\.?|: ?)?(\w+?)\]?", str(term))
        return match.group(1) if match and match.group(1) in self.groups else None

    def remarks(self, *rows: Record) -> tuple[str, ...]:
        """A sentence for every status that is not ok and every note."""
        return tuple(dict.fromkeys(r for r in (self._remark(row) for row in rows) if r))

    def _remark(self, row: Record) -> str:
        words = status_words(row.get("status") or status.OK)
        note = self.in_words(row.get("note"))
        if words and note:
            return f"{_capital(words)}: {note[:1].lower() + note[1:] if note[1:2].islower() else note}"
        return note or _capital(words)

    @staticmethod
    def _label(labels: Mapping[Any, Record], key: object) -> str:
        found = labels.get(key)
        if found and found.get("label"):
            return str(found["label"])
        variable, _, level = str(key).partition(":")
        return f"{StudyFrames._label(labels, variable)}: {level}" if level else opened(key)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def is_ok(*rows: Record) -> bool:
    return all((row.get("status") or status.OK) == status.OK for row in rows)


def by_position(rows: list[Record]) -> list[Record]:
    return sorted(rows, key=_position)


def grouped(rows: Sequence[Record], *columns: str) -> Iterator[tuple[tuple[Any, ...], list[Record]]]:
    """Rows by the values of columns, in the order of first appearance."""
    found: dict[tuple[Any, ...], list[Record]] = {}
    for row in rows:
        found.setdefault(tuple(row.get(c) for c in columns), []).append(row)
    yield from found.items()


def _position(row: Record) -> float:
    value = row.get("position")
    return float(value) if known(value) else float("inf")
