"""The command: exit codes, errors as one block on stderr, help with an example each."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NoReturn

import pytest

from orchestration.command import cli, in_git, services
from orchestration.command.services import ui
from orchestration.registry.folder import Registry, load_registry
from orchestration.running.supervisor import CannotServe, Service
from tests.unit.test_loading import MAPPING, make_registry

COMMANDS = (
    "run",
    "ingest",
    "check",
    "release",
    "report",
    "manuscript",
    "ui",
    "sql",
    "status",
    "queries",
    "schema",
    "init",
    "onboard",
    "reproduce",
    "audit",
    "diff",
    "site",
    "publish",
)


def call(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = cli.guarded(lambda: cli.app(list(arguments), standalone_mode=False) or 0)
    seen = capsys.readouterr()
    return code, seen.out, seen.err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_ends_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(command, "--help", capsys=capsys)
    assert code == 0
    assert f"Example: myositis {command}" in out.replace("\n", " ")


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call("--version", capsys=capsys)
    declared = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert (code, out.strip()) == (0, f"myositis {declared['project']['version']}")


def test_a_bad_configuration_is_exit_2_with_all_faults_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_registry(tmp_path)
    (tmp_path / "hospitals" / "north.yml").write_text(
        MAPPING.replace("dates:", "date:").replace("visit_date:", "visit_day:")
    )
    code, _, err = call("status", "--registry", str(tmp_path), capsys=capsys)
    assert code == 2
    assert 'unknown key "date"' in err and 'unknown key "visit_day"' in err
    assert "Traceback" not in err


def test_a_folder_without_a_registry_is_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call("run", "--registry", str(tmp_path / "nowhere"), capsys=capsys)
    assert code == 2 and "no registry.yml here" in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["schema", "mapping"], 0), (["sql", "--help"], 0), (["status", "--registry", "{folder}"], 0)],
)
def test_a_reader_who_leaves_does_not_end_a_command(tmp_path: Path, arguments: list[str], code: int) -> None:
    make_registry(tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.command", *(a.format(folder=tmp_path) for a in arguments)],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize(
    ("written", "is_refused"),
    [
        ("clone/out", True),
        ("clone/registry/deep/out.csv", True),
        ("clone/exports", False),  # the line is exports/, and the folder is not there yet
        ("clone/registry/exports/a.csv", False),
        ("link/out", True),
        ("beside", False),
    ],
)
def test_what_is_not_masked_is_not_written_where_git_would_take_it(
    tmp_path: Path, written: str, is_refused: bool
) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "init", "--quiet", clone], check=True)
    (clone / ".gitignore").write_text("exports/\n")
    (tmp_path / "link").symlink_to(clone)
    said = in_git.refusal(tmp_path / written)
    assert (said is not None) == is_refused
    if said:  # its remedy works
        subprocess.run(said.rpartition("ignore it: ")[2], shell=True, check=True)
        assert in_git.refusal(tmp_path / written) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "omop", "{0}/out", "--patient-level"],
        ["manuscript", "s", "--inside", "--output", "{0}/out"],
        ["sql", "select 1", "--output", "{0}/out.csv"],
    ],
)
def test_commands_that_mask_nothing_keep_out_of_git(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    make_registry(tmp_path / "registry")
    release = tmp_path / "registry" / "release"
    release.mkdir()
    (release / "current.duckdb").touch()
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    asked = [a.format(tmp_path) for a in arguments]
    code, _, err = call(*asked, "--registry", str(tmp_path / "registry"), capsys=capsys)
    assert code == 2 and "git would take it into a commit" in err
    assert not list(tmp_path.glob("out*"))


def test_wrong_usage_is_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "--no-such-option", capsys=capsys)[0] == 2
    assert call("schema", "recipe", capsys=capsys)[0] == 2


def test_sql_without_a_release_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_registry(tmp_path)
    code, _, err = call("sql", "select 1", "--registry", str(tmp_path), capsys=capsys)
    assert code == 1 and "make one with: myositis run" in err


def test_questions_to_an_unknown_hospital_or_from_a_missing_file_are_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_registry(tmp_path)
    code, _, err = call("queries", "nort", "--registry", str(tmp_path), capsys=capsys)
    assert code == 2 and 'Did you mean "north"?' in " ".join(err.replace("│", " ").split())
    code, _, err = call(
        "queries", "north", "--read", str(tmp_path / "none.xlsx"), "--registry", str(tmp_path), capsys=capsys
    )
    assert code == 2 and "does not exist" in " ".join(err.replace("│", " ").split())


def test_a_warehouse_that_does_not_open_is_exit_2_with_its_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = make_registry(tmp_path)
    registry.warehouse.parent.mkdir()
    registry.warehouse.write_text("no database")
    code, _, err = call("status", "--registry", str(tmp_path), capsys=capsys)
    assert code == 2 and "the next run makes it again from landing" in err and "internal error" not in err


def test_a_lost_key_stops_ingestion_as_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry = make_registry(tmp_path)
    assert call("ingest", "--registry", str(tmp_path), capsys=capsys)[0] == 0
    registry.pseudonym_key_file.unlink()
    second = registry.landing / "north" / "second"
    second.mkdir()
    (second / "patients.csv").write_text("id,name,sex\n3,Cora Example,F\n")
    (second / "visits.csv").write_text("id,date,CK,ALT,remark\n3,2024-01-05,100,20,\n")
    code, _, err = call("ingest", "--registry", str(tmp_path), capsys=capsys)
    assert (
        code == 2
        and err.startswith("north/second: ")
        and "no key here" in err
        and "internal error" not in err
    )


def test_a_folder_that_may_not_be_read_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    def closed() -> None:
        raise PermissionError(13, "Permission denied", "landing/north/first")

    assert cli.guarded(closed) == 2
    assert (
        capsys.readouterr().err
        == "landing/north/first: this user may not read or write it; change its permissions and run again\n"
    )


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (
            PermissionError(13, "Permission denied", "landing/north/first"),
            2,
            "landing/north/first: this user may not read or write it",
        ),
        (
            ZeroDivisionError("division by zero"),
            3,
            "internal error: ZeroDivisionError: north/first: division by zero\n",
        ),
        (KeyboardInterrupt(), 130, "stopped; run the command again"),
    ],
)
def test_an_error_of_a_step_reaches_the_command_as_what_it_is(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    told: str,
) -> None:
    def broken(*_: object) -> None:
        raise error

    make_registry(tmp_path)
    monkeypatch.setattr("orchestration.raw.assets.ingest", broken)
    found, _, err = call("ingest", "--registry", str(tmp_path), capsys=capsys)
    assert (found, err[: len(told)]) == (code, told)


def test_sql_reads_the_warehouse_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_registry(tmp_path)
    query = (
        "sql",
        "select count(*) as n from raw.visits",
        "--warehouse",
        "--csv",
        "--registry",
        str(tmp_path),
    )
    assert call(*query, capsys=capsys)[2] == "there is no warehouse yet; make one with: myositis run\n"
    call("ingest", "--registry", str(tmp_path), capsys=capsys)
    assert call(*query, capsys=capsys) == (
        0,
        "n\n3\n",
        "not for publication: nothing in this answer is masked\n",
    )
    assert call("sql", "create table x (a int)", *query[2:], capsys=capsys)[0] == 2


def test_a_report_without_a_release_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_registry(tmp_path)
    for more in ([], ["--public"]):
        code, _, err = call("report", *more, "--registry", str(tmp_path), capsys=capsys)
        assert code == 1 and "there is no release yet" in err and "myositis run" in err
    assert not (tmp_path / "public").exists()


def test_a_registry_may_be_laid_out_in_a_folder_of_any_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call("init", str(tmp_path / "a: [b"), capsys=capsys)
    assert code == 0 and "YAML" not in out


def test_an_internal_error_is_exit_3_and_points_to_debug(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> None:
        raise RuntimeError("the moon is in the wrong house")

    assert cli.guarded(broken) == 3
    err = capsys.readouterr().err
    assert "internal error: RuntimeError: the moon" in err and "--debug" in err and "Traceback" not in err


def test_check_tells_every_fault_of_an_outstanding_delivery_and_loads_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = make_registry(tmp_path, visits="id,date,CK,ALT\n1,2024-01-05,100,20\n", extra="a\n1\n")
    code, out, err = call("check", "--registry", str(tmp_path), capsys=capsys)
    assert code == 1
    assert "1 sender, 0 studies; files are in order" in out
    assert "no export of hospitals/north.yml reads this file" in err
    assert not list(registry.landing.glob("**/*.duckdb"))


def test_check_tells_of_wide_columns_whose_values_will_have_no_canonical_unit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping = MAPPING.replace("ck: {column: CK, unit: U/L}", "ck: CK").replace(
        "alt: {column: ALT, unit: U/L}", "cmas: ALT"
    )
    make_registry(tmp_path, mapping)
    code, out, _ = call("check", "--registry", str(tmp_path), capsys=capsys)
    assert code == 0
    assert (
        "note: hospitals/north.yml:14: exports[1].observations.values.ck: no unit is stated, and a number "
        "without one has no value in U/L; write {column: …, unit: …} unless its cells hold the unit"
    ) in out
    assert "cmas" not in out
    mapping = MAPPING.replace("column: ALT, unit: U/L", "column: ALT, unit: furlong")
    make_registry(tmp_path, mapping)
    assert (
        'observations.values.alt: no rule leads from "furlong" to U/L'
        in call("check", "--registry", str(tmp_path), capsys=capsys)[1]
    )


def test_help_does_not_load_the_flow() -> None:
    code = "import sys, orchestration.command.cli; sys.exit(any(m in sys.modules for m in ('dagster', 'dbt', 'pandas', 'duckdb')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_ctrl_c_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    make_registry(tmp_path)
    monkeypatch.setattr("orchestration.command.closing.show_status", stopped)
    code, _, err = call("status", "--registry", str(tmp_path), capsys=capsys)
    assert code == 130 and err == "stopped; run the command again to go on from where it stopped\n"


def test_a_port_that_is_taken_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            CannotServe, match=rf"port {port} .* choose another: myositis ui --port {port + 1}"
        ):
            ui(make_registry(tmp_path), "127.0.0.1", port)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_the_pages_are_not_served_beyond_this_machine_unless_a_proxy_names_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    registry = make_registry(tmp_path)
    with pytest.raises(CannotServe, match=r"nobody would know who does.*behind_proxy"):
        ui(registry, host, 0)
    settings = tmp_path / "registry.yml"
    settings.write_text(
        f"{settings.read_text()}behind_proxy: {{header: Remote-User, origin: https://registry.example.org}}\n"
    )
    registry = load_registry(tmp_path)
    told: list[str] = []
    monkeypatch.setattr(services, "_refuse_if_taken", lambda host, port: None)
    monkeypatch.setattr(services, "_become", lambda registry, found, **_: None)
    monkeypatch.setattr(services.console.out, "print", lambda text, **_: told.append(text))
    registry.dagster_home.mkdir()
    ui(registry, host, 3000)
    assert "https://registry.example.org, through the reverse proxy at 127.0.0.1" in told[0]
    assert "token" not in told[0]


def test_the_token_is_not_on_the_command_line_of_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Service] = []
    told: list[str] = []
    registry = make_registry(tmp_path)
    registry.dagster_home.mkdir()
    monkeypatch.setattr(services, "_become", lambda registry, services, **_: found.extend(services))
    monkeypatch.setattr(services.console.out, "print", lambda text, **_: told.append(text))
    ui(registry, "127.0.0.1", 0)
    token = re.findall(r"token=(\S+)", told[0])[0]
    kept = registry.dagster_home / "ui_0.token"
    assert kept.read_text() == token and kept.stat().st_mode & 0o777 == 0o600
    assert all(token not in part for service in found for part in service.command)


@pytest.mark.parametrize(
    ("has_daemon", "names"), [(True, ["webserver"]), (False, ["code server", "daemon", "webserver"])]
)
def test_the_ui_starts_code_server_and_daemon_unless_a_daemon_of_the_registry_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_daemon: bool, names: list[str]
) -> None:
    kept: list[str] = []
    registry = make_registry(tmp_path)
    registry.dagster_home.mkdir()
    monkeypatch.setattr(services, "holder", lambda path: 4711 if has_daemon else None)

    def become(registry: Registry, found: list[Service], **_: object) -> NoReturn:
        kept.extend(service.name for service in found)
        raise SystemExit

    monkeypatch.setattr(services, "_become", become)
    with pytest.raises(SystemExit):
        ui(registry, "127.0.0.1", 0)
    assert kept == names
