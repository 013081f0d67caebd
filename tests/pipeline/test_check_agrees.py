"""`myositis check` says of each delivery what `myositis run` then does with it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from orchestration.command import flow
from orchestration.registry.folder import Registry
from orchestration.running.refusals import DeliveryRefusal
from orchestration.situation import read_situation
from tests.pipeline.test_broken_exports import BLANKS, CASES, CORPUS, PATIENTS, USUAL
from tests.registries import opened, run
from tests.trouble.case import CASES as TROUBLE
from tests.unit.test_loading import REGISTRY

BROKEN = Path(__file__).parents[1] / "broken_exports"


@dataclass(frozen=True)
class Judged:
    """What was said of the deliveries: those that can be taken, and each line on the others."""

    taken: set[str]
    refusals: set[str]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Every case of `trouble` is a hospital of its own. The text files of `broken_exports` are three
    deliveries: those that can be read, those that cannot, and those that can be read and say something wrong.
    """
    folder = tmp_path_factory.mktemp("agrees") / "registry"
    (folder / "hospitals").mkdir(parents=True)
    (folder / "registry.yml").write_text(REGISTRY)
    for case in sorted(p for p in TROUBLE.iterdir() if (p / "registry.yml").exists()):
        sender = f"trouble_{case.name[:2]}"
        mapping = (case / "hospitals" / "h.yml").read_text()
        (folder / "hospitals" / f"{sender}.yml").write_text(
            re.sub("(?m)^sender: h$", f"sender: {sender}", mapping)
        )
        shutil.copytree(case / "landing" / "h", folder / "landing" / sender)
    deliver(folder, "readable", {}, *broken(is_refused=False))
    deliver(folder, "unreadable", {}, *broken(is_refused=True))
    strict = {k: v for k, v in CORPUS["sender"].items() if k != "rejected_rows_allowed"}
    deliver(folder, "understood", strict, *understood())
    return opened(folder)


def broken(is_refused: bool) -> tuple[list[dict], dict[str, Path]]:
    """The exports and text files of `expected.yml` that are read, or those that are refused."""
    exports: list[dict] = []
    files: dict[str, Path] = {}
    for case in yaml.safe_load((BROKEN / "expected.yml").read_text()):
        path = BROKEN / "files" / case["file"]
        if path.exists() and ("refused" in case) == is_refused:
            ours = (case.get("tables", [{}])[0].get("columns") or ["id"])[0]
            export = {"file": case["file"].replace("[", "[[]"), **case.get("read", {})}
            exports.append(export | {"patients": {"patient_id": ours}, "ignored": ["*"]})
            files[case["file"]] = path
    return exports, files


def understood() -> tuple[list[dict], dict[str, str]]:
    """The exports and files of `understood.yml`; nothing allows its rejected rows here."""
    exports = [
        {"file": "patients.csv", "patients": {"patient_id": "id", "sex": "sex", "origin_date": "admitted"}}
    ]
    files = {"patients.csv": PATIENTS}
    for case in CASES:
        keys = case.get("export", {})
        mapped = {"visits", "observations", "antibodies", "events"} & set(keys)
        exports.append({"file": case["file"], **({} if mapped else USUAL), **keys})
        files[case["file"]] = case["text"]
        for written, blank in BLANKS.items():
            files[case["file"]] = files[case["file"]].replace(written, blank)
    return exports, files


def deliver(folder: Path, sender: str, keys: dict, exports: list[dict], files: dict[str, str | Path]) -> None:
    mapping = {**keys, "sender": sender, "name": sender, "exports": exports}
    (folder / "hospitals" / f"{sender}.yml").write_text(
        yaml.safe_dump(mapping, allow_unicode=True, sort_keys=False)
    )
    delivery = folder / "landing" / sender / "first"
    delivery.mkdir(parents=True)
    for name, content in files.items():
        (delivery / name).write_bytes(
            content.read_bytes() if isinstance(content, Path) else content.encode("utf-8")
        )


@pytest.fixture(scope="module")
def checked(registry: Registry) -> Judged:
    with pytest.MonkeyPatch.context() as patched:
        said: list[str] = []
        patched.setattr(flow.console.out, "print", lambda text, **_: said.append(text))
        faults = flow.check(registry, read_situation(registry))
    assert not registry.warehouse.exists()
    assert not registry.pseudonym_key_file.exists()
    assert [p.name for p in registry.warehouse.parent.glob("checking-*")] == []
    taken = {text.removesuffix(": can be taken") for text in said if text.endswith(": can be taken")}
    return Judged(taken, set(lines(faults)))


@pytest.fixture(scope="module")
def ran(registry: Registry, checked: Judged) -> Judged:
    outcome = run(registry)
    refused = {"/".join(r.key) for r in outcome.refusals if isinstance(r, DeliveryRefusal)}
    assert len(refused) == len(outcome.refusals)
    return Judged(set(outcome.taken) - refused, {line for r in outcome.refusals for line in lines(r.reasons)})


def lines(reasons: Iterable[str]) -> Iterator[str]:
    for reason in reasons:
        yield from reason.split("\n")


def test_what_check_says_can_be_taken_is_what_run_takes(checked: Judged, ran: Judged) -> None:
    assert checked.taken == ran.taken
    assert {"readable/first", "trouble_11/2024-06-30"} <= ran.taken


def test_what_check_refuses_is_what_run_refuses_for_the_same_reasons(checked: Judged, ran: Judged) -> None:
    assert checked.refusals == ran.refusals
    unreadable = [line for line in ran.refusals if "unreadable/first" in line]
    assert len(unreadable) >= len(broken(is_refused=True)[1])
    assert any(  # which only the build can know
        line.startswith("understood/first/") and " records of observations rejected, which is " in line
        for line in ran.refusals
    )
