"""What holds for the whole suite: which file a worker takes first, how garbage is collected, and how often a
file may build the models.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

from orchestration.warehouse import dbt
from tests.registries import BUILDS

# The files that take longest, in this order; the others follow as pytest finds them. A long file that begins
# last would leave one core idle. README.md says how to measure.
LONGEST = (
    "tests/pipeline/test_killed_runs.py",
    "tests/pipeline/test_landing_state.py",
    "tests/pipeline/test_redeliveries.py",
    "tests/properties/test_delivery_laws.py",
    "tests/pipeline/test_touched_tests.py",
    "tests/pipeline/test_contributing.py",
    "tests/pipeline/test_shipped_run.py",
    "tests/properties/test_name_laws.py",
    "tests/properties/test_no_silence_laws.py",
    "tests/pipeline/test_corrections.py",
    "tests/pipeline/test_delivery_changes.py",
    "tests/pipeline/test_doubtful_words.py",
    "tests/pipeline/test_impossible_facts.py",
    "tests/pipeline/test_queries.py",
    "tests/trouble/test_01_undecided.py",
    "tests/mappings/test_ready_made.py",
    "tests/mappings/test_cgd.py",
    "tests/mappings/test_tongji.py",
    "tests/pipeline/test_patient_links.py",
    "tests/pipeline/test_rejected_rows_allowed.py",
    "tests/properties/test_column_types.py",
    "tests/pipeline/test_gate.py",
    "tests/pipeline/test_sql_style.py",
    "tests/mappings/test_eicu.py",
    "tests/pipeline/test_broken_exports.py",
)
MOST_BUILDS = 20  # of the models, for one file; each takes some 4 s of one core


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if gone := [name for name in LONGEST if not (config.rootpath / name).exists()]:
        raise pytest.UsageError(f"tests/conftest.py names files that are not there: {', '.join(gone)}")
    place = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.nodeid.split("::")[0], len(LONGEST)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Collect garbage seldom, and never look through what was imported, as `myositis run` does for the same
    reason: it would take a tenth of the time.
    """
    gc.freeze()
    gc.set_threshold(200_000, 20, 10)


@pytest.fixture(scope="session", autouse=True)
def builds_are_counted() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        build = dbt.build

        def counted(*arguments: object, **named: object) -> object:
            BUILDS.append(str(arguments[0]))
            return build(*arguments, **named)  # type: ignore[arg-type]

        patched.setattr(dbt, "build", counted)
        yield


@pytest.fixture(scope="module", autouse=True)
def builds_are_few(request: pytest.FixtureRequest, builds_are_counted: None) -> Iterator[None]:
    """A file that builds so often should share a build, or be two. What `made_once` makes is not
    counted.
    """
    before = len(BUILDS)
    yield
    n = len(BUILDS) - before
    assert n <= MOST_BUILDS, (
        f"{request.node.nodeid} built the models {n} times, and {MOST_BUILDS} are allowed (tests/conftest.py)."
        " tests/README.md says how tests share a build"
    )


@pytest.fixture(autouse=True, scope="module")
def pages_let_go_of_releases() -> Iterator[None]:
    """The pages keep a release open in their own manner; the tests of the next file open it in another."""
    yield
    if shell := sys.modules.get("orchestration.pages.shell"):
        shell.OPENED.close()
        gc.collect()
