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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
READING = "reading process"
ROLES = ("group", "first process", "second process", READING)
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
            runs = Runs(process)
            attack = _Attack(folder)
            by_command = round(rounds * OF_THE_COMMAND)
            attack.at_boundaries(random.Random(f"{seed}/boundaries"), rounds - by_command, runs)
            attack.of_the_command(random.Random(f"{seed}/command"), by_command)
            assert process.stdin is not None
            process.stdin.close()
    return Figures(dict(attack.numbers), tuple(attack.broken))


@dataclass(frozen=True)
class Undisturbed:
    """A registry with a release and an outstanding delivery, before and after the run that takes it."""

    before: Path
    after: Path
    boundaries: list[list[str]]  # that the run passes; none where nobody watched it

    @property
    def releases(self) -> tuple[str, str]:
        return current(self.before), current(self.after)


def undisturbed(folder: Path, run: Callable[[Path], dict[str, Any]]) -> Undisturbed:
    before, after = folder / "before", folder / "after"
    make_registry(before)
    assert run(before)["status"] == 0
    second = before / "landing" / "north" / "second"
    second.mkdir()
    for file, text in SECOND_DELIVERY.items():
        (second / file).write_text(text)
    shutil.copytree(before, after, symlinks=True)
    answer = run(after)
    assert answer["status"] == 0
    return Undisturbed(before, after, answer["boundaries"])


class _Attack:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dying = folder / "dying"
        self.numbers: Counter[str] = Counter()
        self.broken: list[str] = []

    def at_boundaries(self, rng: random.Random, kills: int, runs: Runs) -> None:
        """Chains that die at boundary after boundary of what is left of the run."""
        ideal = undisturbed(self.folder / "steps", runs.run)
        done = 0
        while done < kills:
            shutil.copytree(ideal.before, self.dying, symlinks=True)
            left = len(ideal.boundaries)
            for _ in range(min(OF_A_CHAIN, kills - done)):
                answer = runs.run(self.dying, die_at=rng.randrange(left))
                if answer["status"] == 0:  # less was left to do than was thought
                    break
                done += 1
                what, where = answer["boundaries"][-1]
                self.numbers[f"at a boundary of {where.partition(':')[0]}"] += 1
                self._reader(ideal, f"killed before {what} in {where}")
                left = max(len(ideal.boundaries) - len(answer["boundaries"]) // 2, 1)
            self._finish(ideal, runs.run)

    def of_the_command(self, rng: random.Random, kills: int) -> None:
        """Kills of `myositis run` at any moment, one process or all of them."""
        if not kills:
            return
        ideal = undisturbed(self.folder / "command", _run_command)
        lasts = 0.0
        for number in range(kills):
            if not self.dying.exists():
                shutil.copytree(ideal.before, self.dying, symlinks=True)
            role = ROLES[number % len(ROLES)]
            lasts = self._kill_command(role, rng.uniform(0.2, max(lasts, 12.0))) or lasts
            is_told = role == READING  # a delivery whose reader dies is refused, and every release tells that
            self._reader(ideal, f"{role} killed", is_told=is_told)
            if number % 4 >= 2 or number == kills - 1:
                self._finish(ideal, _run_command, is_told=is_told)

    def _finish(
        self, ideal: Undisturbed, run: Callable[[Path], dict[str, Any]], *, is_told: bool = False
    ) -> None:
        if run(self.dying)["status"] != 0:
            self.broken.append("the run after the kills failed")
        self._ends_alike(ideal, is_told=is_told)
        shutil.rmtree(self.dying)

    def _kill_command(self, role: str, after: float) -> float | None:
        """Kill one process of a run after so many seconds; returns how long the run lasted, if it ended
        before.
        """
        started = time.monotonic()
        process = _command(self.dying)
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
        with suppress(ProcessLookupError):  # it has ended since
            kill(victim, signal.SIGKILL)
        process.wait(timeout=600)  # of another process killed, the first one goes on, or says that it cannot
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

    def _reader(self, ideal: Undisturbed, what: str, *, is_told: bool = False) -> None:
        try:
            if reader_sees_a_whole_release(self.dying) not in ideal.releases and not is_told:
                self.broken.append(f"{what}: a reader sees a release that no run made")
        except (AssertionError, OSError) as error:
            self.broken.append(f"{what}: a reader sees no whole release: {error!r}")

    def _ends_alike(self, ideal: Undisturbed, *, is_told: bool) -> None:
        self.numbers["chains"] += 1
        if marts_digest(self.dying) != marts_digest(ideal.after):
            self.broken.append("other marts than those of the undisturbed run")
        if not is_told:
            if release_digest(self.dying) != release_digest(ideal.after):
                self.broken.append("another release than that of the undisturbed run")
            differ = state(self.dying).files ^ state(ideal.after).files
            differ = {f for f in differ if not f.startswith((".dagster", "reports"))}
            if differ:
                self.broken.append(
                    f"{len(differ)} other files than the undisturbed run leaves: {sorted(differ)[:5]}"
                )
        if left := list((self.dying / "warehouse").glob("reading-*")):
            self.broken.append(f"{len(left)} folders of killed readers are left")


def _command(registry: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "orchestration.command.cli", "run", "--registry", str(registry)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=ROOT,
    )


def _run_command(registry: Path) -> dict[str, Any]:
    return {"status": _command(registry).wait(timeout=600), "boundaries": []}


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
