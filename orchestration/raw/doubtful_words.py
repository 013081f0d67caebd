"""The words of a delivery that have more than one meaning. `myositis check` names them before their rows are
rejected.

Belongs here: finding such words in the rows of schema raw, and a sentence for each. Does not belong here:
which words have two meanings (`seeds/ambiguous_words.csv`), words that stand in the mapping itself
(`mapping_file.py`), judging rows (dbt).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

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


def notes_of_loaded(connection: duckdb.DuckDBPyConnection, registry: Registry) -> Iterator[str]:
    """A sentence for each doubtful word in the deliveries in force, sender by sender."""
    for sender, mapping in registry.mappings.items():
        loads = connection.execute(
            "select load_id from raw.current_load where sender_id = ?", [sender]
        ).fetchall()
        if loads:
            yield from _notes(connection, mapping, [load for (load,) in loads], "its deliveries in force")


def notes_of_deliveries(
    connection: duckdb.DuckDBPyConnection, registry: Registry, deliveries: Collection[tuple[str, str]]
) -> Iterator[str]:
    """A sentence for each doubtful word in these deliveries, (sender, delivery) each, as far as they are in
    force.
    """
    for load in loads_in_force(connection):
        if (load.sender, load.delivery) in deliveries:
            yield from _notes(connection, registry.mappings[load.sender], [load.load_id], load.delivery)


def _notes(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, loads: list[str], where: str
) -> Iterator[str]:
    loaded = f"load_id in ({', '.join(map(literal, loads))})"
    found = [
        *_names(connection, mapping, loaded),
        *_status(connection, mapping, loaded),
        *_grades(connection, mapping, loaded),
    ]
    for kind, word, rows, doubt in found:
        yield (
            f'hospitals/{mapping.sender}.yml: codes.{kind}: "{word}" ({rows:,} row{"" if rows == 1 else "s"} of {where}) {doubt.sentence};'
            " such rows are rejected until the mapping states which is meant"
        )


Found = tuple[str, str, int, catalogue.Ambiguous]


def _names(connection: duckdb.DuckDBPyConnection, mapping: Mapping, loaded: str) -> Iterator[Found]:
    """Doubtful names of tests, antibodies, events and treatments in the columns that hold such names."""
    for kind, (entity, field, column) in NAMED.items():
        if not (exports := _exports_with(mapping, entity, field)):
            continue
        unit = "trim(unit_source)" if kind == "concepts" else "null"
        doubts: dict[str, tuple[int, catalogue.Ambiguous]] = {}
        for word, unit_text, rows in connection.execute(
            f"select trim({column}), {unit}, count(*) from raw.{entity} where {loaded} and {column} is not null"
            f" and export_id in ({', '.join(map(literal, exports))}) group by all order by all"
        ).fetchall():
            spelled = mapping.codes.units.get(unit_text or "", unit_text or "")
            if word not in getattr(mapping.codes, kind) and (doubt := catalogue.doubt(kind, word, spelled)):
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
    known = catalogue.ambiguous("event_status")
    for word, rows in connection.execute(
        f"select trim(status_text), count(*) from raw.events where {loaded} and status_text is not null group by all order by all"
    ).fetchall():
        if word not in mapping.codes.event_status and (
            doubt := known.get(catalogue.half_width(word).lower())
        ):
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
        grade = catalogue.half_width(word).lower()
        if (
            grade in known
            and not is_stated
            and not _is_explained(grade, mapping.codes.assays.get(assay or "", assay or ""))
        ):
            total[word] = total.get(word, 0) + rows
    yield from (
        ("results", word, rows, known[catalogue.half_width(word).lower()]) for word, rows in total.items()
    )


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
