"""Kaplan-Meier curves over their numbers at risk.

Belongs here: drawing survival curves. Does not belong here: styles and files (`figures.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from analytics.printed.figures import MUTED, GroupStyle, StudyFigure, drawable, say, settings, styles_for
from analytics.study.frames import Record, StudyFrames
from analytics.words.disclosure import count_text, known
from analytics.words.wording import opened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def survival_figure(study: StudyFrames, endpoint: str) -> StudyFigure | None:
    """Kaplan-Meier curves with confidence bands and censoring marks over the number at risk."""
    curves = study.rows("survival_curve", endpoint=endpoint)
    if not curves:
        return None
    groups = study.in_order([r["group_id"] for r in curves])
    styles = styles_for(study, groups)
    at_risk = study.rows("survival_at_risk", endpoint=endpoint)
    label = study.endpoint_label(endpoint)
    horizon = max([r["time"] for r in [*curves, *at_risk] if known(r.get("time"))], default=1.0)
    with settings():
        figure, axes = _survival_axes(len(groups))
        for group in groups:
            _draw_curve(axes, [r for r in curves if r["group_id"] == group], styles[group])
        _finish_survival(axes, horizon, drawable(label, fallback=opened(endpoint)), at_risk)
        _draw_at_risk(axes, at_risk, groups, styles)
        say(figure, study.data_note)
    return StudyFigure(
        f"{study.study_id}_{endpoint}_curve",
        f"{'Share without the event' if study.is_public else 'Kaplan–Meier curves'}: {label}",
        _survival_caption(study),
        _survival_words(study, label, groups, curves),
        figure,
    )


def _survival_axes(groups: int) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    below = 0.92 + 0.19 * groups
    width, height = 6.6, 3.25 + below
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = figure.add_axes(
        (1.3 / width, below / height, (width - 1.5) / width, (height - below - 0.15) / height)
    )
    return figure, axes


def _draw_curve(axes: Axes, rows: Sequence[Record], style: GroupStyle) -> None:
    rows = sorted((r for r in rows if known(r.get("survival"))), key=lambda r: r["time"])
    if not rows:
        return
    time = [0.0, *(r["time"] for r in rows)]
    survival = [100.0, *(100 * r["survival"] for r in rows)]
    low = [100.0, *(_percent(r.get("ci_low"), r["survival"]) for r in rows)]
    high = [100.0, *(_percent(r.get("ci_high"), r["survival"]) for r in rows)]
    axes.fill_between(time, low, high, step="post", color=style.colour, alpha=0.12, linewidth=0)
    axes.plot(
        time,
        survival,
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


def _finish_survival(axes: Axes, horizon: float, label: str, at_risk: Sequence[Record]) -> None:
    times = sorted({r["time"] for r in at_risk}) or None
    if times:
        axes.set_xticks(times, [f"{t:g}" for t in times])
    axes.set_xlim(0, horizon * 1.015)
    axes.set_ylim(0, 103)
    axes.set_yticks(range(0, 101, 25), [f"{v}" for v in range(0, 101, 25)])
    axes.set_ylabel(f"{label}-free (%)" if re.fullmatch(r"[A-Za-z]+", label) else "Free of the event (%)")
    axes.set_xlabel("Months from baseline")
    axes.legend(
        loc="lower left", frameon=True, framealpha=0.9, edgecolor="none", handlelength=3.2, borderpad=0.2
    )


def _draw_at_risk(
    axes: Axes,
    rows: Sequence[Record],
    groups: Sequence[str],
    styles: dict[str, GroupStyle],
) -> None:
    if not rows:
        return
    figure = axes.get_figure(root=True)
    assert figure is not None  # the axes are drawn on one
    inch = 1 / (figure.get_figheight() * axes.get_position().height)
    top = -0.62 * inch
    where = axes.get_xaxis_transform()
    axes.text(
        -0.008,
        top,
        "Number at risk",
        transform=axes.transAxes,
        ha="right",
        va="center",
        fontsize=7.5,
        color=MUTED,
    )
    for i, group in enumerate(groups):
        y = top - 0.19 * inch * (i + 1)
        axes.text(
            -0.045,
            y,
            styles[group].label,
            transform=axes.transAxes,
            ha="right",
            va="center",
            color=styles[group].colour,
            fontsize=7.5,
            fontweight="bold",
        )
        for row in rows:
            if row["group_id"] == group:
                axes.text(
                    row["time"],
                    y,
                    count_text(row.get("at_risk")),
                    transform=where,
                    ha="center",
                    va="center",
                    fontsize=7.5,
                )


def _percent(limit: float | None, survival: float) -> float:
    """A limit that does not exist (no event yet, nobody left) lies on the curve."""
    return 100 * (limit if known(limit) else survival)


def _survival_caption(study: StudyFrames) -> str:
    if study.is_public:
        return (
            "Steps: life table made from rounded numbers of patients, of events and at risk. Groups of few events"
            " are not drawn, and a curve ends where few are left."
        )
    return "Steps: Kaplan–Meier estimate; bands: 95% confidence intervals; ticks: patients censored."


def _survival_words(study: StudyFrames, label: str, groups: Sequence[str], curves: Sequence[Record]) -> str:
    parts = []
    for group in groups:
        rows = [r for r in curves if r["group_id"] == group and known(r.get("survival"))]
        if rows:
            last = max(rows, key=lambda r: r["time"])
            free = f"{100 * last['survival']:.0f}% free of it at month {last['time']:.0f}"
            parts.append(f"{study.group_label(group)}: {free}.")
    return f"Share of patients without {label} over time, by group. " + " ".join(parts)
