"""One run of the shipped registry, shared by the tests that only read it."""

from __future__ import annotations

import pytest

from orchestration.registry.folder import Registry
from tests.registries import run, shipped


@pytest.fixture(scope="session")
def shipped_run(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = shipped(tmp_path_factory.mktemp("shipped") / "registry")
    outcome = run(registry, in_two_processes=True)
    assert outcome.refusals == ()
    assert outcome.released is not None
    return registry
