"""Files that must not leave the house do not go where git would take them into a commit.

Belongs here: that refusal, for every command that writes rows of patients or numbers that are not masked to a
place of the user's choice. Does not belong here: the folders that a registry makes itself, which its
`.gitignore` names (`onboarding/layout.py`).
"""

from __future__ import annotations

import subprocess
from pathlib import Path


def refusal(path: Path) -> str | None:
    """Why ``path`` may not be written: it lies in a clone that does not ignore it. None if it may.

    Without git on this machine nobody commits from it.
    """
    path = path.resolve()
    clone = next((folder for folder in path.parents if (folder / ".git").exists()), None)
    if clone is None or _is_ignored(path, clone):
        return None
    line = path.relative_to(clone)
    return (
        f"{path} lies in the git clone {clone}, and git would take it into a commit; nothing in it is masked."
        f" Name a place outside the clone, or have git ignore it: echo '/{line}' >> {clone}/.gitignore"
    )


def _is_ignored(path: Path, clone: Path) -> bool:
    """A line `exports/` of a `.gitignore` names a folder, which may not be there yet: hence a file in it."""
    try:
        done = subprocess.run(
            ["git", "-C", str(clone), "check-ignore", "--", str(path), str(path / "file")],
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:  # no git
        return True
    return done.returncode == 0
