"""`onboard` recognises every date and time that `dates` can read, and reads it as the build does."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace

import duckdb
import jinja2
import pytest

from orchestration.onboarding.date_formats import formats_of, reads
from orchestration.onboarding.guess import guess_table
from orchestration.onboarding.profile import ColumnProfile, TableProfile, date_formats, is_ambiguous
from orchestration.registry.catalogue import seed
from tests.unit.test_parse_macros import MACROS

DAY = datetime(2021, 3, 24)
TEXTS = {
    "2021-03-24": DAY,
    "2021/3/24": DAY,
    "2021.03.24": DAY,
    "2021年3月24日": DAY,
    "2021년 3월 24일": DAY,
    "24/03/2021": DAY,
    "3/24/2021": DAY,
    "24.03.2021": DAY,
    "24. 3. 2021": DAY,
    "24-Mar-2021": DAY,
    "24 Mar 2021": DAY,
    "March 24, 2021": DAY,
    "24. März 2021": DAY,
    "24 mars 2021": DAY,
    "24 de marzo de 2021": DAY,
    "24 marzo 2021": DAY,
    "24 de março de 2021": DAY,
    "24 maart 2021": DAY,
    "24 marca 2021": DAY,
    "24 Mart 2021": DAY,
    "24 mrt. 2021": DAY,
    "20210324": DAY,
    "2021-24-03": DAY,
    "２０２１-０３-２４": DAY,
    "2021-03-24 13:30": datetime(2021, 3, 24, 13, 30),
    "2021-03-24T13:30:05": datetime(2021, 3, 24, 13, 30, 5),
    "2021-03-24T13:30:05Z": datetime(2021, 3, 24, 13, 30, 5),
    "2021-03-24 13:30:05+01": datetime(2021, 3, 24, 13, 30, 5),
    "2021-03-24T13:30:05.123+01:00": datetime(2021, 3, 24, 13, 30, 5, 123000),
    "2021-03-24 13:30:05.1234567": datetime(2021, 3, 24, 13, 30, 5, 123456),
    "03/24/2021 1:30 PM": datetime(2021, 3, 24, 13, 30),
    "03/24/2021 01:30:05PM": datetime(2021, 3, 24, 13, 30, 5),
    "24 ağu 2021": datetime(2021, 8, 24),
    "24 sept. 2021": datetime(2021, 9, 24),
    "24 ŞUBAT 2021": datetime(2021, 2, 24),
    "24 października 2021": datetime(2021, 10, 24),
    "24 août 2021": datetime(2021, 8, 24),
}


def in_the_build(text: str, format: str) -> datetime | None:
    """A text under one format, as the macros of the build read it."""
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    rows = [(row["month_name"], row["month"]) for row in seed("month_names")]
    environment.globals |= {
        "dbt": SimpleNamespace(escape_single_quotes=lambda t: t.replace("'", "''")),
        "execute": True,
        "ref": lambda name: name,
        "run_query": lambda sql: SimpleNamespace(rows=rows),
    }
    english = "{{ in_english('t') }}" if "%b" in format else "t"
    source = f"{MACROS.read_text(encoding='utf-8')}select {{{{ _time_in('e', {format!r}, '68') }}}}.at from (select {english} as e from (select ? as t))"
    return duckdb.execute(environment.from_string(source).render(), [text]).fetchone()[0]


@pytest.mark.parametrize(("text", "time"), TEXTS.items())
def test_a_format_is_found_and_reads_as_the_build_reads(text: str, time: datetime) -> None:
    readings = {format: reads(format, text) for format in formats_of(text)}
    assert time in readings.values()
    assert {format: in_the_build(text, format) for format in readings} == readings


@pytest.mark.parametrize("row", seed("month_names"), ids=lambda row: row["month_name"])
def test_every_name_of_a_month_is_read(row: dict[str, str]) -> None:
    text = f"24 {row['month_name'].upper()} 2021"
    assert reads("%d %b %Y", text) == datetime(2021, int(row["month"]), 24)


def test_a_month_s_names_are_read_alike_by_the_build() -> None:
    names = [row for row in seed("month_names") if row["month"] == "8"]
    assert {in_the_build(f"24 {row['month_name']} 2021", "%d %b %Y") for row in names} == {
        datetime(2021, 8, 24)
    }


@pytest.mark.parametrize(
    "text",
    ["12.5", "2021", "1:320", "12-34", "99/99/2021", "P-2021-1", "maybe", "13 Foo 2021", "10-0-5", "阴性"],
)
def test_what_is_no_date_has_no_format_that_reads_it(text: str) -> None:
    assert [f for f in formats_of(text) if reads(f, text)] == []


def test_day_and_month_that_nobody_can_tell_are_a_doubt() -> None:
    formats = date_formats({"03/04/2021": 5, "05/06/2021": 4}, looks_dated=True)
    assert formats == ("%d/%m/%Y", "%m/%d/%Y") and is_ambiguous(formats)


def column(name: str, *texts: str) -> ColumnProfile:
    values = {text: 3 for text in texts}
    return ColumnProfile(
        name, 3 * len(texts), len(texts), "date", formats=date_formats(values, True), values=values
    )


@pytest.mark.parametrize("header", ["CK", "CMAS", "ferritin", "urine_protein", "MDA5", "dysphagia"])
def test_a_column_of_dates_is_never_taken_for_a_test_an_antibody_or_an_event(header: str) -> None:
    table = TableProfile(
        "t.csv", None, "csv", "utf-8", 6, 0, (column(header, "24. März 2021", "25. März 2021"),)
    )
    assert [
        g for g in guess_table(table).guesses if g.place[0] in ("observations", "antibodies", "events")
    ] == []
