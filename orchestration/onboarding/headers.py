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
    return next((header_roles()[n] for n in spellings(header) if n in header_roles()), "")


def spellings(header: str) -> Iterator[str]:
    """The header in the normal form: whole; without its unit; and without a unit's letter after `_`."""
    yield catalogue.normal(header)
    base = without_unit(header)
    if base != header:
        yield catalogue.normal(base)
    if (bare := _OF_SERUM.sub("", base)) and bare != base:
        yield catalogue.normal(bare)
    if found := re.fullmatch(r"(.+?)[_ ](y|yr|yrs|years|m|mo|months|d|days|cm|kg)", header, re.IGNORECASE):
        yield catalogue.normal(found[1])


# a name without a specimen is of serum or plasma, so such a word adds nothing to it
_OF_SERUM = re.compile(
    r"(?i)[\s_,]*[(]?(?:\bi\.\s?[SP]\.|\bim (?:Serum|Plasma)|\bs[ée]ri(?:que|co|ca)|\bsieric[oa]|\bplasmatique|\bplasm[aá]tic[oa]"
    r"|\ben suero|\bno soro|\bw surowicy|\bin serum|\bserum|\bplasma)[)]?$"
)

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
