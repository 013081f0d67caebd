"""Labels and titles of a study file in English and Chinese: how they are read, refused, written and shown."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from analytics.study.file import Study
from analytics.study.parts import LabelInBoth, chinese
from orchestration.pages.language import _current
from orchestration.pages.studies import frames_in_the_readers_language, in_the_readers_language
from orchestration.pages.words import worded
from orchestration.results.compute import write
from tests.unit import small_study
from yaml_files.yaml_file import ConfigurationError, read_model

BOTH = {"en": "Young", "zh": "儿童"}
STUDY_FILE = """\
study: small
title: {en: Small, zh: 小研究}
groups:
  young: {label: LABEL, where: {onset_group: juvenile}}
variables:
  score: {label: Score}
"""


def declared(**parts: Any) -> Study:
    study = copy.deepcopy(small_study.STUDY)
    study["groups"]["young"]["label"] = BOTH
    return Study.model_validate(study | parts)


def test_a_label_in_both_languages_is_the_english_text_and_has_the_chinese_one() -> None:
    label = declared().groups["young"].label
    assert (label, f"{label}", chinese(label)) == ("Young", "Young", "儿童")
    assert chinese(declared().groups["old"].label) is None


def test_a_label_is_written_back_as_it_was_given() -> None:
    study = declared(title={"en": "Small", "zh": "小研究"})
    written = study.model_dump(mode="json")
    assert written["title"] == {"en": "Small", "zh": "小研究"}
    assert (written["groups"]["young"]["label"], written["groups"]["old"]["label"]) == (BOTH, "Old")
    assert Study.model_validate_json(study.model_dump_json()) == study


def test_the_chinese_text_follows_a_label_into_other_models_and_processes() -> None:
    label = declared().groups["young"].label
    again = Study.model_validate(small_study.STUDY | {"title": label})
    assert [chinese(x) for x in (again.title, copy.deepcopy(label), pickle.loads(pickle.dumps(label)))] == [
        "儿童"
    ] * 3


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        ("{en: Young, fr: Jeunes, zh: 儿童}", 'label.fr: unknown key "fr". Known keys: en, zh.'),
        ("{en: Young}", "label.zh: this key is required and missing"),
        ("{zh: 儿童}", "label.en: this key is required and missing"),
        ("[Young]", "label: expected a text"),
    ],
)
def test_another_form_is_one_fault_with_its_place_and_remedy(
    tmp_path: Path, label: str, sentence: str
) -> None:
    file = tmp_path / "small.yml"
    file.write_text(STUDY_FILE.replace("LABEL", label), encoding="utf-8")
    with pytest.raises(ConfigurationError) as told:
        read_model(file, Study)
    (fault,) = told.value.faults
    assert fault.startswith("small.yml:4: groups.young.") and sentence in fault


def test_the_schema_for_editors_knows_both_forms() -> None:
    schema = Study.model_json_schema()
    text, both = schema["properties"]["title"]["oneOf"]
    assert text["type"] == "string"
    assert schema["$defs"][both["$ref"].rpartition("/")[2]]["required"] == ["en", "zh"]


def test_the_results_have_the_chinese_text_beside_the_english_one() -> None:
    title = {"en": "Cox", "zh": "Cox 回归"}
    cox = {
        "model_id": "c",
        "title": title,
        "endpoint": "relapse",
        "groups": ["young", "old"],
        "terms": ["group"],
    }
    found = small_study.results(cox=[cox], groups=declared().model_dump()["groups"])
    groups = found["study_group"].set_index("group_id")
    assert list(groups["label"]) == ["Young", "Old"]
    assert groups.loc["young", "label_zh"] == "儿童"
    assert groups["label_zh"].isna().tolist() == [False, True]
    assert found["model"].set_index("model_id").loc["c", "title_zh"] == "Cox 回归"
    for table, column in (
        ("study", "title_zh"),
        ("study_variable", "label_zh"),
        ("study_endpoint", "label_zh"),
    ):
        assert found[table][column].dtype == "string" and found[table][column].isna().all()
    assert "title_zh" in found["study_table"]


def test_a_page_in_chinese_has_the_chinese_label_and_the_english_where_there_is_none() -> None:
    before = _current.set("zh")
    try:
        assert in_the_readers_language({"label": "Young", "label_zh": "儿童"}, "label") == "儿童"
        assert in_the_readers_language({"label": "Old", "label_zh": None}, "label") == "Old"
        assert [worded(group.label) for group in declared().groups.values()] == ["儿童", "Old"]
        frames = frames_in_the_readers_language(small_study.results(groups=declared().model_dump()["groups"]))
        assert list(frames["study_group"]["label"]) == ["儿童", "Old"]
    finally:
        _current.reset(before)


def test_a_release_takes_a_label_of_two_languages_as_text(tmp_path: Path) -> None:
    frame = pd.DataFrame({"label": [LabelInBoth("JDM", "幼年皮肌炎"), None], "n": [1, 2]})
    with duckdb.connect(str(tmp_path / "release.duckdb")) as connection:
        connection.execute("create schema results")
    write(tmp_path / "release.duckdb", {"study_group": frame})
    with duckdb.connect(str(tmp_path / "release.duckdb")) as connection:
        assert connection.execute("from results.study_group").fetchall() == [("JDM", 1), (None, 2)]
