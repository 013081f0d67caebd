"""What tests of the catalogue are tried against, and the lookups of `orchestration/registry/catalogue.py` by
the seeds alone.

Belongs here: reading the fixtures, names without LOINC codes, a value in the canonical unit. Does not belong
here: any test.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from orchestration.registry.catalogue import NAMES as KINDS
from orchestration.registry.catalogue import (
    SEEDS,
    Row,
    concepts,
    half_width,
    meaning,
    normal,
    rule,
    seed,
    unit,
)

__all__ = [
    "NAMES",
    "SEEDS",
    "canonical",
    "concepts",
    "fixture",
    "half_width",
    "named",
    "names",
    "normal",
    "rule",
    "seed",
    "unit",
]

FIXTURES = Path(__file__).parent / "catalogue"
NAMES = {  # kind of name: table of ids, id column, display name, table of synonyms
    "concept": ("concepts", "concept_id", "concept_name", "concept_synonyms"),
    "antibody": ("antibodies", "antibody_id", "antibody_name", "antibody_synonyms"),
    "event": ("event_types", "event_id", "event_name", "event_synonyms"),
    "treatment": ("treatments", "treatment_id", "treatment_name", "treatment_synonyms"),
}


@cache
def fixture(name: str) -> tuple[Row, ...]:
    with (FIXTURES / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        return tuple(csv.DictReader(handle))


@cache
def names(kind: str) -> dict[str, str]:
    """Normal form to id."""
    _, id_column, _, synonyms = NAMES[kind]
    return {normal(row["synonym"]): row[id_column] for row in seed(synonyms)}


def named(kind: str, text: str, unit_text: str = "") -> str | None:
    """What a name means, in a unit; an id means itself, as a mapping writes it."""
    table, id_column, _, synonyms = NAMES[kind]
    if text in {row[id_column] for row in seed(table)}:
        return text
    return meaning(next(k for k, v in KINDS.items() if v[2] == synonyms), text, unit_text)


def canonical(concept_id: str, value: float, unit_text: str) -> float | None:
    code = unit(unit_text)
    found = None if code is None else rule(concept_id, code)
    return None if found is None else value * found[0] + found[1]
