"""Drives the real daemon on a copy of the registry that ships, through a script of arrivals, refusals, edits,
kills, collisions and clicks.

    python -m tests.unattended [--folder DIR] [--from N] [--only N,N]

Prints one line per step with its seconds, then a summary. Exit code 0 when every step is as expected.
"""

from __future__ import annotations

import argparse
import logging
import re
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.unattended.script import SETTINGS, Expected, always, script
from tests.unattended.stage import Stage, Unmet, shipped


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.unattended", description=__doc__.split("\n\n")[0])
    parser.add_argument("--folder", type=Path, help="work here and leave everything behind")
    parser.add_argument("--only", help="numbers of steps, with commas; the first two are always made")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="unattended-"))
    wanted = {int(n) for n in given.only.split(",")} | {1, 2} if given.only else None
    try:
        failed = play(folder, wanted)
    finally:
        if not given.folder:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


def play(folder: Path, wanted: set[int] | None) -> int:
    """Play the steps; returns how many were not as expected."""
    folder.mkdir(parents=True, exist_ok=True)
    registry = folder / "registry"
    stage = Stage(registry, shipped(registry))
    settings = registry / "registry.yml"
    text = re.sub(r"^unattended:.*$", SETTINGS, settings.read_text(), flags=re.MULTILINE)
    settings.write_text(text.replace("quiet_seconds: 10", "quiet_seconds: 3"))
    expected: Expected = {}
    began, made, failed = time.monotonic(), 0, []
    try:
        for number, (sentence, step) in enumerate(script.steps, 1):
            if wanted is not None and number not in wanted:
                continue
            started = time.monotonic()
            try:
                step(stage, expected)
                always(stage, expected) if "faulty edit" not in sentence else None
                word = "ok  "
            except Unmet as unmet:
                word, told = "FAIL", str(unmet)
                failed.append(number)
            except Exception:
                word, told = "FAIL", traceback.format_exc()
                failed.append(number)
            made += 1
            print(f"{number:3}  {word}  {time.monotonic() - started:6.1f} s  {sentence}", flush=True)
            if word == "FAIL":
                print("        " + told.replace("\n", "\n        "), flush=True)
    finally:
        stage.reader.ends.set()
        if stage.process is not None and stage.process.poll() is None:
            stage.stop()
    print(
        f"{made - len(failed)} of {made} steps are as expected, in {(time.monotonic() - began) / 60:.0f} min;"
        f" a reader opened the release {stage.reader.looks:,} times and met {len(stage.reader.faults)} faults"
        + (f"; not as expected: {', '.join(map(str, failed))}" if failed else "")
    )
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
