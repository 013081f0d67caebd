"""What the process that serves the pages is told when it is started.

Belongs here: the record alone, so that who starts the process need not import a web server.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Options:
    host: str
    port: int
    token_file: str  # not the token: the command line of a process is open to every user of the machine
    workspace: str

    def as_json(self) -> str:
        return json.dumps(asdict(self))
