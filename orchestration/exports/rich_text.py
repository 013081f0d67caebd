"""Text of which a part is raised or struck, as workbooks write it: runs of characters, each in a font of its
own.

Belongs here: what both binary kinds of workbook share. Does not belong here: where fonts and runs lie, the
runs of XLSX.
"""

from __future__ import annotations

from dataclasses import dataclass

from .number_formats import raised


@dataclass(frozen=True)
class Fonts:
    """Numbers of the fonts that strike out, and of those that raise their text."""

    struck: frozenset[int]
    raised: frozenset[int]


RichText = tuple[str | None, bool]  # the text where some of it is raised, and whether some is struck


def rich_text(text: str, runs: list[tuple[int, int]], fonts: Fonts) -> RichText | None:
    """A text whose runs (first character, font) are raised or struck in part."""
    parts: list[tuple[str, bool]] = []
    is_struck = False
    for (start, font), (end, _) in zip([(0, -1), *runs], [*runs, (len(text), -1)]):
        if piece := text[start:end]:
            parts.append((piece, font in fonts.raised))
            is_struck = is_struck or (font in fonts.struck and bool(piece.strip()))
    is_partly_raised = len({is_raised for _, is_raised in parts}) == 2
    shown = "".join(raised(piece) if is_raised else piece for piece, is_raised in parts)
    return (shown if is_partly_raised else None, is_struck) if is_partly_raised or is_struck else None
