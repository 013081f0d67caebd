"""What the benchmarks of the flow share: a registry of one laboratory, its deliveries, and steps that are
measured.

Each step runs in its own process, so peak memory and processor seconds are those of the step alone.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS_PER_PATIENT = 200

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
  - file: labs.*
    observations: {patient_id: id, observed_on: date, concept: test, value: result, unit: unit}
"""


@dataclass(frozen=True)
class Measured:
    """Of one step: wall and processor seconds (user and system), peak memory of its process in MB."""

    seconds: float
    processor: float
    peak: float

    def __str__(self) -> str:
        return f"{self.seconds:8.1f} s wall {self.processor:8.1f} s processor {self.peak:8,.0f} MB"


def make_registry(folder: Path) -> None:
    (folder / "hospitals").mkdir(parents=True)
    (folder / "registry.yml").write_text(REGISTRY)
    (folder / "hospitals" / "lab.yml").write_text(MAPPING)


def make_delivery(
    folder: Path, delivery: str, rows: int, suffix: str = "csv", patients_of: str = "P", shift_days: int = 0
) -> Path:
    """Long laboratory rows of as many patients as have 200 each, one a week; returns the laboratory's
    file.
    """
    import duckdb

    target = folder / "landing" / "lab" / delivery
    target.mkdir(parents=True)
    patients = max(rows // RESULTS_PER_PATIENT, 1)
    labs = (
        f"select '{patients_of}' || (i % {patients}) as id, "
        f"(date '2020-01-01' + ((i // {patients}) * 7 + {shift_days})::int)::varchar as date, ['CK', 'AST', "
        "'ALT', 'LDH'][1 + (hash(i) % 4)::int] as test, (1 + hash(i) % 900)::varchar as result, "
        f"'U/L' as unit from range({rows}) t(i)"
    )
    file = target / f"labs.{suffix}"
    written = {
        "csv": "(header)",
        "csv.gz": "(header, compression gzip)",
        "parquet": "(format parquet)",
        "ndjson": "(format json)",
    }
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select '{patients_of}' || i as id, 'female' as sex, '2020-01-01' as admitted "
            f"from range({patients}) t(i)) to '{target}/patients.csv' (header)"
        )
        if suffix in written:
            connection.execute(f"copy ({labs}) to '{file}' {written[suffix]}")
        else:
            _write_otherwise(connection.sql(labs), file, suffix)
    return file


def _write_otherwise(labs, file: Path, suffix: str) -> None:
    if suffix == "xlsx":
        import openpyxl

        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet("labs")
        sheet.append(labs.columns)
        while rows := labs.fetchmany(10_000):
            for row in rows:
                sheet.append(row)
        book.save(file)
        return
    import pyreadstat

    write = {"sav": pyreadstat.write_sav, "dta": pyreadstat.write_dta, "xpt": pyreadstat.write_xport}[suffix]
    write(labs.df(), str(file))


def bare(reader: str, folder: str) -> float:
    """What DuckDB alone takes for create table as select * from the file, into a fresh database file."""
    import duckdb

    target = Path(folder) / "bare.duckdb"
    target.unlink(missing_ok=True)
    started = time.perf_counter()
    with duckdb.connect(str(target)) as connection:
        connection.execute(f"create table labs as select * from {reader}")
    return time.perf_counter() - started


def ingest(folder: str, delivery: str) -> float:
    from orchestration.raw.ingestion import ingest as take

    registry = _registry(folder)
    started = time.perf_counter()
    take(registry, "lab", delivery)
    return time.perf_counter() - started


def load(folder: str, delivery: str) -> float:
    """Ingestion without the raw suite: what a bare read is compared with."""
    from orchestration.running import checks

    checks.__dict__["run_suite"] = lambda *_, **__: []
    return ingest(folder, delivery)


def build(folder: str) -> float:
    """Staging to marts with dbt's tests."""
    from orchestration.warehouse.build import build as build_models

    registry = _registry(folder)
    started = time.perf_counter()
    results, _ = build_models(registry)
    if failed := [r.unique_id for r in results if not r.passed]:
        raise SystemExit(f"failed: {failed}")
    return time.perf_counter() - started


def release(folder: str) -> float:
    """The marts suite, and the copy of the marts into a release."""
    from orchestration.release.candidate import make_candidate

    registry = _registry(folder)
    started = time.perf_counter()
    make_candidate(registry)
    return time.perf_counter() - started


def _registry(folder: str):
    from orchestration.registry.folder import load_registry
    from orchestration.resources import point_at

    registry = load_registry(Path(folder))
    point_at(registry)
    return registry


STEPS: dict[str, Callable[..., float]] = {
    "bare": bare,
    "ingest": ingest,
    "load": load,
    "build": build,
    "release": release,
}


def measured(step: str, *arguments: object) -> Measured:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.laboratory", step, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{step} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return Measured(*map(float, done.stdout.split()[-3:]))


def main(step: str, *arguments: str) -> None:
    import resource

    seconds = STEPS[step](*arguments)
    used = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime + children.ru_utime + children.ru_stime
    print(seconds, processor, max(used.ru_maxrss, children.ru_maxrss) / 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
