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

What was constrained, so that it agrees with the publication:

- summaries, counts and p values of Tables I and II, and how many have a value where the p value needs it;
- the chi-squares of Table III (CMAS, a whole number, to within 0.05) and the log-rank p values;
- the statements of the text (`published/nxp2/statements.csv`), all but two that the study's own tables contradict: CMAS
  of the NXP2 and TIF1-gamma children rises and that of the NXP2 children is the lower, CK of the NXP2 children falls
  from visit to visit, CK of the MDA5 children is normal from month 3 on, and who relapses had the smaller fall of CK and
  the lower CMAS at month 3;
- courses that a patient could have: between visits a value rises only a little unless a relapse shows; the relapses of
  a group are spread over the follow-up, and each shows in CK, CMAS or the skin on its day.

What was not constrained, and is only plausible: which value goes with which other in one patient, courses of the adults
and of the TIF1-gamma children beyond those statements, other laboratory values after the first visit, treatments,
antibodies' titres, dates, ages of the adults, and the reasons for what is missing. Six children have CMAS at the first
visit only, because Table III's standard errors ask for fewer scores than there are children. Correlations, subgroups and
predictors found here mean nothing.
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
    parser.add_argument(
        "--out", type=Path, required=True, help="landing folder, for example registry/landing"
    )
    arguments = parser.parse_args()
    generate(arguments.out, solution.read())


if __name__ == "__main__":
    main()
