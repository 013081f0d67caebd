"""M is a man in English and a woman beside H in Spanish: a letter is read by the language of the mapping, by
the letters beside it, or not at all. The same holds for abbreviations of tests and for words for yes and no.
"""

from __future__ import annotations

import pytest

from orchestration.command import flow
from orchestration.registry.folder import Registry
from orchestration.situation import read_situation
from tests.registries import copy_registry, opened, query, run
from tests.trouble.case import CASES

MAPPING = """\
sender: {name}
name: {name}
{language}
rejected_rows_allowed: 1
exports:
  - {{file: p.csv, patients: {{patient_id: id, sex: sex}}, identifiers: [id]}}
  - file: l.csv
    observations: {{patient_id: id, observed_on: date, concept: test, value: value, unit: unit}}
    identifiers: [id]
  - {{file: e.csv, events: {{patient_id: id, event_date: date, event: event, status: status}}, identifiers: [id]}}
"""
LABS = "id,date,test,value,unit\n1,2024-01-02,PCR,12,\n1,2024-01-02,Fe,15,\n1,2024-01-02,TP,85,\n1,2024-01-03,PT,12,s\n"
EVENTS = "id,date,event,status\n1,2024-01-02,dysphagia,O\n1,2024-01-02,arthritis,H\n1,2024-01-02,myalgia,S\n"
LETTERS = {  # hospital: language, letters of its column, what they are
    "es": ("es", "MHM", ["female", "male", "female"]),
    "es_mf": ("es", "MFM", ["male", "female", "male"]),
    "es_m": ("es", "MMM", [None, None, None]),
    "pt_h": ("pt", "HMH", ["male", "female", "male"]),
    "en": ("en", "MMF", ["male", "male", "female"]),
    "fr": ("fr", "HFM", ["male", "female", "male"]),
    "de_kids": ("de", "JMJ", ["male", "female", "male"]),
    "de": ("de", "MWD", ["male", "female", "unknown"]),
    "tr": ("tr", "KEK", ["female", "male", "female"]),
    "nl": ("nl", "VMV", ["female", "male", "female"]),
    "mf": (None, "MFM", ["male", "female", "male"]),
    "mh": (None, "MHM", [None, "male", None]),
    "m": (None, "MMM", [None, None, None]),
    "vm": (None, "VMV", [None, None, None]),
}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = copy_registry(CASES / "13-sex-m-is-mujer", tmp_path_factory.mktemp("case") / "r")
    for name, (language, letters, _) in LETTERS.items():
        stated = f"language: {language}" if language else ""
        (registry.folder / "hospitals" / f"{name}.yml").write_text(
            MAPPING.format(name=name, language=stated), encoding="utf-8"
        )
        delivery = registry.folder / "landing" / name / "first"
        delivery.mkdir(parents=True)
        rows = "".join(f"{i},{letter}\n" for i, letter in enumerate(letters, start=1))
        (delivery / "p.csv").write_text("id,sex\n" + rows, encoding="utf-8")
        (delivery / "l.csv").write_text(LABS, encoding="utf-8")
        (delivery / "e.csv").write_text(EVENTS, encoding="utf-8")
        (delivery / "_SUCCESS").touch()
    registry = opened(registry.folder)
    run(registry)
    return registry


def sexes(registry: Registry, hospital: str) -> list[str | None]:
    found = query(
        registry,
        f"select sex from staging.stg_patients where sender_id = '{hospital}' order by source_row",
    )
    return [sex for (sex,) in found]


@pytest.mark.parametrize("hospital", LETTERS)
def test_a_letter_is_read_by_the_language_or_by_the_letters_beside_it(case: Registry, hospital: str) -> None:
    assert sexes(case, hospital) == LETTERS[hospital][2]


def test_the_case_from_the_field_takes_no_woman_for_a_man_and_says_what_to_write(case: Registry) -> None:
    assert sexes(case, "h") == [None, "male", None]
    reasons = query(
        case,
        "select distinct reason from quality.rejected_row where sender_id = 'h' and rule = 'sex_ambiguous'",
    )
    [(reason,)] = reasons
    assert reason.startswith('found "M", which can mean male') and "mujer" in reason
    assert "write under codes.sex what the word means" in reason and "state the `language`" in reason
    [(asked,)] = query(
        case,
        "select distinct reason from quality.rejected_row where sender_id = 'es_m' and rule = 'sex_ambiguous'",
    )
    assert "`language`" not in asked  # it is stated, and does not help


RESULTS = "select sender_id, concept_id from marts.fct_observation where sender_id in ('en', 'es', 'fr', 'm') order by all"


def test_an_abbreviation_is_read_by_the_language_or_by_its_unit(case: Registry) -> None:
    found: dict[str, set[str]] = {}
    for hospital, concept in query(case, RESULTS.replace("sender_id", "hospital_id")):
        found.setdefault(hospital, set()).add(concept)
    assert found == {
        "en": {"iron", "prothrombin_time"},
        "es": {"crp", "prothrombin_time"},
        "fr": {"crp", "prothrombin_activity", "prothrombin_time"},
        "m": {"prothrombin_time"},
    }
    [(reason,)] = query(
        case, "select reason from quality.rejected_row where sender_id = 'm' and value_text = 'PCR'"
    )
    assert "C-reactive protein" in reason and "polymerase chain reaction" in reason
    assert reason.endswith("; or state the `language` of the words: es, fr, it, pt")


def test_a_letter_for_yes_or_no_is_read_by_the_language(case: Registry) -> None:
    found = query(
        case,
        "select hospital_id, event_id, status from marts.fct_event where hospital_id in ('fr', 'tr', 'es', 'm') order by all",
    )
    assert found == [
        ("es", "myalgia", "present"),
        ("fr", "dysphagia", "present"),
        ("tr", "arthritis", "absent"),
    ]


def test_check_lists_what_each_word_of_a_column_becomes(
    case: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flow.check(case, read_situation(case)) == []
    lines = capsys.readouterr().out.replace("\n ", " ").splitlines()
    told = {line.split(".yml: ")[0].split("/")[-1]: line for line in lines if ".yml: sex in" in line}
    assert told["es"].endswith('sex in its deliveries in force: "M" (2 rows) female, "H" (1 row) male')
    assert told["m"].endswith('"M" (3 rows) is not understood')
    doubts = [line for line in lines if '/h.yml: codes.sex: "M"' in line]
    assert len(doubts) == 1 and "until the mapping states which is meant, or its `language`" in doubts[0]
