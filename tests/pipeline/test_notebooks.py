"""The notebooks run from a release and agree with its results; the lines of docs/sql.md run as they stand."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from orchestration.registry.folder import Registry

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("myositis")
GUIDE = ROOT / "docs" / "sql.md"
needs_r = pytest.mark.skipif(
    shutil.which("Rscript") is None,
    reason="R is no part of this project; a machine without it has none to try",
)


def run(folder: Path, *arguments: str, **environment: str) -> str:
    found = subprocess.run(
        arguments,
        cwd=folder,
        env={
            "PATH": f"{COMMAND.parent}:/usr/bin:/bin",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def block(language: str) -> str:
    [code] = re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    return code


def test_the_python_notebook_agrees_with_the_results(shipped_run: Registry, tmp_path: Path) -> None:
    release = shipped_run.releases / "current.duckdb"
    notebook = str(ROOT / "notebooks" / "cmas_courses.py")
    said = run(tmp_path, sys.executable, notebook, "--", "--release", str(release), "--figure", "course.svg")
    assert said.startswith("All 15 means and their intervals agree with results.trajectory_mean of release r")
    assert "<svg" in (tmp_path / "course.svg").read_text(encoding="utf-8")


def test_the_python_notebook_stops_when_a_mean_differs(shipped_run: Registry, tmp_path: Path) -> None:
    altered = tmp_path / "altered.duckdb"
    shutil.copyfile((shipped_run.releases / "current.duckdb").resolve(), altered)
    with duckdb.connect(str(altered)) as connection:
        connection.execute("update results.trajectory_mean set mean = mean + 0.1 where visit = 'month_6'")
    notebook = str(ROOT / "notebooks" / "cmas_courses.py")
    with pytest.raises(
        AssertionError, match=r"nowhere\.duckdb: there is no release; name one with --release"
    ):
        run(tmp_path, sys.executable, notebook, "--", "--release", "nowhere.duckdb")
    with pytest.raises(AssertionError, match=r"3 of 15 means differ from results\.trajectory_mean"):
        run(tmp_path, sys.executable, notebook, "--", "--release", str(altered))


@needs_r
def test_the_r_notebook_agrees_with_the_results(shipped_run: Registry, tmp_path: Path) -> None:
    notebook = str(ROOT / "notebooks" / "relapse_curves.R")
    said = run(tmp_path, "Rscript", notebook, str(shipped_run.folder), "curves.pdf", MYOSITIS=str(COMMAND))
    assert said.startswith("All 41 steps of 4 curves agree with results.survival_curve of release r")
    assert (tmp_path / "curves.pdf").read_bytes().startswith(b"%PDF")


def test_the_lines_for_python_run_as_they_stand(
    shipped_run: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shipped_run.folder)
    shown: dict[str, object] = {}
    exec(block("python").replace("registry/release/", "release/"), shown)
    assert shown["rates"].to_dict("list")["relapses"] == [1, 10, 6]  # type: ignore[attr-defined]


@needs_r
def test_the_lines_for_r_run_as_they_stand(shipped_run: Registry, tmp_path: Path) -> None:
    (tmp_path / "lines.R").write_text(block("r"), encoding="utf-8")
    said = run(tmp_path, "Rscript", "lines.R", MYOSITIS_REGISTRY=str(shipped_run.folder))
    assert "msa=NXP2  38" in said
