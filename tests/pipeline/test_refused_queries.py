"""A delivery that is refused for its rows is asked about: each unknown word once, and answered for all of its
rows.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestration.database.warehouse_file import warehouse
from orchestration.queries.answers import read_answers
from orchestration.queries.asking import write_queries
from orchestration.queries.finding import find_queries
from orchestration.queries.query_list import Choice
from orchestration.raw.ingestion import ingest
from orchestration.registry.folder import Registry
from orchestration.warehouse.build import build
from tests.pipeline.test_queries import TODAY, answered
from tests.registries import opened, query
from tests.unit.test_loading import make_registry

MAPPING = """\
sender: north
name: North Hospital
dates: ["%Y-%m-%d"]
exports:
  - {file: patients.csv, patients: {patient_id: id, sex: sex}, identifiers: [id]}
  - file: labs.csv
    observations: {patient_id: id, observed_on: day, concept: test, value: value, unit: unit}
    identifiers: [id]
  - file: signs.csv
    events: {patient_id: id, event_date: day, values: {dysphagia: Swallowing, calcinosis_cutis: Calcium}}
    identifiers: [id]
"""
ROWS = [
    *[f"{1 + n % 2},2024-01-{n + 1:02d},Kreatinkinaze,1{n},U/L" for n in range(10)],
    "1,2024-02-01,Anna Example,5,U/L",
    "2,2024-02-02,CK,31,U/L",
    "2,2024-02-03,CK,many,U/L",
    *[f"1,2024-03-{n + 1:02d},CK,2{n},U/L" for n in range(30)],
]


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = make_registry(
        tmp_path_factory.mktemp("refused") / "registry",
        MAPPING,
        patients="id,sex\n1,f\n2,m\n",
        visits="",
        labs="\n".join(["id,day,test,value,unit", *ROWS]) + "\n",
        signs="id,day,Swallowing,Calcium\n1,2024-01-01,perhaps,perhaps\n2,2024-01-01,perhaps,\n",
    )
    return taken(opened(registry.folder))


def taken(registry: Registry) -> Registry:
    assert ingest(registry, "north", "first").is_accepted
    assert [r.unique_id for r in build(registry)[0] if not r.passed] == []
    return registry


def state(registry: Registry) -> tuple[str, str]:
    [found] = query(registry, "select state, reason from raw.delivery")
    return found


def test_the_refusal_tells_the_words_that_two_patients_share_and_how_many_rows_hold_each(
    refused: Registry,
) -> None:
    is_now, reason = state(refused)
    assert is_now == "refused"
    assert 'concept_unknown 11: column "test", rows 2, 3, 4' in reason
    assert '; 2 words: "Kreatinkinaze" 10 rows; 1 is shown in the query list alone; expected a test' in reason
    assert "Anna" not in reason and "many" not in reason
    assert reason.endswith("myositis queries north")


def test_each_word_is_asked_once_and_each_other_row_by_itself(refused: Registry) -> None:
    assert query(refused, "select count(*) from raw.observations where concept_source = 'Kreatinkinaze'")
    with warehouse(refused.warehouse) as connection:
        connection.execute("delete from raw.observations")  # as a publication does
        found, left_out = find_queries(connection, refused, "north", "north")
    assert [(q.kind, q.file, q.row, q.column, q.found) for q in found] == [
        ("concept_unknown", "labs.csv", 2, "test", "Kreatinkinaze"),
        ("concept_unknown", "labs.csv", 12, "test", "Anna Example"),
        ("not_a_number", "labs.csv", 14, "value", "many"),
        ("status_unknown_word", "signs.csv", 2, "Calcium", "perhaps"),  # a word of each column by itself
        ("status_unknown_word", "signs.csv", 2, "Swallowing", "perhaps"),
    ]
    assert left_out == {}
    assert found[0].expected.endswith("10 rows of this table hold it, and your answer is for all that do")


def test_one_answer_puts_every_row_of_a_word_right_and_the_delivery_is_taken(
    refused: Registry, tmp_path: Path
) -> None:
    shutil.copytree(refused.folder, tmp_path / "registry")
    registry = opened(tmp_path / "registry")
    with warehouse(registry.warehouse) as connection:
        path = write_queries(connection, registry, "north", TODAY).path
        answers = {
            ("labs.csv", 2, "test"): (Choice.VALUE, "CK"),
            ("labs.csv", 14, "value"): (Choice.UNKNOWN, None),
            ("signs.csv", 2, "Swallowing"): (Choice.VALUE, "yes"),
        }
        assert read_answers(connection, registry, "north", answered(path, answers), TODAY).written == 3
    registry = taken(opened(registry.folder))
    assert state(registry)[0] == "accepted"
    assert query(
        registry, "select count(*), count(correction_id) from marts.fct_observation where concept_id = 'ck'"
    ) == [(41, 10)]
    assert query(registry, "select rule, count(*) from quality.rejected_row group by 1 order by 1") == [
        ("concept_unknown", 1),
        ("rejected_by_correction", 1),
        ("status_unknown_word", 1),
    ]
    assert query(registry, "select event_id, status, count(*) from marts.fct_event group by all") == [
        ("dysphagia", "present", 2)
    ]
    assert query(registry, "select count(*) from raw.refused_row") == [(0,)]


def test_a_refused_delivery_that_a_record_withdraws_is_not_asked_about(refused: Registry) -> None:
    [(content,)] = query(refused, "select content_sha256 from raw.delivery")
    folder = refused.folder / "corrections"
    folder.mkdir(exist_ok=True)
    (folder / "north.yml").write_text(
        f'sender: north\nwithdrawn_deliveries:\n  - {{delivery: first, content: "{content[:12]}", owner: A, reason: b}}\n'
    )
    withdrawn = opened(refused.folder)
    with warehouse(withdrawn.warehouse) as connection:
        assert find_queries(connection, withdrawn, "north", "north") == ([], {})
    (folder / "north.yml").unlink()
