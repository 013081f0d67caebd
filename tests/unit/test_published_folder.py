"""A folder of printed numbers: what it may say, and a sentence with file, line and column for every fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.registry.folder import SHIPPED_REGISTRY, load_registry
from orchestration.registry.published import read_paper
from tests.unit.test_loading import make_registry
from yaml_files.yaml_file import ConfigurationError

SUMMARIES = """\
table,variable,group,group_size,summary,printed
I,age,a,10,mean_sd,31.33 ± 11.80
I,age,b,12,mean_sd,43.25 ± 4.67
"""
P_VALUES = """\
table,variable,group_a,group_b,printed_p
I,age,a,b,0.004
"""
PAPER = """\
title: One
model_terms: {table: III}
analyses: {lookup: {overall: {table: log_rank}}}
"""
TERMS = "response,effect,chi2,df,printed_p\ncmas,group,3.6371,1,0.05651\n"
ANALYSES = "analysis,group_a,group_b,printed_p\noverall,,,0.00026\n"


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        stem, _, ending = name.rpartition("_")
        (folder / f"{stem}.{ending}").write_text(text, encoding="utf-8")
    return folder


def faults(folder: Path, **files: str) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        read_paper(write(folder, **files))
    return error.value.faults


def test_every_printed_value_of_every_file_is_a_cell(tmp_path: Path) -> None:
    paper = read_paper(
        write(
            tmp_path,
            summaries_csv=SUMMARIES,
            p_values_csv=P_VALUES,
            paper_yml=PAPER,
            model_terms_csv=TERMS,
            analyses_csv=ANALYSES,
        )
    )
    assert list(paper.cells()) == [
        "I/age/a",
        "I/age/b",
        "I/age/a:b",
        "III/cmas/group/chi_square",
        "III/cmas/group/p",
        "text/overall",
    ]


def test_a_folder_with_one_file_is_a_paper(tmp_path: Path) -> None:
    paper = read_paper(write(tmp_path / "smith_2020", p_values_csv=P_VALUES))
    assert (paper.file.title, [p.line for p in paper.p_values]) == ("smith_2020", [2])


def test_the_shipped_paper_prints_402_values() -> None:
    paper = read_paper(SHIPPED_REGISTRY / "published" / "nxp2")
    counts = len(paper.summaries), len(paper.p_values), len(paper.terms), len(paper.analyses)
    assert counts == (233, 140, 12, 5)
    assert len(set(paper.cells())) == 402
    assert [s.statement_id for s in paper.statements] == [f"s{n:02d}" for n in range(1, 17)]


STATEMENTS = """\
statement_id,where,statement,variable,groups,visits,kind
s1,Results,age rises,age,a,baseline;month_3,rises
s2,Discussion,the older relapse,age;relapse,a,,association
s3,Results,they differ,age,a;b,all,contradicts Table I (0.004)
"""
STATED = (
    "title: T\nstatements: {measures: {s2: {measure: level, visits: [month_3], with_endpoint: higher}}}\n"
)


def test_statements_are_read_with_their_kind_and_what_they_contradict(tmp_path: Path) -> None:
    summaries = SUMMARIES + "I,relapse,a,10,count_percent,5 (50.00)\n"
    paper = read_paper(write(tmp_path, summaries_csv=summaries, paper_yml=STATED, statements_csv=STATEMENTS))
    read = [(s.line, s.variables, s.groups, s.visits, s.kind, s.contradicts) for s in paper.statements]
    assert read == [
        (2, ("age",), ("a",), ("baseline", "month_3"), "rises", None),
        (3, ("age", "relapse"), ("a",), (), "association", None),
        (4, ("age",), ("a", "b"), ("all",), "contradicts", "Table I (0.004)"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (",rises", ",rise", "statements.csv:2: kind: expected one of rises, falls, "),
        (",rises", ",rise", 'found "rise". Did you mean "rises"?'),
        (
            "baseline;month_3",
            "baseline",
            "statements.csv:2: visits: a statement of kind rises names 2 or more here; found 1",
        ),
        (
            "baseline;month_3",
            "baseline;;month_3",
            'statements.csv:2: visits: "baseline;;month_3" has an empty part',
        ),
        (
            "age;relapse",
            "age",
            "statements.csv:3: variable: a statement of kind association names a variable and an",
        ),
        (
            "age,a;b",
            "agee,a;b",
            'statements.csv:4: variable: no number is printed of "agee". Did you mean "age"?',
        ),
        ("age,a;b", "age,a;c", 'statements.csv:4: groups: no number is printed of "c".'),
        ("s2,", "s1,", "statements.csv:3: statement_id: s1 is written twice (first on line 2)"),
        ("age rises", "", "statements.csv:2: statement: empty; every statement has one"),
        ("groups,visits", "groups,visit", 'statements.csv:1: no column "visits". Did you mean "visit"?'),
    ],
)
def test_a_faulty_statement_names_line_column_and_remedy(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    summaries = SUMMARIES + "I,relapse,a,10,count_percent,5 (50.00)\n"
    statements = changed(STATEMENTS, old, new)
    found = faults(
        tmp_path, summaries_csv=summaries, paper_yml="title: T\nstatements: {}\n", statements_csv=statements
    )
    assert any(said in fault for fault in found), found


def test_what_paper_yml_says_of_statements_is_about_one_that_stands_in_the_file(tmp_path: Path) -> None:
    summaries = SUMMARIES + "I,relapse,a,10,count_percent,5 (50.00)\n"
    stated = STATED.replace("s2", "s22")
    found = faults(tmp_path / "name", summaries_csv=summaries, paper_yml=stated, statements_csv=STATEMENTS)
    assert found == ['paper.yml:2: statements.measures: no printed statement "s22". Did you mean "s2"?']
    wrong = STATED.replace("level", "fall")
    found = faults(tmp_path / "visits", summaries_csv=summaries, paper_yml=wrong, statements_csv=STATEMENTS)
    assert any("a fall has 2 visits; found 1" in fault for fault in found), found


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"summaries_csv": changed(SUMMARIES, "31.33 ± 11.80", "30 (20, 40)")},
            "summaries.csv:2: 7 cells under 6 columns; a cell that holds a comma stands in quotes",
        ),
        (
            {"summaries_csv": changed(SUMMARIES, "31.33 ± 11.80", '"31,33 ± 11,80"')},
            'summaries.csv:2: printed: expected a mean_sd as 31.33 ± 11.80; found "31,33 ± 11,80"; write a',
        ),
        (
            {"summaries_csv": changed(SUMMARIES, "mean_sd", "mean")},
            'summaries.csv:2: summary: expected one of mean_sd, median_iqr, count_percent; found "mean"',
        ),
        (
            {"summaries_csv": changed(SUMMARIES, ",10,", ",0,")},
            'summaries.csv:2: group_size: expected a whole number above 0; found "0"',
        ),
        (
            {"summaries_csv": changed(SUMMARIES, "age,b", "age,a")},
            "summaries.csv:3: I/age/a is written twice (first on line 2); keep one",
        ),
        (
            {"summaries_csv": changed(SUMMARIES, "I,age,b", "I,,b")},
            "summaries.csv:3: variable: empty; every printed cell has one",
        ),
        (
            {"summaries_csv": changed(SUMMARIES, "I,age,b", "I,age/2,b")},
            'summaries.csv:3: variable: "age/2" holds / or :, which separate',
        ),
        (
            {"summaries_csv": SUMMARIES.replace(",", ";")},
            "summaries.csv:1: its columns are separated by semicolons; save it with commas",
        ),
        ({"summaries_csv": ""}, "summaries.csv:1: the file is empty; expected the columns table, variable"),
        (
            {"p_values_csv": changed(P_VALUES, "printed_p", "printedp")},
            'p_values.csv:1: no column "printed_p". Did you mean "printedp"? Its columns: table, variable, ',
        ),
        (
            {"p_values_csv": changed(P_VALUES, "0.004", "1.004")},
            'p_values.csv:2: printed_p: a p value lies between 0 and 1; found "1.004"',
        ),
        (
            {"p_values_csv": changed(P_VALUES, "0.004", "n.s.")},
            'p_values.csv:2: printed_p: expected a number as 0.004, 31.33 or <0.001; found "n.s."',
        ),
        (
            {"p_values_csv": "table,variable,group_a,group_b,printed_p,stars\nI,age,a,b,0.004,*\n"},
            'p_values.csv:2: stars: paper.yml does not say what "*" means; its stars: none',
        ),
        (
            {"p_values_csv": P_VALUES, "p_value_csv": P_VALUES},
            'p_value.csv: nothing reads this file. Did you mean "p_values.csv"?',
        ),
        (
            {"p_values_csv": P_VALUES, "paper_yml": "title: T\nknwon: {}\n"},
            'paper.yml:2: knwon: unknown key "knwon". Did you mean "known"?',
        ),
        (
            {"p_values_csv": P_VALUES, "paper_yml": 'title: T\nknown:\n  "I/age/a:c": {why: x}\n'},
            'paper.yml:3: known: no printed cell "I/age/a:c". Did you mean "I/age/a:b"?',
        ),
        (
            {"p_values_csv": P_VALUES, "paper_yml": "title: T\nmodel_terms: {table: III}\n"},
            "paper.yml: names model_terms.csv, and there is no such file in the folder",
        ),
        (
            {
                "analyses_csv": changed(ANALYSES, "overall", "overal"),
                "model_terms_csv": TERMS,
                "paper_yml": PAPER,
            },
            'analyses.csv:2: analysis: paper.yml does not say where to look up "overal"; analyses.lookup has'
            ' overall. Did you mean "overall"?',
        ),
        (
            {"analyses_csv": changed(ANALYSES, ",,,", ",a,,"), "model_terms_csv": TERMS, "paper_yml": PAPER},
            "analyses.csv:2: group_b: a pair has two groups; give both, or none",
        ),
        ({}, "no printed number here; write summaries.csv or p_values.csv"),
    ],
)
def test_a_fault_names_file_line_and_column(tmp_path: Path, files: dict[str, str], said: str) -> None:
    found = faults(tmp_path, **files)
    assert any(said in fault for fault in found), found


def test_faults_of_all_files_are_told_together(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        summaries_csv=changed(SUMMARIES, "11.80", "x").replace("4.67", "y"),
        p_values_csv=changed(P_VALUES, "0.004", "z"),
    )
    assert [fault.split(": ")[0] for fault in found] == [
        "summaries.csv:2",
        "summaries.csv:3",
        "p_values.csv:2",
    ]


def test_a_registry_reads_printed_numbers_beside_its_study_and_refuses_those_of_none(tmp_path: Path) -> None:
    make_registry(tmp_path)
    write(tmp_path / "published" / "one", p_values_csv=changed(P_VALUES, "0.004", "z"))
    with pytest.raises(ConfigurationError) as error:
        load_registry(tmp_path)
    assert error.value.faults == [
        "published/one/: no study of this name; the folder of printed numbers has the id of the study that "
        "reproduces them. Studies: none."
    ]
