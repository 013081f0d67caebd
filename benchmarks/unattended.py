"""From a delivery in landing to its report: with the daemon, beside `myositis run` on the same deliveries.

    python -m benchmarks.unattended

The registry that ships, with its own settings. Each delivery holds the patients of the shipped one under
another name. Aim: at most twice the time of the work itself, which `myositis run` shows.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.unattended.stage import Stage, shipped

MONTHS = ("2024-01", "2024-02", "2024-03")
AT_ONCE = tuple(f"2025-{month:02}" for month in range(1, 7))
PAUSE_SECONDS = 15.0  # until the daemon has looked again and waits


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        registry = Path(folder) / "registry"
        stage = Stage(registry, shipped(registry))
        expected: dict[str, str] = {}
        print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        for path in sorted((stage.folder.parent / "held" / "zjch").iterdir()):
            (shutil.copytree(path, stage.folder / "landing" / "zjch" / path.name) / "_SUCCESS").touch()
            expected[f"zjch/{path.name}"] = "accepted"
        _drop(stage, expected, "2023-01")
        _run(stage)
        stage.start()
        try:
            stage.settle(expected=expected)
            for name in MONTHS:
                time.sleep(PAUSE_SECONDS)
                _print_daemon(stage, expected, (name,))
            time.sleep(PAUSE_SECONDS)
            _print_daemon(stage, expected, AT_ONCE)
        finally:
            stage.stop()
            stage.reader.ends.set()
        for year in ("2022", "2021", "2020"):
            began = time.monotonic()
            _drop(stage, expected, f"{year}-01")
            _run(stage)
            print(f"myositis run, one delivery: {time.monotonic() - began:.1f} s", flush=True)


def _run(stage: Stage) -> None:
    done = stage.command("run")
    if done.returncode != 0:
        sys.exit(f"myositis run ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _drop(stage: Stage, expected: dict[str, str], name: str) -> None:
    stage.deliver(name)
    expected[f"zjfah/{name}"] = "accepted"


def _print_daemon(stage: Stage, expected: dict[str, str], names: tuple[str, ...]) -> None:
    began = time.monotonic()
    for name in names:
        _drop(stage, expected, name)
    stage.settle(expected=expected, seconds=900)
    what = "one delivery" if len(names) == 1 else f"{len(names)} deliveries at once"
    print(f"daemon, {what}, to the report: {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
