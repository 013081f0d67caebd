"""What a person at a terminal sees: progress, the closing screen, errors as one readable block.

Belongs here: wording and layout for the terminal. Does not belong here: doing any work.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Plain text is printed as it is: `[red]` or `:x:` in a hospital's name is no colour and no picture.
out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


class Outlet(io.FileIO):
    """A stream of the process. What is written after its reader has gone (`… | head -1`) is dropped."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())  # for what the libraries and our own processes write, too
            os.close(nowhere)
            self.is_read = False
            return super().write(data)

    is_read = True


def outlive_readers() -> None:
    """From now on a reader who leaves does not end a command: the work goes on, and the exit code says how it
    went.
    """
    sys.stdout, sys.stderr = _outliving(sys.stdout), _outliving(sys.stderr)


def is_read() -> bool:
    """Whether somebody still reads what is written to the standard output."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return not isinstance(raw, Outlet) or raw.is_read


def _outliving(stream: TextIO) -> TextIO:
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(Outlet(stream.fileno(), "wb", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=getattr(stream, "line_buffering", True),
    )


class ProgressHandler(logging.Handler):
    """Shows INFO and above as lines with the seconds since the start. Shows DEBUG as one line that is
    overwritten, on a terminal only.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.started = time.monotonic()
        self.moving = out.status("") if out.is_terminal else None

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and "--debug" in sys.argv:
            err.print("".join(traceback.format_exception(*record.exc_info)))
        if record.levelno < logging.INFO:
            if self.moving is not None:
                self.moving.update(Text(text))
                self.moving.start()
            return
        if self.moving is not None:
            self.moving.stop()
        out.print(f"{time.monotonic() - self.started:6.1f} s  {text}", markup=False)

    def close(self) -> None:
        if self.moving is not None:
            self.moving.stop()
        super().close()


@contextmanager
def progress() -> Iterator[None]:
    """Show what the logger `myositis` says, and nothing that the libraries log."""
    handler = ProgressHandler()
    logger = logging.getLogger("myositis")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        yield
    finally:
        handler.close()
        logger.removeHandler(handler)


def fail(text: str) -> None:
    """An error, as one block on stderr."""
    sys.stdout.flush()
    err.print(text, markup=False)


def count(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"


def in_order(senders: int, studies: int) -> str:
    return f"{count(senders, 'sender')}, {count(studies, 'study', 'studies')}; files are in order"


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[str] = ()
) -> None:
    grid = Table(title=Text(title), title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in columns:
        grid.add_column(Text(name), justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text("" if v is None else f"{v:,}" if isinstance(v, int) else str(v)) for v in row))
    out.print(grid)
