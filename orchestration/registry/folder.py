"""Loads and checks a registry folder: `registry.yml`, mappings, corrections, waivers, studies, their printed
numbers.

Belongs here: the places of files in a registry folder, and reading all of them. Does not belong here: the
shape of `registry.yml` (`registry_file.py`), of a mapping (`mapping.py`), of corrections (`corrections.py`),
of waivers (`expectations/suite.py`), of a study (`analytics/study/file.py`) or of printed numbers
(`published.py`), what files name of each other (`between_files.py`), and anything that runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from analytics.paper.published import Paper
from analytics.study.file import Study
from expectations.suite import Waiver
from orchestration.files import is_utf8
from orchestration.registry import catalogue
from orchestration.registry.additions import read_additions
from orchestration.registry.between_files import check_corrections, check_studies
from orchestration.registry.catalogue import Row
from orchestration.registry.corrections import CorrectionFile
from orchestration.registry.entities import ASKED
from orchestration.registry.mapping import Mapping
from orchestration.registry.mapping_file import other_forms, place_in_mapping, read_mapping, unknown_ids
from orchestration.registry.published import read_paper
from orchestration.registry.registry_file import RegistryFile
from yaml_files.yaml_file import ConfigurationError, Location, dotted, line_of, nearest, read_model

SHIPPED_REGISTRY = Path(__file__).resolve().parents[2] / "registry"
SUCCESS_MARKER = "_SUCCESS"
# made by commands; every other file of a registry's folder was written by a person or delivered
MADE = ("warehouse", "release", "reports", "public", "manuscripts", "private", "queries", ".dagster", ".keys")


@dataclass(frozen=True)
class Registry:
    """A registry folder, read and checked."""

    folder: Path
    file: RegistryFile
    mappings: dict[str, Mapping]
    studies: dict[str, Study]
    corrections: dict[str, CorrectionFile] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
    papers: dict[str, Paper] = field(default_factory=dict)  # by the study that reproduces their numbers
    additions: dict[str, list[Row]] = field(default_factory=dict)  # to the clinical catalogue, by seed
    warehouse_folder: Path | None = None  # of a copy, in which something is tried

    landing = property(lambda self: self.folder / "landing")
    warehouse = property(
        lambda self: (self.warehouse_folder or self.folder / "warehouse") / "warehouse.duckdb"
    )
    releases = property(lambda self: self.folder / "release")
    reports = property(lambda self: self.folder / "reports")
    public = property(lambda self: self.folder / "public")  # what may leave the house
    manuscripts = property(lambda self: self.folder / "manuscripts")
    replays = property(lambda self: self.folder / "private" / "replay")  # rows of single patients
    published_ledger = property(lambda self: self.folder / "private" / "published.json")
    publication_record = property(lambda self: self.folder / "private" / "publication.json")
    queries = property(lambda self: self.folder / "queries")
    dagster_home = property(lambda self: self.folder / ".dagster")

    @property
    def pseudonym_key_file(self) -> Path:
        return self.folder / self.file.pseudonym_key

    def mapping_digest(self, sender: str) -> str:
        """A digest of the sender's mapping. When it changes, the sender's deliveries are read again."""
        return _digest(self.mappings[sender].model_dump(mode="json"))

    def rules_digest(self) -> str:
        """A digest of the schedule, the endpoints and the additions to the catalogue. When it changes, the
        marts are built anew.
        """
        return _digest(
            {
                "registry": self.file.model_dump(
                    mode="json", include={"visit_schedule", "observation_window_days"}
                ),
                "endpoints": {s.study: s.model_dump(mode="json")["endpoints"] for s in self.studies.values()},
                "additions": self.additions,
            }
        )

    def corrections_digest(self, sender: str) -> str:
        """A digest of the corrections of the sender's rows; empty if there is none that acts or asks."""
        file = self.corrections.get(sender)
        open_ones = (
            [c.model_dump(mode="json") for c in file.corrections if c.status != "withdrawn"] if file else []
        )
        return _digest(open_ones) if open_ones else ""

    def records_digest(self, today: date, sender: str | None = None) -> str:
        """A digest of everything that people decided about deliveries (of one sender). It also changes when a
        waiver ends.
        """
        return _digest(
            {
                "corrections": {
                    s: file.model_dump(mode="json")
                    for s, file in self.corrections.items()
                    if sender in (None, s)
                },
                "waivers": [str(w) for w in self.waivers if today <= w.expires],
            }
        )

    def decisions_digest(self, today: date, sender: str) -> str:
        """A digest of what decides on a sender's deliveries beside their content and mapping: the records
        about them, and what the registry adds to the catalogue.
        """
        return _digest([self.records_digest(today, sender), self.additions])

    def studies_digest(self) -> str:
        """A digest of the studies and their printed numbers. When it changes, the results are
        computed anew.
        """
        return _digest(
            {
                "studies": {name: study.model_dump(mode="json") for name, study in self.studies.items()},
                "papers": {name: paper.as_data() for name, paper in self.papers.items()},
            }
        )

    def withdraws(self, sender: str, delivery: str, content_sha256: str) -> bool:
        """Whether a record takes this content of a delivery out of force."""
        return sender in self.corrections and self.corrections[sender].withdraws(delivery, content_sha256)

    def undecided(self, senders: Iterable[str] | None = None) -> list[str]:
        """A sentence for everything that a draft left for a person to decide."""
        return [sentence for sender in senders or self.mappings for sentence in self._undecided(sender)]

    def _undecided(self, sender: str) -> Iterator[str]:
        for i, export in enumerate(self.mappings[sender].exports):
            for entity, content in export.entities():
                for key, source in content.sources():
                    if ASKED in source.columns:
                        location: Location = ("exports", i, entity, *key)
                        yield (
                            f"{self.place_in_mapping(sender, *location)}: {dotted(location)}: name the "
                            f"column in place of {ASKED}"
                        )
            if export.undecided:
                yield (
                    f"{self.place_in_mapping(sender, 'exports', i, 'undecided')}: exports[{i}].undecided: "
                    f"map each of {', '.join(export.undecided)}, or list it under ignored or identifiers; "
                    "until then no delivery is taken"
                )

    def place_in_mapping(self, sender: str, *location: str | int) -> str:
        """``hospitals/<sender>.yml:line`` of a key, or the file that states it for this sender."""
        return place_in_mapping(
            self.folder / "hospitals" / f"{sender}.yml", f"hospitals/{sender}.yml", location
        )

    def unit_notes(self) -> Iterator[str]:
        """A sentence for every wide column of numbers whose unit is not stated, or leads nowhere."""
        for sender, mapping in self.mappings.items():
            for i, export in enumerate(mapping.exports):
                values = export.observations.values if export.observations else None
                for name, source in (values or {}).items():
                    concept = catalogue.names("concepts")[catalogue.normal(name)]
                    canonical = catalogue.concepts()[concept]["unit_canonical"]
                    if not catalogue.has_unit(concept):
                        continue
                    if source.unit is None:
                        finding = (
                            f"no unit is stated, and a number without one has no value in {canonical}; "
                            "write {column: …, unit: …} unless its cells hold the unit"
                        )
                    elif not catalogue.converts(concept, mapping.codes.units.get(source.unit, source.unit)):
                        finding = (
                            f'no rule leads from "{source.unit}" to {canonical}, and its numbers will have '
                            "no value in it; write the unit otherwise, or add a rule to "
                            "concepts/unit_conversions.csv of the registry"
                        )
                    else:
                        continue
                    location = ("exports", i, "observations", "values", name)
                    yield f"{self.place_in_mapping(sender, *location)}: {dotted(location)}: {finding}"

    def deliveries(self, sender: str) -> list[str]:
        """The sender's deliveries, by name. `landing/arrivals.py` tells of names that are not UTF-8."""
        return [folder.name for folder in self.delivery_folders(sender) if is_utf8(folder.name)]

    def delivery_folders(self, sender: str) -> list[Path]:
        """All that look like deliveries, whatever their names."""
        folder = self.landing / sender
        if not folder.is_dir():
            return []
        return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def declared_files(folder: Path) -> dict[str, tuple[int, ...]]:
    """Every file that `load_registry` reads, with marks that change when somebody writes it."""
    found = [folder / "registry.yml", folder / "waivers.yml"]
    for kind in ("hospitals", "studies", "corrections", "concepts", "published"):
        found += (folder / kind).rglob("*")
    marks: dict[str, tuple[int, ...]] = {}
    for path in sorted(found):
        with suppress(FileNotFoundError):  # an editor renames files while they are listed
            if path.is_file():
                seen = path.stat()
                marks[str(path)] = (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    return marks


def load_registry(folder: Path) -> Registry:
    """Read a registry folder; raise ConfigurationError with all faults of all its files."""
    folder = folder.resolve()
    if not (folder / "registry.yml").is_file():
        raise ConfigurationError(
            [
                f"{folder}: no registry.yml here; give a registry folder with --registry, or lay one out: "
                "myositis init DIR"
            ]
        )
    faults = _misnamed(folder)
    file = _collect(faults, folder / "registry.yml", RegistryFile, folder)
    additions, wrong = read_additions(folder / "concepts")
    faults += wrong
    catalogue.extend(additions)
    mappings = _read_folder(faults, folder, "hospitals", Mapping, "sender")
    studies = _read_folder(faults, folder, "studies", Study, "study")
    corrections = _read_folder(faults, folder, "corrections", CorrectionFile, "sender")
    faults += check_corrections(folder, corrections, mappings)
    waivers = _read_waivers(faults, folder, mappings)
    if file is not None:
        faults += check_studies(folder, studies, file, {} if faults else mappings)
    for sender, mapping in mappings.items():
        faults += unknown_ids(folder / "hospitals" / f"{sender}.yml", f"hospitals/{sender}.yml", mapping)
        faults += other_forms(folder / "hospitals" / f"{sender}.yml", f"hospitals/{sender}.yml", mapping)
    papers = _read_papers(faults, folder)
    if faults:
        raise ConfigurationError(faults)
    return Registry(folder, file, mappings, studies, corrections, waivers, papers, additions)


def _collect(faults: list[str], path: Path, model: type[BaseModel], folder: Path) -> Any:
    shown_as = str(path.relative_to(folder))
    try:
        return read_mapping(path, shown_as) if model is Mapping else read_model(path, model, shown_as)
    except ConfigurationError as error:
        faults += error.faults
        return None


def _misnamed(folder: Path) -> list[str]:
    """Files that look like part of the registry but would never be read."""
    kinds = (".", "hospitals", "studies", "corrections")
    return [
        f"{path.relative_to(folder)}: not read, because its name ends in {path.suffix}; rename it to "
        f"{path.stem}.yml"
        for kind in kinds
        for path in sorted((folder / kind).glob("*"))
        if path.suffix.lower() in (".yaml", ".yml") and path.suffix != ".yml"
    ]


def _read_folder(
    faults: list[str], folder: Path, kind: str, model: type[BaseModel], id_key: str
) -> dict[str, Any]:
    found = {}
    for path in sorted((folder / kind).glob("*.yml")):
        item = _collect(faults, path, model, folder)
        if item is None:
            continue
        identity = getattr(item, id_key)
        if identity != path.stem:
            line = line_of(path, (id_key,))
            faults.append(
                f'{kind}/{path.name}:{line}: {id_key}: "{identity}" does not match the file name;'
                f" name the file {identity}.yml or write {id_key}: {path.stem}"
            )
        found[identity] = item
    if kind == "hospitals" and not found and not faults:
        faults.append(
            f"{kind}/: no mapping file here; write one per sender, or draft one: myositis onboard HOSPITAL "
            "PATH"
        )
    return found


def _read_papers(faults: list[str], folder: Path) -> dict[str, Paper]:
    """published/<study>/: the printed numbers that the study reproduces."""
    studies = [path.stem for path in sorted((folder / "studies").glob("*.yml"))]
    found = {}
    for path in sorted(p for p in (folder / "published").glob("*") if p.is_dir()):
        if path.name not in studies:
            faults.append(
                f"published/{path.name}/: no study of this name; the folder of printed numbers has the id "
                "of the study that reproduces them. Studies: "
                f"{', '.join(studies) or 'none'}.{nearest(path.name, studies)}"
            )
            continue
        try:
            found[path.name] = read_paper(path, shown_as=f"published/{path.name}")
        except ConfigurationError as error:
            faults += error.faults
    return found


def _read_waivers(faults: list[str], folder: Path, mappings: dict[str, Mapping]) -> tuple[Waiver, ...]:
    """waivers.yml, if there is one: expectations of the suites that may fail until a given day."""
    from expectations import ALL_SUITES, load_suite, load_waivers

    path = folder / "waivers.yml"
    if not path.exists():
        return ()
    try:
        waivers = load_waivers(path, [load_suite(suite) for suite in ALL_SUITES])
    except ConfigurationError as error:
        faults += error.faults
        return ()
    known = [
        h
        for m in mappings.values()
        for h in (m.sender, *(f"{m.sender}_{code}" for code in m.hospitals or {}))
    ]
    networks = tuple(f"{m.sender}_" for m in mappings.values() if m.is_network)
    for number, waiver in enumerate(waivers):
        if (
            waiver.hospital
            and mappings
            and waiver.hospital not in known
            and not waiver.hospital.startswith(networks)
        ):
            line = line_of(path, ("waivers", number, "hospital"))
            faults.append(
                f'waivers.yml:{line}: waivers[{number}].hospital: no hospital "{waiver.hospital}" in '
                f"hospitals/.{nearest(waiver.hospital, known)} Hospitals: {', '.join(known)}"
            )
    return waivers


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]
