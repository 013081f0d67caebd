"""From text to numbers and dates: the macros of `parse.sql`, each on a table of texts as hospitals write
them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import duckdb
import jinja2
import pandas as pd
import pytest

from orchestration.registry import catalogue
from orchestration.registry.known_words import header_names

MACROS = Path(__file__).parents[2] / "dbt_project" / "macros" / "parse.sql"


@cache
def sql(macro: str, *arguments: str) -> str:
    """A macro as dbt renders it; none of those asked here queries a table."""
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    environment.globals["dbt"] = SimpleNamespace(escape_single_quotes=lambda text: text.replace("'", "''"))
    call = ", ".join(repr(argument) for argument in ("t", *arguments))
    return environment.from_string(f"{MACROS.read_text(encoding='utf-8')}{{{{ {macro}({call}) }}}}").render()


def result(macro: str, text: str, *arguments: str) -> object:
    return duckdb.execute(f"select {sql(macro, *arguments)} from (select ? as t)", [text]).fetchone()[0]


@pytest.mark.parametrize(
    ("text", "without_mark", "point", "comma"),
    [
        ("12", 12, 12, 12),
        ("12.5", 12.5, 12.5, None),
        ("1.234", 1.234, 1.234, 1234),
        ("12,5", None, None, 12.5),
        ("1,234", None, 1234, 1.234),
        ("1,2345", None, None, 1.2345),
        ("1,234.5", 1234.5, 1234.5, None),
        ("1.234,5", 1234.5, None, 1234.5),
        ("1,234,567", 1234567, 1234567, None),
        ("1.234.567", 1234567, None, 1234567),
        ("1 234", 1234, 1234, 1234),
        ("1\u202f234,5", None, None, 1234.5),
        ("1'234.5", 1234.5, 1234.5, None),
        ("12 34", None, None, None),
        ("12,34,567", None, None, None),
        ("1.2.3", None, None, None),
        (".5", 0.5, 0.5, None),
        ("5.", 5, 5, None),
        (",5", None, None, 0.5),
        ("1.5e3", 1500, 1500, None),
        ("1E5", 100000, 100000, 100000),
        ("-1", -1, -1, -1),
        ("−1", -1, -1, -1),
        ("+3", 3, 3, 3),
        ("３．５", 3.5, 3.5, None),
        ("", None, None, None),
        ("-", None, None, None),
        (",", None, None, None),
        ("1_000", None, None, None),
        ("0x1F", None, None, None),
        ("inf", None, None, None),
        ("nan", None, None, None),
        ("10-20", None, None, None),
        ("1:320", None, None, None),
        ("'12", None, None, None),
    ],
)
def test_a_number_is_read_by_the_decimal_mark_stated_and_never_guessed(
    text, without_mark, point, comma
) -> None:
    assert (result("number", text), result("number", text, "'.'"), result("number", text, "','")) == (
        without_mark,
        point,
        comma,
    )


@pytest.mark.parametrize(
    ("text", "number", "comparator"),
    [
        ("<0.10", 0.1, "<"),
        ("< 0.10", 0.1, "<"),
        ("＜0.10", 0.1, "<"),
        ("<=5", 5, "<="),
        ("=<5", 5, "<="),
        ("≤5", 5, "<="),
        ("≦5", 5, "<="),
        (">20.50", 20.5, ">"),
        ("=>7", 7, ">="),
        ("≥7", 7, ">="),
        ("> 89", 89, ">"),
        ("5", 5, None),
        ("<", None, "<"),
        ("<<5", None, "<"),
        ("<abc", None, "<"),
    ],
)
def test_a_comparator_is_kept_apart_from_its_limit(text, number, comparator) -> None:
    assert (result("number", text), result("comparator", text)) == (number, comparator)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("295.30/Pos", 295.3),
        ("295.30/Positive", 295.3),
        ("12/neg", 12),
        ("12.3 H", 12.3),
        ("12.3H", 12.3),
        ("12.3↑", 12.3),
        ("12.3 ↓↓", 12.3),
        ("12.3*", 12.3),
        ("12.3 (H)", 12.3),
        ("12.3 [LL]", 12.3),
        ("12.3 偏高", 12.3),
        ("12.3 高", 12.3),
        ("<0.5 L", 0.5),
        ("12.3 maybe", None),
        ("12.3 HL7", None),
        ("12/50", None),
        ("12.3 mg/L", None),
        ("↑12.3", 12.3),
        ("↓ 12.3", 12.3),
        ("↑↑12.3", 12.3),
        ("→12.3", None),
        ("↓<12.3", None),
        ("<↓12.3", None),
        ("12.3L", 12.3),
        ("12.3 l", 12.3),
        ("12.3 (l)", 12.3),
        ("1l", None),
        ("1ll", None),
        ("12 ", 12),
    ],
)
def test_a_flag_behind_a_number_is_left_out_and_nothing_else(text, number) -> None:
    assert result("number", text) == number


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("40-200", 200), ("40--200", 200), ("0~8", 8), ("(13-40)", 40), ("<5", 5), ("≤40", 40), ("0.51 - 2.85 µkat/L", 2.85), ("26至140", 140),
        ("0-7,6", 7.6), ("0,51-2,85", 2.85), ("< 2,85", 2.85), ("０，５－２，８５", 2.85),
        ("0-1,200", None), ("0-1.200,5", None), (">5", None), ("negative", None), ("4.0-12.0 ×10^9/L", 12), ("90-120 mL/min/1.73m²", 120),
        ("40-200 100-400", None), ("40-200 or 100-400", None), ("see 40-200", None), ("0-5 %", 5), ("<5 mg/L", 5), ("", None),
    ],
)  # fmt: skip
def test_an_upper_limit_of_normal_is_read_whole_or_not_at_all(text, limit) -> None:
    for sex in ("'female'", "'male'", "null"):
        assert result("upper_reference_limit", text, sex) == limit


@pytest.mark.parametrize(
    ("text", "female", "male"),
    [
        ("40-200", 40, 40), ("(13-40)", 13, 13), ("0.51 - 2.85 µkat/L", 0.51, 0.51), ("0-7,6", 0, 0), ("<5", None, None),
        ("男:50-310 女:40-200", 40, 50), ("50-310(男) 40-200(女)", 40, 50), ("男性<190；女性<167", None, None),
        ("0-6岁 100-400", None, None), ("see 40-200", None, None), ("40-200 100-400", None, None), ("", None, None),
    ],
)  # fmt: skip
def test_a_lower_limit_of_normal_is_read_by_the_same_rules(text, female, male) -> None:
    assert [result("lower_reference_limit", text, sex) for sex in ("'female'", "'male'")] == [female, male]


@pytest.mark.parametrize(
    ("text", "female", "male"),
    [
        ("男:50-310 女:40-200", 200, 310), ("F:26-140 M:39-190", 140, 190), ("男性<190；女性<167", 167, 190),
        ("Male 39-190 U/L, Female 26-140 U/L", 140, 190), ("50-310(男) 40-200(女)", 200, 310), ("男 50-310", None, 310),
        ("0-6岁 100-400", None, None), ("0-6岁 100-400 7-14岁 60-300", None, None), ("男 0-6岁:50-310 女:40-200", None, None),
        ("M 18-60 y: 39-190; F 18-60 y: 26-140", None, None), ("Adults 39-190, children 60-300", None, None),
        ("M: 39-190 M: 40-200 F: 26-140", 140, None), ("F:26-140 M:see note", None, None), ("M/uL 4-6", None, None),
    ],
)  # fmt: skip
def test_a_text_of_several_ranges_is_read_by_the_patients_sex_or_not_at_all(text, female, male) -> None:
    read = [result("upper_reference_limit", text, sex) for sex in ("'female'", "'male'", "null")]
    assert read == [female, male, None]


@pytest.mark.parametrize(
    ("text", "unit", "before"),
    [
        ("5.2 g/L", "g/L", "5.2"),
        ("45%", "%", "45"),
        ("<0.10 mg/dL", "mg/dL", "<0.10"),
        ("38.5°C", "°C", "38.5"),
        ("5.4 10*9/L", "10*9/L", "5.4"),
        ("5.4 x10^9/L", "x10^9/L", "5.4"),
        ("3/HPF", "/HPF", "3"),
        ("12", None, ""),
        ("abc", None, ""),
        ("1:320", None, ""),
        ("10 to 20", None, ""),
        ("1OO", None, None),
        ("1O", None, None),
        ("1o5", None, None),
        ("2I.5", None, None),
        ("<1OO", None, None),
        ("2l3", None, None),
        ("2.5l", "l", "2.5"),
        ("5IU/L", "IU/L", "5"),
        ("5l/min", "l/min", "5"),
        ("5oC", "oC", "5"),
    ],
)
def test_a_unit_behind_a_number_in_one_cell_is_told_apart(text, unit, before) -> None:
    assert (result("unit_behind_number", text), result("without_unit", text)) == (unit, before)


@pytest.mark.parametrize(
    ("text", "titre", "comparator"),
    [
        ("1:320", 320, None),
        ("1：320", 320, None),
        ("1/80", 80, None),
        ("<1:80", 80, "<"),
        ("≥1:1280", 1280, ">="),
        ("阳性(1:320)", 320, None),
        ("弱阳性（1：100）", 100, None),
        ("Positive (1:160)", 160, None),
        ("++(1:1000)", 1000, None),
        ("阴性(1:320)", None, None),
        ("阳性(320)", None, None),
        ("1:320)", None, None),
        ("320", None, None),
        ("2:320", None, None),
    ],
)
def test_a_titre_is_its_denominator(text, titre, comparator) -> None:
    assert (result("titre", text), result("comparator", text)) == (titre, comparator)


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("阳性（1：320）", "阳性"),
        ("++ (32)", "++"),
        ("Positive (1:160)", "positive"),
        ("弱阳性(45.5)", "弱阳性"),
        ("阴性(-)", "阴性(-)"),
        ("阳性(2+)", "阳性(2+)"),
        ("(32)", ""),
        ("阳性", "阳性"),
        ("1:320", "1:320"),
    ],
)
def test_a_number_in_brackets_behind_a_grade_is_no_part_of_it(text, grade) -> None:
    assert result("graded_text", text) == grade


def date(text: str, form: str, pivot: int | str = "null") -> tuple[str | None, str | None]:
    at, precision = duckdb.execute(
        f"select d.at::varchar, d.precision from (select {sql('_time_in', form, str(pivot))} as d from (select ? as t))",
        [text],
    ).fetchone()
    return (at.removesuffix(" 00:00:00"), precision) if at else (None, None)


@pytest.mark.parametrize(
    ("form", "text", "read"),
    [
        ("%Y-%m-%d", "2021-03-04", ("2021-03-04", "day")),
        ("%Y-%m-%d", "2021-3-4", ("2021-03-04", "day")),
        ("%Y-%m-%d", " ２０２１-03-04 ", ("2021-03-04", "day")),
        ("%Y-%m-%d", "2021-02-29", (None, None)),
        ("%Y-%m-%d", "21-03-04", (None, None)),
        ("%Y-%m-%d", "2021-03-04 10:00", (None, None)),
        ("%d/%m/%Y", "03/04/21", (None, None)),
        ("%Y年%m月%d日", "2021年3月4日", ("2021-03-04", "day")),
        ("%d-%b-%Y", "04-Mar-2021", ("2021-03-04", "day")),
        ("%Y-%m-%dT%H:%M:%S%z", "2021-03-04T23:30:00-08:00", ("2021-03-04 23:30:00", "day")),
        ("%Y-%m-%dT%H:%M:%S%z", "2021-03-04T23:30:00Z", ("2021-03-04 23:30:00", "day")),
        ("%Y-%m", "2021-03", ("2021-03-01", "month")),
        ("%Y", "2021", ("2021-01-01", "year")),
        ("%Y", "21", (None, None)),
        ("excel", "44259", ("2021-03-04", "day")),
        ("excel", "44259.5", ("2021-03-04 12:00:00", "day")),
        ("excel", "1", ("1900-01-01", "day")),
        ("excel", "59", ("1900-02-28", "day")),
        ("excel", "60", (None, None)),
        ("excel", "61", ("1900-03-01", "day")),
        ("excel", "0", (None, None)),
        ("excel", "2021-03-04", (None, None)),
        ("excel_1904", "42797", ("2021-03-04", "day")),
        ("excel_1904", "0", ("1904-01-01", "day")),
    ],
)
def test_a_date_is_read_by_its_format_to_the_precision_that_it_has(form, text, read) -> None:
    assert date(text, form) == read


@pytest.mark.parametrize(
    ("text", "pivot", "day"),
    [
        ("04/03/21", 30, "2021-03-04"),
        ("04/03/30", 30, "2030-03-04"),
        ("04/03/31", 30, "1931-03-04"),
        ("04/03/99", 30, "1999-03-04"),
        ("04/03/70", 80, "2070-03-04"),
        ("04/03/00", 0, "2000-03-04"),
        ("29/02/68", 30, "1968-02-29"),
        ("04/03/2021", 30, None),
    ],
)
def test_the_century_of_a_year_of_two_digits_is_that_of_the_pivot(text, pivot, day) -> None:
    assert date(text, "%d/%m/%y", pivot)[0] == day


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("令和3年3月4日", ("2021-03-04", "day")),
        ("R3.3.4", ("2021-03-04", "day")),
        ("r03/03/04", ("2021-03-04", "day")),
        ("平成元年1月8日", ("1989-01-08", "day")),
        ("H31.4.30", ("2019-04-30", "day")),
        ("昭和64年1月7日", ("1989-01-07", "day")),
        ("大正15年12月24日", ("1926-12-24", "day")),
        ("明治45年7月29日", ("1912-07-29", "day")),
        ("㋿2年12月31日", ("2020-12-31", "day")),
        ("令和3年3月", ("2021-03-01", "month")),
        ("平成30年", ("2018-01-01", "year")),
        ("令和元年", ("2019-01-01", "year")),
        ("H31.5.1", (None, None)),
        ("平成32年1月1日", (None, None)),
        ("昭和64年1月8日", (None, None)),
        ("R1.4.30", (None, None)),
        ("R3.2.29", (None, None)),
        ("R3.13.1", (None, None)),
        ("X3.3.4", (None, None)),
        ("2021-03-04", (None, None)),
    ],
)
def test_a_japanese_date_lies_in_its_era(text, read) -> None:
    assert date(text, "japanese_era") == read


def _writings() -> list[str]:
    """Each text of each seed, also in capitals, composed and decomposed; and hard letters."""
    texts = {
        value
        for path in catalogue.SEEDS.glob("*.csv")
        for row in catalogue.seed(path.stem)
        for value in row.values()
    }
    texts |= {row["name"] for row in header_names()}
    texts |= {
        "Eiweiß",
        "STRASSE",
        "ẞ",
        "İ",
        "ı",
        "I",
        "i\u0307",
        "ǅ",
        "ŉ",
        "ﬁ",
        "Σ",
        "ς",
        "Ω",
        "Å",
        "é",
        "e\u0301",
    }
    texts |= {
        "ﾌｪﾘﾁﾝ",
        "ｸﾞﾛﾌﾞﾘﾝ",
        "ﾊﾟ",
        "ﾊ ﾟ",
        "ﾟ",
        "ｦ",
        "ガ",
        "カ\u3099",
        "カ゛",
        "한",
        "\u1112\u1161\u11ab",
        "ＣＫ（Ｕ／Ｌ）",
    }
    texts |= {
        "\u00a0CK\u00a0",
        "\u3000CK",
        "\tÄ",
        "Ä\n",
        "\u205fÄ",
        "\u2028Ä",
        "\tCK",
        " CK\u2009",
        "CK\n",
        "\u200bCK",
        "Ǆ",
        "ꭰ",
        "Ა",
        "𐐀",
    }
    texts |= {text.upper() for text in texts} | {text.title() for text in texts}
    return sorted(
        {form for t in texts if t for form in (t, *(unicodedata.normalize(f, t) for f in ("NFC", "NFD")))}
    )


@pytest.mark.parametrize(
    ("macro", "python"), [("folded", catalogue.folded), ("normalised_name", catalogue.normal)]
)
def test_sql_and_python_fold_every_word_of_the_catalogue_alike(
    macro: str, python: Callable[[str], str]
) -> None:
    with duckdb.connect() as connection:
        connection.register("texts", pd.DataFrame({"t": _writings()}))
        read = connection.execute(f"select t, {sql(macro)} as form from texts").fetchall()
    assert len(read) > 50_000
    assert [(t, form, python(t)) for t, form in read if (form or "") != python(t)] == []
