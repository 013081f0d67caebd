"""The disclosure attacker: it wins against exact numbers beside masks, and not against what leaves now."""

from __future__ import annotations

import random
from pathlib import Path

from tests.attack.bounds import cells, system_of
from tests.attack.disclosure import two_releases, write_manuscript
from tests.attack.invented import draw, truth, write_release
from tests.attack.manuscripts import read_manuscript
from tests.attack.printed import Printed, Said, read, rows_said

OLD_PAGE = Path(__file__).parents[1] / "attack" / "old_page"


def found(*releases: Printed) -> dict[str, tuple[int, int] | None]:
    """The counts of the last release that the attacker knows, with their bounds."""
    system = system_of(releases)
    last = str(len(releases) - 1)
    return {
        " - ".join("/".join(key[1:]) for key in terms): system.span(terms)
        for terms in cells(releases[-1], last)
        if system.values(terms) < 3
    }


def printed(rounded_to: int, **texts: str) -> Printed:
    """A page of two groups: `size_a="18"`, `events_all="9"`."""
    said = []
    for name, text in texts.items():
        kind, _, group = name.partition("_")
        key = (f"{kind} of all",) if group == "all" else (kind, group)
        said.append(Said(key, text, "page"))
    return Printed(said, rounded_to, ["a", "b"])


def test_a_masked_count_follows_from_the_total_and_the_other_group() -> None:
    page = printed(1, size_a="18", size_b="12", events_a="9", events_b="<5", events_all="10")
    assert found(page)["events/b"] == (1, 1)


def test_a_masked_count_that_nothing_else_narrows_stays_unknown() -> None:
    page = printed(1, size_a="18", size_b="12", events_a="9", events_b="<5")
    assert "events/b" not in found(page)


def test_independently_rounded_parts_and_total_give_a_count_away() -> None:
    page = printed(5, size_a="10", size_b="10", **{"size_all": "25"})
    assert found(page)["size/a"] == (11, 12)


def test_exact_numbers_of_two_releases_show_the_patient_who_was_added() -> None:
    before, after = printed(1, size_a="18", events_a="<5"), printed(1, size_a="19", events_a="5")
    assert found(before, after)["size/a - events/a"] == (14, 14)


def test_the_attacker_wins_against_the_page_of_version_0_2_0() -> None:
    """Its table prints "<5" events of group B; its sentence and its note of the Cox model print 3."""
    page = read(OLD_PAGE)
    masked = {"/".join(s.key) for s in page.said if not s.text.isdigit()}
    known = {name: span for name, span in found(page).items() if name in masked}
    assert known["events/Group B"] == (3, 3)
    assert known["flow/Relapse/Censored: left or reached the end/Group B"] == (3, 3)
    assert known["known/Severity: mild/Group A"] == (22, 22)
    assert len(known) == 6


def test_the_attacker_reads_every_count_of_a_manuscript_that_stays_inside(tmp_path: Path) -> None:
    """In each kind of file, so none of them would hide what should not leave."""
    patients = draw(random.Random("small"), ("a", "b"))
    release = write_release(tmp_path / "study.duckdb", patients)
    write_manuscript(release, tmp_path / "out", is_inside=True)
    said = read_manuscript(tmp_path / "out", ["Group A", "Group B"])
    true = truth(patients)
    for place in ("manuscript.docx", "tables.xlsx", "tables/*.tex"):
        counts = {s.key: int(s.text) for s in said if s.place == place and s.text.isdigit()}
        assert {k: n for k, n in counts.items() if k in true} == {k: true[k] for k in counts if k in true}
        assert {"size", "count", "events"} <= {key[0] for key in counts}
    assert {"codebook", "checklist, 15", "methods"} <= {s.place for s in said}


def test_the_attacker_knows_no_count_of_two_public_reports(tmp_path: Path) -> None:
    found = two_releases(random.Random("small"), tmp_path, ("a", "b"))
    assert (found.known, found.wrong) == ((), ())
    assert found.tried > 100


def test_the_attacker_reads_the_numbers_at_risk_in_the_table_below_a_curve() -> None:
    rows = [{"Group": "Group A", "Months": "6", "Without the event, %": "90", "At risk": "<8"}]
    assert list(rows_said("s_relapse_curve_numbers", rows, ["Group A"])) == [
        Said(("at risk", "006", "Group A"), "<8", "s_relapse_curve_numbers")
    ]
