"""The disclosure attacker: bounds every count from all that two public reports and manuscripts of one study
print.

Belongs here: the rounds of the attack. Does not belong here: reading (`printed.py`), the search
(`bounds.py`), the studies attacked (`invented.py`).
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analytics.words.disclosure import Rounding
from orchestration.manuscript.contents import inside_contents, public_contents
from orchestration.manuscript.facts import Facts
from orchestration.manuscript.write import files_of
from orchestration.pages.site import render_site
from orchestration.report.page import read_release
from orchestration.report.public import public_release, publications, render_public
from tests.attack.bounds import ENOUGH, System, cells, system_of
from tests.attack.figures import Figures
from tests.attack.invented import STUDY, Patient, draw, truth, write_release
from tests.attack.manuscripts import read_manuscript
from tests.attack.printed import Key, Printed, read

GROUPS = ("a", "b", "c")
MOST_ADDED = 6
NO_FACTS = Facts((), (), {}, "", "", {}, "", "studies/invented.yml", "")


@dataclass(frozen=True)
class Found:
    """What the attacker made of some reports: how many counts it tried, and which it knows."""

    tried: int
    known: tuple[str, ...]
    wrong: tuple[str, ...]


def attack(seed: int, rounds: int) -> Figures:
    """Each round draws a study, publishes it, adds some patients, publishes it again, and attacks both."""
    tried, known, wrong = 0, [], []
    for i in range(rounds):
        rng = random.Random(f"{seed}/{i}")
        with tempfile.TemporaryDirectory() as folder:
            found = two_releases(rng, Path(folder))
        tried += found.tried
        known += [f"seed {seed}, round {i}: {sentence}" for sentence in found.known]
        wrong += [f"seed {seed}, round {i}: {sentence}" for sentence in found.wrong]
    numbers = {
        "studies, each published twice": rounds,
        "counts tried": tried,
        f"counts with fewer than {ENOUGH} possible values": len(known),
        "things that the attacker took for granted and are not so": len(wrong),
    }
    return Figures(numbers, (*known, *wrong))


def two_releases(rng: random.Random, folder: Path, groups: Sequence[str] = GROUPS) -> Found:
    first = draw(rng, groups)
    second = [*first, *draw(rng, groups, rng.randint(1, MOST_ADDED))]
    printed = [published(folder / str(i), patients) for i, patients in enumerate((first, second))]
    return tried(printed, [truth(first), truth(second)])


def published(folder: Path, patients: Sequence[Patient]) -> Printed:
    """What the public report and the site print of one release, read together."""
    folder.mkdir()
    release = write_release(folder / "study.duckdb", patients)
    render_public(release, folder / "out")
    (folder / "out" / "site").mkdir()
    render_site(public_release(release), folder / "out" / "site")
    printed = read(folder / "out")
    write_manuscript(release, folder / "manuscript")
    printed.said += read_manuscript(folder / "manuscript", printed.groups)
    return printed


def write_manuscript(release: Path, folder: Path, is_inside: bool = False) -> None:
    """The files of a manuscript that hold numbers. Its figures are those of the report."""
    content = read_release(release)
    rounding = Rounding(int(content.info["small_cell_threshold"]))
    publication = publications(content, rounding, None)[STUDY]
    public = public_contents(content, NO_FACTS, publication, "month")
    contents = inside_contents(content, NO_FACTS) if is_inside else public
    for name, data in files_of(contents, NO_FACTS, "r1"):
        if name.startswith("figures/"):
            return
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def tried(releases: Sequence[Printed], truths: Sequence[dict[Key, int]]) -> Found:
    """Bound every count of the releases; ``truths`` show whether the attacker reasons soundly."""
    system = system_of(releases)
    true = {(str(i), *key): count for i, counts in enumerate(truths) for key, count in counts.items()}
    known, total = [], 0
    for i, printed in enumerate(releases):
        for terms in cells(printed, str(i)):
            total += 1
            is_sound = terms.keys() <= true.keys()
            value = sum(true[key] * times for key, times in terms.items()) if is_sound else None
            if system.values(terms, value) < ENOUGH:
                known.append(_sentence(system, terms))
    return Found(total, tuple(known), tuple(system.broken_by(true)))


def _sentence(system: System, terms: dict[Key, int]) -> str:
    shown = " minus ".join("/".join(key) for key in terms)
    span = system.span(terms)
    return f"{shown} is between {span[0]} and {span[1]}" if span else f"{shown}: what is printed does not fit"
