"""The decision on a delivery: taken, refused with reasons, already known, or left for the next run.

Does not belong here: deciding (`ingestion.py`), the later states of a load (`ledger.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from orchestration.running.refusals import DeliveryRefusal


class DeliveryRefused(Exception):
    """A delivery cannot be read whole by its mapping; holds every reason, one sentence each."""

    def __init__(self, sender: str, delivery: str, reasons: list[str]) -> None:
        self.sender, self.delivery, self.reasons = sender, delivery, reasons
        super().__init__(DeliveryRefusal(sender, delivery, tuple(reasons)).sentence())


@dataclass
class LoadSummary:
    """Counts of one load; no values."""

    load_id: str
    files: int = 0
    rows_read: int = 0
    rows_malformed: int = 0
    records: dict[str, int] = field(default_factory=dict)


class Decision(StrEnum):
    """What a verdict says."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNCHANGED = "unchanged"  # this content is in force already
    STANDS = "stands refused"  # this content was refused before, and nothing that decides has changed
    WITHDRAWN = "withdrawn"  # a record takes this content out of force
    # the folder is gone or not complete, or a file changed while it was read: the content may never have been
    # a whole file
    LEFT = "left for the next run"


@dataclass(frozen=True)
class Verdict:
    """The decision on one delivery as it lies in landing now; counts and sentences, no values."""

    sender: str
    delivery: str
    decision: Decision
    reasons: tuple[str, ...] = ()
    summary: LoadSummary | None = None  # of an accepted delivery
    is_broken: bool = False  # refused because reading it ended in a way that nobody foresaw
    # whether content and mapping alone refuse it: then no other delivery and no record can let it in
    is_by_itself: bool = False

    @property
    def is_accepted(self) -> bool:
        return self.decision is Decision.ACCEPTED

    @property
    def refusal(self) -> DeliveryRefusal | None:
        """The record of a delivery that is not in force as it lies in landing now; None if it is."""
        if self.decision in (Decision.ACCEPTED, Decision.UNCHANGED):
            return None
        return DeliveryRefusal(
            self.sender,
            self.delivery,
            self.reasons,
            is_left=self.decision in (Decision.LEFT, Decision.WITHDRAWN),
            stands=self.decision is Decision.STANDS,
        )

    @property
    def is_new(self) -> bool:
        """Whether the ledger does not hold it yet, and should."""
        return self.decision in (Decision.ACCEPTED, Decision.REFUSED)


def accepted(sender: str, delivery: str, summary: LoadSummary) -> Verdict:
    return Verdict(sender, delivery, Decision.ACCEPTED, summary=summary)


def refused(sender: str, delivery: str, reasons: Sequence[str], *, is_by_itself: bool = False) -> Verdict:
    return Verdict(sender, delivery, Decision.REFUSED, tuple(reasons), is_by_itself=is_by_itself)


def broken(sender: str, delivery: str, error: Exception) -> Verdict:
    """The verdict on a delivery whose reading ended in an error that no reader foresaw. The error's own words
    may quote the delivery, so they are not told.
    """
    reason = (
        f"landing/{sender}/{delivery}: reading it ended in an error that was not foreseen "
        f"({type(error).__name__}); expected files that can be read or are refused for a stated reason. Ask "
        "the hospital for the files again. If they are as they should be, run again with --debug, and "
        "report the traceback: the next run reads the delivery anew"
    )
    return Verdict(sender, delivery, Decision.REFUSED, (reason,), is_broken=True)


def left(sender: str, delivery: str) -> Verdict:
    reason = f"landing/{sender}/{delivery}: a file was written while it was read; left for the next run"
    return Verdict(sender, delivery, Decision.LEFT, (reason,))


def gone(sender: str, delivery: str) -> Verdict:
    reason = (
        f"landing/{sender}/{delivery}: the folder is gone; what was taken from it before stays in force. "
        "Put the folder back and run again"
    )
    return Verdict(sender, delivery, Decision.LEFT, (reason,))


def arriving(sender: str, delivery: str, reason: str) -> Verdict:
    return Verdict(sender, delivery, Decision.LEFT, (reason,))


def unchanged(sender: str, delivery: str) -> Verdict:
    return Verdict(sender, delivery, Decision.UNCHANGED)


def stands(sender: str, delivery: str, reason: str) -> Verdict:
    return Verdict(sender, delivery, Decision.STANDS, tuple(reason.split("\n")))


def withdrawn(sender: str, delivery: str) -> Verdict:
    reason = f"withdrawn by a record in corrections/{sender}.yml; it is taken once the record is removed"
    return Verdict(sender, delivery, Decision.WITHDRAWN, (reason,))
