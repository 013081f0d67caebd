"""What a check found, in counts, and which results stop the gate.

Belongs here: the result and its one line. Does not belong here: how a check is computed (`runner.py`) or
judged (`judgement.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

BLOCKING = "blocking"


@dataclass(frozen=True)
class CheckResult:
    """One expectation on one table and, for a rule judged per hospital, on one hospital. Holds no patient's
    value.

    ``observed`` and ``threshold`` are counts, shares and catalogue names; ``note`` says what was expected,
    where the threshold comes from, and what waives it.
    """

    suite: str
    expectation: str
    layer: str
    table: str
    column: str | None
    hospital_id: str | None
    severity: str
    observed: str | int
    threshold: str
    passed: bool
    waived: bool
    note: str

    def sentence(self) -> str:
        """The finding as one line: place, check, what was found, what is expected and why."""
        place = ".".join(part for part in (self.layer, self.table, self.column) if part)
        hospital = f" of hospital {self.hospital_id}" if self.hospital_id else ""
        found = f"found {self.observed} unexpected, allowed {self.threshold}"
        if isinstance(self.observed, int):
            found = f"found {self.observed} rows, expected {self.threshold}"
        if self.observed == "not computed":
            found = str(self.observed)
        return f"{place}{hospital}: {self.expectation}: {found}. {self.note}"


def gate(results: Iterable[CheckResult]) -> list[CheckResult]:
    """The results that must stop a delivery or a release: blocking, failed, and not waived."""
    return [r for r in results if r.severity == BLOCKING and not r.passed and not r.waived]
