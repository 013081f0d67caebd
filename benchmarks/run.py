"""Wall seconds of `myositis run` on a copy of the shipped registry: the first run, then again with nothing
new.

Beside them, in the same minutes, it measures what no run can do without: importing the libraries, and dbt's
own command on the same models, seeds and tests, in a copy of the warehouse that the run made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from orchestration.registry.folder import MADE

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
IMPORTS = (
    "import dagster, dagster_dbt, dbt.cli.main, great_expectations, pandas, scipy.stats, statsmodels.api, "
    "lifelines, matplotlib.pyplot"
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        registry = Path(folder) / "registry"
        shutil.copytree(ROOT / "registry", registry, ignore=shutil.ignore_patterns(*MADE))
        subprocess.run(
            [BIN / "myositis", "check", "--registry", str(registry)], check=True, capture_output=True
        )
        print("                          wall     processor")
        for name in ("first run", "nothing new"):
            timed(name, [BIN / "myositis", "run", "--registry", str(registry)])
        timed("imports alone", [sys.executable, "-c", IMPORTS])
        built = Path(folder) / "bare"
        built.mkdir()
        shutil.copy(registry / "warehouse" / "warehouse.duckdb", built)
        timed(
            "dbt build alone",
            [
                BIN / "dbt",
                "build",
                "--full-refresh",
                "--exclude-resource-type",
                "unit_test",
                "--exclude",
                "path:seeds,resource_type:test",
                "--project-dir",
                ROOT / "dbt_project",
                "--profiles-dir",
                ROOT / "dbt_project",
                "--target-path",
                built / "target",
                "--log-path",
                built / "logs",
            ],
            MYOSITIS_WAREHOUSE=str(built / "warehouse.duckdb"),
        )


def timed(name: str, command: list[object], **environment: str) -> None:
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, env=os.environ | environment
    )
    seconds, after = time.perf_counter() - started, os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    print(f"{name:20s} {seconds:8.1f} s {processor:8.1f} s  exit {done.returncode}", flush=True)
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-2000:])


if __name__ == "__main__":
    main()
