"""Courses of a response: a panel per group with its patients and their average, then the averages together.

Belongs here: drawing trajectories. Does not belong here: styles and files (`figures.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.printed.figures import (
    NARROW_INCHES,
    GroupStyle,
    StudyFigure,
    drawable,
    new_figure,
    say,
    settings,
    styles_for,
    wrapped,
)
from analytics.study.frames import Record, StudyFrames, grouped
from analytics.words.disclosure import known
from analytics.words.formatting import format_number
from analytics.words.wording import opened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LINES = 150  # single patients per panel; more hide each other, and the page grows by each
LOG_SPAN = 100.0  # the largest value over the smallest, from which a logarithmic axis shows more
TICKS_BETWEEN = 2000.0  # highest over lowest of a logarithmic axis, up to which ticks stand at 1, 2, 5
PANEL_INCHES, NARROW_PANEL_INCHES = 2.35, 1.75  # the height of a panel
DODGE_MONTHS = 0.28


def trajectory_figure(study: StudyFrames, response: str) -> StudyFigure | None:
    """A panel per group with its patients as thin lines; the groups' averages side by side in the last.

    On a linear axis the average is the mean with its confidence interval. Positive values that span two
    powers of ten are drawn on a logarithmic axis, where means and their intervals mislead: there it is the
    median with quartiles.
    """
    means = [r for r in study.rows("trajectory_mean", response=response) if _shown(r)]
    if not means:
        return None
    lines = _patient_lines(study, response)
    groups = study.in_order([r["group_id"] for r in means])
    styles = styles_for(study, groups)
    is_log = _wants_log(lines, means)
    label = study.label_with_unit(response)
    drawn = _Courses(groups, styles, means, lines, drawable(label, fallback=opened(response)), is_log)
    return StudyFigure(
        f"{study.study_id}_{response}_course",
        f"Course of {study.variable_label(response)} by group",
        _trajectory_caption(study, bool(lines), is_log),
        _trajectory_words(study, label, groups, means, is_log),
        lambda width: _draw(drawn, width, study.data_note),
    )


@dataclass(frozen=True)
class _Courses:
    """What is drawn of a response, whatever the width."""

    groups: list[str]
    styles: dict[str, GroupStyle]
    means: list[Record]
    lines: list[Record]
    label: str
    is_log: bool

    def means_of(self, group: str) -> list[Record]:
        return [r for r in self.means if r["group_id"] == group]


def _draw(c: _Courses, width: float, note: str) -> Figure:
    with settings():
        figure, panels = _panels(len(c.groups) + (len(c.groups) > 1), width)
        inches = width * panels[0].get_position().width
        for panel, group in zip(panels, c.groups, strict=False):
            style = c.styles[group]
            _draw_patients(panel, [r for r in c.lines if r["group_id"] == group], style)
            _draw_average(panel, c.means_of(group), style, c.is_log)
            panel.set_title(wrapped(style.label, inches), color=style.colour, fontweight="bold", loc="left")
        if len(c.groups) > 1:
            for i, group in enumerate(c.groups):
                shift = (i - (len(c.groups) - 1) / 2) * DODGE_MONTHS * 2
                _draw_average(panels[-1], c.means_of(group), c.styles[group], c.is_log, shift)
            panels[-1].set_title("Medians" if c.is_log else "Means", loc="left", fontweight="bold")
        _finish_panels(panels, c.means, c.label, c.is_log)
        say(figure, note)
    return figure


def _patient_lines(study: StudyFrames, response: str) -> list[Record]:
    """Rows of single patients; none if a group has too many to tell apart."""
    rows = study.rows("trajectory_patient", response=response)
    return [] if any(len({r["line"] for r in g}) > MOST_LINES for _, g in grouped(rows, "group_id")) else rows


def _shown(row: Record) -> bool:
    return known(row.get("mean")) and known(row.get("nominal_month"))


def _wants_log(lines: Sequence[Record], means: Sequence[Record]) -> bool:
    values = [r["value"] for r in lines if known(r.get("value"))]
    values = values or [r[c] for r in means for c in ("q1", "median", "q3") if known(r.get(c))]
    return bool(values) and min(values) > 0 and max(values) >= LOG_SPAN * min(values)


def _panels(count: int, width: float) -> tuple[Figure, list[Axes]]:
    is_narrow = width < NARROW_INCHES
    across = min(count, 2 if is_narrow or count == 4 else 3)
    down = -(-count // across)
    height = (NARROW_PANEL_INCHES if is_narrow else PANEL_INCHES) * down + 0.37
    figure = new_figure(width, height)
    grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    figure.subplots_adjust(
        left=0.62 / width,
        right=1 - 0.08 / width,
        top=1 - 0.28 / height,
        bottom=0.57 / height,
        wspace=0.1,
        hspace=0.24,
    )
    flat = list(grid.flat)
    for spare in flat[count:]:
        spare.set_visible(False)
    for above in flat[:count][-across:]:
        above.tick_params(labelbottom=True)
    return figure, flat[:count]


def _draw_patients(axes: Axes, rows: Sequence[Record], style: GroupStyle) -> None:
    from matplotlib.collections import LineCollection

    courses = [
        [(_month(r), r["value"]) for r in sorted(found, key=_month)]
        for _, found in grouped([r for r in rows if known(r.get("value"))], "line")
    ]
    axes.add_collection(
        LineCollection([c for c in courses if len(c) > 1], colors=style.colour, linewidths=0.6, alpha=0.38)
    )
    for censored, shape in ((False, "."), (True, "o")):
        points = [
            (_month(r), r["value"])
            for r in rows
            if known(r.get("value")) and bool(r.get("is_censored")) == censored
        ]
        if points:
            axes.plot(
                *zip(*points, strict=True),
                shape,
                color=style.colour,
                alpha=0.45,
                markersize=4 if censored else 2.6,
                markeredgewidth=0.5,
                markerfacecolor="white" if censored else style.colour,
            )
    axes.autoscale_view()


def _draw_average(
    axes: Axes, rows: Sequence[Record], style: GroupStyle, is_log: bool, shift: float = 0.0
) -> None:
    centre, low, high = ("median", "q1", "q3") if is_log else ("mean", "ci_low", "ci_high")
    rows = sorted((r for r in rows if known(r.get(centre))), key=lambda r: r["nominal_month"])
    x, y = [r["nominal_month"] + shift for r in rows], [r[centre] for r in rows]
    below = [max(r[centre] - r[low], 0) if known(r.get(low)) else 0 for r in rows]
    above = [max(r[high] - r[centre], 0) if known(r.get(high)) else 0 for r in rows]
    axes.errorbar(
        x,
        y,
        yerr=[below, above],
        color=style.colour,
        linestyle=style.line,
        linewidth=2,
        marker=style.marker,
        markersize=4.6,
        markeredgecolor="white",
        markeredgewidth=0.6,
        elinewidth=1.2,
        capsize=2.4,
        zorder=5,
    )


def _finish_panels(panels: Sequence[Axes], means: Sequence[Record], label: str, is_log: bool) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    months = sorted({r["nominal_month"] for r in means})
    first = panels[0]
    first.set_xticks(months, [f"{m:g}" for m in months])
    first.set_xlim(months[0] - 1.5, months[-1] + 1.5)
    if is_log:
        first.set_yscale("log")
        low, high = first.get_ylim()
        steps = (1, 2, 5) if high < TICKS_BETWEEN * low else (1,)
        first.yaxis.set_major_locator(LogLocator(subs=steps))
        first.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        first.yaxis.set_minor_locator(NullLocator())
    for panel in panels:
        spec = panel.get_subplotspec()
        assert spec is not None  # every panel is a place of one grid
        if spec.is_first_col():
            panel.set_ylabel(label + (", log scale" if is_log else ""))
        if panel.xaxis.get_tick_params().get("labelbottom", True):
            panel.set_xlabel("Months from baseline")


def _month(row: Record) -> float:
    return row["time_months"] if known(row.get("time_months")) else row["nominal_month"]


def _trajectory_caption(study: StudyFrames, has_lines: bool, is_log: bool) -> str:
    average = (
        "Bold lines: medians with quartiles, on a logarithmic axis."
        if is_log
        else "Bold lines: means with 95% confidence intervals."
    )
    patients = (
        "Thin lines: single patients; hollow circles, values beyond a detection limit. " if has_lines else ""
    )
    hidden = ""
    if study.is_public:
        hidden = (
            "Numbers are rounded, and intervals made from the rounded ones. Single patients and visits of few"
            " patients are not shown. "
        )
    elif not has_lines:
        hidden = "Single patients are too many to tell apart and are not drawn. "
    return f"{patients}{average} {hidden}Last panel: the groups side by side, set apart for reading.".replace(
        "  ", " "
    )


def _trajectory_words(
    study: StudyFrames, label: str, groups: Sequence[str], means: Sequence[Record], is_log: bool
) -> str:
    centre = "median" if is_log else "mean"
    parts = []
    for group in groups:
        rows = [r for r in means if r["group_id"] == group and known(r.get(centre))]
        said = ", ".join(f"{format_number(r[centre], 1)} at month {r['nominal_month']:g}" for r in rows)
        parts.append(f"{study.group_label(group)}: {said}.")
    return f"{centre.capitalize()} {label} by group and visit. " + " ".join(parts)
