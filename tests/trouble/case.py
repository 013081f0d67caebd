"""A smallest registry with one trouble from the field, run through the real flow.

Belongs here: running a case of this folder. Does not belong here: its right values (`test_<case>.py`).
"""

from __future__ import annotations

from pathlib import Path

from orchestration.registry.folder import Registry
from tests.registries import copy_registry, run

CASES = Path(__file__).parent


def run_case(name: str, tmp_path: Path) -> Registry:
    """The case's registry, copied to ``tmp_path`` and run."""
    registry = copy_registry(CASES / name, tmp_path / name)
    run(registry)
    return registry
