"""Runs the smallest registry that showed one fault from the field, for the test that holds its right value.

Belongs here: what all cases share. Does not belong here: any expectation.
"""

from __future__ import annotations

from pathlib import Path

from orchestration.registry.folder import Registry
from tests.registries import copy_registry, run

CASES = Path(__file__).parent


def run_case(name: str, tmp_path: Path) -> Registry:
    """Copy the case's registry to ``tmp_path``, run the flow on it, and return it for queries."""
    registry = copy_registry(CASES / name, tmp_path / name)
    run(registry)
    return registry
