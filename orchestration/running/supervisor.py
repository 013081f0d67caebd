"""Keeps the services of `myositis daemon` and `myositis ui` alive.

    python -m orchestration.running.supervisor PLAN

It starts each service, starts again what ended (at once, then with growing pauses), and passes a signal on:
within five seconds everything has ended, and the exit code says by which signal (130, 143). When it is killed
itself, its services end with it.

It imports nothing but the standard library, because it lives as long as the machine. Does not belong here:
which services there are (`command/services.py`).
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
SETTLED_SECONDS = 60.0  # a service that lived so long starts with the first pause again
READY_SECONDS = 120.0
POLITE_SECONDS = 2.0  # after a signal; what has not ended then is killed
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1
WORKER = "orchestration.command.worker"  # the module that a run's process executes
MARKS = "alive"  # in Dagster's folder: a file for each run, which the run's process has locked
DAEMON_LOCK = "daemon.lock"  # in Dagster's folder: held by whoever looks after a registry
ANOTHER = 2  # the exit code when another supervisor has this registry


class CannotServe(Exception):
    """The port is taken, or the folder for sockets belongs to another user."""


@dataclass(frozen=True)
class Service:
    """A process that is to be there always."""

    name: str
    command: list[str]
    socket: str | None = None  # it is ready once this socket answers; the services after it wait until then


@dataclass(frozen=True)
class Plan:
    """What a supervisor looks after."""

    lock: str  # one supervisor a registry
    runs: str  # the folder of the runs' locks: what is under way ends with the supervisor
    services: list[Service]

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Plan:
        given = json.loads(text)
        return cls(given["lock"], given["runs"], [Service(**s) for s in given["services"]])


def next_pause(pause: float, lived: float, has_asked: bool) -> float:
    """The pause before a service starts again that had the pause ``pause`` before and then lived so long.

    ``has_asked``: it ended by itself in good order, to be started again; it is started at once.
    """
    if has_asked:
        return 0.0
    if lived >= SETTLED_SECONDS or pause == 0:
        return FIRST_PAUSE
    return min(pause * 2, LONGEST_PAUSE)


@dataclass
class _Kept:
    service: Service
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = 0.0
    due: float = 0.0  # when it is to be started

    def is_ready(self) -> bool:
        return self.process is not None and (self.service.socket is None or answers(self.service.socket))


@dataclass
class Supervisor:
    plan: Plan
    say: Callable[[str], None]
    stopped_by: int | None = None
    kept: list[_Kept] = field(default_factory=list)

    def run(self) -> int:
        """Keep the services alive until a signal comes; returns the exit code."""
        lock = Path(self.plan.lock).open("a+")  # noqa: SIM115  # held until the process ends
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            self.say(f"process {lock.read() or '?'} runs this registry already; stop it first")
            return ANOTHER
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        wakened = self._listen()
        self.kept = [_Kept(service) for service in self.plan.services]
        while self.stopped_by is None:
            self._bury()
            wait = self._start_what_is_due()
            if self.stopped_by is None:
                select.select([wakened], [], [], wait)
                with suppress(BlockingIOError):
                    os.read(wakened, 4096)
        self._end()
        return 128 + self.stopped_by

    def _listen(self) -> int:
        """A descriptor that becomes readable when a signal comes.

        The handlers are set whatever the process inherited: a shell that starts it with `&` in a script lets
        SIGINT be ignored.
        """
        readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writable, warn_on_full_buffer=False)

        def stop(number: int, frame: FrameType | None) -> None:
            self.stopped_by = self.stopped_by or number

        for number in STOPS:
            if (
                number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
            ):  # nohup wants it ignored
                signal.signal(number, stop)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [*STOPS, signal.SIGCHLD])
        return readable

    def _bury(self) -> None:
        for kept in self.kept:
            if kept.process is None or (code := kept.process.poll()) is None:
                continue
            lived = time.monotonic() - kept.started
            kept.process = None
            kept.pause = next_pause(kept.pause, lived, has_asked=code == 0)
            kept.due = time.monotonic() + kept.pause
            if code:
                ended = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
                self.say(f"{kept.service.name} {ended} after {lived:.0f} s; next start in {kept.pause:.0f} s")
            else:
                self.say(f"{kept.service.name} asked to be started again")

    def _start_what_is_due(self) -> float | None:
        """Start the services whose pause is over, in their order; returns how long to wait at most."""
        wait: float | None = None
        for kept in self.kept:
            if kept.process is None:
                if (left := kept.due - time.monotonic()) <= 0:
                    self._start(kept)
                else:
                    wait = min(left, wait or left)
            if not kept.is_ready() and kept.started and time.monotonic() - kept.started < READY_SECONDS:
                return min(0.2, wait or 0.2)  # those that follow need it
        return wait

    def _start(self, kept: _Kept) -> None:
        if kept.service.socket:
            with suppress(FileNotFoundError):
                os.unlink(kept.service.socket)
        try:
            kept.process = subprocess.Popen(
                kept.service.command,
                stdin=subprocess.DEVNULL,
                preexec_fn=_end_with_parent,
                start_new_session=True,
            )
        except OSError as error:
            self.say(f"{kept.service.name} cannot be started: {error.strerror}")
            kept.pause = next_pause(kept.pause, 0, has_asked=False)
            kept.due = time.monotonic() + kept.pause
            return
        kept.started = time.monotonic()
        self.say(f"{kept.service.name} started (process {kept.process.pid})")

    def _end(self) -> None:
        """End the services and the runs under way: first politely, then for sure."""
        runs = runs_under_way(Path(self.plan.runs))
        self.say(
            "stopping"
            + (f", and {len(runs)} run(s) under way; the next start goes on from there" if runs else "")
        )
        living = [k.process for k in self.kept if k.process is not None]
        for pid in (*runs, *(process.pid for process in living)):
            _signal(pid, signal.SIGTERM)
        deadline = time.monotonic() + POLITE_SECONDS
        while time.monotonic() < deadline:
            if not [p for p in living if p.poll() is None] and not runs_under_way(Path(self.plan.runs)):
                break
            time.sleep(0.05)
        for process in living:
            if process.poll() is None:
                process.kill()
                process.wait()
        for pid in runs_under_way(Path(self.plan.runs)):
            _signal(pid, signal.SIGKILL)


def runs_under_way(locks: Path) -> list[int]:
    """The processes of the runs that a daemon started, without those that a person started beside it."""
    found = []
    for path in locks.glob("*"):
        with suppress(OSError):
            if (pid := holder(path)) and WORKER in Path(f"/proc/{pid}/cmdline").read_bytes().decode():
                found.append(pid)
    return found


def holder(path: Path) -> int | None:
    """The process that has locked a file and written its number into it; None if nobody has locked it."""
    with suppress(OSError, ValueError), path.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return int(handle.read())
    return None


def answers(path: str) -> bool:
    """Whether a process listens at a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


def _end_with_parent() -> None:
    """In a new service: end when the supervisor ends, however it does (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _say(text: str) -> None:
    print(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(Supervisor(Plan.of(sys.argv[1]), _say).run())
