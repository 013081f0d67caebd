"""What a delivery of 100,000 rows costs in a warehouse of 0, 1, 10 and 50 million: it must not grow with the
warehouse.

    python -m benchmarks.delivery                          # needs about 20 GB of disk and over an hour
    python -m benchmarks.delivery --warehouse 0 1000000

One warehouse grows from size to size through the real path: deliveries of at most ten million rows arrive,
and each is built before the next. Every patient has 200 results. The measured delivery adds 200 results to
each of 500 known patients, the first of those who came since the previous size; in the empty warehouse the
patients are new. The delivery's cost is its ingestion (raw suite included) and its build (staging to marts,
dbt's tests included). The release that follows is measured separately, because it is a full copy by design,
gated by suites on all of it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.laboratory import ROOT, make_delivery, make_registry, measured

LARGEST_DELIVERY = 10_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--warehouse", nargs="*", type=int, default=[0, 1_000_000, 10_000_000, 50_000_000])
    parser.add_argument("--rows", type=int, default=100_000, help="of the delivery that is measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=ROOT / "benchmarks") as folder:
        make_registry(Path(folder))
        held = 0
        for size in sorted(arguments.warehouse):
            grow(folder, held, size)
            make_delivery(
                Path(folder), f"measured_{size:09}", arguments.rows, patients_of=f"P{held}_", shift_days=3
            )
            print(f"{arguments.rows:,} rows into {size:,}")
            print(f"  ingest   {measured('ingest', folder, f'measured_{size:09}')}", flush=True)
            print(f"  build    {measured('build', folder)}", flush=True)
            print(f"  release  {measured('release', folder)}", flush=True)
            held = max(size, 1)


def grow(folder: str, held: int, size: int) -> None:
    """A built warehouse of ``size`` rows from one of ``held``; at least one row, for the first build makes
    every table.
    """
    for start in range(held, max(size, 1), LARGEST_DELIVERY):
        delivery, rows = f"bulk_{start:09}", max(min(LARGEST_DELIVERY, size - start), 1)
        make_delivery(Path(folder), delivery, rows, patients_of=f"P{start}_")
        took = measured("load", folder, delivery), measured("build", folder)
        print(f"  grown by {rows:,}: load {took[0]}; build {took[1]}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
