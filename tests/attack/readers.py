"""Readers of the current release beside runs that publish: none sees half of a release, or none at all.

Does not belong here: how a release becomes visible (`release/publication.py`).
"""

from __future__ import annotations

import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Protocol

import duckdb

from tests.attack.figures import Figures
from tests.pipeline.test_killed_runs import ROOT, Runs, reader_sees_a_whole_release
from tests.unit.test_loading import make_registry


class Event(Protocol):
    """An event of threads or of processes."""

    def is_set(self) -> bool: ...


ROUNDS = 5  # releases that are published
READERS = 20


def attack(seed: int, rounds: int, readers: int = READERS) -> Figures:
    spawning = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registry = folder / "registry"
        make_registry(registry)
        with subprocess.Popen(
            [sys.executable, "-m", "tests.pipeline.dying_runs", str(folder / "notes")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as process:
            runs = Runs(process)
            statuses = [runs.run(registry)["status"]]
            ends = spawning.Event()
            queue = spawning.Queue()
            readings = [
                spawning.Process(target=_read_into, args=(queue, registry, ends), daemon=True)
                for _ in range(readers)
            ]
            for reading in readings:
                reading.start()
            for number in range(rounds):
                _deliver(registry, random.Random(f"{seed}/{number}"), number)
                statuses.append(runs.run(registry)["status"])
            ends.set()
            answers = [queue.get(timeout=120) for _ in readings]
            for reading in readings:
                reading.join()
            assert process.stdin is not None
            process.stdin.close()
    broken = [sentence for _, sentences in answers for sentence in sentences]
    broken += ["a run failed"] * sum(status != 0 for status in statuses)
    numbers = {
        "readers": readers,
        "releases published beside them": rounds,
        "opens": sum(opens for opens, _ in answers),
        "torn": len(broken),
    }
    return Figures(numbers, tuple(broken))


def _read_into(queue: Any, registry: Path, ends: Event) -> None:
    queue.put(read(registry, ends))


def read(registry: Path, ends: Event) -> tuple[int, list[str]]:
    """Open the current release again and again; returns how often, and what was wrong."""
    opens, broken = 0, []
    while not ends.is_set():
        opens += 1
        try:
            reader_sees_a_whole_release(registry)
        except (AssertionError, OSError, duckdb.Error) as error:
            broken.append(f"a reader saw a torn release: {type(error).__name__}")
        time.sleep(0.02)
    return opens, broken


def _deliver(registry: Path, rng: random.Random, number: int) -> None:
    folder = registry / "landing" / "north" / f"later_{number:03}"
    folder.mkdir()
    (folder / "patients.csv").write_text(f"id,name,sex\n{100 + number},Example {number},F\n")
    rows = "".join(f"{100 + number},2024-02-{day:02},{rng.randint(50, 900)},20,\n" for day in (3, 17))
    (folder / "visits.csv").write_text(f"id,date,CK,ALT,remark\n{rows}")
