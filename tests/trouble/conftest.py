"""All cases in one registry, run once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.registries import made_once, opened
from tests.trouble.case import Case, make_together, sender_of


@pytest.fixture(scope="session")
def case_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    """The case of this name. Tests read it and change nothing."""
    registry = opened(made_once(tmp_path_factory, "trouble", make_together))

    def found(name: str) -> Case:
        assert sender_of(name) in registry.mappings
        return Case(registry, sender_of(name))

    return found
