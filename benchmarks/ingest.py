"""A CSV delivery of long laboratory rows into raw, against what DuckDB alone takes to read it; then into marts.

    python benchmarks/ingest.py 10000000

Each measurement runs in a process of its own, so that peak memory is its own too. The bare read is
`create table as select * from read_csv(all_varchar = true)` into a fresh database file, before and after ours.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

REGISTRY = """\
name: benchmark
synthetic: true
visit_schedule: [{visit: baseline, nominal_month: 0, nominal_day: 0, from_day: -14, to_day: 14}]
quiet_seconds: 0
"""
MAPPING = """\
sender: lab
name: A laboratory
exports:
  - file: patients.csv
    patients: {patient_id: id, sex: sex, origin_date: admitted}
    visits: {patient_id: id, visit_date: admitted}
  - file: labs.csv
    observations: {patient_id: id, observed_on: date, concept: test, value: result, unit: unit}
"""


def make(folder: Path, rows: int) -> Path:
    import duckdb

    delivery = folder / "landing" / "lab" / "first"
    delivery.mkdir(parents=True)
    (folder / "hospitals").mkdir()
    (folder / "registry.yml").write_text(REGISTRY)
    (folder / "hospitals" / "lab.yml").write_text(MAPPING)
    with duckdb.connect() as connection:
        connection.execute("set preserve_insertion_order = true")
        connection.execute(
            "copy (select 'P' || (i % 50000) as id, (date '2020-01-01' + (i % 1500)::int)::varchar as date,"
            " (['CK', 'AST', 'ALT', 'LDH'])[1 + i % 4] as test, (1 + i % 900)::varchar as result, 'U/L' as unit"
            f" from range({rows}) t(i)) to '{delivery}/labs.csv' (header)"
        )
        connection.execute(
            "copy (select 'P' || i as id, 'female' as sex, '2020-01-01' as admitted from range(50000) t(i))"
            f" to '{delivery}/patients.csv' (header)"
        )
    return delivery / "labs.csv"


def bare(file: Path, folder: Path) -> None:
    import duckdb

    target = folder / "bare.duckdb"
    target.unlink(missing_ok=True)
    started = time.perf_counter()
    with duckdb.connect(str(target)) as connection:
        connection.execute(f"create table labs as select * from read_csv('{file}', all_varchar = true)")
    print(time.perf_counter() - started)


def ours(folder: Path) -> None:
    from orchestration.database import warehouse
    from orchestration.loading import load_delivery, record_state, take_inventory
    from orchestration.registry import load_registry

    registry = load_registry(folder)
    with warehouse(registry.warehouse) as connection:
        started = time.perf_counter()
        inventory = take_inventory(registry, "lab", "first")
        load_delivery(connection, registry, inventory)
        record_state(connection, inventory, "incremental", "accepted")
    print(time.perf_counter() - started)


def models(folder: Path) -> None:
    from orchestration.registry import load_registry
    from orchestration.resources import point_at
    from orchestration.warehouse import build

    registry = load_registry(folder)
    point_at(registry)
    started = time.perf_counter()
    results, _ = build(registry)
    failed = [r.unique_id for r in results if not r.passed]
    print(time.perf_counter() - started)
    if failed:
        print("failed:", failed, file=sys.stderr)


def measured(*arguments: str) -> tuple[float, float]:
    """(seconds that the step says it took, peak MB of its process)."""
    code = (
        "import resource, sys; sys.path.insert(0, sys.argv[1]); sys.argv = sys.argv[1:];"
        "from benchmarks import ingest; ingest.step(*sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(ROOT), *arguments], capture_output=True, text=True, check=True)
    seconds, peak = done.stdout.split()[-2:]
    return float(seconds), float(peak)


def step(name: str, *paths: str) -> None:
    {"bare": bare, "ours": ours, "models": models}[name](*map(Path, paths))


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory(dir=ROOT / "benchmarks") as folder:
        file = make(Path(folder), rows)
        print(f"{rows:,} rows, {file.stat().st_size / 1e6:.0f} MB")
        first, _ = measured("bare", str(file), folder)
        seconds, peak = measured("ours", folder)
        second, _ = measured("bare", str(file), folder)
        base = (first + second) / 2
        print(f"bare read_csv          {first:7.1f} s and {second:.1f} s")
        print(f"ingest to raw          {seconds:7.1f} s   {seconds / base:.2f} times the bare read   peak {peak:,.0f} MB")
        seconds, peak = measured("models", folder)
        print(f"staging to marts       {seconds:7.1f} s   {rows / seconds:,.0f} rows/s   peak {peak:,.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)
