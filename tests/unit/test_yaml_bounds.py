"""A declared file that is hostile is refused within a second, with its line, and constructs nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pydantic import ConfigDict

from yaml_files.strict import Strict
from yaml_files.yaml_file import ConfigurationError, read_model

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)


class Anything(Strict):
    model_config = ConfigDict(extra="allow")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (BOMB, "f.yml:6: not valid here: aliases make more than 500,000 keys"),
        ("a: 1\nb: &b\n  - 1\n  - *b\n", "f.yml:2: not valid here: this part holds itself"),
        ("a: &a {b: *a}\n", "f.yml:1: not valid here: this part holds itself"),
        ("a: 1\nb: " + "[" * 5000 + "]" * 5000, "f.yml:2: not valid YAML: nested more than 50 levels deep"),
        ("a: 1\nb: " + "{a: " * 5000, "f.yml:2: not valid YAML: nested more than 50 levels deep"),
        ("a: !!python/object/apply:os.system ['exit 3']\n", 'f.yml:1: not valid here: tag "python/object'),
        ("a: !vault x\n", 'f.yml:1: not valid here: tag "!vault"'),
        ("a: 1\nb: 2024-13-45\n", "f.yml:2: not valid here: looks like a date, and is none"),
        ("a: 1\n? [b, c]\n: 2\n", "f.yml:2: not valid here: a list or keys and values in the place of a key"),
        ("a: 1\n<<: 2\n", "f.yml:1: not valid YAML: expected a mapping"),
        ("a: \x07\n", "f.yml:1: not valid YAML: "),
        ("a: " + "1" * 5000 + "\n", "f.yml:1: not valid here: looks like a int"),
        ("# " + "x" * 4_000_000 + "\n", "f.yml:1: 4,000,003 characters; expected at most 4,000,000"),
    ],
    ids=[
        "bomb", "list_in_itself", "keys_in_itself", "deep_lists", "deep_keys", "python", "tag", "date", "key",
        "merge", "control", "digits", "long",
    ],
)  # fmt: skip
def test_a_hostile_file_is_refused_at_once_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "f.yml").write_text(text)
    started = time.process_time()
    with pytest.raises(ConfigurationError) as refused:
        read_model(tmp_path / "f.yml", Anything)
    assert refused.value.faults[0].startswith(sentence)
    assert time.process_time() - started < 1


def test_a_part_that_is_repeated_by_an_alias_is_read(tmp_path: Path) -> None:
    (tmp_path / "f.yml").write_text("a: &a {b: 2024-02-03}\nc: *a\nd: {<<: *a, e: 1}\n")
    found = read_model(tmp_path / "f.yml", Anything)
    assert found.c == found.a  # type: ignore[attr-defined]
    assert found.d["e"] == 1  # type: ignore[attr-defined]
