"""Guesses what each column of a sample means, with a confidence between 0 and 1.

Belongs here: matching headers and words to the catalogue and to the names of fields (`header_names.csv`).
Does not belong here: values (`profile.py`), YAML (`draft.py`).

A header that is a name of the catalogue, in the normal form of the seeds' README, matches with 1.00; the
confidence falls if the column's values contradict it. A header that is only similar to a name (difflib's
ratio) never reaches CERTAIN, whatever the ratio: it is a suggestion.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from orchestration.onboarding.headers import header_roles, spellings
from orchestration.onboarding.profile import ColumnProfile, TableProfile
from orchestration.registry import catalogue
from orchestration.registry.entities import ASKED

CERTAIN = 0.95
SHORTEST_LIKE = 5
LIKE = 0.75  # the least ratio that is worth a suggestion
LIKE_SHORT, SHORT = 0.85, 8  # the same for a header of fewer letters: one letter in five is another word
KNOWN_WORDS = (
    0.5  # a column is one of tests, antibodies, events or drugs if this share of its rows names such
)
STATUS_WORDS = 0.9
LONG = {  # kind of names: entity, field that holds the name, role of the header
    "concepts": ("observations", "concept", "concept"),
    "antibodies": ("antibodies", "antibody", "antibody"),
    "events": ("events", "event", "event"),
    "treatments": ("treatments", "treatment", "treatment"),
}
BESIDE = {  # beside a column of these roles, a column headed as a name counts even if its words are unknown
    "concepts": {"value"},
    "antibodies": {"value"},
    "events": {"event_date"},
    "treatments": {"start_date", "dose"},
}
WIDE = {"concepts": "observations", "antibodies": "antibodies", "events": "events"}
RECORD_DATES = {  # entity: its date, and the headers that may name it, the likeliest first
    "visits": ("visit_date", ("visit_date",)),
    "observations": ("observed_on", ("sample_date", "test_date", "visit_date")),
    "antibodies": ("tested_on", ("test_date", "sample_date", "visit_date")),
    "events": ("event_date", ("event_date", "visit_date")),
    "follow_up": ("last_seen_date", ("contact_date",)),
    "treatments": ("start_date", ("start_date",)),
}
RECORD_OFFSETS = {
    "visits": "visit_offset",
    "observations": "observed_offset",
    "antibodies": "tested_offset",
    "events": "event_offset",
    "follow_up": "last_seen_offset",
    "treatments": "start_offset",
}
PATIENT_FIELDS = (
    "sex",
    "birth_date",
    "birth_year",
    "onset_date",
    "diagnosis_date",
    "origin_date",
    "age_at_onset",
    "disease_duration",
    "diagnosis",
)
FIELDS_OF = {
    "visits": {"visit_end_date": "visit_end_date", "visit_label": "visit_label"},
    "observations": {
        "value": "value",
        "comparator": "comparator",
        "unit": "unit",
        "reference_range": "reference_range",
        "reference_high": "reference_high",
    },
    "antibodies": {"value": "result", "assay": "assay", "cut_off": "cut_off"},
    "events": {"detail": "detail", "event_status": "status"},
    "treatments": {"stop_date": "stop_date", "dose": "dose", "dose_unit": "dose_unit"},
    "follow_up": {"status": "status", "reason": "reason"},
}
DATED = {"birth_date", "onset_date", "diagnosis_date", "origin_date", "visit_end_date", "stop_date"}
NUMBERED = {"birth_year", "age_at_onset", "disease_duration", "dose"}


@dataclass(frozen=True)
class Guess:
    """The guess that ``column`` is ``place``: (entity, field), (entity, values, id), (identifiers,) or
    (ignored,).
    """

    column: str
    place: tuple[str, ...]
    confidence: float
    why: str
    unit: str = ""

    @property
    def is_certain(self) -> bool:
        return self.confidence >= CERTAIN


@dataclass
class TableGuess:
    table: TableProfile
    guesses: list[Guess] = field(default_factory=list)
    unknown_words: dict[str, dict[str, int]] = field(default_factory=dict)  # kind of name: word to rows
    language: str | None = None

    def of(self, column: str) -> list[Guess]:
        return [g for g in self.guesses if g.column == column]


def guess_table(table: TableProfile, language: str | None = None) -> TableGuess:
    """Every guess on a table's columns; a column may feed several entities, or have several doubtful
    guesses. ``language`` reads the words of two meanings.
    """
    found = TableGuess(table, language=language)
    entities = _long(table, found) | _wide(table, found)
    entities |= _patients(table, found) | _visits(table, found, entities) | _follow_up(table, found, entities)
    for entity in entities:
        _other_fields(table, found, entity)
        _record_date(table, found, entity)
    _keys(table, found, entities)
    _rest(table, found)
    found.guesses = _without_rivals(found.guesses)
    return found


# entities


def _long(table: TableProfile, found: TableGuess) -> set[str]:
    """A table in which one column names tests, antibodies, events or drugs, row by row."""
    best: list[tuple[float, str, ColumnProfile]] = []
    for column in table.columns:
        if column.kind not in ("words", "text"):
            continue
        for kind in LONG:
            share = known_share(kind, column.values)
            is_named = column.role == LONG[kind][2]
            beside = is_named and any(c.role in BESIDE[kind] for c in table.columns)
            if beside or (share >= KNOWN_WORDS and (is_named or (share >= 0.8 and len(column.values) >= 3))):
                best.append((share + is_named, kind, column))
    entities = set()
    for _, kind, column in sorted(best, key=lambda b: -b[0])[:1]:
        entity, name, role = LONG[kind]
        is_named = column.role == role
        share = known_share(kind, column.values)
        needs = {"observations": "value", "antibodies": "value"}.get(entity)
        if needs and not any(c.role == needs for c in table.columns):
            continue
        found.guesses.append(
            Guess(
                column.name,
                (entity, name),
                1.0 if is_named else 0.9,
                f"{share:.0%} of its rows name {kind} of the catalogue",
            )
        )
        found.unknown_words[kind] = {
            w: n
            for w, n in column.values.items()
            if not catalogue.is_name(kind, w) or _is_asked(kind, w, found.language)
        }
        entities.add(entity)
    return entities


def _is_asked(kind: str, word: str, language: str | None) -> bool:
    """Whether a name with more than one meaning is doubtful in every row, because no row's unit
    settles it.
    """
    doubt = catalogue.doubt(kind, word, "", language)
    return doubt is not None and not doubt.unit_decides


def _wide(table: TableProfile, found: TableGuess) -> set[str]:
    """Columns whose headers name tests, antibodies or signs."""
    entities = set()
    for column in table.columns:
        if column.kind in ("identifier", "date") or (column.role and column.kind != "number"):
            continue
        guess = _wide_guess(column, found.language)
        if guess is not None and not any(g.column == column.name for g in found.guesses):
            found.guesses.append(guess)
            if guess.is_certain:
                entities.add(guess.place[0])
    return entities


def _wide_guess(column: ColumnProfile, language: str | None) -> Guess | None:
    named = [(k, n) for k in WIDE for n in column.spellings]
    exact = [(k, i) for k, n in named if (i := catalogue.meaning(k, n, column.unit, language)) is not None]
    exact = [(k, i) for k, i in exact if _fits(k, i, column) is True] or exact
    doubts = [(k, d) for k, n in named if (d := catalogue.doubt(k, n, column.unit, language)) is not None]
    if doubts and not exact:
        kind, doubt = doubts[0]
        place = (WIDE[kind], "values", doubt.ids[0] if doubt.ids else ASKED)
        return Guess(column.name, place, 0.5, f"its header {doubt.sentence}", column.unit)
    if exact:
        kind, name = exact[0]
        fits = _fits(kind, name, column)
        confidence = {True: 1.0, None: 0.9, False: 0.6}[fits]
        why = {
            True: "its header is a name of the catalogue",
            None: "its header is a name of the catalogue; no value to see",
            False: "its header is a name of the catalogue, its values do not look like it",
        }[fits]
        unit = column.unit if kind == "concepts" and column.unit in catalogue.units() else ""
        if unit and not catalogue.converts(name, unit):
            confidence, why = (
                0.7,
                f"its header is a name of the catalogue, but no rule leads from {unit} to its unit",
            )
        return Guess(column.name, (WIDE[kind], "values", name), confidence, why, unit)
    if column.role:
        return None
    kinds = ("concepts",) if column.kind == "number" else ("events", "antibodies", "concepts")
    nearest = [
        n
        for k in kinds
        if (n := _nearest(k, column.header)) is not None and _fits(k, n[2], column) is not False
    ]
    if not nearest:
        return None
    near = max(nearest, key=lambda n: n[0])
    ratio, kind, name, word = near
    return Guess(
        column.name,
        (WIDE[kind], "values", name),
        min(ratio, 0.9),
        f'like "{word}"',
        column.unit if kind == "concepts" else "",
    )


def _fits(kind: str, name: str, column: ColumnProfile) -> bool | None:
    """Whether a column's values fit the concept, antibody or event; None if there are no values."""
    if column.kind == "blank":
        return None
    if kind == "concepts":
        return column.kind == "number" or catalogue.concepts()[name]["kind"] in ("coded", "text")
    words = frozenset(catalogue.words("event_status", "status_text"))
    if kind == "antibodies":
        graded = (*catalogue.seed("antibody_grades"), *catalogue.seed("grade_readings"))
        words = words | {catalogue.folded(r["grade_text"]) for r in graded}
        return column.kind == "number" or share_of(column.values, words) >= STATUS_WORDS
    return column.kind != "date" and share_of(column.values, words) >= STATUS_WORDS


def _patients(table: TableProfile, found: TableGuess) -> set[str]:
    named = [c for c in table.columns if c.role in PATIENT_FIELDS]
    strong = [c for c in named if c.role in ("sex", "birth_date", "birth_year")]
    if not strong:
        return set()
    for column in named:
        role = column.role
        fits, why = _field_fits(role, column, found.language)
        found.guesses.append(Guess(column.name, ("patients", role), 1.0 if fits else 0.7, why))
    return {"patients"}


def _visits(table: TableProfile, found: TableGuess, entities: set[str]) -> set[str]:
    """A table with a visit's date is about visits, unless its rows are tests, events or drugs."""
    long = any(len(g.place) == 2 and g.place in {v[:2] for v in LONG.values()} for g in found.guesses)
    dated = any(c.role == "visit_date" and c.kind == "date" for c in table.columns)
    return {"visits"} if dated and not long else set()


def _follow_up(table: TableProfile, found: TableGuess, entities: set[str]) -> set[str]:
    return (
        {"follow_up"} if any(c.role == "contact_date" and c.kind == "date" for c in table.columns) else set()
    )


# fields


def _other_fields(table: TableProfile, found: TableGuess, entity: str) -> None:
    is_wide = not any(
        g.place == (entity, LONG[k][1]) for k in LONG for g in found.guesses if LONG[k][0] == entity
    )
    for role, name in FIELDS_OF.get(entity, {}).items():
        if is_wide and entity in WIDE.values():
            continue
        for column in table.columns:
            if column.role == role:
                fits, why = _field_fits(role, column, found.language)
                found.guesses.append(Guess(column.name, (entity, name), 1.0 if fits else 0.7, why))
    if (
        entity == "observations"
        and not is_wide
        and not any(g.place == ("observations", "unit") for g in found.guesses)
    ):
        for column in table.columns:
            if share_of(column.values, set(catalogue.units()), lower=False) >= 0.8 and column.kind in (
                "words",
                "text",
            ):
                found.guesses.append(
                    Guess(column.name, ("observations", "unit"), 0.85, "its values are units")
                )


def _field_fits(role: str, column: ColumnProfile, language: str | None) -> tuple[bool, str]:
    named = "its header names the field"
    if role in DATED or role.endswith("_date"):
        if column.exchanged:
            return False, f"{named}; {column.exchanged}"
        return column.kind == "date", named if column.kind == "date" else f"{named}, its values are no dates"
    if role in NUMBERED:
        return (
            column.kind == "number",
            named if column.kind == "number" else f"{named}, its values are no numbers",
        )
    if role == "sex":
        read = [w for w in column.values if catalogue.sex_of(w, column.values, language)]
        share = share_of(column.values, {catalogue.folded(w) for w in read})
        return True, named if share >= STATUS_WORDS else f"{named}; say under codes.sex what its words mean"
    if role == "value" and column.kind not in ("number", "words", "text"):
        return False, f"{named}, its values are no results"
    return True, named


def _record_date(table: TableProfile, found: TableGuess, entity: str) -> None:
    if entity not in RECORD_DATES:
        return
    found.guesses += [
        Guess(
            c.name,
            ("?", RECORD_OFFSETS[entity]),
            0.7,
            f"days from the patient's day 0? Then {{column: {c.name}, offset_unit: days}}",
        )
        for c in table.columns
        if c.role == "offset" and c.kind == "number"
    ]
    name, roles = RECORD_DATES[entity]
    dates = [c for c in table.columns if c.kind == "date"]
    for role in roles:
        if named := [c for c in dates if c.role == role]:
            found.guesses += [
                Guess(c.name, (entity, name), 0.7, f"its header names the date; {c.exchanged}")
                if c.exchanged
                else Guess(c.name, (entity, name), 1.0, "its header names the date")
                for c in named
            ]
            return
    plain = [c for c in dates if c.role == "date"]
    for column in plain:
        only = len(dates) == 1
        confidence = CERTAIN if only and not column.exchanged else 0.7
        why = "the only date" if only else "one of several dates"
        found.guesses.append(
            Guess(
                column.name,
                (entity, name),
                confidence,
                f"{why}; {column.exchanged}" if column.exchanged else why,
            )
        )


def _keys(table: TableProfile, found: TableGuess, entities: set[str]) -> None:
    """The columns for patient and visit: the same columns in each entity of the table."""
    by_role = {
        role: [c for c in table.columns if c.role == role]
        for role in ("patient_id", "bare_id", "visit_id", "hospital_id")
    }
    named = [c for c in by_role["patient_id"] if c.distinct > 1] or by_role[
        "patient_id"
    ]  # one id in all rows is the study's
    patients = [(c, 1.0, "its header names the patient") for c in named]
    if not patients and not by_role["visit_id"]:
        says_who = "patients" in entities
        patients = [
            (c, CERTAIN if says_who else 0.7, "the only id" + (", beside sex or birth" if says_who else ""))
            for c in by_role["bare_id"]
        ]
    for column, confidence, why in patients:
        confidence = confidence if len(patients) == 1 else 0.7
        found.guesses += [
            Guess(column.name, (entity, "patient_id"), confidence, why)
            for entity in sorted(entities) or ["?"]
        ]
    for column in by_role["visit_id"]:
        with_visits = sorted(entities & {"visits", "observations", "antibodies", "events"})
        found.guesses += [
            Guess(column.name, (e, "visit_id"), 1.0, "its header names the visit") for e in with_visits
        ]
    for column in by_role["hospital_id"]:
        if column.distinct > 1:
            found.guesses += [
                Guess(
                    column.name,
                    (e, "hospital_id"),
                    1.0,
                    "its header names the hospital, and there are several",
                )
                for e in sorted(entities)
            ]


def _rest(table: TableProfile, found: TableGuess) -> None:
    for column in table.columns:
        if column.kind == "identifier":
            found.guesses.append(Guess(column.name, ("identifiers",), 1.0, column.why_identifier))
        elif column.name == "column_1" and column.kind == "number" and column.distinct == column.filled:
            found.guesses.append(Guess(column.name, ("ignored",), 1.0, "row numbers without a header"))
        elif not found.of(column.name):
            role = column.role
            if role == "ignored":
                found.guesses.append(
                    Guess(column.name, ("ignored",), 1.0, "a remark, a flag or a laboratory's own number")
                )
            elif role and role != "offset":
                found.guesses.append(
                    Guess(
                        column.name,
                        ("?", role),
                        0.5,
                        "its header names this field, but the table has no entity for it",
                    )
                )
            elif near := _nearest_role(column.header):
                found.guesses.append(
                    Guess(column.name, ("?", near[1]), min(near[0], 0.9), f'like "{near[2]}"')
                )


def _without_rivals(guesses: list[Guess]) -> list[Guess]:
    """Two columns for one place cannot both be certain."""
    counts = Counter(g.place for g in guesses if g.is_certain and len(g.place) > 1)
    return [
        Guess(g.column, g.place, 0.7, f"{g.why}; so does another column", g.unit)
        if g.is_certain and counts[g.place] > 1
        else g
        for g in guesses
    ]


# likeness


def known_share(kind: str, values: dict[str, int]) -> float:
    return _share(values, lambda v: catalogue.is_name(kind, v))


def share_of(values: dict[str, int], words: set[str] | frozenset[str], lower: bool = True) -> float:
    return _share(values, lambda v: (catalogue.folded(v) if lower else v) in words)


def _share(values: dict[str, int], holds: Callable[[str], bool]) -> float:
    total = sum(values.values())
    return sum(n for v, n in values.items() if holds(v)) / total if total else 0.0


@cache
def _nearest(kind: str, header: str) -> tuple[float, str, str, str] | None:
    """(ratio, kind, id, name) of the nearest name."""
    known = catalogue.names(kind)
    near = _closest(header, tuple(known))
    return (near[0], kind, known[near[1]], near[1]) if near else None


def nearest_word(kind: str, word: str) -> tuple[float, str, str] | None:
    near = _nearest(kind, word)
    return (near[0], near[2], near[3]) if near else None


def _nearest_role(header: str) -> tuple[float, str, str] | None:
    near = _closest(header, tuple(header_roles()))
    return (near[0], header_roles()[near[1]], near[1]) if near else None


def _closest(header: str, names: tuple[str, ...]) -> tuple[float, str] | None:
    best: tuple[float, str] | None = None
    names = tuple(n for n in names if len(n) >= SHORTEST_LIKE or not n.isascii())
    for form in dict.fromkeys(spellings(header)):
        if form.isascii() and len(form) < SHORTEST_LIKE:
            continue  # with a name of three letters every second header is alike
        cutoff = LIKE_SHORT if form.isascii() and len(form) < SHORT else LIKE
        for name in difflib.get_close_matches(form, names, n=1, cutoff=cutoff):
            ratio = difflib.SequenceMatcher(None, name, form).ratio()
            if best is None or ratio > best[0]:
                best = (ratio, name)
    return best
