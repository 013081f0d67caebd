"""Where rows of single patients may lie: in the replay of a release that is kept, and nowhere else. What
killed processes left of a report goes with the next one.
"""

from __future__ import annotations

from pathlib import Path

from orchestration.registry.folder import load_registry
from orchestration.report.write import forget_rows_of_single_patients, make_current
from tests.unit.test_loading import make_registry


def test_rows_of_single_patients_go_with_their_release_and_from_beside_the_report(tmp_path: Path) -> None:
    make_registry(tmp_path)
    registry = load_registry(tmp_path)
    kept, beside = registry.replays / "r1" / "study", registry.reports / "r1" / "replay" / "study"
    for folder in (kept, beside, registry.replays / "r0" / "study", registry.replays / ".r1.part" / "study"):
        folder.mkdir(parents=True)
        (folder / "patients_cox.csv").write_text("rows of single patients")
    registry.releases.mkdir()
    (registry.releases / "r1.duckdb").touch()
    (registry.reports / "r1" / "report.html").touch()
    forget_rows_of_single_patients(registry)
    assert list(tmp_path.rglob("patients_cox.csv")) == [kept / "patients_cox.csv"]
    assert (registry.reports / "r1" / "report.html").exists()


def test_links_that_killed_processes_left_half_swapped_go_with_the_next_report(tmp_path: Path) -> None:
    (tmp_path / ".current.0a1b2c3d.part").symlink_to("r0")
    part = tmp_path / ".r1.part"
    part.mkdir()
    make_current(part, tmp_path, "r1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["current", "r1"]
