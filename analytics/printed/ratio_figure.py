"""Ratios of rates side by side: what each model makes of the same events, with intervals.

Belongs here: drawing the ratio rows of `results.sensitivity`. Does not belong here: fitting, styles and files
(`figures.py`).
"""

from __future__ import annotations

from analytics.printed.figures import COLOURS, MARKERS, MUTED, StudyFigure, drawable, say, settings
from analytics.printed.sensitivity_tables import RATIOS
from analytics.printed.table_cells import ratio_ci
from analytics.study.frames import StudyFrames, grouped
from analytics.words.disclosure import known

ROW_INCHES, GAP_ROWS = 0.19, 0.8


def ratio_figure(study: StudyFrames, analysis_id: str) -> StudyFigure | None:
    """A row per comparison and model, on a logarithmic axis; none where the analysis compares no ratios."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

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
    labels = [label for (label,), _ in grouped(rows, "label")]
    lines = len(rows) + GAP_ROWS * len(labels)
    width, height = 6.6, ROW_INCHES * lines + 0.62 + 0.17 * len(models)
    with settings():
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        legend = 0.17 * len(models) + 0.1
        axes = figure.add_axes(
            (2.1 / width, 0.45 / height, (width - 2.25) / width, (height - 0.45 - legend) / height)
        )
        at, ticks = 0.0, {}
        for (label,), found in grouped(rows, "label"):
            ticks[at + (len(found) - 1) / 2] = drawable(study.in_words(label), fallback=str(label))
            for r in found:
                i = models.index(r["variant"])
                colour = COLOURS[i % len(COLOURS)]
                axes.plot([r["ci_low"], r["ci_high"]], [at, at], color=colour, linewidth=1.4)
                axes.plot(
                    [r["estimate"]],
                    [at],
                    color=colour,
                    marker=MARKERS[i % len(MARKERS)],
                    markersize=5,
                    linestyle="none",
                    label=titles[r["variant"]] if label == labels[0] else None,
                )
                at += 1
            at += GAP_ROWS
        axes.axvline(1, color=MUTED, linewidth=0.9)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_yticks(list(ticks), list(ticks.values()))
        axes.set_ylim(at - GAP_ROWS - 0.4, -0.6)
        axes.set_xlabel("Ratio, log scale; left of 1: fewer events in the group named first", loc="left")
        figure.legend(
            loc="upper left", bbox_to_anchor=(0.02, 1.0), frameon=False, borderpad=0.1, handlelength=1.4
        )
        say(figure, study.data_note)
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
        figure,
    )
