"""Writes the manuscript files of a study into one folder, whole or not at all.

Belongs here: the names of the files, the manifest, the folder. Does not belong here: what the files say
(`contents.py`), how each kind is made (`word.py`, `latex.py`, `workbook.py`).

The same release, study file, template and versions give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from analytics.printed.figures import COLUMN_INCHES, PAGE_INCHES, StudyFigure
from analytics.printed.printed_table import to_csv
from analytics.words.disclosure import Rounding
from orchestration.files import put_in_place
from orchestration.manuscript import latex, word
from orchestration.manuscript.contents import SYNTHETIC, Contents, inside_contents, public_contents
from orchestration.manuscript.facts import Facts, StudyChanged, facts_of
from orchestration.manuscript.workbook import to_workbook
from orchestration.registry.folder import Registry
from orchestration.release.identity import CURRENT, current_manifest
from orchestration.report.page import ReleaseContent, ReportError, read_release
from orchestration.report.public import publications
from orchestration.report.published import keep_published
from orchestration.report.replay import ReplayError

log = logging.getLogger("myositis")

PRINT_DPI, DOCUMENT_DPI = 600, 200
PACKAGES = ("myositis-registry", "matplotlib", "python-docx", "docxtpl", "openpyxl")
REMEDY = "make one with: myositis run"


class CannotWrite(Exception):
    """A sentence for the user: what is wrong, and what to do."""


@dataclass(frozen=True)
class Asked:
    """What the user chose."""

    study: str
    output: Path | None = None
    template: Path | None = None
    is_inside: bool = False


def write_manuscript(registry: Registry, asked: Asked) -> Path:
    """Write the folder and return it. Raises CannotWrite; then nothing was written."""
    if asked.study not in registry.studies:
        known = ", ".join(registry.studies) or "none"
        raise CannotWrite(f'no study "{asked.study}" in this registry; its studies: {known}')
    manifest = current_manifest(registry)
    if manifest is None:
        raise CannotWrite(f"no manuscript: there is no release yet; {REMEDY}")
    release = (registry.releases / CURRENT).resolve()
    _refuse_damage(release, manifest)
    kind = "inside" if asked.is_inside else "manuscript"
    output = (
        asked.output or registry.manuscripts / f"{asked.study}-{manifest['release_id']}-{kind}"
    ).absolute()
    _refuse_output(output)
    if asked.template is not None and not asked.template.is_file():
        raise CannotWrite(f"{asked.template}: no such template; give a Word document (.docx)")
    study = registry.studies[asked.study]
    _refuse_changes(registry, asked.study, manifest)
    try:
        facts = facts_of(registry, release, study)
        content = read_release(release, [asked.study])
    except (ReportError, ReplayError, StudyChanged) as fault:
        raise CannotWrite(f"no manuscript: {fault}") from fault
    if asked.is_inside:
        written, found = inside_contents(content, facts), None
    else:
        rounding = Rounding(int(content.info.get("small_cell_threshold") or 0))
        found = publications(content, rounding, registry.published_ledger)
        written = public_contents(content, facts, found[asked.study], registry.file.dates)
    made_by = {
        "release_sha256": manifest["sha256"],
        "small_cell_threshold": registry.file.small_cell_threshold,
    }
    keep = partial(keep_published, registry.published_ledger, found) if found is not None else None
    write_folder(output, written, facts, content, made_by, asked.template, keep)
    return output


def write_folder(
    output: Path,
    contents: Contents,
    facts: Facts,
    release: ReleaseContent,
    made_by: dict[str, Any],
    template: Path | None = None,
    keep: Callable[[], None] | None = None,
) -> None:
    """Write every file beside ``output``, and rename the folder when it is whole. ``keep`` records what is
    published before it can be seen.
    """
    new = [folder for folder in output.parents if not folder.exists()]
    part = output.with_name(f".{output.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # a killed process left it
    part.mkdir(parents=True)
    try:
        digests = {}
        for name, data in files_of(contents, facts, release.info["release_id"], template):
            path = part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            digests[name] = _sha256(data)
        manifest = _manifest(contents, facts, release, made_by, template) | {"files": digests}
        text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
        (part / "manifest.json").write_text(text, encoding="utf-8")
        if output.is_dir():
            output.rmdir()  # it is empty: `_refuse_output` has looked
        if keep is not None:
            keep()
        put_in_place(part, output)
    except word.TemplateError as fault:
        raise CannotWrite(str(fault)) from fault
    finally:
        shutil.rmtree(part, ignore_errors=True)
        with suppress(OSError):  # they hold the folder, unless a fault ended this
            for folder in new:
                folder.rmdir()


def files_of(
    contents: Contents, facts: Facts, release: str, template: Path | None = None
) -> Iterator[tuple[str, bytes]]:
    """Each file by its name. The document comes first, because a template may be at fault."""
    pictures = {
        key: word.Picture(f.name, f.title, f.caption, f.description, f.render("png", DOCUMENT_DPI))
        for key, f in contents.figures.items()
    }
    lists = {"strobe": contents.strobe, "codebook": contents.codebook}
    writing = word.Writing(contents.texts, contents.methods, contents.tables, pictures, lists)
    comment = f"{contents.registry}, release {contents.release}. {contents.note}"
    tables = list(contents.tables.values())
    yield (
        "manuscript.docx",
        word.filled(template, writing) if template is not None else word.document_of(writing),
    )
    yield "strobe.docx", word.document_of_table(contents.texts, contents.strobe)
    yield "codebook.docx", word.document_of_table(contents.texts, contents.codebook)
    yield (
        "codebook.csv",
        to_csv(contents.codebook, SYNTHETIC if contents.synthetic else "").encode("utf-8-sig"),
    )
    yield "methods.txt", _methods(contents).encode()
    yield (
        "tables.xlsx",
        to_workbook(
            [*tables, contents.strobe, contents.codebook],
            [*contents.tables, "strobe", "codebook"],
            [contents.title, comment],
        ),
    )
    for key, table in contents.tables.items():
        yield f"tables/{key}.tex", latex.to_latex(table, comment).encode()
    yield "manuscript.tex", _latex_document(contents, comment).encode()
    yield "replay/replay.R", facts.replay.encode()
    yield "README.txt", _readme(contents, release).encode()
    for key, figure in contents.figures.items():
        log.info("figure %s", figure.name)
        yield from _figure_files(key, figure)


def _figure_files(key: str, figure: StudyFigure) -> Iterator[tuple[str, bytes]]:
    for inches, is_narrow in ((PAGE_INCHES, False), (COLUMN_INCHES, True)):
        for kind in ("pdf", "svg", "png"):
            name = f"figures/{key}_{inches:g}in.{kind}"
            yield name, figure.render(kind, PRINT_DPI, narrow=is_narrow)


def _methods(contents: Contents) -> str:
    topics = "\n\n".join(f"{topic}. {text}" for topic, text in contents.methods)
    return f"{contents.title}\n{contents.note}\n\nMethods\n\n{topics}\n"


def _latex_document(contents: Contents, comment: str) -> str:
    figures = [
        (f"figures/{key}_{PAGE_INCHES:g}in.pdf", f"{f.title}. {f.caption}")
        for key, f in contents.figures.items()
    ]
    tables = [f"tables/{key}.tex" for key in contents.tables]
    return latex.to_latex_document(contents.texts, contents.methods, tables, figures, comment)


def _readme(contents: Contents, release: str) -> str:
    frames = f"private/replay/{release}/{contents.study_id}/"
    return f"""{contents.title}
{contents.registry}, release {contents.release}. {contents.note}

manuscript.docx   methods, every table, every figure
tables.xlsx       a sheet per table, with numbers as numbers
tables/*.tex      each table for LaTeX (booktabs, longtable); manuscript.tex holds them all
figures/          each figure at {PAGE_INCHES:g} and {COLUMN_INCHES:g} inches: PDF, SVG, PNG of {PRINT_DPI} dpi
methods.txt       how the numbers were made
strobe.docx       the STROBE checklist, as far as the run knows; the rest is for the authors
codebook.docx     each variable: concept, unit, columns of each hospital, share missing (codebook.csv: the same)
replay/replay.R   the study in R. The frames that it reads hold single patients and never leave the house:
                  they lie in {frames} of the registry, where myositis report writes them
manifest.json     what made these files, and their SHA-256
"""  # noqa: E501


def _manifest(
    contents: Contents,
    facts: Facts,
    release: ReleaseContent,
    made_by: dict[str, Any],
    template: Path | None,
) -> dict[str, Any]:
    ours = {name: version(name) for name in PACKAGES}
    form = {"template": {"name": template.name, "sha256": _sha256(template.read_bytes())}} if template else {}
    return {
        "study": contents.study_id,
        "study_file": {"name": facts.study_file, "sha256": facts.study_sha256},
        "registry": contents.registry,
        "release_id": str(release.info["release_id"]),
        "numbers_of_release": contents.release,
        "synthetic": contents.synthetic,
        "may_leave_the_house": contents.is_public,
        **made_by,
        "versions": release.versions | ours,
        **form,
    }


def _refuse_damage(release: Path, manifest: dict[str, Any]) -> None:
    digest = hashlib.sha256()
    try:
        with release.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except FileNotFoundError:
        raise CannotWrite(f"{release.name} is gone; {REMEDY}") from None
    if digest.hexdigest() != manifest["sha256"]:
        raise CannotWrite(
            f"release {manifest['release_id']} is damaged: {release.name} is not the file that its manifest"
            " describes; remove it and run myositis run, which makes it again"
        )


def _refuse_changes(registry: Registry, study: str, manifest: dict[str, Any]) -> None:
    """Refuse a study file that differs from the one that the release was made with."""
    then, now = manifest["studies"].get(study), _sha256(_study_file(registry, study).read_bytes())
    if then != now:
        what = "is newer than" if then is None else "has changed since"
        raise CannotWrite(
            f"studies/{study}.yml {what} release {manifest['release_id']}; run myositis run, and write the "
            "manuscript then"
        )


def _refuse_output(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise CannotWrite(f"{output} is a file; give a folder that is new or empty with --output")
    if output.is_dir() and any(output.iterdir()):
        raise CannotWrite(
            f"{output} is not empty; remove it, or give a folder that is new or empty with --output"
        )


def _study_file(registry: Registry, study: str) -> Path:
    return registry.folder / "studies" / f"{study}.yml"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
