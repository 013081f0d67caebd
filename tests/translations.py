"""Which sentences of the pages have no translation: `python -m tests.translations` writes them into the
catalogue, untranslated, and takes out those that no page says any more.

Belongs here: finding the sentences. Does not belong here: translating, choosing a language
(`orchestration/pages/language.py`).
"""

from __future__ import annotations

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from orchestration.pages import engine_words
from orchestration.pages.ask import prepared
from orchestration.pages.language import DEFAULT, LANGUAGES, TRANSLATIONS

PAGES = TRANSLATIONS.parent
METHODS = [("**.py", "python"), ("templates/**.j2", "jinja2.ext.babel_extract")]
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "marked": None}
OPTIONS = {"templates/**.j2": {"newstyle_gettext": "true", "trim_blocks": "true", "lstrip_blocks": "true"}}


def said() -> Catalog:
    """Every sentence that is marked for translation in the pages, what they show of the engine's, and the
    questions of the page Ask.
    """
    found = Catalog()
    for file, _, message, comments, context in extract_from_dir(
        str(PAGES), method_map=METHODS, options_map=OPTIONS, keywords=KEYWORDS
    ):
        found.add(message, context=context, auto_comments=comments, locations=[(file, 0)])
    for text in engine_words.texts():
        found.add(text, locations=[("engine_words.py", 0)])
    for question in prepared():
        for sentence in (question.title, question.text):
            found.add(sentence, locations=[("ask.py", 0)])
    return found


def kept(language: str) -> Catalog:
    path = _path(language)
    if not path.is_file():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def untranslated(language: str) -> list[str]:
    """Sentences that the pages say and the catalogue lacks."""
    catalogue = kept(language)
    missing = []
    for message in said():
        found = catalogue.get(message.id) if message.id else message
        if message.id and (found is None or not _is_whole(found.string) or found.fuzzy):
            missing.append(message.id if isinstance(message.id, str) else message.id[0])
    return missing


def _is_whole(string: object) -> bool:
    return all(string) if isinstance(string, tuple | list) else bool(string)


def update(language: str) -> None:
    catalogue = kept(language)
    catalogue.update(said(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    path = _path(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, width=110, no_location=True, omit_header=True, sort_output=True)


def _path(language: str) -> Path:
    return TRANSLATIONS / language / "LC_MESSAGES" / "pages.po"


if __name__ == "__main__":
    for language in LANGUAGES:
        if language != DEFAULT:
            update(language)
            print(f"{language}: {len(untranslated(language))} sentences without a translation")
