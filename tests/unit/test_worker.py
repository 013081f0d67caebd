"""Parsers that are not ours run in a process of their own: what one file does to it no other file notices."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import openpyxl
import pytest

from orchestration.exports import ExportFault
from orchestration.exports.worker import _waiting, in_worker


def workbook(folder: Path, name: str, **cells: str) -> Path:
    book = openpyxl.Workbook()
    for place, value in cells.items():
        book.active[place] = value
    book.save(folder / name)
    return folder / name


def sheets(path: Path) -> list[list]:
    return in_worker("workbook:other_sheets", path=str(path), kind="xlsx", known=[])


def test_a_workbook_that_takes_all_memory_ends_its_own_reader(tmp_path):
    with pytest.raises(ExportFault) as fault:
        sheets(workbook(tmp_path, "far.xlsx", A1="ID", XFD1048576="x"))
    assert fault.value.rule == "too_large_to_read"
    assert sheets(workbook(tmp_path, "plain.xlsx", A1="ID")) == [["Sheet", False, 1]]


def test_a_reader_that_was_killed_is_started_again(tmp_path):
    book = workbook(tmp_path, "plain.xlsx", A1="ID")
    sheets(book)
    killed = _waiting.process
    killed.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
    assert sheets(book) == [["Sheet", False, 1]]
    assert _waiting.process.pid != killed.pid


def test_no_secret_of_ours_is_near_a_hostile_file(tmp_path, monkeypatch):
    monkeypatch.setenv("MYOSITIS_KEY", "secret")
    _waiting.end()
    sheets(workbook(tmp_path, "plain.xlsx", A1="ID"))
    environment = Path(f"/proc/{_waiting.process.pid}/environ").read_bytes()
    assert b"PYTHONPATH" in environment
    assert b"secret" not in environment
