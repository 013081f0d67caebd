"""How a gate's refusal ends a step of a Dagster run, and how the record of it reaches whoever started the
run.

Does not belong here: the records (`refusals.py`), which know nothing of Dagster.
"""

from __future__ import annotations

import dagster as dg

from orchestration.running.refusals import Refusal


class GateRefused(dg.Failure):
    """A step fails because a gate refused, not because something broke; a retry would be refused for the same
    reason.
    """

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(description=refusal.sentence(), allow_retries=False)
