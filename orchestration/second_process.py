"""A second process that imports the slow libraries while the first works, and then does the work that needs them.

Great Expectations, statistics and figures take seconds to import, Dagster and dbt take as long, and one Python process
imports on one core. `myositis run` therefore starts this process once there is something to do. Without it (tests,
Dagster's UI and daemon) `call` is a plain call.

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
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

T = TypeVar("T")

# in the order in which a run needs them; only while nothing is asked for
IMPORTED_AHEAD = (
    "duckdb", "pandas", "expectations.counted", "orchestration.results", "analytics.study_results", "analytics.table_one",
    "analytics.mixed_model", "analytics.survival", "analytics.cox", "analytics.firth", "orchestration.report",
    "orchestration.report_page", "orchestration.replay", "analytics.course_figure", "analytics.survival_figure",
    "matplotlib.backends.backend_svg", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf",
)

_calls: Connection | None = None


class SecondProcessEnded(Exception):
    """The second process is gone, or raised what cannot be handed over."""


def call(function: Callable[..., T], *arguments: Any) -> T:
    """``function(*arguments)``, in the second process if there is one; what it raises is raised here.

    DuckDB lets one process write to a file: no connection on a file that ``function`` opens may be open here.
    """
    if _calls is None:
        return function(*arguments)
    try:
        _calls.send((function, arguments))
        succeeded, value = _calls.recv()
    except (EOFError, OSError) as error:
        raise SecondProcessEnded(
            f"the process that runs {function.__name__} ended before it was done, as it does when memory is short;"
            " run the command again to go on from there"
        ) from error
    if not succeeded:
        raise value
    return value


@contextmanager
def started(ahead: Sequence[str] = IMPORTED_AHEAD) -> Iterator[None]:
    """Within the block calls go to a second process. It ends with the block, and with this process however that ends."""
    global _calls
    spawning = multiprocessing.get_context("spawn")  # a fork would copy DuckDB's and Dagster's threads half
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(theirs, list(ahead)), daemon=True)
    process.start()
    theirs.close()
    _calls = ours
    try:
        yield
    finally:
        _calls = None
        ours.close()
        process.join()


def _end_with_parent() -> None:
    """A first process that is killed cannot say so; the run after it must not meet this one at work."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def collect_seldom() -> None:
    """A run imports thousands of modules that live to its end; looking through them for garbage takes a tenth of its time."""
    gc.set_threshold(100_000, 20, 100)


def _serve(calls: Connection, ahead: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the first process's to handle; this one ends with it
    collect_seldom()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        while True:
            while ahead and not calls.poll():
                importlib.import_module(ahead.pop(0))
            function, arguments = calls.recv()
            calls.send(_outcome(function, arguments))
    except (EOFError, OSError):
        gc.freeze()  # see cli.main


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, function(*arguments)
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # an exception that needs more than its message cannot be handed over
            return False, SecondProcessEnded(f"{type(error).__name__}: {error}")
        return False, error
