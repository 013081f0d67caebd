"""What the text of a header says by itself: its name in the normal form, its unit, its role.

Belongs here: taking a header apart. Does not belong here: values (`profile.py`), guesses (`guess.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from orchestration.registry import catalogue
from orchestration.registry.known_words import header_names


@cache
def header_roles() -> dict[str, str]:
    """What a header in the normal form says of its column: ``patient_id``, ``sample_date``, ``identifier``
    …
    """
    return {catalogue.normal(row["name"]): row["role"] for row in header_names()}


def role_of(header: str) -> str:
    roles = header_roles()
    said = next((roles[n] for n in spellings(header) if n in roles), "")
    return said or ("identifier" if _names_a_person_twice(header) else "")


_AND = re.compile(r"[,;/&+]|\s(?:und|et|y|e|en|i|ve|and)\s", re.IGNORECASE)


def _names_a_person_twice(header: str) -> bool:
    """`Apellidos y nombre`, `Name, Vorname`: each part is the name of a column of identifiers."""
    parts = [part for part in _AND.split(header) if part.strip()]
    return len(parts) > 1 and all(header_roles().get(catalogue.normal(p)) == "identifier" for p in parts)


def spellings(header: str) -> Iterator[str]:
    """The header in the normal form: whole; without its unit; without what adds nothing (specimen,
    temperature, hours of a date, words for yes and no); with its first word unabbreviated; by the first of
    two names of one thing; and without a unit's letter after `_`.
    """
    yield catalogue.normal(header)
    base = without_unit(header)
    if base != header:
        yield catalogue.normal(base)
    bare = base
    while (shorter := _without_yes_and_no(_without_additions(bare))) and shorter != bare:
        bare = shorter
        yield catalogue.normal(bare)
    for short, words in _SHORT_DATES:
        if found := short.match(bare):
            yield from (catalogue.normal(word + bare[found.end() :]) for word in words)
    if first := _one_of_two_names(bare):
        yield catalogue.normal(first)
    if found := re.fullmatch(r"(.+?)[_ ](y|yr|yrs|years|m|mo|months|d|days|cm|kg)", header, re.IGNORECASE):
        yield catalogue.normal(found[1])


# A name without a specimen is of serum or plasma. An enzyme's activity is stated at 37 degrees (IFCC). A date
# with its hour is a date.
_ADDS_NOTHING = re.compile(
    r"(?i)(?:\bi\.\s?[SP]\.|\bim (?:Serum|Plasma)|\bs[ée]ri(?:que|co|ca)|\bsieric[oa]|\bplasmatique|\bplasm[aá]tic[oa]"  # noqa: E501
    r"|\ben suero|\bno soro|\bw surowicy|\bin serum|\bserum|\bplasma|血清|血漿|혈청|혈장|\b37\s?°\s?C)[)]?$"
    r"|(?<=[a-z])\s?[/+]\s?(?:ora|hora|heure|uhrzeit|zeit|tijd|godzina|saat)(?![a-z])"
)


def _without_additions(header: str) -> str:
    shorter = _ADDS_NOTHING.sub("", header)
    return header if shorter == header else shorter.rstrip(" \t_,(")


_SHORT_DATES = (  # `F. Nac.`, `D. nascita`
    (re.compile(r"(?i)f(?:ec|ch|cha)?\.\s?(?=\w)"), ("fecha ",)),
    (re.compile(r"(?i)d(?:t|at)?\.\s?(?=\w)"), ("data ", "date ", "datum ")),
)
_ANSWERS = re.compile(r"([(\[]?)([^\s/()\[\]]{1,12})/([^\s/()\[\]]{1,12})([)\]]?)")


def _without_yes_and_no(header: str) -> str:
    """`Koorts j/n`, `Objaw Raynauda (T/N)`: what stands before a word for yes and a word for no."""
    name, _, last = header.replace("(", " (").replace("[", " [").rstrip().rpartition(" ")
    found = _ANSWERS.fullmatch(last)
    if not found or bool(found[1]) != bool(found[4]):
        return header
    said = {catalogue.folded(found[2]), catalogue.folded(found[3])}
    meant = {
        r["status"] for r in catalogue.seed("event_status") if catalogue.folded(r["status_text"]) in said
    }
    return name.rstrip(" _") if meant == {"present", "absent"} else header


_TWO_NAMES = re.compile(r"([^\s/()]+)\s?(?:/\s?([^\s/()]+)|\(([^\s/()]+)\))")


def _one_of_two_names(header: str) -> str:
    """`GOT/ASAT`, `ALAT (GPT)`: a name of the catalogue beside another name of the same test, sign or
    antibody.
    """
    found = _TWO_NAMES.fullmatch(header)
    if not found:
        return ""
    pair = [catalogue.normal(name) for name in found.groups() if name]
    for kind in ("concepts", "antibodies", "events"):
        known, asked = catalogue.names(kind), catalogue.ambiguous(kind)
        sure = [name for name in pair if name in known and name not in asked]
        ids = [{known[n]} if n in known else {*asked[n].ids} if n in asked else set[str]() for n in pair]
        if sure and known[sure[0]] in set.intersection(*ids):
            return sure[0]
    return ""


_GLUED = re.compile(r"^(.*[\u4e00-\u9fff])([A-Za-zµμ%×*^\d][^\u4e00-\u9fff]*)$")


def _split(header: str) -> tuple[str, str]:
    """The name and the unit of a header; the unit is empty where it states none."""
    glued = _GLUED.match(header)
    bracketed = _bracketed(header)
    for found in (bracketed, _after(header), glued.groups() if glued else None):
        if found and found[0] and found[1].strip() in catalogue.units():
            if found is not bracketed and any(catalogue.is_name(kind, header) for kind in catalogue.NAMES):
                return header, ""  # `CMAS score` is a name, not CMAS in the unit "score"
            return found[0], found[1].strip()
    return header, ""


def _bracketed(header: str) -> tuple[str, str] | None:
    """`CK (U/L)`: what stands before the last bracket, and in it."""
    text = header.rstrip()
    at = max(text.rfind(bracket) for bracket in "(（[【")
    inside = text[at + 1 : -1]
    if at < 0 or text[-1] not in ")）]】" or not inside or any(c in "()（）[]" for c in inside):
        return None
    return catalogue.without_end(text[:at]), inside


def _after(header: str) -> tuple[str, str] | None:
    """`CK U/L`, `CK / U/L`, `CK, U/L`, `CK in U/L`, `CK,U/L`: what stands before the last word, and that."""
    if not header or header[-1].isspace():
        return None
    unit = header.split()[-1]
    name = header[: -len(unit)].rstrip()
    if not name:
        name, _, unit = header.partition(",")
    elif name.endswith(","):
        name = name[:-1]
    else:
        for link in ("/", "in"):
            rest = name.removesuffix(link)
            if rest != name and rest != rest.rstrip():
                name = rest.rstrip()
                break
    return (name, unit) if unit else None


def unit_in(header: str) -> str:
    """The unit that a header states, as it is spelled: ``CK (U/L)``, ``CK U/L``, ``CK / U/L``,
    ``铁蛋白ng/ml``.
    """
    return _split(header)[1]


def without_unit(header: str) -> str:
    base = _split(header)[0]
    found = _bracketed(base)
    return (
        found[0]
        if found
        and found[0]
        and base == header
        and found[1] in ("岁", "月", "年", "天", "years", "months", "days")
        else base
    )
