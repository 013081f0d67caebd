"""``python -m tests.synthetic.generate --out registry/landing``: the exports, from the stored solution.

Belongs here: the command. Does not belong here: finding the values (``solve.py``).
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from orchestration.registry.folder import SUCCESS_MARKER
from tests.synthetic import cohort, solution, zjch, zjfah

SYNTHETIC_NOTE = """# Synthetic data

Nothing below this folder is about a real person. Two hospitals' exports, 62 patients, made by a seeded program
(`python -m tests.synthetic.generate --out registry/landing`) so that tables, models and curves print the numbers of a
published study. Names, identity numbers, telephones and addresses are invented and impossible (region 000000).
Values, dates and courses must not be used for anything but trying this software.
"""


def generate(out: Path, of: solution.Solution) -> None:
    """Write every delivery below ``out``, replacing what was there of these two hospitals."""
    people = cohort.build(of)
    for hospital in (zjch, zjfah):
        shutil.rmtree(out / hospital.HOSPITAL, ignore_errors=True)
        hospital.write(people, out)
        for delivery in (out / hospital.HOSPITAL).iterdir():
            (delivery / SUCCESS_MARKER).touch()  # a clone's files changed a moment ago
    (out / "SYNTHETIC.md").write_text(SYNTHETIC_NOTE, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="landing folder, for example registry/landing")
    arguments = parser.parse_args()
    generate(arguments.out, solution.read())


if __name__ == "__main__":
    main()
