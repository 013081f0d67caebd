"""One run of the shipped registry, shared by the tests that begin with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.registry.folder import Registry
from tests.registries import copy_as_it_stands, made_once, run, shipped


@pytest.fixture(scope="session")
def shipped_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped registry after its run. For reading, and for copies."""
    return made_once(tmp_path_factory, "shipped", _run_the_shipped_registry)


@pytest.fixture(scope="session")
def shipped_run(shipped_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """The same, for tests that leave every table as it was."""
    return copy_as_it_stands(shipped_folder, tmp_path_factory.mktemp("shipped") / "registry")


def _run_the_shipped_registry(folder: Path) -> None:
    outcome = run(shipped(folder), in_two_processes=True)
    assert outcome.refusals == ()
    assert outcome.released is not None
