"""The public report: the page that may leave the house, with its tables and figures as files.

Belongs here: the order of its sections, writing its files. Does not belong here: what may leave and how it is
rounded (`analytics/public/`), the report inside the house (`page.py`).

The sections are made of a `PublicStudy` alone. `render_public` reads the release, hands its studies to
`public_study` and lets go of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analytics.printed.printed_table import PrintedTable, to_csv, without_empty_columns
from analytics.public import PublicStudy, public_study
from analytics.words.disclosure import Rounding
from orchestration.report.page import (
    SYNTHETIC,
    ReleaseContent,
    ReportFolder,
    lay_out,
    page_environment,
    put_figures,
    read_release,
    rendered,
)
from orchestration.report.published import (
    Publication,
    keep_published,
    may_follow,
    read_published,
    sizes_of,
)
from orchestration.running.helper import IN_THIS_PROCESS, Helper

if TYPE_CHECKING:
    from jinja2 import Environment

    from analytics.printed.figures import StudyFigure
    from analytics.study.frames import Record


@dataclass(frozen=True)
class Part:
    """One section of a study on the page."""

    id: str
    title: str
    figures: tuple[StudyFigure, ...]
    tables: tuple[PrintedTable, ...]
    drawn: dict[str, PrintedTable] = field(default_factory=dict)  # of each figure, by its name, the numbers


@dataclass(frozen=True)
class PublicSections:
    """What the page says of one study."""

    study: PublicStudy
    release_id: str  # of which the numbers are
    parts: tuple[Part, ...]
    methods: list[tuple[str, str]]

    @property
    def tables(self) -> list[PrintedTable]:
        return [t for part in self.parts for t in part.tables]

    @property
    def drawn(self) -> list[PrintedTable]:
        """What the figures draw, for the page and as files; a manuscript has the figures."""
        return [t for part in self.parts for t in part.drawn.values()]

    @property
    def figures(self) -> list[StudyFigure]:
        return [f for part in self.parts for f in part.figures]


@dataclass(frozen=True)
class PublicRelease:
    """What may leave of a release, drawn and laid out: pages are made of it, and of nothing else."""

    info: Record
    rounding: Rounding
    sections: tuple[PublicSections, ...]
    publications: dict[str, Publication]
    sheets: dict[str, bytes]  # CSV, by table
    figures: dict[str, dict[str, bytes]]  # by figure and kind of file
    environment: Environment

    @property
    def is_synthetic(self) -> bool:
        return bool(self.info.get("synthetic"))

    def told(self) -> dict[str, Any]:
        """What every page says of the release."""
        return {
            "registry_name": self.info["registry_name"],
            "release_id": self.info["release_id"],
            "synthetic": self.is_synthetic,
            "smallest": self.rounding.smallest,
        }


def public_release(
    release_file: Path,
    studies: Iterable[str] | None = None,
    helper: Helper = IN_THIS_PROCESS,
    ledger: Path | None = None,
) -> PublicRelease:
    """What may leave of the release. ``ledger`` holds what was published (`published.py`); whoever writes the
    pages records it with `keep_published`. Raises ReportError as `render_report` does.
    """
    content = read_release(release_file, studies)
    rounding = Rounding(int(content.info.get("small_cell_threshold") or 0))
    found = publications(content, rounding, ledger)
    sections = tuple(public_sections(p.study, p.release_id) for p in found.values())
    tables = [t for s in sections for t in (*s.tables, *s.drawn)]
    laid_out = helper.submit(lay_out, tables)
    figures = rendered(f for s in sections for f in s.figures)
    note = SYNTHETIC if content.info.get("synthetic") else ""
    sheets = {t.name: to_csv(t, note).encode("utf-8-sig") for t in tables}
    environment = page_environment(sheets, laid_out.result(), figures)
    return PublicRelease(content.info, rounding, sections, found, sheets, figures, environment)


def render_public(
    release_file: Path,
    out_dir: Path,
    studies: Iterable[str] | None = None,
    helper: Helper = IN_THIS_PROCESS,
    ledger: Path | None = None,
) -> list[Path]:
    """Write ``report.html``, ``tables/*.csv`` and ``figures/*.{svg,png,pdf}`` into ``out_dir``, with numbers
    that may leave the house; return the files. ``ledger`` records what is published, and holds what was.
    """
    release = public_release(release_file, studies, helper, ledger)
    page = release.environment.get_template("public.html.j2")
    if ledger is not None:
        keep_published(ledger, release.publications)  # before a file can be seen: `published.py` says why
    out = ReportFolder(Path(out_dir))
    out.put("report.html", page.render(studies=release.sections, **release.told()).encode("utf-8"))
    for name, sheet in release.sheets.items():
        out.put(f"tables/{name}.csv", sheet)
    put_figures(out, release.figures)
    out.forget_former()
    return out.written


def publications(content: ReleaseContent, rounding: Rounding, ledger: Path | None) -> dict[str, Publication]:
    """Each study as it may be published now: with its new numbers, or with those of its last publication."""
    last = read_published(ledger) if ledger is not None else {}
    found = {}
    for study in content.studies:
        release_id = str(content.info["release_id"])
        now = Publication(release_id, sizes_of(study), public_study(study, rounding))
        former = last.get(study.study_id)
        found[study.study_id] = now if former is None or may_follow(former, now) else former
    return found


def public_sections(study: PublicStudy, release_id: str) -> PublicSections:
    """Every table and figure of a study that may leave, in the order of the page."""
    from analytics.printed import course_figure, method_words, model_tables, tables
    from analytics.printed.drawn_tables import course_numbers, curve_numbers
    from analytics.printed.provenance_tables import cohort_flow_table
    from analytics.printed.survival_figure import survival_figure

    responses = study.distinct("trajectory_mean", "response")
    courses = {r: course_figure.trajectory_figure(study, r) for r in responses}
    models = study.distinct("mixed_model_term", "model_id")
    endpoints = study.distinct("survival_median", "endpoint")
    curves = {e: survival_figure(study, e) for e in endpoints}
    return PublicSections(
        study,
        release_id,
        (
            Part("who", "Who is in it", (), _tables([cohort_flow_table(study)])),
            Part("baseline", "The groups at baseline", (), _tables(tables.baseline_tables(study))),
            Part(
                "courses",
                "Courses over time",
                _figures(courses.values()),
                _tables(
                    [
                        *model_tables.model_term_tables(study, printed=True),
                        *model_tables.model_term_tables(study, printed=False),
                        model_tables.contrast_table(study, models),
                    ]
                ),
                {f.name: course_numbers(study, r, f) for r, f in courses.items() if f},
            ),
            Part(
                "survival",
                "Time to event",
                _figures(curves.values()),
                _tables(
                    make(study, e)
                    for e in endpoints
                    for make in (
                        model_tables.survival_summary_table,
                        model_tables.log_rank_table,
                        model_tables.cox_table,
                    )
                ),
                {f.name: curve_numbers(study, e, f) for e, f in curves.items() if f},
            ),
        ),
        method_words.methods(study),
    )


def _tables(made: Iterable[PrintedTable | None]) -> tuple[PrintedTable, ...]:
    return tuple(without_empty_columns(table) for table in made if table is not None)


def _figures(made: Iterable[StudyFigure | None]) -> tuple[StudyFigure, ...]:
    return tuple(figure for figure in made if figure is not None)
