"""Numbers of persons in free text, in all the ways in which they are typed. All are invented, or the examples
of their authorities.
"""

from __future__ import annotations

import duckdb
import pytest

from orchestration.registry.person_numbers import CANDIDATE, NO_CANDIDATE, blanked, person_numbers

CHINESE = "110101199003071233"
WIDE = CHINESE.translate({ord(str(d)): chr(0xFF10 + d) for d in range(10)})
OF_PERSONS = {
    "18 digits": (CHINESE, "identity_number"),
    "full-width digits": (WIDE, "identity_number"),
    "blanks": ("110101 19900307 1233", "identity_number"),
    "hyphens": ("110101-19900307-1233", "identity_number"),
    "between Chinese words": (f"身份证{CHINESE}联系", "identity_number"),
    "ends in x": ("11010519491231002x", "identity_number"),
    "15 digits": ("110101900307123", "identity_number"),
    "15 digits in words": ("旧证 110101900307123。", "identity_number"),
    "Arabic digits": ("١١٠١٠١١٩٩٠٠٣٠٧١٢٣٣", "identity_number"),
    "wide blanks": ("110101\u300019900307\u30001233", "identity_number"),
    "Chinese mobile": ("13800138000", "telephone"),
    "wide mobile": ("１３８００１３８０００", "telephone"),
    "grouped mobile": ("138-0013-8000", "telephone"),
    "+86": ("+86 138 0013 8000", "telephone"),
    "0086": ("0086 13800138000", "telephone"),
    "German mobile": ("0171 2345678", "telephone"),
    "German in a sentence": ("call 0171/2345678 tomorrow", "telephone"),
    "+49": ("+49 (0)171 2345678", "telephone"),
    "land line": ("030 901820", "telephone"),
    "American": ("(212) 555-2368", "telephone"),
    "+1": ("+1 212 555 2368", "telephone"),
    "e-mail": ("write to a.b@c.de", "email"),
    "wide at": ("a.b＠c.de", "email"),
    "Chinese passport": ("护照E12345678", "passport"),
    "old Chinese passport": ("G1234567", "passport"),
    "wide passport": ("Ｅ１２３４５６７８", "passport"),
    "German passport": ("Reisepass C01X00T47", "passport"),
    "British passport": ("passport no. 533380006", "passport"),
    "Spain": ("DNI 12345678Z", "identity_number"),
    "Spain, foreigners": ("X-1234567-L", "identity_number"),
    "Italy": ("RSSMRA85T10A562S", "identity_number"),
    "Finland": ("131052-308T", "identity_number"),
    "United States": ("123-45-6789", "identity_number"),
    "Britain": ("NHS 9434765919", "identity_number"),
    "Britain's insurance": ("AB 12 34 56 C", "identity_number"),
    "Poland": ("44051401359", "identity_number"),
    "Korea": ("900101-1234567", "identity_number"),
    "Hong Kong": ("A123456(3)", "identity_number"),
    "Taiwan": ("A123456789", "identity_number"),
    "Norway": ("151086 95088", "identity_number"),
    "Turkey": ("17291716060", "identity_number"),
    "France": ("2 95 10 99 126 111 93", "identity_number"),
    "Brazil": ("390.533.447-05", "identity_number"),
    "India": ("2341 2341 2346", "identity_number"),
}
OF_NOBODY = [
    "<0.10",
    "1:320",
    "120/80 mmHg",
    "2024-06-30 10:11:12",
    "20240630101112",
    "2024-01-02 2024-03-04",
    "0.123456789012",
    "12345.678901234",
    "170000000",
    "1700000000",
    "1234567890",
    "M33.1",
    "31384009",
    "396230008",
    "130 140 150 160",
    "12345678",
    "CD4 1234567",
    "1.234.567,89",
    "5/10/2020 - 6/10/2020",
    "10^9/L",
    "LOINC 2157-6",
    "3-5 mg/kg",
    "α-1 (2020)",
    "relapse in week 12",
    "2157-6",
    "12 345 678",
    "7y 3m",
    "36.5 36.8 37.2 38.1",
]


@pytest.mark.parametrize("case", OF_PERSONS)
def test_a_number_of_a_person_is_known_however_it_is_typed(case):
    text, kind = OF_PERSONS[case]
    assert kind in [number.kind for number in person_numbers(text)]


@pytest.mark.parametrize("text", OF_NOBODY)
def test_a_number_of_nobody_is_none(text):
    assert person_numbers(text) == []


def test_what_the_database_lets_through_holds_every_number_of_a_person():
    """The close look is dear; the pattern before it may let too much through, and never too little."""
    asked = "select regexp_matches(?, ?) and not regexp_full_match(?, ?)"
    passed = {
        case: duckdb.execute(asked, [text, CANDIDATE, text, NO_CANDIDATE]).fetchone()[0]
        for case, (text, _) in OF_PERSONS.items()
    }
    assert passed == dict.fromkeys(OF_PERSONS, True)


def test_a_text_keeps_all_but_the_number():
    text = f"mother 138-0013-8000, 身份证{WIDE}; relapse on 2024-01-02"
    assert blanked(text) == "mother [telephone], 身份证[identity_number]; relapse on 2024-01-02"
