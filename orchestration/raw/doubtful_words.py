"""The words of a delivery that have more than one meaning, and what the words of its columns of sexes, states
and grades become. `myositis check` tells both before any row is rejected.

Belongs here: finding such words in the rows of schema raw, and a sentence for each. Does not belong here:
which words have two meanings (`seeds/ambiguous_words.csv`), words that stand in the mapping itself
(`mapping_file.py`), judging rows (dbt).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import duckdb

from orchestration.raw.cell_sql import literal
from orchestration.raw.ledger import loads_in_force
from orchestration.registry import catalogue
from orchestration.registry.folder import Registry
from orchestration.registry.mapping import Mapping

NAMED = {  # kind of name: entity, field of the mapping, its column in schema raw
    "concepts": ("observations", "concept", "concept_source"),
    "antibodies": ("antibodies", "antibody", "antibody_source"),
    "events": ("events", "event", "event_source"),
    "treatments": ("treatments", "treatment", "treatment_source"),
}
Found = tuple[str, str, int, catalogue.Ambiguous]
NOT_KNOWN = "not known"
FEW_WORDS, FEWEST_SHOWN = (
    20,
    5,
)  # a word that nobody knows is shown if it is one of few and stands in many rows
_NUMBER = re.compile(r"[<>=≤≥]*\s*[+-]?\d[\d.,]*|[<>=≤≥]*\s*1\s*[:/∶]\s*\d+")
_BRACKETED_NUMBER = re.compile(r"\s*\(\s*(?:1\s*[:∶]\s*)?\d+(?:[.,]\d+)?\s*\)$")


@dataclass(frozen=True)
class WordNotes:
    """A sentence for each doubtful word, and one for each kind of column whose words have a code."""

    doubts: tuple[str, ...] = ()
    readings: tuple[str, ...] = ()

    def and_(self, other: WordNotes) -> WordNotes:
        return WordNotes((*self.doubts, *other.doubts), (*self.readings, *other.readings))


def notes_of_loaded(connection: duckdb.DuckDBPyConnection, registry: Registry) -> WordNotes:
    """What the words in the deliveries in force become, sender by sender."""
    found = WordNotes()
    for sender, mapping in registry.mappings.items():
        loads = connection.execute(
            "select load_id from raw.current_load where sender_id = ?", [sender]
        ).fetchall()
        if loads:
            own = _notes(connection, mapping, [load for (load,) in loads], "its deliveries in force")
            found = found.and_(own)
    return found


def notes_of_deliveries(
    connection: duckdb.DuckDBPyConnection, registry: Registry, deliveries: Collection[tuple[str, str]]
) -> WordNotes:
    """What the words in these deliveries, (sender, delivery) each, become, as far as they are in force."""
    found = WordNotes()
    for load in loads_in_force(connection):
        if (load.sender, load.delivery) in deliveries:
            mapping = registry.mappings[load.sender]
            found = found.and_(_notes(connection, mapping, [load.load_id], load.delivery))
    return found


def _notes(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, loads: list[str], where: str
) -> WordNotes:
    loaded = f"load_id in ({', '.join(map(literal, loads))})"
    sexes = _sexes(connection, mapping, loaded)
    found = [
        *_names(connection, mapping, loaded),
        *_doubtful_sexes(sexes),
        *_status(connection, mapping, loaded),
        *_grades(connection, mapping, loaded),
    ]
    doubts = [
        f'hospitals/{mapping.sender}.yml: codes.{kind}: "{word}" ({_rows(rows)} of {where}) {doubt.sentence};'
        f" such {'cells' if kind == 'sex' else 'rows'} are rejected until the mapping states which is meant"
        + ("" if mapping.language else doubt.remedy)
        for kind, word, rows, doubt in found
    ]
    columns = (
        ("sex", sexes),
        ("event_status", _codes_of(connection, mapping, loaded, "events", "event_status")),
        ("follow_up_status", _codes_of(connection, mapping, loaded, "follow_up", "follow_up_status")),
        ("results of antibodies", _graded(connection, mapping, loaded)),
    )
    readings = [
        f"hospitals/{mapping.sender}.yml: {kind} in {where}: {told}"
        for kind, words in columns
        if (told := _told(words))
    ]
    return WordNotes(tuple(doubts), tuple(readings))


def _rows(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


@dataclass(frozen=True)
class Word:
    """A word of a column, in how many rows it stands, and what it becomes; None: it is not understood."""

    text: str
    rows: int
    becomes: str | None


def _told(words: list[Word]) -> str:
    """The words with their meanings. A word that is not understood may be free text: it is shown only if it
    is one of few words, and stands in many rows.
    """
    total: dict[tuple[str, str | None], int] = {}
    for word in words:
        total[word.text, word.becomes] = total.get((word.text, word.becomes), 0) + word.rows
    unread = {text: rows for (text, becomes), rows in total.items() if becomes is None}
    shown = {text for text, rows in unread.items() if len(unread) <= FEW_WORDS and rows >= FEWEST_SHOWN}
    told = [
        f'"{text}" ({_rows(rows)}) {becomes or "is not understood"}'
        for (text, becomes), rows in sorted(total.items(), key=lambda item: (-item[1], item[0][0]))
        if becomes is not None or text in shown or _is_doubtful(text)
    ]
    if hidden := {t: n for t, n in unread.items() if t not in shown and not _is_doubtful(t)}:
        told.append(
            f"{len(hidden):,} word{'' if len(hidden) == 1 else 's'} in {_rows(sum(hidden.values()))}"
            f" {'is' if len(hidden) == 1 else 'are'} not understood"
        )
    return ", ".join(told)


def _is_doubtful(text: str) -> bool:
    """Whether a word is one of the catalogue's, and so tells nothing of a person."""
    return any(
        catalogue.folded(text) in catalogue.ambiguous(kind) for kind in ("sex", "event_status", "results")
    )


def _is_missing(text: str, mapping: Mapping) -> bool:
    return text in mapping.missing or catalogue.is_missing_mark(text)


def _sexes(connection: duckdb.DuckDBPyConnection, mapping: Mapping, loaded: str) -> list[Word]:
    """The words for sex. What one means depends on the others of the same column and delivery."""
    columns: dict[tuple[str, str], dict[str, int]] = {}
    for load, export, text, rows in connection.execute(
        f"select load_id, export_id, trim(sex), count(*) from raw.patients where {loaded} "
        "and sex is not null group by all"
    ).fetchall():
        columns.setdefault((load, export), {})[text] = rows
    return [
        Word(text, rows, _sex(text, column, mapping))
        for column in columns.values()
        for text, rows in column.items()
    ]


def _sex(text: str, column: Collection[str], mapping: Mapping) -> str | None:
    own = mapping.codes.sex.get(text)
    if own is None and _is_missing(text, mapping):
        return NOT_KNOWN
    return own or catalogue.sex_of(text, column, mapping.language)


def _doubtful_sexes(words: list[Word]) -> Iterator[Found]:
    known = catalogue.ambiguous("sex")
    total: dict[str, int] = {}
    for word in words:
        if word.becomes is None and catalogue.folded(word.text) in known:
            total[word.text] = total.get(word.text, 0) + word.rows
    yield from (("sex", text, rows, known[catalogue.folded(text)]) for text, rows in sorted(total.items()))


def _codes_of(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, loaded: str, entity: str, kind: str
) -> list[Word]:
    """The words of a column of states."""
    own, known = getattr(mapping.codes, kind), catalogue.status_codes(kind, mapping.language)
    return [
        Word(
            text,
            rows,
            own.get(text) or (NOT_KNOWN if _is_missing(text, mapping) else known.get(catalogue.folded(text))),
        )
        for text, rows in connection.execute(
            f"select trim(status_text), count(*) from raw.{entity} where {loaded} "
            "and status_text is not null group by all"
        ).fetchall()
    ]


def _graded(connection: duckdb.DuckDBPyConnection, mapping: Mapping, loaded: str) -> list[Word]:
    """The results of antibodies that are no numbers."""
    found = []
    for antibody, text, assay, rows in connection.execute(
        "select trim(antibody_source), trim(result_text), trim(assay_source), count(*) from raw.antibodies"
        f" where {loaded} and result_text is not null group by all"
    ).fetchall():
        own = mapping.codes.results
        meant = own.get(antibody or "", {}).get(text) or own.get("*", {}).get(text) or text
        if not _NUMBER.fullmatch(catalogue.half_width(meant).strip()):
            spelled = mapping.codes.assays.get(assay or "", assay or "")
            becomes = NOT_KNOWN if _is_missing(text, mapping) else _result_of(meant, spelled)
            found.append(Word(text, rows, becomes))
    return found


def _result_of(text: str, assay: str) -> str | None:
    grade = _BRACKETED_NUMBER.sub("", catalogue.folded(text))
    for row in catalogue.seed("antibody_grades"):
        if catalogue.folded(row["grade_text"]) == grade:
            return row["result"] + (f" {row['grade']}+" if row["grade"] not in ("", "0") else "")
    for row in catalogue.seed("grade_readings"):
        if row["grade_text"] == grade and _is_explained(grade, assay) and row["read_of"] != "result":
            return row["result"]
    return None


def _names(connection: duckdb.DuckDBPyConnection, mapping: Mapping, loaded: str) -> Iterator[Found]:
    """Doubtful names of tests, antibodies, events and treatments in the columns that hold such names."""
    for kind, (entity, field, column) in NAMED.items():
        if not (exports := _exports_with(mapping, entity, field)):
            continue
        unit = "trim(unit_source)" if kind == "concepts" else "null"
        doubts: dict[str, tuple[int, catalogue.Ambiguous]] = {}
        for word, unit_text, rows in connection.execute(
            f"select trim({column}), {unit}, count(*) from raw.{entity} where {loaded} "
            f"and {column} is not null"
            f" and export_id in ({', '.join(map(literal, exports))}) group by all order by all"
        ).fetchall():
            spelled = mapping.codes.units.get(unit_text or "", unit_text or "")
            if word not in getattr(mapping.codes, kind) and (
                doubt := catalogue.doubt(kind, word, spelled, mapping.language)
            ):
                doubts[word] = (rows + doubts.get(word, (0, doubt))[0], doubt)
        yield from ((kind, word, rows, doubt) for word, (rows, doubt) in doubts.items())


def _exports_with(mapping: Mapping, entity: str, field: str) -> list[str]:
    """The exports in which a column holds the name."""
    sources = [
        (x, getattr(getattr(x, entity), field, None))
        for x in mapping.exports
        if getattr(x, entity) is not None
    ]
    return [mapping.export_id(x) for x, source in sources if source is not None and source.columns]


def _status(connection: duckdb.DuckDBPyConnection, mapping: Mapping, loaded: str) -> Iterator[Found]:
    """Doubtful words for yes and no."""
    known, read = (
        catalogue.ambiguous("event_status"),
        catalogue.status_codes("event_status", mapping.language),
    )
    for word, rows in connection.execute(
        f"select trim(status_text), count(*) from raw.events where {loaded} and status_text is not null "
        "group by all order by all"
    ).fetchall():
        form = catalogue.folded(word)
        if word not in mapping.codes.event_status and form not in read and (doubt := known.get(form)):
            yield "event_status", word, rows, doubt


def _grades(connection: duckdb.DuckDBPyConnection, mapping: Mapping, loaded: str) -> Iterator[Found]:
    """Graded antibody results that only the makers of some assays explain."""
    known, own = catalogue.ambiguous("results"), mapping.codes.results
    total: dict[str, int] = {}
    for antibody, word, assay, rows in connection.execute(
        "select trim(antibody_source), trim(result_text), trim(assay_source), count(*) from raw.antibodies"
        f" where {loaded} and result_text is not null group by all order by all"
    ).fetchall():
        is_stated = word in own.get(antibody or "", {}) or word in own.get("*", {})
        grade = catalogue.folded(word)
        if (
            grade in known
            and not is_stated
            and not _is_explained(grade, mapping.codes.assays.get(assay or "", assay or ""))
        ):
            total[word] = total.get(word, 0) + rows
    yield from (("results", word, rows, known[catalogue.folded(word)]) for word, rows in total.items())


def _is_explained(grade: str, assay: str) -> bool:
    """Whether the maker of an assay, by id or name, says what a grade means."""
    explaining = {row["read_of"] for row in catalogue.seed("grade_readings") if row["grade_text"] == grade}
    return any(
        row["assay_id"] in explaining and catalogue.normal(assay) in _assay_names(row)
        for row in catalogue.seed("antibody_rules")
    )


def _assay_names(row: catalogue.Row) -> set[str]:
    return {
        catalogue.normal(name)
        for name in (row["assay_id"], row["assay_name"], *row["assay_synonyms"].split("|"))
    }
