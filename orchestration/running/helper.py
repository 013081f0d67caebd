"""Who does a layer's slow calls: this process, or a second one beside it. A layer is handed a helper, and
need not know which.

Does not belong here: the second process (`second_process.py`), what is called (the layers).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Pending(Protocol[T_co]):
    """A call that was submitted."""

    def result(self) -> T_co:
        """Wait for its end: what it returned; what it raised is raised here."""


class Helper(Protocol):
    """Does calls for a layer, one after the other, in the order in which they were submitted.

    A function that is submitted may run in another process: it and its arguments must be importable and
    picklable, and no connection on a DuckDB file that it opens may be open here.
    """

    def submit(self, function: Callable[..., T], *arguments: Any) -> Pending[T]:
        """Start ``function(*arguments)``."""

    def start_early(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Start what a later step will submit, so that it need not wait; a helper that gains nothing by it
        does nothing.
        """


@dataclass(frozen=True)
class Ended(Generic[T]):
    """A call that has ended."""

    value: T

    def result(self) -> T:
        return self.value


@dataclass(frozen=True)
class InThisProcess:
    """Every call is a plain call, made when it is submitted: in tests, in Dagster's UI and in its daemon."""

    def submit(self, function: Callable[..., T], *arguments: Any) -> Pending[T]:
        return Ended(function(*arguments))

    def start_early(self, function: Callable[..., Any], *arguments: Any) -> None:
        """The step that needs it makes the call."""


IN_THIS_PROCESS = InThisProcess()
