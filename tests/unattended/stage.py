"""A registry with a daemon of its own, and everything that can be seen of it from outside.

Belongs here: starting, stopping and killing the daemon; putting deliveries into landing; reading the ledger,
the partitions, the release and `status`. Does not belong here: what is expected (`script.py`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from orchestration.running.attempts import UNDER_WAY
from orchestration.running.supervisor import holder

CLOCK = Path(__file__).parent / "clock"
MYOSITIS = [sys.executable, "-c", "from orchestration.command.cli import main; main()"]
PATIENCE = 240.0
FAULTY_REGISTRY = "cannot be used as it is written"


class Unmet(AssertionError):
    """Something did not become true in time, or is not as expected."""


@dataclass
class Reader:
    """An analyst who opens the current release again and again; what was torn or missing is kept."""

    link: Path
    looks: int = 0
    faults: list[str] = field(default_factory=list)
    ends: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while not self.ends.wait(0.25):
            if not self.link.exists():
                continue
            try:
                file = self.link.resolve()
                with duckdb.connect(str(file), read_only=True) as connection:
                    identity = connection.execute("select release_id from release.release_info").fetchone()
                    tables = connection.execute(
                        "select count(*) from duckdb_tables() where schema_name = 'results'"
                    ).fetchone()
                    connection.execute("select count(*) from release.fct_observation").fetchone()
                if identity is None or identity[0] != file.stem:
                    self.faults.append(f"{file.name} says that it is {identity}")
                if not tables or not tables[0]:
                    self.faults.append(f"{file.name} has no results")
                self.looks += 1
            except duckdb.Error as error:
                if file.exists():  # else an old release was removed between the link and the file
                    self.faults.append(f"{type(error).__name__}: {error}")


@dataclass
class Stage:
    folder: Path
    sample: Path  # a delivery of sender `zjfah` that is taken
    days: int = 0
    process: subprocess.Popen[bytes] | None = None
    instance: Any = None
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        os.environ["DAGSTER_HOME"] = str(self.folder / ".dagster")
        os.environ["MYOSITIS_REGISTRY"] = str(self.folder)
        self.reader = Reader(self.folder / "release" / "current.duckdb")
        self.log = self.folder.parent / "daemon.log"

    # processes

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "UNATTENDED_DAYS": str(self.days),
            **({"PYTHONPATH": f"{CLOCK}:{os.environ.get('PYTHONPATH', '')}"} if self.days else {}),
        }

    def start(self, *command: str, ignores_interrupt: bool = False, wait: bool = True) -> None:
        """Start `myositis daemon` (or another command) as a script would."""
        argv = [*MYOSITIS, *(command or ("daemon",))]
        if ignores_interrupt:  # as `&` in a script does
            argv = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *argv]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                argv, stdout=log, stderr=log, env=self.environment(), start_new_session=True
            )
        if wait:
            self.until(lambda: "daemon" in self.services(), "the daemon is up")
            self.until(lambda: self.ticks_since(time.time() - 30) > 0, "the sensors tick")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """End the daemon; returns (exit code, seconds)."""
        assert self.process is not None
        started = time.monotonic()
        self.process.send_signal(number)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            raise Unmet("the daemon did not end within 30 s") from None
        return code, time.monotonic() - started

    def services(self) -> dict[str, int]:
        """The living processes that the daemon's supervisor looks after, by name."""
        found = {}
        for pid, command in _children(self.process.pid if self.process else 0):
            for name, mark in (
                ("code server", " api grpc "),
                ("daemon", "dagster._daemon"),
                ("webserver", "orchestration.pages.server"),
            ):
                if mark in command:
                    found[name] = pid
        return found

    def processor_seconds(self) -> float:
        """What supervisor and services have used so far."""
        ticks = 0
        for pid in self._own():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """What supervisor and services hold in memory, each shared page counted once a process."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._own())
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def _own(self) -> list[int]:
        return [*self.services().values(), *([self.process.pid] if self.process else [])]

    def runs_at_work(self) -> list[int]:
        return [pid for path in (self.folder / ".dagster" / "alive").glob("*") if (pid := holder(path))]

    def kill(self, name: str) -> None:
        os.kill(self.services()[name], signal.SIGKILL)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*MYOSITIS, *arguments], capture_output=True, text=True, env=self.environment(), timeout=PATIENCE
        )

    # landing and registry files

    def deliver(self, name: str, marker: bool = True, sender: str = "zjfah", **instead: str | None) -> Path:
        """Put a delivery into landing: the sample, with the text of some files replaced (None: left out)."""
        folder = self.folder / "landing" / sender / name
        folder.mkdir(parents=True)
        for path in sorted(self.sample.iterdir()):
            text = instead.get(path.stem.removeprefix("synthetic_"), path.read_text())
            if text is not None and not path.name.startswith("_"):
                (folder / path.name).write_text(text)
        if marker:
            (folder / "_SUCCESS").touch()
        return folder

    def edit(self, name: str, before: str, after: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert before in text, (name, before)
        path.write_text(text.replace(before, after, 1))

    # what is seen

    def until(self, holds: Callable[[], Any], what: str, seconds: float = PATIENCE) -> float:
        """Wait until something holds; returns how long it took."""
        started = time.monotonic()
        while True:
            with suppress(duckdb.Error, FileNotFoundError, json.JSONDecodeError):
                if holds():
                    return time.monotonic() - started
            if time.monotonic() - started > seconds:
                raise Unmet(f"not within {seconds:.0f} s: {what}")
            time.sleep(0.2)

    @contextmanager
    def warehouse(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The warehouse, for reading, as soon as no run has it open."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                connection = duckdb.connect(
                    str(self.folder / "warehouse" / "warehouse.duckdb"), read_only=True
                )
                break
            except duckdb.IOException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)
        try:
            yield connection
        finally:
            connection.close()

    def ledger(self) -> dict[str, str]:
        """The latest state of each delivery."""
        if not (self.folder / "warehouse" / "warehouse.duckdb").exists():
            return {}
        with self.warehouse() as connection:
            rows = connection.execute(
                "select sender_id || '/' || delivery_id, state from raw.delivery where state <> 'replaced' order by loaded_at"
            ).fetchall()
        return dict(rows)

    def loads(self, name: str) -> int:
        """How many loads the ledger has of a delivery."""
        sender, _, delivery = name.partition("/")
        with self.warehouse() as connection:
            found = connection.execute(
                "select count(*) from raw.delivery where sender_id = ? and delivery_id = ?",
                [sender, delivery],
            ).fetchone()
        return found[0] if found else 0

    def release(self) -> dict[str, Any]:
        """The manifest of the current release, and the release's own report beside it."""
        file = (self.folder / "release" / "current.duckdb").resolve()
        return json.loads(file.with_suffix(".json").read_text())

    def released(self) -> set[str]:
        """The deliveries that the current release holds."""
        return {f"{d['sender_id']}/{d['delivery_id']}" for d in self.release()["deliveries"]}

    def has_report(self) -> bool:
        current = self.folder / "reports" / "current"
        return (current / "report.html").exists() and current.resolve().name == self.release()["release_id"]

    def open_instance(self) -> Any:
        if self.instance is None:
            self.instance = dg.DagsterInstance.get()
        return self.instance

    def partitions(self, sender: str) -> set[str]:
        return set(self.open_instance().get_dynamic_partitions(f"deliveries_{sender}"))

    def green(self) -> set[str]:
        """The deliveries whose partition Dagster shows in green."""
        found = set()
        for path in (self.folder / "hospitals").glob("*.yml"):
            sender = path.stem
            there = sorted(self.partitions(sender))
            shown = self.open_instance().get_status_by_partition(
                dg.AssetKey(["raw", sender]),
                there,
                dg.DynamicPartitionsDefinition(name=f"deliveries_{sender}"),
            )
            found |= {f"{sender}/{p}" for p, s in (shown or {}).items() if s and s.name == "MATERIALIZED"}
        return found

    def why_failed(self, run_id: str) -> str:
        events = self.open_instance().all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        return "\n".join(entry.get_dagster_event().step_failure_data.error.to_string() for entry in events)

    def runs(self, **filters: Any) -> list[dg.DagsterRun]:
        return list(self.open_instance().get_runs(dg.RunsFilter(**filters)))

    def was_launched(self, run_id: str) -> bool:
        """Whether a run had a process started for it; others ran in the process of the run before."""
        return bool(self.open_instance().all_logs(run_id, of_type=dg.DagsterEventType.RUN_ENQUEUED))

    def is_idle(self) -> bool:
        return not self.runs(statuses=UNDER_WAY)

    def ticks(self, sensor: str, after: float = 0.0) -> list[Any]:
        """The ticks of a sensor, the newest first."""
        for state in self.open_instance().all_instigator_state():
            if state.instigator_name == sensor:
                return list(
                    self.open_instance().get_ticks(
                        state.instigator_origin_id, state.selector_id, after=after or None, limit=40
                    )
                )
        return []

    def ticks_since(self, when: float) -> int:
        return len([t for t in self.ticks("new_deliveries", when) if _told(t) is not None])

    def told_by_tick(self, sensor: str = "new_deliveries") -> str:
        """What the last whole tick of a sensor told."""
        return next((told for t in self.ticks(sensor) if (told := _told(t)) is not None), "")

    def settle(self, *, expected: dict[str, str], seconds: float = PATIENCE) -> None:
        """Wait until the ledger is as expected, nothing is at work and the release holds what is accepted."""
        self.until(lambda: self.ledger() == expected, f"ledger {expected}", seconds)
        accepted = {name for name, state in expected.items() if state == "accepted"}
        self.until(
            lambda: self.is_idle() and (not accepted or (self.released() == accepted and self.has_report())),
            f"a release of {sorted(accepted)}, with its report",
            seconds,
        )


def _told(tick: Any) -> str | None:
    """What a tick told; None while it is at work, or if the code server could not be asked."""
    if tick.status.value in ("SKIPPED", "SUCCESS"):
        return tick.skip_reason or ""
    is_ours = tick.status.value == "FAILURE" and tick.error and FAULTY_REGISTRY in tick.error.to_string()
    return tick.error.to_string() if is_ours else None


def _children(parent: int) -> Iterator[tuple[int, str]]:
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            if int((path / "stat").read_text().rsplit(")", 1)[1].split()[1]) == parent:
                yield (
                    int(path.name),
                    (path / "cmdline").read_bytes().decode(errors="replace").replace("\0", " "),
                )


def processes_of(folder: Path) -> list[str]:
    """Every process that works for a registry folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            environment = (path / "environ").read_bytes().decode(errors="replace")
            command = (path / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
            own = f"MYOSITIS_REGISTRY={folder}\0" in environment and "tests.unattended" not in command
            if own and re.search(r"dagster|orchestration\.", command):
                found.append(f"{path.name} {command[:90]}")
    return found


def shipped(folder: Path) -> Path:
    """A copy of the registry that ships, with an empty landing; returns the sample of a delivery."""
    from orchestration.registry.folder import MADE, SHIPPED_REGISTRY

    made = shutil.ignore_patterns(*MADE, "landing")
    shutil.copytree(SHIPPED_REGISTRY, folder, ignore=made)
    (folder / "landing").mkdir()
    shutil.copytree(SHIPPED_REGISTRY / "landing", folder.parent / "held")
    return folder.parent / "held" / "zjfah" / "2024-06-30"
