"""Reads the seeds and looks names and units up as the models do.

Belongs here: the normal form of names, the lookup of a name, a unit and a conversion, as the seeds' README
says. Does not belong here: any fact about medicine, and any test.
"""

from __future__ import annotations

import csv
import unicodedata
from functools import cache
from pathlib import Path

SEEDS = Path(__file__).parents[2] / "dbt_project" / "seeds"
FIXTURES = Path(__file__).parent / "catalogue"
NAMES = {  # kind of name: table of ids, id column, display name, table of synonyms
    "concept": ("concepts", "concept_id", "concept_name", "concept_synonyms"),
    "antibody": ("antibodies", "antibody_id", "antibody_name", "antibody_synonyms"),
    "event": ("event_types", "event_id", "event_name", "event_synonyms"),
    "treatment": ("treatments", "treatment_id", "treatment_name", "treatment_synonyms"),
}
_GREEK = dict(zip("αβγδεζηθικλμνξοπρστυφχψως", (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu",
    "nu", "xi", "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "sigma",
), strict=True)) | {"µ": "mu"}

Row = dict[str, str]


@cache
def seed(name: str) -> tuple[Row, ...]:
    return _read(SEEDS / f"{name}.csv")


@cache
def fixture(name: str) -> tuple[Row, ...]:
    return _read(FIXTURES / f"{name}.csv")


def _read(path: Path) -> tuple[Row, ...]:
    with path.open(encoding="utf-8", newline="") as handle:
        return tuple(csv.DictReader(handle))


def half_width(text: str) -> str:
    return "".join(chr(ord(c) - 0xFEE0) if "！" <= c <= "～" else " " if c == "\u3000" else c for c in text)


def normal(text: str) -> str:
    """The form under which names are compared."""
    spelled = "".join(_GREEK.get(c, c) for c in half_width(text).strip().lower())
    return "".join(c for c in spelled if unicodedata.category(c)[0] in "LN" or c in "+%#")


@cache
def names(kind: str) -> dict[str, str]:
    """Normal form to id."""
    _, id_column, _, synonyms = NAMES[kind]
    return {normal(row["synonym"]): row[id_column] for row in seed(synonyms)}


def named(kind: str, text: str) -> str | None:
    return names(kind).get(normal(text))


@cache
def concepts() -> dict[str, Row]:
    return {row["concept_id"]: row for row in seed("concepts")}


@cache
def _spellings() -> dict[str, str]:
    return {row["unit_source"]: row["unit_ucum"] for row in seed("unit_spellings")}


def unit(text: str) -> str | None:
    """UCUM code of a unit as sent."""
    return _spellings().get(text.strip())


@cache
def _rules() -> dict[tuple[str, str, str], tuple[float, float]]:
    return {(r["concept_id"], r["unit_from"], r["unit_to"]): (float(r["factor"]), float(r["offset"]))
            for r in seed("unit_conversions")}


def rule(concept_id: str, unit_from: str) -> tuple[float, float] | None:
    """Factor and offset to the canonical unit: a concept's own rule before one for any concept."""
    unit_to = concepts()[concept_id]["unit_canonical"]
    if unit_from == unit_to:
        return 1.0, 0.0
    return _rules().get((concept_id, unit_from, unit_to)) or _rules().get(("*", unit_from, unit_to))


def canonical(concept_id: str, value: float, unit_text: str) -> float | None:
    code = unit(unit_text)
    found = None if code is None else rule(concept_id, code)
    return None if found is None else value * found[0] + found[1]
