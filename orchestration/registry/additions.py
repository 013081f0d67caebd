"""What a registry adds to the shipped clinical catalogue: `concepts/<seed>.csv`, in the shape of
dbt_project/seeds.

Belongs here: which seeds take additions, and what is wrong with one. Does not belong here: looking names up
(`catalogue.py`), writing additions into the warehouse (`database/rules.py`, macro `and_the_registrys_own`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestration.registry import catalogue
from orchestration.registry.catalogue import Row
from yaml_files.yaml_file import nearest

# seed: the columns that identify a row; an addition cannot change a shipped row
KEYS = {
    "concepts": ("concept_id",),
    "concept_synonyms": ("synonym",),
    "concept_ranges": ("concept_id", "age_low_years", "sex"),
    "unit_spellings": ("unit_source",),
    "unit_conversions": ("concept_id", "unit_from", "unit_to"),
    "antibodies": ("antibody_id",),
    "antibody_synonyms": ("synonym",),
    "event_types": ("event_id",),
    "event_synonyms": ("synonym",),
    "treatments": ("treatment_id",),
    "treatment_synonyms": ("synonym",),
}
IDS = {
    "concept_id": "concepts",
    "antibody_id": "antibodies",
    "event_id": "event_types",
    "treatment_id": "treatments",
}
NUMBERS = (
    "physical_low",
    "physical_high",
    "plausible_low",
    "plausible_high",
    "detection_limit",
    "age_low_years",
    "age_high_years",
    "factor",
    "offset",
)


def read_additions(folder: Path) -> tuple[dict[str, list[Row]], list[str]]:
    """(rows by seed, faults) of a registry's `concepts/` folder. Columns that an addition leaves out are
    empty.
    """
    found: dict[str, list[Row]] = {}
    faults: list[str] = []
    for path in sorted(folder.glob("*.csv")):
        if path.stem not in KEYS:
            faults.append(
                f"concepts/{path.name}: no table of the catalogue that a registry adds to. Its tables:"
                f" {', '.join(KEYS)}.{nearest(path.stem, list(KEYS))}"
            )
            continue
        try:
            with path.open(encoding="utf-8-sig", newline="") as handle:
                reader = csv.DictReader(handle)
                rows, columns = list(reader), reader.fieldnames or []
        except UnicodeDecodeError:
            faults.append(f"concepts/{path.name}: not UTF-8; save it again as CSV UTF-8")
            continue
        wrong = list(_column_faults(path, columns))
        faults += wrong
        if not wrong:
            found[path.stem] = rows
    for seed, rows in found.items():
        faults += _row_faults(seed, rows, found)
    for seed, id_column, synonyms in catalogue.NAMES.values():
        if named := _names_of_ids(found, seed, id_column, synonyms):
            found[synonyms] = [*found.get(synonyms, []), *named]
    return found, faults


def _names_of_ids(found: dict[str, list[Row]], seed: str, id_column: str, synonyms: str) -> list[Row]:
    """An addition is known by its id and its name, unless that name already means something else."""
    name_column = id_column.replace("_id", "_name")
    taken = {
        catalogue.normal(row["synonym"]) for row in (*catalogue.shipped(synonyms), *found.get(synonyms, []))
    }
    blank = dict.fromkeys(catalogue.shipped(synonyms)[0], "")
    named: dict[str, Row] = {}
    for row in found.get(seed, []):
        for name in filter(None, (row[id_column], row.get(name_column))):
            if (normal := catalogue.normal(name)) not in taken:
                named.setdefault(normal, blank | {id_column: row[id_column], "synonym": name})
    return list(named.values())


def _column_faults(path: Path, columns: Sequence[str]) -> Iterator[str]:
    known = list(catalogue.shipped(path.stem)[0])
    for column in columns:
        if column not in known:
            yield (
                f'concepts/{path.name}:1: no column "{column}" in this table. Its columns: '
                f"{', '.join(known)}.{nearest(column, known)}"
            )
    needed = [*KEYS[path.stem], *(["concept_id"] if path.stem == "concept_ranges" else _id_column(path.stem))]
    if missing := [
        c for c in dict.fromkeys(needed) if c not in columns and c not in ("age_low_years", "sex")
    ]:
        yield f"concepts/{path.name}:1: the columns {', '.join(missing)} are needed"


def _id_column(seed: str) -> list[str]:
    return [c for c in IDS if c in catalogue.shipped(seed)[0]]


def _row_faults(seed: str, rows: list[Row], found: dict[str, list[Row]]) -> Iterator[str]:
    """Faults of rows: a key that appears twice or is shipped, an id that nothing defines, a number that
    cannot be read.
    """
    keys = KEYS[seed]
    shipped = {_key(row, keys) for row in catalogue.shipped(seed)}
    seen: set[tuple[str, ...]] = set()
    for line, row in enumerate(rows, start=2):
        place, key = f"concepts/{seed}.csv:{line}", _key(row, keys)
        shown = ", ".join(f'{c} "{row.get(c) or ""}"' for c in keys)
        if key in shipped:
            yield (
                f"{place}: {shown} ships with the catalogue, and an addition cannot change it; leave the "
                "row out"
            )
        elif key in seen:
            yield f"{place}: {shown} is listed twice; keep one of the rows"
        seen.add(key)
        for column in NUMBERS:
            if (text := (row.get(column) or "").strip()) and not _is_number(text):
                yield f'{place}: {column}: "{text}" is not a number; write it with a point and without a unit'
        for column, table in IDS.items():
            text = row.get(column) or ""
            if table == seed or column not in row or (seed == "unit_conversions" and text == "*"):
                continue
            ids = [r[column] for r in (*catalogue.shipped(table), *found.get(table, []))]
            if text not in ids:
                yield (
                    f'{place}: {column}: nothing in {table}.csv is called "{text}"; define it there '
                    f"first.{nearest(text, ids)}"
                )
        if family := row.get("family_id"):
            ids = [r["antibody_id"] for r in (*catalogue.shipped("antibodies"), *rows)]
            if family not in ids:
                yield (
                    f'{place}: family_id: nothing in antibodies.csv is called "{family}"; write the '
                    f"antibody whose entry stands for the whole family, such as ars.{nearest(family, ids)}"
                )


def _key(row: Row, columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        catalogue.normal(row.get(c) or "") if c == "synonym" else (row.get(c) or "").strip() for c in columns
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
