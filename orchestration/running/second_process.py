"""A second process that imports the slow libraries while the first one works, and then makes the calls that
need them.

Great Expectations and statistics take seconds to import, Dagster and dbt take as long, and one Python process
imports on one core. `myositis run` therefore starts this process as soon as there is something to do, and
hands it to the layers as their `Helper`. While the first process waits for an answer, it prepares what it
will need itself.

Does not belong here: what is called (the layers), what is prepared (`command/ahead.py`).
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import pickle
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from orchestration.processes import die_with, leave_signals_to_parent, signals_held
from orchestration.running.helper import HelperEnded, Pending

T = TypeVar("T")
Call = tuple[Callable[..., Any], tuple[Any, ...]]


class SecondProcessEnded(Exception):
    """The second process is gone, or raised an exception that cannot be handed over."""


class _Gone(SecondProcessEnded, HelperEnded):
    """The second process ended before it was done."""


class SecondProcess:
    """The helper that makes calls in the second process; made by `started`."""

    def __init__(self, calls: Connection, meanwhile: Sequence[str]) -> None:
        self._calls = calls
        self._to_prepare = deque(meanwhile)
        self._submitted = 0
        self._early: tuple[Call, Pending[Any]] | None = None
        self._ended: list[tuple[bool, Any]] = []  # outcomes in the order of submission

    def submit(self, function: Callable[..., T], *arguments: Any) -> Pending[T]:
        if self._early is not None and self._early[0] == (function, arguments):
            (_, pending), self._early = self._early, None
            return pending
        try:
            self._calls.send((function, arguments))
        except OSError as error:
            raise _gone(function) from error
        self._submitted += 1
        return _Submitted(self, function, self._submitted - 1)

    def start_early(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._early = (function, arguments), self.submit(function, *arguments)

    def outcome(self, number: int, function: Callable[..., Any]) -> tuple[bool, Any]:
        """Wait for the call with this number; returns whether it succeeded, and what it returned
        or raised.
        """
        try:
            while len(self._ended) <= number:
                self._prepare_until_an_answer_comes()
                self._ended.append(self._calls.recv())
        except (EOFError, OSError) as error:
            raise _gone(function) from error
        return self._ended[number]

    def _prepare_until_an_answer_comes(self) -> None:
        """Failed preparation is ignored; the step that needs the module will raise the error."""
        while self._to_prepare and not self._calls.poll():
            with suppress(Exception):
                prepare(self._to_prepare.popleft())


@dataclass(frozen=True)
class _Submitted(Generic[T]):
    helper: SecondProcess
    function: Callable[..., T]
    number: int

    def result(self) -> T:
        succeeded, value = self.helper.outcome(self.number, self.function)
        if not succeeded:
            raise value
        return value


def _gone(function: Callable[..., Any]) -> SecondProcessEnded:
    return _Gone(
        f"the process that runs {function.__name__} ended before it was done, as it does when memory is "
        "short; run the command again to go on from there"
    )


def prepare(name: str) -> None:
    """Import a module, or call a function of it if the name is written ``module:function``."""
    module, _, function = name.partition(":")
    imported = importlib.import_module(module)
    if function:
        getattr(imported, function)()


@contextmanager
def started(ahead: Sequence[str] = (), meanwhile: Sequence[str] = ()) -> Iterator[SecondProcess]:
    """A second process that ends with the block, and also when this process ends, however that happens.

    Until it is given a call, the second process prepares what ``ahead`` names. While this process waits for
    an answer, it prepares what ``meanwhile`` names. Both lists are in the order in which a run needs their
    entries.
    """
    spawning = multiprocessing.get_context("spawn")  # a fork would copy DuckDB's and Dagster's threads half
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(theirs, list(ahead)), daemon=True)
    with signals_held():  # else Ctrl-C would interrupt its first imports
        process.start()
    theirs.close()
    try:
        yield SecondProcess(ours, meanwhile)
    finally:
        ours.close()
        process.join()


def _end_with_parent() -> None:
    """End this process when the first one ends, where the kernel does not see to it (`die_with`). A killed
    first process cannot give notice, and the next run must not find this one still at work.
    """
    if parent := multiprocessing.parent_process():
        wait([parent.sentinel])
    os._exit(1)


def collect_seldom() -> None:
    """Collect garbage rarely: nearly all that a run makes lives to its end. Collecting took a tenth of the
    run's time and freed 70 MB.
    """
    gc.set_threshold(2_000_000, 20, 100)


def _serve(calls: Connection, ahead: list[str]) -> None:
    if parent := multiprocessing.parent_process():
        die_with(parent.pid)
    leave_signals_to_parent()
    collect_seldom()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    asked: SimpleQueue[Call | None] = SimpleQueue()
    threading.Thread(target=_read, args=(calls, asked), daemon=True).start()
    while True:
        while ahead and asked.empty():
            prepare(ahead.pop(0))
        wanted = asked.get()
        if wanted is None:
            break
        calls.send(_outcome(*wanted))
    gc.freeze()  # see cli.main


def _read(calls: Connection, asked: SimpleQueue[Call | None]) -> None:
    """Take calls off the connection while this process computes, so that the first process need not wait to
    send them.
    """
    try:
        while True:
            asked.put(calls.recv())
    except (EOFError, OSError):
        asked.put(None)


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, function(*arguments)
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # an exception that needs more than its message cannot be pickled
            return False, SecondProcessEnded(f"{type(error).__name__}: {error}")
        return False, error
