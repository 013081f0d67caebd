"""The gates: suites of expectations on raw and on marts, as data, and how they run.

    from expectations import RAW_SUITE, gate, load_suite, run_suite

    results = run_suite(warehouse, load_suite(RAW_SUITE), parameters={"load_id": load_id})
    if refused := gate(results): …

Importing this package is cheap; Great Expectations is imported by the first `run_suite`.
"""

from __future__ import annotations

from pathlib import Path

from expectations.result import CheckResult, gate
from expectations.runner import run_suite
from expectations.suite import Suite, Waiver, load_suite, load_waivers

RAW_SUITE = Path(__file__).with_name("raw.yml")
MARTS_SUITE = Path(__file__).with_name("marts.yml")
ALL_SUITES = tuple(sorted(Path(__file__).parent.glob("*.yml")))

__all__ = [
    "ALL_SUITES",
    "MARTS_SUITE",
    "RAW_SUITE",
    "CheckResult",
    "Suite",
    "Waiver",
    "gate",
    "load_suite",
    "load_waivers",
    "run_suite",
]
