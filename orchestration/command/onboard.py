"""`myositis onboard` and `init`: the profile on the screen, the draft in the registry, and what is left to
decide.

Belongs here: wording. Does not belong here: profiling (`profile.py`), guessing (`guess.py`), the draft's text
(`draft.py`).
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from orchestration.command import console
from orchestration.files import put_in_place
from orchestration.onboarding.draft import draft
from orchestration.onboarding.guess import TableGuess, guess_table
from orchestration.onboarding.language import language_of
from orchestration.onboarding.profile import ColumnProfile, TableProfile, look_at
from orchestration.registry.entities import ASKED
from orchestration.registry.folder import load_registry
from orchestration.registry.mapping_file import read_mapping
from yaml_files.strict import ID_PATTERN
from yaml_files.yaml_file import ConfigurationError

PROFILE = ("file", "sheet", "column", "kind", "filled", "distinct", "details")


def onboard(hospital: str, path: Path, folder: Path, as_csv: bool, replaces: bool = False) -> None:
    """Profile ``path``, then write hospitals/<hospital>.yml. Nothing is written if only the profile is asked
    for, or if the file exists and must not be replaced.
    """
    target = folder / "hospitals" / f"{hospital}.yml"
    _refuse_early(hospital, path, folder, None if as_csv or replaces else target)
    sample = look_at(path)
    tables, faults = sample.tables, sample.faults
    if not tables:
        raise typer.BadParameter("\n".join([f"{path}: no table could be read", *faults]))
    if as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(PROFILE)
        writer.writerows((t.file, t.sheet or "", *_row(c)) for t in tables for c in t.columns)
        return
    spoken = language_of(tables)
    guesses = [guess_table(table, spoken.language if spoken else None) for table in tables]
    target.parent.mkdir(parents=True, exist_ok=True)
    _write(target, draft(hospital, guesses, faults, sample.prose))
    for table in tables:
        _show(table)
    for file, sheet in sample.prose:
        console.out.print(f"{file} [{sheet}]: text, and no table; ignored in the draft", markup=False)
    _tell(target, hospital, guesses, faults)


def _write(target: Path, text: str) -> None:
    """Put the draft in place once it can be read as a mapping. Until then the earlier file stays."""
    made = target.with_name(f".{target.name}")
    made.write_text(text, encoding="utf-8")
    try:
        read_mapping(made, f"hospitals/{target.name}")
        put_in_place(made, target)
    finally:
        made.unlink(missing_ok=True)


def _refuse_early(hospital: str, path: Path, folder: Path, target: Path | None) -> None:
    faults = []
    if not re.fullmatch(ID_PATTERN, hospital):
        faults.append(
            f'HOSPITAL is "{hospital}"; expected small letters, digits and _, beginning with a letter, such '
            "as ruh"
        )
    if not path.exists():
        faults.append(f"there is no {path}; give a file or a folder with a sample of the hospital's export")
    if not (folder / "registry.yml").is_file():
        faults.append(
            f"{folder}: no registry.yml here; give a registry folder with --registry, or lay one out: "
            "myositis init DIR"
        )
    if target is not None and target.exists():
        faults.append(
            f"{target} is there already and is never overwritten; draft it anew with --replace, or see the "
            "profile alone with --csv"
        )
    if faults:
        raise typer.BadParameter("\n".join(faults))


def _show(table: TableProfile) -> None:
    title = table.file + (f" [{table.sheet}]" if table.sheet else "")
    what = (
        f"{title}: {table.rows:,} rows"
        + (f", {table.malformed:,} malformed" if table.malformed else "")
        + f", {table.format}"
        + (f", {table.encoding}" if table.encoding else "")
    )
    console.table(what, PROFILE[2:], [_row(c) for c in table.columns], right=["filled", "distinct"])
    console.out.print("")


def _row(column: ColumnProfile) -> tuple[str, str, int, int, str]:
    return column.name, column.kind, column.filled, column.distinct, "; ".join(_details(column))


def _details(column: ColumnProfile) -> Iterator[str]:
    if column.kind == "identifier":
        yield f"{column.why_identifier}; no value is shown"
        return
    if column.formats:
        yield " or ".join(column.formats)
    if column.exchanged:
        yield column.exchanged
    if column.unit:
        yield f"unit {column.unit}"
    if column.censored:
        yield f"{column.censored:,} with < or >"
    if column.decimal_commas:
        yield f"{column.decimal_commas:,} with a decimal comma"
    if column.missing:
        yield "not known: " + ", ".join(f'"{m}" ({n:,})' for m, n in column.missing.items())
    if column.suspects:
        yield "not known? " + ", ".join(f'"{m}" ({n:,})' for m, n in column.suspects.items())
    if column.shown_words:
        yield column.shown_words


def _tell(target: Path, hospital: str, guesses: list[TableGuess], faults: list[str]) -> None:
    exports = read_mapping(target, f"hospitals/{target.name}").exports
    left = sum(len(x.undecided) for x in exports)
    columns = sum(len(g.table.columns) for g in guesses)
    console.out.print(f"drafted {target}", markup=False)
    console.out.print(
        f"  {columns - left} of {columns} columns are decided"
        + (f"; left to decide: {left} (guesses stand in the file as comments)" if left else ""),
        markup=False,
    )
    if any(ASKED in source.columns for x in exports for _, e in x.entities() for _, source in e.sources()):
        console.out.print("  no header names the patient: write the column in place of ?", markup=False)
    for fault in faults:
        console.fail(f"  could not be read: {fault}")
    console.out.print(
        "next: read the draft line by line, decide what is left, put the delivery under "
        f"landing/{hospital}/, then: myositis check --registry {target.parent.parent}",
        markup=False,
    )


def next_steps(folder: Path) -> str:
    """What `myositis check` says of the folder, and what to do next."""
    try:
        registry = load_registry(folder)
    except ConfigurationError as error:
        return "\n".join(
            [
                "myositis check says:",
                *(f"  {f}" for f in error.faults),
                f"next: edit {folder / 'registry.yml'}, then map a first hospital"
                f" from a sample: myositis onboard HOSPITAL PATH --registry {folder}",
            ]
        )
    return (
        f"{console.in_order(len(registry.mappings), len(registry.studies))}; next: myositis run --registry "
        f"{folder}"
    )
