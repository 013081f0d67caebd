"""What the columns of a sample hold: kinds, formats, marks and units, with counts.

Belongs here: examining values. No value leaves this package, only counts, formats, units, and the words of
columns that hold few words over and over. Of a column that looks like an identifier not even the words leave
it.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import duckdb

from orchestration.exports import SourceTable
from orchestration.exports.exchanged_dates import sign_of
from orchestration.onboarding import redcap
from orchestration.onboarding.date_formats import formats_of, partial_formats_of, reads
from orchestration.onboarding.headers import role_of, spellings, unit_in
from orchestration.onboarding.shapes import AS_IT_IS, Sample, Shape, open_sample
from orchestration.onboarding.told import pattern_of, told_column, told_fault
from orchestration.registry import catalogue

ROWS_LOOKED_AT = 100_000
VALUES_LOOKED_AT = 5_000  # distinct values of a column, the most frequent
MOST = 0.95  # share of a column's filled cells that makes it a column of dates or numbers
FEW_WORDS = 20  # distinct texts: a column of words, not of prose or names
FEW_NAMES = 5  # distinct texts: fewer are words, whatever they look like
FEWEST_SHOWN = 5  # a word in fewer rows than this is counted, not shown
PARTIAL_FORMATS = (
    "%Y-%m",
    "%Y/%m",
    "%Y.%m",
    "%Y年%m月",
    "%m/%Y",
    "%m.%Y",
    "%Y",
)  # read as dates only beside whole ones
NUMBER = re.compile(r"\s*+(<=|>=|<|>|≤|≥)?\s*+[+-]?\d[\d.,]*+(?:[eE][+-]?\d+)?\s*+(?:[HhLl]{1,2}|[↑↓*])?\s*+")
_SIGN = r"\s*+[<>≤≥=]*+\s*+[+-]?"
DECIMAL_COMMA = re.compile(_SIGN + r"(?:\d{1,3}(?:\.\d{3})+,\d+|\d+,(?:\d{1,2}|\d{4,})|0,\d+)\s*")
DECIMAL_POINT = re.compile(_SIGN + r"(?:\d{1,3}(?:,\d{3})+|\d+)\.\d+\s*")
THOUSANDS_COMMA = re.compile(_SIGN + r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?\s*")
PATIENT_DATES = {"birth_date", "birth_year", "onset_date", "diagnosis_date", "visit_date", "origin_date"}
SHAPES = {  # of identifiers
    "an identity number": re.compile(r"\d{17}[\dXx]|\d{3}-\d{2}-\d{4}"),
    "a telephone number": re.compile(r"(?:\+\d{1,3}[- ]?)?[01]\d{9,10}|0\d{2,4}[-/ ]\d{5,8}"),
    "a patient's or document's code": re.compile(r"[A-Za-z]{0,4}[-_ ]?\d{3,12}"),
    "an e-mail address": re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}"),
    "a person's name": re.compile(
        r"[赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕张孔曹严华金魏陶姜谢邹苏潘葛范彭郎鲁韦马方俞任袁柳唐罗薛雷贺倪汤"
        r"滕殷毕郝安常于傅康伍余元顾孟黄穆萧尹姚邵汪毛狄戴宋庞熊纪舒屈项祝董梁杜阮蓝闵季贾江童郭梅林刁钟徐邱骆高夏蔡田樊胡凌"
        r"霍万柯卢莫房丁邓郁洪包左石崔吉龚程邢裴陆荣翁段富巫焦侯全班仰秋仲伊宫宁仇栾甘厉祖武符刘景詹龙叶黎白蒲赖卓乔闻党翟"
        r"谭劳姬申扶冉桑桂牛寿边燕冀温庄晏柴瞿阎连习容向古易廖耿匡文寇广欧][\u4e00-\u9fff]{1,2}"
    ),
}


@dataclass(frozen=True)
class ColumnProfile:
    """One column. ``values`` (text to rows) stays inside this package."""

    name: str
    filled: int
    distinct: int
    kind: str  # identifier, date, number, words, text, blank
    why_identifier: str = ""
    formats: tuple[str, ...] = ()  # the date formats that read every date
    exchanged: str = ""  # the sign that a spreadsheet has exchanged day and month
    censored: int = 0
    decimal_commas: int = 0
    decimal_points: int = 0
    thousands_commas: int = 0  # or three decimals after a comma
    missing: dict[str, int] = field(default_factory=dict)
    suspects: dict[str, int] = field(default_factory=dict)  # numbers or marks that may mean: not known
    unit: str = ""
    label: str = ""  # what a data dictionary calls it
    values: dict[str, int] = field(default_factory=dict, repr=False)

    @property
    def header(self) -> str:
        return self.label or self.name

    @property
    def role(self) -> str:
        """What its label, or else its name, says about it: see ``header_roles``."""
        role = role_of(self.header) or role_of(self.name)
        return "visit_date" if role == "visit_label" and self.kind == "date" else role

    @property
    def spellings(self) -> tuple[str, ...]:
        """Its label and its name in the normal form, with and without a unit."""
        return tuple(dict.fromkeys([*spellings(self.header), *spellings(self.name)]))

    @property
    def shown_words(self) -> str:
        """The frequent words of a column of few words, or the codes of a column of few numbers, with their
        counts.
        """
        if self.kind != "words" and not (self.kind == "number" and len(self.values) <= FEW_NAMES):
            return ""
        shown = [f"{text} ({n})" for text, n in self.values.items() if n >= FEWEST_SHOWN]
        rare = len(self.values) - len(shown)
        return ", ".join(shown) + (
            f", {rare} in fewer than {FEWEST_SHOWN} rows" if rare else ""
        ).removeprefix(", " if not shown else "")


Where = dict[str, tuple[str | None, ...]]  # column to its texts, null a blank cell


@dataclass(frozen=True)
class TableProfile:
    file: str
    sheet: str | None
    format: str
    encoding: str | None
    rows: int
    malformed: int
    columns: tuple[ColumnProfile, ...]
    where: Where | None = (
        None  # REDCap: the rows of one repeating instrument, or of events that fill the same columns
    )
    shape: Shape = AS_IT_IS
    alike: int = 1  # tables of the sample that are this one

    def column(self, name: str) -> ColumnProfile:
        return next(c for c in self.columns if c.name == name)


@dataclass(frozen=True)
class SampleProfile:
    """What a sample holds. Patterns replace the names of files and sheets, because a name may be
    a patient's.
    """

    tables: list[TableProfile]
    prose: list[tuple[str, str | None]]  # file and sheet that hold no table
    faults: list[str]  # a sentence for each table that could not be read


def profile_sample(path: Path) -> tuple[list[TableProfile], list[str]]:
    """The tables of a sample, and a sentence for each that could not be read."""
    found = look_at(path)
    return found.tables, found.faults


def look_at(path: Path) -> SampleProfile:
    """The tables of a file, or of every file of a delivery, and a sentence for each that could not be read.

    In a folder of deliveries only the last one is examined.
    """
    path = path.resolve()
    if (
        path.is_dir()
        and not any(p.is_file() for p in path.iterdir())
        and (inner := sorted(p for p in path.iterdir() if p.is_dir()))
    ):
        path = inner[-1]
    files = (
        sorted(
            p
            for p in path.rglob("*")
            if p.is_file() and not p.is_symlink() and not p.name.startswith((".", "_"))
        )
        if path.is_dir()
        else [path]
    )
    named = [(file, file.relative_to(path).as_posix() if path.is_dir() else file.name) for file in files]
    with tempfile.TemporaryDirectory(prefix="profile-") as workdir, duckdb.connect() as connection:
        sample = open_sample(named, Path(workdir), connection)
        dictionary = redcap.dictionary([found.table for found in sample.tables], connection)
        tables = [
            replace(
                part,
                file=_file_pattern([file for file, _ in found.places], sample),
                sheet=_sheet_pattern(found.places, sample),
                shape=found.shape,
                alike=len(found.places),
                columns=tuple(
                    replace(c, name=told_column(c.name, found.table.columns)) for c in part.columns
                ),
            )
            for found in sample.tables
            if not redcap.is_dictionary(found.table)
            for part in _parts(found.table, connection, dictionary)
        ]
    prose = [
        (_file_pattern([file], sample), _sheet_pattern(((file, sheet),), sample))
        for file, sheet in sample.prose
    ]
    return SampleProfile(
        tables, prose, [told_fault(fault, _file_pattern([name], sample)) for name, fault in sample.faults]
    )


def _file_pattern(names: list[str], sample: Sample) -> str:
    """The draft's pattern for the files of one table. Dictionaries and unreadable files count as
    files too.
    """
    everything = [file for found in sample.tables for file, _ in found.places]
    return pattern_of(
        list(dict.fromkeys(names)), [*everything, *(name for name, _ in sample.faults)], has_suffix=True
    )


def _sheet_pattern(places: tuple[tuple[str, str | None], ...], sample: Sample) -> str | None:
    """The draft's pattern for the sheets of one table, in a workbook that may have other sheets."""
    names = [sheet for _, sheet in places if sheet is not None]
    if not names:
        return None
    files = {file for file, _ in places}
    others = [s for found in sample.tables for file, s in found.places if file in files and s is not None]
    others += [s for file, s in sample.prose if file in files and s is not None]
    return pattern_of(list(dict.fromkeys(names)), others, has_suffix=False)


def _parts(
    table: SourceTable, connection: duckdb.DuckDBPyConnection, dictionary: redcap.Dictionary
) -> Iterator[TableProfile]:
    """The table; or, for a REDCap export, its parts, each as a table of the columns that its rows fill."""
    connection.execute(
        f"create or replace temp table sample as select * from ({table.relation}) limit {ROWS_LOOKED_AT}"
    )
    if not redcap.is_data(table):
        yield _table(table, connection, "true", dictionary, None)
        return
    seen: set[str] = set()
    parts = []
    for where in _redcap_parts(table, connection):
        part = _table(table, connection, _rows_where(table, where), dictionary, where)
        parts.append(
            replace(
                part,
                columns=tuple(c for c in part.columns if c.kind != "blank" and not redcap.is_own(c.name)),
            )
        )
        seen |= {c.name for c in parts[-1].columns}
    blank = tuple(c for c in part.columns if c.name not in seen and not redcap.is_own(c.name))
    yield from (replace(parts[0], columns=(*parts[0].columns, *blank)), *parts[1:])


def _redcap_parts(table: SourceTable, connection: duckdb.DuckDBPyConnection) -> list[Where]:
    """Rows that belong together: those of events that fill the same columns, in their order; and those of
    each repeating instrument.

    Without this, a follow-up without sex or date of birth would feed the patients' table a row of blanks.
    """
    cell = {c: f"c{i}" for i, c in enumerate(table.columns)}
    found: list[Where] = []
    instruments: list[str] = []
    event, instrument = redcap.event_column(table), redcap.instrument_column(table)
    once = "true"
    if instrument is not None:
        once = f"{cell[instrument]} is null"
        instruments = [
            i
            for (i,) in connection.execute(
                f"select distinct {cell[instrument]} from sample where not ({once}) order by 1"
            ).fetchall()
        ]
    if event is not None:
        filled = ", ".join(f"count({c}) > 0" for name, c in cell.items() if not redcap.is_own(name))
        together: dict[tuple[bool, ...], list[str | None]] = {}
        for name, columns in connection.execute(
            f"select {cell[event]}, [{filled}] from sample where {once} group by 1 order by min(source_row)"
        ).fetchall():
            together.setdefault(tuple(columns), []).append(name)
        found = [{event: tuple(events)} for events in together.values()]
    elif connection.execute(f"select count(*) from sample where {once}").fetchall()[0][0]:
        found = [{}]
    if instrument is not None:
        found = [{**where, instrument: (None,)} for where in found]
    return found + [{instrument: (name,)} for name in instruments if instrument is not None]


def _rows_where(table: SourceTable, where: Where) -> str:
    """SQL for a sample's rows that ``where`` takes."""
    tests = []
    for column, texts in where.items():
        cell = f"c{table.columns.index(column)}"
        tests.append(
            " or ".join(
                f"{cell} is null" if t is None else f"{cell} = '{t.replace(chr(39), chr(39) * 2)}'"
                for t in texts
            )
        )
    return " and ".join(f"({test})" for test in tests) or "true"


def _table(
    table: SourceTable,
    connection: duckdb.DuckDBPyConnection,
    rows: str,
    dictionary: redcap.Dictionary,
    where: Where | None,
) -> TableProfile:
    count = connection.execute(f"select count(*) from sample where {rows}").fetchall()[0][0]
    columns = tuple(
        _column(connection, i, name, rows, dictionary.get(name), name in table.date_cells)
        for i, name in enumerate(table.columns)
    )
    total = count if where or count < min(table.rows, ROWS_LOOKED_AT) else table.rows
    return TableProfile(
        table.file, table.sheet, table.format, table.encoding, total, len(table.malformed), columns, where
    )


def _column(
    connection: duckdb.DuckDBPyConnection,
    i: int,
    name: str,
    rows: str,
    entry: redcap.Entry | None,
    has_date_cells: bool = False,
) -> ColumnProfile:
    filled, distinct = connection.execute(
        f"select count(c{i}), count(distinct c{i}) from sample where {rows}"
    ).fetchall()[0]
    counted = connection.execute(
        f"select trim(c{i}) as v, count(*) as n from sample where {rows} and c{i} is not null"
        f" group by 1 order by n desc, v limit {VALUES_LOOKED_AT}"
    ).fetchall()
    if entry is not None:
        counted = [(entry.choices.get(v, v), n) for v, n in counted]
    marks = {v: n for v, n in counted if catalogue.is_missing_mark(v)}
    values = {v: n for v, n in counted if v not in marks}
    label = entry.label if entry is not None else ""
    common = {
        "name": name,
        "filled": filled,
        "distinct": distinct,
        "missing": marks,
        "unit": unit_in(label or name),
        "label": label,
    }
    why = (
        "the data dictionary says so"
        if entry is not None and entry.is_identifier
        else identifier_by(label, values) or identifier_by(name, values)
    )
    role = role_of(label) or role_of(name)
    if why and not (
        role in PATIENT_DATES and entry is not None
    ):  # REDCap's flag stands on dates too, which are wanted
        return ColumnProfile(**common, kind="identifier", why_identifier=why, values=values)
    if not values:
        return ColumnProfile(**common, kind="blank")
    total = sum(values.values())
    suspects = {v: n for v, n in values.items() if catalogue.may_be_missing_mark(v)}
    honest = {v: n for v, n in values.items() if v not in suspects} or values
    formats = date_formats(
        honest, looks_dated=role.endswith("date") or _DATE_WORDS.search(label or name) is not None
    )
    if formats:
        sign = sign_of(values, has_date_cells)
        return ColumnProfile(
            **common,
            kind="date",
            formats=formats,
            suspects=suspects,
            values=values,
            exchanged=sign.sentence() if sign else "",
        )
    numbers = {v: n for v, n in honest.items() if NUMBER.fullmatch(v)}
    if sum(numbers.values()) >= MOST * sum(honest.values()):
        return ColumnProfile(
            **common,
            kind="number",
            values=values,
            suspects=_odd(suspects, numbers),
            censored=sum(n for v, n in numbers.items() if v.lstrip()[0] in "<>≤≥"),
            decimal_commas=sum(n for v, n in numbers.items() if DECIMAL_COMMA.fullmatch(v)),
            decimal_points=sum(n for v, n in numbers.items() if DECIMAL_POINT.fullmatch(v)),
            thousands_commas=sum(n for v, n in numbers.items() if THOUSANDS_COMMA.fullmatch(v)),
        )
    kind = "words" if len(values) <= FEW_WORDS and total > len(values) else "text"
    return ColumnProfile(
        **common,
        kind=kind,
        suspects={v: n for v, n in suspects.items() if not NUMBER.fullmatch(v)},
        values=values,
    )


def _odd(suspects: dict[str, int], numbers: dict[str, int]) -> dict[str, int]:
    """The suspect values that stand apart from a column's numbers: their sign occurs nowhere else, or they
    lie far above.
    """

    def size(text: str) -> float:
        try:
            return float(re.sub(r"[^\d.eE+-]", "", text.replace(",", ".")))
        except ValueError:
            return 0.0

    sizes = [size(v) for v in numbers]
    low, high = (min(sizes), max(sizes)) if sizes else (0.0, 0.0)
    return {
        v: n
        for v, n in suspects.items()
        if not NUMBER.fullmatch(v)
        or size(v) < 0 <= low
        or (size(v) >= 99 and size(v) > 5 * high)
        or numbers.keys() <= {"-1", "-9"}
    }


# dates

_DATE_WORDS = re.compile(r"(?i)date(?!d)|datum|fecha|tarih|日期|日付|时间|날짜|\bdata\b")
_WEAK = ("%Y%m%d", "%Y%m%d%H%M%S", "%Y-%j")  # of digits that may be a number, unless a header speaks of dates


def date_formats(values: dict[str, int], looks_dated: bool) -> tuple[str, ...]:
    """The fewest formats that read every value, the most frequent first. If several read the same values, all
    of them are given, as a doubt.
    """
    total = sum(values.values())
    found = list(dict.fromkeys(f for v in list(values)[:500] for f in formats_of(v)))
    found = [
        f
        for f in found
        if looks_dated or f not in _WEAK or (f == "%Y%m%d" and all(_reads(f, v) for v in values))
    ]
    found = [
        f
        for f in found
        if not f.startswith("%y") or not any(_reads(f, v) and _year(f, v) > date.today().year for v in values)
    ]
    named = dict.fromkeys(f for v in list(values)[:500] for f in partial_formats_of(v))
    partial = [
        f for f in (*PARTIAL_FORMATS, *named) if (found or looks_dated) and any(_reads(f, v) for v in values)
    ]
    reading = {f: {v for v in values if _reads(f, v)} for f in (*found, *partial)}
    for format in sorted(found, key=lambda f: -len(reading[f])):
        if sum(values[v] for v in reading[format]) >= MOST * total:
            alike = [g for g in found if g != format and reading[g] == reading[format]]
            return (format, *alike, *(g for g in partial if reading[g] - reading[format]))
    mixed: list[str] = []
    read: set[str] = set()
    for format in (*sorted(found, key=lambda f: -len(reading[f])), *partial):
        if reading[format] - read:
            mixed.append(format)
            read |= reading[format]
    if sum(values[v] for v in read) >= MOST * total:
        return tuple(mixed)
    return ("excel",) if looks_dated and _all_serials(values) else ()


def is_ambiguous(formats: tuple[str, ...]) -> bool:
    """Whether two of the formats read the same texts as different days, because they differ only in the order
    of year, month and day.
    """
    shapes = [re.sub("%[Yymd]", "%?", f) for f in formats if {"%d", "%m"} <= set(re.findall("%[dm]", f))]
    return len(set(shapes)) < len(shapes)


def _reads(format: str, text: str) -> bool:
    time = reads(format, text)
    return time is not None and 1890 <= time.year <= 2100


def _year(format: str, text: str) -> int:
    time = reads(format, text)
    return time.year if time else 0


def _all_serials(values: dict[str, int]) -> bool:
    return all(re.fullmatch(r"\d{5}(?:\.\d+)?", v) and 15_000 <= float(v) <= 60_000 for v in values)


# identifiers


_IDENTIFIER_PARTS = re.compile("姓名|身份证|证件号|电话|手机|住址|地址|邮箱|联系人|监护人|医保|护照")
_IDENTIFIER_WORDS = {
    "phone",
    "telephone",
    "mobile",
    "email",
    "address",
    "ssn",
    "passport",
    "surname",
    "firstname",
    "lastname",
}


def identifier_by(header: str, values: dict[str, int]) -> str:
    """Why a column looks like an identifier; empty if it does not."""
    role = role_of(header)
    if role in ("patient_id", "visit_id", "identifier", "bare_id"):
        return "by its name"
    parts = {w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", header)}
    if _IDENTIFIER_PARTS.search(header) or parts & _IDENTIFIER_WORDS:
        return "by its name"
    total = sum(values.values())
    for shape, pattern in SHAPES.items():
        if sum(n for v, n in values.items() if pattern.fullmatch(v)) * 2 > total:
            if shape == "a person's name" and len(values) <= FEW_NAMES:
                continue
            if shape == "a patient's or document's code" and (
                len(values) <= FEW_NAMES or all(NUMBER.fullmatch(v) for v in values)
            ):
                continue
            return f"its values look like {shape}"
    return ""
