"""Signals at random moments: each command ends within five seconds, leaves no process, and the next run ends
where an undisturbed run does.

Belongs here: real processes of the command, and the moments at which a signal comes. Does not belong here:
how a process listens for signals (`tests/unit/test_processes.py`), kills
(`tests/pipeline/test_killed_runs.py`).
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestration.processes import STOPS, descendants
from tests.attack.figures import Figures
from tests.attack.ui import free_port
from tests.pipeline.test_killed_runs import SECOND_DELIVERY, marts_digest, release_digest
from tests.unit.test_loading import make_registry

ROOT = Path(__file__).parents[2]
MARK = "TESTS_SIGNALS"  # in the environment of all that a command starts
SECONDS = 5.0
PATIENCE = 120.0
IN_A_CHAIN = 5  # signals to one registry before it is run to its end
LEAST_SIGNALS = 40
START = 0.05  # the interpreter's own start: until it reads our first line, SIGINT may be lost to it (1 of 60)
LONG_QUERY = "select count(*) from range(10000000000) a, range(1000) b"
# what the command has said when the clock starts, and how long after it the signal comes at most
MOMENTS: dict[str, tuple[tuple[str, float], ...]] = {
    "run": (("", 0.3), ("", 3), ("taken", 2), ("models:", 1.5), ("results:", 1.5), ("released", 1)),
    "ingest": (("", 0.3), ("", 4), ("outstanding", 3)),
    "release": (("", 0.3), ("", 5), ("models:", 1.5)),
    "report": (("", 0.3), ("", 5)),
    "check": (("", 0.3), ("", 4), ("private copy", 4)),
    "daemon": (("", 0.3), ("", 12), ("daemon started", 10)),
    "ui": (("", 0.3), ("", 12), ("webserver started", 8)),
    "sql": (("", 0.3), ("", 4)),
}


@dataclass(frozen=True)
class Moment:
    command: str
    after: str
    delay: float
    number: signal.Signals
    is_for_group: bool

    def __str__(self) -> str:
        whom = "the group" if self.is_for_group else "the process"
        return f'{self.number.name} to {whom} of {self.command}, {self.delay:.2f} s after "{self.after}"'


@dataclass(frozen=True)
class Ended:
    """How a command ended after a signal. ``code`` is as a shell has it."""

    code: int
    seconds: float
    left: tuple[str, ...]
    told: str
    is_in_time: bool  # the signal came while the command was at work
    is_of_the_signal_itself: bool  # it came before the interpreter had read our first line, or after the last


def drawn(rng: random.Random, command: str | None = None) -> Moment:
    command = command or rng.choice(list(MOMENTS))
    after, longest = rng.choice(MOMENTS[command])
    number = rng.choice([signal.SIGINT, signal.SIGTERM])
    return Moment(command, after, rng.uniform(0 if after else START, longest), number, rng.random() < 0.5)


def send(moment: Moment, registry: Path) -> Ended:
    """Start the command, send the signal at its moment, and see how it ends and what it leaves."""
    log, mark = registry.with_suffix(".log"), uuid.uuid4().hex
    argv = [sys.executable, "-m", "orchestration.command", moment.command, "--registry", str(registry)]
    argv += {"ui": ["--port", str(free_port())], "sql": [LONG_QUERY]}.get(moment.command, [])
    with log.open("wb") as told:
        process = subprocess.Popen(
            argv, stdout=told, stderr=told, cwd=ROOT, env={**os.environ, MARK: mark}, start_new_session=True,
            preexec_fn=_listen_as_a_terminal_has_it,
        )  # fmt: skip
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and moment.after not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment.delay)
    is_in_time = process.poll() is None
    started = [process.pid, *descendants(process.pid)]
    began = time.monotonic()
    with suppress(ProcessLookupError):
        (os.killpg if moment.is_for_group else os.kill)(process.pid, moment.number)
    try:
        code = process.wait(4 * SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    seconds = time.monotonic() - began
    left = _left(started, mark)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shell = 128 - code if code < 0 else code
    return Ended(shell, seconds, tuple(left.values()), log.read_text(), is_in_time, code == -moment.number)


def _listen_as_a_terminal_has_it() -> None:
    """A shell that runs this test behind `&` lets it ignore SIGINT, and every process that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def _left(started: Iterable[int], mark: str) -> dict[int, str]:
    """The processes of a command that still live a second after it ended."""
    deadline = time.monotonic() + 1
    while True:
        alive = {}
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, IndexError):
                is_ours = (
                    int(path.name) in started or f"{MARK}={mark}".encode() in (path / "environ").read_bytes()
                )
                if is_ours and (path / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    alive[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")[:100]
        if not alive or time.monotonic() > deadline:
            return alive
        time.sleep(0.02)


def wrong_with(moment: Moment, ended: Ended) -> list[str]:
    """What did not hold of a command that got a signal while it was at work."""
    if not ended.is_in_time:
        return []
    found = []
    if ended.code != 128 + moment.number:
        found.append(f"it ended with code {ended.code}: {ended.told[-300:]!r}")
    if ended.seconds > SECONDS:
        found.append(f"it ended after {ended.seconds:.1f} s")
    if ended.left:
        found.append(f"it left {', '.join(ended.left)}")
    if re.search(r"internal error|Fatal Python|terminate called", ended.told):
        found.append(f"it said {ended.told[-300:]!r}")
    return [f"{moment}: {sentence}" for sentence in found]


@dataclass(frozen=True)
class Undisturbed:
    """A registry before its last run, and what that run leaves."""

    before: Path
    release: tuple[str, dict[str, str]]
    marts: dict[str, str]


def undisturbed(folder: Path, *, has_release: bool) -> Undisturbed:
    """``has_release``: a first run has been, and a second delivery is outstanding."""
    before, after = folder / "before", folder / "after"
    make_registry(before)
    if has_release:
        run(before)
        second = before / "landing" / "north" / "second"
        second.mkdir()
        for name, text in SECOND_DELIVERY.items():
            (second / name).write_text(text)
    shutil.copytree(before, after, symlinks=True)
    run(after)
    shutil.copytree(after / ".keys", before / ".keys", dirs_exist_ok=True)
    return Undisturbed(before, release_digest(after), marts_digest(after))


def run(registry: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "orchestration.command", "run", "--registry", str(registry)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )


def differs(undisturbed: Undisturbed, registry: Path) -> list[str]:
    """Run a registry that was disturbed; what of it is not as the undisturbed run left it."""
    try:
        run(registry)
    except subprocess.CalledProcessError as error:
        return [f"the next run failed: {(error.stdout + error.stderr).decode()[-500:]}"]
    found = []
    if release_digest(registry) != undisturbed.release:
        found.append("the next run made another release")
    if marts_digest(registry) != undisturbed.marts:
        found.append("the next run left other marts")
    if not (registry / "reports" / "current" / "report.html").is_file():
        found.append("the next run wrote no report")
    return found


def attack(seed: int, rounds: int) -> Figures:
    """Chains of five signals, each to a registry with a release and a delivery that is outstanding."""
    wanted = max(rounds, LEAST_SIGNALS)
    sent = itself = tried = chains = 0
    slowest, broken = 0.0, []
    rng = random.Random(seed)
    commands = list(MOMENTS)
    with tempfile.TemporaryDirectory() as folder:
        calm = undisturbed(Path(folder), has_release=True)
        while sent < wanted and tried < 3 * wanted:
            registry = Path(folder) / f"chain{chains}"
            shutil.copytree(calm.before, registry, symlinks=True)
            told = []
            for _ in range(IN_A_CHAIN):
                moment = drawn(rng, commands[tried % len(commands)])
                tried += 1
                ended = send(moment, registry)
                sent, itself = sent + ended.is_in_time, itself + ended.is_of_the_signal_itself
                slowest = max(slowest, ended.seconds if ended.is_in_time else 0)
                told.append(str(moment))
                broken += wrong_with(moment, ended)
            broken += [f"after {'; '.join(told)}: {sentence}" for sentence in differs(calm, registry)]
            shutil.rmtree(registry)
            chains += 1
    numbers = {
        "signals to a command at work": sent,
        "commands that ended before their signal came": tried - sent,
        "signals that came before the first line of the command": itself,
        "seconds of the slowest end": round(slowest, 2),
        "chains whose next run was compared with an undisturbed one": chains,
    }
    return Figures(numbers, tuple(broken))
