"""The commands that write the current release in another form: reports, manuscripts, PostgreSQL, OMOP.

Does not belong here: what they write (`orchestration/report/`, `manuscript/`, `outward/`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.command import console
from orchestration.command.application import (
    MISUSED,
    DebugOption,
    Refused,
    RegistryOption,
    current_release,
    keep_out_of_git,
    registry_at,
)

if TYPE_CHECKING:
    from orchestration.outward.omop import Release as OmopRelease
    from orchestration.registry.folder import Registry


commands = typer.Typer(rich_markup_mode=None)

export = typer.Typer(
    name="export",
    help="Write the current release as files in another system's form. They hold patients' rows.",
    epilog="Example: myositis export omop ../for_the_network --patient-level",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
commands.add_typer(export)


@commands.command(epilog="Example: myositis report --registry my_registry")
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

    current = registry_at(registry)
    try:
        with console.progress():
            flow.report_only(current, is_public=public)
    except NothingToReport as nothing:
        raise Refused(str(nothing)) from None


@commands.command(epilog="Example: myositis site website")
def site(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A folder that is new, empty, or a site that this command wrote."),
    ],
    registry: RegistryOption = None,
    debug: DebugOption = False,
) -> None:
    """Write what may leave the house of the current release's studies, as pages that open from disk."""
    from orchestration.pages.site import NotOurs, write_site
    from orchestration.report.write import NothingToReport

    try:
        page = write_site(registry_at(registry), folder)
    except NothingToReport as nothing:
        raise Refused(str(nothing)) from None
    except NotOurs as refused:
        raise typer.BadParameter(str(refused), param_hint="DIR") from None
    console.out.print(f"written  {page}", markup=False)


@commands.command(epilog="Example: myositis manuscript nxp2 --template journal.docx --output ~/submission")
def manuscript(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="A study of the registry, by its id.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="DIR",
            help="A folder that is new or empty. Default: manuscripts/STUDY-RELEASE-manuscript of the "
            "registry.",
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

    current = registry_at(registry)
    if inside:
        keep_out_of_git(output or current.manuscripts / study, "--output")
    try:
        with console.progress():
            folder = write_manuscript(current, Asked(study, output, template, inside))
    except CannotWrite as fault:
        raise typer.BadParameter(str(fault)) from None
    console.out.print(f"{folder}", markup=False)


@commands.command(
    epilog="Example: myositis publish --to postgresql://publisher@db.example.org/registry --registry "
    "my_registry"
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
    from orchestration.outward.postgresql_server import PublicationFailed
    from orchestration.outward.publication import publish_current
    from orchestration.registry.publish import AddressRefused, read_address

    current = registry_at(registry)
    if to is None and current.file.publish is None:
        raise typer.BadParameter(
            "no database is named; give its address, or write `publish: {to: ADDRESS}` into registry.yml",
            param_hint="--to",
        )
    current_release(current)
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
        f"published: {made.release_id}, {made.tables} tables, {made.rows:,} rows; table release.publication "
        "names it",
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

    current = registry_at(registry)
    if not patient_level:
        raise typer.BadParameter(
            "this command writes rows of single patients, to be handed out, and masks nothing in them. If "
            "you may hand them out (SECURITY.md says who may), add --patient-level",
            param_hint="--patient-level",
        )
    keep_out_of_git(folder, "DIR")
    current_release(current)
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
            f"{registry.pseudonym_key_file}: no key here, and an export names and dates patients by it; "
            "restore the file from its backup"
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
