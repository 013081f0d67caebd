"""Deliveries that wait for another, that are not in landing any more, and that a record takes out of
force.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from orchestration.automation import deliveries_to_take
from orchestration.command import closing, flow
from orchestration.database.warehouse_file import WarehouseBusy, warehouse
from orchestration.raw import ingestion as raw_ingestion
from orchestration.raw import ledger, loading
from orchestration.raw.outstanding import outstanding
from orchestration.registry.folder import Registry
from orchestration.release.needs_build import needs_build
from orchestration.results import assets as results_assets
from orchestration.running import runs
from orchestration.running.refusals import DeliveryRefusal
from orchestration.situation import read_situation
from orchestration.warehouse import dbt
from orchestration.warehouse.build import build
from tests.registries import opened, query, release_query, warehouse_digest
from tests.unit.test_loading import make_registry

MAPPING = """\
sender: north
name: North Hospital
exports:
  - file: patients.csv
    optional: true
    patients: {patient_id: id, sex: sex}
  - file: labs.csv
    optional: true
    observations: {patient_id: id, observed_on: date, concept: test, value: result, unit: unit}
"""
PATIENTS = "id,sex\n" + "".join(f"{i},F\n" for i in range(60))
LABS = "id,date,test,result,unit\n" + "".join(f"{i},2024-01-05,CK,{100 + i},U/L\n" for i in range(60))


@pytest.fixture
def north(tmp_path: Path) -> Registry:
    """Results of January; their patients come in February."""
    make_registry(tmp_path, MAPPING, patients="", visits="")
    landing = tmp_path / "landing" / "north"
    shutil.rmtree(landing / "first")
    deliver(landing / "2024-01", "labs", LABS)
    return opened(tmp_path)


def deliver(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.csv").write_text(text)


def take(registry: Registry) -> flow.Outcome:
    return flow.ingest(registry, flow.look(registry))


def in_force(registry: Registry) -> list[str]:
    return [d for (d,) in query(registry, "select delivery_id from raw.current_load order by 1")]


def test_what_waited_for_another_delivery_is_judged_again_in_the_run_that_takes_it(north: Registry) -> None:
    refused = take(north)
    assert (refused.taken, len(refused.refusals), in_force(north)) == ((), 1, [])
    assert outstanding(north) == []
    deliver(north.landing / "north" / "2024-02", "patients", PATIENTS)
    outcome = take(north)
    assert (outcome.taken, outcome.refusals) == (("north/2024-02", "north/2024-01"), ())
    assert in_force(north) == ["2024-01", "2024-02"]


def test_the_sensor_launches_a_refused_delivery_again_once_what_it_waited_for_is_there(
    north: Registry,
) -> None:
    with dg.DagsterInstance.get() as instance:
        [first] = deliveries_to_take(north, instance).asked
        take(north)
        assert deliveries_to_take(north, instance).asked == []
        deliver(north.landing / "north" / "2024-02", "patients", PATIENTS)
        from orchestration.raw.ingestion import ingest

        assert ingest(north, "north", "2024-02").is_accepted
        [again] = deliveries_to_take(north, instance).asked
    assert again.partition_key == first.partition_key == "2024-01"
    assert again.run_key != first.run_key


@pytest.mark.parametrize("half", [LABS[:700], "id,date\n"])
def test_a_file_that_is_copied_again_while_it_is_read_is_left_for_the_next_run(
    north: Registry, monkeypatch: pytest.MonkeyPatch, half: str
) -> None:
    """Else the half of it that was there stands in the ledger as the whole, or as refused, under the hash of
    the whole.
    """
    deliver(north.landing / "north" / "2024-01", "patients", PATIENTS)

    def read(*given):
        deliver(north.landing / "north" / "2024-01", "labs", half)
        try:
            return loading.load_delivery(*given)
        finally:
            deliver(north.landing / "north" / "2024-01", "labs", LABS)

    with monkeypatch.context() as patched:
        patched.setattr(raw_ingestion, "load_delivery", read)
        [told] = take(north).refusals
    assert told == DeliveryRefusal(
        "north",
        "2024-01",
        ("landing/north/2024-01: a file was written while it was read; left for the next run",),
        is_left=True,
    )
    assert query(north, "select count(*) from raw.observations") == [(0,)]
    assert take(north).taken == ("north/2024-01",)
    assert query(north, "select count(*) from raw.observations") == [(60,)]


def test_a_release_counts_the_checks_of_the_loads_in_force(north: Registry) -> None:
    """Those of replaced and refused loads were counted too: equal content, and another number of checks after
    every redelivery.
    """
    landing = north.landing / "north"
    deliver(landing / "2024-01", "patients", PATIENTS)
    assert take(north).taken == ("north/2024-01",)
    deliver(landing / "2024-01", "labs", LABS.replace("100,U/L", "101,U/L"))
    assert take(north).taken == ("north/2024-01",)
    assert flow.build(north, with_report=False).refusals == ()
    [(load,)] = query(north, "select load_id from raw.current_load")
    scopes = release_query(north, "select distinct scope from quality.check_result order by 1")
    assert scopes == sorted([(load,), ("marts",)])


def test_rules_that_are_put_back_after_a_build_by_others_was_cut_short_are_built_by_again(
    north: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(north.landing / "north" / "2024-01", "patients", PATIENTS)
    take(north)
    released = flow.build(north, with_report=False).released
    (north.reports / released).mkdir(parents=True)
    (north.reports / released / "report.html").touch()
    assert not needs_build(north)
    rules = north.folder / "registry.yml"
    as_it_was = rules.read_text()
    rules.write_text(as_it_was + "observation_window_days: 9\n")

    def cut_short(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(dbt, "build", cut_short)
        build(opened(north.folder))
    rules.write_text(as_it_was)
    north = opened(north.folder)
    assert needs_build(north)
    assert flow.build(north, with_report=False).released == released
    assert not needs_build(north)


def test_a_delivery_whose_folder_is_gone_stays_in_force_until_a_record_withdraws_it(
    north: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    landing = north.landing / "north"
    deliver(landing / "2024-01", "patients", PATIENTS)
    deliver(landing / "2024-02", "labs", LABS.replace("2024-01-05", "2024-02-05"))
    take(north)
    build(north)
    whole = "select count(*), count(distinct observed_date) from marts.fct_observation"
    assert query(north, whole) == [(120, 2)]
    shutil.move(landing / "2024-02", north.folder / "elsewhere")  # a mount that is missing looks like this
    build(north)
    assert query(north, whole) == [(120, 2)]
    [told] = [fault for fault in flow.check(north, read_situation(north)) if "2024-02" in fault]
    assert told.startswith(
        "landing/north/2024-02: the folder is gone, and the delivery is still in force. Put the folder back, or"
    )
    closing.show_status(north)
    assert (
        "landing/north/2024-02: the folder is gone, and the delivery is still in force"
        in capsys.readouterr().out.replace("\n", " ")
    )

    record = (
        told[told.index("{") : told.index("}") + 1]
        .replace("owner: …", "owner: A. Keeper")
        .replace("reason: …", "reason: sent by mistake")
    )
    (north.folder / "corrections").mkdir()
    (north.folder / "corrections" / "north.yml").write_text(
        f"sender: north\nwithdrawn_deliveries:\n  - {record}\n"
    )
    north = opened(north.folder)
    assert needs_build(north)
    assert all(r.passed for r in build(north)[0])
    assert query(north, whole) == [(60, 1)]
    assert query(north, "select delivery_id, state from quality.delivery order by 1") == [
        ("2024-01", "accepted"),
        ("2024-02", "withdrawn"),
    ]
    assert [fault for fault in flow.check(north, read_situation(north)) if "2024-02" in fault] == []

    shutil.move(
        north.folder / "elsewhere", landing / "2024-02"
    )  # withdrawn it is, also when the folder is back
    assert (outstanding(north), take(north).taken) == ([], ())
    (north.folder / "corrections" / "north.yml").unlink()
    north = opened(north.folder)
    assert take(north).taken == ("north/2024-02",)
    assert all(r.passed for r in build(north)[0])
    assert query(north, whole) == [(120, 2)]


def test_content_in_force_that_comes_again_after_other_content_was_refused_is_what_became_of_the_delivery(
    north: Registry,
) -> None:
    folder = north.landing / "north" / "2024-01"
    deliver(folder, "patients", PATIENTS)
    take(north)
    deliver(folder, "labs", LABS.replace("unit", "measure", 1))
    assert len(take(north).refusals) == 1
    assert [d.state for d in read_situation(north).deliveries] == ["refused"]
    deliver(folder, "labs", LABS)
    assert take(north).taken == ("north/2024-01",)
    assert [d.state for d in read_situation(north).deliveries] == ["accepted"]
    assert outstanding(north) == []


def test_a_delivery_refused_for_rows_dated_after_today_is_judged_again_when_that_day_comes(
    north: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(north.landing / "north" / "2024-01", "patients", PATIENTS)
    deliver(north.landing / "north" / "2024-01", "labs", LABS.replace("2024-01-05", "2098-01-05"))
    take(north)
    assert all(r.passed for r in build(north)[0])
    [refused] = read_situation(north).deliveries
    assert (refused.state, outstanding(north)) == ("refused", [])
    tomorrow = type("Day", (date,), {"today": staticmethod(lambda: date(2098, 1, 5))})
    monkeypatch.setattr(ledger, "date", tomorrow)
    assert [i.delivery for i in outstanding(north)] == ["2024-01"]
    take(north)
    build(north, date(2098, 1, 5))
    assert in_force(north) == ["2024-01"]


def test_a_delivery_that_is_still_arriving_is_not_taken_by_a_click(north: Registry) -> None:
    settings = north.folder / "registry.yml"
    settings.write_text(settings.read_text().replace("quiet_seconds: 0", "quiet_seconds: 600"))
    verdict = raw_ingestion.ingest(opened(north.folder), "north", "2024-01")
    assert "landing/north/2024-01: still arriving" in verdict.reasons[0]
    assert verdict.refusal is not None and verdict.refusal.is_left
    assert not north.warehouse.exists()


def test_a_run_without_an_accepted_delivery_builds_nothing_and_says_what_is_missing(
    north: Registry, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "_build", lambda *_, **__: pytest.fail("there is nothing to build"))
    deliver(north.landing / "north" / "2024-01", "patients", PATIENTS)
    settings = north.folder / "registry.yml"
    settings.write_text(settings.read_text().replace("quiet_seconds: 0", "quiet_seconds: 600"))
    arriving = opened(north.folder)
    outcome = flow.run_all(arriving)
    closing.show(arriving, outcome)
    assert (outcome.taken, outcome.refusals) == ((), ())
    shown = " ".join(capsys.readouterr().out.split())
    assert "no release yet: no delivery has been accepted; put one under" in shown
    assert "nothing changed" not in shown


def test_what_is_taken_and_not_yet_built_is_told_how_to_become_a_release(
    north: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(north.landing / "north" / "2024-01", "patients", PATIENTS)
    closing.show(north, take(north))
    shown = " ".join(capsys.readouterr().out.split())
    assert "no release yet; make one with: myositis run" in shown
    assert "no delivery has been accepted" not in shown


def test_what_a_broken_build_made_of_a_delivery_goes_with_the_delivery(north: Registry) -> None:
    """Else the patient's versions are what they were when last built, and nobody looks at the half-made rows
    again.
    """
    deliver(north.landing / "north" / "2024-01", "patients", PATIENTS)
    take(north)
    assert all(r.passed for r in build(north)[0])
    before = warehouse_digest(north, ("staging", "intermediate", "marts"))
    deliver(
        north.landing / "north" / "2024-02", "labs", "id,date,test,result,unit\n1,2024-03-05,CK,999,U/L\n"
    )
    assert take(north).taken == ("north/2024-02",)
    with warehouse(north.warehouse) as connection:
        connection.execute(
            "update raw.registry_setting set value = 'no number' where setting = 'observation_window_days'"
        )
    broken = [
        r.unique_id for r in dbt.build(north, full_refresh=False, with_seeds=False) if r.status == "error"
    ]
    assert broken == ["model.myositis.int_observations_at_visits"]
    with warehouse(north.warehouse) as connection:
        connection.execute("update raw.delivery set state = 'refused' where delivery_id = '2024-02'")
    assert all(r.passed for r in build(north)[0])
    assert warehouse_digest(north, ("staging", "intermediate", "marts")) == before


def test_a_build_that_no_longer_knows_what_was_built_makes_every_row_once(north: Registry) -> None:
    """Rows keep the number of the build that made them; without the patients' numbers they are found all the
    same.
    """
    deliver(north.landing / "north" / "2024-01", "patients", PATIENTS)
    for delivery, value in (("2024-02", 100), ("2024-03", 200)):
        deliver(
            north.landing / "north" / delivery,
            "labs",
            f"id,date,test,result,unit\n1,{delivery}-05,CK,{value},U/L\n",
        )
        take(north)
        assert all(r.passed for r in build(north)[0])
    before = warehouse_digest(north, ("staging", "intermediate", "marts"))
    with warehouse(north.warehouse) as connection:
        connection.execute("drop table intermediate.int_built_patient")
    assert all(r.passed for r in build(north)[0])
    assert warehouse_digest(north, ("staging", "intermediate", "marts")) == before


@contextmanager
def another_process_writes(registry: Registry) -> Iterator[None]:
    """A lock belongs to the handle that took it, so a handle of its own stands for a process of its own."""
    runs.write_lock(registry).parent.mkdir(exist_ok=True)
    with runs.write_lock(registry).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def test_a_delivery_and_a_build_wait_while_another_process_writes(
    north: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "WAIT_SECONDS", 0.0)
    deliver(north.landing / "north" / "2024-01", "patients", PATIENTS)
    found = outstanding(north)
    with (
        another_process_writes(north),
        pytest.raises(WarehouseBusy, match=r"^another process has been busy") as busy,
    ):
        take(north)
    assert busy.value.__notes__ == ["north/2024-01"]
    assert outstanding(north) == found
    assert take(north).taken == ("north/2024-01",)
    with (
        another_process_writes(north),
        pytest.raises(WarehouseBusy, match=r"^another process has been busy") as busy,
    ):
        flow.build(north, with_report=False)
    assert busy.value.__notes__ == ["build"]
    assert query(north, "select count(*) from information_schema.tables where table_schema = 'marts'") == [
        (0,)
    ]


def test_no_delivery_is_taken_between_the_models_and_the_release_that_names_them(
    north: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release names the loads in force when it is made: one that came after the models would be named, and
    be nowhere.
    """
    deliver(north.landing / "north" / "2024-01", "patients", PATIENTS)
    take(north)

    def meanwhile(*_: object) -> str:
        with pytest.raises(BlockingIOError), another_process_writes(north):
            pass
        raise results_assets.ReleaseRefused(["enough is seen"])

    monkeypatch.setattr(results_assets, "make_candidate", meanwhile)
    [refusal] = flow.build(north, with_report=False).refusals
    assert "enough is seen" in refusal.sentence()
    with another_process_writes(north):
        pass
