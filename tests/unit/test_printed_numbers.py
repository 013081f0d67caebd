"""The one rule by which a computed number agrees with a printed one, and how it is printed beside it."""

from __future__ import annotations

import pytest

from analytics.paper.printed_numbers import PrintedNumber
from analytics.paper.published import parse_numbers, parse_summary


@pytest.mark.parametrize(
    ("printed", "computed", "agrees", "beside"),
    [
        ("11.80", 11.796, True, "11.80"),
        ("11.80", 11.7949, False, "11.79"),
        ("3.3", 3.28, True, "3.3"),
        ("3.30", 3.28, False, "3.28"),
        ("22.23", 22.225, True, "22.23"),
        ("22.22", 22.225, False, "22.23"),
        ("5126", 5125.5, True, "5126"),
        ("0.004", 0.0036, True, "0.004"),
        ("0.004", 0.0002, False, "<0.001"),
        ("0.000", 0.0002, True, "<0.001"),
        ("<0.001", 0.00099, True, "<0.001"),
        ("<0.001", 0.001, False, "0.001"),
        (">0.5", 0.6, True, ">0.5"),
        ("1.000", 0.9996, True, "1.000"),
        ("−1.5", -1.46, True, "-1.5"),
        ("0.004", None, False, "–"),
        ("0.004", float("nan"), False, "–"),
    ],
)
def test_a_number_agrees_when_it_prints_alike_at_the_printed_decimals(
    printed: str, computed: float | None, agrees: bool, beside: str
) -> None:
    number = PrintedNumber.parse(printed)
    assert (number.admits(computed), number.like(computed)) == (agrees, beside)


@pytest.mark.parametrize(
    ("kind", "printed", "numbers"),
    [
        ("mean_sd", "31.33 ± 11.80", ["31.33", "11.80"]),
        ("mean_sd", "31.33 (11.80)", ["31.33", "11.80"]),
        ("mean_sd", "31.33", ["31.33"]),
        ("median_iqr", "3792 (893, 5126)", ["3792", "893", "5126"]),
        ("median_iqr", "0.7 [0.5-1.21]", ["0.7", "0.5", "1.21"]),
        ("median_iqr", "<0.10 (<0.10, 1.18)", ["<0.10", "<0.10", "1.18"]),
        ("count_percent", "7 (38.89)", ["7", "38.89"]),
        ("count_percent", "7 (38.89%)", ["7", "38.89"]),
    ],
)
def test_a_summary_is_read_as_papers_print_it(kind: str, printed: str, numbers: list[str]) -> None:
    assert [n.text for n in parse_summary(kind, printed)] == numbers


@pytest.mark.parametrize(
    ("kind", "printed", "said"),
    [
        ("mean_sd", "31,33 ± 11,80", "expected a mean_sd as 31.33 ± 11.80; .*write a decimal point"),
        ("median_iqr", "0,75 (0,35, 1,47)", "expected a median_iqr as .*write a decimal point"),
        ("count_percent", "7", r'expected a count_percent as 7 \(38.89\); found "7"$'),
        ("mean_sd", "", 'found ""'),
    ],
)
def test_what_is_no_summary_is_said_in_a_sentence(kind: str, printed: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_summary(kind, printed)


def test_an_analysis_prints_as_many_numbers_as_are_looked_up() -> None:
    assert [n.text for n in parse_numbers("2.31 (1.10, 4.90)", 3)] == ["2.31", "1.10", "4.90"]
    with pytest.raises(ValueError, match='expected one number; found "0,03"; write a decimal point'):
        parse_numbers("0,03", 1)
