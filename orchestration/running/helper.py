"""A layer hands its slow calls to a helper. The helper makes them in this process or in a second one; the
layer need not know which.

Does not belong here: the second process (`second_process.py`), what is called (the layers).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class HelperEnded(Exception):
    """The helper's process is gone, so nobody knows what became of the call that it was given."""


class Pending(Protocol[T_co]):
    """A call that has been submitted."""

    def result(self) -> T_co:
        """Wait until the call ends. Returns what it returned, or raises what it raised."""


class Helper(Protocol):
    """Makes calls for a layer, one after the other, in the order in which they were submitted.

    A submitted function may run in another process. It and its arguments must therefore be importable and
    picklable. If it opens a DuckDB file, this process must have no connection to that file.
    """

    def submit(self, function: Callable[..., T], *arguments: Any) -> Pending[T]:
        """Start ``function(*arguments)``."""

    def start_early(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Start a call that a later step will submit, so that the step need not wait. A helper that gains
        nothing by it does nothing.
        """


@dataclass(frozen=True)
class Ended(Generic[T]):
    """A call that has ended."""

    value: T

    def result(self) -> T:
        return self.value


@dataclass(frozen=True)
class InThisProcess:
    """Makes each call as a plain call when it is submitted: in tests, in Dagster's UI and in its daemon."""

    def submit(self, function: Callable[..., T], *arguments: Any) -> Pending[T]:
        return Ended(function(*arguments))

    def start_early(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Does nothing: the step that needs the call makes it."""


IN_THIS_PROCESS = InThisProcess()
