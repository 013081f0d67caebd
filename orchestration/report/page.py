"""The report: one HTML page, its tables as CSV files and its figures as files, made from a release file
alone.

Belongs here: reading the release, the order of sections, writing files. Does not belong here: what a table or
a figure shows (`analytics/printed/tables.py`, `analytics/printed/figures.py`), where a report goes
(`write.py`), looks and prose (`templates/`).

The page holds everything that it shows: style, figures as SVG, tables as CSV to save. Its content security
policy forbids every request. The same release gives the same bytes.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analytics.printed.printed_table import (
    PrintedTable,
    notes_of,
    read_together,
    to_csv,
    to_html,
    typeset,
)
from analytics.printed.strata_table import survival_strata_table
from analytics.study.frames import Record, StudyFrames, records
from analytics.study.noted_reads import noted, noting, taken
from analytics.words.disclosure import count_text
from orchestration.files import write_atomically
from orchestration.registry.folder import Registry
from orchestration.report.lineage import DATA, PAGE, Printed, page, whole_lineage
from orchestration.running.helper import IN_THIS_PROCESS, Helper

if TYPE_CHECKING:
    import duckdb
    from jinja2 import Environment

    from analytics.paper.reproduction import Agreement
    from analytics.printed.figures import StudyFigure
    from analytics.printed.sensitivity_tables import Question

TEMPLATES = Path(__file__).resolve().parent / "templates"
WRITTEN = ".report-files"
NARROW = "narrow"  # the drawing of a figure that a phone shows
SYNTHETIC = "synthetic data"
REJECTED_SHOWN = 60
QUALITY_TABLES = ("delivery", "rejected_summary", "check_result")


class ReportError(ValueError):
    """The file is no release, or a study is not in it."""


@dataclass(frozen=True)
class ReleaseContent:
    """What the report reads of a release file."""

    info: Record
    hospitals: dict[str, str]
    quality: dict[str, list[Record]]
    studies: tuple[StudyFrames, ...]

    @property
    def versions(self) -> dict[str, str]:
        value = self.info.get("versions") or {}
        return json.loads(value) if isinstance(value, str) else dict(value)


@dataclass(frozen=True)
class StudySections:
    """The parts of one study on the page. A part is empty if the release has nothing for it."""

    study: StudyFrames
    summary: list[tuple[str, str]]
    flow: PrintedTable | None
    baseline: list[PrintedTable]
    courses: list[StudyFigure]
    models: list[PrintedTable]
    model_details: list[PrintedTable]
    curves: list[StudyFigure]
    survival: list[PrintedTable]
    questions: list[Question]
    question_figures: dict[str, list[StudyFigure]]
    further: list[PrintedTable]
    findings: list[Record]
    methods: list[tuple[str, str]]
    reproduction: list[PrintedTable]
    reproduction_details: list[PrintedTable]
    agreement: Agreement
    statements: str  # how many statements hold, in words; empty without statements

    @property
    def figures(self) -> list[StudyFigure]:
        return [*self.courses, *self.curves, *(f for found in self.question_figures.values() for f in found)]

    @property
    def tables(self) -> list[PrintedTable]:
        flow = [self.flow] if self.flow else []
        return [
            *flow,
            *self.baseline,
            *self.models,
            *self.model_details,
            *self.survival,
            *(t for q in self.questions for t in q.tables),
            *self.further,
            *self.reproduction,
            *self.reproduction_details,
        ]


@dataclass
class ReportFolder:
    """Files under the report's folder, each put in place whole."""

    folder: Path
    written: list[Path] = field(default_factory=list)

    def put(self, name: str, content: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.written.append(write_atomically(path, content))

    def forget_former(self) -> None:
        """Remove the files of an earlier report that this one did not write: stale tables mislead."""
        note = self.folder / WRITTEN
        now = sorted(str(p.relative_to(self.folder)) for p in self.written)
        former = note.read_text(encoding="utf-8").splitlines() if note.is_file() else []
        for name in set(former) - set(now):
            (self.folder / name).unlink(missing_ok=True)
        note.write_text("\n".join(now) + "\n", encoding="utf-8")


def group_sizes(study: StudyFrames) -> list[tuple[str, str, str]]:
    """Label, number of patients and colour of every group; of a public study the number is rounded."""
    from analytics.printed.figures import group_styles

    styles = group_styles(study)
    return [
        (study.group_label(g), count_text(row.get("n")), styles[g].colour) for g, row in study.groups.items()
    ]


def render_report(
    release_file: Path,
    out_dir: Path,
    studies: Iterable[str] | None = None,
    helper: Helper = IN_THIS_PROCESS,
    questions: Sequence[Record] = (),
    registry: Registry | None = None,
) -> list[Path]:
    """Write ``report.html``, ``tables/*.csv`` and ``figures/*.{svg,png,pdf}`` into ``out_dir``; return them.

    ``studies`` are the ids to report, all when None. ``questions`` are the standings of the hospitals that
    were asked something; they change from day to day, so that no release holds them. With ``registry``, whose
    mappings say what the hospitals call their columns, the pages of lineage are written too. Raises
    ReportError when the file is no release or lacks a study.
    """
    with noting():
        content = read_release(release_file, studies)
        sections = [study_sections(study) for study in content.studies]
        shared = _shared_tables(content, questions)
    note = SYNTHETIC if content.info.get("synthetic") else ""
    out = ReportFolder(Path(out_dir))
    tables = [*(t for s in sections for t in s.tables), *shared.values()]
    laid_out = helper.submit(lay_out, tables)
    figures = rendered(f for s in sections for f in s.figures)
    sheets = {t.name: to_csv(t, note).encode("utf-8-sig") for t in tables}
    html = _page(content, sections, shared, sheets, laid_out.result(), figures, registry is not None)
    out.put("report.html", html.encode("utf-8"))
    for name, sheet in sheets.items():
        out.put(f"tables/{name}.csv", sheet)
    put_figures(out, figures)
    if registry is not None:
        found = whole_lineage(registry, release_file, [*map(_printed, tables), *_drawn(sections)])
        title = f"{content.info['registry_name']} · release {content.info['release_id']}"
        out.put(DATA, json.dumps(found, ensure_ascii=False).encode("utf-8"))
        out.put(PAGE, page(found, title, SYNTHETIC.capitalize() if note else "").encode("utf-8"))
    out.forget_former()
    return out.written


def _printed(table: PrintedTable) -> Printed:
    columns = (c.csv_name or c.key for c in table.columns)
    return Printed(table.name, tuple(dict.fromkeys(columns)), table.read)


def _drawn(sections: Sequence[StudySections]) -> list[Printed]:
    return [Printed(f.name, ("figure",), f.read) for s in sections for f in s.figures]


def read_release(release_file: Path, studies: Iterable[str] | None = None) -> ReleaseContent:
    """Read the release without writing to it. It is attached under a name of ours, because its own name may
    be that of a schema.
    """
    import duckdb

    if not Path(release_file).is_file():
        raise ReportError(f"{release_file}: no such release file; make one: myositis run")
    with duckdb.connect() as connection:
        connection.execute(f"attach '{str(release_file).replace(chr(39), chr(39) * 2)}' as file (read_only)")
        present = set(
            connection.execute(
                "select schema_name, table_name from duckdb_tables() where database_name = 'file'"
            ).fetchall()
        )
        if ("release", "release_info") not in present:
            raise ReportError(
                f"{release_file}: no table release.release_info: not a release file of this registry"
            )
        info = _rows(connection, "release.release_info")[0]
        hospitals = (
            _rows(connection, "release.dim_hospital") if ("release", "dim_hospital") in present else []
        )
        quality = {
            t: noted(f"quality.{t}", _rows(connection, f"quality.{t}"))
            for t in QUALITY_TABLES
            if ("quality", t) in present
        }
        frames = {
            t: connection.execute(f'select * from file.results."{t}"').df()
            for s, t in sorted(present)
            if s == "results"
        }
    note = SYNTHETIC if info.get("synthetic") else ""
    chosen = _chosen(frames, studies)
    return ReleaseContent(
        info,
        {h["hospital_id"]: h.get("hospital_name") or h["hospital_id"] for h in hospitals},
        quality,
        tuple(StudyFrames(s, _of_study(frames, s), note) for s in chosen),
    )


def study_sections(study: StudyFrames) -> StudySections:
    """Every table and figure of a study, in the order of the page."""
    from analytics.paper.reproduction import agreement, statement_counts, statement_words
    from analytics.printed import (
        course_figure,
        method_words,
        model_tables,
        provenance_tables,
        sensitivity_tables,
        summary,
        survival_figure,
        tables,
    )

    endpoints = list(
        dict.fromkeys(
            e
            for t in ("survival_curve", "survival_median", "log_rank", "cox_term")
            for e in study.distinct(t, "endpoint")
        )
    )
    models = study.distinct("mixed_model_term", "model_id")
    printed = [m for m in models if model_tables.printed_table_number(m)]
    others = [m for m in models if m not in printed]
    first, rest = (printed, others) if printed else (others, [])
    taken()  # what was read up to here is of no table
    questions = sensitivity_tables.questions(study)
    for question in questions:
        read_together(list(question.tables))
    methods, said = method_words.methods(study), summary.summary(study)
    taken()
    return StudySections(
        study=study,
        summary=said,
        flow=provenance_tables.cohort_flow_table(study),
        baseline=read_together(tables.baseline_tables(study)),
        courses=_made(
            course_figure.trajectory_figure(study, r) for r in study.distinct("trajectory_mean", "response")
        ),
        models=[
            *read_together(model_tables.model_term_tables(study, printed=bool(printed))),
            *_made([model_tables.contrast_table(study, first)]),
        ],
        model_details=_made(
            [model_tables.marginal_mean_table(study, first), model_tables.parameter_table(study, first)]
        ),
        curves=_made(
            survival_figure.survival_figure(study, e) for e in study.distinct("survival_curve", "endpoint")
        ),
        survival=_made(
            make(study, e)
            for e in endpoints
            for make in (
                model_tables.survival_summary_table,
                model_tables.log_rank_table,
                survival_strata_table,
                model_tables.cox_table,
            )
        ),
        questions=questions,
        question_figures={q.analysis_id: _figures_of(study, q) for q in questions},
        further=[
            *read_together(model_tables.model_term_tables(study, printed=False) if printed else []),
            *_made(
                make(study, rest)
                for make in (
                    model_tables.contrast_table,
                    model_tables.marginal_mean_table,
                    model_tables.parameter_table,
                )
            ),
            *_made(model_tables.further_ratio_table(study, e) for e in endpoints),
            *_made(
                model_tables.incidence_table(study, m)
                for m in study.distinct("cumulative_incidence", "model_id")
            ),
        ],
        findings=study.rows("finding"),
        methods=methods,
        reproduction=_made(
            [
                provenance_tables.reproduction_summary(study),
                provenance_tables.reproduction_table(study, agrees=False),
                provenance_tables.statement_table(study),
            ]
        ),
        reproduction_details=_made([provenance_tables.reproduction_table(study, agrees=True)]),
        agreement=agreement(study.rows("reproduction")),
        statements=statement_words(statement_counts(study.rows("reproduction"))),
    )


def _figures_of(study: StudyFrames, question: Question) -> list[StudyFigure]:
    """A score against age, or ratios side by side."""
    from analytics.printed.norm_figure import norm_figure
    from analytics.printed.ratio_figure import ratio_figure

    draw = {"norm_for_age": norm_figure, "compare_models": ratio_figure}.get(question.kind)
    return _made([draw(study, question.analysis_id)]) if draw else []


def rendered(figures: Iterable[StudyFigure]) -> dict[str, dict[str, bytes]]:
    """Each figure by its name: its files, and the drawing for a phone."""
    from analytics.printed.figures import FORMATS

    return {
        f.name: {kind: f.render(kind) for kind in FORMATS} | {NARROW: f.render("svg", narrow=True)}
        for f in figures
    }


def put_figures(out: ReportFolder, figures: dict[str, dict[str, bytes]]) -> None:
    for name, files in figures.items():
        for kind, data in files.items():
            if kind != NARROW:
                out.put(f"figures/{name}.{kind}", data)


def _shared_tables(content: ReleaseContent, questions: Sequence[Record]) -> dict[str, PrintedTable]:
    """The tables on data quality: they describe the release, not one study."""
    from analytics.printed.provenance_tables import (
        check_table,
        delivery_table,
        question_table,
        rejected_table,
    )

    taken()
    quality, names = content.quality, content.hospitals
    made = {
        "deliveries": delivery_table(quality.get("delivery", []), names),
        "rejected": rejected_table(quality.get("rejected_summary", []), names),
        "questions": question_table(questions, names),
        "checks": check_table(quality.get("check_result", []), names),
    }
    return {key: table for key, table in made.items() if table}


def _page(
    content: ReleaseContent,
    sections: Sequence[StudySections],
    shared: dict[str, PrintedTable],
    sheets: dict[str, bytes],
    laid_out: dict[str, str],
    figures: dict[str, dict[str, bytes]],
    has_lineage: bool,
) -> str:
    return (
        page_environment(sheets, laid_out, figures)
        .get_template("report.html.j2")
        .render(
            content=content,
            info=content.info,
            sections=sections,
            shared=shared,
            made_at=_minute(content.info.get("made_at")),
            lineage=PAGE if has_lineage else "",
        )
    )


def page_environment(
    sheets: dict[str, bytes], laid_out: dict[str, str], figures: dict[str, dict[str, bytes]]
) -> Environment:
    """The templates with their filters: a table's HTML, notes and CSV, a figure's SVG."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    from analytics.printed.figures import inline_svg

    def svg(figure: StudyFigure, kind: str = "svg") -> Markup:
        source = figures[figure.name][kind].decode("utf-8")
        name = figure.name if kind == "svg" else f"{figure.name}-{kind}"
        return Markup(inline_svg(source, name, figure.title, figure.description))

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "table_html": lambda table: Markup(laid_out[table.name]),
        "notes": lambda table: [(mark, Markup(text)) for mark, text in notes_of(_shortened(table))],
        "svg": svg,
        "worded": str,  # a page in another language brings its own
        "typeset": lambda text: Markup(typeset(text)),
        "csv_uri": lambda table: (
            "data:text/csv;base64," + base64.b64encode(sheets[table.name]).decode("ascii")
        ),
    }
    environment.filters |= filters
    environment.globals["group_sizes"] = group_sizes
    environment.globals["css"] = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))
    return environment


def lay_out(tables: Sequence[PrintedTable]) -> dict[str, str]:
    return {table.name: to_html(_shortened(table)) for table in tables}


def _shortened(table: PrintedTable) -> PrintedTable:
    """The first rows of the list of refused rows, because the list grows with hospitals and rules."""
    import dataclasses

    if table.name != "rejected_rows" or len(table.rows) <= REJECTED_SHOWN:
        return table
    note = f"The {REJECTED_SHOWN} most frequent of {len(table.rows)} reasons; the CSV has them all."
    return dataclasses.replace(table, rows=table.rows[:REJECTED_SHOWN], notes=(*table.notes, note))


def _minute(value: object) -> str:
    return re.sub(r"(\d\d:\d\d):\d\d.*$", r"\1", str(value)) if value else ""


def _rows(connection: duckdb.DuckDBPyConnection, table: str) -> list[Record]:
    return records(connection.execute(f"select * from file.{table}").df())


def _of_study(frames: dict[str, Any], study: str) -> dict[str, Any]:
    return {
        name: frame[frame["study_id"] == study] if "study_id" in frame else frame
        for name, frame in frames.items()
    }


def _chosen(frames: dict[str, Any], wanted: Iterable[str] | None) -> list[str]:
    there = list(dict.fromkeys(frames["study"]["study_id"])) if "study" in frames else []
    if wanted is None:
        return there
    wanted = list(dict.fromkeys(wanted))
    if unknown := [s for s in wanted if s not in there]:
        raise ReportError(
            f"studies: no study {', '.join(unknown)} in this release; it has {', '.join(there) or 'none'}"
        )
    return wanted


def _made(items: Iterable[Any]) -> list[Any]:
    return [item for item in items if item is not None]
