"""The command `myositis`.

Belongs here: commands, options, exit codes (0 done, 1 a gate refused, 2 bad configuration or usage, 3
internal error, 130 or 143 stopped by a signal). Does not belong here: work. Each command calls the layer
that does it, and imports that layer late, because imports take most of a short run.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.command import console
from orchestration.processes import STOPPED as STOPPED_SENTENCE
from orchestration.processes import stop_on_signals, unless_stopped

if TYPE_CHECKING:
    from pydantic import BaseModel

    from orchestration.command.flow import Outcome
    from orchestration.outward.omop import Release as OmopRelease
    from orchestration.registry.folder import Registry

DONE, REFUSED, MISUSED, BROKEN = 0, 1, 2, 3
STOPPED = 130  # as shells have it for Ctrl-C

app = typer.Typer(
    name="myositis",
    help="A registry of rare rheumatic disease: hospital exports in, a study's tables, models and curves out.",
    epilog="Example: myositis run --registry my_registry",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
export = typer.Typer(
    name="export",
    help="Write the current release as files in another system's form. They hold patients' rows.",
    epilog="Example: myositis export omop ../for_the_network --patient-level",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(export)
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


class Refused(Exception):
    """A gate refused, and everything has already been reported."""


def main() -> None:
    stop_on_signals()
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
            f"{_told_path(error.filename)}: this user may not read or write it; change its permissions and run again"
        )
        return MISUSED
    if not is_shown:
        console.fail(
            f"internal error: {type(error).__name__}: {_with_place(error)}\nRun again with --debug for the traceback."
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


def _registry(folder: Path | None) -> Registry:
    from orchestration.registry.folder import load_registry
    from orchestration.resources import point_at, registry_folder

    registry = load_registry(registry_folder(folder))
    point_at(registry)
    return registry


def _carry_out(registry: Registry, work: Callable[[Registry], Outcome]) -> None:
    """Do the work with its progress on the screen, show the closing screen, and refuse if a gate did."""
    from orchestration.command import closing

    with console.progress():
        outcome = work(registry)
    closing.show(registry, outcome)
    if outcome.refusals:
        raise Refused


def _current_release(registry: Registry) -> Path:
    from orchestration.release.identity import CURRENT

    path = registry.releases / CURRENT
    if not path.exists():
        raise Refused("there is no release yet; make one with: myositis run")
    return path


@app.command(epilog="Example: myositis run --registry my_registry")
def run(registry: RegistryOption = None, debug: DebugOption = False) -> None:
    """Take what is outstanding and bring models, release, results and report up to date."""
    from orchestration.command import flow
    from orchestration.running import second_process

    second_process.collect_seldom()
    _carry_out(_registry(registry), lambda current: flow.run_all(current, in_two_processes=True))


@app.command(epilog="Example: myositis ingest --registry my_registry")
def ingest(registry: RegistryOption = None, debug: DebugOption = False) -> None:
    """Take outstanding deliveries into schema raw, or refuse them; nothing is built or released."""
    from orchestration.command import flow

    _carry_out(_registry(registry), lambda current: flow.ingest(current, flow.look(current)))


@app.command(epilog="Example: myositis check --registry my_registry")
def check(registry: RegistryOption = None, debug: DebugOption = False) -> None:
    """Check the registry's files, and say what a run would take and refuse; it is tried in a private copy."""
    from orchestration.command import flow
    from orchestration.situation import read_situation

    current = _registry(registry)
    with console.progress():
        faults = flow.check(current, read_situation(current))
    if faults:
        raise Refused("\n".join(faults))


@app.command(epilog="Example: myositis init my_registry")
def init(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="The folder to lay out; files that are already in it are kept."),
    ],
    debug: DebugOption = False,
) -> None:
    """Lay out a new registry: registry.yml, empty folders, an example study; nothing is overwritten."""
    from orchestration.command.onboard import next_steps
    from orchestration.onboarding.layout import lay_out

    made, kept = lay_out(folder)
    for name in made:
        console.out.print(f"made  {folder / name}", markup=False)
    for name in kept:
        console.out.print(f"kept  {folder / name}", markup=False)
    console.out.print("\n" + next_steps(folder), markup=False)


@app.command(epilog="Example: myositis onboard ruh samples/2024-06 --registry my_registry")
def onboard(
    hospital: Annotated[
        str,
        typer.Argument(
            help="The hospital's id, which also names its mapping file: small letters, digits and _."
        ),
    ],
    path: Annotated[Path, typer.Argument(help="A sample: a file, or a folder that looks like a delivery.")],
    csv: Annotated[
        bool, typer.Option("--csv", help="Print the profile as comma-separated values, and write nothing.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a mapping that is there by a new draft.")
    ] = False,
    registry: RegistryOption = None,
    debug: DebugOption = False,
) -> None:
    """Profile a hospital's sample and draft its mapping, hospitals/HOSPITAL.yml; what is doubtful is left to
    decide.
    """
    from orchestration.command import onboard as command
    from orchestration.resources import registry_folder

    command.onboard(hospital, path, registry_folder(registry), csv, replace)


@app.command(epilog="Example: myositis release --registry my_registry")
def release(registry: RegistryOption = None, debug: DebugOption = False) -> None:
    """Build the models, pass the gate, compute the results and publish a release; no report."""
    from orchestration.command import flow

    _carry_out(_registry(registry), lambda current: flow.build(current, with_report=False))


@app.command(epilog="Example: myositis report --registry my_registry")
def report(
    public: Annotated[
        bool,
        typer.Option(
            "--public",
            help="Write what may leave the house instead, into public/: rounded numbers, small cells masked.",
        ),
    ] = False,
    registry: RegistryOption = None,
    debug: DebugOption = False,
) -> None:
    """Write the report of the current release again. Nothing in it is masked: it is not for publication."""
    from orchestration.command import flow
    from orchestration.report.write import NothingToReport

    current = _registry(registry)
    try:
        with console.progress():
            flow.report_only(current, is_public=public)
    except NothingToReport as nothing:
        raise Refused(str(nothing)) from None


@app.command(epilog="Example: myositis site website")
def site(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A folder that is new, empty, or a site that this command wrote."),
    ],
    registry: RegistryOption = None,
    debug: DebugOption = False,
) -> None:
    """Write what may leave the house of the current release's studies, as pages that open from disk."""
    from orchestration.report.site import NotOurs, write_site
    from orchestration.report.write import NothingToReport

    try:
        page = write_site(_registry(registry), folder)
    except NothingToReport as nothing:
        raise Refused(str(nothing)) from None
    except NotOurs as refused:
        raise typer.BadParameter(str(refused), param_hint="DIR") from None
    console.out.print(f"written  {page}", markup=False)


@app.command(epilog="Example: myositis manuscript nxp2 --template journal.docx --output ~/submission")
def manuscript(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="A study of the registry, by its id.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="DIR",
            help="A folder that is new or empty. Default: manuscripts/STUDY-RELEASE-manuscript of the registry.",
            show_default=False,
        ),
    ] = None,
    template: Annotated[
        Path | None,
        typer.Option(
            "--template",
            metavar="FILE.docx",
            help="A journal's or hospital's Word document with placeholders (docs/manuscript.md).",
            show_default=False,
        ),
    ] = None,
    inside: Annotated[
        bool,
        typer.Option("--inside", help="Write every number as it is, for co-authors inside the house."),
    ] = False,
    registry: RegistryOption = None,
    debug: DebugOption = False,
) -> None:
    """Write a study's tables (Word, LaTeX, Excel), figures, methods, STROBE checklist, codebook and R script.

    Numbers are rounded and small cells masked, as in what `myositis report --public` writes; --inside masks
    nothing and is not for publication.
    """
    from orchestration.manuscript.write import Asked, CannotWrite, write_manuscript

    current = _registry(registry)
    try:
        with console.progress():
            folder = write_manuscript(current, Asked(study, output, template, inside))
    except CannotWrite as fault:
        raise typer.BadParameter(str(fault)) from None
    console.out.print(f"{folder}", markup=False)


@app.command(
    epilog="Example: myositis publish --to postgresql://publisher@db.example.org/registry --registry my_registry"
)
def publish(
    to: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address of the database, postgresql://USER@HOST/DATABASE, without a password; PGPASSWORD "
            "or ~/.pgpass gives that. Default: `publish` of registry.yml.",
            show_default=False,
        ),
    ] = None,
    registry: RegistryOption = None,
    debug: DebugOption = False,
) -> None:
    """Write the current release into a PostgreSQL database, for many readers at once.

    One transaction replaces all rows, so nobody reads half of a release, and a failure leaves what was there.
    The database then holds patients' data: it stays inside the house. `publish: {to: ADDRESS}` in
    registry.yml does it after each release. docs/postgresql.md has the rest.
    """
    from orchestration.outward.postgresql import PublicationFailed
    from orchestration.outward.publication import publish_current
    from orchestration.registry.publish import AddressRefused, read_address

    current = _registry(registry)
    if to is None and current.file.publish is None:
        raise typer.BadParameter(
            "no database is named; give its address, or write `publish: {to: ADDRESS}` into registry.yml",
            param_hint="--to",
        )
    _current_release(current)
    try:
        address = read_address(to) if to is not None else None
    except AddressRefused as refused:
        raise typer.BadParameter(str(refused), param_hint="--to") from None
    try:
        with console.progress():
            made = publish_current(current, address)
    except PublicationFailed as failure:
        console.fail(f"not published: {failure}")
        raise typer.Exit(MISUSED) from None
    console.out.print(
        f"published: {made.release_id}, {made.tables} tables, {made.rows:,} rows; table release.publication names it",
        markup=False,
    )


@export.command(epilog="Example: myositis export omop ../for_the_network --patient-level")
def omop(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is new or empty.")],
    patient_level: Annotated[
        bool,
        typer.Option(
            "--patient-level",
            help="Confirm that you know that these are rows of single patients, and that you may hand them "
            "out.",
        ),
    ] = False,
    registry: RegistryOption = None,
    debug: DebugOption = False,
) -> None:
    """Write the current release as OMOP CDM 5.4: one Parquet file per table.

    These are rows of single patients, under pseudonyms of their own, and no small number in them is masked.
    SECURITY.md says who may hand them out. `dates` of registry.yml says what becomes of dates; what the CDM
    does not take is counted. docs/omop.md has the rest.
    """
    from orchestration.outward.omop import ExportRefused
    from orchestration.outward.omop import export as written

    current = _registry(registry)
    if not patient_level:
        raise typer.BadParameter(
            "this command writes rows of single patients, to be handed out, and masks nothing in them. If "
            "you may hand them out (SECURITY.md says who may), add --patient-level",
            param_hint="--patient-level",
        )
    _current_release(current)
    try:
        with console.progress():
            exported = written(_to_export(current), folder)
    except ExportRefused as refused:
        console.fail(f"nothing was written: {refused}")
        raise typer.Exit(MISUSED) from None
    for sentence in exported.sentences():
        console.out.print(sentence, markup=False)
    console.out.print(
        f"written: {folder}, patients' rows{', SYNTHETIC DATA' if current.file.synthetic else ''};"
        f" dates: {current.file.dates}",
        markup=False,
    )


def _to_export(registry: Registry) -> OmopRelease:
    from orchestration.outward.omop import Release
    from orchestration.raw.pseudonym import PseudonymKeyError, read_or_make_key
    from orchestration.release.identity import CURRENT, current_manifest

    manifest = current_manifest(registry)
    if manifest is None:
        raise Refused("the current release has no manifest; make it again with: myositis run")
    if not registry.pseudonym_key_file.exists():
        raise PseudonymKeyError(
            f"{registry.pseudonym_key_file}: no key here, and an export names and dates patients by it; restore the file"
            " from its backup"
        )
    return Release(
        (registry.releases / CURRENT).resolve(),
        manifest["release_id"],
        manifest["registry"],
        manifest["synthetic"],
        manifest["made_at"][:10],
        registry.file.dates,
        read_or_make_key(registry.pseudonym_key_file),
    )


@app.command(epilog="Example: myositis queries zjch --read answered.xlsx")
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
    current = _registry(registry)
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


@app.command(epilog="Example: myositis names ruh")
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

    current = _registry(registry)
    rows = [(n.sender, n.delivery, n.kind, n.within, n.told_as, n.name) for n in read_names(current.folder)]
    rows = [row for row in dict.fromkeys(rows) if hospital in (None, row[0])]
    console.table(
        str(ledger_of(current.folder)), ("sender", "delivery", "kind", "within", "told as", "name"), rows
    )


@app.command(epilog="Example: myositis status")
def status(registry: RegistryOption = None, debug: DebugOption = False) -> None:
    """Show deliveries, the current release, and what is outstanding."""
    from orchestration.command import closing

    closing.show_status(_registry(registry))


@app.command(
    epilog='Example: myositis sql "select group_id, n, display from results.baseline_summary limit 5"'
)
def sql(
    query: Annotated[
        str,
        typer.Argument(
            help='One SELECT on schemas release, results and quality; - reads it from standard input. "describe'
            ' release" lists the tables of a schema, "describe release.fct_visit" the columns of a table.'
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
    current = _registry(registry)
    if in_warehouse and not current.warehouse.exists():
        raise Refused("there is no warehouse yet; make one with: myositis run")
    database = current.warehouse if in_warehouse else _current_release(current)
    try:
        command.answer(database, query, command.Wanted(form, output, limit, seconds, memory, not no_pager))
    except QuestionRefused as refusal:
        raise typer.BadParameter(str(refusal), param_hint="QUERY") from None


@app.command(epilog="Example: myositis lineage results.baseline_summary.mean")
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

    current = _registry(registry)
    release = (current.releases / CURRENT).resolve()
    try:
        screen.show(current, release if release.exists() else None, column, "down" if down else "up", as_json)
    except NoSuchColumn as unknown:
        raise typer.BadParameter(str(unknown), param_hint="TABLE.COLUMN") from None


@app.command(epilog="Example: myositis diff r066fd r1c2d3e")
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
        screen.show(_registry(registry), before, after, form, limit, keys)
    except NotComparable as cannot:
        raise typer.BadParameter(str(cannot)) from None


@app.command(epilog="Example: myositis reproduce --differs --table II")
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
        all_agree = screen.show(_current_release(_registry(registry)), screen.Choice(table, differs, csv))
    except screen.NothingPrinted as nothing:
        raise typer.BadParameter(str(nothing)) from None
    if strict and not all_agree:
        raise Refused


@app.command(epilog="Example: myositis audit registry/published/nxp2")
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


@app.command(epilog="Example: myositis daemon --registry my_registry")
def daemon(registry: RegistryOption = None, debug: DebugOption = False) -> None:
    """Take, build, release and report by itself while this is up; no UI.

    It looks at landing/ and at the registry's files every few seconds, and launches what has arrived. A run
    that broke is tried again after growing pauses. Each night it tries once more what is still outstanding,
    and checks whether a delivery is overdue; a night that was missed is made up for once, at the next start.
    The time of the night, its time zone, pauses and attempts stand under `unattended` in registry.yml.
    What dies is started again. Ctrl-C or SIGTERM ends everything within five seconds (exit code 130 or 143);
    a run that was under way goes on at the next start. docs/unattended.md has units for systemd.
    """
    from orchestration.command import services
    from orchestration.warehouse import dbt

    current = _registry(registry)
    dbt.prepare_manifest()
    services.daemon(current)


@app.command(epilog="Example: myositis ui --port 3000")
def ui(
    port: Annotated[int, typer.Option(help="The port.")] = 3000,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="The address of this machine to serve at. An address that other machines can reach needs "
            "`behind_proxy` in registry.yml.",
        ),
    ] = "127.0.0.1",
    registry: RegistryOption = None,
    debug: DebugOption = False,
) -> None:
    """Serve the registry's pages (how it stands, the report, Dagster), and do what `myositis daemon` does,
    unless one is up.

    Open the address that is printed: its token opens your browser's session, and nobody else's. Each start
    has a token of its own. Beyond this machine the pages are served only behind a reverse proxy that signs
    people in and names the user (docs/pages.md). Sensors and nightly schedules are on while this or
    `myositis daemon` is up, and only then.
    """
    from orchestration.command import services
    from orchestration.warehouse import dbt

    current = _registry(registry)
    dbt.prepare_manifest()
    services.ui(current, host, port)


@app.command(epilog="Example: myositis schema > mapping.schema.json")
def schema(
    kind: Annotated[
        str, typer.Argument(help="mapping, registry, study, corrections, waivers or paper.")
    ] = "mapping",
) -> None:
    """Print the JSON Schema of a kind of file, for editors."""
    from analytics.paper.published import PaperFile
    from analytics.study.file import Study
    from expectations.suite import WaiverFile
    from orchestration.registry.corrections import CorrectionFile
    from orchestration.registry.folder import RegistryFile
    from orchestration.registry.mapping import Mapping

    models: dict[str, type[BaseModel]] = {
        "mapping": Mapping,
        "registry": RegistryFile,
        "study": Study,
        "corrections": CorrectionFile,
        "waivers": WaiverFile,
        "paper": PaperFile,
    }
    if kind not in models:
        raise typer.BadParameter(f'expected one of {", ".join(models)}; found "{kind}"')
    print(json.dumps(models[kind].model_json_schema(), indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
