"""What a delivery changes of what is known, counted by natural key; a surprising change is refused until it
is taken on purpose.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestration.database.warehouse_file import warehouse
from orchestration.landing.inventory import take_inventory
from orchestration.raw.ingestion import ingest
from orchestration.raw.verdict import Decision, Verdict
from orchestration.registry.folder import Registry, load_registry
from tests.registries import MAPPINGS, copy_registry, query
from tests.unit.test_loading import make_registry

MAPPING = """\
sender: north
name: North Hospital
kind: incremental
changes_allowed: {changed: 0.1, gone: 0.1, rows: 1}
exports:
  - file: patients.csv
    patients: {patient_id: id, sex: sex}
  - file: labs.csv
    observations: {patient_id: id, observed_on: date, concept: test, value: result, unit: unit}
"""
PATIENTS = "id,sex\n1,F\n2,M\n"
GLUCOSE = {f"2024-01-{day:02}": "100" for day in range(1, 21)}


def labs(glucose: dict[str, str], *more: str) -> str:
    rows = [f"1,{day},glucose,{value},mg/dL" for day, value in glucose.items()]
    return "\n".join(["id,date,test,result,unit", *rows, *more]) + "\n"


def sent(registry: Registry, delivery: str, text: str, patients: str = PATIENTS) -> Verdict:
    folder = registry.landing / "north" / delivery
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "patients.csv").write_text(patients)
    (folder / "labs.csv").write_text(text)
    return ingest(registry, "north", delivery)


def reasons_to_refuse(verdict: Verdict) -> tuple[str, ...]:
    assert verdict.decision is Decision.REFUSED
    return verdict.reasons


@pytest.fixture
def north(tmp_path: Path) -> Registry:
    registry = make_registry(
        tmp_path, MAPPING, patients=PATIENTS, visits="", labs=labs(GLUCOSE, "2,2024-01-01,CK,9,U/L")
    )
    assert ingest(registry, "north", "first").is_accepted
    return registry


CHANGES = (
    "select compared_with, entity, item, column_name, rows_known, rows_added, rows_gone, rows_changed, rows_filled"
    " from raw.delivery_change where entity = 'observations' order by all"
)


def test_added_changed_and_filled_rows_are_counted_by_test_and_column(north: Registry) -> None:
    assert sent(
        north,
        "second",
        labs(
            GLUCOSE | {"2024-01-01": "101", "2024-02-01": "90"},
            "2,2024-01-01,CK,9,U/L",
            "2,2024-01-01,CK,9,U/L",
        ),
    ).is_accepted
    assert query(north, CHANGES) == [
        ("earlier deliveries", "observations", "CK", None, 1, 0, 0, 0, 0),
        ("earlier deliveries", "observations", "glucose", "value_text", 20, None, None, 1, 0),
        ("earlier deliveries", "observations", "glucose", None, 20, 1, 0, 1, 0),
    ]


def test_many_values_silently_different_under_the_same_ids_refuse_the_delivery(north: Registry) -> None:
    changed = labs({day: "101" if day < "2024-01-09" else value for day, value in GLUCOSE.items()})
    refused = sent(north, "second", changed)
    content = take_inventory(north, "north", "second").content_sha256
    assert reasons_to_refuse(refused) == (
        'north/second: observations "glucose": 8 of 20 known rows differ from what earlier deliveries said, in "result" (8);'
        " allowed 2 (10.0% of the known rows, or 1 rows where that is more)",
        "Ask the hospital why. When the change is right, accept it: in corrections/north.yml write, under accepted_changes,"
        f' {{delivery: "second", content: "{content[:12]}", owner: …, reason: …}} and run again',
    )
    assert query(north, "select delivery_id, state from raw.delivery order by 1") == [
        ("first", "accepted"),
        ("second", "refused"),
    ]
    assert query(north, "select count(*) from raw.observations where delivery_id = 'second'") == [(0,)]
    assert query(north, CHANGES)[1][-2:] == (8, 0)


def test_a_change_is_taken_on_purpose_by_a_record_of_that_very_content(north: Registry) -> None:
    changed = labs(dict.fromkeys(GLUCOSE, "101"))
    assert sent(north, "second", changed).decision is Decision.REFUSED
    accepting = accept(north, "second")
    assert ingest(accepting, "north", "second").is_accepted
    again = sent(accepting, "second", labs(dict.fromkeys(GLUCOSE, "102")))
    assert "20 of 20 known rows differ from what the replaced files said" in "\n".join(
        reasons_to_refuse(again)
    )
    assert ingest(accept(accepting, "second"), "north", "second").is_accepted  # files that replace files, too
    assert query(
        north,
        "select distinct value_text from raw.observations semi join raw.current_load using (load_id)"
        " where delivery_id = 'second'",
    ) == [("102",)]


def test_the_same_files_read_otherwise_are_the_mappings_doing(north: Registry) -> None:
    mapping = north.folder / "hospitals" / "north.yml"
    mapping.write_text(mapping.read_text().replace("value: result, unit: unit", "value: unit, unit: result"))
    refused = ingest(load_registry(north.folder), "north", "first")
    assert reasons_to_refuse(refused)[-1].startswith(
        "The files are the same as before, so the cause is a change of hospitals/north.yml. When the change is right"
    )


def accept(registry: Registry, delivery: str) -> Registry:
    (registry.folder / "corrections").mkdir(exist_ok=True)
    content = take_inventory(registry, "north", delivery).content_sha256[:12]
    (registry.folder / "corrections" / "north.yml").write_text(
        f'sender: north\naccepted_changes:\n  - {{delivery: {delivery}, content: "{content}", owner: A. Keeper, reason: new meter}}\n'
    )
    return load_registry(registry.folder)


def test_a_corrected_file_that_loses_rows_is_refused_and_what_it_would_replace_stays(north: Registry) -> None:
    refused = sent(north, "first", labs(dict(list(GLUCOSE.items())[:12])))
    assert reasons_to_refuse(refused)[0] == (
        'north/first: observations "glucose": 8 of 20 rows that the replaced files had are gone; allowed 2 (10.0% of the known rows, or 1'
        " rows where that is more)"
    )
    assert query(
        north, "select count(*) from raw.observations as o semi join raw.current_load using (load_id)"
    ) == [(21,)]


def test_a_full_delivery_must_hold_what_was_known_an_incremental_one_need_not(north: Registry) -> None:
    short = labs({"2024-01-01": "100"}, "2,2024-01-01,CK,9,U/L")
    assert sent(north, "second", short).is_accepted
    full = make_registry(
        north.folder, MAPPING.replace("incremental", "full"), patients=PATIENTS, visits="", labs=labs(GLUCOSE)
    )
    assert ingest(full, "north", "first").is_accepted
    refused = ingest(full, "north", "second")
    assert 'observations "glucose": 19 of 20 rows that earlier deliveries had are gone' in "\n".join(
        reasons_to_refuse(refused)
    )


@pytest.mark.parametrize("as_an_older_version_left_it", [False, True])
def test_of_earlier_deliveries_those_are_read_that_mention_a_patient_of_this_one(
    north: Registry, as_an_older_version_left_it: bool
) -> None:
    of_three = "id,date,test,result,unit\n3,2024-01-01,CK,5,U/L\n"
    assert sent(north, "second", of_three, patients="id,sex\n3,F\n").is_accepted
    assert sent(
        north, "third", labs({"2024-01-01": "99"}) + ",2024-01-01,CK,7,U/L\n", patients="id,sex\n1,F\n"
    ).is_accepted
    if as_an_older_version_left_it:
        with warehouse(north.warehouse) as connection:
            connection.execute("delete from raw.load_subject")
    changed = of_three.replace(",5,", ",6,") + ",2024-01-01,CK,8,U/L\n1,2024-01-01,glucose,98,mg/dL\n"
    assert sent(north, "third, again", changed, patients="id,sex\n3,F\n").decision is Decision.REFUSED
    assert query(
        north, CHANGES.replace("where", "where delivery_id = 'third, again' and column_name is null and")
    ) == [
        ("earlier deliveries", "observations", "CK", None, 2, 0, 0, 2, 0),
        ("earlier deliveries", "observations", "glucose", None, 1, 0, 0, 1, 0),
    ]


def test_rows_that_name_a_visit_alone_are_compared_with_those_of_the_visit(tmp_path: Path) -> None:
    by_visit = MAPPING.replace("patient_id: id, observed_on: date", "visit_id: id, observed_on: date")
    registry = make_registry(tmp_path, by_visit, patients=PATIENTS, visits="", labs=labs(GLUCOSE))
    assert ingest(registry, "north", "first").is_accepted
    assert sent(registry, "second", labs({"2024-01-01": "101"})).is_accepted
    assert query(registry, CHANGES.replace("where", "where column_name is null and")) == [
        ("earlier deliveries", "observations", "glucose", None, 1, 0, 0, 1, 0)
    ]


def test_an_earlier_delivery_that_comes_late_puts_a_later_one_in_question(north: Registry) -> None:
    """The order of arrival does not matter: in the order of names the second delivery would have been
    refused.
    """
    assert sent(
        north, "third", labs(dict.fromkeys((f"2023-01-{d:02}" for d in range(1, 11)), "80"))
    ).is_accepted
    assert sent(
        north, "second", labs(dict.fromkeys((f"2023-01-{d:02}" for d in range(1, 11)), "90"))
    ).is_accepted
    assert query(north, "select delivery_id, state from raw.delivery order by 1") == [
        ("first", "accepted"),
        ("second", "accepted"),
        ("third", "refused"),
    ]


def test_a_word_that_no_catalogue_knows_is_not_repeated(tmp_path: Path) -> None:
    registry = make_registry(
        tmp_path, MAPPING, patients=PATIENTS, visits="", labs=labs(GLUCOSE).replace("glucose", "Anna Example")
    )
    assert ingest(registry, "north", "first").is_accepted
    refused = sent(registry, "second", labs(dict.fromkeys(GLUCOSE, "7")).replace("glucose", "Anna Example"))
    assert "(one of concepts that the catalogue does not know): 20 of 20" in reasons_to_refuse(refused)[0]
    assert "Anna" not in str(refused)


def test_eighty_glucose_values_that_differ_in_a_new_version_of_a_real_export_are_seen(tmp_path: Path) -> None:
    registry = copy_registry(MAPPINGS / "eicu", tmp_path / "eicu")
    (version,) = registry.deliveries("eicu")
    assert ingest(registry, "eicu", version).is_accepted
    newer = shutil.copytree(registry.landing / "eicu" / version, registry.landing / "eicu" / "demo-2.0.2")
    lines = (newer / "lab.csv").read_text().splitlines()
    result, name = (lines[0].split(",").index(c) for c in ("labresulttext", "labname"))
    changed = 0
    for number, line in enumerate(lines):
        cells = line.split(",")
        if cells[name] == "glucose" and changed < 80:
            cells[result] = "1" + cells[result]
            lines[number], changed = ",".join(cells), changed + 1
    (newer / "lab.csv").write_text("\n".join(lines) + "\n")
    refused = ingest(registry, "eicu", "demo-2.0.2")
    assert reasons_to_refuse(refused)[0] == (
        'eicu/demo-2.0.2: observations "glucose": 80 of 1,029 known rows differ from what earlier deliveries said, in "labresulttext" (80);'
        " allowed 20 (2.0% of the known rows, or 5 rows where that is more)"
    )
