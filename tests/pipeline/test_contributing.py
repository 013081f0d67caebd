"""CONTRIBUTING.md names every file to touch: an invented test, concept, table and format work once these
files are edited.

Each test copies the project, edits exactly the files that the numbered steps name, and runs the copy in a
process of its own, which also runs the laws that hold for all of their kind.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "CONTRIBUTING.md"
COPIED = (
    "analytics", "dbt_project", "docs", "expectations", "orchestration", "registry/studies", "tests/synthetic/constraints",
    "tests/unit", "yaml_files",
)  # fmt: skip

Edit = (
    tuple[str, str] | str
)  # a text and what takes its place (its end for an empty one); or a whole new file


def files_of(heading: str) -> list[str]:
    """The files that the numbered steps under a heading name."""
    section = GUIDE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    steps = re.findall(r"^\d+\. .*(?:\n   .*)*", section, re.MULTILINE)
    assert len(steps) >= 2
    return [path for step in steps for path in re.findall(r"`([\w./<>-]+\.(?:py|R|csv|md))`", step)]


def copy_of_the_project(target: Path) -> Path:
    """What runs and what the laws read; bytecode too, which holds as long as its source is the same."""
    for name in COPIED:
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("logs"))
    for name in ("pyproject.toml", "tests/__init__.py", "tests/registries.py"):
        shutil.copy2(ROOT / name, target / name)
    return target


def edited(target: Path, heading: str, edits: Mapping[str, list[Edit]], **placeholders: str) -> Path:
    """A copy of the project in which the files of a heading, and no others, are edited."""
    listed = files_of(heading)
    for placeholder, name in placeholders.items():
        listed = [path.replace(f"<{placeholder}>", name) for path in listed]
    assert sorted(edits) == sorted(listed)
    project = copy_of_the_project(target)
    for path, changes in edits.items():
        for change in changes:
            _apply(project / path, change)
    return project


def _apply(path: Path, change: Edit) -> None:
    if isinstance(change, str):
        assert not path.exists(), path
        path.write_text(change, encoding="utf-8")
        return
    before, after = change
    text = path.read_text(encoding="utf-8")
    assert not before or text.count(before) == 1, (path.name, before, text.count(before))
    path.write_text(text.replace(before, after) if before else text + after, encoding="utf-8")


def run(project: Path, *arguments: str) -> str:
    """What Python prints in the copy, whose own modules it imports."""
    environment = {**os.environ, "PYTHONPATH": str(project)}
    found = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[-4000:]
    return found.stdout


def laws(project: Path, *tests: str) -> None:
    """The tests that hold for everything of a kind hold in the copy."""
    run(project, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *tests)


def test_the_guide_names_files_that_exist_or_are_to_be_written() -> None:
    for heading in ("statistical test", "concept", "table of results", "reader of a file format"):
        listed = files_of(f"Add a {heading}")
        assert listed
        assert [path for path in listed if "<" not in path and not (ROOT / path).is_file()] == []


# a statistical test

MEDIAN_TEST = '''

def mood_median(
    data: pd.DataFrame, *, value: str, group: str, groups: Sequence[Any], confidence: float = CONFIDENCE
) -> TwoGroupTest:
    """Mood's median test: who lies above the common median, by chi-square (Mood 1950). Effect: share above, difference."""
    groups_of = _checked(data, value, group, groups, confidence, minimum=2)
    if groups_of.status != OK:
        return _without_answer("mood_median", "Mood's median test", groups_of, confidence)
    middle = np.median(groups_of.pooled)
    above = [int((values > middle).sum()) for values in groups_of.values]
    table = np.array([[n, size - n] for n, size in zip(above, groups_of.sizes, strict=True)])
    found = stats.chi2_contingency(table, correction=False)
    shares = [n / size for n, size in zip(above, groups_of.sizes, strict=True)]
    return TwoGroupTest(
        "mood_median", "Mood's median test", *map(str, groups_of.groups), *groups_of.sizes, groups_of.n_missing,
        statistic=float(found.statistic), df=float(found.dof), p_value=float(found.pvalue),
        effect=shares[0] - shares[1], effect_kind="share_above_difference", confidence=confidence,
    )
'''
MEDIAN_IN_R = """
mood_answer <- function(a, b) {
  above <- factor(c(a, b) > median(c(a, b)), levels = c(FALSE, TRUE))
  found <- attempt(chisq.test(table(above, rep(1:2, c(length(a), length(b)))), correct = FALSE))
  middle <- median(c(a, b))
  list(statistic = found$statistic, df = found$parameter, p_value = found$p.value, effect = mean(a > middle) - mean(b > middle))
}
"""
MEDIAN_DECLARED = """TESTS = (
    StatisticalTest(
        "mood_median", MEASUREMENT, TWO, "groups.two_groups:mood_median", "Mood's median", "Mood",
        "who lies above the common median",
        effect="share_above_difference",
        in_r=InR("mood_answer(a, b)", ("statistic", "df", "p_value", "effect")),
    ),
"""
MEDIAN_USED = """
from analytics import mood_median
from analytics.printed.method_words import methods
from analytics.printed.tables import baseline_table
from analytics.replay_r import SCRIPT, ReleaseIdentity, replay
from analytics.study.frames import StudyFrames
from tests.unit import small_study as small

row = {"variable": "score", "summary": "mean_sd", "test": "mood_median"}
parts = {"tables": [small.STUDY["tables"][0] | {"rows": [row]}]}
results = small.results(**parts)
[found] = results["group_comparison"].to_dict("records")
files = replay(small.cohort(**parts), results, ReleaseIdentity("r0"))
frames = StudyFrames("small", results)
assert mood_median.__name__ == "mood_median"
print(found["test"], found["statistic"], found["effect"], found["status"])
print("  mood_median = function(a, b) mood_answer(a, b))" in files[SCRIPT])
print(sorted(files["ours.csv"].query("result == 'group_comparison'")["quantity"]))
print(baseline_table(frames, "I").rows[0].cells["test"], "|", dict(methods(frames))["Comparisons of groups"].split(";")[0])
"""


def test_a_statistical_test_is_added_by_the_files_that_the_guide_names(tmp_path: Path) -> None:
    project = edited(
        tmp_path / "project",
        "Add a statistical test",
        {
            "analytics/groups/two_groups.py": [("", MEDIAN_TEST)],
            "analytics/replay_r/tables.R": [("", MEDIAN_IN_R)],
            "analytics/declared_tests.py": [("TESTS = (\n", MEDIAN_DECLARED)],
            "registry/studies/README.md": [
                ("`kolmogorov_smirnov` |", "`kolmogorov_smirnov`, `mood_median` |")
            ],
        },
    )
    answer, in_script, compared, words = run(project, "-c", MEDIAN_USED).splitlines()
    assert answer == "mood_median 8.0 1.0 ok"  # the four young have 30 to 50, the four old 18 to 25
    assert in_script == "True"
    assert compared == str(
        sorted(["df", "effect", "n", "n_a", "n_b", "n_missing", "p_adjusted", "p_value", "statistic"])
    )
    assert words == "Mood | Mood's median test"
    laws(project, "tests/unit/test_declared_tests.py", "tests/unit/test_analytics_names.py")


# a concept

CONCEPT_USED = r"""
import sys
from pathlib import Path

from orchestration.raw.ingestion import ingest
from orchestration.resources import point_at
from orchestration.warehouse.build import build
from tests.registries import query
from tests.unit.test_loading import make_registry

mapping = '''
sender: north
name: North Hospital
rejected_rows_allowed: 0.5
dates: ["%Y-%m-%d"]
exports:
  - {file: patients.csv, patients: {patient_id: id, sex: sex}, identifiers: [id, name]}
  - {file: visits.csv, visits: {patient_id: id, visit_date: date}}
  - file: labs.csv
    observations: {patient_id: id, observed_on: date, concept: test, value: value, unit: unit}
'''
labs = "id,date,test,value,unit\n1,2024-01-05,Moonstone index,2,mU/L\n1,2024-02-05,月光石指数,600,U/L\n"
registry = make_registry(Path(sys.argv[1]), mapping, visits="id,date\n1,2024-01-05\n", labs=labs)
point_at(registry)
ingest(registry, "north", "first")
assert [r.unique_id for r in build(registry)[0] if not r.passed] == []
print(query(registry, "select concept_id, value_canonical, unit_canonical, conversion_rule from marts.fct_observation order by 2"))
print(query(registry, "select rule, value_text from quality.rejected_row"))
"""


def test_a_concept_is_added_by_the_files_that_the_guide_names(tmp_path: Path) -> None:
    readme = (ROOT / "dbt_project" / "seeds" / "README.md").read_text(encoding="utf-8")
    concepts = re.search(r"(\| `concepts\.csv`.*\| )(\d+), (\d+), (\d+)( \|)", readme)
    units = re.search(r"(\| `unit_spellings\.csv`.*\| )(\d+), (\d+)(, \d+ \|)", readme)
    assert concepts and units
    said = re.search(r"(\d+) of the (\d+)\nconcepts carry one", readme)
    assert said
    project = edited(
        tmp_path / "project",
        "Add a concept",
        {
            "dbt_project/seeds/concepts.csv": [
                (
                    "",
                    "moonstone_index,Moonstone index,muscle_enzyme,numeric,,U/L,false,0,100000,1,5000,higher_is_worse,,project_limits\n",
                )
            ],
            "dbt_project/seeds/concept_synonyms.csv": [
                (
                    "",
                    "moonstone_index,Moonstone index,en,the id; the name,\nmoonstone_index,月光石指数,zh,,\n",
                )
            ],
            "dbt_project/seeds/unit_conversions.csv": [
                ("", "moonstone_index,m[IU]/L,U/L,0.001,0,moonstone_mu_per_l_to_u_per_l,enzyme_unit\n")
            ],
            "dbt_project/seeds/README.md": [
                (
                    concepts.group(0),
                    f"{concepts[1]}{int(concepts[2]) + 1}, {concepts[3]}, {int(concepts[4]) + 2}{concepts[5]}",
                ),
                (units.group(0), f"{units[1]}{units[2]}, {int(units[3]) + 1}{units[4]}"),
                (said.group(0), f"{said[1]} of the {int(said[2]) + 1}\nconcepts carry one"),
            ],
        },
    )
    found, rejected = run(project, "-c", CONCEPT_USED, str(tmp_path / "registry")).splitlines()[-2:]
    assert found == (
        "[('moonstone_index', 0.002, 'U/L', 'moonstone_mu_per_l_to_u_per_l'), ('moonstone_index', 600.0, 'U/L', 'identity')]"
    )
    assert rejected == "[]"
    laws(project, "tests/unit/test_catalogue.py", "tests/unit/test_catalogue_units.py")


# a table of results

TABLE_USED = """
import sys
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pandas as pd

from analytics.replay_r.claims import claims
from orchestration.release.candidate import candidate_file
from orchestration.results.assets import release_assets
from orchestration.results.compute import compute_and_write
from orchestration.running.helper import IN_THIS_PROCESS
from tests.unit import small_study as small

registry = SimpleNamespace(releases=Path(sys.argv[1]), studies={"small": small.study()}, papers={})
path = candidate_file(registry)
path.parent.mkdir(parents=True)
with duckdb.connect(str(path)) as connection:
    connection.execute("create schema release; create schema results")
    frames = small.frames() | {"release_info": pd.DataFrame({"release_id": ["r0"]})}
    for name, frame in frames.items():
        connection.execute(f"create table release.{name} as select * from frame")
compute_and_write(registry)
with duckdb.connect(str(path)) as connection:
    print(connection.execute("select study_id, release_id, sex, n from results.people_by_sex order by sex").fetchall())
    people = connection.execute("select * from results.people_by_sex").df()
    told = "select comment from duckdb_columns() where table_name = 'people_by_sex' and column_name = 'sex'"
    print(connection.execute(told).fetchall())
asset = release_assets([], IN_THIS_PROCESS)
[spec] = [s for s in asset.specs if s.key.path == ["results", "people_by_sex"]]
print(spec.description)
print(claims({"people_by_sex": people}).not_replayed["reason"].tolist())
"""
STEP = '''def count_sexes(cohort: Cohort) -> Results:
    """people_by_sex."""
    found = cohort.members.groupby("sex").size().rename("n").reset_index()
    return {"people_by_sex": found.assign(method="count", status="ok", note="")}


STEPS = (
    count_sexes,
'''


def test_a_table_of_results_is_added_by_the_files_that_the_guide_names(tmp_path: Path) -> None:
    project = edited(
        tmp_path / "project",
        "Add a table of results",
        {
            "analytics/study/result_tables.py": [
                (
                    "RESULT_TABLES = (\n",
                    'RESULT_TABLES = (\n    ResultTable("people_by_sex", "Who takes part. One row per sex.", "counts"),\n',
                )
            ],
            "analytics/study/result_columns.py": [
                ('    "study": {\n', '    "people_by_sex": {"sex": "Sex."},\n    "study": {\n')
            ],
            "analytics/study/results.py": [("STEPS = (\n", STEP)],
        },
    )
    said = run(project, "-c", TABLE_USED, str(tmp_path / "releases")).splitlines()
    rows, column, description, reason = said[-4:]
    assert column == "[('Sex.',)]"
    assert rows == "[('small', 'r0', 'female', 4), ('small', 'r0', 'male', 4)]"
    assert description == "Who takes part. One row per sex."
    assert reason == "['counts']"
    law = "test_every_declared_table_is_compared_or_says_why_not"
    laws(project, f"tests/unit/test_replay_r.py::{law}")


def test_a_table_that_nobody_declared_is_told_by_name(tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path / "project")
    _apply(project / "analytics/study/results.py", ("STEPS = (\n", STEP))
    with pytest.raises(
        AssertionError,
        match=r"study small made people_by_sex, which analytics/study/result_tables\.py does not",
    ):
        run(project, "-c", TABLE_USED, str(tmp_path / "releases"))


# a reader of a file format

READER = r'''"""Files of `name: value` lines, a blank line after each record.

Belongs here: reading them. Does not belong here: what a name means.
"""

from __future__ import annotations

from pathlib import Path

from .delimited import scratch
from .rows import RowWriter
from .spec import ReadSpec
from .tables import SourceTable, written_table


def read_records(path: Path, name: str, spec: ReadSpec, workdir: Path) -> SourceTable:
    """One table, a row per record; ``source_row`` is the record's number."""
    text = path.read_text(encoding=spec.encoding or "utf-8")
    blocks = [b for b in text.removeprefix("%CARD\n").strip().split("\n\n") if b.strip()]
    records = [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]
    columns = list(dict.fromkeys(key for record in records for key in record))
    with RowWriter(scratch(workdir, ".csv"), spec.damaged_text == "keep") as writer:
        for number, record in enumerate(records, start=1):
            cells = [record.get(column, "") for column in columns]
            writer.write(number, cells, "\t".join(cells))
    return written_table(writer.done(), columns, 1, file=name, encoding="utf-8", format="card", spec=spec)
'''
DECLARED = """FORMATS = (
    FileFormat("card", "cards", "card:read_records", suffixes=(".card",), marks=(b"%CARD",)),
"""
READER_USED = r"""
import sys
from pathlib import Path

import duckdb

from orchestration.exports import ExportFault, ReadSpec, open_tables
from tests.unit.test_loading import MAPPING, load, make_registry

folder = Path(sys.argv[1])
folder.mkdir()
cards = "%CARD\nid: 1\ndate: 2024-01-05\nCK: 100\nALT: 20\nremark: x\n\nid: 2\ndate: 2024-01-07\nCK: <20\nALT: 7\nremark: y\n"
(folder / "some.card").write_text(cards)
(folder / "false.card").write_text("id,ck\n1,2\n")
[table] = open_tables(folder / "some.card", ReadSpec(), folder)
print(table.format, table.rows, table.columns)
try:
    open_tables(folder / "false.card", ReadSpec(), folder)
except ExportFault as fault:
    print(fault.rule, fault.found)
registry = make_registry(folder / "registry", MAPPING.replace("visits.csv", "visits.card\n    format: card"), visits="")
(registry.landing / "north" / "first" / "visits.card").write_text(cards)
print([row[:3] for row in load(registry)])
"""


def test_a_reader_of_a_format_is_added_by_the_files_that_the_guide_names(tmp_path: Path) -> None:
    project = edited(
        tmp_path / "project",
        "Add a reader of a file format",
        {
            "orchestration/exports/card.py": [READER],
            "orchestration/exports/formats.py": [("FORMATS = (\n", DECLARED)],
            "orchestration/exports/README.md": [
                ("| Parquet |", "| Cards (`card`) | the standard library | a row per card |\n| Parquet |")
            ],
            "docs/mapping.md": [("| `format` | `csv`", "| `format` | `card` `csv`")],
        },
        format="card",
    )
    opened, refused, loaded = run(project, "-c", READER_USED, str(tmp_path / "files")).splitlines()[-3:]
    assert opened == "card 2 ('id', 'date', 'CK', 'ALT', 'remark')"
    assert refused == "wrong_format content that is not card, under the name *.card"
    assert loaded == "[('alt', '20', 'U/L'), ('ck', '100', 'U/L'), ('alt', '7', 'U/L'), ('ck', '<20', 'U/L')]"
    laws(project, "tests/unit/test_exports_formats.py")
