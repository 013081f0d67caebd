"""Questions that are answered while somebody waits: in a process of its own, with bounds, and once only.

Belongs here: the process, its bounds on time and memory, the answers that are kept. Does not belong here:
what computes an answer (`on_the_spot.py`), how a page tells it.

A server process that has imported the statistics forks a child for each question. A child that takes too long
is killed; one that takes too much memory ends by itself. An answer is kept by release and question.
"""

from __future__ import annotations

import atexit
import gc
import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analytics.study.file import Study

if TYPE_CHECKING:
    import pandas as pd

Compute = Callable[
    [Path, Study], "dict[str, pd.DataFrame]"
]  # a function of a module, so that a child finds it

GIB = 1 << 30
AT_ONCE = 2
KEPT = 64
OUT_OF_MEMORY = 3  # exit code of a child
IMPORTED = "orchestration.results.asked_imports"


class NotAnswered(Exception):
    """The question was not answered within its bounds; the text says what to do."""


@dataclass(frozen=True)
class Bounds:
    seconds: float = 20.0
    memory_bytes: int = 4 * GIB  # of address space, with the interpreter and the libraries
    patience_seconds: float = 20.0  # until earlier questions are answered


@dataclass
class Answers:
    """Answers questions, a few at once."""

    bounds: Bounds = field(default_factory=Bounds)
    _kept: OrderedDict[tuple[str, str, str], dict[str, pd.DataFrame]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _places: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(AT_ONCE))

    def ask(self, release: Path, study: Study, compute: Compute) -> dict[str, pd.DataFrame]:
        """What ``compute`` finds for ``study`` in the release file: one of the answers kept, or a new one.

        Raises NotAnswered.
        """
        release = release.resolve()  # a link to the current release may lead elsewhere by tomorrow
        key = release.name, study.model_dump_json(), compute.__name__
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        if not self._places.acquire(timeout=self.bounds.patience_seconds):
            raise NotAnswered("Other questions are being answered; ask again in a minute.")
        try:
            found = _in_process(release, study, self.bounds, compute)
        finally:
            self._places.release()
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found


def _in_process(
    release: Path,
    study: Study,
    bounds: Bounds,
    compute: Compute,
) -> dict[str, pd.DataFrame]:
    context = _context()
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_be_child, args=(theirs, release, study, bounds, compute), daemon=True)
    child.start()
    theirs.close()
    try:
        if not ours.poll(bounds.seconds):
            raise NotAnswered(
                f"The answer took more than {bounds.seconds:g} seconds and was stopped. Ask for fewer "
                "groups or visits, or state it as a study of the registry: a run has no such bound."
            )
        found: Any = ours.recv()
    except EOFError:
        child.join()
        raise NotAnswered(_died(child.exitcode, bounds)) from None
    finally:
        child.kill()
        child.join()
        ours.close()
    if isinstance(found, str):
        raise NotAnswered(found)
    return found


def _died(exit_code: int | None, bounds: Bounds) -> str:
    """Why a child ended without an answer. When memory runs out it ends by itself, or the system kills it."""
    if exit_code in (OUT_OF_MEMORY, -signal.SIGKILL):
        return (
            f"The answer needs more than {bounds.memory_bytes / GIB:g} GB of memory. Ask for fewer groups or"
            " visits, or state it as a study of the registry: a run has no such bound."
        )
    return (
        f"The process that computed the answer ended without one (exit code {exit_code}). Ask again; if "
        "that happens again, tell whoever looks after this registry."
    )


def _be_child(
    told: Connection,
    release: Path,
    study: Study,
    bounds: Bounds,
    compute: Compute,
) -> None:
    """Of an error only the name is told, for its text may hold a value; too little memory ends the child
    without a word.
    """
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    seconds = int(bounds.seconds) + 1
    resource.setrlimit(resource.RLIMIT_AS, (bounds.memory_bytes, bounds.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        found: Any = compute(release, study)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryException":
            os._exit(OUT_OF_MEMORY)
        found = (
            f"The answer could not be computed ({type(error).__name__}). Choose something else; if this "
            "should be possible, tell whoever looks after this registry."
        )
    told.send(found)
    told.close()
    os._exit(0)


def _context() -> multiprocessing.context.ForkServerContext:
    """Every child imports the main module of this process, so what that module imports is imported once."""
    context = multiprocessing.get_context("forkserver")
    main = getattr(sys.modules["__main__"], "__spec__", None)
    context.set_forkserver_preload([IMPORTED, *([main.name] if main else [])])
    return context


def start_early() -> None:
    """Start the server process now, so that the first question does not wait for its imports."""
    _context()
    from multiprocessing import forkserver

    forkserver.ensure_running()


def _end() -> None:
    from multiprocessing import forkserver

    server = forkserver._forkserver
    if getattr(server, "_forkserver_pid", None):
        server._stop()  # type: ignore[attr-defined]  # else pytest waits for its pipe


atexit.register(_end)
