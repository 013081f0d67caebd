"""Finds numbers that stand for a person in free text: identity numbers, passports, telephones, e-mail
addresses.

Belongs here: what such a number looks like, in all the ways in which it is typed: full-width digits, blanks,
hyphens, +86, 15 and 18 digits. python-stdnum knows the check digits of identity numbers, and phonenumbers the
number plans of countries; both are imported when the first text needs them. Does not belong here: which
columns are searched, and what becomes of a finding.

One in ten numbers without any mark of its kind (nine digits alone) passes a check by chance. Such a number
counts only if its digits hold a date of birth, if it is long, or if it is typed as such numbers are.
"""

from __future__ import annotations

import importlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

# Matches texts that may hold such a number at all. The database applies it to every text; only texts that
# match are examined closely.
CANDIDATE = (
    r"[@＠]|(\p{Nd}[^\p{L}\p{Nd}]{0,2}){6}|\p{L}{4}\p{Nd}{6}|\p{L}{6}\p{Nd}{2}|(?i:pass|护照|旅券|여권)"
)
# Matches texts that cannot hold one: a number with decimals or of few digits, a date with its time.
NO_CANDIDATE = (
    r"[<>≤≥=~]*\s*[-+]?(\d{1,8}|\d*[.,]\d+([eE][-+]?\d+)?)|\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?"
)

_GAP = r"[ \-]{0,2}"
_NOT_BEFORE, _NOT_AFTER = "(?<![A-Za-z0-9])", "(?![A-Za-z0-9])"
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
_DATED = re.compile(
    r"(?<!\d)(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})(?!\d)(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?Z?"  # noqa: E501
    r"|(?<![\d.,])(?:0|[1-9]\d*)[.,]\d+(?![.,]?\d)(?!/)"  # a number with decimals
)
_RUN = re.compile(
    rf"(?<![A-Za-z0-9.,])\+?\(?\d(?:[ \-./()]{{0,2}}\d){{7,20}}(?:{_GAP}[Xx])?(?![A-Za-z0-9]|[.,]\d)"
)
_LETTERED = re.compile(rf"{_NOT_BEFORE}[A-Za-z]{{1,2}}{_GAP}\d{{7,9}}{_NOT_AFTER}")
_OF_A_FORM = re.compile(  # numbers whose letters tell them: Hong Kong, Taiwan, Britain's national insurance
    rf"{_NOT_BEFORE}(?:[A-Za-z]{{1,2}}\d{{6}}\([0-9A]\)|[A-Za-z][1289]\d{{8}}"
    rf"|[A-CEGHJ-PR-TW-Z]{{2}} ?\d{{2}} ?\d{{2}} ?\d{{2}} ?[A-D]){_NOT_AFTER}"
)
_NAMED_PASSPORT = re.compile(
    r"(?:passport|passeport|pasaporte|passaporto|passaporte|reisepass|paspoort|pass-?nr|护照|旅券|여권)[^A-Za-z0-9]{0,12}"
    r"(?:n[or]\.?|number|号码?)?[^A-Za-z0-9]{0,3}((?=[A-Z0-9]*\d)[A-Z0-9]{7,10})(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_TAX_CODE = re.compile(
    rf"{_NOT_BEFORE}(?:[A-Za-z]{{6}}\d{{2}}[A-Za-z]\d{{2}}[A-Za-z]\d{{3}}[A-Za-z]|[A-Za-z]{{4}}\d{{6}}[A-Za-z]{{6}}[A-Za-z0-9]\d){_NOT_AFTER}"
)
_SPANISH = re.compile(rf"{_NOT_BEFORE}[XYZxyz]?-?\d{{7,8}}-?[A-Za-z]{_NOT_AFTER}")
_FINNISH = re.compile(rf"{_NOT_BEFORE}\d{{6}}[-+A-FU-Y]\d{{3}}[0-9A-Y]{_NOT_AFTER}")
_KOREAN = re.compile(r"\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])-[1-8]\d{6}")
_PASSPORT = re.compile(r"[EGDSPHKACFMRTZBNLX][A-Z]?\d{7,8}", re.IGNORECASE)
_CHINESE_MOBILE = re.compile(r"(?:(?:\+|00)?86)?1[3-9]\d{9}")
_SEPARATED_PHONE = re.compile(r"\(?\d{2,5}\)?[ \-/.]\d{2,4}(?:[ \-/.]\d{2,5}){1,4}|0\d{1,4}[ \-/]\d{5,9}")
_AMERICAN = re.compile(r"(?:\+?1[ \-.])?\(?\d{3}\)?[ \-.]\d{3}[ \-.]\d{4}")
_SOCIAL_SECURITY = re.compile(r"(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}")
# number plans in which to look up a number that begins with the national 0 or is typed in groups
REGIONS = (
    "CN",
    "DE",
    "FR",
    "IT",
    "ES",
    "PT",
    "NL",
    "BE",
    "PL",
    "TR",
    "JP",
    "KR",
    "GB",
    "CH",
    "AT",
    "IN",
    "BR",
)
# stdnum's modules of numbers whose digits hold a date or two check digits, which distinguishes them from any
# other number
STRONG = (
    "cn.ric",
    "kr.rrn",
    "fr.nir",
    "pl.pesel",
    "tr.tckimlik",
    "no.fodselsnummer",
    "ro.cnp",
    "si.emso",
    "za.idnr",
    "be.nn",
    "ee.ik",
    "lt.asmens",
    "gr.amka",
    "mx.curp",
    "it.codicefiscale",
    "es.dni",
    "es.nie",
    "fi.hetu",
    "br.cpf",
    "in_.aadhaar",
    "th.pin",
    "de.idnr",
    "ch.ssn",
    "my.nric",
)
# numbers of few digits: only beside other text, or typed in groups
WEAK = (
    "gb.nhs",
    "nl.bsn",
    "se.personnummer",
    "dk.cpr",
    "cz.rc",
    "bg.egn",
    "at.vnr",
    "is_.kennitala",
    "il.idnr",
    "ca.sin",
)
SHORTEST_ALONE = 11
TRAILING_ZEROS = 4  # of a count that is rounded, such as 1,700,000,000 copies


@dataclass(frozen=True)
class PersonNumber:
    """Where in a text such a number stands, and its kind: `identity_number`, `passport`,
    `telephone`, `email`.
    """

    kind: str
    start: int
    end: int


def person_numbers(text: str) -> list[PersonNumber]:
    """Every number of a person in a text, in its order and without overlaps."""
    plain = "".join(map(_plain, text))
    found = [PersonNumber("email", m.start(), m.end()) for m in _EMAIL.finditer(plain)]
    masked = _masked(plain, _DATED.finditer(plain))
    is_alone = not re.search(r"[^\W\d_]", re.sub(r"[Xx]$", "", masked.strip()))
    for pattern, judge in (
        (_RUN, lambda token: _run_kind(token, is_alone)),
        (_TAX_CODE, _lettered_kind),
        (_SPANISH, _lettered_kind),
        (_FINNISH, _lettered_kind),
        (_LETTERED, _passport_kind),
        (_OF_A_FORM, lambda _: "identity_number"),
    ):
        found += [
            PersonNumber(kind, m.start(), m.end())
            for m in pattern.finditer(masked)
            if (kind := judge(m.group()))
        ]
    found += [PersonNumber("passport", m.start(1), m.end(1)) for m in _NAMED_PASSPORT.finditer(masked)]
    return _apart(found)


def blanked(text: str) -> str:
    """The text with the kind of each number of a person in the number's place."""
    for number in reversed(person_numbers(text)):
        text = f"{text[: number.start]}[{number.kind}]{text[number.end :]}"
    return text


def _plain(character: str) -> str:
    """The text, character by character: digits of any alphabet as 0 to 9, full-width and other signs as the
    plain ones.
    """
    if character.isascii():
        return character
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if character.isspace():
        return " "
    if unicodedata.category(character) == "Pd" or character == "−":
        return "-"
    narrow = unicodedata.normalize("NFKC", character)
    return narrow if len(narrow) == 1 else character


def _masked(text: str, dates: Iterator[re.Match[str]]) -> str:
    """The text with dates and times made unreadable, so that two in a row are not taken for a number."""
    for found in dates:
        text = text[: found.start()] + "#" * len(found.group()) + text[found.end() :]
    return text


def _run_kind(token: str, is_alone: bool) -> str | None:
    """The kind of number that a run of digits is."""
    compact = re.sub(r"[^0-9Xx+]", "", token).upper()
    digits = compact.lstrip("+")
    is_grouped = bool(re.search(r"\d[ \-./()]+\d", token))
    if re.search(r"0" * TRAILING_ZEROS + "$", digits) and not token.startswith("+"):
        return None
    if (len(digits) == 15 and _is_old_chinese(digits)) or (len(digits) == 18 and _is_valid("cn.ric", digits)):
        return "identity_number"
    if token.startswith(("+", "0")) and _is_phone(token, compact, is_grouped):
        return "telephone"
    if len(digits) >= SHORTEST_ALONE and any(_is_valid(module, digits) for module in STRONG):
        return "identity_number"
    if _SOCIAL_SECURITY.fullmatch(token) or _KOREAN.fullmatch(token):
        return "identity_number"
    if _is_phone(token, compact, is_grouped):
        return "telephone"
    if not is_alone and len(digits) >= 9 and any(_is_valid(module, digits) for module in (*STRONG, *WEAK)):
        return "identity_number"
    if (
        is_grouped
        and re.fullmatch(r"\d{3}[ -]\d{3}[ -]\d{3,4}", token)
        and any(_is_valid(m, digits) for m in WEAK)
    ):
        return "identity_number"
    return None


def _is_old_chinese(digits: str) -> bool:
    """Whether these are the 15 digits used until 1999: the present number without the century and the check
    digit.
    """
    body = f"{digits[:6]}19{digits[6:]}"
    from stdnum.cn import ric

    return _is_valid("cn.ric", body + ric.calc_check_digit(body + "0"))


def _lettered_kind(token: str) -> str | None:
    compact = re.sub(r"[\s-]", "", token) if "-" not in token or len(token) < 11 else token
    return (
        "identity_number"
        if any(_is_valid(m, compact) for m in ("it.codicefiscale", "mx.curp", "es.dni", "es.nie", "fi.hetu"))
        else None
    )


def _passport_kind(token: str) -> str | None:
    compact = re.sub(r"[^0-9A-Za-z]", "", token)
    return "passport" if _PASSPORT.fullmatch(compact) else None


def _is_phone(token: str, compact: str, is_grouped: bool) -> bool:
    import phonenumbers

    if _CHINESE_MOBILE.fullmatch(compact):
        return True
    if compact.startswith(("+", "00")):
        return _is_valid_phone(phonenumbers, "+" + compact.lstrip("+0"), None)
    if _AMERICAN.fullmatch(token) and _is_valid_phone(phonenumbers, compact, "US"):
        return True
    if len(compact) < 9 or not (compact.startswith("0") and (is_grouped or len(compact) >= 10)):
        return False
    return bool(_SEPARATED_PHONE.fullmatch(token) or compact.isdecimal()) and any(
        _is_valid_phone(phonenumbers, compact, region) for region in REGIONS
    )


def _is_valid_phone(library: Any, text: str, region: str | None) -> bool:
    try:
        return library.is_valid_number(library.parse(text, region))
    except library.NumberParseException:
        return False


@cache
def _module(name: str) -> Any:
    return importlib.import_module(f"stdnum.{name}")


def _is_valid(module: str, number: str) -> bool:
    if not _module(module).is_valid(number):
        return False
    return module != "cn.ric" or 1900 <= int(number[6:10]) <= date.today().year


def _apart(found: list[PersonNumber]) -> list[PersonNumber]:
    """The numbers in the order of the text; of two that overlap, the longer one."""
    kept: list[PersonNumber] = []
    for number in sorted(found, key=lambda n: (n.start - n.end, n.start)):
        if all(number.end <= other.start or number.start >= other.end for other in kept):
            kept.append(number)
    return sorted(kept, key=lambda n: n.start)
