"""What all files that people declare have in common: strict models, ids, and faults that know their place.

Belongs here: the base of the models of mappings, studies and suites. Does not belong here: any key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

ID_PATTERN = r"^[a-z][a-z0-9_]*$"
Id = Annotated[str, Field(pattern=ID_PATTERN)]


class Strict(BaseModel):
    """A part of a declared file: an unknown key is an error, and what was read does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Fault:
    """One fault: the keys that lead to it, the part in words, and a sentence."""

    location: tuple[str | int, ...]
    part: str
    sentence: str


class PlacedFaults(ValueError):
    """Several faults of one file, each with the place of its key."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.placed = tuple(dict.fromkeys(faults))
        super().__init__("; ".join(f"{f.part}: {f.sentence}" for f in self.placed))
