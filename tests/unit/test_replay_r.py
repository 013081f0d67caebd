"""The replay in R: its frames, its script, and that every number of the results is compared or listed.

These tests run without R. What R printed of the fixture is golden/replay_r.txt, and a test tells when it is
out of date.
"""

from __future__ import annotations

import io
import json
import math
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml

from analytics.declared_tests import MODEL_TERM, ORDERED_TIMES, TIME_TO_EVENT, statistical_tests
from analytics.replay_r import NOT_REPLAYED, OURS, SCRIPT, ReleaseIdentity, csv_text, replay
from analytics.replay_r.claims import EVERY, claims, row_names
from analytics.replay_r.quantities import KEYS, largest, of_p
from analytics.replay_r.script import SCALES, SERIAL, Files, script
from analytics.study import file as study_module
from analytics.study.analyses import MixedModel
from analytics.study.cohort import build_cohort
from analytics.study.file import Study
from analytics.study.parts import TABLE_RESPONSES
from analytics.study.result_columns import columns_described
from analytics.study.result_tables import RESULT_TABLES
from analytics.study.results import stamp
from orchestration.report.replay import FRAMES, ReplayError, write_replay
from tests.unit import replay_fixture as fixture

SHIPPED = Path(__file__).parents[2] / "registry" / "studies" / "nxp2.yml"
STATED = {
    "position",
    "confidence",
    "nominal_month",
    "time_months",
    "tau_months",
}  # what a study or release states
NO_FILES = Files({}, {}, {}, {})


def written(name: str) -> pd.DataFrame:
    """A frame as R reads it."""
    return pd.read_csv(io.StringIO(fixture.content(name)))


@cache
def ours() -> pd.DataFrame:
    return fixture.files()[OURS]


@cache
def not_replayed() -> pd.DataFrame:
    return fixture.files()[NOT_REPLAYED]


def claimed(result: str, row: str, quantity: str) -> pd.Series:
    found = ours().query("result == @result and row == @row and quantity == @quantity")
    assert len(found) == 1
    return found.iloc[0]


# what is compared, and what is not


def test_every_number_of_every_result_row_is_compared_or_listed_with_a_reason() -> None:
    compared = set(ours()[["result", "row", "quantity"]].itertuples(index=False, name=None))
    listed = set(not_replayed()[["result", "row", "quantity"]].itertuples(index=False, name=None))
    forgotten = []
    for result, frame in fixture.results().items():
        if (result, EVERY, EVERY) in listed:
            continue
        for name, row in row_names(result, frame):
            if (result, name, EVERY) in listed:
                continue
            for column, value in row.items():
                is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
                if not is_number or column in STATED or column in KEYS[result]:
                    continue
                if (result, name, column) not in compared | listed:
                    forgotten.append((result, name, column))
    assert forgotten == []


def test_every_result_row_is_named_once_among_what_is_compared_or_listed() -> None:
    compared = set(ours()[["result", "row"]].itertuples(index=False, name=None))
    listed = set(not_replayed()[["result", "row"]].itertuples(index=False, name=None))
    for result, frame in fixture.results().items():
        if result not in KEYS:
            assert (result, EVERY) in listed or frame.empty
            continue
        names = [name for name, _ in row_names(result, frame)]
        assert len(names) == len(set(names))
        assert {(result, name) for name in names} <= compared | listed


def test_nothing_is_claimed_of_a_row_that_is_not_in_the_results() -> None:
    there = {(r, name) for r, f in fixture.results().items() if r in KEYS for name, _ in row_names(r, f)}
    assert set(ours()[["result", "row"]].itertuples(index=False, name=None)) <= there
    assert not ours().duplicated(["result", "row", "quantity"]).any()


def test_every_reason_is_a_sentence_and_each_says_something_else() -> None:
    reasons = not_replayed()["reason"]
    assert reasons.str.len().min() > 5
    assert "singular fit" in " ".join(reasons)
    assert "monotone likelihood" in " ".join(reasons)


def test_of_a_singular_fit_only_counts_and_a_log_likelihood_that_may_not_be_beaten_are_compared() -> None:
    found = ours()[ours()["row"].str.startswith("il_6_singular")]
    assert found[["result", "quantity", "agreement"]].values.tolist() == [
        ["model", "n", "near"],
        ["model", "n_patients", "near"],
        ["model", "n_missing", "near"],
        ["model", "log_likelihood", "not_above"],
    ]


def test_a_monotone_cox_model_is_counted_and_not_replayed() -> None:
    assert set(ours().query("row == 'monotone'")["quantity"]) == {"n", "n_patients", "n_events"}
    assert "cox_term" in set(not_replayed().query("row == 'monotone|rash'")["result"])


def test_where_ours_has_no_median_r_must_find_none_either() -> None:
    row = {"endpoint": "relapse", "group_id": "a", "n": 8, "events": 1, "median": np.nan, "status": "ok"}
    found = claims({"survival_median": pd.DataFrame([row])}).ours.set_index("quantity")["ours"]
    assert math.isnan(found["median"])
    assert found["n"] == 8


def test_a_test_without_an_answer_compares_its_counts_and_is_listed() -> None:
    this_row = "row == 'I|constant|young_a|young_b'"
    assert set(ours().query(this_row)["quantity"]) == {"n_a", "n_b", "n", "n_missing", "effect"}
    assert not_replayed().query(this_row)["reason"].tolist() == ["no answer of ours: no_variance"]


def test_rows_that_share_a_name_are_listed_and_not_compared() -> None:
    median = {"endpoint": "relapse", "group_id": "a", "n": 8, "events": 1, "median": 3.0, "status": "ok"}
    found = claims({"survival_median": pd.DataFrame([median, median | {"n": 9}])})
    assert found.ours.empty
    assert found.not_replayed["reason"].unique().tolist() == [
        "several analyses of the study share this row's name"
    ]


def test_a_result_that_the_script_does_not_know_is_listed_as_such() -> None:
    found = claims({"crystal_ball": pd.DataFrame({"n": [1]})})
    assert found.not_replayed.values.tolist() == [
        ["crystal_ball", "*", "*", "this script has no R for it"],
    ]


def test_every_declared_table_is_compared_or_says_why_not() -> None:
    compared = {table.name for table in RESULT_TABLES if not table.not_in_r}
    assert compared == set(KEYS)
    assert all("One row per" in table.description for table in RESULT_TABLES)
    assert set(fixture.results()) <= {table.name for table in RESULT_TABLES}


def test_every_column_of_the_results_is_described() -> None:
    """The study of this fixture asks for every part that a study file has."""
    found = fixture.results()
    nameless = {
        f"{table}.{column}"
        for table, frame in found.items()
        for column in frame.columns
        if column not in columns_described(table)
    }
    assert nameless == set()


def test_a_p_value_is_compared_on_the_scale_that_its_statistic_gives_it() -> None:
    assert of_p("p_value")({"p_value": 1e-10}) == pytest.approx(1e-10 * (1 + 10 * math.log(10)))
    assert of_p("p_value")({"p_value": 1.0}) == 1.0


def test_an_infinite_end_of_an_interval_is_no_scale() -> None:
    assert largest("effect", "ci_high")({"effect": -2.0, "ci_high": math.inf}) == 2.0


def test_counts_must_agree_exactly_and_every_other_number_has_a_tolerance() -> None:
    counts = ours()["quantity"].isin(["n", "n_a", "n_b", "n_missing", "count", "events", "at_risk", "ties"])
    assert (ours().loc[counts, "tolerance"] == 0).all()
    assert ours()["tolerance"].between(0, 1e-3).all()
    assert (ours()["scale"] > 0).all()


# the frames


def test_no_file_holds_a_key_or_hospital_of_a_patient() -> None:
    text = "\n".join(fixture.content(name) for name in fixture.files())
    keys = fixture.release_frames()["dim_patient"]["patient_key"]
    assert not any(key in text for key in keys)
    assert "north" not in text
    assert "patient_key" not in text


def test_a_patient_has_one_running_number_in_every_frame() -> None:
    sexes = fixture.cohort().members["sex"].tolist()
    times = written("times_relapse.csv")
    assert sorted(times["patient"]) == list(range(1, 40))
    assert [sexes[number - 1] for number in times["patient"]] == times["sex"].tolist()
    table = written("patients_I.csv")
    assert [int(sexes[number - 1] == "female") for number in table["patient"]] == table["female"].tolist()


def test_a_table_has_one_row_per_patient_of_its_groups_and_its_own_columns() -> None:
    late = written("patients__late_.csv")
    assert late.columns.tolist() == ["patient", "group_id", "cmas", "ck", "dysphagia"]
    assert sorted(late["group_id"].unique()) == ["old_a", "young_a"]
    assert late["patient"].is_unique


def test_visits_hold_every_patient_and_visit_on_the_scale_as_measured() -> None:
    visits = written("visits_ck_car1.csv")
    assert visits.columns.tolist() == [
        "patient", "group_id", "visit", "months", "visit_index", "value", "age", "female",
    ]  # fmt: skip
    assert len(visits) == 39 * 4
    assert visits.iloc[:4][["visit", "months", "visit_index"]].values.tolist() == [
        ["baseline", 0.0, 0],
        ["month_3", 3.0, 1],
        ["month_6", 6.0, 2],
        ["month_12", 12.0, 3],
    ]
    assert visits["value"].max() > 100
    assert visits["value"].isna().any()


def test_times_hold_strata_and_variables_of_the_endpoints_models_alone() -> None:
    assert written("times_relapse.csv").columns.tolist() == [
        "patient", "group_id", "time_months", "event", "sex", "age", "cmas", "rash",
    ]  # fmt: skip
    assert written("times_admission.csv").columns.tolist() == ["patient", "group_id", "time_months", "event"]
    assert set(written("times_relapse.csv")["event"]) == {0, 1}


def test_summaries_made_from_the_written_frames_are_ours() -> None:
    table = written("patients_I.csv").query("group_id == 'young_b'")
    mean, q3 = table["cmas"].mean(), np.nanquantile(table["ck"], 0.75)
    assert mean == pytest.approx(claimed("baseline_summary", "I|cmas|young_b", "mean")["ours"])
    assert q3 == pytest.approx(claimed("baseline_summary", "I|ck|young_b", "q3")["ours"])
    assert table["il_6"].isna().sum() == claimed("baseline_summary", "I|il_6|young_b", "n_missing")["ours"]
    late = written("patients__late_.csv").query("group_id == 'old_a'")
    count = claimed("baseline_summary", 'γ "late"|dysphagia|old_a', "count")["ours"]
    assert (late["dysphagia"] == 1).sum() == count


def test_the_values_of_the_courses_are_the_rows_of_the_visits_frame() -> None:
    drawn = fixture.results()["trajectory_patient"].query("response == 'cmas'")
    rows = written("visits_cmas_ar1.csv").dropna(subset=["value"])
    columns = ["group_id", "visit", "value"]
    pd.testing.assert_frame_equal(
        rows[columns].sort_values(columns, ignore_index=True),
        drawn[columns].sort_values(columns, ignore_index=True),
    )


def test_numbers_survive_writing_and_reading() -> None:
    numbers = pd.DataFrame({"value": [0.1 + 0.2, 1 / 3, 1e-300, 12345678.9, -0.0]})
    assert pd.read_csv(io.StringIO(csv_text(numbers)), float_precision="round_trip").equals(numbers)


def test_missing_is_an_empty_cell_and_infinity_is_rs() -> None:
    frame = pd.DataFrame({"text": ["a", None], "number": [math.inf, np.nan], "other": [-math.inf, 1.5]})
    assert csv_text(frame) == "text,number,other\na,Inf,-Inf\n,,1.5\n"


def test_tables_whose_ids_a_file_system_would_mix_up_get_files_of_their_own() -> None:
    raw = json.loads(json.dumps(fixture.STUDY))
    raw["tables"] = [dict(raw["tables"][1], table_id=i) for i in ("I", "i", "I ")]
    files = replay_of(Study.model_validate(raw))
    assert [n for n in files if n.startswith("patients_")] == [
        "patients_I.csv",
        "patients_i_2.csv",
        "patients_I_.csv",
    ]


def replay_of(study: Study) -> dict[str, str | pd.DataFrame]:
    """The replay of a variant of the fixture's study, with results that name its tables."""
    tables = [t.table_id for t in study.tables]
    summary = pd.DataFrame({"table_id": tables, "variable": "cmas", "group_id": "old_a"})
    results = {**fixture.results(), "baseline_summary": summary}
    return replay(build_cohort(study, fixture.release_frames()), results, fixture.RELEASE)


# the script


def test_the_script_says_what_it_replays_and_that_the_data_are_synthetic() -> None:
    head = fixture.content(SCRIPT).split("## ----")[0]
    for said in ("study invented", "release r0123456789ab", "SYNTHETIC", "numpy 2.4.6", "Rscript replay.R"):
        assert said in head
    assert "nlme, car, emmeans, lme4, pbkrtest, survival, coin" in head


def test_real_patients_bring_a_caution_in_place_of_synthetic() -> None:
    text = script(fixture.study(), ReleaseIdentity("r1"), files_of(fixture.study()))
    assert "SYNTHETIC" not in text
    assert "they never leave the house" in text


def files_of(study: Study) -> Files:
    return Files(
        {t.table_id: "t.csv" for t in study.tables},
        {m.model_id: "v.csv" for m in study.mixed_models},
        {e: "e.csv" for e in study.endpoints},
        {m.model_id: "i.csv" for m in study.recurrent_events},
    )


def test_a_study_asks_only_for_the_packages_that_it_needs() -> None:
    raw = {
        k: v for k, v in fixture.STUDY.items() if k in ("study", "title", "groups", "endpoints", "variables")
    }
    without_bounds = fixture.STUDY["tables"][1:]
    text = script(Study.model_validate(raw | {"tables": without_bounds}), fixture.RELEASE,
                  files_of(fixture.study()))  # fmt: skip
    assert "library(" not in text
    assert "with nothing more" in text


@pytest.mark.parametrize("which", ["fixture", "shipped"])
def test_brackets_and_quotes_of_the_script_close(which: str) -> None:
    study = fixture.study() if which == "fixture" else shipped()
    assert open_brackets(script(study, fixture.RELEASE, files_of(study))) == []


def test_text_of_the_study_cannot_leave_its_comment_or_literal() -> None:
    raw = json.loads(json.dumps(fixture.STUDY))
    evil = 'x")\nsystem("rm")\r\x0b# \u2028system("rm") \\'
    raw["title"] = raw["tables"][0]["title"] = raw["tables"][0]["table_id"] = raw["cox"][0]["title"] = evil
    study = Study.model_validate(raw)
    text = script(study, ReleaseIdentity(evil, evil, True, {evil: evil}), files_of(study))
    assert open_brackets(text) == []
    assert "system" not in code_of(text)


def test_every_function_that_the_study_calls_is_defined_above_it() -> None:
    above, below = fixture.content(SCRIPT).split("## ---- The study")
    calls = below.split("## ---- What agrees")[0]
    called = set(re.findall(r"^(?:table <- )?([a-z_]+)\(", calls, re.MULTILINE))
    assert called == {
        "baseline_table", "describe_and_test", "describe_and_test_bounds", "test_overall", "adjust", "courses", "mixed_model",
        "survival_analysis", "restricted_means", "cox_model", "firth_model", "recurrent_model",
    }  # fmt: skip
    assert all(f"\n{name} <- function(" in above for name in called)


def test_every_file_that_the_script_reads_is_written() -> None:
    study = fixture.content(SCRIPT).split("## ---- The study")[1]
    assert set(re.findall(r'"([^"]+\.csv)"', study)) - {"comparison.csv"} == {
        name for name in fixture.files() if name.startswith(("patients_", "visits_", "times_", "intervals_"))
    }


def test_every_quantity_of_ours_is_one_that_r_records() -> None:
    text = code_of(fixture.content(SCRIPT))
    recorded = set(re.findall(r"\b([a-z_0-9]+) = ", text))
    assert set(ours()["quantity"]) <= recorded
    results = set(re.findall(r'record\("([a-z_]+)"', fixture.content(SCRIPT))) | {"group_comparison"}
    assert set(ours()["result"]) <= results


def test_every_choice_of_a_study_has_a_side_in_r() -> None:
    tests = fixture.content(SCRIPT).split("## ---- The tests that the study names")[1].split("## ----")[0]
    methods = {"andersen_gill", "pwp_total", "pwp_gap", "gamma_frailty"}
    assert set(choices(study_module.RecurrentEvents, "method")) == methods
    declared = statistical_tests(*TABLE_RESPONSES, TIME_TO_EVENT, ORDERED_TIMES)
    answered = {name for name, test in declared.items() if test.in_r}
    assert answered == set(re.findall(r"^  ([a-z_]+) = function", tests, re.MULTILINE))
    assert set(choices(MixedModel, "serial")) == set(SERIAL)
    assert set(choices(MixedModel, "transform")) == set(SCALES)
    for test in (name for name, test in statistical_tests(MODEL_TERM).items() if test.in_r):
        assert f'"{test}"' in part("mixed_models.R"), test
    assert set(choices(study_module.CoxModel, "method")) == {"cox", "firth_cox"}


def choices(model: type, name: str) -> tuple[str, ...]:
    return get_args(model.model_fields[name].annotation)


def part(name: str) -> str:
    return (Path(study_module.__file__).parents[1] / "replay_r" / name).read_text(encoding="utf-8")


@cache
def shipped() -> Study:
    return Study.model_validate(yaml.safe_load(SHIPPED.read_text(encoding="utf-8")))


def tokens(text: str) -> list[str]:
    """R's strings, comments and brackets, in order; everything else character by character."""
    pattern = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`|#[^\n]*|.|\n'
    return re.findall(pattern, text, re.DOTALL)


def code_of(text: str) -> str:
    """The script without its comments and strings."""
    return "".join('""' if t[0] in "\"'" and len(t) > 1 else "" if t[0] == "#" else t for t in tokens(text))


def open_brackets(text: str) -> list[str]:
    """What is left open, or closes nothing; a quote that stands alone is one that does not close."""
    pairs, stack = {")": "(", "]": "[", "}": "{"}, []
    for token in tokens(text):
        if token in pairs.values():
            stack.append(token)
        elif token in pairs:
            if not stack or stack.pop() != pairs[token]:
                return [token]
        elif token in "\"'`":
            return [token]
    return stack


def test_the_bracket_check_sees_what_is_open() -> None:
    assert open_brackets('f("a)", g[1]) # )') == []
    assert open_brackets("f(1") == ["("]
    assert open_brackets('f("a)') == ['"']
    assert open_brackets("f(1]") == ["]"]


# results of another study file, a release, R's own run


def test_results_of_an_older_study_file_are_refused_by_name() -> None:
    older = {**fixture.results(), "model": fixture.results()["model"].query("model_id != 'firth'")}
    with pytest.raises(ValueError, match='model has no model_id "firth"'):
        replay(fixture.cohort(), older, fixture.RELEASE)


def release_file(path: Path) -> Path:
    """The fixture's release, with its results."""
    release = pd.DataFrame([{
        "release_id": "r0123456789ab", "registry_name": "Registry of invented patients", "synthetic": True,
        "versions": '{"numpy": "2.4.6"}',
    }])  # fmt: skip
    results = stamp(fixture.results(), fixture.study().study, "r0123456789ab")
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema release; create schema results")
        frames = {"release": {**fixture.release_frames(), "release_info": release}, "results": results}
        for schema, tables in frames.items():
            for name, frame in tables.items():
                if len(frame.columns):
                    connection.register("frame", frame)
                    connection.execute(f"create table {schema}.{name} as select * from frame")
                    connection.unregister("frame")
    return path


def test_a_release_writes_the_same_files_as_its_frames(tmp_path: Path) -> None:
    paths = write_replay(release_file(tmp_path / "r.duckdb"), tmp_path / "replay", fixture.study())
    assert [p.name for p in paths] == list(fixture.files())
    for path in paths:
        if path.name not in (OURS, NOT_REPLAYED):
            assert path.read_text(encoding="utf-8") == fixture.content(path.name), path.name
    claims_of_release = pd.read_csv(tmp_path / "replay" / OURS).sort_values(["result", "row", "quantity"])
    ours_sorted = ours().sort_values(["result", "row", "quantity"])
    assert claims_of_release["ours"].to_numpy() == pytest.approx(ours_sorted["ours"].to_numpy(), nan_ok=True)


def test_rows_of_single_patients_are_their_owners_alone_and_former_ones_go(tmp_path: Path) -> None:
    out = tmp_path / "private" / "replay"
    out.mkdir(parents=True)
    for name in ("comparison.csv", "patients_gone.csv"):
        (out / name).write_text("R's own output stays", encoding="utf-8")
    written = write_replay(release_file(tmp_path / "r.duckdb"), out, fixture.study())
    assert {p.name for p in out.iterdir()} == {"comparison.csv", *(p.name for p in written)}
    assert out.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in written} == {0o600}


def test_a_file_that_is_no_release_is_refused(tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "other.duckdb")).close()
    with pytest.raises(ReplayError, match=r"no table release\.dim_antibody_status; expected a release file"):
        write_replay(tmp_path / "other.duckdb", tmp_path / "out", fixture.study())
    assert set(FRAMES) <= set(fixture.release_frames())


def test_a_release_made_from_another_study_file_is_refused(tmp_path: Path) -> None:
    raw = json.loads(json.dumps(fixture.STUDY))
    raw["cox"][0]["model_id"] = "new_one"
    with pytest.raises(ReplayError, match='no model_id "new_one"'):
        write_replay(release_file(tmp_path / "r.duckdb"), tmp_path / "out", Study.model_validate(raw))


def test_the_record_of_rs_run_is_of_these_files_and_shows_no_difference() -> None:
    lines = fixture.RECORD.read_text(encoding="utf-8").splitlines()
    expected = fixture.digests()
    assert lines[: len(expected)] == expected, "run R again: see replay_fixture.py"
    assert re.fullmatch(r"(\d+) of \1 numbers agree within their tolerances .*; 0 differ\.", lines[-1])


def test_the_script_says_nothing_of_the_patients() -> None:
    """It leaves the house with a manuscript, and its frames stay."""
    fewer = replace(fixture.cohort(), patients=fixture.cohort().patients.iloc[5:])
    others = {name: frame.assign(**{c: frame[c] + 1 for c in frame.select_dtypes("number")})
              for name, frame in fixture.results().items()}  # fmt: skip
    found = replay(fewer, others, fixture.RELEASE)
    assert not found[OURS].equals(fixture.files()[OURS])
    assert found[SCRIPT] == fixture.files()[SCRIPT]
