"""Turns an identifier into a hash before it is dropped, so that the same patient can be found at two
hospitals.

Belongs here: the normal form of an identifier, which identifiers are too plain to tell people apart, the
hash. Does not belong here: which patients are linked (`int_patient_links.sql`), reading files (`loading.py`).

The identifier itself goes no further than the temporary table of a load. Its hash stays in raw, staging and
intermediate, and never enters a release.
"""

from __future__ import annotations

from orchestration.raw import pseudonym

LEAST_LENGTH = 6
LEAST_DIFFERENT = 4
COUNTING = "01234567890123456789"
_WIDE = "".join(map(chr, range(0xFF01, 0xFF5F)))
_NARROW = "".join(map(chr, range(0x21, 0x7F))).replace("'", "''")


def normalised_sql(text: str) -> str:
    """SQL for the form in which identifiers are compared: half width, capitals, letters and digits only."""
    return rf"regexp_replace(upper(translate({text}, '{_WIDE}', '{_NARROW}')), '[^\p{{L}}\p{{N}}]', '', 'g')"


def is_usable_sql(normalised: str) -> str:
    """SQL for whether an identifier is long and varied enough to stand for one person. 000000, 123456, ABCDEF
    and UNKNOWN are not.
    """
    return (
        f"(length({normalised}) >= {LEAST_LENGTH}"
        f" and len(list_distinct(string_split({normalised}, ''))) >= {LEAST_DIFFERENT}"
        f" and regexp_matches({normalised}, '[0-9]')"
        f" and not contains('{COUNTING}', {normalised}) and not contains('{COUNTING[::-1]}', {normalised}))"
    )


def link_hash_sql(identifier: str, text: str) -> str:
    """SQL for the hash of ``text`` as an identifier of this kind; null when the text is too plain."""
    normalised = normalised_sql(text)
    keyed = pseudonym.hash_sql(f"'{identifier}' || chr(31) || {normalised}", "link")
    return f"case when {is_usable_sql(normalised)} then {keyed} end"
