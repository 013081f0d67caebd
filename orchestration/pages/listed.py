"""The pages of the explorer, in the order of the navigation.

Belongs here: which pages there are. A page stands at the address of its module's name and is made by its
`routes(shell)`. Does not belong here: what a page shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from starlette.routing import Route

from orchestration.pages.language import marked
from orchestration.pages.shell import Listed, Shell

TITLES = {
    "compare": marked("Compare"),
    "courses": marked("Courses"),
    "time_to_event": marked("Time to event"),
    "patient": marked("Patient"),
    "cohort": marked("Cohort"),
    "data": marked("Data"),
    "releases": marked("Releases"),
    "ask": marked("Ask"),
}


@dataclass(frozen=True)
class Page:
    """A module of this folder. Its ``is_shown(registry)``, if it has one, may hide it from the navigation."""

    name: str
    module: ModuleType

    @property
    def listed(self) -> Listed:
        address = "/" + self.name.replace("_", "-")
        condition = getattr(self.module, "is_shown", None)
        return Listed(address, TITLES[self.name], *([condition] if condition else []))

    def routes(self, shell: Shell) -> list[Route]:
        found: list[Route] = self.module.routes(shell)
        return found


PAGES = tuple(
    Page(name, import_module(f"orchestration.pages.{name}"))
    for name in TITLES
    if find_spec(f"orchestration.pages.{name}")
)
