"""The commands that ask releases and papers something and change nothing.

Does not belong here: the answers (`sql.py`, `lineage.py`, `diff.py`, `reproduce.py`, `audit.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestration.command.application import (
    DebugOption,
    Refused,
    RegistryOption,
    current_release,
    registry_at,
)

commands = typer.Typer(rich_markup_mode=None)


@commands.command(
    epilog='Example: myositis sql "select group_id, n, display from results.baseline_summary limit 5"'
)
def sql(
    query: Annotated[
        str,
        typer.Argument(
            help="One SELECT on schemas release, results and quality; - reads it from standard input. "
            '"describe release" lists the tables of a schema, "describe release.fct_visit" the '
            "columns of a table."
        ),
    ],
    in_warehouse: Annotated[
        bool,
        typer.Option(
            "--warehouse",
            help="Query the warehouse instead: every layer, and quality.rejected_row, which holds texts "
            "that hospitals wrote. Ingestion waits meanwhile.",
        ),
    ] = False,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="table, csv, json, parquet or xlsx. Default: by the suffix of FILE, else table.",
            show_default=False,
        ),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="The same as --format csv.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Write the answer to FILE.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="ROWS",
            help="Give at most this many rows; 0: all. Default: 1,000 on the screen as a table, else all.",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Stop the query after this many seconds.")] = 60,
    memory: Annotated[str, typer.Option(help="The most memory that the query may use: 500MB, 4GB.")] = "2GB",
    no_pager: Annotated[
        bool, typer.Option("--no-pager", help="Print a table that is larger than the screen at once.")
    ] = False,
    registry: RegistryOption = None,
    debug: DebugOption = False,
) -> None:
    """Ask the current release one question; it can read the release and nothing else. Nothing in an answer is
    masked: it is not for publication.
    """
    from orchestration.command import sql as command
    from orchestration.database.asking import FORMATS, QuestionRefused

    if csv:
        form = form or "csv"
    if form not in (None, *FORMATS):
        raise typer.BadParameter(
            f'expected one of {", ".join(FORMATS)}; found "{form}"', param_hint="--format"
        )
    current = registry_at(registry)
    if in_warehouse and not current.warehouse.exists():
        raise Refused("there is no warehouse yet; make one with: myositis run")
    database = current.warehouse if in_warehouse else current_release(current)
    try:
        command.answer(database, query, command.Wanted(form, output, limit, seconds, memory, not no_pager))
    except QuestionRefused as refusal:
        raise typer.BadParameter(str(refusal), param_hint="QUERY") from None


@commands.command(epilog="Example: myositis lineage results.baseline_summary.mean")
def lineage(
    column: Annotated[
        str,
        typer.Argument(
            metavar="TABLE.COLUMN",
            help="A column of any layer: marts.fct_observation.value_canonical, results.log_rank.p_value,"
            ' "landing.zjfah.synthetic_visits.csv: CK (µkat/L)".',
        ),
    ],
    down: Annotated[
        bool,
        typer.Option(
            "--down", help="Show what is made from the column, instead of what the column is made from."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print both directions as JSON.")] = False,
    registry: RegistryOption = None,
    debug: DebugOption = False,
) -> None:
    """Show the way of a column: from the hospital's file through every layer to the printed table."""
    from orchestration.command import lineage as screen
    from orchestration.release.identity import CURRENT
    from orchestration.report.lineage import NoSuchColumn

    current = registry_at(registry)
    release = (current.releases / CURRENT).resolve()
    try:
        screen.show(current, release if release.exists() else None, column, "down" if down else "up", as_json)
    except NoSuchColumn as unknown:
        raise typer.BadParameter(str(unknown), param_hint="TABLE.COLUMN") from None


@commands.command(epilog="Example: myositis diff r066fd r1c2d3e")
def diff(
    before: Annotated[
        str | None,
        typer.Argument(
            metavar="A",
            help="The earlier release: its id, the beginning of its id, or a release file. Without it, the "
            "last two releases are compared.",
            show_default=False,
        ),
    ] = None,
    after: Annotated[
        str | None,
        typer.Argument(metavar="B", help="The later one. Default: the current release.", show_default=False),
    ] = None,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="text, json or csv.")] = "text",
    limit: Annotated[
        int,
        typer.Option(
            min=0, metavar="NUMBERS", help="As text, show at most this many printed numbers; 0: all."
        ),
    ] = 200,
    keys: Annotated[
        bool,
        typer.Option(
            "--keys", help="Name the patients who came, went or changed, too: inside the house only."
        ),
    ] = False,
    registry: RegistryOption = None,
    debug: DebugOption = False,
) -> None:
    """Show what changed between two releases: deliveries, patients, values, and each printed number with
    why.
    """
    from orchestration.command import diff as screen
    from orchestration.diff.sides import NotComparable
    from orchestration.diff.told import FORMATS

    if form not in FORMATS:
        raise typer.BadParameter(
            f'expected one of {", ".join(FORMATS)}; found "{form}"', param_hint="--format"
        )
    try:
        screen.show(registry_at(registry), before, after, form, limit, keys)
    except NotComparable as cannot:
        raise typer.BadParameter(str(cannot)) from None


@commands.command(epilog="Example: myositis reproduce --differs --table II")
def reproduce(
    table: Annotated[
        str | None, typer.Option("--table", metavar="TABLE", help="Show what this table printed: I, III, …")
    ] = None,
    differs: Annotated[bool, typer.Option("--differs", help="Show the values that differ, and why.")] = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Print comma-separated values in place of a table and the count.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 when a value differs, whatever its reason.")
    ] = False,
    registry: RegistryOption = None,
    debug: DebugOption = False,
) -> None:
    """Compare a publication's printed values with those of the current release: one row each, and the count.

    Exit code 0 once they are compared, however many differ; with --strict, 1 when a value differs.
    """
    from orchestration.command import reproduce as screen

    try:
        all_agree = screen.show(current_release(registry_at(registry)), screen.Choice(table, differs, csv))
    except screen.NothingPrinted as nothing:
        raise typer.BadParameter(str(nothing)) from None
    if strict and not all_agree:
        raise Refused


@commands.command(epilog="Example: myositis audit registry/published/nxp2")
def audit(
    folder: Annotated[
        Path,
        typer.Argument(metavar="PAPER_DIR", help="Folder of a paper's printed numbers (docs/published.md)."),
    ],
    check: Annotated[
        str | None, typer.Option("--check", metavar="CHECK", help="Show the findings of one check: t_test, …")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show the checks that hold too.")] = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Print every finding as comma-separated values.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 1 when a printed number or statement contradicts another."),
    ] = False,
    debug: DebugOption = False,
) -> None:
    """Tell which of a paper's printed numbers can stand together; its data are not needed.

    Exit code 0 once it is audited, whatever is found; with --strict, 1 when a printed number contradicts
    others.
    """
    from orchestration.command import audit as screen

    try:
        contradicts = screen.show(folder, screen.Choice(check, everything, csv))
    except screen.NoSuchCheck as error:
        raise typer.BadParameter(str(error)) from None
    if strict and contradicts:
        raise Refused
