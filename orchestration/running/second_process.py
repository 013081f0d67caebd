"""A second process that imports the slow libraries while the first works, and then does the work that needs them.

Great Expectations and statistics take seconds to import, Dagster and dbt take as long, and one Python process
imports on one core. `myositis run` therefore starts this process once there is something to do; while it computes, the
first imports what draws figures, and draws them while it lays out tables. Without it (tests, Dagster's UI and daemon)
`call` and `begin` are plain calls.

Does not belong here: what is called (the layers).
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

# modules, and functions to call, in the order in which a run needs them; only while nothing is asked for
AHEAD = (
    "duckdb", "pandas", "expectations.duckdb_in_gx:context", "expectations.counted", "orchestration.results.compute",
    "analytics.study.results", "analytics.baseline.table_one", "analytics.mixed_model", "analytics.mixed_model.kenward_roger",
    "analytics.mixed_model.parameters", "analytics.mixed_model.marginal_means", "analytics.repeated_measures",
    "analytics.survival", "analytics.cox", "analytics.regression.firth", "analytics.competing_risks", "analytics.recurrent",
    "analytics.study.sensitivity.compared", "analytics.study.sensitivity.limits", "analytics.study.sensitivity.groups",
    "analytics.study.sensitivity.follow_up", "analytics.paper.reproduction", "analytics.printed.printed_table", "great_tables",
    "orchestration.report.replay", "orchestration.report.page",
)
BUILDING = (
    "orchestration.warehouse.assets", "dbt.cli.main", "dbt.task.build", "dbt.adapters.duckdb", "orchestration.warehouse.dbt:read_ahead",
    "orchestration.warehouse.dbt:set_up",
)
DRAWING = (
    "pandas", "analytics.printed.course_figure", "analytics.printed.survival_figure", "matplotlib.backends.backend_svg",
    "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf",
)

_calls: Connection | None = None
_begun = 0
_early: tuple[tuple[Callable[..., Any], tuple[Any, ...]], Callable[[], Any]] | None = None
_ended: list[tuple[bool, Any]] = []  # outcomes in the order of beginning


class SecondProcessEnded(Exception):
    """The second process is gone, or raised what cannot be handed over."""


def call(function: Callable[..., T], *arguments: Any) -> T:
    """``function(*arguments)``, in the second process if there is one; what it raises is raised here.

    DuckDB lets one process write to a file: no connection on a file that ``function`` opens may be open here.
    """
    return begin(function, *arguments)()


def begin(function: Callable[..., T], *arguments: Any) -> Callable[[], T]:
    """Start a call; what comes back waits for its end. Calls are done one after the other, in the order of beginning."""
    global _begun, _early
    if _calls is None:
        value = function(*arguments)
        return lambda: value
    if _early is not None and _early[0] == (function, arguments):
        (_, waiting), _early = _early, None
        return waiting
    number, _begun = _begun, _begun + 1
    try:
        _calls.send((function, arguments))
    except OSError as error:
        raise _gone(function) from error

    def end() -> T:
        try:
            while len(_ended) <= number:
                _ended.append(_calls.recv())
        except (EOFError, OSError) as error:
            raise _gone(function) from error
        succeeded, value = _ended[number]
        if not succeeded:
            raise value
        return value

    return end


def begin_early(function: Callable[..., Any], *arguments: Any) -> None:
    """Start what a later step will begin or call, so that it need not wait; without a second process, that step does it."""
    global _early
    if _calls is not None:
        _early = (function, arguments), begin(function, *arguments)


def _gone(function: Callable[..., Any]) -> SecondProcessEnded:
    return SecondProcessEnded(
        f"the process that runs {function.__name__} ended before it was done, as it does when memory is short;"
        " run the command again to go on from there"
    )


def prepare_meanwhile(names: Sequence[str]) -> None:
    """What this process will need, while the second does what was begun; without one, whoever needs it prepares it.

    What cannot be prepared is left to whoever needs it, too: a fault of dbt's is none of the delivery that is being checked.
    """
    for name in names:
        if _calls is None or _calls.poll():
            return
        with suppress(Exception):
            _prepare(name)


def _prepare(name: str) -> None:
    module, _, function = name.partition(":")
    imported = importlib.import_module(module)
    if function:
        getattr(imported, function)()


@contextmanager
def started(ahead: Sequence[str] = AHEAD) -> Iterator[None]:
    """Within the block calls go to a second process. It ends with the block, and with this process however that ends."""
    global _calls, _begun, _early
    spawning = multiprocessing.get_context("spawn")  # a fork would copy DuckDB's and Dagster's threads half
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(theirs, list(ahead)), daemon=True)
    process.start()
    theirs.close()
    _calls, _begun, _early = ours, 0, None
    _ended.clear()
    try:
        yield
    finally:
        _calls = None
        ours.close()
        process.join()


def _end_with_parent() -> None:
    """A first process that is killed cannot say so; the run after it must not meet this one at work."""
    first = multiprocessing.parent_process()
    assert first is not None  # this runs in the process that it has spawned
    wait([first.sentinel])
    os._exit(1)


def collect_seldom() -> None:
    """Nearly all that a run makes lives to its end: looking for garbage took a tenth of its time, and found 70 MB."""
    gc.set_threshold(2_000_000, 20, 100)


def _serve(calls: Connection, ahead: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the first process's to handle; this one ends with it
    collect_seldom()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    asked: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]] | None] = SimpleQueue()
    threading.Thread(target=_read, args=(calls, asked), daemon=True).start()
    while True:
        while ahead and asked.empty():
            _prepare(ahead.pop(0))
        wanted = asked.get()
        if wanted is None:
            break
        calls.send(_outcome(*wanted))
    gc.freeze()  # see cli.main


def _read(calls: Connection, asked: SimpleQueue[Any]) -> None:
    """What is asked while this process computes does not keep the first one waiting."""
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
        except Exception:  # an exception that needs more than its message cannot be handed over
            return False, SecondProcessEnded(f"{type(error).__name__}: {error}")
        return False, error
