"""When a delivery has arrived: a marker that came last, or quiet and no program that still writes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from orchestration.landing.arrivals import is_complete, strays
from orchestration.registry.folder import Registry, load_registry
from tests.unit.test_loading import make_registry

LATER = 3600


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A delivery whose files came a moment ago; the quiet time is ten minutes."""
    make_registry(tmp_path)
    settings = tmp_path / "registry.yml"
    settings.write_text(settings.read_text().replace("quiet_seconds: 0", "quiet_seconds: 600"))
    return load_registry(tmp_path)


def has_arrived(registry: Registry, later: float = 0) -> bool:
    return is_complete(registry, "north", "first", time.time() + later)


def test_a_marker_that_came_last_says_that_all_is_there(registry: Registry) -> None:
    assert not has_arrived(registry)
    (registry.landing / "north" / "first" / "_SUCCESS").touch()
    assert has_arrived(registry)


def test_a_marker_that_came_before_other_files_says_nothing(registry: Registry) -> None:
    folder = registry.landing / "north" / "first"
    (folder / "_SUCCESS").touch()
    time.sleep(0.02)
    late = folder / "late.csv"
    late.write_text("id\n1\n")
    os.utime(late, (0, 0))  # a copy that keeps the times of its source
    assert not has_arrived(registry)
    assert has_arrived(registry, LATER)


def test_a_marker_without_any_file_says_nothing(registry: Registry) -> None:
    folder = registry.landing / "north" / "second"
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    assert not is_complete(registry, "north", "second")


def test_a_file_that_a_program_still_writes_to_is_waited_for_however_long_it_pauses(
    registry: Registry,
) -> None:
    with (registry.landing / "north" / "first" / "visits.csv").open("a"):
        assert not has_arrived(registry, LATER)
        assert [s.sentence() for s in strays(registry)] == [
            "landing/north/first: still arriving (no _SUCCESS after its last file, and files changed a moment ago or"
            " are still written to); left for the next run"
        ]
    assert has_arrived(registry, LATER)
