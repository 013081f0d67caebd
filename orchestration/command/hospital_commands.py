"""The commands for what only a hospital knows: questions to it, and its own names of files.

Does not belong here: what they do (`orchestration/queries/`, `registry/private_names.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestration.command import console
from orchestration.command.application import DebugOption, Refused, RegistryOption, registry_at

commands = typer.Typer(rich_markup_mode=None)


@commands.command(epilog="Example: myositis queries zjch --read answered.xlsx")
def queries(
    hospital: Annotated[
        str, typer.Argument(help="The hospital that is asked, or the sender that sends for it.")
    ],
    read: Annotated[
        Path | None,
        typer.Option(
            "--read",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Read the answers of this list, and record them as corrections.",
        ),
    ] = None,
    close_mended: Annotated[
        bool,
        typer.Option(
            "--close-mended",
            help="Close those corrections in corrections/ whose errors the hospital has mended in its own "
            "files.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="With --close-mended: show what would be closed, and write nothing."),
    ] = False,
    registry: RegistryOption = None,
    debug: DebugOption = False,
) -> None:
    """Write a hospital's questions into queries/, as a workbook to be answered; or read the answered one
    back; or close the corrections that are mended.
    """
    from datetime import date

    from orchestration.database.warehouse_file import glance
    from orchestration.queries import answers, asking, closing, told
    from orchestration.queries.query import QueriesRefused

    if close_mended and read is not None:
        raise typer.BadParameter(
            "--read and --close-mended do not go together; run one after the other", param_hint="--read"
        )
    if dry_run and not close_mended:
        raise typer.BadParameter(
            "it goes only with --close-mended; add that, or leave --dry-run out", param_hint="--dry-run"
        )
    current = registry_at(registry)
    try:
        asking.sender_of(current, hospital)
    except QueriesRefused as unknown:
        raise typer.BadParameter(str(unknown), param_hint="HOSPITAL") from None
    try:
        if close_mended:
            closed = closing.close_mended(current, hospital, dry_run=dry_run)
            console.out.print(told.told_of_closed(closed), markup=False)
            return
        with glance(current.warehouse) as connection:
            if read is not None:
                said = told.told_of_answers(
                    answers.read_answers(connection, current, hospital, read, date.today())
                )
            else:
                said = told.told_of_list(asking.write_queries(connection, current, hospital, date.today()))
            console.out.print(said, markup=False)
    except QueriesRefused as refusal:
        raise Refused(str(refusal)) from None


@commands.command(epilog="Example: myositis names ruh")
def names(
    hospital: Annotated[
        str | None, typer.Argument(help="The sender whose names are wanted; all if left out.")
    ] = None,
    registry: RegistryOption = None,
    debug: DebugOption = False,
) -> None:
    """Show what hospitals called the files, sheets and columns that all else tells by a number; it may name
    patients.
    """
    from orchestration.registry.private_names import ledger_of, read_names

    current = registry_at(registry)
    rows = [(n.sender, n.delivery, n.kind, n.within, n.told_as, n.name) for n in read_names(current.folder)]
    rows = [row for row in dict.fromkeys(rows) if hospital in (None, row[0])]
    console.table(
        str(ledger_of(current.folder)), ("sender", "delivery", "kind", "within", "told as", "name"), rows
    )
