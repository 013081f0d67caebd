"""Finds numbers of persons in the texts of a table that is being loaded, before any of it reaches the
warehouse file.

Belongs here: which texts are searched, and what becomes of a text that holds such a number. Does not belong
here: what such a number looks like (`registry/person_numbers.py`).

Until they are inserted, a table's rows lie in temporary tables of the connection; this module changes them
there. Keys (`patient_id`, `visit_id`, `hospital_id`, `link_by`) become hashes and are not searched. Some
fields name something by a code (a test, an event, a drug, a unit). A cell of digits alone in such a field is
a code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from orchestration.raw.cell_sql import elements, literal
from orchestration.registry.entities import Patients, is_date
from orchestration.registry.mapping import Export, Mapping, PersonNumbers
from orchestration.registry.person_numbers import CANDIDATE, NO_CANDIDATE, blanked, person_numbers

KEYS = ("patient_id", "visit_id", "hospital_id")
CODED = (
    "concept",
    "other_codes",
    "other_names",
    "antibody",
    "event",
    "treatment",
    "unit",
    "unit_2",
    "sex",
    "comparator",
    "dose_unit",
    "diagnosis",
    "assay",
)
MOSTLY = 0.5  # a column with numbers of persons in more than this share of its texts is an identifier
FEWEST = 3
DIGITS_ALONE = r"^[\d\s.\-]*$"
NAMED = {
    "identity_number": "an identity number",
    "telephone": "a telephone number",
    "email": "an e-mail address",
    "passport": "the number of a passport",
}


@dataclass(frozen=True)
class Texts:
    """A column whose texts are searched: its cell in SQL, and what its mapping wants done with a number."""

    column: str
    cell: str
    does: PersonNumbers
    may_hold_codes: bool


@dataclass(frozen=True)
class PersonFinding:
    """How many cells of one column hold numbers of persons; none of their text."""

    column: str
    kind: str  # the most frequent one
    cells: int
    filled: int
    first_row: int

    @property
    def is_an_identifier(self) -> bool:
        return self.cells >= FEWEST and self.cells > MOSTLY * self.filled


def texts_of(exports: Iterable[Export], mapping: Mapping, cells: dict[str, str]) -> list[Texts]:
    """The mapped columns of a table that may hold free text. Where several exports treat one column
    differently, the strictest treatment counts.
    """
    found: dict[str, Texts] = {}
    keys: set[str] = set()
    for export in exports:
        does = mapping.person_numbers_of(export)
        for _, entity in export.entities():
            keys |= {c for name in KEYS if (source := getattr(entity, name)) for c in source.columns}
            keys |= set(entity.link_by.values()) if isinstance(entity, Patients) else set()
            for (name, *_), source in entity.sources():
                if name in KEYS or is_date(name) or name.endswith("_offset"):
                    continue
                for column in (c for named in source.columns for c in elements(named, cells)):
                    before = found.get(column)
                    strictest = (
                        does
                        if before is None
                        else min(before.does, does, key=("reject", "blank_out", "keep").index)
                    )
                    is_coded = name in CODED or (before is not None and before.may_hold_codes)
                    found[column] = Texts(column, cells[column], strictest, is_coded)
    return [
        t
        for t in found.values()
        if t.column not in keys and t.does != "keep" and not t.cell.startswith("null")
    ]


def find(connection: duckdb.DuckDBPyConnection, texts: list[Texts]) -> list[PersonFinding]:
    """Numbers of persons in the texts, by column. Writes each such text, and the text that replaces it, into
    the temporary table person_text.
    """
    connection.execute(
        "create or replace temp table person_text (cell varchar, sent varchar, becomes varchar)"
    )
    found = []
    for text in texts:
        coded = (
            f" and not regexp_matches({text.cell}, {literal(DIGITS_ALONE)})" if text.may_hold_codes else ""
        )
        candidates = connection.execute(
            f"select {text.cell}, count(*), min(source_row) from incoming where regexp_matches({text.cell}, "
            f"{literal(CANDIDATE)})"
            f" and not regexp_full_match({text.cell}, {literal(NO_CANDIDATE)}){coded} group by 1"
        )
        held: list[tuple[str, int, int, str]] = []
        while batch := candidates.fetchmany(10_000):
            held += [
                (sent, n, row, numbers[0].kind) for sent, n, row in batch if (numbers := person_numbers(sent))
            ]
        if not held:
            continue
        connection.executemany(
            "insert into person_text values (?, ?, ?)",
            [(text.cell, sent, blanked(sent)) for sent, *_ in held],
        )
        filled = connection.execute(f"select count({text.cell}) from incoming").fetchall()[0][0]
        kinds = [kind for _, n, _, kind in held for _ in range(n)]
        found.append(
            PersonFinding(
                text.column,
                max(sorted(set(kinds)), key=kinds.count),
                len(kinds),
                filled,
                min(row for _, _, row, _ in held),
            )
        )
    return found


def take_out(
    connection: duckdb.DuckDBPyConnection, texts: list[Texts], found: list[PersonFinding]
) -> dict[int, str]:
    """Take the numbers out of `incoming`; returns the rows that their mapping rejects, each with the first
    column that holds a number.
    """
    columns = {f.column for f in found}
    held = [t for t in texts if t.column in columns]
    rejected: dict[int, str] = {}
    for text in held:
        if text.does == "reject":
            rows = connection.execute(
                f"select source_row from incoming where {text.cell} in (select sent from person_text "
                "where cell = ?)",
                [text.cell],
            ).fetchall()
            rejected = {row: text.column for (row,) in rows} | rejected
    replaced = ", ".join(f"coalesce(p_{t.cell}.becomes, t.{t.cell}) as {t.cell}" for t in held)
    joins = " ".join(
        f"left join person_text as p_{t.cell} on p_{t.cell}.cell = '{t.cell}' "
        f"and p_{t.cell}.sent = t.{t.cell}"
        for t in held
    )
    connection.execute(
        f"create or replace temp table incoming_checked as select t.* replace ({replaced}) "
        f"from incoming as t {joins}"
    )
    connection.execute("create or replace temp view incoming as select * from incoming_checked")
    return dict(sorted(rejected.items()))
