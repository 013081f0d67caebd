"""A look at the registry as it stands now, shown to all who ask within two seconds.

Belongs here: one look at a time. Does not belong here: what is known of the registry (`situation.py`,
`queries/`), releases (`shell.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import duckdb

from orchestration.database.warehouse_file import GLANCE_SECONDS
from orchestration.queries.asked import Standing, standings
from orchestration.registry.folder import Registry
from orchestration.situation import Situation, glance_at_situation

FRESH_SECONDS = 2.0  # how long a look is shown again, however many ask


@dataclass(frozen=True)
class Look:
    """The registry, how it stands, and how its hospitals stand with the questions that they were asked."""

    registry: Registry
    situation: Situation
    questions: tuple[Standing, ...]


@dataclass
class Looks:
    """One look at a time."""

    registry: Callable[[], Registry]
    open_release: Callable[[Path], duckdb.DuckDBPyConnection]
    lock: threading.Lock = field(default_factory=threading.Lock)
    seen: Look | None = None
    at: float = 0.0

    def look(self) -> Look:
        """Raises ConfigurationError while a file of the registry is faulty."""
        with self.lock:
            if self.seen is None or time.monotonic() - self.at > FRESH_SECONDS:
                registry = self.registry()
                self.seen = Look(
                    registry,
                    glance_at_situation(registry, GLANCE_SECONDS, self.open_release),
                    tuple(standings(registry, date.today(), GLANCE_SECONDS)),
                )
                self.at = time.monotonic()
            return self.seen
