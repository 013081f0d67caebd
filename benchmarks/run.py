"""Wall seconds of `myositis run` on a copy of the shipped registry: the first run, then again with nothing new."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MADE = shutil.ignore_patterns("warehouse", "release", "reports", "queries", ".dagster", ".keys")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        registry = Path(folder) / "registry"
        shutil.copytree(ROOT / "registry", registry, ignore=MADE)
        command = [str(Path(sys.executable).parent / "myositis")]
        subprocess.run([*command, "check", "--registry", str(registry)], check=True, capture_output=True)
        for name in ("first run", "nothing new"):
            started = time.perf_counter()
            done = subprocess.run([*command, "run", "--registry", str(registry)], capture_output=True, text=True)
            print(f"{name:12s} {time.perf_counter() - started:6.1f} s  exit {done.returncode}")
            if done.returncode:
                print(done.stdout, done.stderr)


if __name__ == "__main__":
    main()
