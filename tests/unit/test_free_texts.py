"""Free texts: what a person typed enters a release only if the mapping says so."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from orchestration.registry.folder import Registry, load_registry
from orchestration.release.free_texts import FREE_TEXTS, copy_sql, released_by
from yaml_files.yaml_file import ConfigurationError

REGISTRY = """\
name: R
visit_schedule: [{visit: baseline, nominal_month: 0, nominal_day: 0, from_day: -14, to_day: 14}]
"""
MAPPING = """\
sender: SENDER
name: S
exports:
  - file: events.csv
    events: {patient_id: id, event_date: day, event: event, detail: DETAIL}
    identifiers: [id]
  - file: more.csv
    events: {patient_id: id, event_date: day, event: event, detail: MORE}
    identifiers: [id]
"""
ROWS = """
create schema marts;
create table marts.fct_event as from (values
    ('north', 'p1', 'relapse', 'Anna fell ill', 7), ('north', 'p2', 'death', null, 7), ('south', 'p3', 'relapse', 'rash', 7)
) as t(sender_id, patient_key, event_id, detail, build_number);
"""


def registry(folder: Path, **details: tuple[str, str]) -> Registry:
    """`north=("remark", "{column: note, release: true}")`: what feeds `detail` in two exports."""
    (folder / "hospitals").mkdir()
    (folder / "registry.yml").write_text(REGISTRY)
    for sender, (detail, more) in details.items():
        text = MAPPING.replace("SENDER", sender).replace("DETAIL", detail).replace("MORE", more)
        (folder / "hospitals" / f"{sender}.yml").write_text(text)
    return load_registry(folder)


def events(of: Registry) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        connection.execute(ROWS)
        return connection.execute(copy_sql(of, "fct_event")).fetchall()


RELEASED = "{column: remark, release: true}"


def test_a_text_stays_behind_and_a_flag_says_that_there_is_one(tmp_path: Path) -> None:
    assert events(registry(tmp_path, north=("remark", "remark"), south=(RELEASED, RELEASED))) == [
        ("north", "p1", "relapse", None, True),
        ("north", "p2", "death", None, False),
        ("south", "p3", "relapse", "rash", False),
    ]


def test_a_text_is_released_only_if_each_export_that_feeds_it_says_so(tmp_path: Path) -> None:
    of = registry(tmp_path, north=(RELEASED, "remark"), south=(RELEASED, RELEASED))
    assert released_by(of)["fct_event.detail"] == ["south"]


def test_where_nobody_releases_no_text_passes(tmp_path: Path) -> None:
    assert [row[3] for row in events(registry(tmp_path, north=("remark", "remark")))] == [None] * 3


def test_the_key_changes_no_reading_so_no_delivery_is_read_again(tmp_path: Path) -> None:
    of = registry(tmp_path, north=("remark", "remark"))
    before = of.mapping_digest("north")
    path = tmp_path / "hospitals" / "north.yml"
    path.write_text(path.read_text().replace("detail: remark", f"detail: {RELEASED}"))
    after = load_registry(tmp_path)
    assert after.mapping_digest("north") == before and released_by(after) != released_by(of)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{column: remark}, status: {column: s, release: true}", "status is in every release"),
        ("{column: [{column: a, release: true}, b]}", "release belongs to the field"),
    ],
)
def test_the_key_belongs_to_free_texts_as_a_whole(tmp_path: Path, written: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        registry(tmp_path, north=(written, "remark"))


def test_a_registry_without_the_keys_masks_below_five_and_gives_months(tmp_path: Path) -> None:
    file = registry(tmp_path, north=("remark", "remark")).file
    assert (file.small_cell_threshold, file.dates) == (5, "month")


def test_every_free_text_names_what_a_release_says_in_its_place() -> None:
    marts = (Path(__file__).parents[2] / "dbt_project" / "models" / "marts").glob("*.sql")
    sql = {path.stem: path.read_text(encoding="utf-8") for path in marts}
    assert all(t.column in sql[t.mart] and t.understood in sql[t.mart] for t in FREE_TEXTS)
