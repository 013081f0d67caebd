"""What all figures share: styles of groups, the settings of matplotlib, rendering to bytes and into a page.

Belongs here: the look of a group, fonts, formats, names and descriptions for those who cannot see a figure.
Does not belong here: any estimate, what one figure draws (`course_figure.py`, `survival_figure.py`), which
figures a study has (`study_figures.py`), files.

Colours are Okabe and Ito's (2008), which readers with any colour vision tell apart, darkened until text in
them has a contrast of 4.5:1 on white; every group has its own line style and marker too, so that grey prints
serve. Rendering is deterministic: no date, fixed ids. matplotlib is imported late.
"""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from analytics.study.frames import StudyFrames
from analytics.study.noted_reads import Read, taken
from analytics.words.wording import opened

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

COLOURS = ("#0072B2", "#C04F00", "#00795A", "#A8508A", "#000000", "#7A5C00")
LINES = ("-", (0, (5, 2)), (0, (5, 1.6, 1, 1.6)), (0, (1.2, 1.2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, MUTED, GRID = "#1d2329", "#5b6570", "#e3e7eb"
PNG_DPI = 150
PAGE_INCHES, COLUMN_INCHES = 7.0, 3.35  # the widths of a journal's page and of one of its two columns
NARROW_INCHES = 5.0  # below it a figure is laid out for a column, or for a phone
FORMATS = ("svg", "png", "pdf")

RC: dict[RcKeyType, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "axes.titley": 1.0,
    "axes.titlepad": 5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 8,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "figure",
    "pdf.fonttype": 42,
    "path.simplify": True,
    "text.parse_math": False,
    "xtick.bottom": False,
    "ytick.left": False,
}


@dataclass(frozen=True)
class GroupStyle:
    """How a group looks in every figure of its study."""

    label: str
    colour: str
    line: object
    marker: str


@dataclass(frozen=True)
class StudyFigure:
    """A figure with its caption and the description that stands for it where it cannot be seen.

    ``draw`` lays it out anew for a width in inches, so that its letters keep their size.
    """

    name: str
    title: str
    caption: str
    description: str
    draw: Callable[[float], Figure] = field(compare=False)
    read: frozenset[Read] = field(init=False, repr=False, compare=False)  # columns of results, if noted

    def __post_init__(self) -> None:
        object.__setattr__(self, "read", taken())

    @cached_property
    def figure(self) -> Figure:
        return self.draw(PAGE_INCHES)

    @cached_property
    def narrow(self) -> Figure:
        return self.draw(COLUMN_INCHES)

    def render(self, kind: str, dpi: int = PNG_DPI, *, narrow: bool = False) -> bytes:
        return render(self.narrow if narrow else self.figure, kind, self.title, dpi)


def group_styles(study: StudyFrames) -> dict[str, GroupStyle]:
    """Style by position in the study, so that a group looks alike in every figure."""
    return {
        group: GroupStyle(
            drawable(study.group_label(group), fallback=group),
            COLOURS[i % len(COLOURS)],
            LINES[i % len(LINES)],
            MARKERS[i % len(MARKERS)],
        )
        for i, group in enumerate(study.groups)
    }


def render(figure: Figure, kind: str, title: str = "", dpi: int = PNG_DPI) -> bytes:
    """The figure as ``svg``, ``png`` or ``pdf``; the same figure always gives the same bytes. Letters stay
    letters: an SVG names their font, a PDF holds it.
    """
    metadata = {
        "svg": {"Date": None, "Title": title},
        "pdf": {"CreationDate": None, "ModDate": None, "Title": title},
        "png": {"Title": title},
    }[kind]
    resolution: dict[str, Any] = {"dpi": dpi} if kind == "png" else {}
    out = io.BytesIO()
    with settings():
        figure.savefig(out, format=kind, metadata=metadata, **resolution)
    return out.getvalue()


def inline_svg(svg: str, name: str, title: str, description: str) -> str:
    """An SVG for use inside a page: named and described, its ids its own, its fonts the page's."""
    import html

    element = svg[svg.index("<svg") :]
    element = re.sub(r"\s*<metadata>.*?</metadata>", "", element, flags=re.S)
    element = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', element)
    element = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", element)
    element = re.sub(r'xlink:href="#([^"]+)"', rf'xlink:href="#{name}-\1"', element)
    element = re.sub(r"\s*<title>.*?</title>", "", element, count=1, flags=re.S)
    named = (
        f'<title id="{name}-title-text">{html.escape(title)}</title>'
        f'<desc id="{name}-description">{html.escape(description)}</desc>'
    )
    head, rest = element.split(">", 1)
    labels = f'aria-labelledby="{name}-title-text" aria-describedby="{name}-description"'
    return f'{head} role="img" {labels}>{named}{rest}'


def drawable(text: str, fallback: str) -> str:
    """``text`` if the figures' font has all of it, else without its superscripts, else ``fallback``."""
    plain = text.translate(str.maketrans("⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "+-0123456789"))
    return next((t for t in (text, plain) if _glyphs_exist(t)), fallback)


@lru_cache(maxsize=256)
def _glyphs_exist(text: str) -> bool:
    from matplotlib.font_manager import findfont, get_font

    font = get_font(findfont("DejaVu Sans"))
    return all(font.get_char_index(ord(c)) for c in text if not c.isspace())


def settings() -> AbstractContextManager[None]:
    """matplotlib's settings for drawing and rendering, within a ``with`` block."""
    from matplotlib import rc_context

    return rc_context(RC)


def styles_for(study: StudyFrames, groups: Sequence[str]) -> dict[str, GroupStyle]:
    """Styles of the study, and of groups that it does not state."""
    styles = group_styles(study)
    for i, group in enumerate(g for g in groups if g not in styles):
        n = len(styles) + i
        styles[group] = GroupStyle(
            opened(group), COLOURS[n % len(COLOURS)], LINES[n % len(LINES)], MARKERS[n % len(MARKERS)]
        )
    return styles


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches that needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def wrapped(label: str, inches: float) -> str:
    """A label broken into lines that fit so many inches of the figures' bold letters."""
    return textwrap.fill(label, max(8, int(inches * 12.5)), break_long_words=False)


def say(figure: Figure, note: str) -> None:
    """Print on the figure what a reader must know of its data, because a figure may be copied out of its
    report.
    """
    if note:
        figure.text(
            1 - 0.06 / figure.get_figwidth(),
            0.05 / figure.get_figheight(),
            note,
            ha="right",
            va="bottom",
            fontsize=6.5,
            color=MUTED,
            fontstyle="italic",
        )
