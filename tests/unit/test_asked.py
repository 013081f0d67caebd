"""Questions answered in a process of their own: the bounds, and that an answer is kept."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pandas as pd
import pytest

from analytics.study.file import Study
from orchestration.results.asked import GIB, Answers, Bounds, NotAnswered
from tests.unit import small_study

RELEASE = Path("r0.duckdb")


def says_its_title(_: Path, study: Study) -> dict[str, pd.DataFrame]:
    return {"study": pd.DataFrame([{"title": study.title, "at": time.time()}])}


def says_nothing(_: Path, __: Study) -> dict[str, pd.DataFrame]:
    return {}


def takes_too_long(_: Path, __: Study) -> dict[str, pd.DataFrame]:
    time.sleep(60)
    return {}


def takes_too_much(_: Path, __: Study) -> dict[str, pd.DataFrame]:
    return {"study": pd.DataFrame({"much": [bytearray(8 * GIB)]})}


def holds_a_value(_: Path, __: Study) -> dict[str, pd.DataFrame]:
    raise ValueError("the patient's value 4711")


def test_an_answer_is_kept_by_release_and_question() -> None:
    answers = Answers()
    first = answers.ask(RELEASE, small_study.study(), says_its_title)
    assert answers.ask(RELEASE, small_study.study(), says_its_title) is first
    other = answers.ask(RELEASE, small_study.study(title="Another"), says_its_title)
    assert other["study"]["title"].tolist() == ["Another"]
    assert answers.ask(Path("r1.duckdb"), small_study.study(), says_its_title) is not first
    assert answers.ask(RELEASE, small_study.study(), says_nothing) == {}


def test_a_question_that_takes_too_long_is_stopped() -> None:
    begun = time.monotonic()
    with pytest.raises(NotAnswered, match=r"more than 0.5 seconds.*state it as a study"):
        Answers(Bounds(seconds=0.5)).ask(RELEASE, small_study.study(), takes_too_long)
    assert time.monotonic() - begun < 30


def test_a_question_that_takes_too_much_memory_ends_alone() -> None:
    with pytest.raises(NotAnswered, match="more than 4 GB of memory"):
        Answers().ask(RELEASE, small_study.study(), takes_too_much)


def dies(release: Path, study: Study) -> dict[str, pd.DataFrame]:
    os._exit(7)


def test_a_death_without_a_word_is_not_put_down_to_memory() -> None:
    with pytest.raises(NotAnswered, match=r"ended without one \(exit code 7\)"):
        Answers().ask(RELEASE, small_study.study(), dies)


def test_an_error_tells_its_name_and_no_value() -> None:
    with pytest.raises(NotAnswered) as told:
        Answers().ask(RELEASE, small_study.study(), holds_a_value)
    assert "ValueError" in str(told.value) and "4711" not in str(told.value)


def test_nobody_waits_for_ever_for_the_questions_of_others() -> None:
    answers = Answers(Bounds(patience_seconds=0.1))
    answers._places.acquire()
    answers._places.acquire()
    with pytest.raises(NotAnswered, match="ask again in a minute"):
        answers.ask(RELEASE, small_study.study(), says_its_title)
