"""What a delivery of 100,000 rows costs in a warehouse of 0, 1, 10 and 50 million: it must not grow with the warehouse.

    python -m benchmarks.delivery                          # needs about 20 GB of disk and half an hour
    python -m benchmarks.delivery --warehouse 0 1000000

The warehouse is filled through the real path, in deliveries of at most ten million rows; patients have 200 results each.
The delivery that is measured adds 200 results to each of 500 patients who are known already. Its ingestion (raw suite
included) and its build (staging to marts, dbt's tests included) are the delivery's cost. The release behind it is a full
copy by design, gated by suites on all of it, and stands apart.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.laboratory import ROOT, make_delivery, make_registry, measured

LARGEST_DELIVERY = 10_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--warehouse", nargs="*", type=int, default=[0, 1_000_000, 10_000_000, 50_000_000])
    parser.add_argument("--rows", type=int, default=100_000, help="of the delivery that is measured")
    arguments = parser.parse_args()
    for size in arguments.warehouse:
        with tempfile.TemporaryDirectory(dir=ROOT / "benchmarks") as folder:
            fill(Path(folder), size)
            make_delivery(Path(folder), "measured", arguments.rows, patients_of="P0_", shift_days=3)
            print(f"{arguments.rows:,} rows into {size:,}")
            print(f"  ingest   {measured('ingest', folder, 'measured')}", flush=True)
            print(f"  build    {measured('build', folder)}", flush=True)
            print(f"  release  {measured('release', folder)}", flush=True)


def fill(folder: Path, size: int) -> None:
    """A built warehouse of ``size`` rows; at least one row, for the first build makes every table."""
    make_registry(folder)
    for number, start in enumerate(range(0, max(size, 1), LARGEST_DELIVERY)):
        delivery = f"bulk_{number}"
        rows = max(min(LARGEST_DELIVERY, size - start), 1)
        make_delivery(folder, delivery, rows, patients_of=f"P{number}_")
        measured("load", folder, delivery)
    measured("build", folder)


if __name__ == "__main__":
    main()
