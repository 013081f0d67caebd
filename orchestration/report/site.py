"""The static site: the pages of a release's studies as a folder that opens from disk, masked as the public
report is.

Belongs here: which pages the folder has, and putting it in place. Does not belong here: what may leave
(`public.py` and `analytics/public/`, from which every number comes), how a table or figure looks.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from orchestration.files import part_of, put_folder_in_place
from orchestration.registry.folder import Registry
from orchestration.release.identity import CURRENT
from orchestration.release.publication import REMEDY
from orchestration.report.public import Part, PublicRelease, PublicSections, public_release
from orchestration.report.published import keep_published
from orchestration.report.write import NothingToReport, fault_of

MARKER = ".myositis-site"  # a folder that holds it is ours to replace


class NotOurs(Exception):
    """The folder cannot be written; the text says why, and what to do."""


@dataclass(frozen=True)
class Page:
    """One file of a study, and what stands in it."""

    file: str
    title: str
    part: Part | None = None


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
    told = release.told()
    studies = [(s, pages_of(s)) for s in release.sections]
    index = release.environment.get_template("site_index.html.j2")
    (folder / "index.html").write_text(index.render(studies=studies, **told), encoding="utf-8")
    template = release.environment.get_template("site_page.html.j2")
    for sections, pages in studies:
        own = folder / sections.study.study_id
        own.mkdir()
        for page in pages:
            text = template.render(s=sections, page=page, pages=pages, **told)
            (own / page.file).write_text(text, encoding="utf-8")
        _write_files(release, sections, own)


def pages_of(sections: PublicSections) -> tuple[Page, ...]:
    """The study, each of its parts that has something, and how it was computed."""
    parts = [Page(f"{p.id}.html", p.title, p) for p in sections.parts if p.figures or p.tables]
    return (Page("index.html", "About"), *parts, Page("methods.html", "Methods"))


def _write_files(release: PublicRelease, sections: PublicSections, own: Path) -> None:
    from analytics.printed.figures import FORMATS

    for name in ("tables", "figures"):
        (own / name).mkdir()
    for table in sections.tables:
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
