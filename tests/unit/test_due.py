"""Which deliveries are overdue, by the day."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from orchestration.database.warehouse_file import warehouse
from orchestration.raw.due import all_due
from orchestration.registry.folder import load_registry
from tests.unit.test_loading import MAPPING, make_registry

EVERY = MAPPING.replace("name: North Hospital", "name: North Hospital\nexpected_every: 3 months")


@pytest.mark.parametrize(
    ("deliveries", "today", "sentence"),
    [
        ([], "2024-01-01", "north: a delivery is expected every 3 months, and none has been accepted yet"),
        (["2024-03-31"], "2024-06-30", "north: the next delivery is due on 2024-06-30"),
        (
            ["2023-12", "2024-03"],
            "2024-07-02",
            "north: a delivery is overdue since 2024-06-30 (2 days); one is expected every 3 months, and 2024-03 is the"
            " last that was accepted. Ask the hospital for it",
        ),
    ],
)
def test_a_delivery_is_due_so_long_after_the_day_that_names_the_last_accepted_one(
    tmp_path: Path, deliveries: list[str], today: str, sentence: str
) -> None:
    registry = make_registry(tmp_path, EVERY)
    with warehouse(registry.warehouse) as connection:
        for name in deliveries:
            connection.execute(
                "insert into raw.delivery values ('north', ?, ?, 'accepted', 'incremental', '', '', now()::timestamp, '')",
                [name, name],
            )
        [due] = all_due(connection, registry)
    assert due.sentence(date.fromisoformat(today)) == sentence
    assert due.is_overdue(date.fromisoformat(today)) == (not sentence.endswith("due on 2024-06-30"))


def test_a_sender_that_states_no_rhythm_is_never_due(tmp_path: Path) -> None:
    registry = load_registry(make_registry(tmp_path).folder)
    with warehouse(registry.warehouse) as connection:
        assert all_due(connection, registry) == []
