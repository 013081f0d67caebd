"""What one file of a registry names and another one, or the catalogue, has to have.

Belongs here: these faults, in studies and corrections. Does not belong here: what is wrong with a file by
itself (its own module), reading the folder (`folder.py`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

from analytics.study.file import Study
from analytics.study.groups_and_variables import ORIGINS
from orchestration.registry import catalogue
from orchestration.registry.corrections import CorrectionFile, faults_of
from orchestration.registry.mapping import Mapping, Population
from orchestration.registry.registry_file import RegistryFile
from yaml_files.yaml_file import dotted, line_of, nearest

DEFINITIONS = catalogue.SEEDS / "definitions.csv"


def check_studies(
    folder: Path, studies: dict[str, Study], file: RegistryFile, mappings: dict[str, Mapping]
) -> list[str]:
    """A study may name only visits of the schedule, definitions of the catalogue, and values that a patient
    can have.
    """
    visits = [w.visit for w in file.visit_schedule]
    faults = []
    for study in studies.values():
        path = folder / "studies" / f"{study.study}.yml"
        for location, visit in study.visits_named():
            known_too = ORIGINS if location[0] == "endpoints" else ()
            if visit not in visits:
                faults.append(
                    f"studies/{study.study}.yml:{line_of(path, location)}:"
                    f' no visit "{visit}" in registry.yml. Its visits: {", ".join(visits)}.'
                    f"{' Time begins there, or at ' + ', '.join(known_too) + '.' if known_too else ''}"
                    f"{nearest(visit, [*visits, *known_too])}"
                )
        faults += [
            f"studies/{study.study}.yml:{line_of(path, location)}: {fault}"
            for location, name, with_levels in study.definitions_named()
            if (fault := _definition_fault(name, with_levels))
        ]
        catalogued = {
            "concept": [row["concept_id"] for row in catalogue.seed("concepts")],
            "event": [row["event_id"] for row in catalogue.seed("event_types")],
        }
        faults += [
            f'studies/{study.study}.yml:{line_of(path, location)}: {dotted(location)}: no {kind} "{name}" '
            f"in the catalogue.{nearest(name, catalogued[kind])} Write its id, or add it in concepts/ of "
            "the registry."
            for location, kind, name in study.ids_named()
            if name not in catalogued[kind]
        ]
        known = _values_of_patients(mappings)
        faults += [
            f"studies/{study.study}.yml:{line_of(path, location)}: {dotted(location)}: no patient can have "
            f'{column} "{value}". Known: {", ".join(known[column])}.{nearest(value, known[column])}'
            for location, column, value in study.values_named()
            if value not in known.get(column, (value,))
        ]
    return faults + list(_endpoints_that_differ(folder, studies))


def _endpoints_that_differ(folder: Path, studies: dict[str, Study]) -> Iterator[str]:
    """The marts hold one time to each name of an endpoint, whichever studies ask for it."""
    first: dict[str, tuple[str, object]] = {}
    for study in studies.values():
        for name, endpoint in study.endpoints.items():
            ends = endpoint.model_dump(exclude={"label", "counted_from_months"})
            of, known = first.setdefault(name, (study.study, ends))
            if known != ends:
                line = line_of(folder / "studies" / f"{study.study}.yml", ("endpoints", name))
                yield (
                    f"studies/{study.study}.yml:{line}: endpoints.{name}: study {of} has an endpoint "
                    f'"{name}" that begins, ends or competes otherwise; give one of them another name, or '
                    "state both alike"
                )


def _values_of_patients(mappings: dict[str, Mapping]) -> dict[str, list[str]]:
    """What a patient's columns can hold, for those whose values are known before any patient is.

    A network's hospitals come with its rows, so that its registry's hospitals are not known.
    """
    labels = [row["msa_label"] for row in catalogue.seed("antibodies") if row["msa_label"]]
    known = {
        "msa": [*dict.fromkeys(labels), "negative"],
        "sex": ["female", "male", "unknown"],
        "onset_group": ["juvenile", "adult"],
        "population": list(get_args(Population)),
        "treatment": [row["treatment_id"] for row in catalogue.seed("treatments")],
    }
    if mappings and not any(m.is_network for m in mappings.values()):
        known["hospital_id"] = list(mappings)
    return known


def check_corrections(
    folder: Path, corrections: dict[str, CorrectionFile], mappings: dict[str, Mapping]
) -> list[str]:
    faults: list[str] = []
    for sender, file in corrections.items():
        path = folder / "corrections" / f"{sender}.yml"
        if sender in mappings:
            faults += faults_of(file, mappings[sender], path, f"corrections/{sender}.yml")
        elif mappings:
            faults.append(
                f"corrections/{sender}.yml:1: no mapping hospitals/{sender}.yml; the file of corrections "
                f"has the id of its sender. Senders: {', '.join(mappings)}.{nearest(sender, mappings)}"
            )
    return faults


@cache
def _definitions() -> dict[str, str]:
    """The clinical definitions of the catalogue: id to the levels that each distinguishes."""
    with DEFINITIONS.open(encoding="utf-8", newline="") as handle:
        return {row["definition_id"]: row["levels"] for row in csv.DictReader(handle)}


def _definition_fault(name: str, with_levels: bool) -> str | None:
    known = _definitions()
    if name not in known:
        return f'no definition "{name}". The definitions: {", ".join(known)}.{nearest(name, list(known))}'
    if with_levels and not known[name]:
        levelled = [d for d, levels in known.items() if levels]
        return f'at_least: definition "{name}" has no levels; those with levels: {", ".join(levelled)}'
    return None
