"""What an attack found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figures:
    """Numbers to print, and a sentence for each promise that did not hold."""

    numbers: dict[str, float] = field(default_factory=dict)
    broken: tuple[str, ...] = ()
