"""The static site: the pages of a release's studies as a folder that opens from disk, masked as the public
report is, in each language in which a study names its parts.

Belongs here: which pages the folder has, and putting it in place. Does not belong here: what may leave
(`report/public.py` and `analytics/public/`, from which every number comes), how a table or figure looks.

A page in Chinese stands beside the English one: `courses.zh.html` beside `courses.html`. Its tables are those
of the same public study, worded; its drawings are the English ones, because a machine may lack the letters.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from analytics.printed.printed_table import Cell, PrintedTable
from analytics.public import PublicStudy
from orchestration.files import part_of, put_folder_in_place
from orchestration.pages.language import DEFAULT, LANGUAGES, current, spoken
from orchestration.pages.studies import frames_in_the_readers_language
from orchestration.pages.words import worded
from orchestration.registry.folder import Registry
from orchestration.release.identity import CURRENT
from orchestration.release.publication import REMEDY
from orchestration.report.page import lay_out, page_environment
from orchestration.report.public import Part, PublicRelease, PublicSections, public_release, public_sections
from orchestration.report.published import keep_published
from orchestration.report.write import NothingToReport, fault_of

MARKER = ".myositis-site"  # a folder that holds it is ours to replace


class NotOurs(Exception):
    """The folder cannot be written; the text says why, and what to do."""


@dataclass(frozen=True)
class Page:
    """One file of a study, and what stands in it."""

    name: str
    title: str
    part: Part | None = None

    @property
    def file(self) -> str:
        return file_of(self.name)


def write_site(registry: Registry, folder: Path) -> Path:
    """Write the site of the current release into ``folder``, whole or not at all; returns its first page.

    Raises NothingToReport if there is no whole release, and NotOurs if something else stands at ``folder``.
    """
    folder = folder.absolute()
    _refuse_what_is_not_ours(folder)
    if fault := fault_of(registry):
        raise NothingToReport(f"no site: {fault}; {REMEDY}")
    release = public_release((registry.releases / CURRENT).resolve(), ledger=registry.published_ledger)
    part = part_of(folder)
    part.mkdir()
    try:
        render_site(release, part)
        keep_published(registry.published_ledger, release.publications)  # before a file can be seen
        put_folder_in_place(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder / "index.html"


def render_site(release: PublicRelease, folder: Path) -> None:
    """Every page with its tables and figures, into a folder of our own."""
    (folder / MARKER).write_text(f"{release.info['release_id']}\n", encoding="utf-8")
    for sections in release.sections:
        (folder / sections.study.study_id).mkdir()
        _write_files(release, sections, folder / sections.study.study_id)
    for code in LANGUAGES:
        with spoken(code):
            _render(release, folder)


def _render(release: PublicRelease, folder: Path) -> None:
    """The pages in the language that is spoken: of the studies that name their parts in it."""
    studies = [
        _in_words(s) if current() != DEFAULT else s
        for s in release.sections
        if current() in languages_of(s.study)
    ]
    if not studies and current() != DEFAULT:
        return
    tables = [table for s in studies for table in (*s.tables, *s.drawn)]
    environment = page_environment(release.sheets, lay_out(tables), release.figures)
    environment.filters["worded"] = worded
    told = release.told() | {"language": current(), "file_of": file_of}
    index = environment.get_template("site_index.html.j2")
    listed = [(s, pages_of(s)) for s in studies]
    spoken_here = [c for c in LANGUAGES if any(c in languages_of(s.study) for s in release.sections)] or [
        DEFAULT
    ]
    text = index.render(studies=listed, languages=_named(spoken_here), here="index", **told)
    (folder / file_of("index")).write_text(text, encoding="utf-8")
    template = environment.get_template("site_page.html.j2")
    for sections, pages in listed:
        languages = _named(languages_of(sections.study))
        for page in pages:
            text = template.render(
                s=sections, page=page, pages=pages, languages=languages, here=page.name, **told
            )
            (folder / sections.study.study_id / page.file).write_text(text, encoding="utf-8")


def languages_of(study: PublicStudy) -> list[str]:
    """English, and each language in which the study gives a title and a name for every group."""
    named = [*study.rows("study"), *study.rows("study_group")]
    return [
        code
        for code in LANGUAGES
        if code == DEFAULT or all(row.get(f"title_{code}") or row.get(f"label_{code}") for row in named)
    ]


def _named(codes: Sequence[str]) -> list[tuple[str, str, str]]:
    """Code, name and ending of the file of each language."""
    return [(code, LANGUAGES[code], "" if code == DEFAULT else f".{code}") for code in codes]


def file_of(name: str) -> str:
    """The file of a page in the language that is spoken."""
    return f"{name}.html" if current() == DEFAULT else f"{name}.{current()}.html"


def _in_words(sections: PublicSections) -> PublicSections:
    """The same numbers in the language that is spoken."""
    study = sections.study
    frames = frames_in_the_readers_language(study.frames)
    made = public_sections(PublicStudy(study.study_id, frames, study.data_note), sections.release_id)
    parts = tuple(
        replace(
            part,
            title=worded(part.title),
            figures=tuple(replace(f, title=worded(f.title), caption=worded(f.caption)) for f in part.figures),
            tables=tuple(map(_worded_table, part.tables)),
            drawn={name: _worded_table(table) for name, table in part.drawn.items()},
        )
        for part in made.parts
    )
    return replace(made, parts=parts, methods=[(worded(topic), worded(text)) for topic, text in made.methods])


def _worded_table(table: PrintedTable) -> PrintedTable:
    return replace(
        table,
        title=worded(table.title),
        columns=tuple(
            replace(c, label=worded(c.label), second=worded(c.second), spanner=worded(c.spanner))
            for c in table.columns
        ),
        rows=tuple(
            replace(
                row,
                cells={key: _worded_cell(row.cell(key)) for key in row.cells},
                group=worded(row.group),
            )
            for row in table.rows
        ),
        notes=tuple(map(worded, table.notes)),
        group_label=worded(table.group_label),
        caption=worded(table.caption),
    )


def _worded_cell(cell: Cell) -> Cell:
    return replace(
        cell, text=worded(cell.text), small=worded(cell.small), notes=tuple(map(worded, cell.notes))
    )


def pages_of(sections: PublicSections) -> tuple[Page, ...]:
    """The study, each of its parts that has something, and how it was computed."""
    parts = [Page(p.id, p.title, p) for p in sections.parts if p.figures or p.tables]
    return (Page("index", worded("About")), *parts, Page("methods", worded("Methods")))


def _write_files(release: PublicRelease, sections: PublicSections, own: Path) -> None:
    from analytics.printed.figures import FORMATS

    for name in ("tables", "figures"):
        (own / name).mkdir()
    for table in (*sections.tables, *sections.drawn):
        (own / "tables" / f"{table.name}.csv").write_bytes(release.sheets[table.name])
    for figure in sections.figures:
        for kind in FORMATS:
            data = release.figures[figure.name][kind]
            (own / "figures" / f"{figure.name}.{kind}").write_bytes(data)


def _refuse_what_is_not_ours(folder: Path) -> None:
    if not folder.parent.is_dir():
        raise NotOurs(f"there is no folder {folder.parent}; make it first")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise NotOurs(f"{folder} is no folder; name a new one")
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).is_file():
        raise NotOurs(f"{folder} holds something else, which would be lost; name a new or an empty folder")
