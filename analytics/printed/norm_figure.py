"""A score against age, with what healthy people of an age reach.

Belongs here: drawing `results.norm_patient` over `results.norm_band`. Does not belong here: who is below the
norm (`analytics/study/sensitivity/groups.py`), styles and files (`figures.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.printed.figures import (
    INK,
    MUTED,
    NARROW_INCHES,
    GroupStyle,
    StudyFigure,
    drawable,
    new_figure,
    say,
    settings,
    styles_for,
)
from analytics.study.frames import Record, StudyFrames
from analytics.words.disclosure import known
from analytics.words.wording import opened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT, NARROW_HEIGHT = 3.6, 2.7  # inches
BAND = "#d9e6da"


def norm_figure(study: StudyFrames, analysis_id: str) -> StudyFigure | None:
    """Patients at the first visit of the analysis."""
    rows = [r for r in study.rows("norm_patient", analysis_id=analysis_id) if known(r.get("age_years"))]
    bands = study.rows("norm_band", analysis_id=analysis_id)
    if not rows or not bands:
        return None
    visit = rows[0]["visit"]
    rows = [r for r in rows if r["visit"] == visit]
    variable = next((r["subject"] for r in study.rows("sensitivity", analysis_id=analysis_id)), "")
    label = study.label_with_unit(variable)
    groups = study.in_order([r["group_id"] for r in rows])
    styles = styles_for(study, groups)

    def draw(width: float) -> Figure:
        with settings():
            figure, axes = _axes(width)
            _draw_norm(axes, bands, rows)
            for group in groups:
                _draw_group(axes, [r for r in rows if r["group_id"] == group], styles[group])
            axes.set_xlabel(f"Age at {opened(visit).lower()}, years")
            axes.set_ylabel(drawable(label, fallback=opened(variable)))
            axes.set_xlim(left=0)
            axes.legend(loc="lower right", frameon=True, framealpha=0.9, edgecolor="none")
            say(figure, study.data_note)
        return figure

    below = sum(r["place"] == "below" for r in rows)
    return StudyFigure(
        f"{study.study_id}_{analysis_id}",
        f"{study.variable_label(variable)} against age at {opened(visit).lower()}",
        "Green: mean and reference range of healthy people of that age; dashed: its lower limit carried on to"
        " later ages; dotted: the full score.",
        f"{len(rows)} patients by age and {study.variable_label(variable)}; {below} lie below the norm for "
        "their age.",
        draw,
    )


def _draw_group(axes: Axes, rows: list[Record], style: GroupStyle) -> None:
    axes.plot(
        [r["age_years"] for r in rows],
        [r["value"] for r in rows],
        linestyle="none",
        marker=style.marker,
        color=style.colour,
        markersize=5,
        markeredgecolor="white",
        markeredgewidth=0.5,
        label=style.label,
    )


def _axes(width: float) -> tuple[Figure, Axes]:
    height = NARROW_HEIGHT if width < NARROW_INCHES else HEIGHT
    figure = new_figure(width, height)
    return figure, figure.add_axes(
        (0.6 / width, 0.57 / height, (width - 0.75) / width, (height - 0.69) / height)
    )


def _draw_norm(axes: Axes, bands: list[Record], rows: list[Record]) -> None:
    oldest = max([r["age_years"] for r in rows] + [b["below_age"] for b in bands]) + 0.5
    for band in bands:
        ages = [band["from_age"], band["below_age"]]
        axes.fill_between(ages, band["lower"], band["upper"], color=BAND, linewidth=0)
        axes.plot(ages, [band["mean"]] * 2, color="#00795A", linewidth=1.6)
    last = bands[-1]
    axes.plot(
        [last["below_age"], oldest], [last["lower"]] * 2, color=INK, linewidth=0.9, linestyle=(0, (5, 3))
    )
    axes.axhline(last["full_score"], color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)))
