"""The records of what a gate refused (a delivery, or a build with its release), and of a release that was not
published.

Belongs here: what was refused, and the sentences why. Does not belong here: refusing (the layers), showing
(`command/`). Nor Dagster: code that only reads the ledger should not have to import it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DeliveryRefusal:
    """A delivery that was not taken, one sentence a reason."""

    sender: str
    delivery: str
    reasons: tuple[str, ...]
    is_left: bool = False  # not judged: the next run looks again
    stands: bool = False  # refused in an earlier run, and not replaced since

    @property
    def key(self) -> tuple[str, str]:
        return self.sender, self.delivery

    def sentence(self) -> str:
        word = "not taken" if self.is_left else "stands refused" if self.stands else "refused"
        lines = (line for reason in self.reasons for line in reason.split("\n"))
        return f"{self.sender}/{self.delivery} {word}:\n" + "\n".join(f"  {line}" for line in lines)


@dataclass(frozen=True)
class BuildRefusal:
    """A build that a gate ended: a correction no longer holds, a test of the models failed, or the suite of
    the marts did.
    """

    told: str

    def sentence(self) -> str:
        return self.told


@dataclass(frozen=True)
class NotPublished:
    """A release that could not be written into the registry's database. The release itself stands."""

    told: str

    def sentence(self) -> str:
        return self.told


Refusal = DeliveryRefusal | BuildRefusal | NotPublished
