"""The columns that the lineage names behind a result are all that the result depends on."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from analytics.study.columns_read import KEY, PARTS, columns_read
from analytics.study.results import run_study
from tests.unit import small_study as small

GROUPS = ["young", "old"]
ASKED: dict[str, Any] = {
    "tables": small.STUDY["tables"],
    "mixed_models": [
        {"model_id": "m", "title": "m", "response": "score", "groups": GROUPS, "visits": list(small.VISITS)}
    ],
    "survival": [{"endpoint": "relapse", "title": "s", "groups": GROUPS}],
    "cox": [
        {"model_id": "c", "title": "c", "endpoint": "relapse", "groups": GROUPS, "terms": ["group", "age"]}
    ],
    "recurrent_events": [
        {"model_id": "r", "title": "r", "endpoint": "relapse", "groups": GROUPS, "terms": ["group"]}
    ],
}


def without(frames: dict[str, pd.DataFrame], kept: set[tuple[str, str]]) -> dict[str, pd.DataFrame]:
    """The frames, with nothing in the columns that are not kept."""
    return {
        name: frame.assign(**{c: None for c in frame if (name, c) not in kept and c not in KEY})
        for name, frame in frames.items()
    }


@pytest.mark.parametrize("part", ASKED)
def test_results_stay_as_they_are_when_every_other_column_is_empty(part: str) -> None:
    study = small.study(**{p: [] for p in ASKED} | {part: ASKED[part]})
    read = columns_read(study)
    whole = run_study(study, small.frames())
    for table in {t for t in PARTS[part] if t in whole}:
        kept = {(c.table, c.column) for c in read[table]}
        found = run_study(study, without(small.frames(), kept))
        pd.testing.assert_frame_equal(found[table], whole[table])


def test_a_study_reads_only_what_its_variables_and_groups_name() -> None:
    study = small.study(tables=ASKED["tables"], survival=[])
    tables = {c.table for c in columns_read(study)["baseline_summary"]}
    assert tables == {"dim_patient", "fct_observation", "fct_time_to_event"}
    assert "survival_curve" not in columns_read(study)
