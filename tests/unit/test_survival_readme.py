"""The example in analytics/survival/README.md prints what the README says it prints."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_example_prints_what_the_readme_shows(capsys, monkeypatch):
    text = (ROOT / "analytics/survival/README.md").read_text(encoding="utf-8")
    [code], [output] = (re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL) for kind in ("python", "text"))
    monkeypatch.chdir(ROOT)

    exec(compile(code, "README.md", "exec"), {})

    assert capsys.readouterr().out == output
