"""docs/mapping.md is what a new user works from: every key stands in an example there, and every example is
valid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from orchestration.exports.formats import STATED
from orchestration.registry.catalogue import seed
from orchestration.registry.entities import ENTITIES, ColumnSource, Condition
from orchestration.registry.mapping import ChangesAllowed, CodeList, Codes, Export, HospitalEntry, Mapping
from orchestration.registry.mapping_file import read_mapping

PAGE = Path(__file__).parents[2] / "docs" / "mapping.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
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
    (tmp_path / "example.yml").write_text(
        yaml.safe_dump(whole(yaml.safe_load(example)), allow_unicode=True), encoding="utf-8"
    )
    read_mapping(tmp_path / "example.yml", "example.yml")


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def models_within(kind: Any, seen: frozenset[type] = frozenset()) -> set[type[BaseModel]]:
    """The models that a value of this type may hold, itself one of them."""
    if kind in seen:
        return set()
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        parts = [f.annotation for f in kind.model_fields.values()]
        return {kind}.union(*(models_within(part, seen | {kind}) for part in parts))
    return set().union(*(models_within(part, seen) for part in get_args(kind)))


def test_every_key_of_the_language_stands_in_an_example() -> None:
    models = models_within(Mapping) - {Condition}  # of which people write the short form
    assert {
        Mapping,
        ChangesAllowed,
        HospitalEntry,
        Codes,
        Export,
        CodeList,
        ColumnSource,
        *ENTITIES.values(),
    } <= models
    shown = {key for example in EXAMPLES for key in keys(yaml.safe_load(example))}
    assert {key for model in models for key in model.model_fields} - shown == set()
    assert "not" in shown


def test_the_words_of_ours_that_are_few_stand_on_the_page() -> None:
    words = {
        w
        for f in Codes.model_fields.values()
        for part in get_args(f.annotation)
        for w in get_args(part)
        if isinstance(w, str)
    }
    assert {"female", "lost", "<="} <= words and {w for w in words if f"`{w}`" not in TEXT} == set()


def test_the_rules_that_the_page_explains_are_rules() -> None:
    table = TEXT.split("| in the summary |")[1].split("\n\n")[0].splitlines()[2:]
    named = {rule for line in table for rule in re.findall(r"`([a-z_]+)`", line.split("|")[1])}
    assert {"concept_unknown", "date_ambiguous"} <= named <= {row["rule"] for row in seed("rejection_rules")}


def test_the_page_names_every_format_that_a_mapping_can_state() -> None:
    [row] = [line for line in TEXT.splitlines() if line.startswith("| `format` |")]
    assert set(re.findall(r"`([a-z]+)`", row)) - {"format"} == set(STATED) - {"auto"}
