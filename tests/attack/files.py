"""Hostile files beside good ones: none hangs, stops another hospital, loses a row or is executed.

Each file is a delivery of one hospital; another hospital's good delivery follows every few. Deliveries are
taken by the call that takes them in earnest; the raw suite is left out, because it takes seconds and reads
nothing that came from outside. Does not belong here: making the files (`hostile_files.py`).
"""

from __future__ import annotations

import os
import random
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path
from unittest.mock import patch

import duckdb

from orchestration.exports.limits import seconds_to_read
from orchestration.raw import ingestion
from orchestration.raw.outstanding import outstanding
from orchestration.registry.folder import Registry, load_registry
from tests.attack.figures import Figures
from tests.attack.hostile_files import HEADER, Hostile, draw

ROUNDS = 1000
TOGETHER = 20  # hostile deliveries that lie in landing with one good one
MAPPING = """\
sender: {sender}
name: {sender}
dates: ["%Y-%m-%d"]
ignore_case: true
changes_allowed: {{rows: 1000000}}
exports:
  - file: "table.*"
    patients: {{patient_id: id, sex: sex}}
    observations: {{patient_id: id, observed_on: date, values: {{ck: {{column: CK, unit: U/L}}}}}}
    identifiers: [id]
"""
REGISTRY = """\
name: hostile
visit_schedule: [{visit: baseline, nominal_month: 0, nominal_day: 0, from_day: -14, to_day: 14}]
quiet_seconds: 0
"""
BALANCE = """
select coalesce(sum(rows_read), 0), coalesce(sum(rows_malformed + rows_blank + records), 0)
from raw.source_table where load_id = ? and entity = 'patients'
"""


class Attack:
    """What has been found so far."""

    def __init__(self, registry: Registry, marker: Path) -> None:
        self.registry, self.marker = registry, marker
        self.numbers: Counter[str] = Counter()
        self.broken: list[str] = []
        self.slowest = 0.0

    def take(self, hostile: dict[str, Hostile]) -> None:
        """Take all that is outstanding, as a run does."""
        found = outstanding(self.registry)
        if missing := set(hostile) - {i.delivery for i in found if i.sender == "north"}:
            self.broken.append(f"{hostile[min(missing)].kind}: is not seen")
        for inventory in found:
            if inventory.sender == "north" and inventory.delivery not in hostile:
                continue  # refused for what nobody foresaw, and therefore read again by each run
            started = time.monotonic()
            verdict = ingestion.ingest(self.registry, inventory.sender, inventory.delivery)
            taken = time.monotonic() - started
            if inventory.sender == "south":
                self.numbers["good deliveries beside them"] += 1
                if not verdict.is_accepted:
                    self.broken.append(f"south/{inventory.delivery} was not taken: {verdict.reasons}")
                continue
            file = hostile[inventory.delivery]
            self.slowest = max(self.slowest, taken)
            self.numbers["taken" if verdict.is_accepted else "refused"] += 1
            self.numbers["refused for what nobody foresaw"] += verdict.is_broken
            if verdict.is_broken:
                print(f"  not foreseen: {file.kind}: {verdict.reasons[0][:160]}")
            if taken > seconds_to_read(len(file.content)):
                self.broken.append(f"{file.kind}: took {taken:.0f} s")
            if verdict.is_accepted:
                self._count_rows(file, inventory.load_id)
            elif not verdict.reasons:
                self.broken.append(f"{file.kind}: refused without a reason")

    def _count_rows(self, file: Hostile, load_id: str) -> None:
        with duckdb.connect(str(self.registry.warehouse), read_only=True) as connection:
            read, accounted = connection.execute(BALANCE, [load_id]).fetchall()[0]
        self.numbers["rows read"] += read
        if read != accounted:
            self.broken.append(f"{file.kind}: {read} rows read, {accounted} accounted for")
        if file.rows is not None and read != file.rows:
            self.broken.append(f"{file.kind}: {file.rows} rows sent, {read} read")


def attack(seed: int, rounds: int) -> Figures:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        marker = folder / "executed"
        found = Attack(_registry(folder / "registry"), marker)
        with patch("orchestration.running.checks.run_suite", lambda *_, **__: []):
            for first in range(0, rounds, TOGETHER):
                numbers = range(first, min(first + TOGETHER, rounds))
                found.take({f"h{n:05}": _deliver(found, seed, n) for n in numbers})
        if marker.exists() or list(folder.rglob("executed*")):
            found.broken.append("something was executed")
        left = list(found.registry.warehouse.parent.glob("reading-*"))
        found.broken += [f"{path.name} was left" for path in left]
    numbers: dict[str, float] = {"hostile files": rounds, **found.numbers}
    numbers["seconds, the slowest"] = round(found.slowest, 1)
    numbers["MiB of memory, this process at most"] = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    )
    return Figures(numbers, tuple(found.broken))


def _registry(folder: Path) -> Registry:
    (folder / "hospitals").mkdir(parents=True)
    (folder / "registry.yml").write_text(REGISTRY)
    for sender in ("north", "south"):
        (folder / "hospitals" / f"{sender}.yml").write_text(MAPPING.format(sender=sender))
        (folder / "landing" / sender).mkdir(parents=True)
    return load_registry(folder)


def _deliver(found: Attack, seed: int, number: int) -> Hostile:
    """Put hostile file ``number`` into landing, and now and then a good delivery of the other hospital."""
    landing = found.registry.landing
    if number % TOGETHER == 0:
        good = landing / "south" / f"g{number:05}"
        good.mkdir()
        (good / "table.csv").write_text(f"{','.join(HEADER)}\n{number},F,2024-01-01,100\n")
    file = draw(random.Random(f"{seed}/{number}"), found.marker)
    folder = landing / "north" / f"h{number:05}"
    folder.mkdir()
    with open(os.path.join(os.fsencode(folder), file.name), "wb") as handle:
        handle.write(file.content)
    return file
