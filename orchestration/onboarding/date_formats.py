"""The formats that a text of a date may be written in, and what a format reads, as
`dbt_project/macros/parse.sql` does.

Belongs here: texts of dates. Does not belong here: columns (`profile.py`).
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from functools import cache

from orchestration.registry import catalogue

ENGLISH = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
ERAS = {
    "明治": 1867,
    "大正": 1911,
    "昭和": 1925,
    "平成": 1988,
    "令和": 2018,
    "M": 1867,
    "T": 1911,
    "S": 1925,
    "H": 1988,
    "R": 2018,
    "㍾": 1867,
    "㍽": 1911,
    "㍼": 1925,
    "㍻": 1988,
    "㋿": 2018,
}
_TIME = re.compile(
    r"(?P<between>T|(?<!\s)\s++)(?P<hour>\d{1,2}):\d\d(?P<second>:\d\d(?P<fraction>[.,]\d{1,9})?)?(?P<half>\s?[AaPp][Mm])?"
    r"(?P<zone>\s?(?:Z|[+-]\d\d(?::?\d\d)?))?$"
)
_NUMBERS = re.compile(
    r"(\d{1,4})(\s?[-/.]\s?|年\s?|년\s?|\s)(\d{1,2})(\s?[-/.]\s?|月\s?|월\s?|\s)(\d{1,4})(日|일|\.)?"
)
_NAMED = re.compile(
    r"(\d{1,4})?([\s\-./]*(?:de[l]?\s+)?)([^\W\d_]+)(\.?)([\s\-./,]*(?:de[l]?\s+)?)(\d{1,4})(?:(,?\s+|-|/)(\d{4}))?"
)
_ERA = re.compile(
    r"(明治|大正|昭和|平成|令和|[MTSHRmtshr㍾㍽㍼㍻㋿])\s*(元|\d{1,2})\s*+(?:年|[./-])\s*+\d{0,2}\s*+(?:月|[./-])?\s*+\d{0,2}\s*+日?"
)
_WORD = re.compile(r"\d{1,2}[月월]|[^\W\d_]+")


@cache
def formats_of(text: str) -> tuple[str, ...]:
    """Every format that may read the text, the likeliest first. A text of few digits has several."""
    text = _half_width(text)
    time = _TIME.search(text)
    if time is None:
        return tuple(_formats_of_day(text))
    half = time["half"]
    clock = time["between"] + ("%I" if half else "%H") + ":%M" + (":%S" if time["second"] else "")
    clock += f"{time['fraction'][0]}%f" if time["fraction"] else ""
    clock += (" " if half[0].isspace() else "") + "%p" if half else ""
    clock += "%z" if time["zone"] else ""
    return tuple(
        day + clock for day in _formats_of_day(text[: time.start()]) if not day.startswith("japanese")
    )


def _formats_of_day(text: str) -> list[str]:
    if found := _NUMBERS.fullmatch(text):
        first, one, second, other, third, end = found.groups(default="")
        if len(first) == 4:
            return (
                [
                    f"%Y{one}{'%d' if int(second) > 12 else '%m'}{other}"
                    f"{'%m' if int(second) > 12 else '%d'}{end}"
                ]
                if len(third) < 3
                else []
            )
        if len(third) == 4:
            return [f"%d{one}%m{other}%Y{end}", f"%m{one}%d{other}%Y{end}"]
        if len(third) == 2 and len(first) <= 2:
            # with points and strokes a two-digit year comes last, unless the first number cannot be a day
            year_first = [f"%y{one}%m{other}%d{end}"] if "-" in one or int(first) > 31 else []
            return [f"%d{one}%m{other}%y{end}", f"%m{one}%d{other}%y{end}", *year_first]
        return []
    if _ERA.fullmatch(text):
        return ["japanese_era"]
    if re.fullmatch(r"\d{8}", text):
        return ["%Y%m%d"]
    if re.fullmatch(r"\d{14}", text):
        return ["%Y%m%d%H%M%S"]
    if re.fullmatch(r"\d{4}-\d{3}", text):
        return ["%Y-%j"]
    return _formats_of_named_day(text)


def _formats_of_named_day(text: str) -> list[str]:
    found = _NAMED.fullmatch(text)
    if found is None or month_of(found[3]) is None:
        return []
    first, one, _, _, other, second, third_mark, third = found.groups(default="")
    if first and not third:
        if len(first) == 4:
            return [f"%Y{one}%b{other}%d"]
        return [f"%d{one}%b{other}{'%Y' if len(second) == 4 else '%y'}"] if len(second) in (2, 4) else []
    if not first and third and len(second) <= 2:
        return [f"%b{other}%d{third_mark}%Y"]
    return []


def partial_formats_of(text: str) -> tuple[str, ...]:
    """Formats of a date without its day, beyond those of two numbers."""
    text = _half_width(text)
    if re.fullmatch(r"\d{4}\s?년\s?\d{1,2}\s?월", text):
        return (re.sub(r"^\d{4}", "%Y", re.sub(r"\d{1,2}(?=\s?월)", "%m", text)),)
    found = re.fullmatch(r"([^\W\d_]+)\.?([\s\-./]*(?:de\s+)?)\d{4}", text)
    return (f"%b{found[2]}%Y",) if found and month_of(found[1]) else ()


@cache
def reads(format: str, text: str) -> datetime | None:
    """The time that the text means under the format, as the build reads it. A two-digit year means one of
    1969 to 2068.
    """
    text = _half_width(text)
    if format == "japanese_era":
        found = _ERA.fullmatch(text)
        return (
            datetime(ERAS[found[1].upper()] + (1 if found[2] == "元" else int(found[2])), 1, 1)
            if found
            else None
        )
    if "%b" in format or "%B" in format:
        text, format = _in_english(text), format.replace("%B", "%b")
    if "%z" in format:
        text, format = (
            re.sub(r"(?:(?<!\s)\s++)?(Z|[+-]\d\d(:?\d\d)?)$", "", text),
            format.replace("%z", "").strip(),
        )
    if "%f" in format:
        text = re.sub(r"([.,]\d{6})\d+", r"\1", text)
    for written in dict.fromkeys((format, format.replace("%b", "%b."))):
        try:
            return datetime.strptime(text, written)
        except ValueError:
            continue
    return None


@cache
def _months() -> dict[str, int]:
    return {row["month_name"]: int(row["month"]) for row in catalogue.seed("month_names")}


def month_of(word: str) -> int | None:
    """The month that a word names in one of the catalogue's languages."""
    decomposed = unicodedata.normalize("NFD", word.lower())
    bare = "".join(c for c in decomposed if not unicodedata.combining(c)).replace("ı", "i")
    return _months().get(unicodedata.normalize("NFC", bare))


def _in_english(text: str) -> str:
    word = next((w for w in _WORD.findall(text) if month_of(w)), None)
    return text if word is None else text.replace(word, ENGLISH[(month_of(word) or 1) - 1])


def _half_width(text: str) -> str:
    return "".join(
        chr(ord(c) - 0xFEE0) if "！" <= c <= "～" else " " if c == "\u3000" else c for c in text
    ).strip()
