"""docs/mapping.md is what a new user works from: every key stands in an example there, and every example is valid."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration.entities import ENTITIES, ColumnSource
from orchestration.mapping import ChangesAllowed, CodeList, Codes, Export, HospitalEntry, Mapping
from orchestration.mapping_file import read_mapping

PAGE = Path(__file__).parents[2] / "docs" / "mapping.md"
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
HEAD = {"sender": "example", "name": "Example", "exports": [{"file": "none.csv", "ignored": ["*"]}]}
NORTH = """\
sender: north
name: North
exports:
  - {name: visits, file: visits.csv, observations: {patient_id: id, values: {alt: ALT}}, identifiers: [id]}
"""


def whole(example: dict[str, Any]) -> dict[str, Any]:
    """A mapping of what the page shows: a mapping, some keys of one, or one export."""
    if example.keys() <= Mapping.model_fields.keys():
        return HEAD | example
    return HEAD | {"exports": [example]}


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_page_is_valid(tmp_path: Path, example: str) -> None:
    (tmp_path / "north.yml").write_text(NORTH, encoding="utf-8")
    (tmp_path / "example.yml").write_text(yaml.safe_dump(whole(yaml.safe_load(example)), allow_unicode=True), encoding="utf-8")
    read_mapping(tmp_path / "example.yml", "example.yml")


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def test_every_key_of_the_language_stands_in_an_example() -> None:
    models = (Mapping, ChangesAllowed, HospitalEntry, Codes, Export, CodeList, ColumnSource, *ENTITIES.values())
    shown = {key for example in EXAMPLES for key in keys(yaml.safe_load(example))}
    assert {key for model in models for key in model.model_fields} - shown == set()
    assert "not" in shown
