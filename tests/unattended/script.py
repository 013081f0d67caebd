"""The script: what happens to a registry that nobody watches, step by step, and what is expected after each.

A step changes something, waits, and asserts. After each step the runner asserts what holds always (`always`):
ledger, partitions, release, `status` and the readers agree. Does not belong here: how things are started and
seen (`stage.py`).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from orchestration.running.attempts import ATTEMPT, USED_UP
from tests.unattended.stage import Stage, Unmet, processes_of

SETTINGS = """
unattended: {look_every_seconds: 5, first_pause_seconds: 5, attempts: 3, keep_runs: 4}
"""
Expected = dict[str, str]  # the state of each delivery, by sender/delivery
Step = Callable[[Stage, Expected], None]


@dataclass
class Script:
    """The steps in their order, each with its sentence."""

    steps: list[tuple[str, Step]] = field(default_factory=list)

    def step(self, sentence: str) -> Callable[[Step], Step]:
        def add(function: Step) -> Step:
            self.steps.append((sentence, function))
            return function

        return add


script = Script()
step = script.step


def expect(holds: object, what: str) -> None:
    if not holds:
        raise Unmet(what)


def always(s: Stage, e: Expected) -> None:
    """What holds after every step."""
    expect(s.ledger() == e, f"ledger {s.ledger()}, expected {e}")
    known = {f"{sender}/{p}" for sender in {n.split("/")[0] for n in e} for p in s.partitions(sender)}
    expect(set(e) <= known, f"partitions {known} lack some of {set(e)}")
    accepted = {name for name, state in e.items() if state == "accepted"}
    s.until(lambda: s.green() == accepted, f"green are {s.green()}, accepted {accepted}", 40)
    if accepted:
        expect(s.released() == accepted, f"released {s.released()}, accepted {accepted}")
    shown = s.command("status")
    expect(shown.returncode in (0, 2), f"status ended with {shown.returncode}: {shown.stderr[-500:]}")
    for name, state in e.items() if shown.returncode == 0 else ():
        sender, _, delivery = name.partition("/")
        expect(
            re.search(rf"^{sender} +{re.escape(delivery)} +{state}", shown.stdout, re.MULTILINE),
            f"status does not say that {name} is {state}:\n{shown.stdout[-1500:]}",
        )
    expect(not s.reader.faults, f"a reader met {s.reader.faults[:3]}")


# arrivals


@step("an empty landing: the daemon is up, says when it looks and when the night is, and status says so")
def empty(s: Stage, e: Expected) -> None:
    s.start()
    said = s.log.read_text()
    expect("every 5 s" in re.sub(r"\s+", " ", said) and "02:00 UTC" in said, said)
    expect("unattended: process" in s.command("status").stdout, "status tells that a daemon is up")
    s.reader.start()


@step("the first delivery comes with _SUCCESS: taken, released and reported")
def first(s: Stage, e: Expected) -> None:
    _deliver_to_zjch(s, e, "2023-06-30")
    s.settle(expected=e)


@step("deliveries of two hospitals come at once: one release holds all three")
def two(s: Stage, e: Expected) -> None:
    s.deliver("2024-01")
    e["zjfah/2024-01"] = "accepted"
    _deliver_to_zjch(s, e, "2025-06-30")
    s.settle(expected=e)


@step("a slow copy: a file that a program holds open is not taken, however long it pauses")
def slow(s: Stage, e: Expected) -> None:
    folder = s.deliver("2024-02", marker=False, visits=None)
    text = (s.sample / "synthetic_visits.csv").read_text()
    with (folder / "synthetic_visits.csv").open("w") as copy:
        copy.write(text[: len(text) // 2])
        copy.flush()
        time.sleep(14)  # the quiet time is 3 s, a look is made every 5 s
        expect("zjfah/2024-02" not in s.ledger(), "taken while it was still written to")
        expect(
            "landing/zjfah/2024-02: still arriving" in s.command("status").stdout, "status: still arriving"
        )
        expect("landing/zjfah/2024-02: still arriving" in s.told_by_tick(), s.told_by_tick())
        copy.write(text[len(text) // 2 :])
    e["zjfah/2024-02"] = "accepted"
    s.settle(expected=e)
    expect(s.loads("zjfah/2024-02") == 1, "half of it was taken first")


@step("_SUCCESS comes before the other files: nothing is taken until they are there")
def marker_first(s: Stage, e: Expected) -> None:
    folder = s.deliver("2024-03", patients=None, visits=None)
    for name in ("patients", "visits"):
        time.sleep(2)
        shutil.copy(s.sample / f"synthetic_{name}.csv", folder)
    e["zjfah/2024-03"] = "accepted"
    s.settle(expected=e)
    expect(s.loads("zjfah/2024-03") == 1, "it was taken before it was whole")


@step("the same content comes once more under another name: taken, and nobody waits for it")
def again(s: Stage, e: Expected) -> None:
    s.deliver("2024-04")
    e["zjfah/2024-04"] = "accepted"
    s.settle(expected=e)


@step("a delivery is sent again into its own folder: the later content replaces the earlier")
def replaced(s: Stage, e: Expected) -> None:
    path = s.folder / "landing" / "zjfah" / "2024-04" / "synthetic_treatments.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    s.until(lambda: s.loads("zjfah/2024-04") == 2, "a second load of the delivery")
    s.settle(expected=e)


@step("the hospital sends something faulty, then the content in force again: it stands as accepted")
def content_returns(s: Stage, e: Expected) -> None:
    path = s.folder / "landing" / "zjfah" / "2024-04" / "synthetic_treatments.csv"
    text = path.read_text()
    path.write_text(text.replace("Drug", "Medicine", 1))
    s.until(lambda: s.ledger()["zjfah/2024-04"] == "refused", "the faulty content is refused")
    s.until(s.is_idle, "its run ends")
    path.write_text(text)
    s.settle(expected=e)


# refusals


@step("a column that nobody mapped: refused with a sentence, the others stay")
def column(s: Stage, e: Expected) -> None:
    text = (s.sample / "synthetic_treatments.csv").read_text().splitlines()
    s.deliver(
        "2024-05", treatments="\n".join(f"{line},{i or 'Surprise'}" for i, line in enumerate(text)) + "\n"
    )
    e["zjfah/2024-05"] = "refused"
    s.settle(expected=e)
    expect("neither maps nor ignores column" in s.command("status").stderr, "status tells the column")


@step("a refused delivery is not run again at each look")
def stands(s: Stage, e: Expected) -> None:
    before = len(s.runs())
    time.sleep(16)
    expect(len(s.runs()) == before, "something was run though nothing changed")


@step("a file with a header and no rows: refused while the mapping does not allow it")
def header_only(s: Stage, e: Expected) -> None:
    header = (s.sample / "synthetic_events.csv").read_text().splitlines()[0] + "\n"
    s.deliver("2024-06", events=header)
    e["zjfah/2024-06"] = "refused"
    s.settle(expected=e)
    expect("may_be_empty: true" in s.command("status").stderr, "status says what to write")


@step("a sender without a mapping: the look and status say so")
def no_mapping(s: Stage, e: Expected) -> None:
    s.deliver("2024-01", sender="south")
    s.until(lambda: "landing/south: no mapping reads this sender" in s.told_by_tick(), "the tick tells", 60)
    expect("landing/south: no mapping" in s.command("status").stdout, "status tells")


# edits


@step("the mapping is edited while the daemon runs: the header-only file is taken, without a restart")
def edit_mapping(s: Stage, e: Expected) -> None:
    s.edit(
        "hospitals/zjfah.yml",
        "  - file: synthetic_events.csv\n",
        "  - file: synthetic_events.csv\n    may_be_empty: true\n",
    )
    e["zjfah/2024-06"] = "accepted"
    s.settle(expected=e)


@step("a faulty edit: the tick and status tell file and line, nothing runs, the code server lives")
def faulty(s: Stage, e: Expected) -> None:
    server, runs = s.services()["code server"], len(s.runs())
    s.edit("hospitals/zjfah.yml", "may_be_empty: true", "may_be_emty: true")
    s.deliver("2024-07")
    s.until(
        lambda: "hospitals/zjfah.yml:" in s.told_by_tick() and "may_be_emty" in s.told_by_tick(),
        "the tick tells",
        60,
    )
    s.until(lambda: s.ticks("new_deliveries")[0].status.value == "FAILURE", "the tick is red in the UI", 20)
    shown = s.command("status")
    expect(shown.returncode == 2 and "may_be_emty" in shown.stderr, shown.stderr)
    time.sleep(8)
    expect(len(s.runs()) == runs, "something was launched by a registry that is no more")
    expect(s.services()["code server"] == server, "the code server died")


@step("a YAML file that is none: told as well")
def no_yaml(s: Stage, e: Expected) -> None:
    s.edit("studies/nxp2.yml", "study: nxp2", "study: [nxp2")
    s.until(lambda: "studies/nxp2.yml:" in s.told_by_tick(), "the tick tells", 60)
    s.edit("studies/nxp2.yml", "study: [nxp2", "study: nxp2")


@step("the edit is mended: what waited is taken")
def mended(s: Stage, e: Expected) -> None:
    s.edit("hospitals/zjfah.yml", "may_be_emty: true", "may_be_empty: true")
    e["zjfah/2024-07"] = "accepted"
    s.settle(expected=e)


@step("the code server is killed while a file is faulty: it starts, and goes on once the file is mended")
def faulty_start(s: Stage, e: Expected) -> None:
    s.edit("registry.yml", "keep_releases: 5", "keep_releases: many")
    s.kill("code server")
    s.until(
        lambda: "keep_releases" in s.told_by_tick() and s.ticks_since(time.time() - 20), "the tick tells", 90
    )
    s.edit("registry.yml", "keep_releases: many", "keep_releases: 4")
    s.deliver("2024-08")
    e["zjfah/2024-08"] = "accepted"
    s.settle(expected=e)


@step("a new hospital: its mapping appears, its delivery is taken, without a restart by hand")
def new_hospital(s: Stage, e: Expected) -> None:
    text = (s.folder / "hospitals" / "zjfah.yml").read_text()
    (s.folder / "hospitals" / "south.yml").write_text(text.replace("sender: zjfah", "sender: south"))
    e["south/2024-01"] = "accepted"
    s.settle(expected=e)


@step("a study is edited: a release with the new study follows, without a delivery")
def edit_study(s: Stage, e: Expected) -> None:
    before = s.release()["release_id"]
    s.edit("studies/nxp2.yml", "Anti-NXP2 juvenile", "Anti-NXP2 (edited) juvenile")
    s.until(lambda: s.release()["release_id"] != before and s.has_report() and s.is_idle(), "another release")


@step("a waiver is written, and changed: each time a release follows, and status tells when it ends")
def waiver(s: Stage, e: Expected) -> None:
    soon = f"{datetime.now() + timedelta(days=10):%Y-%m-%d}"
    before = s.release()["made_from"]
    (s.folder / "waivers.yml").write_text(
        "waivers:\n  - expectation: sex_complete\n    hospital: zjfah\n    owner: Data office\n"
        f"    reason: a test\n    expires: {soon}\n"
    )
    s.until(lambda: s.release()["made_from"] != before and s.has_report() and s.is_idle(), "another release")
    shown = s.command("status")
    expect(f"sex_complete of zjfah: ends on {soon}" in shown.stdout + shown.stderr, shown.stdout)
    before = s.release()["made_from"]
    s.edit("waivers.yml", soon, "2040-01-01")
    s.until(lambda: s.release()["made_from"] != before and s.has_report() and s.is_idle(), "another release")
    shown = s.command("status")
    expect("sex_complete" not in shown.stdout + shown.stderr, shown.stdout)


@step("a record withdraws a delivery: it leaves the release")
def withdrawn(s: Stage, e: Expected) -> None:
    shutil.rmtree(s.folder / "landing" / "zjfah" / "2024-02")
    s.until(
        lambda: "landing/zjfah/2024-02: the folder is gone" in s.command("status").stdout,
        "status: missing",
        60,
    )
    with s.warehouse() as connection:
        [(content,)] = connection.execute(
            "select content_sha256 from raw.delivery where sender_id = 'zjfah' and delivery_id = '2024-02' and state = 'accepted'"
        ).fetchall()
    (s.folder / "corrections").mkdir(exist_ok=True)
    (s.folder / "corrections" / "zjfah.yml").write_text(
        "sender: zjfah\nwithdrawn_deliveries:\n"
        f'  - {{delivery: "2024-02", content: "{content[:12]}", owner: Data office, reason: sent by mistake}}\n'
    )
    s.deliver("2024-09")
    e["zjfah/2024-09"] = "accepted"
    e["zjfah/2024-02"] = "withdrawn"
    s.settle(expected=e)


# kills


@step(
    "the run that takes a delivery is killed: it is tried again after a pause, and says which attempt it is"
)
def kill_ingestion(s: Stage, e: Expected) -> None:
    s.deliver("2024-10")
    _kill_run(s, "ingest_zjfah")
    e["zjfah/2024-10"] = "accepted"
    s.settle(expected=e)
    last = s.runs(job_name="ingest_zjfah", tags={"dagster/partition": "2024-10"})[0]
    expect(last.tags[ATTEMPT] == "2 of 3", f"attempt {last.tags[ATTEMPT]}")


@step("the run of the build is killed: the build is tried again, and the release comes")
def kill_build(s: Stage, e: Expected) -> None:
    s.deliver("2024-11")
    e["zjfah/2024-11"] = "accepted"
    _kill_run(s, "build", after=4)
    s.settle(expected=e)


@step("Dagster's daemon is killed: it is started again, and a delivery is taken")
def kill_daemon(s: Stage, e: Expected) -> None:
    before = s.services()["daemon"]
    s.kill("daemon")
    s.until(lambda: s.services().get("daemon", before) != before, "another daemon", 20)
    s.deliver("2024-12")
    e["zjfah/2024-12"] = "accepted"
    s.settle(expected=e)


@step("the code server is killed: within 30 s the sensors look again")
def kill_code_server(s: Stage, e: Expected) -> None:
    s.kill("code server")
    killed = time.time()
    took = s.until(lambda: s.ticks_since(killed + 1), "a tick", 60)
    expect(took < 30, f"{took:.0f} s without a tick")
    print(f"        {took:.0f} s until the next look")


@step("the code server is killed during a build: the build goes on and releases")
def kill_code_server_in_build(s: Stage, e: Expected) -> None:
    s.deliver("2025-01")
    e["zjfah/2025-01"] = "accepted"
    _at_work(s, "build")
    s.kill("code server")
    s.settle(expected=e)
    expect(
        ATTEMPT not in s.runs(job_name="build")[0].tags
        or s.runs(job_name="build")[0].tags[ATTEMPT].startswith("1 "),
        "it was built twice",
    )


@step("the daemon is killed during a build: the build goes on and releases")
def kill_daemon_in_build(s: Stage, e: Expected) -> None:
    s.deliver("2025-02")
    e["zjfah/2025-02"] = "accepted"
    _at_work(s, "build")
    s.kill("daemon")
    s.settle(expected=e)


@step("daemon, code server and run are killed at once: all is taken up again")
def kill_all(s: Stage, e: Expected) -> None:
    s.deliver("2025-03")
    _at_work(s, "ingest_zjfah")
    for pid in s.runs_at_work():
        os.kill(pid, signal.SIGKILL)
    s.kill("daemon")
    s.kill("code server")
    e["zjfah/2025-03"] = "accepted"
    s.settle(expected=e)


@step("a run that dies at every attempt: the attempts are used up; status, the look and the run say so")
def used_up(s: Stage, e: Expected) -> None:
    s.deliver("2025-04")
    for number in (1, 2, 3):
        _kill_run(s, "ingest_zjfah", attempt=f"{number} of 3")
    s.until(lambda: "The attempts are used up" in s.told_by_tick(), "the tick tells", 60)
    shown = s.command("status").stdout
    expect(
        "zjfah/2025-04: attempt 3 of 3 failed" in shown and "used up" in shown and "02:00 UTC" in shown, shown
    )
    last = s.runs(job_name="ingest_zjfah", tags={"dagster/partition": "2025-04"})[0]
    expect(USED_UP in last.tags, "the run does not say so")
    before = len(s.runs())
    time.sleep(12)
    expect(len(s.runs()) == before, "it was tried once more")


@step("the night comes, in the registry's time zone: what was given up is tried once more")
def night(s: Stage, e: Expected) -> None:
    _set_night(s, "Asia/Shanghai", timedelta(seconds=20))
    e["zjfah/2025-04"] = "accepted"
    s.settle(expected=e)


# collisions


@step(
    "an analyst reads the warehouse file: the look names the process, nothing is launched, status answers soon"
)
def analyst(s: Stage, e: Expected) -> None:
    reader = _hold(s, read_only=True)
    runs = len(s.runs())
    s.deliver("2025-05")
    s.until(
        lambda: f"process {reader.pid} (python -c) reads it" in s.told_by_tick(),
        "the tick names who reads",
        60,
    )
    started = time.monotonic()
    shown = s.command("status")
    took = time.monotonic() - started
    expect(
        shown.returncode == 0 and "outstanding: zjfah/2025-05" in shown.stdout and took < 8,
        f"{took:.1f} s: {shown.stdout}",
    )
    expect(len(s.runs()) == runs, "an attempt was spent")
    reader.kill()
    reader.wait()
    e["zjfah/2025-05"] = "accepted"
    s.settle(expected=e)


@step(
    "somebody writes to the warehouse file: status answers soon with the release's deliveries, and names who"
)
def writer(s: Stage, e: Expected) -> None:
    other = _hold(s, read_only=False)
    started = time.monotonic()
    shown = s.command("status")
    took = time.monotonic() - started
    expect(
        shown.returncode == 0 and f"process {other.pid} (python -c) writes to it" in shown.stdout,
        shown.stdout,
    )
    expect(took < 8, f"status took {took:.1f} s")
    s.until(lambda: "nothing is launched now" in s.told_by_tick(), "the tick tells", 60)
    other.kill()
    other.wait()


@step("an analyst opens the warehouse file during a build, and stays: the build fails, and is tried again")
def analyst_in_build(s: Stage, e: Expected) -> None:
    s.deliver("2025-06")
    e["zjfah/2025-06"] = "accepted"
    _at_work(s, "build")
    reader = _hold(s, read_only=True)
    s.until(lambda: not s.runs_at_work(), "the build ends", 200)
    reader.kill()
    reader.wait()
    s.settle(expected=e)


@step("a person runs `myositis run` beside the daemon: both end, and the delivery is taken once")
def person(s: Stage, e: Expected) -> None:
    s.deliver("2025-07")
    done = s.command("run")
    expect(done.returncode in (0, 1), done.stdout[-800:] + done.stderr[-800:])
    e["zjfah/2025-07"] = "accepted"
    s.settle(expected=e)
    expect(s.loads("zjfah/2025-07") == 1, "it was taken twice")


@step("a person runs `myositis ingest` while the daemon builds: both end")
def person_in_build(s: Stage, e: Expected) -> None:
    s.deliver("2025-08")
    _at_work(s, "build")
    s.deliver("2025-09")
    done = s.command("ingest")
    expect(done.returncode in (0, 1), done.stdout[-800:] + done.stderr[-800:])
    e |= {"zjfah/2025-08": "accepted", "zjfah/2025-09": "accepted"}
    s.settle(expected=e)


@step("a second daemon of the same registry: refused with a sentence, exit code 2")
def second_daemon(s: Stage, e: Expected) -> None:
    done = s.command("daemon")
    expect(done.returncode == 2 and "runs this registry already" in done.stdout, done.stdout + done.stderr)


# ends


@step("SIGTERM: all processes end within 5 s, exit code 143")
def sigterm(s: Stage, e: Expected) -> None:
    code, took = s.stop(signal.SIGTERM)
    expect(code == 143 and took < 5, f"code {code} after {took:.1f} s")
    _none_left(s)
    s.start()


@step("SIGINT to a daemon that a script started in the background, where shells ignore it: exit code 130")
def sigint(s: Stage, e: Expected) -> None:
    s.stop()
    s.start(ignores_interrupt=True)
    code, took = s.stop(signal.SIGINT)
    expect(code == 130 and took < 5, f"code {code} after {took:.1f} s")
    _none_left(s)
    s.start()


@step("SIGTERM during a build: ends within 5 s; the next start makes the release")
def sigterm_in_build(s: Stage, e: Expected) -> None:
    s.deliver("2025-10")
    e["zjfah/2025-10"] = "accepted"
    _at_work(s, "build")
    time.sleep(3)
    code, took = s.stop(signal.SIGTERM)
    expect(code == 143 and took < 5, f"code {code} after {took:.1f} s")
    _none_left(s)
    s.start()
    s.settle(expected=e)


@step("the supervisor is killed: its services end with it, and the next start goes on")
def kill_supervisor(s: Stage, e: Expected) -> None:
    s.deliver("2025-11")
    s.stop(signal.SIGKILL)
    s.until(lambda: not processes_of(s.folder), "no process is left", 20)
    s.start()
    e["zjfah/2025-11"] = "accepted"
    s.settle(expected=e)


@step("a night is missed: it is made up for at the next start")
def missed_night(s: Stage, e: Expected) -> None:
    s.deliver("2025-12")
    for number in (1, 2, 3):
        _kill_run(s, "ingest_zjfah", attempt=f"{number} of 3")
    s.until(lambda: "The attempts are used up" in s.told_by_tick(), "the tick tells", 90)
    night = _set_night(s, "UTC", timedelta(seconds=30))
    s.stop()
    expect(time.time() < night, "the night came before the daemon was stopped")
    time.sleep(max(0.0, night + 5 - time.time()))
    s.start()
    e["zjfah/2025-12"] = "accepted"
    s.settle(expected=e)


# the day


@step("the clock is set forward by a year: an overdue delivery is told by status and by a check in Dagster")
def overdue(s: Stage, e: Expected) -> None:
    s.edit("hospitals/zjfah.yml", "kind: incremental", "expected_every: 6 months\nkind: incremental")
    today = f"{datetime.now():%Y-%m-%d}"  # the day that names the last delivery counts
    s.deliver(today)
    e[f"zjfah/{today}"] = "accepted"
    s.settle(expected=e)
    s.stop()
    s.days = 800
    s.start("ui", "--port", str(PORT), wait=False)
    s.until(lambda: "webserver" in s.services() and _answers(), "the UI answers")
    s.settle(expected=e)
    shown = s.command("status").stdout
    expect("zjfah: a delivery is overdue since" in shown and f"{today} is the last" in shown, shown)
    run = _launch(s, "daily_checks")
    s.until(lambda: s.open_instance().get_run_by_id(run).is_finished, "the checks of the day")
    import dagster as dg

    [record] = s.open_instance().event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey(["raw", "zjfah"]), "arrives_on_time"), limit=1
    )
    evaluation = record.event.dagster_event.asset_check_evaluation_data
    expect(not evaluation.passed and "overdue" in (evaluation.description or ""), str(evaluation))


@step("today again: nothing is overdue")
def today_again(s: Stage, e: Expected) -> None:
    s.stop()
    s.days = 0
    s.start("ui", "--port", str(PORT), wait=False)
    s.until(lambda: "webserver" in s.services() and _answers(), "the UI answers")
    s.settle(expected=e)
    expect("overdue" not in s.command("status").stdout, "still overdue")


# clicks in the UI

PORT = 3978


@step("a click on each step's asset, on each group, and on everything: the release stays whole after each")
def clicks(s: Stage, e: Expected) -> None:
    for told, assets, partition in _clicks():
        run = _launch(s, "__ASSET_JOB", assets, partition)
        s.until(lambda run=run: s.open_instance().get_run_by_id(run).is_finished, f"{told}: the run ends")
        status = s.open_instance().get_run_by_id(run).status.value
        print(f"        {status} {told}", flush=True)
        expect(status == "SUCCESS", f"{told}: {status}")
        s.settle(expected=e)
        always(s, e)


def _clicks() -> list[tuple[str, list[str], str | None]]:
    """(what is clicked, its assets, the partition chosen): of assets and groups that Dagster makes in the
    same steps, one. A group of assets with partitions of different kinds cannot be clicked as a whole.
    """
    found = _ask("{ assetNodes { assetKey { path } groupName isMaterializable isPartitioned opNames } }")
    nodes = [node for node in found["data"]["assetNodes"] if node["isMaterializable"]]
    places: list[tuple[str, list[Any]]] = [("/".join(n["assetKey"]["path"]), [n]) for n in nodes]
    for group in dict.fromkeys(n["groupName"] for n in nodes):
        places.append((f"group {group}", [n for n in nodes if n["groupName"] == group]))
    places.append(("everything without partitions", [n for n in nodes if not n["isPartitioned"]]))
    chosen: dict[tuple[object, ...], tuple[str, list[str], str | None]] = {}
    for told, clicked in places:
        steps = {op for n in clicked for op in n["opNames"]}
        if any(n["isPartitioned"] for n in clicked) and len(steps) > 1:
            continue
        assets = ["/".join(n["assetKey"]["path"]) for n in clicked]
        sender = assets[0].split("/")[1]
        partition = {"zjch": "2023-06-30"}.get(sender, "2024-01") if clicked[0]["isPartitioned"] else None
        is_release = told in ("group release", "group results")  # each as a whole published half a release
        chosen.setdefault((told if is_release else "", *sorted(steps)), (told, assets, partition))
    return list(chosen.values())


@step("a click on a delivery that arrives still: refused with a sentence; it is taken once it is there")
def click_arriving(s: Stage, e: Expected) -> None:
    path = s.folder / "landing" / "zjfah" / "2024-04" / "synthetic_treatments.csv"
    text = path.read_text()
    loads = s.loads("zjfah/2024-04")
    with path.open("w") as copy:
        copy.write(text[: len(text) // 2])
        copy.flush()
        run = _launch(s, "__ASSET_JOB", ["raw/zjfah"], "2024-04")
        s.until(lambda: s.open_instance().get_run_by_id(run).is_finished, "the clicked run ends")
        status = s.open_instance().get_run_by_id(run).status.value
        expect(status == "FAILURE" and s.loads("zjfah/2024-04") == loads, f"{status}, and it was taken")
        expect("landing/zjfah/2024-04: still arriving" in s.why_failed(run), s.why_failed(run))
        copy.write(text[len(text) // 2 :].rsplit("\n", 2)[0] + "\n")
    s.until(lambda: s.loads("zjfah/2024-04") == loads + 1, "the whole content is taken")
    s.settle(expected=e)


@step("a refused delivery is clicked: it stays refused")
def click_refused(s: Stage, e: Expected) -> None:
    run = _launch(s, "__ASSET_JOB", ["raw/zjfah"], "2024-05")
    s.until(lambda: s.open_instance().get_run_by_id(run).is_finished, "the clicked run ends")
    s.settle(expected=e)


@step("SIGTERM to the UI that a script started: all ends within 5 s, exit code 143")
def sigterm_ui(s: Stage, e: Expected) -> None:
    code, took = s.stop(signal.SIGTERM)
    expect(code == 143 and took < 5, f"code {code} after {took:.1f} s")
    _none_left(s)
    s.start()


@step(
    "Dagster's store is bounded: of each job and delivery only the newest runs are kept, and what the UI needs"
)
def bounded(s: Stage, e: Expected) -> None:
    builds = len(s.runs(job_name="build"))
    expect(builds <= 4 + 2, f"{builds} runs of the build are kept")
    events = list((s.folder / ".dagster" / "history" / "runs").glob("*.db"))
    expect(len(events) <= len(s.runs()) + 2, f"{len(events)} files of events, {len(s.runs())} runs")


@step("nothing happens for a minute: what the daemon costs then")
def idle(s: Stage, e: Expected) -> None:
    s.settle(expected=e)
    time.sleep(20)
    before, began = s.processor_seconds(), time.monotonic()
    time.sleep(60)
    per_ten_minutes = (s.processor_seconds() - before) / (time.monotonic() - began) * 600
    stored = sum(p.stat().st_size for p in (s.folder / ".dagster").rglob("*") if p.is_file()) / 1e6
    print(
        f"        {per_ten_minutes:.0f} processor seconds in 10 minutes, {s.memory_mb():.0f} MB;"
        f" Dagster's store {stored:.1f} MB after {len(e)} deliveries"
    )
    expect(per_ten_minutes < 45, "idling costs as much as before")


# helpers


def _deliver_to_zjch(s: Stage, e: Expected, name: str) -> None:
    target = s.folder / "landing" / "zjch" / name
    shutil.copytree(s.folder.parent / "held" / "zjch" / name, target)
    (target / "_SUCCESS").touch()
    e[f"zjch/{name}"] = "accepted"


def _at_work(s: Stage, job: str) -> int:
    """Wait until a run of the job executes; returns its process."""

    def executing() -> int | None:
        import dagster as dg

        for run in s.runs(job_name=job, statuses=[dg.DagsterRunStatus.STARTED]):
            from orchestration.running.supervisor import holder

            if pid := holder(s.folder / ".dagster" / "alive" / run.run_id):
                return pid
        return None

    s.until(executing, f"a run of {job} is at work")
    return executing() or 0


def _kill_run(s: Stage, job: str, after: float = 0.0, attempt: str | None = None) -> None:
    """Kill the process of a run of the job while it executes."""
    if attempt:
        s.until(
            lambda: any(r.tags.get(ATTEMPT) == attempt for r in s.runs(job_name=job) if not r.is_finished),
            f"attempt {attempt}",
        )
    pid = _at_work(s, job)
    time.sleep(after)
    os.kill(pid, signal.SIGKILL)


def _hold(s: Stage, *, read_only: bool) -> subprocess.Popen[bytes]:
    """Another program that has the warehouse file open."""
    code = (
        "import duckdb, time\nwhile True:\n  try:\n"
        f"    c = duckdb.connect({str(s.folder / 'warehouse' / 'warehouse.duckdb')!r}, read_only={read_only}); break\n"
        "  except duckdb.Error: time.sleep(0.05)\n"
        "print('open', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def _set_night(s: Stage, zone: str, ahead: timedelta) -> float:
    """Set the night to the first full minute after so long; returns when that is, once the daemon knows."""
    server = s.services()["code server"]
    at = (datetime.now(ZoneInfo(zone)) + ahead + timedelta(minutes=1)).replace(second=0, microsecond=0)
    text = (s.folder / "registry.yml").read_text()
    new = f'unattended: {{night: "{at:%H:%M}", time_zone: {zone}, '
    text = re.sub(r"unattended: \{(night: \"[^\"]*\", time_zone: [^,]*, )?", new, text)
    (s.folder / "registry.yml").write_text(text)
    s.until(lambda: s.services().get("code server", server) != server, "another code server", 90)
    s.until(lambda: s.ticks_since(time.time() - 3), "it looks again", 90)
    return at.timestamp()


def _none_left(s: Stage) -> None:
    s.until(lambda: not processes_of(s.folder), "no process is left", 3)


def _answers() -> bool:
    try:
        return bool(_ask("{ version }"))
    except OSError:
        return False


def _ask(query: str, **variables: object) -> dict[str, Any]:
    """What the UI asks its server."""
    import json
    import urllib.request

    origin = f"http://127.0.0.1:{PORT}"
    token = (Path(os.environ["DAGSTER_HOME"]) / f"ui_{PORT}.token").read_text()
    request = urllib.request.Request(
        f"{origin}/dagster/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json", "Origin": origin, "Cookie": f"myositis_{PORT}={token}"},
    )
    return json.load(urllib.request.urlopen(request, timeout=30))


CHECKS = """
{ assetNodes { assetKey { path } assetChecksOrError { ... on AssetChecks { checks { name jobNames } } } } }
"""
LAUNCH = """
mutation Launch($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } ... on PipelineNotFoundError { message }
  ... on InvalidSubsetError { message } } }
"""


def _launch(s: Stage, job: str, assets: list[str] | None = None, partition: str | None = None) -> str:
    """Launch a run as a click on assets, or on a job, does: with the checks of these assets."""
    selector: dict[str, object] = {
        "repositoryLocationName": "orchestration.definitions",
        "repositoryName": "__repository__",
        "pipelineName": job,
    }
    if assets:
        selector["assetSelection"] = [{"path": asset.split("/")} for asset in assets]
        selector["assetCheckSelection"] = [
            {"assetKey": node["assetKey"], "name": check["name"]}
            for node in _ask(CHECKS)["data"]["assetNodes"]
            if "/".join(node["assetKey"]["path"]) in assets
            for check in node["assetChecksOrError"].get("checks", ())
            if job in check["jobNames"]
        ]
    tags = [{"key": "dagster/partition", "value": partition}] if partition else []
    params = {
        "selector": selector,
        "mode": "default",
        "executionMetadata": {"tags": tags},
        "runConfigData": "{}",
    }
    answer = _ask(LAUNCH, params=params)
    launched = answer["data"]["launchPipelineExecution"]
    expect(launched["__typename"] == "LaunchRunSuccess", str(launched))
    return str(launched["run"]["runId"])
