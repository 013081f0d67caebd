"""When a gate refuses, the step of the Dagster run ends, and whoever started the run gets the record of the
refusal.

Does not belong here: the records (`refusals.py`), which know nothing of Dagster.
"""

from __future__ import annotations

import dagster as dg

from orchestration.running.refusals import Refusal


class GateRefused(dg.Failure):
    """The step fails because a gate refused, not because something broke. A retry would be refused for the
    same reason.
    """

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(description=refusal.sentence(), allow_retries=False)
