"""The vendored scripts are those that the README beside them names, each with its licence."""

from __future__ import annotations

import re
from hashlib import sha256

from orchestration.pages.shell import STATIC_FOLDER

VENDORED = STATIC_FOLDER / "vendored"
ROW = re.compile(r"^\| `([\w.-]+)` \| ([\w.-]+) \| ([\d.]+) \| ([\w-]+) \| ([0-9a-f]{16}) \|$", re.MULTILINE)


def test_the_readme_names_each_script_with_its_content() -> None:
    named = {row[0]: row[4] for row in ROW.findall((STATIC_FOLDER / "README.md").read_text())}
    found = {path.name: sha256(path.read_bytes()).hexdigest()[:16] for path in VENDORED.glob("*.js")}
    assert named == found


def test_each_script_has_its_licence() -> None:
    for path in VENDORED.glob("*.js"):
        assert (
            VENDORED / f"{path.name.removesuffix('.js').removesuffix('.min')}.LICENSE"
        ).stat().st_size > 300
