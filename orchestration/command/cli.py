"""The command `myositis`: the application that holds all commands, and what an error becomes.

Belongs here: which groups of commands there are, exit codes (0 done, 1 a gate refused, 2 bad configuration or
usage, 3 internal error, 130 or 143 stopped by a signal). Does not belong here: a command (`*_commands.py`).
Each command calls the layer that does the work, and imports that layer late, because imports take most of a
short run.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestration.command import (
    console,
    flow_commands,
    hospital_commands,
    output_commands,
    question_commands,
    setup_commands,
)
from orchestration.command.application import BROKEN, DONE, MISUSED, REFUSED, STOPPED, Refused
from orchestration.processes import STOPPED as STOPPED_SENTENCE
from orchestration.processes import stop_on_signals, unless_stopped

app = typer.Typer(
    name="myositis",
    help="A registry of rare rheumatic disease: hospital exports in, a study's tables, models and curves "
    "out.",
    epilog="Example: myositis run --registry my_registry",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for group in (flow_commands, setup_commands, hospital_commands, output_commands, question_commands):
    app.add_typer(group.commands)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        console.out.print(f"myositis {version('myositis-registry')}", markup=False)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """A registry of rare rheumatic disease: hospital exports in, a study's tables, models and curves out."""


def main() -> None:
    stop_on_signals()
    console.outlive_readers()
    os.umask(0o077)  # a registry may name a group that reads too (registry/permissions.py)
    code = guarded(lambda: unless_stopped(lambda: app(standalone_mode=False) or DONE), "--debug" in sys.argv)
    gc.freeze()  # skip the final garbage scan of imported modules; it takes seconds
    sys.exit(code)


def guarded(command: Callable[[], Any], debug: bool = False) -> int:
    """Run ``command``; turn what it raises into one block on stderr and an exit code."""
    from typer.exceptions import TyperException

    from yaml_files.yaml_file import ConfigurationError

    try:
        result = command()
        if result == STOPPED:  # typer makes it of Ctrl-C
            raise KeyboardInterrupt
        return result if isinstance(result, int) else DONE
    except Refused as refusal:
        if str(refusal):
            console.fail(str(refusal))
        return REFUSED
    except ConfigurationError as error:
        console.fail(
            f"{error.what} cannot be used as it is written:\n" + "\n".join(f"  {f}" for f in error.faults)
        )
        return MISUSED
    except typer.Exit as error:
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        console.fail(STOPPED_SENTENCE)
        return STOPPED
    except TyperException as error:
        error.show()  # type: ignore[attr-defined]  # typer raises its own subclass, which has it
        return MISUSED
    except Exception as error:
        if debug:
            traceback.print_exc()
        return _told(error, debug)


def _told(error: Exception, is_shown: bool) -> int:
    """Tell an error that ended a command; returns the exit code. ``is_shown``: its traceback was shown."""
    from orchestration.database.warehouse_file import WarehouseUnusable
    from orchestration.files import is_of_the_disk
    from orchestration.raw.pseudonym import PseudonymKeyError
    from orchestration.running.supervisor import CannotServe

    if is_of_the_disk(error):
        from orchestration import resources
        from orchestration.command import disk

        console.fail(disk.told(error, resources.registry_in_use()))
        return MISUSED
    if isinstance(error, PseudonymKeyError | WarehouseUnusable | CannotServe):
        console.fail(_with_place(error))
        return MISUSED
    if isinstance(error, PermissionError):
        console.fail(
            f"{_told_path(error.filename)}: this user may not read or write it; change its permissions and "
            "run again"
        )
        return MISUSED
    if not is_shown:
        console.fail(
            f"internal error: {type(error).__name__}: {_with_place(error)}\n"
            "Run again with --debug for the traceback."
        )
    return BROKEN


def _with_place(error: Exception) -> str:
    """The text of an error, after the place that the flow noted on it: the delivery that was taken, or the
    build.
    """
    return ": ".join([*getattr(error, "__notes__", ()), str(error)])


def _told_path(name: str | None) -> str:
    """A path; for a file of a delivery only its folder, because a hospital may have named the file after a
    patient.
    """
    parts = Path(name or "").parts
    at = len(parts) - 1 - parts[::-1].index("landing") if "landing" in parts else len(parts)
    return str(Path(*parts[: at + 3])) + (" (a file in it)" if len(parts) > at + 3 else "")


if __name__ == "__main__":
    main()
