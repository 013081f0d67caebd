"""Five signals to a small registry, at its start and in each stage; the run after them ends where an
undisturbed run does.
"""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

from tests.attack.signals import Moment, differs, send, undisturbed, wrong_with

STAGES = (("", 0.2), ("", 1.5), ("outstanding", 1.0), ("taken", 1.0), ("models:", 0.5))


def test_signals_end_a_run_and_the_next_run_ends_where_an_undisturbed_one_does(tmp_path: Path) -> None:
    calm = undisturbed(tmp_path, has_release=False)
    registry = tmp_path / "registry"
    shutil.copytree(calm.before, registry, symlinks=True)
    rng, sent = random.Random(18), 0
    for i, (after, longest) in enumerate(STAGES):
        number = (signal.SIGINT, signal.SIGTERM)[i % 2]
        moment = Moment("run", after, rng.uniform(0, longest), number, is_for_group=i % 4 < 2)
        ended = send(moment, registry)
        assert wrong_with(moment, ended) == []
        sent += ended.is_in_time
    assert sent == len(STAGES)
    assert differs(calm, registry) == []
