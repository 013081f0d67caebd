"""Kaplan-Meier curves over their numbers at risk, with their intervals.

Belongs here: drawing survival curves. Does not belong here: styles and files (`figures.py`).

The intervals of two curves can be told apart where the curves are drawn. Those of more lie over each other,
so each group has a small panel of its own below, with its interval before the other curves in grey.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analytics.printed.figures import (
    MUTED,
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
from analytics.study.frames import Record, StudyFrames
from analytics.words.disclosure import count_text, known
from analytics.words.wording import opened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BANDS = 2  # intervals that can be told apart in one panel
CURVES_INCHES, NARROW_CURVES_INCHES = 3.1, 2.2  # heights
SMALL_INCHES, SMALL_GAP = 1.1, 0.42
TO_THE_NUMBERS, LINE, BELOW = (
    0.62,
    0.19,
    0.27,
)  # from the axis to the numbers at risk, a line of them, a margin
OTHERS = "#c3c9cf"


@dataclass(frozen=True)
class _Curves:
    """What is drawn of an endpoint, whatever the width."""

    groups: list[str]
    styles: dict[str, GroupStyle]
    rows: dict[str, list[Record]]  # of each group, by time
    at_risk: list[Record]
    label: str
    horizon: float

    @property
    def has_panels(self) -> bool:
        with_limits = [g for g in self.groups if any(known(r.get("ci_low")) for r in self.rows[g])]
        return len(self.groups) > MOST_BANDS and bool(with_limits)


def survival_figure(study: StudyFrames, endpoint: str) -> StudyFigure | None:
    """Kaplan-Meier curves with censoring marks over the number at risk, and their confidence intervals."""
    curves = study.rows("survival_curve", endpoint=endpoint)
    if not curves:
        return None
    groups = study.in_order([r["group_id"] for r in curves])
    at_risk = study.rows("survival_at_risk", endpoint=endpoint)
    label = study.endpoint_label(endpoint)
    drawn = _Curves(
        groups,
        styles_for(study, groups),
        {g: _by_time([r for r in curves if r["group_id"] == g]) for g in groups},
        at_risk,
        drawable(label, fallback=opened(endpoint)),
        max([r["time"] for r in [*curves, *at_risk] if known(r.get("time"))], default=1.0),
    )
    return StudyFigure(
        f"{study.study_id}_{endpoint}_curve",
        f"{'Share without the event' if study.is_public else 'Kaplan–Meier curves'}: {label}",
        _survival_caption(study, drawn),
        _survival_words(study, label, groups, curves),
        lambda width: _draw(drawn, width, study.data_note),
    )


def _by_time(rows: Sequence[Record]) -> list[Record]:
    return sorted((r for r in rows if known(r.get("survival"))), key=lambda r: r["time"])


def _draw(c: _Curves, width: float, note: str) -> Figure:
    """From the top: the curves, the numbers at risk, the panels."""
    is_narrow = width < NARROW_INCHES
    across = 2 if is_narrow else min(len(c.groups), 4)
    panels = -(-len(c.groups) // across) * (SMALL_INCHES + SMALL_GAP) + 0.25 if c.has_panels else 0.0
    lines = len(c.groups) * (2 if is_narrow else 1) if c.at_risk else 0
    below = TO_THE_NUMBERS + LINE * lines + BELOW + panels
    height = (NARROW_CURVES_INCHES if is_narrow else CURVES_INCHES) + below + 0.15
    left = 0.55 if is_narrow else 1.35
    with settings():
        figure = new_figure(width, height)
        axes = figure.add_axes(
            (left / width, below / height, (width - left - 0.2) / width, (height - below - 0.15) / height)
        )
        for group in c.groups:
            if not c.has_panels:
                _draw_band(axes, c.rows[group], c.styles[group])
            _draw_curve(axes, c.rows[group], c.styles[group])
        _finish_survival(axes, c)
        _draw_at_risk(axes, c, is_narrow)
        if c.has_panels:
            _draw_panels(figure, c, across, panels)
        say(figure, note)
    return figure


def _steps(rows: Sequence[Record]) -> tuple[list[float], list[float]]:
    return [0.0, *(r["time"] for r in rows)], [100.0, *(100 * r["survival"] for r in rows)]


def _draw_band(axes: Axes, rows: Sequence[Record], style: GroupStyle, alpha: float = 0.12) -> None:
    time, _ = _steps(rows)
    low = [100.0, *(_percent(r.get("ci_low"), r["survival"]) for r in rows)]
    high = [100.0, *(_percent(r.get("ci_high"), r["survival"]) for r in rows)]
    axes.fill_between(time, low, high, step="post", color=style.colour, alpha=alpha, linewidth=0)


def _draw_curve(axes: Axes, rows: Sequence[Record], style: GroupStyle) -> None:
    if not rows:
        return
    axes.plot(
        *_steps(rows),
        drawstyle="steps-post",
        color=style.colour,
        linestyle=style.line,
        linewidth=1.8,
        label=style.label,
    )
    marks = [(r["time"], 100 * r["survival"]) for r in rows if (r.get("censored") or 0) > 0]
    if marks:
        axes.plot(
            *zip(*marks, strict=True),
            linestyle="none",
            marker="|",
            markersize=6,
            markeredgewidth=1.1,
            color=style.colour,
        )


def _finish_survival(axes: Axes, c: _Curves) -> None:
    times = sorted({r["time"] for r in c.at_risk}) or None
    if times:
        axes.set_xticks(times, [f"{t:g}" for t in times])
    axes.set_xlim(0, c.horizon * 1.015)
    axes.set_ylim(0, 103)
    axes.set_yticks(range(0, 101, 25), [f"{v}" for v in range(0, 101, 25)])
    one_word = re.fullmatch(r"[A-Za-z]+", c.label)
    axes.set_ylabel(f"{c.label}-free (%)" if one_word else "Free of the event (%)")
    axes.set_xlabel("Months from baseline")
    axes.legend(
        loc="lower left", frameon=True, framealpha=0.9, edgecolor="none", handlelength=3.2, borderpad=0.2
    )


def _draw_at_risk(axes: Axes, c: _Curves, is_narrow: bool) -> None:
    """A line of numbers per group under the axis; its name stands left of them, in a column above them."""
    if not c.at_risk:
        return
    figure = axes.get_figure(root=True)
    assert figure is not None  # the axes are drawn on one
    inch = 1 / (figure.get_figheight() * axes.get_position().height)
    side = 1 / (figure.get_figwidth() * axes.get_position().width)
    x, align = (-0.45 * side, "left") if is_narrow else (-0.2 * side, "right")
    y = -TO_THE_NUMBERS * inch
    placed: dict[str, Any] = {"transform": axes.transAxes, "ha": align, "va": "center", "fontsize": 7.5}
    axes.text(x, y, "Number at risk", color=MUTED, **placed)
    for group in c.groups:
        y -= LINE * inch
        style = c.styles[group]
        axes.text(x, y, style.label, color=style.colour, fontweight="bold", **placed)
        y -= LINE * inch * is_narrow
        for row in c.at_risk:
            if row["group_id"] == group:
                axes.text(
                    row["time"],
                    y,
                    count_text(row.get("at_risk")),
                    transform=axes.get_xaxis_transform(),
                    ha="center",
                    va="center",
                    fontsize=7.5,
                )


def _draw_panels(figure: Figure, c: _Curves, across: int, inches: float) -> None:
    """A small panel per group: its curve and its interval, the other curves in grey."""
    width, height = figure.get_size_inches()
    first, gap = 0.55, 0.14
    each = (width - first - 0.2 - gap * (across - 1)) / across
    for i, group in enumerate(c.groups):
        down, place = divmod(i, across)
        bottom = inches - SMALL_GAP / 2 - (down + 1) * SMALL_INCHES - down * SMALL_GAP
        axes = figure.add_axes(
            ((first + place * (each + gap)) / width, bottom / height, each / width, SMALL_INCHES / height)
        )
        for other in c.groups:
            if other != group and c.rows[other]:
                axes.plot(*_steps(c.rows[other]), drawstyle="steps-post", color=OTHERS, linewidth=0.9)
        _draw_band(axes, c.rows[group], c.styles[group], alpha=0.22)
        if c.rows[group]:
            axes.plot(
                *_steps(c.rows[group]), drawstyle="steps-post", color=c.styles[group].colour, linewidth=1.5
            )
        axes.set_xlim(0, c.horizon * 1.015)
        axes.set_ylim(0, 103)
        axes.set_xticks([0, c.horizon / 2, c.horizon], [f"{t:g}" for t in (0, c.horizon / 2, c.horizon)])
        axes.set_yticks([0, 50, 100], ["0", "50", "100"] if place == 0 else [])
        axes.set_title(
            wrapped(c.styles[group].label, each),
            loc="left",
            color=c.styles[group].colour,
            fontweight="bold",
            fontsize=7.5,
        )


def _percent(limit: float | None, survival: float) -> float:
    """A limit that does not exist (no event yet, nobody left) lies on the curve."""
    return 100 * (limit if known(limit) else survival)


def _survival_caption(study: StudyFrames, c: _Curves) -> str:
    if study.is_public:
        return (
            "Steps: life table made from rounded numbers of patients, of events and at risk. Groups of few "
            "events are not drawn, and a curve ends where few are left."
        )
    where = "small panels: each group with its 95% confidence interval, the others in grey"
    bands = where if c.has_panels else "bands: 95% confidence intervals"
    return f"Steps: Kaplan–Meier estimate; ticks: patients censored; {bands}."


def _survival_words(study: StudyFrames, label: str, groups: Sequence[str], curves: Sequence[Record]) -> str:
    parts = []
    for group in groups:
        rows = [r for r in curves if r["group_id"] == group and known(r.get("survival"))]
        if rows:
            last = max(rows, key=lambda r: r["time"])
            free = f"{100 * last['survival']:.0f}% free of it at month {last['time']:.0f}"
            parts.append(f"{study.group_label(group)}: {free}.")
    return f"Share of patients without {label} over time, by group. " + " ".join(parts)
