"""The language of a sample's headers.

Belongs here: counting the headers that only some languages have. Does not belong here: what a header means
(`guess.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from orchestration.onboarding.profile import TableProfile
from orchestration.registry import catalogue
from orchestration.registry.known_words import header_names

FEWEST = 2.0  # headers of one language alone; a header of two languages counts as half of one


@dataclass(frozen=True)
class LanguageGuess:
    language: str
    headers: float


def language_of(tables: Iterable[TableProfile]) -> LanguageGuess | None:
    """The language that most headers speak; None where few tell, or two languages have as many."""
    heard = dict.fromkeys(catalogue.LANGUAGES, 0.0)
    for form in {form for table in tables for column in table.columns for form in column.spellings}:
        languages = _languages().get(form, frozenset())
        if languages:
            for language in languages:
                heard[language] += 1 / len(languages)
    first, second = sorted(heard.items(), key=lambda item: -item[1])[:2]
    return LanguageGuess(*first) if first[1] >= FEWEST and first[1] > second[1] else None


@cache
def _languages() -> dict[str, frozenset[str]]:
    """Normal form of a header to the languages that have it."""
    found: dict[str, set[str]] = {}
    rows = [(row["name"], row["language"]) for row in header_names()]
    rows += [
        (row["synonym"], row["language"])
        for _, _, synonyms in catalogue.NAMES.values()
        for row in catalogue.seed(synonyms)
    ]
    for word, languages in rows:
        found.setdefault(catalogue.normal(word), set()).update(languages.split())
    return {form: frozenset(said & catalogue.LANGUAGES.keys()) for form, said in found.items()}
