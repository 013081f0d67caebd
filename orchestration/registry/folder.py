"""Loads and checks a registry folder: `registry.yml`, mappings, corrections, waivers, studies, their printed
numbers.

Belongs here: the shape of `registry.yml` and the places of files in a registry folder. Does not belong here:
the shape of a mapping (`mapping.py`), of corrections (`corrections.py`), of waivers
(`expectations/suite.py`), of a study (`analytics/study/file.py`) or of printed numbers (`published.py`), and
anything that runs.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, Field, field_validator, model_validator

from analytics.paper.published import Paper
from analytics.study.file import Study
from analytics.study.groups_and_variables import ORIGINS
from expectations.suite import Waiver
from orchestration.files import is_utf8
from orchestration.registry import catalogue
from orchestration.registry.additions import read_additions
from orchestration.registry.catalogue import Row
from orchestration.registry.corrections import CorrectionFile, faults_of
from orchestration.registry.entities import ASKED
from orchestration.registry.mapping import Mapping, Population
from orchestration.registry.mapping_file import other_forms, place_in_mapping, read_mapping, unknown_ids
from orchestration.registry.publish import Publish
from orchestration.registry.published import read_paper
from yaml_files.strict import Id, Strict
from yaml_files.yaml_file import ConfigurationError, Location, dotted, line_of, nearest, read_model

SHIPPED_REGISTRY = Path(__file__).resolve().parents[2] / "registry"
DEFINITIONS = SHIPPED_REGISTRY.parent / "dbt_project" / "seeds" / "definitions.csv"
SUCCESS_MARKER = "_SUCCESS"
# made by commands; every other file of a registry's folder was written by a person or delivered
MADE = ("warehouse", "release", "reports", "public", "manuscripts", "private", "queries", ".dagster", ".keys")


class VisitWindow(Strict):
    """One scheduled visit: visits from ``from_day`` to ``to_day`` compete for it, the nearest to nominal
    wins.
    """

    visit: Id
    nominal_month: float = Field(description="Its time in models and figures.")
    nominal_day: float
    from_day: float
    to_day: float

    @model_validator(mode="after")
    def ordered(self) -> VisitWindow:
        if not self.from_day <= self.nominal_day <= self.to_day:
            raise ValueError("expected from_day <= nominal_day <= to_day")
        return self


class Unattended(Strict):
    """What `myositis daemon` does by itself, and when. Nothing here changes a number."""

    time_zone: str = Field(
        "UTC", description="The zone of `night` and of each schedule: Europe/Berlin, Asia/Shanghai, …"
    )
    night: str = Field(
        "02:00",
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description="When what is outstanding is tried once more; a night that was missed is made up for once.",
    )
    look_every_seconds: int = Field(
        15,
        ge=1,
        description="How often landing and this folder are looked at; Dagster looks every 5 s at most.",
    )
    attempts: int = Field(
        6, ge=1, description="How often a delivery or a build whose run broke is tried before the night."
    )
    first_pause_seconds: float = Field(
        60, ge=0, description="The pause before the second attempt; each further pause is twice as long."
    )
    keep_runs: int = Field(
        10, ge=1, description="How many runs of the build, and half as many of each delivery, Dagster keeps."
    )

    @field_validator("time_zone")
    @classmethod
    def known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError):  # not a name of a zone; a name that no file of the system has
            raise ValueError(f'no time zone "{value}"{nearest(value, available_timezones())}') from None
        return value

    def last_night(self, now: float) -> float:
        """When the night began last, in seconds since 1970."""
        at = datetime.fromtimestamp(now, ZoneInfo(self.time_zone))
        hour, minute = (int(part) for part in self.night.split(":"))
        night = at.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return (night if night <= at else night - timedelta(days=1)).timestamp()

    @property
    def told_night(self) -> str:
        return f"{self.night} {self.time_zone}"


class BehindProxy(Strict):
    """The reverse proxy that signs people in before they reach `myositis ui`."""

    header: str = Field(
        pattern=r"^[A-Za-z][A-Za-z0-9-]*$",
        description="The header in which it names the user: X-Forwarded-User, Remote-User, …",
    )
    address: str = Field(
        "127.0.0.1",
        description="Where it comes from, an address or a network (10.0.0.0/24): every request from there is "
        "trusted.",
    )
    origin: str = Field(description="What people open in their browser: https://registry.example.org")

    @field_validator("address")
    @classmethod
    def network(cls, value: str) -> str:
        try:
            ip_network(value)
        except ValueError:
            raise ValueError(
                f'expected an address or a network, as 127.0.0.1 or 10.0.0.0/24; found "{value}"'
            ) from None
        return value

    @field_validator("origin")
    @classmethod
    def bare(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or value != f"{parts.scheme}://{parts.netloc.lower()}":
            raise ValueError(
                f'expected scheme and name alone, as https://registry.example.org; found "{value}"'
            )
        return value


class RegistryFile(Strict):
    """registry.yml"""

    name: str
    synthetic: bool = Field(False, description="Printed wherever a reader could take the data for real.")
    description: str = ""
    small_cell_threshold: int = Field(
        5,
        ge=0,
        description="Counts below it are masked in what leaves the house (`myositis report --public`); one below 5 counts as 5.",
    )
    dates: Literal["exact", "shifted", "month"] = Field(
        "month",
        description="Patients' dates in what leaves the house: exact; shifted, by a number of days that differs "
        "between patients; or the month.",
    )
    visit_schedule: list[VisitWindow] = Field(min_length=1)
    observation_window_days: float = Field(
        14,
        ge=0,
        description="An observation belongs to the nearest visit that is at most this many days away.",
    )
    pseudonym_key: str = Field(
        ".keys/pseudonym.key",
        description="File of the key that makes patient_key; relative to the registry, or absolute.",
    )
    group: str | None = Field(
        None,
        description="A group of this machine that may read warehouse, releases, reports and queries, too."
        " Without it only their owner may.",
    )
    keep_releases: int = Field(5, ge=1)
    quiet_seconds: float = Field(
        10,
        ge=0,
        description="A delivery without a _SUCCESS marker is complete when it has not changed for this many "
        "seconds.",
    )

    memory_limit: str = Field(
        "4GB",
        pattern=r"^\d+(\.\d+)? ?[KMGT]i?B$",
        description="The most memory that a build may take; beyond it DuckDB uses the disk beside the warehouse.",
    )
    unattended: Unattended = Field(
        default_factory=Unattended, description="What `myositis daemon` does by itself, and when."
    )
    behind_proxy: BehindProxy | None = Field(
        None,
        description="The reverse proxy that signs people in. Without it `myositis ui` serves this machine alone.",
    )
    publish: Publish | None = Field(
        None, description="The PostgreSQL database that gets each release (docs/postgresql.md)."
    )

    patient_pages: bool = Field(
        False,
        description="Whether `myositis ui` shows pages of single patients. They are not masked: everybody who may open"
        " the pages sees every value of a patient.",
    )

    @field_validator("visit_schedule")
    @classmethod
    def once(cls, value: list[VisitWindow]) -> list[VisitWindow]:
        names = [w.visit for w in value]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(f"these visits are listed twice: {', '.join(twice)}")
        return value


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
                        yield f"{self.place_in_mapping(sender, *location)}: {dotted(location)}: name the column in place of {ASKED}"
            if export.undecided:
                yield (
                    f"{self.place_in_mapping(sender, 'exports', i, 'undecided')}: exports[{i}].undecided: map each of"
                    f" {', '.join(export.undecided)}, or list it under ignored or identifiers; until then no delivery is taken"
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
                            f'no rule leads from "{source.unit}" to {canonical}, and its numbers will have no value in it;'
                            " write the unit otherwise, or add a rule to concepts/unit_conversions.csv of the registry"
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
                f"{folder}: no registry.yml here; give a registry folder with --registry, or lay one out: myositis init DIR"
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
    faults += _check_corrections(folder, corrections, mappings)
    waivers = _read_waivers(faults, folder, mappings)
    if file is not None:
        faults += _check_studies(folder, studies, file, {} if faults else mappings)
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
            f"{kind}/: no mapping file here; write one per sender, or draft one: myositis onboard HOSPITAL PATH"
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


def _check_studies(
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
            f'studies/{study.study}.yml:{line_of(path, location)}: {dotted(location)}: no {kind} "{name}" in the catalogue.'
            f"{nearest(name, catalogued[kind])} Write its id, or add it in concepts/ of the registry."
            for location, kind, name in study.ids_named()
            if name not in catalogued[kind]
        ]
        known = _values_of_patients(mappings)
        faults += [
            f'studies/{study.study}.yml:{line_of(path, location)}: {dotted(location)}: no patient can have {column} "{value}".'
            f" Known: {', '.join(known[column])}.{nearest(value, known[column])}"
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
                    f'studies/{study.study}.yml:{line}: endpoints.{name}: study {of} has an endpoint "{name}" that'
                    " begins, ends or competes otherwise; give one of them another name, or state both alike"
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


def _check_corrections(
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
                f'waivers.yml:{line}: waivers[{number}].hospital: no hospital "{waiver.hospital}" in hospitals/.'
                f"{nearest(waiver.hospital, known)} Hospitals: {', '.join(known)}"
            )
    return waivers


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


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]
