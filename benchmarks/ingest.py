"""A CSV delivery of long laboratory rows into raw, against what DuckDB alone takes to read it; then into
marts.

    python -m benchmarks.ingest 10000000

The bare read is `create table as select * from read_csv(all_varchar = true)` into a fresh database file. It
is measured before and after our own reading, in the same run.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.laboratory import ROOT, make_delivery, make_registry, measured


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory(dir=ROOT / "benchmarks") as folder:
        make_registry(Path(folder))
        file = make_delivery(Path(folder), "first", rows)
        print(f"{rows:,} rows, {file.stat().st_size / 1e6:.0f} MB")
        reader = f"read_csv('{file}', all_varchar = true)"
        before = measured("bare", reader, folder)
        ours = measured("load", folder, "first")
        after = measured("bare", reader, folder)
        ratio = 2 * ours.seconds / (before.seconds + after.seconds)
        print(f"bare read_csv     {before}\n                  {after}")
        print(f"ingest to raw     {ours}   {ratio:.2f} times the bare read", flush=True)
        models = measured("build", folder)
        print(f"staging to marts  {models}   {rows / models.seconds:,.0f} rows/s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)
