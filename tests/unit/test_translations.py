"""Every sentence of the pages has a translation, which asks for the same values."""

from __future__ import annotations

import re

import pytest

from orchestration.pages.language import DEFAULT, LANGUAGES
from tests.translations import kept, said, untranslated

OTHERS = pytest.mark.parametrize("language", [code for code in LANGUAGES if code != DEFAULT])
VALUE = re.compile(r"%\((\w+)\)")


@OTHERS
def test_every_sentence_has_a_translation(language: str) -> None:
    assert untranslated(language) == [], "python -m tests.translations writes them into the catalogue"


@OTHERS
def test_a_translation_asks_for_the_values_of_its_sentence(language: str) -> None:
    for message in kept(language):
        one = message.id if isinstance(message.id, str) else message.id[-1]  # the plural names the number
        for translation in [message.string] if isinstance(message.string, str) else message.string:
            assert set(VALUE.findall(translation)) == set(VALUE.findall(one)), one
            assert ("%%" in translation) == ("%%" in one), one


@OTHERS
def test_the_catalogue_keeps_no_sentence_that_no_page_says(language: str) -> None:
    spoken = {message.id for message in said()}
    assert [message.id for message in kept(language) if message.id not in spoken] == []
