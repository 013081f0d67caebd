"""What a manuscript is made of: tables, figures, methods, checklist, codebook, and what is said of them all.

Belongs here: choosing between what may leave the house and everything. Does not belong here: what may leave
(`analytics/public/`), rendering (`word.py`, `latex.py`, `workbook.py`), files (`write.py`).
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analytics.printed.codebook_table import codebook_table
from analytics.printed.printed_table import PrintedTable
from analytics.printed.strobe_table import RunFacts, strobe_table
from analytics.public.dates import Dates
from analytics.study.frames import StudyFrames
from orchestration.manuscript.facts import Facts
from orchestration.report.page import ReleaseContent, study_sections
from orchestration.report.public import public_sections
from orchestration.report.published import Publication

if TYPE_CHECKING:
    from analytics.printed.figures import StudyFigure

SYNTHETIC = "Synthetic data: nobody in them exists."
PUBLIC = "For publication: numbers of patients are rounded to 5 and small ones masked."
INSIDE = "Inside the house, not for publication: no number is masked."


@dataclass(frozen=True)
class Contents:
    """Everything that the files say. Keys are the short names of tables and figures."""

    study_id: str
    title: str
    registry: str
    release: str  # of which the numbers are
    synthetic: bool
    is_public: bool
    methods: Sequence[tuple[str, str]]
    tables: Mapping[str, PrintedTable]
    figures: Mapping[str, StudyFigure]
    strobe: PrintedTable
    codebook: PrintedTable

    @property
    def note(self) -> str:
        said = PUBLIC if self.is_public else INSIDE
        return f"{SYNTHETIC} {said}" if self.synthetic else said

    @property
    def texts(self) -> dict[str, str]:
        """What stands in a line, by the placeholder of a template."""
        return {
            "title": self.title,
            "registry": self.registry,
            "release": self.release,
            "note": self.note,
        }


def public_contents(
    content: ReleaseContent, facts: Facts, publication: Publication, dates: Dates
) -> Contents:
    """What may leave the house. Numbers may be those of an earlier publication; then the days of this release
    are left out, as they tell of patients who came since.
    """
    sections = public_sections(publication.study, publication.release_id)
    is_now = publication.release_id == str(content.info["release_id"])
    period = {"exact": facts.period, "month": facts.months}.get(dates, "") if is_now else ""
    return _contents(
        content,
        facts,
        publication.study,
        publication.release_id,
        sections.tables,
        sections.figures,
        sections.methods,
        period,
    )


def inside_contents(content: ReleaseContent, facts: Facts) -> Contents:
    """Every table and figure of the report inside the house."""
    study = content.studies[0]
    sections = study_sections(study)
    release = str(content.info["release_id"])
    return _contents(
        content,
        facts,
        study,
        release,
        sections.tables,
        sections.figures,
        sections.methods,
        facts.period,
    )


def _contents(
    content: ReleaseContent,
    facts: Facts,
    study: StudyFrames,
    release: str,
    tables: Sequence[PrintedTable],
    figures: Sequence[StudyFigure],
    methods: Sequence[tuple[str, str]],
    period: str,
) -> Contents:
    synthetic = bool(content.info.get("synthetic"))
    run = RunFacts(
        registry=str(content.info["registry_name"]),
        release=release,
        synthetic=synthetic,
        hospitals=facts.registry_hospitals if study.is_public else facts.hospitals,
        eligibility=facts.eligibility,
        period=period,
        versions=content.versions,
    )
    ordered = sorted(tables, key=lambda t: "_table_" not in t.name)  # those of the publication come first
    signed = {_short(t.name, study.study_id): _signed(t, release, synthetic) for t in ordered}
    design = [("Design", _design(run, study))]
    return Contents(
        study_id=study.study_id,
        title=str(study.study.get("title") or study.study_id),
        registry=run.registry,
        release=release,
        synthetic=synthetic,
        is_public=study.is_public,
        methods=[*design, *methods, ("Software", _software(run))],
        tables=signed,
        figures={_figure_key(_short(f.name, study.study_id), signed): f for f in figures},
        strobe=_signed(strobe_table(study, run, ordered), release, synthetic),
        codebook=_signed(codebook_table(study, facts.origins), release, synthetic),
    )


def _short(name: str, study_id: str) -> str:
    """The name in a template and of a sheet: ``table_i`` of ``nxp2_table_i``."""
    return name.removeprefix(f"{study_id}_")


def _figure_key(name: str, tables: Container[str]) -> str:
    """The placeholder of a figure: another one if a table has the same name."""
    return f"{name}_figure" if name in tables else name


def _signed(table: PrintedTable, release: str, synthetic: bool) -> PrintedTable:
    """The table with its release below it, because tables are copied out of documents."""
    said = f"Release {release}.{' ' + SYNTHETIC if synthetic else ''}"
    return replace(table, notes=(*table.notes, said))


def _design(run: RunFacts, study: StudyFrames) -> str:
    from analytics.words.disclosure import count_text

    groups = ", ".join(
        f"{study.group_label(g)} (n {count_text(r.get('n'))})" for g, r in study.groups.items()
    )
    where = f" ({', '.join(run.hospitals)})" if run.hospitals else ""
    period = f" The {run.period}." if run.period else ""
    who = " ".join(f"{label}: {conditions}." for label, conditions in run.eligibility.items())
    return f"Cohort study in the registry {run.registry}{where}: {groups}. {who}{period}"


def _software(run: RunFacts) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    return f"Release {run.release} of the registry, computed with {versions}."
