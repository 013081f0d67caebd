"""Laboratory rows into raw by format, against DuckDB's bare read where it reads that format too.

    python -m benchmarks.formats      # 10 million rows; a sheet: 1,048,575; a million for SPSS, Stata, SAS
    python -m benchmarks.formats --rows 100000 csv parquet

From raw to marts the way is the same for every format: `python -m benchmarks.ingest` prints it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.laboratory import ROOT, make_delivery, make_registry, measured

READERS = {
    "csv": "read_csv('{file}', all_varchar = true)",
    "csv.gz": "read_csv('{file}', all_varchar = true)",
    "parquet": "read_parquet('{file}')",
    "ndjson": "read_json('{file}')",
}
MOST_ROWS = {"xlsx": 1_048_575, "sav": 1_000_000, "dta": 1_000_000, "xpt": 1_000_000}
FORMATS = (*READERS, *MOST_ROWS)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("formats", nargs="*", default=list(FORMATS), help=f"of {', '.join(FORMATS)}")
    parser.add_argument("--rows", type=int, default=10_000_000)
    arguments = parser.parse_args()
    if unknown := set(arguments.formats) - set(FORMATS):
        parser.error(f"no format {', '.join(sorted(unknown))}; known: {', '.join(FORMATS)}")
    print(f"{'format':8} {'rows':>11} {'MB':>6} {'rows/s':>10} {'peak MB':>8} {'x bare read':>11}")
    for suffix in arguments.formats:
        rows = min(arguments.rows, MOST_ROWS.get(suffix, arguments.rows))
        with tempfile.TemporaryDirectory(dir=ROOT / "benchmarks") as folder:
            make_registry(Path(folder))
            file = make_delivery(Path(folder), "first", rows, suffix)
            reader = READERS.get(suffix, "").format(file=file)
            before = measured("bare", reader, folder).seconds if reader else None
            ours = measured("load", folder, "first")
            after = measured("bare", reader, folder).seconds if reader else None
            ratio = f"{2 * ours.seconds / (before + after):.2f}" if before and after else "-"
            print(
                f"{suffix:8} {rows:11,} {file.stat().st_size / 1e6:6,.0f} {rows / ours.seconds:10,.0f} "
                f"{ours.peak:8,.0f} {ratio:>11}",
                flush=True,
            )


if __name__ == "__main__":
    main()
