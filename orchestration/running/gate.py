"""When a gate refuses, the step of the Dagster run ends, and whoever started the run gets the record of the
refusal.

Does not belong here: the records (`refusals.py`), which know nothing of Dagster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from orchestration.running.refusals import Refusal


class GateRefused(dg.Failure):
    """The step fails because a gate refused, not because something broke. A retry would be refused for the
    same reason.
    """

    def __init__(self, refusal: Refusal, metadata: Mapping[str, Any] | None = None) -> None:
        self.refusal = refusal
        super().__init__(description=refusal.sentence(), metadata=metadata, allow_retries=False)


class LeftForLater(GateRefused):
    """The step fails because nothing was judged: files are still arriving. The same content may be taken
    soon.
    """
