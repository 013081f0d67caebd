"""What all commands share: options, exit codes, refusals, and the steps that most of them begin with.

Does not belong here: a command (`*_commands.py`), the application that holds them (`cli.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.command import console

if TYPE_CHECKING:
    from orchestration.command.flow import Outcome
    from orchestration.registry.folder import Registry


DONE, REFUSED, MISUSED, BROKEN = 0, 1, 2, 3
STOPPED = 130  # as shells have it for Ctrl-C
RegistryOption = Annotated[
    Path | None,
    typer.Option(
        "--registry",
        metavar="DIR",
        help="Registry folder. Default: MYOSITIS_REGISTRY, else the one that ships.",
        show_default=False,
    ),
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


class Refused(Exception):
    """A gate refused, and everything has already been reported."""


def registry_at(folder: Path | None) -> Registry:
    from orchestration.registry.folder import load_registry
    from orchestration.resources import point_at, registry_folder

    registry = load_registry(registry_folder(folder))
    point_at(registry)
    return registry


def carry_out(registry: Registry, work: Callable[[Registry], Outcome]) -> None:
    """Do the work with its progress on the screen, show the closing screen, and refuse if a gate did."""
    from orchestration.command import closing

    with console.progress():
        outcome = work(registry)
    closing.show(registry, outcome)
    if outcome.refusals:
        raise Refused


def keep_out_of_git(path: Path, hint: str) -> None:
    from orchestration.command import in_git

    if reason := in_git.refusal(path):
        raise typer.BadParameter(reason, param_hint=hint)


def current_release(registry: Registry) -> Path:
    from orchestration.release.identity import CURRENT

    path = registry.releases / CURRENT
    if not path.exists():
        raise Refused("there is no release yet; make one with: myositis run")
    return path
