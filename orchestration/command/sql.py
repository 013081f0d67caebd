"""`myositis sql`: one question, its answer on the screen or in a file.

Belongs here: where the answer goes and what is said about it. Does not belong here: the lock and the bounds
(`database/asking.py`).
"""

from __future__ import annotations

import pydoc
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import typer

from orchestration.command import console, in_git
from orchestration.database.asking import (
    FORMATS,
    GIB,
    ONLY_IN_FILES,
    Answered,
    Bounds,
    Question,
    QuestionRefused,
    ask,
    ask_into,
)
from orchestration.resources import let_long_lines_run_off

ROWS_ON_SCREEN = 1_000
NOT_MASKED = "not for publication: nothing in this answer is masked"
MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*(MB|GB)", re.IGNORECASE)


@dataclass(frozen=True)
class Wanted:
    """The options of the command. ``limit`` 0 means every row, None the default of the format."""

    format: str | None
    output: Path | None
    limit: int | None
    seconds: float
    memory: str
    pager: bool = True


def answer(database: Path, query: str, wanted: Wanted) -> None:
    """Ask, and show the answer or write it. Raises `QuestionRefused`."""
    form = _format(wanted)
    question = Question(database, sys.stdin.read() if query == "-" else query, form, _bounds(wanted, form))
    if wanted.output is None:
        _show(question, wanted.pager)
        console.err.print(NOT_MASKED, markup=False)
        return
    if not wanted.output.parent.is_dir():
        raise QuestionRefused(f"there is no folder {wanted.output.parent}; make it first")
    if reason := in_git.refusal(wanted.output):
        raise QuestionRefused(reason)
    answered = ask_into(question, wanted.output)
    rows = "" if answered.rows is None else f": {console.count(answered.rows, 'row')}"
    console.out.print(f"written  {wanted.output}{rows}{_cut(answered)}", markup=False)
    console.err.print(NOT_MASKED, markup=False)


def _format(wanted: Wanted) -> str:
    suffix = wanted.output.suffix.lstrip(".").lower() if wanted.output else ""
    of_the_name = suffix if suffix in FORMATS else None
    if wanted.output is not None and wanted.format and of_the_name not in (None, wanted.format):
        raise QuestionRefused(
            f"{wanted.output.name} ends as {suffix}, and --format says {wanted.format}; leave out --format, "
            f"or name the file {wanted.output.with_suffix('.' + wanted.format).name}"
        )
    form = wanted.format or of_the_name
    if form is None and wanted.output is not None:
        raise QuestionRefused(f"{wanted.output.name}: say the format with --format: {', '.join(FORMATS)}")
    if form in ONLY_IN_FILES and wanted.output is None:
        raise QuestionRefused(f"{form} is written to a file only; name it with --output FILE")
    return form or "table"


def _bounds(wanted: Wanted, form: str) -> Bounds:
    memory = MEMORY.fullmatch(wanted.memory.strip())
    if memory is None:
        raise QuestionRefused(f'--memory: expected for example 500MB or 4GB; found "{wanted.memory}"')
    by_default = ROWS_ON_SCREEN if form == "table" and wanted.output is None else 0
    rows = by_default if wanted.limit is None else wanted.limit
    unit = GIB if memory[2].upper() == "GB" else GIB >> 10
    return Bounds(wanted.seconds, int(float(memory[1]) * unit), rows or None)


def _show(question: Question, pager: bool) -> None:
    """Print the answer; on a terminal page by page when it is longer or wider than the screen."""
    if question.format != "table":
        answered = ask(question, _relay)
        sys.stdout.flush()
        _tell_of_more(answered)
        return
    pieces: list[bytes] = []
    answered = ask(question, pieces.append)
    text = b"".join(pieces).decode("utf-8")
    screen = shutil.get_terminal_size()
    is_wide = max(map(len, text.splitlines()), default=0) > screen.columns
    if pager and sys.stdout.isatty() and (is_wide or text.count("\n") > screen.lines):
        let_long_lines_run_off()
        pydoc.pager(text)
    else:
        sys.stdout.write(text)
        sys.stdout.flush()
    _tell_of_more(answered)


def _tell_of_more(answered: Answered) -> None:
    if answered.is_cut:
        console.err.print(
            f"there is more than the {console.count(answered.rows or 0, 'row')} shown; --limit 0 shows all,"
            " --output FILE writes all",
            markup=False,
        )


def _relay(piece: bytes) -> None:
    sys.stdout.buffer.write(piece)
    if not console.is_read():  # the rest of the answer is for nobody
        raise typer.Exit


def _cut(answered: Answered) -> str:
    return " (as many as --limit allows)" if answered.is_cut else ""
