"""What is checked before a commit is what `make check` checks."""

from __future__ import annotations

from pathlib import Path

import yaml

from orchestration.registry.folder import MADE

ROOT = Path(__file__).parents[2]


def test_the_hooks_of_a_commit_run_what_make_check_runs() -> None:
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    after = lines[lines.index("check: .venv/.ready") + 1 :]
    of_make = [line.strip("\t@").replace("$(BIN)", ".venv/bin") for line in after[: after.index("")]]
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert [hook["entry"] for hook in hooks] == of_make
    assert {hook["language"] for hook in hooks} == {"system"}  # a hook of another language would be fetched


def test_git_leaves_out_what_commands_make_in_the_registry() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {line for line in ignored if line.startswith("registry/")} == {
        f"registry/{name}/" for name in MADE
    }
