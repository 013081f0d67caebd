"""What changed between two releases, and why a printed number did: two small releases, the record or sentence
that is expected.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from orchestration.diff.changes import Diff, compare_files
from orchestration.diff.sides import COLUMNS, NotComparable, chosen
from orchestration.diff.told import as_csv, as_json, lines
from orchestration.registry.folder import Registry
from tests.unit.small_release import LOADS, PROGRAM, Tables, make_release, of
from tests.unit.small_study import STUDY
from tests.unit.test_cli import call
from tests.unit.test_loading import make_registry

NEW = {**LOADS, "north/2026-03-31": ("load_n2", "content_n2")}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small release as it is."""
    return make_release(tmp_path_factory.mktemp("plain"), "rplain")


def why(diff: Diff, subject: str, quantity: str = "summary", whom: str = "Young") -> str:
    (found,) = [n for n in diff.numbers if (n.subject, n.quantity, n.whom) == (subject, quantity, whom)
                and n.place == "Table I"]  # fmt: skip
    return found.why


def without(patient: str) -> Callable[[Tables], None]:
    def change(tables: Tables) -> None:
        for name, frame in tables.items():
            if "patient_key" in frame and len(frame):
                tables[name] = frame[~of(frame, patient)]

    return change


def delivered(patient: str, delivery: str = "2026-03-31") -> Callable[[Tables], None]:
    def change(tables: Tables) -> None:
        for frame in tables.values():
            if "delivery_id" in frame and len(frame):
                frame.loc[of(frame, patient), "delivery_id"] = delivery

    return change


def corrected(patient: str, concept: str, value: float, record: str | None) -> Callable[[Tables], None]:
    def change(tables: Tables) -> None:
        rows = tables["fct_observation"]
        at = of(rows, patient) & (rows["concept_id"] == concept) & (rows["scheduled_visit"] == "baseline")
        rows.loc[at, ["value_canonical", "correction_id"]] = [value, record]

    return change


def test_a_patient_who_came_is_counted_and_named_by_delivery(tmp_path: Path) -> None:
    before = make_release(tmp_path, "r1", without("d"))
    after = make_release(tmp_path, "r2", delivered("d"), loads=NEW)
    diff = compare_files(before, after)
    assert [(d.delivery, d.change) for d in diff.deliveries] == [("north/2026-03-31", "added")]
    assert [(p.hospital, p.change, p.count, p.deliveries) for p in diff.patients] == [
        ("north", "added", 1, ("by north/2026-03-31",))
    ]
    assert why(diff, "Score") == "1 patient added by north/2026-03-31"
    assert why(diff, "Score", "p", "Young vs Old") == "1 patient added by north/2026-03-31"
    assert not [n for n in diff.numbers if n.whom == "Old" and n.place == "Table I"]


def test_a_corrected_value_names_its_record_and_only_the_numbers_that_read_it(
    tmp_path: Path, plain: Path
) -> None:
    records = (("score_4", "north", "set", "applied"),)
    after = make_release(tmp_path, "r2", corrected("a", "score", 33.0, "score_4"), corrections=records)
    diff = compare_files(plain, after)
    assert why(diff, "Score") == "1 value corrected (record score_4)"
    assert why(diff, "Score", "p", "Young vs Old") == "1 value corrected (record score_4)"
    assert [(v.called, v.change, v.count, v.records) for v in diff.values] == [
        ("value", "corrected", 1, ("score_4",))
    ]
    assert [(r.record, r.change) for r in diff.records] == [("score_4", "added")]
    assert not [n for n in diff.numbers if n.subject == "Marker" and n.quantity in ("summary", "p")]


def test_an_adjusted_p_value_changes_with_another_of_its_family(tmp_path: Path, plain: Path) -> None:
    records = (("score_4", "north", "set", "applied"),)
    change = corrected("a", "score", 0.0, "score_4")
    diff = compare_files(plain, make_release(tmp_path, "r2", change, corrections=records))
    assert why(diff, "Marker", "adj. p", "Young vs Old") == "1 value corrected (record score_4)"


def test_a_patient_who_changed_groups_is_told_with_both(tmp_path: Path, plain: Path) -> None:
    def older(tables: Tables) -> None:
        rows = tables["dim_patient"]
        rows.loc[of(rows, "d"), ["onset_group", "age_at_onset_years", "correction_id"]] = [
            "adult",
            19.0,
            "age_1",
        ]

    records = (("age_1", "north", "set", "applied"),)
    diff = compare_files(plain, make_release(tmp_path, "r2", older, corrections=records))
    moved = "1 patient moved from Young to Old (record age_1)"
    assert (why(diff, "Score"), why(diff, "Score", whom="Old")) == (moved, moved)
    assert [(p.study, p.change, p.from_group, p.to_group, p.count, p.records) for p in diff.patients] == [
        ("small", "regrouped", "Young", "Old", 1, ("age_1",))
    ]


def test_a_replaced_delivery_with_the_same_rows_changes_nothing_else(tmp_path: Path, plain: Path) -> None:
    loads = LOADS | {"north/2025-12-31": ("load_n9", "content_n9")}
    diff = compare_files(plain, make_release(tmp_path, "r2", loads=loads))
    assert [(d.delivery, d.change) for d in diff.deliveries] == [("north/2025-12-31", "replaced")]
    assert (diff.patients, diff.values, diff.numbers) == ((), (), ())


def test_a_withdrawn_delivery_takes_its_patients(tmp_path: Path) -> None:
    before = make_release(tmp_path, "r1", delivered("d"), loads=NEW)
    diff = compare_files(before, make_release(tmp_path, "r2", without("d")))
    assert why(diff, "Score") == "1 patient removed because north/2026-03-31 was withdrawn"


def test_a_delivery_that_is_read_by_another_mapping_is_told_so(tmp_path: Path, plain: Path) -> None:
    loads = LOADS | {"north/2025-12-31": ("load_n7", "content_n1")}
    diff = compare_files(
        plain, make_release(tmp_path, "r2", corrected("a", "score", 33.0, None), loads=loads)
    )
    expected = "1 value corrected because north/2025-12-31 is read by another mapping"
    assert why(diff, "Score") == expected


def test_a_record_that_drops_a_row_is_named(tmp_path: Path, plain: Path) -> None:
    def dropped(tables: Tables) -> None:
        rows = tables["fct_observation"]
        gone = of(rows, "a") & (rows["concept_id"] == "score") & (rows["scheduled_visit"] == "baseline")
        tables["fct_observation"] = rows[~gone]

    records = (("twice_1", "north", "drop", "applied"),)
    diff = compare_files(plain, make_release(tmp_path, "r2", dropped, corrections=records))
    assert why(diff, "Score") == "1 value removed (record twice_1)"


def test_a_value_that_the_schedule_places_otherwise_is_told_so(tmp_path: Path, plain: Path) -> None:
    def moved(tables: Tables) -> None:
        rows = tables["fct_observation"]
        at = of(rows, "a") & (rows["concept_id"] == "score") & (rows["scheduled_visit"] == "baseline")
        rows.loc[at, "is_visit_value"] = False
        tables["visit_schedule"]["from_day"] = 1.0

    def windows(tables: Tables) -> None:
        tables["visit_schedule"]["from_day"] = 0.0

    before = make_release(tmp_path, "r1", windows)
    diff = compare_files(before, make_release(tmp_path, "r2", moved))
    assert why(diff, "Score") == "1 value removed (visit schedule: 3 rows changed)"
    assert [(v.change, v.count) for v in diff.values] == [("placed otherwise", 1)]


def test_a_test_that_the_study_file_states_otherwise_is_the_cause_of_its_row_alone(
    tmp_path: Path, plain: Path
) -> None:
    table = json.loads(json.dumps(STUDY["tables"][0]))
    table["rows"][0]["test"] = "mann_whitney"
    diff = compare_files(plain, make_release(tmp_path, "r2", study={"tables": [table]}))
    assert (
        why(diff, "Score", "p", "Young vs Old") == "the study file small.yml states another way to compute it"
    )
    assert not [n for n in diff.numbers if n.subject == "Marker" and n.quantity == "p"]
    assert [d.sentence() for d in diff.declared] == ["study file: small.yml changed: tables"]


def test_a_label_is_no_cause(tmp_path: Path, plain: Path) -> None:
    variables = STUDY["variables"] | {"score": {"label": "Score of strength"}}
    change = corrected("a", "score", 33.0, None)
    loads = LOADS | {"north/2025-12-31": ("load_n9", "content_n9")}
    diff = compare_files(
        plain, make_release(tmp_path, "r2", change, study={"variables": variables}, loads=loads)
    )
    assert why(diff, "Score of strength") == "1 value corrected by the new content of north/2025-12-31"


def other_p(found: Tables) -> None:
    found["group_comparison"].loc[0, ["p_value", "display"]] = [0.9, "0.900"]


def test_where_no_input_differs_the_program_is_named(tmp_path: Path, plain: Path) -> None:
    code = PROGRAM | {"version": "0.3.0", "code": "other"}
    diff = compare_files(plain, make_release(tmp_path, "r2", results=other_p, program=code))
    expected = "none of its inputs differs: program: the code of statistics or gates changed (0.2.0 → 0.3.0)"
    assert why(diff, "Score", "p", "Young vs Old") == expected


def test_where_a_library_changed_beside_an_input_its_share_cannot_be_told(
    tmp_path: Path, plain: Path
) -> None:
    change = corrected("a", "score", 33.0, "score_4")
    records = (("score_4", "north", "set", "applied"),)
    after = make_release(tmp_path, "r2", change, versions={"numpy": "2.1"}, corrections=records)
    expected = (
        "1 value corrected (record score_4), the program changed too (library: numpy 2.0 → 2.1), and how "
        "much of the change is due to it cannot be told"
    )
    assert why(compare_files(plain, after), "Score") == expected


def test_where_nothing_is_known_to_differ_the_cause_cannot_be_decided(tmp_path: Path, plain: Path) -> None:
    diff = compare_files(plain, make_release(tmp_path, "r2", results=other_p))
    found = why(diff, "Score", "p", "Young vs Old")
    assert found == "none of its inputs differs between the two releases: the cause cannot be decided"


def test_a_release_without_its_study_file_takes_that_of_the_same_stamp(tmp_path: Path, plain: Path) -> None:
    def undeclared(found: Tables) -> None:
        found["study"] = found["study"].drop(columns="declared")

    before = make_release(tmp_path, "r1", without("d"), results=undeclared)
    after = make_release(tmp_path, "r2", delivered("d"), loads=NEW)
    assert why(compare_files(before, after), "Score") == "1 patient added by north/2026-03-31"
    before.with_suffix(".json").unlink()
    expected = "r1 does not hold what the study asked: the cause cannot be decided"
    assert why(compare_files(before, after), "Score") == expected


def test_the_other_way_round_tells_the_opposite(tmp_path: Path) -> None:
    before = make_release(tmp_path, "r1", without("d"))
    after = make_release(tmp_path, "r2", delivered("d"), loads=NEW)
    there, back = compare_files(before, after), compare_files(after, before)
    assert {(n.table, n.named, n.quantity, n.before, n.after) for n in there.numbers} == {
        (n.table, n.named, n.quantity, n.after, n.before) for n in back.numbers
    }
    assert [p.change for p in back.patients] == ["removed"]


def test_the_forms_hold_every_record_and_keys_only_when_asked(tmp_path: Path) -> None:
    before = make_release(tmp_path, "r1", without("d"))
    after = make_release(tmp_path, "r2", delivered("d"), loads=NEW)
    diff = compare_files(before, after)
    data = json.loads(as_json(diff))
    assert len(data["numbers"]) == len(diff.numbers)
    assert "patient_keys" not in data
    rows = list(csv.DictReader(as_csv(diff).splitlines()))
    assert [r["section"] for r in rows].count("number") == len(diff.numbers)
    assert {"delivery", "patient", "value"} <= {r["section"] for r in rows}
    keyed = [line for line in lines(diff, with_keys=True) if line == "  north d added"]
    assert keyed and "  north d added" not in list(lines(diff))
    assert json.loads(as_json(diff, with_keys=True))["patient_keys"][0]["patient_key"] == "d"


def test_what_cannot_be_compared_is_told_in_a_sentence(tmp_path: Path, plain: Path) -> None:
    other = make_release(tmp_path, "r2", registry="Another registry")
    with pytest.raises(NotComparable, match="two registries have no patient in common"):
        compare_files(plain, other)
    damaged = tmp_path / "r3.duckdb"
    damaged.write_bytes(plain.read_bytes()[:5000])
    with pytest.raises(NotComparable, match="is damaged or no DuckDB file; restore it from its backup"):
        compare_files(plain, damaged)
    older = tmp_path / "r4.duckdb"
    shutil.copy(plain, older)
    with duckdb.connect(str(older)) as connection:
        connection.execute("alter table release.fct_event drop column event_date_iso")
    with pytest.raises(NotComparable, match="made by another version of the program"):
        compare_files(plain, older)
    empty = tmp_path / "r5.duckdb"
    duckdb.connect(str(empty)).close()
    with pytest.raises(NotComparable, match="is no release"):
        compare_files(empty, plain)
    same = tmp_path / "r6.duckdb"
    shutil.copy(plain, same)
    with pytest.raises(NotComparable, match="both files hold the release rplain"):
        compare_files(plain, same)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry that keeps two releases."""
    made = make_registry(tmp_path)
    make_release(made.releases, "r12older", without("d"))
    make_release(made.releases, "r1newer", delivered("d"), loads=NEW)
    (made.releases / "current.duckdb").symlink_to("r1newer.duckdb")
    return made


def test_releases_are_named_by_beginnings_while_these_are_unique(registry: Registry) -> None:
    def named(*names: str | None) -> tuple[str, str]:
        before, after = chosen(registry, *names)
        return before.stem, after.stem

    both = ("r12older", "r1newer")
    assert [named(None, None), named("r12", "r1n"), named("12o", None), named("r12", "current")] == [both] * 4
    assert named(str(registry.releases / "r1newer.duckdb"), "r12") == both[::-1]
    for names, sentence in (
        (("rx", None), 'no release is called "rx". Kept: r1newer, r12older'),
        (("r1", None), '"r1" begins several releases: r1newer, r12older; write more of the id'),
        (("r1n", "r1n"), "both names are of the release r1newer"),
        (("gone.duckdb", None), "there is no file gone.duckdb"),
    ):
        with pytest.raises(NotComparable) as refused:
            chosen(registry, *names)
        assert sentence in str(refused.value)
    (registry.releases / "r12older.duckdb").unlink()
    with pytest.raises(NotComparable, match="1 release is kept, and a comparison needs two"):
        chosen(registry, None, None)


def test_the_command_tells_the_last_two_releases(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ("--registry", str(registry.folder))
    code, out, err = call("diff", *at, capsys=capsys)
    assert (code, err.strip()) == (0, "not for publication: nothing in this answer is masked")
    assert "r12older → r1newer\nsynthetic data" in out
    young = "  Table I, Score, Young: summary 36.33 ± 7.09 → 39.75 ± 8.96, n 3 → 4: 1 patient added by north/2026-03-31"
    assert young in out.splitlines()
    code, out, _ = call("diff", "--format", "json", *at, capsys=capsys)
    assert (code, json.loads(out)["after"]["release_id"]) == (0, "r1newer")
    for wrong in (("nothing",), ("--format", "xml")):
        code, _, err = call("diff", *wrong, *at, capsys=capsys)
        assert (code, "no release is called" in err or "expected one of" in err) == (2, True)


def windowed_table() -> dict[str, Any]:
    table = json.loads(json.dumps(STUDY["tables"][0])) | {"window": {"from_months": -1, "to_months": 7}}
    return {"tables": [table | {"rows": table["rows"][:1]}]}


def test_a_value_of_a_window_names_its_record_wherever_it_was_measured(tmp_path: Path) -> None:
    def unscheduled(tables: Tables) -> None:
        rows = tables["fct_observation"]
        at = of(rows, "a") & (rows["scheduled_visit"] == "baseline") & (rows["concept_id"] == "score")
        rows.loc[at, "is_visit_value"] = False

    def mended(tables: Tables) -> None:
        corrected("a", "score", 33.0, "score_4")(tables)
        unscheduled(tables)

    records = (("score_4", "north", "set", "applied"),)
    study = windowed_table()
    before = make_release(tmp_path, "r1", unscheduled, study=study)
    diff = compare_files(before, make_release(tmp_path, "r2", mended, study=study, corrections=records))
    assert why(diff, "Score") == "1 value corrected (record score_4)"


def test_a_value_outside_the_window_is_no_cause(tmp_path: Path) -> None:
    def later(tables: Tables) -> None:
        rows = tables["fct_observation"]
        at = of(rows, "a") & (rows["concept_id"] == "score") & (rows["scheduled_visit"] == "month_12")
        rows.loc[at, ["value_canonical", "correction_id"]] = [1.0, "late_1"]
        corrected("a", "score", 33.0, "score_4")(tables)

    records = (("score_4", "north", "set", "applied"), ("late_1", "north", "set", "applied"))
    study = windowed_table()
    before = make_release(tmp_path, "r1", study=study)
    diff = compare_files(before, make_release(tmp_path, "r2", later, study=study, corrections=records))
    assert why(diff, "Score") == "1 value corrected (record score_4)"


def test_a_window_that_the_study_file_states_otherwise_is_the_cause(tmp_path: Path, plain: Path) -> None:
    last = windowed_table()
    last["tables"][0]["window"]["take"] = "last"
    before = make_release(tmp_path, "r1", study=windowed_table())
    diff = compare_files(before, make_release(tmp_path, "r2", study=last))
    assert why(diff, "Score") == "the study file small.yml states another way to compute it"


GROUPED: dict[str, dict[str, Any]] = {
    "events": {"events": {"relapse": "present"}},
    "definitions": {"definitions": {"active": "met"}},
    "within": {"within": {"age_at_onset_years": {"at_least": 18}}},
}


@pytest.mark.parametrize("kind", list(GROUPED))
def test_a_patient_who_moved_names_the_record_of_what_decides_the_group(tmp_path: Path, kind: str) -> None:
    def status(now: bool) -> Callable[[Tables], None]:
        def change(tables: Tables) -> None:
            events, keys = tables["fct_event"], tables["dim_patient"][["hospital_id", "patient_key"]]
            is_met = [k in "cdefgh" or (now and k == "a") for k in keys["patient_key"]]
            met = pd.DataFrame({"status": ["met" if m else "not_met" for m in is_met]})
            rows = pd.concat([keys, met], axis=1).assign(definition_id="active")
            tables["fct_definition"] = rows.reindex(columns=list(COLUMNS["fct_definition"]))
            if now:
                came = events[of(events, "c")].assign(patient_key="d", correction_id="moved_1")
                tables["fct_event"] = pd.concat([events, came], ignore_index=True)
                patients = tables["dim_patient"]
                patients.loc[of(patients, "d"), ["age_at_onset_years", "correction_id"]] = [19.0, "moved_1"]
                corrected("a", "score", 33.0, "moved_1")(tables)

        return change

    here = {"label": "Here"} | GROUPED[kind]
    study = {"groups": STUDY["groups"] | {"young": here, "old": {"label": "There", "where": {"msa": "B"}}}}
    records = (("moved_1", "north", "set", "applied"),)
    before = make_release(tmp_path, "r1", status(False), study=study)
    after = make_release(tmp_path, "r2", status(True), study=study, corrections=records)
    found = why(compare_files(before, after), "Score", whom="Here")
    assert "1 patient moved from no group to Here (record moved_1)" in found


LATE = {
    "endpoints": {"relapse": STUDY["endpoints"]["relapse"] | {"origin": "first_treatment"}},
    "survival": [{"endpoint": "relapse", "title": "Relapse", "groups": ["young", "old"]}],
}


def of_curve(diff: Diff) -> set[str]:
    return {n.why for n in diff.numbers if n.table == "log_rank"}


def began(months: float) -> Callable[[Tables], None]:
    """Everybody's time begins at the first treatment, half a month before the baseline; of `a`, at
    ``months``.
    """

    def change(tables: Tables) -> None:
        times = tables["fct_time_to_event"]
        tables["fct_time_to_event"] = times.assign(
            entry_months=[months if k == "a" else 0.5 for k in times["patient_key"]],
            origin_days=[(-months if k == "a" else -0.5) * 30.4375 for k in times["patient_key"]],
        )
        treated = tables["dim_patient"][["hospital_id", "patient_key", "sender_id", "delivery_id"]].assign(
            treatment_id="steroid", treatment_source="steroid", start_date_iso="2020-01"
        )
        rows = tables["fct_treatment"].astype(object)
        tables["fct_treatment"] = pd.concat([rows, treated], ignore_index=True)[list(rows.columns)]
        if months != 0.5:
            tables["fct_treatment"].loc[of(treated, "a"), ["start_date_iso", "correction_id"]] = [
                "2019",
                "t_1",
            ]

    return change


def test_a_first_treatment_that_moved_is_the_cause_of_a_time_that_enters_late(tmp_path: Path) -> None:
    records = (("t_1", "north", "set", "applied"),)
    before = make_release(tmp_path, "r1", began(0.5), study=LATE)
    diff = compare_files(before, make_release(tmp_path, "r2", began(10.0), study=LATE, corrections=records))
    assert of_curve(diff) == {"1 value corrected (record t_1)"}


def test_an_origin_that_the_study_file_states_otherwise_is_the_cause(tmp_path: Path) -> None:
    onset = LATE | {"endpoints": {"relapse": LATE["endpoints"]["relapse"] | {"origin": "onset"}}}
    other = LATE | {"endpoints": {"relapse": LATE["endpoints"]["relapse"] | {"left_truncation": False}}}
    for i, study in enumerate((onset, other)):
        before = make_release(tmp_path, f"r1{i}", began(0.5), study=LATE)
        diff = compare_files(
            before, make_release(tmp_path, f"r2{i}", began(0.5), study=study, results=other_log_rank)
        )
        assert of_curve(diff) == {"the study file small.yml states another way to compute it"}


def other_log_rank(found: Tables) -> None:
    found["log_rank"].loc[0, ["p_value"]] = [0.9]
