"""The audit of printed numbers: each check finds one wrong number in a small paper, and passes a right
one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analytics import mann_whitney, student_t, welch_t
from analytics.paper.audit import audit
from analytics.paper.audit.finding import Finding
from analytics.paper.audit.quartiles import order_bounds
from analytics.paper.audit.rank_bounds import p_range
from analytics.paper.audit.t_tests import Moments, student_p, welch_p
from analytics.paper.printed_numbers import PrintedNumber
from analytics.paper.published import (
    Paper,
    PaperFile,
    PrintedAnalysis,
    PrintedP,
    PrintedSummary,
    PrintedTerm,
    PrintedVariable,
    parse_summary,
)
from orchestration.command import cli
from orchestration.registry.folder import SHIPPED_REGISTRY
from orchestration.registry.published import read_paper

KINDS = {"±": "mean_sd", ",": "median_iqr"}


def summary(printed: str, size: int, group: str = "a", table: str = "I", kind: str = "") -> PrintedSummary:
    if not kind:
        marked = next((k for mark, k in KINDS.items() if mark in printed), None)
        kind = marked or ("count_percent" if "(" in printed else "mean_sd")
    return PrintedSummary(2, table, "x", group, size, kind, printed, parse_summary(kind, printed))


def two(a: str, n: int, b: str, m: int, p: str, mark: str | None = None, **file) -> Paper:
    """A paper that prints two groups and their p value."""
    pair = summary(a, n), summary(b, m, "b")
    number = PrintedP(2, "I", "x", "a", "b", p, PrintedNumber.parse(p), mark)
    return Paper("one", PaperFile(title="One", **file), pair, (number,))


def one(*summaries: PrintedSummary, **variable) -> Paper:
    variables = {"variables": {"x": variable}} if variable else {}
    return Paper("one", PaperFile(title="One", **variables), summaries)


def found(paper: Paper, check: str) -> list[Finding]:
    return [finding for finding in audit(paper) if finding.check == check]


def verdict(paper: Paper, check: str) -> tuple[str, str]:
    (finding,) = found(paper, check)
    return finding.verdict, finding.text


@pytest.mark.parametrize(
    ("printed", "size", "expected"),
    [
        ("7 (38.89)", 18, ("holds", "7 of 18")),
        (
            "9 (60.00)",
            18,
            ("holds_if", "9 of 18 is 50.00 %; the printed percent is of 15, not of the header's 18"),
        ),
        ("1 (12)", 8, ("holds", "1 of 8")),
        ("1 (13)", 8, ("holds", "1 of 8")),
        ("7 (38.98)", 18, ("contradicts", "no n up to 18 makes 7 the printed percent")),
        ("7 (140.0)", 5, ("contradicts", "7 of a group of 5")),
        ("0 (0.00)", 5, ("holds", "0 of 5")),
    ],
)
def test_a_percent_is_that_of_its_count(printed: str, size: int, expected: tuple[str, str]) -> None:
    assert verdict(one(summary(printed, size)), "percent") == expected


@pytest.mark.parametrize(
    ("paper", "expected", "said"),
    [
        (two("7 (38.89)", 18, "6 (50.00)", 12, "0.711"), "holds", "7 of 18 against 6 of 12 gives 0.711"),
        (two("9 (60.00)", 18, "1 (8.33)", 12, "0.014"), "holds_if", "9 of 15 against 1 of 12 gives 0.014"),
        (
            two("7 (38.89)", 18, "6 (50.00)", 12, "0.547"),
            "holds_if",
            "gives 0.711; chi-square gives the printed p",
        ),
        (
            two("7 (38.89)", 18, "5 (25.00)", 20, "0.307"),
            "contradicts",
            "gives 0.489, and neither another size",
        ),
        (
            two("7 (38.89)", 18, "6 (50.00)", 12, "0.547", tests={"count_percent": "chi_square"}),
            "holds",
            "gives 0.547",
        ),
        (two("0 (0.00)", 18, "0 (0.00)", 12, "1.000"), "holds", "gives 1.000"),
    ],
)
def test_a_p_value_of_counts_is_enumerated(paper: Paper, expected: str, said: str) -> None:
    decided, text = verdict(paper, "counts")
    assert (decided, said in text) == (expected, True), text


@pytest.mark.parametrize(
    ("paper", "expected", "said"),
    [
        (
            two("31.33 ± 11.80", 18, "43.25 ± 4.67", 12, "<0.001"),
            "holds",
            "Welch's t test alone gives it at the",
        ),
        (
            two("31.33 ± 11.80", 18, "43.25 ± 4.67", 12, "0.003"),
            "holds",
            "Student's t test alone gives it at the",
        ),
        (two("10.0 ± 2.0", 10, "12.0 ± 2.0", 10, "0.04"), "holds", "either test gives it at the header's n"),
        (
            two("10.00 ± 2.00", 10, "12.00 ± 2.00", 10, "0.044"),
            "holds_if",
            "with 10 of 10 against 9 of 10 does",
        ),
        (two("10.00 ± 2.00", 10, "12.00 ± 2.00", 10, "0.011"), "contradicts", "no n down to 2 against 2"),
        (two("10.00 ± 2.00", 10, "12.00 ± 2.00", 1, "0.044"), "not_checked", "b is one observation"),
        (
            two("10.00 ± 2.00", 10, "12.00", 10, "0.044"),
            "not_checked",
            "the mean of b is printed without its SD",
        ),
        (two("10.00 ± 0.00", 10, "12.00 ± 0.00", 10, "<0.001"), "holds", "either test"),
    ],
)
def test_a_p_value_of_means_is_that_of_a_t_test(paper: Paper, expected: str, said: str) -> None:
    decided, text = verdict(paper, "t_test")
    assert (decided, said in text) == (expected, True), text


def test_the_interval_of_p_holds_the_p_of_unrounded_values() -> None:
    """And is no wider than rounding makes it."""
    values = pd.DataFrame(
        {"g": list("aaaaabbbbbb"), "x": [3.1, 4.7, 5.2, 6.8, 9.9, 6.1, 7.7, 9.3, 9.9, 12.4, 15.2]}
    )
    moments = [
        Moments.of(summary(f"{v.mean():.2f} ± {v.std():.2f}", len(v))) for _, v in values.groupby("g")["x"]
    ]
    n, m = np.array(5.0), np.array(6.0)
    for test, of in ((student_t, student_p), (welch_t, welch_p)):
        low, high = of(moments[0], n, moments[1], m)
        p = test(values, value="x", group="g", groups=("a", "b")).p_value
        assert low <= p <= high and high - low < 0.002


def test_a_group_has_one_n_in_all_comparisons_of_a_row() -> None:
    """LDH of the shipped paper: each p value alone would do with one value missing, both need two."""
    shipped = read_paper(SHIPPED_REGISTRY / "published" / "nxp2")
    summaries = tuple(s for s in shipped.summaries if (s.table, s.variable) == ("I", "ldh"))
    p_values = tuple(p for p in shipped.p_values if (p.table, p.variable) == ("I", "ldh"))
    fit = ("holds_if", "all its p values fit with 17 of 18 nxp2_jdm, 12 of 12 mda5_jdm, 11 of 12 tif1g_jdm")
    for variables, tried in (({}, 8), ({"ldh": {"whole": True}}, 1)):
        (finding,) = found(
            Paper("one", PaperFile(title="One", variables=variables), summaries, p_values), "sizes_of_row"
        )
        assert (finding.verdict, finding.text) == fit and finding.tried == tried


@pytest.mark.parametrize(
    ("printed", "size", "scale", "expected"),
    [
        (
            "31.33 ± 11.80",
            18,
            {"low": 0, "high": 52},
            ("holds", "18 whole numbers can have this mean and SD"),
        ),
        (
            "5.19 ± 2.00",
            28,
            {},
            (
                "holds_if",
                "GRIM: no whole sum has this mean at the header's n of 28; n that would fit: 27, 26",
            ),
        ),
        (
            "3.00 ± 1.01",
            3,
            {},
            (
                "contradicts",
                "GRIMMER: a whole sum has this mean, and no whole sum of squares this SD, at any n up to 3",
            ),
        ),
        ("51.00 ± 8.00", 10, {"low": 0, "high": 52}, ("contradicts", "GRIMMER: ")),
        (
            "3.5 ± 1.0",
            10,
            {"items": 4},
            (
                "holds",
                "10 whole numbers can have this mean and SD; at this n and precision every mean passes GRIM",
            ),
        ),
    ],
)
def test_means_and_sds_of_whole_numbers(
    printed: str, size: int, scale: dict, expected: tuple[str, str]
) -> None:
    decided, text = verdict(one(summary(printed, size), whole=True, **scale), "whole_numbers")
    assert decided == expected[0] and text.startswith(expected[1]), text


def test_a_mean_of_a_variable_that_is_not_declared_whole_is_left_alone() -> None:
    assert found(one(summary("5.19 ± 2.00", 28)), "whole_numbers") == []


@pytest.mark.parametrize(
    ("printed", "scale", "said"),
    [
        ("31.33 ± 11.80", {"low": 0, "high": 52}, "possible"),
        ("53.00 ± 1.00", {"low": 0, "high": 52}, "53.00 is above the scale"),
        (
            "50.00 ± 15.00",
            {"low": 0, "high": 52},
            "beside this mean 18 values of the scale have an SD of at most 10.3",
        ),
        ("10 (12, 14)", {}, "the median does not lie between the quartiles"),
        ("10 (9, 12)", {}, "possible"),
        ("10.00 ± -1.00", {}, "the SD is negative"),
    ],
)
def test_a_summary_is_possible_by_itself(printed: str, scale: dict, said: str) -> None:
    decided, text = verdict(one(summary(printed, 18), **scale), "range")
    assert (decided, text) == ("holds" if said == "possible" else "contradicts", said)


@pytest.mark.parametrize(
    ("second", "expected", "said"),
    [
        ("20.04 ± 12.14", "holds", "printed alike"),
        ("20.05 ± 12.14", "contradicts", "the two tables differ"),
        ("13.65 (11, 28)", "holds", "one set of values can have both"),
        ("13.65 (11, 70)", "contradicts", "beside this mean the quartiles allow no SD below"),
        ("3 (16.67)", "not_checked", "mean_sd in one table, count_percent in the other"),
    ],
)
def test_the_same_group_printed_twice_is_one_set_of_values(second: str, expected: str, said: str) -> None:
    paper = one(summary("20.04 ± 12.14", 18), summary(second, 18, table="II"))
    decided, text = verdict(paper, "same_group")
    assert (decided, said in text) == (expected, True), text


def test_a_range_bounds_the_mean_that_quartiles_allow() -> None:
    paper = one(summary("2.00 ± 1.00", 9), summary("5 (4, 6)", 9, table="II"), low=0, high=10)
    assert "the quartiles allow a mean from 3.611 to 6.389" in verdict(paper, "same_group")[1]


@pytest.mark.parametrize(
    ("paper", "expected", "said"),
    [
        (
            two("10 (8, 12)", 9, "11 (9, 13)", 9, "0.400"),
            "holds",
            "the quartiles allow p from 0.012 to 1.000",
        ),
        (
            two("10 (8, 12)", 18, "30 (28, 32)", 20, "0.900"),
            "contradicts",
            "110 choices of smaller n do not allow the printed p either",
        ),
        (two("10 (8, 12)", 20, "14 (13, 15)", 20, "0.800"), "holds_if", "at the header's n; with"),
        (two("10 (8, 12)", 9, "11 (9, 13)", 1, "0.400"), "not_checked", "b is one observation"),
        (
            two("10 (8, 12)", 9, "<11 (<9, 13)", 9, "0.400"),
            "not_checked",
            "a bound in place of a quartile of b",
        ),
    ],
)
def test_quartiles_bound_the_p_of_a_rank_test(paper: Paper, expected: str, said: str) -> None:
    decided, text = verdict(paper, "median_test")
    assert (decided, said in text) == (expected, True), text


def test_the_ordered_values_behind_quartiles() -> None:
    bounds = order_bounds(summary("5 (3, 8)", 9), 9, PrintedVariable(low=0))
    assert bounds.low.tolist() == [0, 0, 2.5, 2.5, 4.5, 4.5, 7.5, 7.5, 7.5]
    assert bounds.high.tolist() == [3.5, 3.5, 3.5, 5.5, 5.5, 8.5, 8.5, np.inf, np.inf]


def test_the_bounds_of_p_are_those_of_groups_apart() -> None:
    """Every value of one group below every value of the other: one p, with and without correction, and
    exact.
    """
    apart = [
        order_bounds(summary(text, 5), 5, PrintedVariable(low=low, high=high))
        for text, low, high in (("2 (1, 3)", 0, 4), ("12 (11, 13)", 10, 14))
    ]
    low, high = p_range(*apart)
    data = pd.DataFrame({"g": list("aaaaabbbbb"), "x": [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]})
    normal = mann_whitney(data, value="x", group="g", groups=("a", "b"), method="asymptotic").p_value
    assert low < 2 / 252 < normal == pytest.approx(high)


def term(chi_square: str, df: int, p: str) -> Paper:
    printed = PrintedTerm(2, "III", "x", "group", PrintedNumber.parse(chi_square), df, PrintedNumber.parse(p))
    return Paper("one", PaperFile(title="One"), terms=(printed,))


@pytest.mark.parametrize(
    ("paper", "expected"),
    [
        (term("3.6371", 1, "0.05651"), ("holds", "gives 0.05651")),
        (term("27.3862", 4, "<0.001"), ("holds", "gives <0.001")),
        (term("3.1407", 4, "0.53456"), ("holds", "gives 0.53456")),
        (term("3.1407", 3, "0.53456"), ("holds_if", "gives 0.37044; 4 df would give the printed p")),
        (term("3.14", 4, "0.02"), ("contradicts", "gives 0.53; so does no df up to 20")),
    ],
)
def test_a_chi_square_and_its_df_give_p(paper: Paper, expected: tuple[str, str]) -> None:
    decided, text = verdict(paper, "chi_square")
    assert (decided, text[:60]) == (expected[0], expected[1][:60])


@pytest.mark.parametrize(
    ("in_text", "expected"),
    [("0.057", "holds"), ("<0.1", "holds"), ("0.0014", "contradicts"), ("<0.05", "contradicts")],
)
def test_the_text_prints_the_p_of_its_table(in_text: str, expected: str) -> None:
    lookup = {"effect": {"table": "mixed_model_term", "where": {"model_id": "x", "term": "group"}}}
    file = PaperFile(title="One", model_terms={"table": "III"}, analyses={"lookup": lookup})
    said = PrintedAnalysis(2, "text", "effect", "", "", in_text, (PrintedNumber.parse(in_text),))
    paper = Paper("one", file, terms=term("3.6371", 1, "0.05651").terms, analyses=(said,))
    assert verdict(paper, "same_effect") == (
        expected,
        "III/x/group prints 0.05651 (chi-square 3.6371 on 1 df)",
    )


@pytest.mark.parametrize(
    ("p", "stars", "expected"),
    [
        ("0.030", "*", ("holds", '"*" fits')),
        ("0.004", "*", ("contradicts", '"*" stands where "**" belongs')),
        ("0.300", "*", ("contradicts", '"*" stands where no mark belongs')),
        ("0.300", "", ("holds", "no mark fits")),
        ("<0.001", "**", ("holds", '"**" fits')),
        ("0.050", "*", ("holds", '"*" fits')),
        ("0.050", "", ("holds", "no mark fits")),
    ],
)
def test_a_star_says_what_its_p_says(p: str, stars: str, expected: tuple[str, str]) -> None:
    paper = two("10 (8, 12)", 9, "11 (9, 13)", 9, p, stars, stars={"*": 0.05, "**": 0.01})
    assert verdict(paper, "stars") == expected


def test_p_values_without_two_like_summaries_are_told() -> None:
    alone = two("10 (8, 12)", 9, "11 (9, 13)", 9, "0.4")
    without = Paper("one", alone.file, alone.summaries[:1], alone.p_values)
    unlike = Paper("one", alone.file, (alone.summaries[0], summary("11.0 ± 2.0", 9, "b")), alone.p_values)
    assert verdict(without, "p_value") == (
        "not_checked",
        "no summary of b is printed: nothing to hold the p value against",
    )
    assert "summarised differently (median_iqr of a and mean_sd of b)" in verdict(unlike, "p_value")[1]


@pytest.fixture(scope="module")
def shipped() -> Sequence[Finding]:
    return audit(read_paper(SHIPPED_REGISTRY / "published" / "nxp2"))


def test_what_is_known_of_the_shipped_paper_is_found(shipped: Sequence[Finding]) -> None:
    counts = Counter((f.check, f.verdict) for f in shipped)
    assert counts == {
        ("percent", "holds"): 65,
        ("percent", "holds_if"): 2,
        ("counts", "holds"): 36,
        ("counts", "holds_if"): 3,
        ("counts", "contradicts"): 1,
        ("t_test", "holds"): 27,
        ("t_test", "holds_if"): 27,
        ("t_test", "contradicts"): 1,
        ("sizes_of_row", "holds_if"): 17,
        ("median_test", "holds"): 45,
        ("whole_numbers", "holds"): 17,
        ("whole_numbers", "holds_if"): 6,
        ("range", "holds"): 78,
        ("same_group", "holds"): 45,
        ("same_effect", "contradicts"): 2,
        ("chi_square", "holds"): 12,
        ("methods", "note"): 1,
        ("multiplicity", "note"): 1,
    }
    at_full = Counter(
        f.text.split(" gives")[0] for f in shipped if f.check == "t_test" and f.verdict == "holds"
    )
    assert at_full == {"Student's t test alone": 10, "Welch's t test alone": 3, "either test": 14}
    assert [f.cell for f in shipped if f.verdict == "contradicts"] == [
        "II/female/nxp2_jdm:nxp2_adult_dm",
        "II/igm/nxp2_jdm:nxp2_adult_dm",
        "text/main_effect_ck/nxp2_jdm:mda5_jdm",
        "text/main_effect_cmas/nxp2_jdm:mda5_jdm",
    ]
    (multiplicity,) = [f for f in shipped if f.check == "multiplicity"]
    assert "of 140 p values 43 are below 0.05; Benjamini-Hochberg over all leaves 24" in multiplicity.text
    twice = {f.cell for f in shipped if f.check == "same_group" and "one set of values" in f.text}
    assert twice == {f"I/{variable}/nxp2_jdm and II" for variable in ("ast", "esr", "nk", "igm")}


def test_a_finding_says_what_was_assumed_and_how_strong_it_is(shipped: Sequence[Finding]) -> None:
    assert all(f.assumed for f in shipped if f.verdict not in ("note", "not_checked"))
    assert all(f.strength for f in shipped if f.verdict in ("contradicts", "holds_if"))
    cd19 = next(f for f in shipped if f.cell == "I/cd19/nxp2_jdm:mda5_jdm")
    assert (cd19.strength, cd19.tried) == ("weak", 25)


def call(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = cli.guarded(lambda: cli.app(["audit", *arguments], standalone_mode=False) or 0)
    seen = capsys.readouterr()
    return code, seen.out, seen.err


def write(folder: Path, summaries: str, p_values: str) -> str:
    folder.mkdir()
    (folder / "summaries.csv").write_text(
        "table,variable,group,group_size,summary,printed\n" + summaries, encoding="utf-8"
    )
    (folder / "p_values.csv").write_text(
        "table,variable,group_a,group_b,printed_p\n" + p_values, encoding="utf-8"
    )
    return str(folder)


def test_the_command_shows_what_does_not_hold_and_ends_with_the_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = write(
        tmp_path / "smith",
        "I,x,a,18,count_percent,7 (38.89)\nI,x,b,20,count_percent,5 (25.00)\n",
        "I,x,a,b,0.307\n",
    )
    code, out, _ = call(paper, capsys=capsys)
    assert code == 0 and "percent: " not in out
    assert "counts: I/x/a:b  0.307\n      7 of 18 against 5 of 20 gives 0.489" in out
    assert out.endswith(
        "2 of 3 checks hold as printed; 0 only with what the paper does not state, 1 contradict; 0 could not be made\n"
    )
    assert "percent: I/x/a  7 (38.89)" in call(paper, "--all", capsys=capsys)[1]
    assert call(paper, "--strict", capsys=capsys)[0] == 1
    code, out, _ = call(paper, "--csv", "--check", "percent", capsys=capsys)
    assert out.splitlines() == [
        "check,cell,printed,verdict,text,assumed,strength,tried",
        "percent,I/x/a,7 (38.89),holds,7 of 18,the percent is of those whose answer is known,,1",
        "percent,I/x/b,5 (25.00),holds,5 of 20,the percent is of those whose answer is known,,1",
    ]
    code, _, err = call(paper, "--check", "percents", capsys=capsys)
    assert (
        code == 2
        and 'no finding of "percents"; this paper has percent, counts. Did you mean "percent"?' in err
    )


@pytest.mark.parametrize(
    ("summaries", "said"),
    [
        (
            'I,x,a,18,mean_sd,"31,33 ± 11,80"\n',
            "summaries.csv:2: printed: expected a mean_sd as 31.33 ± 11.80",
        ),
        (
            "I,x,a,,mean_sd,31.33 ± 11.80\n",
            'summaries.csv:2: group_size: expected a whole number above 0; found ""',
        ),
    ],
)
def test_a_paper_that_cannot_be_read_is_exit_2_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], summaries: str, said: str
) -> None:
    code, out, err = call(write(tmp_path / "smith", summaries, ""), capsys=capsys)
    assert (code, out) == (2, "") and said in err and "The paper in" in err and "Traceback" not in err


def test_an_empty_or_missing_folder_says_what_to_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        "no printed number here; write summaries.csv or p_values.csv" in call(str(tmp_path), capsys=capsys)[2]
    )
    assert "no such folder; give one that holds" in call(str(tmp_path / "none"), capsys=capsys)[2]
