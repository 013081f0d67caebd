"""Runs that are killed again and again: each chain of kills ends where an undisturbed run ends.

Two ways, both from the seed. Before a boundary (the end of a transaction, a rename, a removed file) of the
steps that the assets make: no moment between two boundaries differs on the disk. And at a moment of the
command itself, with Dagster: the whole group is killed, or the first process, the second one, or the one that
reads files. Belongs here: chains and what they must end in. Does not belong here: how a run is watched
(`tests/pipeline/dying_runs.py`).
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.attack.figures import Figures
from tests.pipeline.test_killed_runs import (
    ROOT,
    SECOND_DELIVERY,
    Runs,
    current,
    marts_digest,
    reader_sees_a_whole_release,
    release_digest,
    state,
)
from tests.unit.test_loading import make_registry

ROUNDS = 200
OF_A_CHAIN = 8  # kills, each further on
OF_THE_COMMAND = 0.1  # of the kills
ROLES = ("group", "first process", "second process", "reading process")
SECONDS_TO_END = 5.0  # for what the killed process had started


def attack(seed: int, rounds: int) -> Figures:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with subprocess.Popen(
            [sys.executable, "-m", "tests.pipeline.dying_runs", str(folder / "notes")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as process:
            attack = _Attack(folder, Runs(process))
            by_command = round(rounds * OF_THE_COMMAND)
            attack.at_boundaries(random.Random(f"{seed}/boundaries"), rounds - by_command)
            attack.of_the_command(random.Random(f"{seed}/command"), by_command)
            assert process.stdin is not None
            process.stdin.close()
    return Figures(dict(attack.numbers), tuple(attack.broken))


class _Attack:
    def __init__(self, folder: Path, runs: Runs) -> None:
        self.folder, self.runs = folder, runs
        self.numbers: Counter[str] = Counter()
        self.broken: list[str] = []
        self.before, self.after = folder / "before", folder / "after"
        make_registry(self.before)
        assert runs.run(self.before)["status"] == 0
        second = self.before / "landing" / "north" / "second"
        second.mkdir()
        for file, text in SECOND_DELIVERY.items():
            (second / file).write_text(text)
        shutil.copytree(self.before, self.after, symlinks=True)
        self.boundaries = runs.run(self.after)["boundaries"]
        self.releases = (current(self.before), current(self.after))

    def at_boundaries(self, rng: random.Random, kills: int) -> None:
        """Chains that die at boundary after boundary of what is left of the run."""
        done = 0
        while done < kills:
            registry = self.folder / "dying"
            shutil.copytree(self.before, registry, symlinks=True)
            left = len(self.boundaries)
            for _ in range(min(OF_A_CHAIN, kills - done)):
                answer = self.runs.run(registry, die_at=rng.randrange(left))
                if answer["status"] == 0:  # less was left to do than was thought
                    break
                done += 1
                what, where = answer["boundaries"][-1]
                self.numbers[f"at a boundary of {where.partition(':')[0]}"] += 1
                self._reader(registry, f"killed before {what} in {where}")
                left = max(len(self.boundaries) - len(answer["boundaries"]) // 2, 1)
            if self.runs.run(registry)["status"] != 0:
                self.broken.append("the run after the kills failed")
            self._ends_alike(registry)
            shutil.rmtree(registry)

    def of_the_command(self, rng: random.Random, kills: int) -> None:
        """Kills of `myositis run` at any moment, one process or all of them."""
        lasts = 0.0
        for number in range(kills):
            registry = self.folder / "dying"
            if not registry.exists():
                shutil.copytree(self.before, registry, symlinks=True)
            role = ROLES[number % len(ROLES)]
            lasts = self._kill_command(registry, role, rng.uniform(0.2, max(lasts, 12.0))) or lasts
            self._reader(registry, f"{role} killed")
            if number % 4 == 3 or number == kills - 1:
                self._finish(registry)

    def _finish(self, registry: Path) -> None:
        if self.runs.run(registry)["status"] != 0:
            self.broken.append("the run after the kills failed")
        self._ends_alike(registry)
        shutil.rmtree(registry)

    def _kill_command(self, registry: Path, role: str, after: float) -> float | None:
        """Kill one process of a run after so many seconds; returns how long the run lasted, if it ended
        before.
        """
        started = time.monotonic()
        command = [sys.executable, "-m", "orchestration.command.cli", "run", "--registry", str(registry)]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd=ROOT
        )
        victim: int | None = None
        while process.poll() is None and (victim is None or time.monotonic() - started < after):
            time.sleep(0.02)
            victim = _find(process.pid, role)
        family = _family(process.pid)
        if process.poll() is not None or victim is None:
            process.wait()
            return time.monotonic() - started
        self.numbers[f"of the {role}"] += 1
        kill: Callable[[int, int], None] = os.killpg if role == "group" else os.kill
        kill(victim, signal.SIGKILL)
        if role in ("second process", "reading process"):
            process.wait(timeout=600)  # the first one goes on, or says that it cannot
        else:
            process.wait()
        ended = time.monotonic()
        while alive := [pid for pid in family if _is_alive(pid)]:
            if time.monotonic() - ended > SECONDS_TO_END:
                self.broken.append(
                    f"{role} killed: {len(alive)} processes lived on for {SECONDS_TO_END:.0f} s"
                )
                for pid in alive:
                    os.kill(pid, signal.SIGKILL)
                break
            time.sleep(0.05)
        return None

    def _reader(self, registry: Path, what: str) -> None:
        try:
            if reader_sees_a_whole_release(registry) not in self.releases:
                self.broken.append(f"{what}: a reader sees a release that no run made")
        except (AssertionError, OSError) as error:
            self.broken.append(f"{what}: a reader sees no whole release: {error!r}")

    def _ends_alike(self, registry: Path) -> None:
        self.numbers["chains"] += 1
        if release_digest(registry) != release_digest(self.after):
            self.broken.append("another release than that of the undisturbed run")
        if marts_digest(registry) != marts_digest(self.after):
            self.broken.append("other marts than those of the undisturbed run")
        differ = state(registry).files ^ state(self.after).files
        differ = {f for f in differ if not f.startswith((".dagster", "reports"))}
        if differ:
            self.broken.append(f"other files than the undisturbed run leaves: {sorted(differ)}")
        if left := list((registry / "warehouse").glob("reading-*")):
            self.broken.append(f"{len(left)} folders of killed readers are left")


def _family(pid: int) -> list[int]:
    """A process and all that it started, as far as they live."""
    found, rest = [pid], [pid]
    while rest:
        try:
            children = Path(f"/proc/{rest[0]}/task/{rest[0]}/children").read_text().split()
        except OSError:
            children = []
        rest = [*rest[1:], *map(int, children)]
        found += map(int, children)
    return found


def _find(pid: int, role: str) -> int | None:
    """The process of a run that has this role, if it has been started."""
    if role in ("group", "first process"):
        return pid
    mark = b"spawn_main" if role == "second process" else b"orchestration.exports.worker"
    for other in _family(pid)[1:]:
        try:
            if mark in Path(f"/proc/{other}/cmdline").read_bytes():
                return other
        except OSError:
            continue
    return None


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
