"""Writes the questions to a hospital as a workbook in queries/.

Does not belong here: finding them (`finding.py`), the workbook itself (`query_list.py`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import duckdb

from orchestration.queries import query_list
from orchestration.queries.asked import note_asked
from orchestration.queries.finding import find_queries
from orchestration.queries.query import QueriesRefused, Query
from orchestration.raw import pseudonym
from orchestration.registry.folder import Registry
from orchestration.registry.private_names import Resolver


@dataclass(frozen=True)
class Written:
    path: Path
    counts: dict[str, int]
    left_out: dict[str, int]


def sender_of(registry: Registry, hospital: str) -> str:
    """The sender that sends for a hospital; raises QueriesRefused if the hospital is unknown."""
    from yaml_files.yaml_file import nearest

    for sender, mapping in registry.mappings.items():
        if hospital == sender or (mapping.is_network and hospital.startswith(f"{sender}_")):
            return sender
    known = ", ".join(registry.mappings)
    raise QueriesRefused(
        [f'no hospital "{hospital}" in hospitals/.{nearest(hospital, registry.mappings)} Hospitals: {known}']
    )


def write_queries(
    connection: duckdb.DuckDBPyConnection, registry: Registry, hospital: str, today: date
) -> Written | None:
    """Write the query list of a hospital into queries/, readable by its owner alone; None if there is nothing
    to ask.
    """
    sender = sender_of(registry, hospital)
    queries, left_out = find_queries(connection, registry, sender, hospital)
    if not queries:
        return None
    path = _free(registry.queries, hospital, today)
    seal = query_list.Seal(
        pseudonym.read_or_make_key(registry.pseudonym_key_file), registry.file.name, hospital
    )
    query_list.write(path, seal, [_as_the_hospital_calls_it(registry, q) for q in queries], today)
    note_asked(registry, sender, hospital, [(q.query_id, q.kind) for q in queries], today)
    return Written(path, dict(Counter(q.kind for q in queries)), left_out)


def _as_the_hospital_calls_it(registry: Registry, query: Query) -> Query:
    """The question with the hospital's own names of file and sheet, which the warehouse replaces
    by numbers.
    """
    names = Resolver.of(registry.folder)
    return replace(
        query,
        file=names.file(query.load_id, query.file),
        sheet=names.sheet(query.load_id, query.file, query.sheet),
    )


def _free(folder: Path, hospital: str, today: date) -> Path:
    """A file name that is not used yet, so that a list which somebody is answering is never overwritten."""
    names = (f"{hospital}_{today}{f'_{n}' if n > 1 else ''}.xlsx" for n in range(1, 1000))
    return next(folder / name for name in names if not (folder / name).exists())
