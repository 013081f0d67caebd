"""Ratios of rates side by side: what each model makes of the same events, with intervals.

Belongs here: drawing the ratio rows of `results.sensitivity`. Does not belong here: fitting, styles and files
(`figures.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.printed.figures import (
    COLOURS,
    MARKERS,
    MUTED,
    NARROW_INCHES,
    StudyFigure,
    drawable,
    new_figure,
    say,
    settings,
    wrapped,
)
from analytics.printed.sensitivity_tables import RATIOS
from analytics.printed.table_cells import ratio_ci
from analytics.study.frames import Record, StudyFrames, grouped
from analytics.words.disclosure import known

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_INCHES, GAP_ROWS = 0.19, 0.8


def ratio_figure(study: StudyFrames, analysis_id: str) -> StudyFigure | None:
    """A row per comparison and model, on a logarithmic axis; none where the analysis compares no ratios."""
    rows = [
        r
        for r in study.rows("sensitivity", analysis_id=analysis_id, kind="compare_models")
        if r.get("estimate_kind") in RATIOS
        and all(known(r.get(c)) and r[c] > 0 for c in ("estimate", "ci_low", "ci_high"))
    ]
    if not rows:
        return None
    models = list(dict.fromkeys(r["variant"] for r in rows))
    titles = {m: next((str(t["title"]) for t in study.rows("model", model_id=m)), m) for m in models}
    words = "; ".join(
        f"{study.in_words(r['label'])}, {titles[r['variant']]}:"
        f" {ratio_ci(r['estimate'], r['ci_low'], r['ci_high'])}"
        for r in rows
    )
    return StudyFigure(
        f"{study.study_id}_{analysis_id}",
        "Ratios by each model",
        "Points: estimates; lines: 95% confidence intervals. Firth's is a profile interval, the others are"
        " Wald's.",
        f"{words}.",
        lambda width: _draw(study, rows, models, titles, width),
    )


def _draw(
    study: StudyFrames, rows: list[Record], models: list[str], titles: dict[str, str], width: float
) -> Figure:
    labels = [label for (label,), _ in grouped(rows, "label")]
    is_narrow = width < NARROW_INCHES
    left = 1.3 if is_narrow else 2.1
    named = {model: wrapped(title, width - 0.3) for model, title in titles.items()}
    legend = 0.16 * sum(1 + title.count("\n") for title in named.values()) + 0.14
    below = 0.69 if is_narrow else 0.55
    height = ROW_INCHES * (len(rows) + GAP_ROWS * len(labels)) + below + legend + 0.07
    with settings():
        figure = new_figure(width, height)
        axes = figure.add_axes(
            (left / width, below / height, (width - left - 0.15) / width, (height - below - legend) / height)
        )
        at, ticks = 0.0, {}
        for (label,), found in grouped(rows, "label"):
            words = drawable(study.in_words(label), fallback=str(label))
            ticks[at + (len(found) - 1) / 2] = "\nvs ".join(
                wrapped(part, left) for part in words.split(" vs ")
            )
            for r in found:
                title = named[r["variant"]] if label == labels[0] else None
                _draw_ratio(axes, r, at, models.index(r["variant"]), title)
                at += 1
            at += GAP_ROWS
        axes.set_yticks(list(ticks), list(ticks.values()))
        axes.set_ylim(at - GAP_ROWS - 0.4, -0.6)
        _finish_axis(axes, is_narrow)
        figure.legend(
            loc="upper left", bbox_to_anchor=(0.02, 1.0), frameon=False, borderpad=0.1, handlelength=1.4
        )
        say(figure, study.data_note)
    return figure


def _draw_ratio(axes: Axes, row: Record, at: float, place: int, title: str | None) -> None:
    colour = COLOURS[place % len(COLOURS)]
    axes.plot([row["ci_low"], row["ci_high"]], [at, at], color=colour, linewidth=1.4)
    axes.plot(
        [row["estimate"]],
        [at],
        color=colour,
        marker=MARKERS[place % len(MARKERS)],
        markersize=5,
        linestyle="none",
        label=title,
    )


def _finish_axis(axes: Axes, is_narrow: bool) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.axvline(1, color=MUTED, linewidth=0.9)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    words = "Ratio, log scale; left of 1: fewer events in the group named first"
    axes.set_xlabel(words.replace("; ", "\n") if is_narrow else words, x=-0.4 if is_narrow else 0, ha="left")
